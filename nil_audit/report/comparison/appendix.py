"""What a page folds: every correlation, every model, how the numbers are made, and the command that made them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nil_audit import __version__
from nil_audit.comparison.predictors import METRICS
from nil_audit.comparison.result import Comparison
from nil_audit.law.pooled import LOSS_PER_SIZE
from nil_audit.law.studies import Study
from nil_audit.report.comparison.answer import study_of
from nil_audit.report.comparison.words import CONTROLS, group_words, number, predictor_label, study_words, unit
from nil_audit.report.render.cells import count_cell, estimate_cell, verdict_cell
from nil_audit.report.render.page import Block, Bullets, Cell, Column, Listing, Prose, Table, table
from nil_audit.report.render.text import MISSING, count, p_value, signed
from nil_audit.stats.estimate import LEVEL

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_GIVEN = {
    "nothing": "nothing",
    "size": "size",
    "size_tokens": "size, tokens",
    "size_release": "size, release",
    "size_ratio": "size, R",
}


def association_table(comparison: Comparison) -> Table:
    """Every rank correlation, with p and adjusted p."""
    return table(
        f"All {len(comparison.findings.associations):,} rank correlations (Spearman's). Adjusted: p corrected for their"
        " number by Holm's rule; what goes with R, or size and date themselves, is not tested.",
        ("Of", "With", "Held fixed", "Models", "Correlation [95%]", "p", "Adjusted"),
        [
            (
                predictor_label(one.predictor),
                comparison.outcome.name if one.outcome == "response" else "R",
                _GIVEN[one.given],
                count_cell(one.estimate.n),
                estimate_cell(one.estimate),
                Cell(text=p_value(one.estimate.p), value=one.estimate.p),
                Cell(text=p_value(one.p_adjusted), value=one.p_adjusted),
            )
            for one in comparison.findings.associations
        ],
        left=3,
        name="correlations",
        choices=(0, 1, 2),
        file="study.json",
    )


def model_table(comparison: Comparison) -> Table:
    """Every model of the comparison, flagged ones too."""
    measured = [key for key in sorted(METRICS) if key in comparison.models]
    digits, scale = (1, 100.0) if comparison.outcome.unit == "points" else (3, 1.0)

    def row(model: Mapping[Any, Any]) -> tuple[Cell | str, ...]:
        return (
            Cell(text=model["model"], href=_hub_address(model)),
            _sorted(f"{scale * model['score']:.{digits}f}", model["score"]),
            _sorted(signed(model["residual"], 1), model["residual"]),
            _sorted(number(model["dose"], 1), model["dose"]),
            _sorted(f"{model['ratio']:.4f}", model["ratio"]),
            _sorted(count(model["size"]), model["size"]),
            verdict_cell(model["verdict"]),
            model["family"],
            model["release"][:7] or MISSING,
            *(_sorted(f"{model[key]:.3g}", model[key]) for key in measured),
            _remarks(model),
        )

    return table(
        f"All {len(comparison.models):,} models.",
        (
            "Model",
            _numbers("Outcome" if comparison.outcome.column else "Score, %"),
            _numbers("Beyond size", help=f"{unit(comparison.outcome)} above what its size predicts"),
            _numbers(
                "Cost", help=f"{unit(comparison.outcome)} that {study_words(comparison.study)} says its shape costs"
            ),
            _numbers("R"),
            _numbers("Size"),
            Column(label="Verdict", help="what the pooled studies expect of the shape"),
            Column(label="Family"),
            Column(label="Release"),
            *(_numbers(key.replace("_", " ")) for key in measured),
            Column(label="Remarks"),
        ),
        [row(model) for model in comparison.models.to_dict("records")],
        name="models",
        choices=(6, 7),
        file="table.csv",
    )


def _numbers(label: str, help: str = "") -> Column:
    return Column(label=label, help=help, numeric=True)


def _sorted(text: str, value: float) -> Cell:
    """A cell that is sorted by its number; a number that is missing (NaN, the only one unlike itself) sorts last."""
    return Cell(text=text, value=float(value)) if value == value else Cell(text=MISSING)


def _hub_address(model: Mapping[Any, Any]) -> str | None:
    """The model's page on the Hub, where its name can only be a Hub id."""
    hub = model["origin"] == "published" and _HUB_ID.fullmatch(model["model"])
    return f"https://huggingface.co/{model['model']}" if hub else None


def _remarks(model: Mapping[Any, Any]) -> str:
    lineage = "" if model["lineage"] == "from_scratch" else model["lineage"].replace("_", " ")
    return "; ".join(
        filter(None, ("flagged" if model["flag"] else "", "at floor" if model["at_floor"] else "", lineage))
    )


def method_blocks(comparison: Comparison, command: str) -> Iterator[Block]:
    """How the numbers are made, what was chosen, and the command."""
    yield Bullets(items=tuple(_method(comparison)))
    options = comparison.options
    yield Prose(
        text=f"Inputs: {', '.join(comparison.inputs) or 'the list that ships with nil-audit'}. Seed {options.seed};"
        f" {options.permutations:,} permutations; {options.splits:,} random halves; nil-audit {__version__}. The"
        " command that made this report:"
    )
    yield Listing(text=command)


def _method(comparison: Comparison) -> Iterator[str]:
    tested, groups = study_of(comparison), group_words(comparison)
    yield (
        "R is depth over width, in blocks per channel. The excess loss that a study predicts for a shape comes from its"
        " fitted curve"
        + (
            f", exp({tested.coefficients[1]:.4f} (ln R/R*)²) - 1."
            if isinstance(tested, Study) and tested.form == "quadratic"
            else "."
        )
    )
    if comparison.outcome.lower_is_better:
        yield "The cost of a shape (the dose) is 100 ln(1 + excess), in per cent of loss."
    else:
        yield (
            f"The cost of a shape (the dose) is excess / {LOSS_PER_SIZE:g} times the slope of the curve of score on ln"
            f" size at its size: {100 * LOSS_PER_SIZE:g}% of loss is worth an e-fold of parameters (Hoffmann et al."
            " 2022)."
        )
    yield (
        f"The effect is the coefficient of minus the cost in a least-squares fit of the outcome on it and a"
        f" {CONTROLS[comparison.control]} of size. Its interval ({100 * LEVEL:g}%, Student's t) comes from leaving out"
        f" each of the {groups} in turn, slopes and size curve fitted anew each time (the jackknife)."
    )
    yield (
        "Supported: the 95% interval excludes 0 and holds 1. Contradicted: the 90% interval lies below 1, also with the"
        " cost as it would be if the prediction held, or the 95% one below 0. Else the data cannot tell. docs/study.md"
        " gives the reasons, docs/simulation.md how often each answer is wrong."
    )

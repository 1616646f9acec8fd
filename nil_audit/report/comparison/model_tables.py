"""Tables of size-adjusted scores and of models: inside and outside, predictions, protocols, every model."""

import re
from collections.abc import Mapping
from typing import Any

from nil_audit.comparison.predictors import METRICS
from nil_audit.comparison.result import Comparison, Skill
from nil_audit.law.studies import DEFAULT
from nil_audit.report.comparison.words import STRENGTH, band_labels, predictor_label
from nil_audit.report.render.cells import count_cell, estimate_cell, verdict_cell
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, count, p_value, percent, points, signed

MOST = 15
"""Counterexamples of a kind that the page names."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COUNTEREXAMPLES = {
    "inside_below": "Inside the law's interval, and yet below what models of their size score",
    "outside_above": "Outside the law's interval, and yet above what models of their size score",
}


def contrast_table(comparison: Comparison) -> Table:
    """Inside against outside each interval."""
    return table(
        "Mean size-adjusted score inside an interval minus outside it, in percentage points of accuracy, with 95% "
        "intervals over families. These p-values are not corrected for the number of tests.",
        ("Interval", "Models inside", "Models outside", "Difference", "p"),
        [
            (
                "all three at once" if one.study == "all" else one.study,
                count_cell(one.inside),
                count_cell(one.outside),
                estimate_cell(one.estimate, digits=1, factor=100),
                p_value(one.estimate.p),
            )
            for one in comparison.findings.contrasts
        ],
    )


def skill_table(comparison: Comparison) -> Table:
    """Out-of-sample skill over size alone, a row a predictor."""
    findings = comparison.findings
    keys = dict.fromkeys(one.predictor for one in findings.skills)
    splits = {one.split: one for one in reversed(findings.skills)}
    alone = [_size_alone(splits[split]) for split in ("halves", "release") if split in splits]
    return table(
        "Predicting families that were not fitted. Skill: the share of the squared error from size alone that the "
        "predictor takes away, in per cent; below 0 it makes predictions worse.",
        ("Predictor", "Error, random halves", "Skill", "Error, later families", "Skill"),
        [
            (predictor_label(key), *_skill(findings.skill(key, "halves")), *_skill(findings.skill(key, "release")))
            for key in keys
        ],
        note=" ".join(alone) + " Errors are root mean squares, in percentage points of accuracy.",
    )


def _skill(one: Skill | None) -> tuple[Cell, Cell]:
    estimate = one.estimate if one else None
    return Cell(text=percent(one.error_with if one else None)), estimate_cell(estimate, digits=1, factor=100)


def _size_alone(one: Skill) -> str:
    if one.split == "halves":
        halves = f"Random halves of families, {one.splits:,} times"
        which = f"{halves}: about {one.train} models fitted, {one.test} predicted"
    else:
        which = f"Families released before {one.cutoff} fitted ({one.train} models), later ones predicted ({one.test})"
    return f"{which}; error from size alone {percent(one.error_size)}."


def protocol_table(comparison: Comparison) -> Table:
    """The primary estimate under each protocol."""
    return table(
        "The primary correlation, size held fixed, under each protocol that has scores. Protocols are never mixed; the "
        "one in bold is this comparison's.",
        ("Protocol", "Models", "Families", "Spearman given size", Column(label="What it says of the law")),
        [
            (
                Cell(text=one.protocol, strong=one is comparison.answer),
                count_cell(one.models),
                count_cell(one.families),
                estimate_cell(one.primary.estimate if one.primary else None),
                STRENGTH[one.strength],
            )
            for one in (comparison.answer, *comparison.others)
        ],
    )


def counterexample_table(comparison: Comparison, kind: str) -> Table:
    """The models of one kind that go furthest against the law."""
    found = list(comparison.counterexamples(kind))
    rest = f"The {MOST} that are furthest off; all are in table.csv. " if len(found) > MOST else ""
    return table(
        f"{_COUNTEREXAMPLES[kind]}: {len(found)}.",
        ("Model", "Family", "Parameters", "R", "Distance", "Score", "Expected", "Off by", "In SDs"),
        [
            (
                row["model"],
                row["family"],
                count(row["parameters"]),
                f"{row['ratio']:.4f}",
                signed(row[f"distance_{DEFAULT}"]),
                percent(row["score"]),
                percent(row["expected"]),
                points(row["residual"]),
                signed(row["standardised"], 1),
            )
            for row in found[:MOST]
        ],
        left=2,
        note=f"{rest}Off by: score minus expected, in percentage points. SDs: of that difference over all models.",
    )


def model_table(comparison: Comparison) -> Table:
    """Every model of the comparison, flagged ones too."""
    measured = [key for key in sorted(METRICS) if key in comparison.models]
    labels = band_labels(comparison.bands)

    def row(model: Mapping[Any, Any]) -> tuple[Cell | str, ...]:
        return (
            Cell(text=model["model"], href=_hub_address(model)),
            _sorted(count(model["parameters"]), model["parameters"]),
            _sorted(f"{model['depth']} × {model['width']}", model["depth"]),
            _sorted(f"{model['ratio']:.4f}", model["ratio"]),
            _sorted(percent(model["score"]), model["score"]),
            _sorted(points(model["residual"]), model["residual"]),
            _sorted(signed(model[f"distance_{DEFAULT}"]), model[f"distance_{DEFAULT}"]),
            verdict_cell(model["verdict"]),
            model["family"],
            labels.get(model["band"], MISSING),
            _sorted(count(model["tokens"]), model["tokens"]),
            model["release"][:7] or MISSING,
            *(_sorted(f"{model[key]:.3g}", model[key]) for key in measured),
            _remarks(model),
        )

    return table(
        f"All {len(comparison.models):,} models with a score of the protocol.",
        (
            "Model",
            _numbers("Parameters"),
            _numbers("L × d", help="depth in blocks times width in channels, sorted by depth"),
            _numbers("R", help="depth / width, in blocks per channel"),
            _numbers("Score", help="raw MMLU-Pro accuracy"),
            _numbers("Beyond size", help="score minus that of models of its size, in percentage points"),
            _numbers("Distance", help="to the law's interval, in nats of ratio, 0 inside it"),
            Column(label="Verdict", help="how many of the three studies put it within 1% of the best shape"),
            Column(label="Family"),
            Column(label="Size"),
            _numbers("Tokens", help="training tokens, where published"),
            Column(label="Release"),
            *(_numbers(key.replace("_", " ")) for key in measured),
            Column(label="Remarks"),
        ),
        [row(model) for model in comparison.models.to_dict("records")],
        name="models",
        choices=(7, 8, 9),
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
    floor = "at chance floor" if model["at_floor"] else ""
    return "; ".join(filter(None, (model["flag"], model["uncertain"], floor, lineage)))

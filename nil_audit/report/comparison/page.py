"""A comparison as one page: the answer first, then what it rests on, then how it was reached."""

from collections.abc import Mapping

from nil_audit import __version__
from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.correlation_tables import (
    association_table,
    band_table,
    confounder_table,
    left_out_table,
    permutation_table,
    predictor_table,
)
from nil_audit.report.comparison.dissent import dissent
from nil_audit.report.comparison.method import method_blocks
from nil_audit.report.comparison.model_tables import counterexample_table, model_table
from nil_audit.report.comparison.result_tables import contrast_table, prediction_table, protocol_table
from nil_audit.report.comparison.words import STRENGTH, primary, used
from nil_audit.report.render.page import (
    Aside,
    Block,
    Bullets,
    Cell,
    Column,
    Figure,
    KeyFigure,
    Page,
    Prose,
    Section,
    Table,
)
from nil_audit.report.render.text import interval, points, signed, typeset

OUTCOME = {"holds": "holds", "fails": "fails", "unavailable": "cannot be checked"}


def comparison_page(comparison: Comparison, figures: Mapping[str, Figure], *, command: str) -> Page:
    """Build the page of a comparison.

    Args:
        comparison: The study.
        figures: Its figures by name; a section without its figure goes without.
        command: The command that made it, to be printed with it.

    Returns:
        The page, for either renderer.
    """
    models = used(comparison)
    families = len({model.family for model in models})
    return Page(
        title="Does distance from the efficient interval go with score?",
        kicker=f"{len(models):,} base models of {families} families, MMLU-Pro, protocol {comparison.settings.protocol}",
        answer=tuple(typeset(text) for text in (comparison.conclusion.headline, *comparison.conclusion.sentences[:1])),
        figures=_key_figures(comparison),
        sections=tuple(section for section in _sections(comparison, figures, command) if section.blocks),
        footer=(
            "The claim under test: Sun, Yang, Zhang, Du, Law of Neural Interaction, arXiv 2605.27989.",
            f"Beside this page: study.json (every number), table.csv (every model), plots/. nil-audit {__version__}.",
        ),
    )


def _key_figures(comparison: Comparison) -> tuple[KeyFigure, ...]:
    strength = comparison.conclusion.strength
    found = [KeyFigure(label="Evidence for the law", value=STRENGTH.get(strength, strength).capitalize())]
    chosen = primary(comparison)
    if chosen is not None:
        for label, given in (("Correlation with score, size held fixed", "size_curve"), ("The same, raw", "nothing")):
            one = comparison.association(chosen.key, given=given)
            if one is not None:
                span = None if one.low is None or one.high is None else (one.low, one.estimate, one.high)
                found.append(
                    KeyFigure(
                        label=label,
                        value=signed(one.estimate),
                        detail=f"95% {interval(one.low, one.high)}" if span else "no interval: too few families",
                        span=span,
                    )
                )
        for prediction in comparison.predictions:
            if prediction.predictor == chosen.key and prediction.split == "halves":
                found.append(
                    KeyFigure(
                        label="Skill out of sample, over size alone",
                        value=f"{points(prediction.skill)}%",
                        detail=f"95% {_hundredfold(prediction.low, prediction.high)}",
                    )
                )
    for contrast in comparison.contrasts:
        if contrast.study == "law":
            found.append(
                KeyFigure(
                    label=f"Inside the interval ({contrast.inside}) minus outside ({contrast.outside})",
                    value=f"{points(contrast.difference)} points",
                    detail=f"95% {_hundredfold(contrast.low, contrast.high)}",
                )
            )
    return tuple(found)


def _sections(comparison: Comparison, figures: Mapping[str, Figure], command: str) -> list[Section]:
    chosen = primary(comparison)
    key = chosen.key if chosen else ""

    def drawn(name: str) -> tuple[Block, ...]:
        return (figures[name],) if name in figures else ()

    rest = tuple(map(typeset, comparison.conclusion.sentences[1:]))
    return [
        Section(
            name="found",
            title="In numbers",
            blocks=tuple(filter(None, (Bullets(items=rest) if rest else None, dissent(comparison)))),
        ),
        Section(
            name="score",
            title="Score against shape",
            blocks=(
                *drawn("score-against-ratio"),
                *_with_rows(confounder_table(comparison), contrast_table(comparison)),
            ),
        ),
        Section(
            name="size-held-fixed",
            title="With size held fixed",
            blocks=(*drawn("adjusted-score"), *_with_rows(predictor_table(comparison))),
        ),
        Section(
            name="parts",
            title="In parts of the data, and under other choices",
            blocks=(
                *drawn("effect-by-group"),
                *_with_rows(band_table(comparison, key), left_out_table(comparison), permutation_table(comparison)),
            ),
        ),
        Section(name="out-of-sample", title="Out of sample", blocks=_with_rows(prediction_table(comparison))),
        Section(
            name="counterexamples",
            title="Counterexamples",
            blocks=_with_rows(
                counterexample_table(comparison, "inside_below"), counterexample_table(comparison, "outside_above")
            ),
        ),
        Section(name="plane", title="The depth-width plane", blocks=drawn("depth-width-plane")),
        Section(name="protocols", title="Other protocols", blocks=_with_rows(protocol_table(comparison))),
        Section(name="rules", title="How the answer was reached", blocks=_rules(comparison)),
        Section(name="limits", title="What this study cannot say", blocks=_limits(comparison)),
        Section(name="models", title="All models", blocks=_with_rows(model_table(comparison))),
        Section(name="correlations", title="Every correlation", blocks=_with_rows(association_table(comparison))),
        Section(name="method", title="Method and configuration", blocks=method_blocks(comparison, command)),
    ]


def _with_rows(*tables: Table) -> tuple[Block, ...]:
    return tuple(table for table in tables if table.rows)


def _rules(comparison: Comparison) -> tuple[Block, ...]:
    rules = comparison.conclusion.rules
    if not rules:
        return ()
    rows = tuple(
        (
            Cell(text=typeset(rule.statement)),
            Cell(text=OUTCOME.get(rule.outcome, rule.outcome), strong=True),
            Cell(text=typeset(rule.detail)),
        )
        for rule in rules
    )
    return (
        Prose(text="The words at the head of this page follow from these rules and from nothing else."),
        Table(
            caption="The rules in order, and what each found.",
            columns=(Column(label="Rule"), Column(label="Outcome"), Column(label="On what")),
            rows=rows,
        ),
    )


def _limits(comparison: Comparison) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if comparison.unavailable:
        blocks.append(
            Aside(
                title="Not available",
                items=tuple(f"{one.what}: {one.reason}" for one in comparison.unavailable),
            )
        )
    if comparison.notes:
        blocks.append(Aside(title="About the inputs", items=comparison.notes))
    if comparison.excluded:
        blocks.append(
            Table(
                caption=f"Models that the inputs name and the study leaves out: {len(comparison.excluded):,}.",
                columns=(Column(label="Model"), Column(label="Reason")),
                rows=tuple((Cell(text=one.model), Cell(text=one.reason)) for one in comparison.excluded),
                file="study.json",
            )
        )
    return tuple(blocks)


def _hundredfold(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "interval not available"
    return interval(100 * low, 100 * high, 1)

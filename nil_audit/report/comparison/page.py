"""A comparison as one page: the answer first, then what it rests on, then how it was reached."""

from collections.abc import Iterator, Mapping
from typing import Any

from nil_audit import __version__
from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.result import Comparison
from nil_audit.law.studies import DEFAULT
from nil_audit.report.comparison.answer import headline, rule_table, sentences
from nil_audit.report.comparison.contrary import contrary_results
from nil_audit.report.comparison.correlation_tables import (
    association_table,
    band_table,
    confounder_table,
    left_out_table,
    other_choices_table,
    permutation_table,
    predictor_table,
)
from nil_audit.report.comparison.figures import draw_figures
from nil_audit.report.comparison.method import method_blocks
from nil_audit.report.comparison.model_tables import (
    contrast_table,
    counterexample_table,
    model_table,
    protocol_table,
    skill_table,
)
from nil_audit.report.comparison.words import STRENGTH
from nil_audit.report.render.page import Aside, Block, Bullets, Figure, KeyNumber, Page, Section, Table, table
from nil_audit.report.render.text import interval, points, signed
from nil_audit.stats.estimate import Estimate

_FIRST = ["model", "family", "depth", "width", "ratio", "parameters", "tokens", "release", "lineage", "score"]
"""The columns that table.csv begins with; the month, which repeats the release for arithmetic, it goes without."""


def comparison_page(comparison: Comparison, *, command: str, draw: bool = True) -> Page:
    """The page of a comparison; a section that nothing is known for is left out.

    Args:
        comparison: What was found.
        command: The command that made it, to be printed with it.
        draw: Whether it has its figures, which take seconds and which a terminal does not show.
    """
    answer = comparison.answer
    first, *rest = sentences(comparison)
    return Page(
        title="Does distance from the efficient interval go with score?",
        kicker=f"{answer.models:,} base models of {answer.families} families, MMLU-Pro, protocol {answer.protocol}",
        answer=(headline(answer), first),
        numbers=tuple(_key_numbers(comparison)),
        sections=tuple(
            section
            for section in _sections(comparison, rest, draw_figures(comparison) if draw else {}, command)
            if section.blocks
        ),
        footer=(
            "The claim under test: Sun, Yang, Zhang, Du, Law of Neural Interaction, arXiv 2605.27989.",
            "Beside this page: comparison.json (every number), table.csv (every model), plots/. "
            f"nil-audit {__version__}.",
        ),
    )


def comparison_files(comparison: Comparison, command: str) -> dict[str, Any]:
    """What lies beside the page: every number, with the command that made them, and a row a model."""
    rest = comparison.models.columns.drop([*_FIRST, "month"])
    return {
        "table.csv": comparison.models[[*_FIRST, *rest]],
        "comparison.json": {**comparison.to_dict(), "command": command},
    }


def _key_numbers(comparison: Comparison) -> Iterator[KeyNumber]:
    findings = comparison.findings
    yield KeyNumber(label="Evidence for the law", value=STRENGTH[comparison.answer.strength].capitalize())
    for label, given in (("Correlation with score, size held fixed", "size_curve"), ("The same, raw", "nothing")):
        if found := findings.association(PRIMARY, given=given):
            ends = found.estimate.interval
            yield KeyNumber(
                label=label,
                value=signed(found.estimate.value),
                detail=f"95% {interval(*ends)}" if ends else "no interval",
                span=(ends[0], found.estimate.value, ends[1]) if ends else None,
            )
    if skill := findings.skill(PRIMARY, "halves"):
        value = f"{points(skill.estimate.value)}%"
        yield KeyNumber(
            label="Skill out of sample, over size alone", value=value, detail=f"95% {_in_points(skill.estimate)}"
        )
    if law := findings.contrast(DEFAULT):
        yield KeyNumber(
            label=f"Inside the interval ({law.inside}) minus outside ({law.outside})",
            value=f"{points(law.estimate.value)} points",
            detail=f"95% {_in_points(law.estimate)}",
        )


def _in_points(estimate: Estimate) -> str:
    ends = estimate.scaled(100).interval
    return interval(*ends, digits=1) if ends else "interval not available"


def _sections(
    comparison: Comparison, rest: list[str], figures: Mapping[str, Figure], command: str
) -> Iterator[Section]:
    def section(name: str, title: str, *blocks: Block | None, figure: str = "", detail: bool = True) -> Section:
        held = (figures.get(figure), *blocks)
        kept = tuple(block for block in held if block and not (isinstance(block, Table) and not block.rows))
        return Section(name=name, title=title, blocks=kept, detail=detail)

    told = Bullets(items=tuple(rest)) if rest else None
    yield section("found", "In numbers", told, contrary_results(comparison), detail=False)
    yield section("rules", "How the answer was reached", rule_table(comparison), detail=False)
    yield section(
        "score",
        "Score against shape",
        confounder_table(comparison),
        contrast_table(comparison),
        figure="score-against-ratio",
    )
    yield section(
        "size-held-fixed",
        "With size held fixed",
        predictor_table(comparison),
        figure="adjusted-score",
        detail=comparison.findings.association(PRIMARY) is None,
    )
    yield section(
        "parts",
        "In parts of the data, and under other choices",
        other_choices_table(comparison),
        band_table(comparison),
        left_out_table(comparison),
        permutation_table(comparison),
        figure="effect-by-group",
    )
    yield section("out-of-sample", "Out of sample", skill_table(comparison))
    kinds = ("inside_below", "outside_above")
    yield section("counterexamples", "Counterexamples", *(counterexample_table(comparison, kind) for kind in kinds))
    yield section("plane", "The depth-width plane", figure="depth-width-plane")
    yield section("protocols", "Other protocols", protocol_table(comparison))
    yield section("limits", "What this comparison cannot say", *_limits(comparison))
    yield section("models", "All models", model_table(comparison))
    yield section("correlations", "Every correlation", association_table(comparison))
    yield section("method", "Method and configuration", *method_blocks(comparison, command))


def _limits(comparison: Comparison) -> Iterator[Block]:
    if comparison.unavailable:
        items = tuple(f"{one.what}: {one.reason}" for one in comparison.unavailable)
        yield Aside(title="Not available", items=items)
    if comparison.notes:
        yield Aside(title="About the inputs", items=comparison.notes)
    yield table(
        f"Models that the inputs name and the comparison leaves out: {len(comparison.excluded):,}.",
        ("Model", "Reason"),
        [(one.what, one.reason) for one in comparison.excluded],
        left=2,
        file="comparison.json",
    )

"""A comparison as one page of seven parts: the answer first, then what it rests on, then everything else folded."""

from collections.abc import Iterator, Mapping
from typing import Any

from nil_audit import __version__
from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.answer import claim, control_sentence, headline, sentences
from nil_audit.report.comparison.appendix import association_table, method_blocks, model_table
from nil_audit.report.comparison.choices import (
    choice_table,
    effect_table,
    further_table,
    mapping_table,
    pooled_sentence,
    prediction_table,
    size_table,
    skill_table,
    specification_sentence,
)
from nil_audit.report.comparison.contrasts import contrast_table
from nil_audit.report.comparison.data import data_bullets, excluded_table, missing
from nil_audit.report.comparison.figures import draw_figures
from nil_audit.report.comparison.influence import counterexample_table, influence_sentence, removal_table
from nil_audit.report.comparison.words import group_words, sample_words
from nil_audit.report.render.page import Aside, Block, Figure, Page, Prose, Section, Table

_FIRST = ["model", "family", "depth", "width", "ratio", "parameters", "tokens", "release", "lineage", "score"]
"""The columns that table.csv begins with; the month, which repeats the release for arithmetic, it goes without."""

_CAVEAT = (
    "Models differ in data, tokens and recipe as well as in shape, so no comparison of published models, whichever way"
    " it points, is an experiment on shape."
)


def comparison_page(comparison: Comparison, *, command: str, draw: bool = True) -> Page:
    """The page of a comparison; a section that nothing is known for is left out.

    Args:
        comparison: What was found.
        command: The command that made it, to be printed with it.
        draw: Whether it has its figures, which take seconds and which a terminal does not show.
    """
    answer = comparison.answer
    figures = draw_figures(comparison) if draw else {}
    of = f"size: {comparison.outcome.size}" if comparison.outcome.column else f"protocol {answer.protocol}"
    return Page(
        title=f"What does a model's shape cost in {comparison.outcome.name}?",
        kicker=f"{sample_words(comparison, answer.models, answer.groups)}, {comparison.outcome.name}, {of}",
        claim=claim(comparison),
        answer=(headline(comparison), *sentences(comparison)),
        figure=figures.get("effect"),
        sections=tuple(section for section in _sections(comparison, figures, command) if section.blocks),
        footer=(
            "The claim under test: Sun, Yang, Zhang, Du, Law of Neural Interaction, arXiv 2605.27989.",
            f"Beside this page: study.json (every number), table.csv (every model), plots/. nil-audit {__version__}.",
        ),
        closing="More: --details prints the rest, --out DIR writes the report with its figures.",
    )


def comparison_files(comparison: Comparison, command: str) -> dict[str, Any]:
    """What lies beside the page: every number, with the command that made them, and a row a model."""
    rest = comparison.models.columns.drop([*_FIRST, "month"])
    return {
        "table.csv": comparison.models[[*_FIRST, *rest]],
        "study.json": {**comparison.to_dict(), "command": command},
    }


def _sections(comparison: Comparison, figures: Mapping[str, Figure], command: str) -> Iterator[Section]:
    findings = comparison.findings

    def section(name: str, title: str, *blocks: Block | None, detail: bool = True, folded: bool = False) -> Section:
        kept = tuple(block for block in blocks if block and not (isinstance(block, Table) and not block.rows))
        return Section(name=name, title=title, blocks=kept, detail=detail, folded=folded)

    yield section("rows", "The effect, row by row", effect_table(comparison), detail=False)
    yield section("score", "Score against shape", figures.get("score-against-ratio"), figures.get("adjusted-score"))
    curve, influence = findings.specifications, findings.influence
    yield section(
        "choices",
        "Does the answer depend on a choice?",
        _prose(control_sentence(comparison)),
        *(
            (
                _prose(specification_sentence(curve, group_words(comparison))),
                figures.get("specification-curve"),
                choice_table(curve),
            )
            if curve
            else ()
        ),
    )
    yield section(
        "influence",
        "What the answer hangs on",
        *((_prose(influence_sentence(influence)), removal_table(influence)) if influence else ()),
        *(counterexample_table(comparison, kind) for kind in ("inside_below", "outside_above")),
    )
    yield section("contrasts", "Inside an interval against outside", contrast_table(comparison))
    yield section(
        "data",
        "What the data are",
        data_bullets(comparison),
        _prose(_CAVEAT if comparison.grouped == "family" else ""),
        excluded_table(comparison),
        size_table(comparison),
        _prose(pooled_sentence(comparison)),
        prediction_table(comparison),
        mapping_table(comparison),
        skill_table(comparison),
    )
    lacking = tuple(missing(comparison))
    yield section(
        "numbers",
        "All correlations, all models, and how the numbers are made",
        *method_blocks(comparison, command),
        Aside(title="Not made, and about the inputs", items=lacking) if lacking else None,
        further_table(comparison),
        association_table(comparison),
        model_table(comparison),
        folded=True,
    )


def _prose(text: str) -> Prose | None:
    return Prose(text=text) if text else None

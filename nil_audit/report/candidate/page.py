"""A candidate's report: one page, the answer first, for the terminal, Markdown and HTML alike."""

from typing import Any

from nil_audit import __version__
from nil_audit.candidate.result import CandidateReport
from nil_audit.report.candidate import evidence, figures, tables
from nil_audit.report.candidate.answer import answer, milliseconds, study_words
from nil_audit.report.render.page import Block, Bullets, KeyNumber, Listing, Page, Prose, Section
from nil_audit.report.render.text import count, display_name, listing
from nil_audit.report.verdict import likely_words


def candidate_page(report: CandidateReport, *, command: str, draw: bool = True) -> Page:
    """Everything that is said of a candidate: the answer, one table of shapes, and the rest as details.

    Args:
        report: What is said.
        command: The command that made it, printed on the page.
        draw: Draw the figures, which no terminal shows.
    """
    sentences = answer(report)
    return Page(
        title=display_name(report.shape.name, parts=2),
        kicker="A candidate architecture before pretraining",
        answer=(*sentences, study_words()),
        headlines=len(sentences),
        figure=figures.regret_figure(report) if draw else None,
        numbers=_key_numbers(report),
        sections=tuple(section for section in _sections(report, command, draw) if section.blocks),
        footer=(
            "The law: Sun, Yang, Zhang, Du, Law of Neural Interaction, arXiv 2605.27989. The regret is ours, pooled"
            f" from {listing(report.reference.pool.studies)}: docs/pooling.md.",
            f"Beside this page: candidate.json (every number), plots/. nil-audit {__version__}.",
        ),
        closing="Each study, other laws, neighbours, memory: --details. Terms: docs/candidate.md.",
    )


def candidate_files(report: CandidateReport, command: str) -> dict[str, Any]:
    """What is written beside the page: every number, and the command that made it."""
    return {"candidate.json": {**report.to_dict(), "command": command}}


def _key_numbers(report: CandidateReport) -> tuple[KeyNumber, ...]:
    shape, regret = report.shape, report.verdict.regret
    numbers = [
        KeyNumber(
            label="Expected regret",
            value=f"{100 * regret.expected:.2f}%",
            detail=f"95% {100 * regret.low:.2f} to {100 * regret.high:.2f}%; {likely_words(regret.within)}",
        ),
        KeyNumber(label="R = depth / width", value=f"{shape.ratio:.4f}", detail=f"{shape.depth} x {shape.width}"),
    ]
    if shape.parameters is not None:
        body = f"{count(shape.parameters.body)} in the body"
        numbers.append(KeyNumber(label="Parameters", value=count(shape.parameters.total), detail=body))
    if report.itself is not None and report.itself.serving:
        time = report.itself.serving[0]
        numbers.append(
            KeyNumber(
                label="A decoded token",
                value=f"{milliseconds(time.decode_seconds)} ms",
                detail=f"predicted for {time.device}, {report.itself.cost.sequential_blocks} blocks in sequence",
            )
        )
    return tuple(numbers)


def _sections(report: CandidateReport, command: str, draw: bool) -> list[Section]:
    itself = report.itself
    first: list[Block] = []
    serving: list[Block] = []
    if itself is not None and report.options:
        first.append(tables.shapes_table(report, itself))
    if itself is not None and itself.serving:
        serving.append(tables.serving_table(report, itself))
        if draw and report.options:
            first.append(figures.trade_figure(report))
    rest = (tables.changes_table(report), tables.details_table(report)) if report.options else ()
    plane = (figures.plane_figure(report),) if draw else ()
    studies_said = (
        evidence.predictions_table(report),
        Prose(text=evidence.reach_sentence(report)),
        Bullets(items=tuple(f"{one.name}: {one.title}; {one.source}." for one in report.reference.studies)),
    )
    laws: tuple[Block, ...] = ()
    if report.laws:
        laws = (
            evidence.laws_table(report.laws),
            Prose(text=f"They disagree: {evidence.disagreement_words(report.laws)}."),
            Bullets(items=tuple(map(evidence.origin_words, report.laws))),
        )
    neighbours = (evidence.neighbours_table(report.neighbours),) if report.neighbours else ()
    notes = (Bullets(items=report.notes),) if report.notes else ()
    return [
        Section(name="shapes", title="What the budget buys", blocks=tuple(first)),
        Section(name="alternatives", title="More of the shapes", blocks=(*plane, *rest), detail=True),
        Section(name="serving", title="Serving", blocks=tuple(serving), detail=True),
        Section(name="studies", title="Each study alone", blocks=studies_said, detail=True),
        Section(name="cost", title="Shape and training", blocks=(tables.facts_table(report),), detail=True),
        Section(name="laws", title="Other published laws", blocks=laws, detail=True),
        Section(name="neighbours", title="Nearest real models", blocks=neighbours, detail=True),
        Section(name="notes", title="Notes", blocks=notes, detail=True),
        Section(name="provenance", title="Provenance", blocks=(Listing(text=command),), detail=True),
    ]

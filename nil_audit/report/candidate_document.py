"""A candidate's report as files: Markdown, HTML with the depth-width plane, and every number as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path

from nil_audit import __version__
from nil_audit.candidate.check import CandidateReport
from nil_audit.candidate.initialisation import METRICS, Initialisation
from nil_audit.files import write_atomically
from nil_audit.law.studies import studies
from nil_audit.report.candidate_table import (
    METRIC_LABELS,
    SHOWN,
    change_text,
    excess_text,
    facts,
    initial_words,
    label,
    law_position,
    matched_words,
    option_name,
    seeds_text,
    start_name,
)
from nil_audit.report.plots.plane import Spot, depth_width_plane
from nil_audit.report.plots.style import png_bytes, svg_text
from nil_audit.report.render.html import render_document
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.page import (
    Block,
    Bullets,
    Cell,
    Column,
    Figure,
    KeyFigure,
    Listing,
    Page,
    Prose,
    Section,
    Table,
)
from nil_audit.report.render.text import MISSING, count, signed, typeset


def write_candidate(report: CandidateReport, folder: Path, *, command: str) -> list[Path]:
    """Write candidate.html, candidate.md, candidate.json and plots/plane.svg and .png, each atomically.

    Args:
        report: What was said of the candidate.
        folder: Where the files go; made where it is absent.
        command: The command that made it, printed in the report.

    Raises:
        UsageError: The folder cannot be written to.
    """
    figure, png = plane_figure(report)
    page = candidate_page(report, figure, command=command)
    document = {**report.to_dict(), "command": command}
    contents: dict[str, str | bytes] = {
        "candidate.html": render_document(page),
        "candidate.md": render_markdown(page),
        "candidate.json": json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "plots/plane.svg": figure.wide,
        "plots/plane.png": png,
    }
    return [write_atomically(folder / name, content) for name, content in contents.items()]


def plane_figure(report: CandidateReport) -> tuple[Figure, bytes]:
    """The depth-width plane with the candidate, its alternatives and real models; its PNG bytes beside it."""
    shape = report.shape
    highlights = [
        Spot(name=f"candidate {shape.depth} x {shape.width}", depth=shape.depth, width=shape.width, role="candidate")
    ]
    for option in report.options:
        role = "recommended" if option is report.recommended else "alternative"
        highlights.append(Spot(name=option_name(option), depth=option.shape.depth, width=option.shape.width, role=role))
    models = [Spot(name=one.model, depth=one.depth, width=one.width) for one in report.company]
    budgets = [12 * shape.depth * shape.width**2 * factor for factor in (0.25, 0.5, 1, 2, 4)]
    drawn = [
        depth_width_plane(
            models,
            intervals=studies(),
            highlights=highlights,
            budgets=budgets,
            notable=[one.model for one in report.company[:SHOWN]],
            narrow=narrow,
        )
        for narrow in (False, True)
    ]
    figure = Figure(
        name="plane",
        caption="The candidate, its alternatives and the nearest real models on the depth-width plane. Contours: equal"
        " 12 L d², from a quarter to four times the candidate's. Shaded: the law's interval.",
        description=f"Depth against width; the candidate at {shape.depth} blocks and {shape.width} channels is"
        f" {report.verdict.label}.",
        wide=svg_text(drawn[0]),
        narrow=svg_text(drawn[1]),
    )
    return figure, png_bytes(drawn[0])


def candidate_page(report: CandidateReport, plane: Figure, *, command: str) -> Page:
    """The report as a page, the answer first."""
    sections = [
        Section(name="shape", title="Shape and cost", blocks=(_facts(report),)),
        Section(name="loss", title="Predicted loss", blocks=(_predictions(report), _reach(report))),
        Section(name="alternatives", title="Alternatives of the same budget", blocks=_alternatives(report, plane)),
    ]
    if report.laws:
        blocks = (_laws(report), Prose(text=f"They disagree: {report.disagreement}."))
        sections.append(Section(name="laws", title="Other published laws", blocks=blocks))
    if report.company:
        sections.append(Section(name="company", title="Company", blocks=(_company(report),)))
    if report.initialisation is not None:
        sections.append(
            Section(
                name="initialisation", title="Interaction at initialisation", blocks=_initial(report.initialisation)
            )
        )
    end: list[Block] = [Bullets(items=report.notes)] if report.notes else []
    sections.append(Section(name="provenance", title="Provenance", blocks=(*end, Listing(text=command))))
    return Page(
        title=label(report),
        kicker="A candidate architecture before pretraining",
        answer=(f"{report.verdict.label.capitalize()}: {report.verdict.words}.", typeset(report.recommendation.words)),
        figures=_key_figures(report),
        sections=tuple(sections),
        footer=(
            "The law: Sun, Yang, Zhang, Du, Law of Neural Interaction, arXiv 2605.27989. The intervals are ours.",
            f"Beside this page: candidate.json (every number), plots/. nil-audit {__version__}.",
        ),
    )


def _key_figures(report: CandidateReport) -> tuple[KeyFigure, ...]:
    shape = report.shape
    figures = [
        KeyFigure(label="R = depth / width", value=f"{shape.ratio:.4f}", detail=f"{shape.depth} x {shape.width}"),
    ]
    if shape.parameters is not None:
        body = f"{count(shape.parameters.body)} in the body"
        figures.append(KeyFigure(label="Parameters", value=count(shape.parameters.total), detail=body))
    worst = max(report.predictions, key=lambda one: one.excess.value)
    interval = f"95% {100 * worst.excess.low:.2f} to {100 * worst.excess.high:.2f}%, by {worst.study}"
    figures.append(
        KeyFigure(label="Worst predicted excess loss", value=f"{100 * worst.excess.value:.2f}%", detail=interval)
    )
    return tuple(figures)


def _table(
    caption: str, labels: Sequence[str], rows: Sequence[Sequence[Cell | str]], *, left: int = 1, note: str = ""
) -> Table:
    columns = tuple(Column(label=text, numeric=place >= left) for place, text in enumerate(labels))
    cells = tuple(tuple(cell if isinstance(cell, Cell) else Cell(text=cell) for cell in row) for row in rows)
    return Table(caption=caption, columns=columns, rows=cells, note=note)


def _facts(report: CandidateReport) -> Table:
    return _table("What the config says, and what it costs.", ("", "Value"), facts(report), left=2)


def _predictions(report: CandidateReport) -> Table:
    rows = [
        (
            one.study,
            f"{one.interval.low:.4f} to {one.interval.high:.4f}",
            f"{one.interval.optimum:.4f} [{one.optimum_low:.4f}, {one.optimum_high:.4f}]",
            excess_text(one.excess),
        )
        for one in report.predictions
    ]
    return _table(
        "Excess loss against the best shape of this budget, as each study predicts it, with 95% bootstrap intervals.",
        ("Study", "Within 1%: R", "Best R [95%]", "Excess [95%]"),
        rows,
    )


def _reach(report: CandidateReport) -> Bullets:
    reach = {one.study: one.excess.words for one in report.predictions}
    return Bullets(items=tuple(f"{one.name}: {reach[one.name]}. {one.title}; {one.source}." for one in studies()))


def _alternatives(report: CandidateReport, plane: Figure) -> tuple[Block, ...]:
    if not report.options:
        return (plane, Prose(text=report.recommendation.words))
    shapes: list[tuple[Cell | str, ...]] = []
    losses: list[tuple[Cell | str, ...]] = []
    for option in report.options:
        marked = option is report.recommended
        shape = option.shape
        name = Cell(text=option_name(option) + (" (recommended)" if marked else ""), strong=marked)
        shapes.append(
            (
                name,
                f"{shape.heads}/{shape.kv_heads}",
                str(shape.mlp_width or MISSING),
                count(shape.parameters.total if shape.parameters else None),
                f"{signed(100 * option.deviation, 1)}%",
                f"{shape.ratio:.4f}",
                signed(option.verdict.distance),
                option.verdict.label,
                f"{signed(100 * option.kv_change, 0)}%",
                f"{signed(100 * option.depth_change, 0)}%",
            )
        )
        losses.append((name, *(change_text(change) for change in option.change.values())))
    return (
        plane,
        _table(
            f"Shapes of the same architecture with {matched_words(report)} of the candidate's.",
            ("L x d", "Heads", "MLP", "Total", "Budget", "R", "Distance", "Verdict", "KV", "Depth"),
            shapes,
            note="Same head size and vocabulary; heads are query/key-value; the MLP width is a hardware multiple that"
            " hits the budget; totals differ with the embedding. Distance: to the law's interval. KV and Depth:"
            " key-value cache and blocks in sequence (decoding latency) against the candidate's.",
        ),
        _table(
            "Predicted change in loss from going there, in per cent with 95% intervals; below zero is better.",
            ("L x d", *report.options[0].change),
            losses,
        ),
    )


def _laws(report: CandidateReport) -> Table:
    rows = [
        (
            one.name,
            law_position(one),
            one.formula,
            one.words,
            one.source,
            one.validity + ("" if one.in_range else " (this budget is outside)"),
            one.confidence,
        )
        for one in report.laws
    ]
    labels = ("Law", "Would", "Formula", "Says of this shape", "Source", "Shown on", "Confidence")
    return _table("What other published laws say of this shape.", labels, rows, left=len(labels))


def _company(report: CandidateReport) -> Table:
    rows = [
        (
            Cell(text=one.model + (" (uncertain)" if one.uncertain else "")),
            count(one.parameters),
            f"{one.depth} x {one.width}",
            f"{one.ratio:.4f}",
            count(one.tokens),
            MISSING if one.accuracy is None else f"{one.accuracy:.3f}",
            MISSING if one.stderr is None else f"{one.stderr:.3f}",
        )
        for one in report.company[:SHOWN]
    ]
    return _table(
        "Nearest real models in parameters and ratio, with published MMLU-Pro (leaderboard protocol, raw; chance is 0.1"
        " to 0.11).",
        ("Model", "Parameters", "L x d", "R", "Tokens", "MMLU-Pro", "Standard error"),
        rows,
    )


def _initial(found: Initialisation) -> tuple[Block, ...]:
    rows = [
        (
            start_name(start),
            *(seeds_text(start.metrics[name]) for name in METRICS),
        )
        for start in found.starts
    ]
    table = _table(initial_words(found), ("L x d", *(METRIC_LABELS[name] for name in METRICS)), rows)
    return (table, Prose(text=typeset(found.words)))

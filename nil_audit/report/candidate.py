"""A candidate's report: one page, the answer first, for the terminal, Markdown and HTML alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nil_audit import __version__
from nil_audit.candidate.check import CandidateReport, Option
from nil_audit.catalog.neighbours import Neighbour
from nil_audit.catalog.scores import MMLU_PRO_CHANCE
from nil_audit.law.other_laws import Reading
from nil_audit.law.studies import studies
from nil_audit.report.render.cells import estimate_cell, verdict_cell
from nil_audit.report.render.page import (
    Bullets,
    Cell,
    Column,
    Figure,
    KeyNumber,
    Listing,
    Page,
    Prose,
    Section,
    Table,
    table,
)
from nil_audit.report.render.text import MISSING, count, display_name, percent, signed
from nil_audit.report.verdict import (
    disagreement_words,
    distance_words,
    extrapolation_words,
    option_name,
    recommendation_words,
    verdict_words,
)

if TYPE_CHECKING:
    from nil_audit.report.plots.style import Drawing

SHOWN = 6
"""Real models that the table names; the plane shows more."""


def candidate_page(report: CandidateReport, *, command: str, draw: bool = True) -> Page:
    """Everything that is said of a candidate.

    Args:
        report: What is said.
        command: The command that made it, printed on the page.
        draw: Draw the depth-width plane, which no terminal shows.
    """
    name, verdict = display_name(report.shape.name, parts=2), report.verdict
    intervals = {one.study: one.interval for one in report.predictions}
    words = verdict_words(report.shape.ratio, verdict, intervals)
    return Page(
        title=name,
        kicker="A candidate architecture before pretraining",
        answer=(f"{name}: {verdict.label}, {words}.", recommendation_words(report)),
        numbers=_key_numbers(report),
        sections=_sections(report, command, (_plane(report),) if draw else ()),
        footer=(
            "The law: Sun, Yang, Zhang, Du, Law of Neural Interaction, arXiv 2605.27989. The intervals are ours.",
            f"Beside this page: candidate.json (every number), plots/. nil-audit {__version__}.",
        ),
    )


def candidate_files(report: CandidateReport, command: str) -> dict[str, Any]:
    """What is written beside the page: every number, and the command that made it."""
    return {"candidate.json": {**report.to_dict(), "command": command}}


def bytes_text(number: float) -> str:
    """Bytes in the decimal units that memory is sold in: "24.6 kB", "988 MB", "18.5 GB"."""
    text = count(number)
    return f"{text[:-1]} {'G' if text.endswith('B') else text[-1]}B" if text[-1].isalpha() else f"{text} B"


def flops_text(number: float) -> str:
    """Operations in scientific notation: "3.49e9"."""
    mantissa, _, power = f"{number:.2e}".partition("e")
    return f"{mantissa}e{int(power)}"


def _key_numbers(report: CandidateReport) -> tuple[KeyNumber, ...]:
    shape = report.shape
    numbers = [
        KeyNumber(label="R = depth / width", value=f"{shape.ratio:.4f}", detail=f"{shape.depth} x {shape.width}")
    ]
    if shape.parameters is not None:
        body = f"{count(shape.parameters.body)} in the body"
        numbers.append(KeyNumber(label="Parameters", value=count(shape.parameters.total), detail=body))
    worst = max(report.predictions, key=lambda one: one.excess.value)
    excess = worst.excess.scaled(100)
    interval = f"95% {excess.low:.2f} to {excess.high:.2f}%, by {worst.study}"
    numbers.append(KeyNumber(label="Worst predicted excess loss", value=f"{excess.value:.2f}%", detail=interval))
    return tuple(numbers)


def _sections(report: CandidateReport, command: str, plane: tuple[Figure, ...]) -> tuple[Section, ...]:
    extrapolation = [f"{one.study}: {extrapolation_words(one.extrapolation)}" for one in report.predictions]
    sections = [
        Section(name="shape", title="Shape and cost", blocks=(_facts(report),)),
        Section(
            name="loss",
            title="Predicted loss",
            blocks=(_predictions(report), Prose(text=f"Extrapolation. {'. '.join(extrapolation)}.")),
        ),
        Section(
            name="studies",
            title="The studies",
            blocks=(Bullets(items=tuple(f"{one.name}: {one.title}; {one.source}." for one in studies())),),
            detail=True,
        ),
    ]
    tables = (_shapes(report), _changes(report)) if report.options else ()
    if blocks := (*plane, *tables):
        sections.append(Section(name="alternatives", title="Alternatives of the same budget", blocks=blocks))
    if report.laws:
        blocks = (
            _laws(report.laws),
            Prose(text=f"They disagree: {disagreement_words(report.laws)}."),
            Bullets(items=tuple(map(_origin, report.laws))),
        )
        sections.append(Section(name="laws", title="Other published laws", blocks=blocks))
    if report.neighbours:
        sections.append(
            Section(name="neighbours", title="Nearest real models", blocks=(_neighbours(report.neighbours[:SHOWN]),))
        )
    if report.notes:
        sections.append(Section(name="notes", title="Notes", blocks=(Bullets(items=report.notes),)))
    provenance = Section(name="provenance", title="Provenance", blocks=(Listing(text=command),), detail=True)
    return (*sections, provenance)


def _facts(report: CandidateReport) -> Table:
    """The shape and what it costs, as label and value."""
    shape, cost, away = report.shape, report.cost, report.verdict.distance
    heads = f"{shape.heads} heads, {shape.kv_heads} key-value, size {shape.head_size}"
    tied = "tied" if shape.tied else "untied"
    rows = [
        ("Architecture", f"{shape.model_type}, {shape.depth} blocks x {shape.width}, {heads}"),
        ("", f"MLP {shape.mlp_width or MISSING}, vocabulary {shape.vocab_size:,}, {tied}"),
        ("R = L/d", f"{shape.ratio:.4f}"),
        ("Distance", distance_words(away) + (" for the law" if away else " the law's interval")),
    ]
    if shape.parameters is not None:
        counts = shape.parameters
        rows.append(("Parameters", f"{counts.total:,} = {counts.body:,} body + {counts.embedding:,} embedding"))
    if cost is not None:
        stated = "as given" if report.tokens_stated else "20 a parameter, Hoffmann et al. 2022"
        weights = bytes_text(cost.weight_bytes)
        state = bytes_text(cost.weight_bytes + cost.gradient_bytes + cost.optimizer_bytes)
        rows += [
            ("Training", f"{flops_text(cost.training_flops_per_token)} FLOPs a token at context {cost.context:,}"),
            ("", f"{flops_text(cost.training_flops)} FLOPs for {count(cost.tokens)} tokens ({stated})"),
            ("Memory", f"{weights} of weights in bf16; training state {state}"),
            ("", f"(optimizer {bytes_text(cost.optimizer_bytes)}: AdamW, float32 master weights and two moments)"),
            ("Key-value cache", f"{bytes_text(cost.kv_bytes_per_token)} a token in bf16"),
            (
                "Latency",
                f"{cost.sequential_blocks} blocks in sequence for each decoded token; at batch 1 all {weights} are read"
                " for it at any shape of this budget: depth is what differs",
            ),
        ]
    return table("What the config says, and what it costs", ("", ""), rows, left=2)


def _predictions(report: CandidateReport) -> Table:
    rows = []
    for one in report.predictions:
        optimum, excess = one.optimum, one.excess.scaled(100)
        rows.append(
            (
                one.study,
                f"{one.interval.low:.4f} to {one.interval.high:.4f}",
                f"{optimum.value:.4f} [{optimum.low:.4f}, {optimum.high:.4f}]",
                f"{excess.value:.2f}% [{excess.low:.2f}, {excess.high:.2f}]",
            )
        )
    return table(
        "Predicted excess loss against the best shape of this budget, with 95% bootstrap intervals",
        ("Study", "Within 1%: R", "Best R [95%]", "Excess [95%]"),
        rows,
    )


def _shapes(report: CandidateReport) -> Table:
    what = {"body": "body parameters", "total": "total parameters", "flops": "forward FLOPs a token"}[report.match]
    rows: list[tuple[Cell | str, ...]] = []
    for option in report.options:
        shape, distance = option.shape, option.verdict.distance
        rows.append(
            (
                _name_cell(report, option),
                f"{shape.heads}/{shape.kv_heads}",
                str(shape.mlp_width or MISSING),
                count(shape.parameters.total if shape.parameters else None),
                f"{signed(100 * option.deviation, 1)}%",
                f"{shape.ratio:.4f}",
                signed(distance) if distance else "0",
                verdict_cell(option.verdict.label),
                f"{signed(100 * option.kv_change, 0)}%",
                f"{signed(100 * option.depth_change, 0)}%",
            )
        )
    return table(
        f"Alternatives: {what} within {percent(report.tolerance, 0 if report.tolerance >= 0.01 else 1)}",
        ("L x d", "Heads", "MLP", "Total", "Budget", "R", "Dist.", Column(label="Verdict"), "KV", "Depth"),
        rows,
        note=("* recommended. " if report.recommended else "")
        + "Same head size and vocabulary; heads are query/key-value; the MLP width is a hardware multiple that hits the"
        " budget; totals differ with the embedding. Dist.: to the law's interval. KV and Depth: key-value cache and"
        " blocks in sequence (decoding latency) against the candidate's.",
    )


def _changes(report: CandidateReport) -> Table:
    return table(
        "Predicted change in loss from going there, in per cent with 95% intervals; below zero is better",
        ("L x d", *report.options[0].change),
        [
            (_name_cell(report, option), *(estimate_cell(change, factor=100) for change in option.change.values()))
            for option in report.options
        ],
    )


def _name_cell(report: CandidateReport, option: Option) -> Cell:
    marked = option is report.recommended
    return Cell(text=option_name(option) + ("*" if marked else ""), strong=marked)


def _laws(laws: Sequence[Reading]) -> Table:
    verbs = {"deeper": "go deeper", "wider": "go wider", "agrees": "agrees", "silent": "silent"}
    rows = [
        (one.name, verbs[one.direction] + ("" if one.optimum is None else f", R {one.optimum:.3f}"), one.words)
        for one in laws
    ]
    return table("What other published laws say of this shape", ("Law", "Would", "Says of this shape"), rows, left=3)


def _origin(one: Reading) -> str:
    """A law's formula, and where it comes from."""
    outside = "" if one.in_range else " (this budget is outside)"
    return f"{one.name}: {one.formula}. {one.source}; {one.validity}{outside}; confidence {one.confidence}."


def _neighbours(neighbours: Sequence[Neighbour]) -> Table:
    rows = []
    for one in neighbours:
        score = MISSING if one.accuracy is None else f"{one.accuracy:.3f}"
        rows.append(
            (
                one.model + (" (uncertain)" if one.uncertain else ""),
                count(one.parameters),
                f"{one.depth} x {one.width}",
                f"{one.ratio:.4f}",
                count(one.tokens),
                score + (f" ± {one.stderr:.3f}" if one.stderr is not None else ""),
            )
        )
    return table(
        "Nearest real models in parameters and ratio, with published MMLU-Pro (leaderboard protocol, raw; chance is"
        f" {MMLU_PRO_CHANCE:.3f})",
        ("Model", "Params", "L x d", "R", "Tokens", "MMLU-Pro"),
        rows,
    )


def _plane(report: CandidateReport) -> Figure:
    """The depth-width plane with the candidate, its alternatives and real models."""
    from nil_audit.report.plots.style import page_figure

    shape = report.shape
    return page_figure(
        "plane",
        candidate_plot(report),
        caption="The candidate, its alternatives and the nearest real models on the depth-width plane. Contours: equal"
        " 12 L d², from a quarter to four times the candidate's. Shaded: the law's interval.",
        description=f"Depth against width; the candidate at {shape.depth} blocks and {shape.width} channels is"
        f" {report.verdict.label}.",
    )


def candidate_plot(report: CandidateReport) -> "Drawing":
    """The same as a matplotlib figure."""
    from nil_audit.report.plots.plane import PlanePoint, depth_width_plane

    shape = report.shape
    here = f"candidate {shape.depth} x {shape.width}"
    highlights = [PlanePoint(name=here, depth=shape.depth, width=shape.width, role="candidate")]
    for option in report.options:
        role = "recommended" if option is report.recommended else "alternative"
        highlights.append(
            PlanePoint(name=option_name(option), depth=option.shape.depth, width=option.shape.width, role=role)
        )
    return depth_width_plane(
        [PlanePoint(name=one.model, depth=one.depth, width=one.width) for one in report.neighbours],
        intervals=studies(),
        highlights=highlights,
        budgets=[12 * shape.depth * shape.width**2 * factor for factor in (0.25, 0.5, 1, 2, 4)],
        notable=[one.model for one in report.neighbours[:SHOWN]],
    )

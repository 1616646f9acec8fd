"""A candidate's report as terminal tables, made for 80 columns."""

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nil_audit.candidate.check import CandidateReport, Option, Prediction
from nil_audit.candidate.initialisation import METRICS, Initialisation, OverSeeds, Start
from nil_audit.law.other_laws import Reading
from nil_audit.law.studies import Excess
from nil_audit.report.render.terminal import VERDICT_COLOURS, terminal_table
from nil_audit.report.render.text import MISSING, count, percent, signed, typeset

SHOWN = 6
"""Real models that the tables name; the plane shows more."""
TIGHT = (0, 0, 0, 1)
"""Padding of the tables that would not fit 80 columns otherwise."""
METRIC_LABELS = {
    "interaction_efficiency": "Efficiency",
    "spread": "Spread",
    "sensitivity": "Sensitivity",
    "aofe_ratio": "AOFE-ratio",
    "kappa": "Kappa",
}


def bytes_text(number: float) -> str:
    """Bytes in the decimal units that memory is sold in: "24.6 kB", "988 MB", "18.5 GB"."""
    text = count(number)
    return f"{text[:-1]} {'G' if text.endswith('B') else text[-1]}B" if text[-1].isalpha() else f"{text} B"


def flops_text(number: float) -> str:
    """Operations in scientific notation: "3.49e9"."""
    mantissa, _, power = f"{number:.2e}".partition("e")
    return f"{mantissa}e{int(power)}"


def change_text(change: Excess) -> str:
    """A predicted change in loss with its interval, in percent: "−3.68 [−4.77, −2.46]"."""
    low, high = signed(100 * change.low), signed(100 * change.high)
    return f"{signed(100 * change.value)} [{low}, {high}]"


def excess_text(excess: Excess) -> str:
    """A predicted excess loss with its interval: "0.38% [0.20, 0.59]"."""
    return f"{100 * excess.value:.2f}% [{100 * excess.low:.2f}, {100 * excess.high:.2f}]"


def side_words(distance: float) -> str:
    """A distance with its side in words."""
    if distance == 0:
        return "0, inside the law's interval"
    return f"{signed(distance)}, too {'deep and narrow' if distance > 0 else 'shallow and wide'} for the law"


def label(report: CandidateReport) -> str:
    """The candidate's name for people: of a local path its last two parts."""
    path = Path(report.shape.name)
    return "/".join(path.parts[-2:]) if path.exists() else report.shape.name


def facts(report: CandidateReport) -> list[tuple[str, str]]:
    """The shape and what it costs, as label and value."""
    shape, cost = report.shape, report.cost
    heads = f"{shape.heads} heads, {shape.kv_heads} key-value, size {shape.head_size}"
    rows = [
        ("Architecture", f"{shape.model_type}, {shape.depth} blocks x {shape.width}, {heads}"),
        (
            "",
            f"MLP {shape.mlp_width or MISSING}, vocabulary {shape.vocab_size:,}, {'tied' if shape.tied else 'untied'}",
        ),
        ("R = L/d", f"{shape.ratio:.4f}"),
        ("Distance", side_words(report.verdict.distance)),
    ]
    if shape.parameters is not None:
        counts = shape.parameters
        rows.append(("Parameters", f"{counts.total:,} = {counts.body:,} body + {counts.embedding:,} embedding"))
    if cost is not None:
        stated = "as given" if report.tokens_stated else "20 a parameter, Hoffmann et al. 2022"
        state = cost.weight_bytes + cost.gradient_bytes + cost.optimizer_bytes
        rows += [
            ("Training", f"{flops_text(cost.training_flops_per_token)} FLOPs a token at context {cost.context:,}"),
            ("", f"{flops_text(cost.training_flops)} FLOPs for {count(cost.tokens)} tokens ({stated})"),
            ("Memory", f"{bytes_text(cost.weight_bytes)} of weights in bf16; training state {bytes_text(state)}"),
            ("", f"(optimizer {bytes_text(cost.optimizer_bytes)}: AdamW, float32 master weights and two moments)"),
            ("Key-value cache", f"{bytes_text(cost.kv_bytes_per_token)} a token in bf16"),
            ("Latency", latency_words(report)),
        ]
    return rows


def latency_words(report: CandidateReport) -> str:
    """The decoding-latency note."""
    assert report.cost is not None
    return (
        f"{report.cost.sequential_blocks} blocks in sequence for each decoded token; at batch 1 all"
        f" {bytes_text(report.cost.weight_bytes)} are read for it at any shape of this budget: depth is what differs"
    )


def _facts_table(report: CandidateReport) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for label, value in facts(report):
        table.add_row(label, Text(value))
    return table


def _predictions(found: Sequence[Prediction]) -> Table:
    table = terminal_table(
        "Predicted excess loss against the best shape of this budget [95%]",
        *("Study", "Within 1%: R", "Best R [95%]", "Excess"),
    )
    for one in found:
        table.add_row(
            one.study,
            f"{one.interval.low:.4f} to {one.interval.high:.4f}",
            f"{one.interval.optimum:.4f} [{one.optimum_low:.4f}, {one.optimum_high:.4f}]",
            excess_text(one.excess),
        )
    return table


def _reach(found: Sequence[Prediction]) -> Text:
    lines = [f"{one.study}: {one.excess.words}" for one in found]
    return Text("Extrapolation. " + ". ".join(lines) + ".", style="dim")


def option_name(option: Option) -> str:
    """Depth x width."""
    return f"{option.shape.depth} x {option.shape.width}"


def matched_words(report: CandidateReport) -> str:
    """What the alternatives hold equal."""
    what = {"body": "body parameters", "total": "total parameters", "flops": "forward FLOPs a token"}[report.match]
    return f"{what} within {percent(report.tolerance, 0 if report.tolerance >= 0.01 else 1)}"


def _options(report: CandidateReport) -> list[RenderableType]:
    shapes = terminal_table(
        f"Alternatives: {matched_words(report)}",
        *("L x d", "Heads", "MLP", "Total", "Budget", "R", "Dist.", "Verdict", "KV", "Depth"),
    )
    losses = terminal_table("Predicted change in loss, per cent [95%]", "L x d", "law", "morph", "chinchilla")
    for table in (shapes, losses):
        table.padding = TIGHT
    for option in report.options:
        marked = option is report.recommended
        style = "bold" if marked else ""
        name = option_name(option) + ("*" if marked else "")
        shape = option.shape
        shapes.add_row(
            name,
            f"{shape.heads}/{shape.kv_heads}",
            str(shape.mlp_width or MISSING),
            count(shape.parameters.total if shape.parameters else None),
            f"{signed(100 * option.deviation, 1)}%",
            f"{shape.ratio:.4f}",
            signed(option.verdict.distance) if option.verdict.distance else "0",
            Text(option.verdict.label, style=VERDICT_COLOURS[option.verdict.label]),
            f"{signed(100 * option.kv_change, 0)}%",
            f"{signed(100 * option.depth_change, 0)}%",
            style=style,
        )
        losses.add_row(name, *(change_text(change) for change in option.change.values()), style=style)
    note = (
        ("* recommended. " if report.recommended else "")
        + "Same head size and vocabulary; heads are query/key-value; the MLP width is a hardware multiple"
        " that hits the budget; totals differ with the embedding. Dist.: to the law's interval. KV and Depth:"
        " key-value cache and blocks in sequence (latency) against the candidate's."
    )
    return [shapes, losses, Text(note, style="dim")]


def law_position(reading: Reading) -> str:
    """What a law would do, and its optimum."""
    word = {"deeper": "go deeper", "wider": "go wider", "agrees": "agrees", "silent": "silent"}[reading.direction]
    return word + (f", R {reading.optimum:.3f}" if reading.optimum is not None else "")


def _laws(report: CandidateReport) -> list[RenderableType]:
    table = terminal_table("Other published laws", "Law", "What it says of this shape", left=2)
    for reading in report.laws:
        range_note = "" if reading.in_range else " (this budget is outside)"
        says = Text(f"{reading.formula}\n")
        says.append(f"{reading.words}\n", style="bold")
        says.append(f"{reading.source}; {reading.validity}{range_note}; confidence {reading.confidence}", style="dim")
        table.add_row(Text(f"{reading.name}\n{law_position(reading)}"), says)
    return [table, Text(f"They disagree: {report.disagreement}.")]


def _company(report: CandidateReport) -> Table:
    table = terminal_table(
        "Company: nearest real models (MMLU-Pro as published, leaderboard protocol, raw)",
        *("Model", "Params", "L x d", "R", "Tokens", "MMLU-Pro"),
    )
    table.padding = TIGHT
    for one in report.company[:SHOWN]:
        score = MISSING if one.accuracy is None else f"{one.accuracy:.3f}"
        error = f" ± {one.stderr:.3f}" if one.stderr is not None else ""
        table.add_row(
            Text(one.model + (" (uncertain)" if one.uncertain else "")),
            count(one.parameters),
            f"{one.depth} x {one.width}",
            f"{one.ratio:.4f}",
            count(one.tokens),
            score + error,
        )
    return table


def seeds_text(found: OverSeeds) -> str:
    """Mean and standard error over seeds, to the error's leading digit: "1.89 ± 0.05"."""
    places = max(0, -math.floor(math.log10(found.se))) if found.se > 0 else 3
    return f"{signed(found.mean, places).removeprefix('+')} ± {found.se:.{places}f}"


def start_name(start: Start) -> str:
    """Depth x width, and whether it is the candidate."""
    return f"{start.depth} x {start.width}" + (" (yours)" if start.candidate else "")


def initial_words(found: Initialisation) -> str:
    """What the numbers at initialisation were measured on."""
    return (
        f"{len(found.seeds)} seeds, {found.tokens:,} tokens of {found.probe} each in windows of {found.window}, cut by"
        f" the tokenizer of the {found.tokenizer}; mean ± standard error over seeds; {found.seconds:.0f} s."
    )


def _initial(found: Initialisation) -> list[RenderableType]:
    table = terminal_table("Interaction at initialisation", "L x d", *(METRIC_LABELS[name] for name in METRICS))
    table.padding = TIGHT
    for start in found.starts:
        numbers = (seeds_text(start.metrics[metric]).replace(" ± ", "±") for metric in METRICS)
        table.add_row(f"{start.depth} x {start.width}", *numbers)
    return [table, Text(typeset(found.words)), Text("First row: the candidate. " + initial_words(found), style="dim")]


def candidate_view(report: CandidateReport) -> RenderableType:
    """Everything, the answer first."""
    verdict = report.verdict
    parts: list[RenderableType] = [
        Text.assemble(
            (label(report), "bold"),
            ": ",
            (verdict.label, VERDICT_COLOURS[verdict.label] + " bold"),
            f", {verdict.words}.",
        ),
        Text(typeset(report.recommendation.words)),
        Text(),
        _facts_table(report),
        Text(),
        _predictions(report.predictions),
        _reach(report.predictions),
        Text(),
    ]
    if report.options:
        parts += [*_options(report), Text()]
    if report.laws:
        parts += [*_laws(report), Text()]
    if report.company:
        parts.append(_company(report))
    if report.initialisation is not None:
        parts += _initial(report.initialisation)
    parts += [Text(note, style="dim") for note in report.notes]
    return Group(*parts)

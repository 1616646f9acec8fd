"""The shapes of a candidate's budget as tables: regret, times, change in loss, and what training takes."""

from dataclasses import replace

from nil_audit.budget.inference import ServingTime
from nil_audit.candidate.result import CandidateReport, Option
from nil_audit.law.pooled import Regret, Verdict
from nil_audit.law.studies import DEFAULT
from nil_audit.report.candidate.answer import advised, bytes_text, milliseconds, opposite, option_name
from nil_audit.report.render.cells import estimate_cell, verdict_cell
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, count, listing, percent, signed
from nil_audit.report.verdict import chance_words, distance_words

TIMES = 3
"""Columns of times in the first table: what 80 columns leave room for."""
_HELD = {"body": "body parameters", "total": "total parameters", "flops": "forward FLOPs a token"}
_GIVES_UP = {
    "body": "",
    "total": ", so that a wider shape pays for its wider embedding with a smaller body; regret is at an equal body",
    "flops": ", so that a wider shape pays for its wider output matrix with a smaller body; regret is at an equal body",
}


def shapes_table(report: CandidateReport, itself: Option) -> Table:
    """The candidate and its alternatives: regret, time, cache, parameters."""
    machines = [time.device for time in _predicted(itself)]
    measured = () if itself.measured is None else ("here, ms",)
    rows = []
    for option in (itself, *report.options):
        regret, parameters = option.verdict.regret, option.shape.parameters
        times = [*option.serving[: len(machines)], *([option.measured] if option.measured else [])]
        rows.append(
            (
                name_cell(report, option),
                regret_cell(regret),
                chance_cell(option.verdict),
                *(Cell(text=milliseconds(one.decode_seconds), value=one.decode_seconds) for one in times),
                _bytes_cell(option.cost.kv_bytes_per_token),
                _count_cell(parameters.total if parameters else None),
            )
        )
    return table(
        f"Shapes of the same budget: {_HELD[report.match]} within {_within(report)}{_GIVES_UP[report.match]}",
        ("L x d", "Regret, %", "P(<1%)", *(f"{name}, ms" for name in machines), *measured, "KV/token", "Total"),
        rows,
        note=_shapes_note(report, itself),
    )


def regret_cell(regret: Regret) -> Cell:
    """The expected regret in per cent of loss with its 95% predictive interval."""
    expected, low, high = (f"{100 * number:.2f}" for number in (regret.expected, regret.low, regret.high))
    return Cell(text=f"{expected} [{low}, {high}]", value=100 * regret.expected)


def chance_cell(verdict: Verdict) -> Cell:
    """P(regret <= 1%), in the colour of the verdict."""
    within = verdict.regret.within
    words = chance_words(within).replace("over ", ">").replace("under ", "<")
    return replace(verdict_cell(verdict.label), text=words, value=within)


def name_cell(report: CandidateReport, option: Option) -> Cell:
    """Depth x width; a star at the candidate, a plus at what is better in every study; what is advised is set apart."""
    mark = " *" if option is report.itself else " +" if option.better_in_all else ""
    return Cell(text=option_name(option) + mark, strong=bool(option is report.itself or option is advised(report)))


def undominated(report: CandidateReport) -> list[Option]:
    """The shapes, the candidate among them, that none is both better and no slower than; fastest first."""
    shapes = [*([report.itself] if report.itself else ()), *report.options]
    return sorted(
        (one for one in shapes if one.serving and not one.dominated), key=lambda one: one.serving[0].decode_seconds
    )


def serving_table(report: CandidateReport, itself: Option) -> Table:
    """Every shape on every machine: times of a decoded and a prompt token, what takes the time, bytes."""
    rows = []
    for option in (itself, *report.options):
        for place, time in enumerate([*option.serving, *([option.measured] if option.measured else [])]):
            rows.append(
                (
                    name_cell(report, option) if not place else "",
                    time.device if time.decode_bound else f"{time.device}, measured",
                    Cell(text=milliseconds(time.decode_seconds), value=time.decode_seconds),
                    Cell(text=milliseconds(1000 * time.prompt_seconds), value=time.prompt_seconds),
                    time.decode_bound or MISSING,
                    f"{time.intensity:.2f}",
                    *(
                        (bytes_text(option.cost.weight_bytes), str(option.cost.sequential_blocks))
                        if not place
                        else ("", "")
                    ),
                )
            )
    return table(
        f"Serving one sequence of {itself.cost.context:,} tokens: milliseconds of a decoded token, microseconds of a"
        " token of the prompt",
        ("L x d", "Machine", "Decode", "Prompt", Column(label="Bound"), "FLOPs/B", "Weights", "Blocks"),
        rows,
        left=2,
        note="Bound: what takes most of a decoded token. FLOPs/B: arithmetic intensity of decoding. Weights in bf16."
        " Blocks: in sequence. Predicted: a roofline with a fixed cost a block; docs/inference.md.",
    )


def changes_table(report: CandidateReport) -> Table:
    """The change in loss from going to each alternative, by all studies pooled and by each alone."""
    return table(
        "Expected change in loss, pooled and by each study alone, in per cent with 95% intervals; below zero is better",
        ("L x d", "Pooled", *report.options[0].change),
        [
            (
                name_cell(report, option),
                estimate_cell(opposite(option.gain), factor=100),
                *(estimate_cell(change, factor=100) for change in option.change.values()),
            )
            for option in report.options
        ],
    )


def details_table(report: CandidateReport) -> Table:
    """The rest of each alternative: heads, MLP, budget, ratio, distance, cache and blocks against the candidate's."""
    rows: list[tuple[Cell | str, ...]] = []
    itself = report.itself
    for option in report.options:
        shape, distance = option.shape, option.verdict.distance
        assert itself is not None
        rows.append(
            (
                name_cell(report, option),
                f"{shape.heads}/{shape.kv_heads}",
                str(shape.mlp_width or MISSING),
                f"{signed(100 * option.deviation, 1)}%",
                f"{shape.ratio:.4f}",
                signed(distance) if distance else "0",
                verdict_cell(option.verdict.label),
                f"{signed(100 * (option.cost.kv_bytes_per_token / itself.cost.kv_bytes_per_token - 1), 0)}%",
                f"{signed(100 * (option.cost.sequential_blocks / itself.cost.sequential_blocks - 1), 0)}%",
            )
        )
    return table(
        "The same shapes: heads, MLP, budget, ratio, and what else changes",
        (
            "L x d",
            "Heads",
            "MLP",
            "Budget",
            "R",
            "Dist.",
            Column(label="Verdict"),
            "KV",
            "Blocks",
        ),
        rows,
        note="Same head size and vocabulary; heads are query/key-value; the MLP width is a hardware multiple that hits"
        f" the budget. Dist.: to {interval_name(report)}. KV, Blocks: cache and blocks in sequence against the"
        " candidate's.",
    )


def facts_table(report: CandidateReport) -> Table:
    """The shape and what it costs, as label and value."""
    shape, away = report.shape, report.verdict.distance
    cost = report.itself.cost if report.itself else None
    heads = f"{shape.heads} heads, {shape.kv_heads} key-value, size {shape.head_size}"
    tied = "tied" if shape.tied else "untied"
    rows = [
        ("Architecture", f"{shape.model_type}, {shape.depth} blocks x {shape.width}, {heads}"),
        ("", f"MLP {shape.mlp_width or MISSING}, vocabulary {shape.vocab_size:,}, {tied}"),
        ("R = L/d", f"{shape.ratio:.4f}"),
        ("Distance", f"{distance_words(away)} {'for ' * bool(away)}{interval_name(report)}"),
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
        ]
    return table("What the config says, and what training costs", ("", ""), rows, left=2)


def interval_name(report: CandidateReport) -> str:
    """Whose interval distances are taken to: "the law's interval", "morph's interval"."""
    study = report.reference.study.name
    return f"{'the ' * (study == DEFAULT)}{study}'s interval"


def flops_text(number: float) -> str:
    """Operations in scientific notation: "3.49e9"."""
    mantissa, _, power = f"{number:.2e}".partition("e")
    return f"{mantissa}e{int(power)}"


def _predicted(itself: Option) -> tuple[ServingTime, ...]:
    """The predicted times that the first table has room for."""
    return itself.serving[: TIMES - (itself.measured is not None)]


def _shapes_note(report: CandidateReport, itself: Option) -> str:
    words = ["* yours."]
    if any(one.better_in_all for one in report.options):
        words.append("+ better in each study.")
    words.append("Regret: expected, 95% predictive.")
    assumed = [time.device for time in _predicted(itself) if time.decode_bound == "blocks"]
    fixed = f" (on {listing(assumed)} mostly an assumed cost a block)" if assumed else ""
    words.append(f"ms: a token behind {itself.cost.context:,} others{fixed}.")
    efficient = undominated(report)
    if len(efficient) > 1:
        device = efficient[0].serving[0].device
        names = listing([option_name(one) for one in efficient])
        words.append(f"Undominated on {device}: {names}.")
    totals = [one.shape.parameters.total for one in (itself, *report.options) if one.shape.parameters]
    if report.match == "body" and max(totals) > 1.1 * min(totals):
        words.append("--match total holds totals equal.")
    return " ".join(words)


def _within(report: CandidateReport) -> str:
    return percent(report.tolerance, 0 if report.tolerance >= 0.01 else 1)


def _bytes_cell(number: float) -> Cell:
    return Cell(text=bytes_text(number), value=float(number))


def _count_cell(number: float | None) -> Cell:
    return Cell(text=count(number), value=number)

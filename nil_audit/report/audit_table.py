"""The audit of one or several models as terminal tables: what matters at 80 columns, everything when wide."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nil_audit.auditing.record import Record
from nil_audit.interaction.metrics import Estimate
from nil_audit.report.render.terminal import VERDICT_COLOURS, terminal_table
from nil_audit.report.render.text import MISSING, count, percent, signed

METRICS = {
    "interaction_efficiency": "Efficiency",
    "spread": "Spread",
    "sensitivity": "Sensitivity",
    "loss_per_token": "Loss/token",
    "loss_per_byte": "Loss/byte",
    "aofe": "AOFE",
    "aofe_ratio": "AOFE-ratio",
    "excess": "Excess",
}
_INTERACTION = ("interaction_efficiency", "spread", "sensitivity")
_PAPER = ("aofe", "aofe_ratio", "excess")
_LOSS = ("loss_per_token", "loss_per_byte")
_TITLES = {
    _INTERACTION: "Interaction (unbiased ± jackknife standard error)",
    _PAPER: "The paper's numbers, and what the spectrum does not say",
    _LOSS: "Probe loss, nats",
}
_LAYOUTS = {0: (_INTERACTION, _PAPER, _LOSS), 118: (_INTERACTION + _LOSS, _PAPER), 168: (tuple(METRICS),)}
"""Which metrics share a table, by the columns of the terminal from which they do."""
_DETAILS = {
    "effective_rank": "Effective rank r",
    "mean_cos2": "Mean cos²",
    "normalised_aofe": "Normalised AOFE",
    "rotation_null": "Rotation null",
    "kappa": "Kappa",
    "trace": "Trace, nats²/token",
}


def with_error(found: Estimate | None, digits: int = 2) -> str:
    """A number and its standard error to the error's leading digits: "1.946 ± 0.013"."""
    if found is None:
        return MISSING
    value, error = found.value, found.se
    if not math.isfinite(error) or error <= 0 or error < 1e-12 * abs(value):
        return f"{value:.4g}"
    if abs(value) >= 1e5 or 0 < abs(value) < 1e-3:
        power = math.floor(math.log10(abs(value)))
        scale = 10.0**power
        places = max(0, digits - 1 - math.floor(math.log10(error / scale)))
        return f"({value / scale:.{places}f} ± {error / scale:.{places}f})e{power}"
    places = max(0, digits - 1 - math.floor(math.log10(error)))
    return f"{value:,.{places}f} ± {error:,.{places}f}"


def distance_words(record: Record) -> str:
    """Which side of the law's interval a shape lies on, and how far."""
    away = record.verdict["distance"]
    if away == 0:
        return "0, within"
    return f"{signed(away)}, " + ("too deep and narrow" if away > 0 else "too shallow and wide")


def _name(record: Record, width: int) -> Text:
    """A model's name; in a narrow terminal a long Hub id breaks after its organisation, not within a word."""
    long = width < 118 and len(record.label) > 24
    return Text(record.label.replace("/", "/\n", 1) if long else record.label)


def shape_table(records: Sequence[Record], width: int) -> Table:
    """Model, parameters, depth x width, R, verdict and distance to the law's interval."""
    table = terminal_table("Shape", "Model", "Params", "L x d", "R = L/d", "Verdict", "Distance to law")
    for record in records:
        shape, verdict = record.shape, record.verdict["label"]
        table.add_row(
            _name(record, width),
            count(shape.parameters.total if shape.parameters else None),
            f"{shape.depth} x {shape.width}",
            f"{shape.ratio:.4f}",
            Text(verdict, style=VERDICT_COLOURS[verdict]),
            distance_words(record),
        )
    return table


def _metric_table(title: str, records: Sequence[Record], names: Sequence[str], width: int) -> Table:
    table = terminal_table(title, "Model", *(METRICS[name] for name in names))
    for record in records:
        table.add_row(_name(record, width), *(with_error(record.metric(name)) for name in names))
    return table


def interaction_tables(records: Sequence[Record], width: int) -> list[Table]:
    """Interaction of each model, unbiased estimates: three tables at 80 columns, two from 118, one from 168."""
    layout = _LAYOUTS[max(least for least in _LAYOUTS if width >= least)]
    return [_metric_table(_TITLES.get(names, _TITLES[_INTERACTION]), records, names, width) for names in layout]


def details_table(record: Record) -> Table:
    """Every metric of one model in both estimates, with weight superposition beside them."""
    table = terminal_table(f"{record.label}: all metrics", "Metric", "Unbiased", "Plug-in", "WtW (weights)")
    weights = record.superposition or {}
    own = [name for name in METRICS if not name.startswith("loss")]
    for name, title in {**{name: METRICS[name] for name in own}, **_DETAILS}.items():
        table.add_row(
            title,
            with_error(record.metric(name)),
            with_error(record.metric(name, "plugin")),
            f"{weights[name]:.4g}" if name in weights else MISSING,
        )
    for title, text in _one_off(record).items():
        table.add_row(title, text, "", "")
    return table


def variants_table(record: Record) -> Table:
    """With ``--robust``: the unbiased estimates without the first positions, and with every gradient at one length."""
    titles = {"late": "Without first 4", "direction": "Direction only"}
    variants = (record.interaction or {})["variants"]
    table = terminal_table(f"{record.label}: robustness", "Metric", "All tokens", *(titles[name] for name in variants))
    for name in (*_INTERACTION, *_PAPER):
        others = (Estimate(**variants[variant]["estimates"]["unbiased"][name]) for variant in variants)
        table.add_row(METRICS[name], with_error(record.metric(name)), *map(with_error, others))
    return table


def _one_off(record: Record) -> dict[str, str]:
    """What a pass tells beside its metrics: where the trace comes from, and what the pass cost."""
    if record.interaction is None:
        return {}
    outliers, cost = record.interaction["outliers"], record.interaction["cost"]
    return {
        "Sensitivity by byte": with_error(record.metric("sensitivity_per_byte")),
        "Trace in first 4 positions": percent(outliers["first_positions_share"]),
        "Trace in heaviest 0.1%": percent(outliers["heaviest_share"]),
        "Wall time": f"{cost['seconds']:,.1f} s",
        "Speed": f"{cost['tokens_per_second']:,.0f} tokens/s",
        "Peak memory": f"{cost['peak_memory_bytes'] / 1e9:.2f} GB",
    }


def score_cells(score: Mapping[str, Any], sources: list[str]) -> tuple[str, str, str]:
    """Accuracy with its error, protocol and origin of one benchmark result.

    Args:
        score: A score row of a record.
        sources: Sources seen so far; a new one is added, and the origin names it by its number.
    """
    error = score.get("stderr")
    accuracy = f"{score['accuracy']:.4f}" + (f" ± {error:.4f}" if error else "")
    if score["origin"] == "measured":
        chance = ", at chance" if score.get("at_chance") else ""
        return accuracy + chance, score["protocol"], f"measured, n {score['questions']:,}"
    if score["source"] not in sources:
        sources.append(score["source"])
    return accuracy, score["protocol"], f"{score['origin']} [{sources.index(score['source']) + 1}]"


def score_view(records: Sequence[Record], width: int) -> list[RenderableType]:
    """MMLU-Pro of each model, measured and published rows apart, each with its protocol; sources below."""
    table = terminal_table("MMLU-Pro (accuracy, raw)", "Model", "Accuracy", "Protocol", "Origin")
    sources: list[str] = []
    for record in records:
        for score in record.scores:
            table.add_row(_name(record, width), *map(Text, score_cells(score, sources)))
    return [table, *(Text(f"[{number}] {source}", style="dim") for number, source in enumerate(sources, start=1))]


def footer(records: Sequence[Record]) -> Text:
    """What the numbers were measured on, in one or two lines."""
    probes: dict[str, Any] = {}
    for record in records:
        if record.interaction is not None:
            found = record.interaction
            probes[f"{found['tokens']:,} tokens of {found['probe']['name']} in windows of {found['window']}"] = None
    measured = "; ".join(probes)
    return Text(f"Measured on {measured}, 16 blocks." if measured else "", style="dim")


def audit_view(records: Sequence[Record], width: int, *, details: bool = False) -> RenderableType:
    """All tables of an audit.

    Args:
        records: One a model.
        width: Columns of the terminal.
        details: Also every metric of each model in both estimates.
    """
    parts: list[RenderableType] = [shape_table(records, width)]
    if any(record.interaction for record in records):
        parts += interaction_tables([record for record in records if record.interaction], width)
    if any(record.scores for record in records):
        parts += score_view(records, width)
    if details:
        parts += [details_table(record) for record in records if record.interaction]
    parts += [variants_table(record) for record in records if record.interaction and record.interaction["variants"]]
    if any(record.interaction for record in records):
        parts.append(footer(records))
    return Group(*parts)

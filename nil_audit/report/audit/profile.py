"""The depth profile in words and tables: what the numbers of the input of each decoder block do over the depth."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.depth import Part, Trend, depth_trends, outer
from nil_audit.auditing.record import Record
from nil_audit.interaction.metrics import METRICS, against_null
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import SPOKEN, model_names
from nil_audit.report.render.page import Cell, Table, table
from nil_audit.report.render.text import MISSING, error_text, interval_text, listing, signed
from nil_audit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "typical_efficiency": "Efficiency",
    "typical_rank": "Rank r(U)",
    "tail": "Tail",
    "interaction_efficiency": "Efficiency (mean)",
    "effective_rank": "Rank r (mean)",
    "aofe_ratio": "AOFE-ratio",
    "excess": "Excess",
    "trace": "Trace",
}
"""What is shown of every block: of a typical token, then of the mean, which are the paper's."""
_FOLLOWED = {
    "typical_efficiency": "Efficiency",
    "rank_part": "½ ln r(U)",
    "tail": "Tail",
    "excess": "Excess",
}
"""What is shown of the numbers that are followed over the depth (`nil_audit.auditing.depth.FOLLOWED`)."""
_STEPS: tuple[tuple[Part, Part], ...] = (("start", "first"), ("first", "last"))
"""The changes that are put into words."""
_QUARTERS = {0.0: "First", 0.25: "1/4", 0.5: "1/2", 0.75: "3/4", 1.0: "Last"}

Row = Mapping[str, Any]


def row_estimate(row: Row, name: str) -> Estimate | None:
    """An unbiased number of one block; None where noise leaves it undefined."""
    found = row["estimates"]["unbiased"].get(name)
    return None if found is None or found["value"] is None else Estimate.from_dict(found)


def profiled(entries: Sequence[Entry]) -> list[Entry]:
    """The models of which there is a depth profile."""
    return [entry for entry in entries if entry.record.profile]


def profile_table(entry: Entry) -> Table:
    """Every block of one model: the numbers of a typical token first, then those of the mean."""
    profile = entry.record.profile or {}
    return table(
        f"{entry.name}, of {profile['blocks']} blocks: gradients at the input of each, unbiased ± jackknife standard"
        " errors",
        ("Block", *COLUMNS.values()),
        [(str(row["depth"]), *(_short_cell(row_estimate(row, name)) for name in COLUMNS)) for row in profile["rows"]],
        note=_thinned(profile),
    )


def profile_summary_table(entries: Sequence[Entry]) -> Table:
    """Of one model its main numbers over the thirds of its blocks; of several their efficiency at a handful of depths.

    Args:
        entries: With a profile, at least one.
    """
    return _one(entries[0]) if len(entries) == 1 else _several(entries)


def _one(entry: Entry) -> Table:
    profile = entry.record.profile or {}
    trends = depth_trends(profile)
    names = _parts(profile)
    rows: list[tuple[Cell | str, ...]] = []
    if trends:
        for part in trends["tail"].means:
            rows.append((names[part], *(_short_cell(trends[name].means[part]) for name in _FOLLOWED)))
        for early, late in pairwise(trends["tail"].means):
            changes = (trends[name].changes[early, late] for name in _FOLLOWED)
            rows.append((f"To {names[late].split()[0].lower()}", *(_short_cell(one, change=True) for one in changes)))
    return table(
        f"{entry.name}, the first of {profile['blocks']} blocks, means over parts of the others, and how each differs"
        " from the one before, paired, ± jackknife standard errors",
        ("Blocks", *_FOLLOWED.values()),
        rows,
        note="Efficiency is ½ ln r(U) − ln(typical sensitivity). A difference is set apart where its 95% interval"
        " excludes zero.",
    )


def _value_cell(estimate: Estimate | None) -> Cell:
    """A number without its error, for which there is no room."""
    if estimate is None:
        return Cell(text=MISSING)
    return Cell(text=interval_text(Estimate(value=estimate.value)), value=estimate.value)


def _short_cell(estimate: Estimate | None, *, change: bool = False) -> Cell:
    """A number to its error's leading digit; a change is set apart where its interval excludes zero."""
    if estimate is None or math.isnan(estimate.value):
        return Cell(text=MISSING)
    return Cell(text=error_text(estimate, 1), value=estimate.value, strong=change and estimate.excludes_zero)


def _several(entries: Sequence[Entry]) -> Table:
    rows: list[tuple[Cell | str, ...]] = []
    for entry in entries:
        found = _at_quarters(entry.record.profile or {})
        trend = depth_trends(entry.record.profile or {}).get("typical_efficiency")
        change = trend.changes.get(("first", "last")) if trend else None
        rows.append(
            (
                entry.name,
                *(_value_cell(row_estimate(found[place], "typical_efficiency")) for place in _QUARTERS),
                _short_cell(change, change=True),
            )
        )
    return table(
        "Typical efficiency over the depth, in nats, at the input of the block nearest to each share of the blocks",
        ("Model", *_QUARTERS.values(), "Last − first third"),
        rows,
        note="Last − first third: of the blocks after the first one, ± paired standard error; set apart where its 95%"
        " interval excludes zero.",
    )


def _at_quarters(profile: Row) -> dict[float, Row]:
    """By share of the depth the row nearest to it; the last share is the last block."""
    last = max(row["relative"] for row in profile["rows"])
    return {share: min(profile["rows"], key=lambda row: abs(row["relative"] - min(share, last))) for share in _QUARTERS}


def _thinned(profile: Row) -> str:
    shown, blocks = len(profile["rows"]), profile["blocks"]
    return "" if shown == blocks else f"{shown} of {blocks} blocks: the sums of all would not have fitted in memory."


def profile_sentence(entries: Sequence[Entry]) -> str:
    """What happens over the depth: of one model in full, of a few each in a clause, of many counted.

    Stated are paired differences, with 95% intervals, between the first block, whose input is the embedding, and thirds
    of the others: parts that are fixed before looking.

    Returns:
        Sentences; empty where no model has a profile of two depths.
    """
    found = [(entry, trends) for entry in profiled(entries) if (trends := depth_trends(entry.record.profile or {}))]
    if not found:
        return ""
    if len(found) == 1:
        return " ".join(_full(*found[0], named=len(entries) > 1))
    if len(found) > SPOKEN:
        return _counted([trends["typical_efficiency"] for _, trends in found])
    said = [f"{entry.name} {_steps(trends['typical_efficiency'])}" for entry, trends in found]
    return (
        "Typical efficiency from the first block to the first third of the others, and then to the last third, in nats:"
        f" {'; '.join(said)}."
    )


def _full(entry: Entry, trends: Mapping[str, Trend], *, named: bool) -> Iterator[str]:
    profile = entry.record.profile or {}
    names = _spoken(profile)
    efficiency = trends["typical_efficiency"]
    of = f" of {entry.name}" if named else ""
    if any(math.isnan(one.value) for one in efficiency.means.values()):
        yield f"Over the depth{of} typical efficiency is undefined in so little text."
        return
    steps = [
        f"{_change(efficiency.changes[early, late], ' nats')}{f' from {names[early]}' if early == 'start' else ''}"
        f" to {names[late]}{_of_which(trends, early, late)}"
        for early, late in _STEPS
        if (early, late) in efficiency.changes
    ]
    lowest = efficiency.lowest
    where = f"; it is lowest in {names[lowest]}, {interval_text(efficiency.means[lowest])}" if lowest else ""
    yield f"Over the {profile['blocks']} blocks{of} typical efficiency {', then '.join(steps)}{where}."
    tail = trends["tail"]
    known = not any(math.isnan(one.value) for one in tail.means.values())
    rest = [f"the tail {_steps(tail, ' nats')}" if known else "", _against_null(profile)]
    if said := "; ".join(filter(None, rest)):
        yield f"{said[0].upper()}{said[1:]}."


def _parts(profile: Row) -> dict[Part, str]:
    """What the parts of a profile are called, at the head of a row."""
    others = len(profile["rows"]) - 1
    if outer(others) == 1:
        return {"start": "First block", "first": "Second", "middle": "Between", "last": "Last"}
    return {"start": "First block", "first": "First third", "middle": "Middle third", "last": "Last third"}


def _spoken(profile: Row) -> dict[Part, str]:
    """What they are called inside a sentence."""
    if outer(len(profile["rows"]) - 1) == 1:
        return {"start": "the first", "first": "the second", "middle": "those between", "last": "the last"}
    first = "the first third of the others"
    return {"start": "the first", "first": first, "middle": "the middle third", "last": "the last third"}


def _of_which(trends: Mapping[str, Trend], early: Part, late: Part) -> str:
    """The two parts of a change in efficiency, which add up to it."""
    rank, sensitivity = (signed(trends[name].changes[early, late].value) for name in ("rank_part", "sensitivity_part"))
    return f" ({rank} by spread over directions, {sensitivity} by sensitivity)"


def _steps(trend: Trend, unit: str = "") -> str:
    """From the first block to the first third of the others, then to the last third."""
    return ", then ".join(_change(trend.changes[step], unit) for step in _STEPS if step in trend.changes)


def _change(change: Estimate, unit: str = "") -> str:
    """A difference in words: "rises by 0.21 [0.10, 0.32]"."""
    if not change.excludes_zero:
        return f"does not change by more than noise ({interval_text(change)}{unit})"
    low, high = sorted(map(abs, change.interval or ()))
    return f"{'rises' if change.value > 0 else 'falls'} by {abs(change.value):.2f} [{low:.2f}, {high:.2f}]{unit}"


def _against_null(profile: Row) -> str:
    """At how many blocks the AOFE-ratio differs from those of the same spectrum in random bases."""
    found = [
        where
        for row in profile["rows"]
        if (excess := row_estimate(row, "excess"))
        and (rank := row_estimate(row, "effective_rank"))
        and (where := against_null(excess, rank, row["products"]["width"]))
    ]
    if not found:
        return ""
    above, below = found.count("above"), found.count("below")
    return (
        f"the AOFE-ratio is above its rotation null at {above or 'none'} and below it at {below or 'none'} of"
        f" {len(found)} blocks (95% intervals)"
    )


def _counted(trends: Sequence[Trend]) -> str:
    """How many of many models rise and fall after the first block, and where each is lowest."""
    changes = [one.changes["first", "last"] for one in trends if ("first", "last") in one.changes]
    rise = sum(one.excludes_zero and one.value > 0 for one in changes)
    fall = sum(one.excludes_zero and one.value < 0 for one in changes)
    lowest = Counter(one.lowest for one in trends)
    names: dict[Part, str] = {
        "start": "the first block",
        "first": "the first third",
        "middle": "the middle third",
        "last": "the last third",
    }
    where = [f"in {name} for {lowest[part]}" for part, name in names.items() if lowest[part]]
    return (
        f"From the first third of the blocks after the first one to the last third typical efficiency rises in"
        f" {rise or 'none'} and falls in {fall or 'none'} of {len(changes)} models"
        f"{f'; it is lowest {listing(where)}' if where else ''}."
    )


def profile_frame(records: Sequence[Record]) -> "pd.DataFrame":
    """Every block of every depth profile as a data frame, a row each: ``profile.csv``.

    Returns:
        Columns model, block, blocks, relative_depth, then each metric unbiased with its ``_se``, then the plug-in ones;
        empty where no record has a profile.
    """
    import pandas as pd

    rows = [
        {
            "model": name,
            "block": row["depth"],
            "blocks": record.profile["blocks"],
            "relative_depth": row["relative"],
            **_values("", row["estimates"]["unbiased"]),
            **_values("plugin_", row["estimates"]["plugin"]),
        }
        for name, record in zip(model_names(records), records, strict=True)
        if record.profile
        for row in record.profile["rows"]
    ]
    return pd.DataFrame(rows)


def _values(prefix: str, estimates: Mapping[str, Any]) -> dict[str, float | None]:
    found = {name: estimates.get(name) or {} for name in METRICS}
    return {
        f"{prefix}{name}{ending}": one.get(key)
        for name, one in found.items()
        for ending, key in (("", "value"), ("_se", "se"))
    }

"""The depth profile in words and tables: what the numbers of the input of each decoder block do over the depth."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.depth import Trend, depth_trends, outer
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
    third = " third" if outer(len(profile["rows"])) > 1 else ""
    labels = {
        "first": f"First{third}",
        "middle": f"Middle{third}" if third else "Between",
        "last": f"Last{third}",
        "first_to_middle": "Middle − first" if third else "Between − first",
        "middle_to_last": "Last − middle" if third else "Last − between",
        "first_to_last": "Last − first",
    }
    trends = depth_trends(profile)
    rows: list[tuple[Cell | str, ...]] = [
        (label, *(_short_cell(getattr(trends[name], part), change="_to_" in part) for name in _FOLLOWED))
        for part, label in labels.items()
        if trends and getattr(trends["tail"], part) is not None
    ]
    return table(
        f"{entry.name}, means over parts of its {profile['blocks']} blocks and their paired differences ± jackknife"
        " standard errors",
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
        change = trend.first_to_last if trend and math.isfinite(trend.first_to_last.value) else None
        rows.append(
            (
                entry.name,
                *(_value_cell(row_estimate(found[place], "typical_efficiency")) for place in _QUARTERS),
                Cell(
                    text=error_text(change),
                    value=change.value if change else None,
                    strong=bool(change and change.excludes_zero),
                ),
            )
        )
    return table(
        "Typical efficiency over the depth, in nats, at the input of the block nearest to each share of the blocks",
        ("Model", *_QUARTERS.values(), "Last third minus first"),
        rows,
        note="The change ± its paired standard error; set apart where its 95% interval excludes zero.",
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

    Stated are differences between thirds of the blocks, which were fixed before looking, with paired 95% intervals.

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
    said = [f"{entry.name} {_change(trends['typical_efficiency'].first_to_last)}" for entry, trends in found]
    return f"Typical efficiency from the first third of the blocks to the last, in nats: {'; '.join(said)}."


def _full(entry: Entry, trends: Mapping[str, Trend], *, named: bool) -> Iterator[str]:
    profile = entry.record.profile or {}
    parts = _parts(len(profile["rows"]))
    efficiency = trends["typical_efficiency"]
    of = f" of {entry.name}" if named else ""
    if math.isnan(efficiency.first_to_last.value):
        yield f"Over the depth{of} typical efficiency is undefined in so little text."
        return
    where = ""
    if lowest := efficiency.lowest:
        where = f"; it is lowest in {parts[lowest]}, {interval_text(getattr(efficiency, lowest))}"
    yield (
        f"Over the {profile['blocks']} blocks{of} typical efficiency {_change(efficiency.first_to_last, ' nats')} from"
        f" {parts['first']} to {parts['last']}{_of_which(trends)}{where}."
    )
    tail = trends["tail"].first_to_last
    rest = ["" if math.isnan(tail.value) else f"the tail {_change(tail, ' nats')}", _against_null(profile)]
    if said := "; ".join(filter(None, rest)):
        yield f"{said[0].upper()}{said[1:]}."


def _parts(depths: int) -> dict[str, str]:
    """What the three parts of so many depths are called."""
    if outer(depths) > 1:
        return {part: f"the {part} third" for part in ("first", "middle", "last")}
    return {"first": "the first", "middle": "between", "last": "the last"}


def _of_which(trends: Mapping[str, Trend]) -> str:
    """The two parts of a change in efficiency, which add up to it."""
    rank, sensitivity = (signed(trends[name].first_to_last.value) for name in ("rank_part", "sensitivity_part"))
    return f" ({rank} by spread over directions, {sensitivity} by sensitivity)"


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
    """How many of many models rise and fall, and where each is lowest."""
    changes = [one.first_to_last for one in trends]
    rise = sum(one.excludes_zero and one.value > 0 for one in changes)
    fall = sum(one.excludes_zero and one.value < 0 for one in changes)
    lowest = Counter(one.lowest for one in trends)
    where = [f"in the {part} third for {lowest[part]}" for part in ("first", "middle", "last") if lowest[part]]
    return (
        f"From the first third of the blocks to the last typical efficiency rises in {rise or 'none'} and falls in"
        f" {fall or 'none'} of {len(trends)} models{f'; it is lowest {listing(where)}' if where else ''}."
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

"""The depth profile in tables and a data frame: the numbers of the input of each decoder block."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.depth import Part, depth_trends, parts_of
from nil_audit.auditing.record import Record
from nil_audit.interaction.metrics import METRICS
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import model_names
from nil_audit.report.render.page import Cell, Table, table
from nil_audit.report.render.text import MISSING, error_text, interval_text
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
_QUARTERS = {0.0: "First", 0.25: "1/4", 0.5: "1/2", 0.75: "3/4"}
"""Shares of the depth of which there is a column, beside one of the last block."""
RANGE = "–"
"""Between the first and the last of several blocks."""
_STARRED = "* the 95% interval excludes zero."

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
    rows: list[tuple[Cell | str, ...]] = []
    if trends:
        spans = spans_of(profile)
        for part in trends["tail"].means:
            head = f"Block{'s' * (RANGE in spans[part])} {spans[part]}"
            rows.append((head, *(_short_cell(trends[name].means[part]) for name in _FOLLOWED)))
        for early, late in pairwise(trends["tail"].means):
            changes = (trends[name].changes[early, late] for name in _FOLLOWED)
            rows.append((f"To {spans[late]}", *(_short_cell(one, change=True) for one in changes)))
    return table(
        f"{entry.name}: block 0, whose input is the embedding, means over parts of the other blocks, and how each"
        " differs from the one before, paired, ± jackknife standard errors",
        ("Blocks", *_FOLLOWED.values()),
        rows,
        note=" ".join(
            filter(None, ("Efficiency is ½ ln r(U) − ln(typical sensitivity).", _STARRED, _thinned(profile)))
        ),
    )


def _value_cell(estimate: Estimate | None) -> Cell:
    """A number without its error, for which there is no room."""
    if estimate is None:
        return Cell(text=MISSING)
    return Cell(text=interval_text(Estimate(value=estimate.value)), value=estimate.value)


def _short_cell(estimate: Estimate | None, *, change: bool = False) -> Cell:
    """A number to its error's leading digit; a change has a star where its interval excludes zero."""
    if estimate is None or math.isnan(estimate.value):
        return Cell(text=MISSING)
    return Cell(text=error_text(estimate, 1) + "*" * (change and estimate.excludes_zero), value=estimate.value)


def _several(entries: Sequence[Entry]) -> Table:
    rows: list[tuple[Cell | str, ...]] = []
    for entry in entries:
        profile = entry.record.profile or {}
        trend = depth_trends(profile).get("typical_efficiency")
        change = trend.changes.get(("first", "last")) if trend else None
        found = [row_estimate(row, "typical_efficiency") if row else None for row in _at_quarters(profile)]
        rows.append((entry.name, *map(_value_cell, found), _short_cell(change, change=True)))
    return table(
        "Typical efficiency over the depth, in nats, at the input of the block at each share of the blocks",
        ("Model", *_QUARTERS.values(), "Last", "Last − first third"),
        rows,
        note=f"{MISSING}: no block lies there. Last − first third: of the blocks after block 0, ± paired standard"
        f" error; {_STARRED}",
    )


def _at_quarters(profile: Row) -> list[Row | None]:
    """The row at each share of the depth, then the last; None where no block is within half a block of a share.

    Nor is a block shown at a share where it lies nearer to another one.
    """
    found: list[Row | None] = []
    for share in _QUARTERS:
        row = min(profile["rows"], key=lambda one: abs(one["relative"] - share))
        nearest = min(_QUARTERS, key=lambda one: abs(row["relative"] - one))
        near = abs(row["relative"] - share) * 2 * profile["blocks"] < 1 + 1e-9
        found.append(row if near and nearest == share else None)
    return [*found, profile["rows"][-1]]


def _thinned(profile: Row) -> str:
    shown, blocks = len(profile["rows"]), profile["blocks"]
    return "" if shown == blocks else f"{shown} of {blocks} blocks: the sums of all would not have fitted in memory."


def spans_of(profile: Row) -> dict[Part, str]:
    """The blocks of each part of a profile: "0", "1–9"."""
    depths = [row["depth"] for row in profile["rows"]]
    found = {part: depths[place] for part, place in parts_of(depths).items()}
    return {part: RANGE.join(map(str, dict.fromkeys((held[0], held[-1])))) for part, held in found.items()}


def profile_frame(records: Record | Sequence[Record]) -> "pd.DataFrame":
    """Every block of every depth profile as a data frame, a row each: ``profile.csv``.

    Args:
        records: One, or several.

    Returns:
        Columns model, block, blocks, relative_depth, then each metric unbiased with its ``_se``, then the plug-in ones;
        empty where no record has a profile.
    """
    import pandas as pd

    records = [records] if isinstance(records, Record) else records
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

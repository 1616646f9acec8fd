"""The depth profile in words and tables: what the numbers of the input of each decoder block do over the depth."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.depth import Trend, depth_trends, outer
from nil_audit.auditing.record import Record
from nil_audit.interaction.metrics import METRICS
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import SPOKEN, model_names
from nil_audit.report.render.page import Cell, Column, Table, table
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
_SHORT = ("typical_efficiency", "typical_rank", "tail", "aofe_ratio", "excess")
_QUARTERS = {0.0: "First", 0.25: "1/4", 0.5: "1/2", 0.75: "3/4", 1.0: "Last"}
_WHICH = "gradients at the input of each decoder block, unbiased ± jackknife standard errors"

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
        f"{entry.name}: {_WHICH}",
        ("Block", Column(label="Depth", numeric=True, help="l / L, 0 at the first block"), *COLUMNS.values()),
        [
            (str(row["depth"]), f"{row['relative']:.2f}", *(_cell(row_estimate(row, name), 2) for name in COLUMNS))
            for row in profile["rows"]
        ],
        note=_thinned(profile),
    )


def profile_summary_table(entries: Sequence[Entry]) -> Table:
    """A handful of depths: of one model its main numbers at each, of several their typical efficiency, a row a model.

    Args:
        entries: With a profile, at least one.
    """
    return _one(entries[0]) if len(entries) == 1 else _several(entries)


def _one(entry: Entry) -> Table:
    profile = entry.record.profile or {}
    shown = {row["depth"]: row for row in _at_quarters(profile).values()}
    return table(
        f"Over the depth, of {profile['blocks']} blocks: {_WHICH}",
        ("Block", *(COLUMNS[name] for name in _SHORT)),
        [(str(depth), *(_cell(row_estimate(row, name), 1) for name in _SHORT)) for depth, row in shown.items()],
    )


def _several(entries: Sequence[Entry]) -> Table:
    rows: list[tuple[Cell | str, ...]] = []
    for entry in entries:
        found = _at_quarters(entry.record.profile or {})
        trend = depth_trends(entry.record.profile or {}).get("typical_efficiency")
        change = trend.first_to_last if trend and math.isfinite(trend.first_to_last.value) else None
        values = [row_estimate(found[place], "typical_efficiency") for place in _QUARTERS]
        rows.append(
            (
                entry.name,
                *(_cell(one and Estimate(value=one.value), 2, decimals=2) for one in values),
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


def _cell(estimate: Estimate | None, digits: int, decimals: int | None = None) -> Cell:
    if estimate is None:
        return Cell(text=MISSING)
    text = error_text(estimate, digits) if decimals is None else interval_text(estimate, decimals)
    return Cell(text=text, value=estimate.value)


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
        entry, trends = found[0]
        name = "Its" if len(entries) == 1 else f"{entry.name}'s"
        return " ".join(_full(name, entry.record.profile or {}, trends))
    if len(found) > SPOKEN:
        return _counted([trends["typical_efficiency"] for _, trends in found])
    said = [f"{entry.name} {_change(trends['typical_efficiency'].first_to_last)}" for entry, trends in found]
    return f"Typical efficiency from the first third of the blocks to the last, in nats: {'; '.join(said)}."


def _full(name: str, profile: Row, trends: Mapping[str, Trend]) -> Iterator[str]:
    parts = _parts(len(profile["rows"]))
    efficiency = trends["typical_efficiency"]
    if math.isnan(efficiency.first_to_last.value):
        yield "Over the depth typical efficiency is undefined in so little text."
        return
    means = [(parts[part], one) for part in parts if (one := getattr(efficiency, part))]
    said = [f"{interval_text(one)} in {where}" for where, one in means]
    yield (
        f"{name} typical efficiency is {listing(said)}: it {_change(efficiency.first_to_last)} nats from first to last"
        f"{_of_which(trends)}."
    )
    if efficiency.lowest:
        yield (
            f"It is lowest in {parts[efficiency.lowest]}: there the loss depends most on any one relative change"
            " of the residual stream."
        )
    tail = trends["tail"].first_to_last
    if not math.isnan(tail.value):
        yield f"The tail {_change(tail)} nats from first to last."
    yield _against_null(profile)


def _parts(depths: int) -> dict[str, str]:
    """What the three parts of so many depths are called."""
    if outer(depths) > 1:
        return {"first": "the first third of the blocks", "middle": "the middle third", "last": "the last third"}
    between = "the block between" if depths == 3 else "the blocks between"
    return {"first": "the first block", "middle": between, "last": "the last block"}


def _of_which(trends: Mapping[str, Trend]) -> str:
    """The two parts of a change in efficiency, which add up to it."""
    rank, sensitivity = (signed(trends[name].first_to_last.value) for name in ("rank_part", "sensitivity_part"))
    return f" ({rank} by spread over directions, {sensitivity} by sensitivity)"


def _change(change: Estimate) -> str:
    """A difference in words: "rises by 0.21 [0.10, 0.32]"."""
    if not change.excludes_zero:
        return f"moves by no more than noise ({interval_text(change)})"
    low, high = sorted(map(abs, change.interval or ()))
    return f"{'rises' if change.value > 0 else 'falls'} by {abs(change.value):.2f} [{low:.2f}, {high:.2f}]"


def _against_null(profile: Row) -> str:
    """At how many blocks the AOFE-ratio differs from that of the same spectrum in a random basis."""
    found = [one for row in profile["rows"] if (one := row_estimate(row, "excess")) and one.interval]
    above = sum(one.excludes_zero and one.value > 0 for one in found)
    below = sum(one.excludes_zero and one.value < 0 for one in found)
    return (
        f"The AOFE-ratio lies above its rotation null at {above or 'none'} and below it at {below or 'none'} of"
        f" {len(found)} blocks, each by its own 95% interval."
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

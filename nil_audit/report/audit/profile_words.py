"""The depth profile in words: what the numbers of the input of each decoder block do over the depth.

Stated are paired differences, with 95% intervals, between the first block, whose input is the embedding, and thirds of
the others: parts that are fixed before looking (`nil_audit.auditing.depth`).
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from nil_audit.auditing.depth import Part, Trend, depth_trends
from nil_audit.interaction.metrics import against_null
from nil_audit.report.audit.profile import RANGE, Row, profiled, row_estimate, spans_of
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import SPOKEN
from nil_audit.report.render.text import interval_text, listing
from nil_audit.stats.estimate import Estimate

_STEPS: tuple[tuple[Part, Part], ...] = (("start", "first"), ("first", "last"))
"""The changes that are put into words."""
_MINOR = 1 / 3
"""A part of a change that is less than this share of it goes without mention."""


def profile_sentence(entries: Sequence[Entry]) -> str:
    """What happens over the depth: of one model in full, of a few each in a clause, of many counted.

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
        "Typical efficiency from the embedding (block 0) to the next blocks, and from there to the last third, in nats:"
        f" {'; '.join(said)}."
    )


def _full(entry: Entry, trends: Mapping[str, Trend], *, named: bool) -> Iterator[str]:
    profile = entry.record.profile or {}
    spans = spans_of(profile)
    efficiency, tail = trends["typical_efficiency"], trends["tail"]
    of = f" of {entry.name}" if named else ""
    if any(math.isnan(one.value) for one in efficiency.means.values()):
        yield f"Over the depth{of} typical efficiency is undefined in so little text."
        return
    several = RANGE in spans["first"]
    to_next = f"the next blocks ({spans['first']})" if several else f"block {spans['first']}"
    first = efficiency.changes["start", "first"]
    said = (
        f"From the embedding (block 0){of} to {to_next} typical efficiency {_change(first, ' nats')}"
        f"{_mostly_by(trends, 'start', 'first')}"
    )
    if then := efficiency.changes.get(("first", "last")):
        to_last = f"the last {'third' if several else 'block'} ({spans['last']})"
        said += f"; from there to {to_last} it {_change(then)}{_mostly_by(trends, 'first', 'last')}"
    # The two steps alone would hide a dip.
    if efficiency.lowest == "middle":
        said += f" (lowest between them, {interval_text(efficiency.means['middle'])} in {spans['middle']})"
    yield f"{said}."
    whole = tail.changes["start", "last" if "last" in tail.means else "first"]
    rest = [f"the tail {_change(whole, ' nats')} in all" if whole.excludes_zero else "", _against_null(profile)]
    if more := "; ".join(filter(None, rest)):
        yield f"{more[0].upper()}{more[1:]}."


def _mostly_by(trends: Mapping[str, Trend], early: Part, late: Part) -> str:
    """Which of the two parts of a change in efficiency makes most of it; nothing of one that may be noise."""
    whole = trends["typical_efficiency"].changes[early, late]
    if not whole.excludes_zero:
        return ""
    share = trends["sensitivity_part"].changes[early, late].value / whole.value
    if _MINOR <= share <= 1 - _MINOR:
        return ", by sensitivity and spread over directions alike"
    return f", mostly by {'sensitivity' if share > 0.5 else 'spread over directions'}"


def _steps(trend: Trend) -> str:
    """From the first block to the first third of the others, then to the last third."""
    changes = [trend.changes[step] for step in _STEPS if step in trend.changes]
    if any(math.isnan(one.value) for one in changes):
        return "is undefined in so little text"
    return ", then ".join(map(_change, changes))


def _change(change: Estimate, unit: str = "") -> str:
    """A difference in words: "rises by 0.21 [0.10, 0.32]"."""
    if not change.excludes_zero:
        return f"stays within noise ({interval_text(change)}{unit})"
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
    said = ""
    for side in ("above", "below"):
        if count := found.count(side):
            said += f"{' and ' if said else ''}{side} {'it' if said else 'its rotation null'} at {count}"
    return f"the AOFE-ratio lies {said} of {len(found)} blocks (95% intervals)" if said else ""


def _counted(trends: Sequence[Trend]) -> str:
    """How many of many models rise and fall after the first block, and where each is lowest."""
    changes = [one.changes["first", "last"] for one in trends if ("first", "last") in one.changes]
    rise = sum(one.excludes_zero and one.value > 0 for one in changes)
    fall = sum(one.excludes_zero and one.value < 0 for one in changes)
    lowest = Counter(one.lowest for one in trends)
    names: dict[Part, str] = {
        "start": "at the embedding",
        "first": "in the blocks next to it",
        "middle": "in the middle third",
        "last": "in the last third",
    }
    where = [f"{name} for {lowest[part]}" for part, name in names.items() if lowest[part]]
    return (
        f"From the blocks next to the embedding to the last third typical efficiency rises in"
        f" {rise or 'none'} and falls in {fall or 'none'} of {len(changes)} models"
        f"{f'; it is lowest {listing(where)}' if where else ''}."
    )

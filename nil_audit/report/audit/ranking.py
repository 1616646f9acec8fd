"""Models in the order of their typical efficiency, and how far apart they are: the numbers that the words rest on."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from nil_audit.auditing.record import Difference, Record, difference, setting
from nil_audit.interaction.metrics import HEADLINE
from nil_audit.report.audit.words import model_names
from nil_audit.stats.estimate import Estimate

FEWEST = 5
"""Other models at hand from which a rank among them says anything."""
_FIRST_TYPICAL = 2
"""The estimator since which records have typical numbers."""

Lack = Literal["older", "undefined", "unmeasured"]
"""Why a model has no typical efficiency: its record is of an estimator that knew none, it is undefined in so little
text, or no gradients were taken."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One model of a page.

    Attributes:
        name: What it is called, no other's.
        record: What is known of it.
        reference: Whether it is there to be compared with, and was not asked for.
    """

    name: str
    record: Record
    reference: bool = False

    @cached_property
    def efficiency(self) -> Estimate | None:
        """Its typical efficiency, where that was measured and is defined."""
        found = self.record.metric(HEADLINE)
        return found if found and math.isfinite(found.value) else None

    @property
    def lack(self) -> Lack | None:
        """Why it has no typical efficiency; None where it has one."""
        if self.efficiency is not None:
            return None
        if self.record.interaction is None:
            return "unmeasured"
        return "older" if self.record.interaction["estimator"] < _FIRST_TYPICAL else "undefined"


class Differences:
    """Differences in typical efficiency between models, each computed once: a paired one takes milliseconds."""

    def __init__(self) -> None:
        self._known: dict[tuple[Entry, Entry], Difference | None] = {}

    def between(self, one: Entry, other: Entry) -> Difference | None:
        """One minus the other; None where they cannot be held against each other."""
        if (one, other) not in self._known:
            found = difference(one.record, other.record)
            self._known[one, other] = found if found and math.isfinite(found.estimate.value) else None
        return self._known[one, other]

    def beats(self, one: Entry, other: Entry) -> bool:
        """Whether one is more efficient than another, with an interval that excludes zero.

        Of models that have read the same windows and no others the difference is that of their numbers, and so need
        not be computed to know its sign.
        """
        if _value(one) <= _value(other) and _same_text(one.record, other.record):
            return False
        found = self.between(one, other)
        return found is not None and found.estimate.excludes_zero and found.estimate.value > 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """The models of a page by typical efficiency.

    They stand in the order of their numbers, each on all of its text. But runs stop at different rounds: where one of
    two neighbours is the more efficient on the windows that both have read, with a 95% interval that excludes zero, it
    stands above the other whatever their own numbers are. That is the sharper comparison, and so no order speaks
    against the difference that is stated beside it. A reference has its place by the models asked for that stand next
    above and next below: between two references no difference is stated.

    Attributes:
        entries: The models asked for: ranked ones first, the most efficient on top, then the others as given.
        ranked: Those of them with a typical efficiency, all measured in one setting, the most efficient first.
        apart: Those with one that was measured in another setting, so that it cannot be held against the others'.
        others: References in the setting of the ranked ones.
        differences: Between models, kept.
    """

    entries: tuple[Entry, ...]
    ranked: tuple[Entry, ...]
    apart: tuple[Entry, ...]
    others: tuple[Entry, ...]
    differences: Differences = field(default_factory=Differences, repr=False)

    @cached_property
    def among(self) -> tuple[Entry, ...]:
        """Ranked models, in their order, and references together, the most efficient first."""
        return _ordered(self.others, self.differences, self.ranked)

    def next_below(self, entry: Entry) -> Difference | None:
        """A ranked model's typical efficiency minus that of the next one asked for; None of the last."""
        place = self.ranked.index(entry) + 1
        return self.difference(entry, self.ranked[place]) if place < len(self.ranked) else None

    def difference(self, one: Entry, other: Entry) -> Difference | None:
        """One model's typical efficiency minus another's; None where they cannot be held against each other."""
        return self.differences.between(one, other)

    def by_common_text(self, one: Entry, other: Entry) -> bool:
        """Whether one stands above the other by the windows that both have read, and not by its number."""
        return _value(one) < _value(other) and self.differences.beats(one, other)


def rank(records: Sequence[Record], references: Sequence[Record] = ()) -> Ranking:
    """Name and order models.

    Of several settings (probe, window, context, dtype) the one with most models is ranked. A reference that is one
    of the models themselves is left out.

    Args:
        records: Of the models asked for, at least one.
        references: Of others.
    """
    own = {_identity(record) for record in records} | {record.name for record in records}
    groups: dict[Any, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        if Entry(name="", record=record).efficiency is not None:
            groups[setting(record)].append(place)
    chosen = max(groups, key=lambda one: len(groups[one]), default=None)
    others = [
        one
        for one in references
        if chosen is not None and setting(one) == chosen and _identity(one) not in own and one.name not in own
    ]
    names = model_names([*records, *others])
    entries = [Entry(name=name, record=record) for name, record in zip(names, records, strict=False)]
    beside = [
        Entry(name=name, record=record, reference=True)
        for name, record in zip(names[len(records) :], others, strict=True)
    ]
    differences = Differences()
    ranked = _ordered([entries[place] for place in groups.get(chosen, ())], differences)
    apart = tuple(entries[place] for key, group in groups.items() if key != chosen for place in group)
    rest = tuple(entry for entry in entries if entry not in ranked)
    return Ranking(
        entries=(*ranked, *rest),
        ranked=ranked,
        apart=apart,
        others=tuple(one for one in beside if one.efficiency is not None),
        differences=differences,
    )


def _ordered(entries: Sequence[Entry], differences: Differences, order: Sequence[Entry] = ()) -> tuple[Entry, ...]:
    """Entries put into an order one by one, the highest number first, so that none beats its neighbour above.

    Each goes below all whose number is as high, then up past every neighbour that it beats, or else down past every
    one that beats it: so the order is the same on every run, and none that is there already changes places. References
    that are there are no neighbours.
    """
    found = list(order)
    for entry in sorted(entries, key=_value, reverse=True):
        first = max((place + 1 for place, one in enumerate(found) if _value(one) >= _value(entry)), default=0)
        place = first
        for at in reversed(range(first)):
            if not found[at].reference:
                if not differences.beats(entry, found[at]):
                    break
                place = at
        if place == first:
            for at in range(first, len(found)):
                if not found[at].reference:
                    if not differences.beats(found[at], entry):
                        break
                    place = at + 1
        found.insert(place, entry)
    return tuple(found)


def _value(entry: Entry) -> float:
    return entry.efficiency.value if entry.efficiency else -math.inf


def _same_text(one: Record, other: Record) -> bool:
    """Whether two models of one setting have read the same windows and no others, by the bytes of each block."""
    here, there = (record.interaction or {} for record in (one, other))
    return here.get("windows") == there.get("windows") and here.get("block_bytes") == there.get("block_bytes")


def _identity(record: Record) -> Any:
    """What is one checkpoint: its digest, or its name where that is not known."""
    return record.model.get("digest") or record.name

"""Models in the order of their typical efficiency, and how far apart they are: the numbers that the words rest on."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nil_audit.auditing.record import Difference, Record, difference, setting
from nil_audit.report.audit.words import model_names
from nil_audit.stats.estimate import Estimate

FEWEST = 5
"""Other models at hand from which a rank among them says anything."""


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

    @property
    def efficiency(self) -> Estimate | None:
        """Its typical efficiency, where that was measured."""
        return self.record.metric("typical_efficiency")


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The models of a page by typical efficiency.

    Attributes:
        entries: The models asked for: ranked ones first, the most efficient on top, then the others as given.
        ranked: Those of them with a typical efficiency, all measured in one setting, the most efficient first.
        apart: Those with one that was measured in another setting, so that it cannot be held against the others'.
        others: References in the setting of the ranked ones.
    """

    entries: tuple[Entry, ...]
    ranked: tuple[Entry, ...]
    apart: tuple[Entry, ...]
    others: tuple[Entry, ...]

    @property
    def among(self) -> tuple[Entry, ...]:
        """Ranked models and references together, the most efficient first."""
        return _ordered((*self.ranked, *self.others))

    def next_below(self, entry: Entry) -> Difference | None:
        """A ranked model's typical efficiency minus that of the next one asked for; None of the last."""
        place = self.ranked.index(entry) + 1
        return difference(entry.record, self.ranked[place].record) if place < len(self.ranked) else None


def rank(records: Sequence[Record], references: Sequence[Record] = ()) -> Ranking:
    """Name and order models.

    Of several settings (probe, window, context, dtype) the one with most models is ranked. A reference that is one
    of the models themselves is left out.

    Args:
        records: Of the models asked for, at least one.
        references: Of others.
    """
    own = {_identity(record) for record in records} | {record.name for record in records}
    others = [one for one in references if _identity(one) not in own and one.name not in own]
    names = model_names([*records, *others])
    entries = [Entry(name=name, record=record) for name, record in zip(names, records, strict=False)]
    beside = [
        Entry(name=name, record=record, reference=True)
        for name, record in zip(names[len(records) :], others, strict=True)
    ]
    groups: dict[Any, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.efficiency is not None:
            groups[setting(entry.record)].append(entry)
    chosen = max(groups, key=lambda one: len(groups[one]), default=None)
    ranked = _ordered(groups.get(chosen, ()))
    apart = tuple(entry for key, group in groups.items() if key != chosen for entry in group)
    rest = tuple(entry for entry in entries if entry not in ranked)
    return Ranking(
        entries=(*ranked, *rest),
        ranked=ranked,
        apart=apart,
        others=tuple(one for one in beside if one.efficiency is not None and setting(one.record) == chosen),
    )


def _ordered(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: -entry.efficiency.value if entry.efficiency else 0.0))


def _identity(record: Record) -> Any:
    """What is one checkpoint: its digest, or its name where that is not known."""
    return record.model.get("digest") or record.name

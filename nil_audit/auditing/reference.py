"""Records to hold a new one against: those that ship with nil-audit, and those that the user has measured.

Of a kept record only what a comparison needs is read, and once: a file beside the cache's records holds it, so that a
thousand of them cost a fraction of a second.
"""

import json
import math
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from nil_audit import __version__
from nil_audit.auditing.measured import Setting
from nil_audit.auditing.record import SECTIONS, Record, read_record, record_from, setting
from nil_audit.catalog.lists import hub_key
from nil_audit.errors import DataError, UsageError
from nil_audit.files import cache_folder, write_atomically
from nil_audit.interaction.metrics import HEADLINE
from nil_audit.processes import is_first


@dataclass(frozen=True, eq=False)
class _Found:
    """A reference, and the file of its whole record where this is not it."""

    record: Record
    file: Path | None

    @property
    def efficiency(self) -> float:
        found = self.record.metric(HEADLINE)
        return found.value if found else math.nan

    @property
    def rank(self) -> tuple[float, str]:
        """The higher, the rather it is the one of its model: by precision, then by time."""
        found = self.record.metric(HEADLINE)
        error = math.inf if found is None or found.se is None or not math.isfinite(found.se) else found.se
        return -error, self.record.created

    def whole(self) -> Record:
        """The record as it was written, where that can be read."""
        with suppress(DataError):
            if self.file is not None:
                return read_record(self.file)
        return self.record


def reference_records(records: Sequence[Record]) -> tuple[Record, ...]:
    """Other models, measured as these were.

    Args:
        records: What is to be compared; those without an interaction have no references.

    Returns:
        Shipped records and those of the user's cache whose ``setting`` is that of one of these, without the models of
        these, and one a model and setting: that of the smallest standard error of the typical efficiency, of equal
        ones the newest. They hold what `compact` leaves; of the user's own, the next above and below each of these in
        its setting are whole, so that differences to them are paired. Files that are damaged or cannot be read are
        passed over.
    """
    settings = {found for one in records if (found := setting(one)) is not None}
    if not settings:
        return ()
    given = {mark for one in records for mark in _marks(one)}
    best: dict[tuple[str, Setting], _Found] = {}
    for one in (*_shipped(), *_kept()):
        marks, measured = _marks(one.record), setting(one.record)
        if measured not in settings or given.intersection(marks):
            continue
        key = marks[0], measured
        if key not in best or one.rank > best[key].rank:
            best[key] = one
    near = _nearest(records, best)
    return tuple(one.whole() if one in near else one.record for one in best.values())


def _nearest(records: Sequence[Record], references: Mapping[tuple[str, Setting], _Found]) -> list[_Found]:
    """The references that stand next to a record in its setting, by typical efficiency."""
    alike: dict[Setting | None, list[_Found]] = defaultdict(list)
    for (_, measured), one in references.items():
        alike[measured].append(one)
    near = []
    for record in records:
        if found := record.metric(HEADLINE):
            beside = alike[setting(record)]
            above = [one for one in beside if one.efficiency >= found.value]
            below = [one for one in beside if one.efficiency < found.value]
            near += sorted(above, key=lambda one: one.efficiency)[:1]
            near += sorted(below, key=lambda one: -one.efficiency)[:1]
    return near


def compact(document: Mapping[str, Any], *, products: bool) -> dict[str, Any]:
    """A record's document without what only its own report shows: a record still.

    Left out are the earlier rounds, the plug-in estimates, tokens in their text, what was measured on request,
    environment and notes.

    Args:
        document: Of a record with an interaction.
        products: Whether it keeps the products of the blocks, from which differences are paired; they are three
            quarters of it.
    """
    whole = document["interaction"]
    dropped = ("rounds",) if products else ("rounds", "products", "block_loss")
    interaction = {name: part for name, part in whole.items() if name not in dropped}
    heaviest = {name: part for name, part in (whole.get("heaviest") or {}).items() if name != "tokens"}
    interaction |= {"estimates": {"plugin": {}, "unbiased": whole["estimates"]["unbiased"]}, "heaviest": heaviest}
    return {**document, "interaction": interaction, **dict.fromkeys(SECTIONS), "environment": {}, "notes": []}


def compact_text(document: Mapping[str, Any]) -> str:
    """A document as the files of references hold it: JSON in ASCII, on one line."""
    return json.dumps(document, separators=(",", ":")) + "\n"


def _marks(record: Record) -> list[str]:
    """What tells a model from others: of one on the Hub its name, which outlives a commit; and its digest."""
    digest = str(record.model.get("digest") or "")
    named = [hub_key(record.name)] if record.model.get("source") == "hub" else []
    return [*named, digest] if digest else named or [record.name]


def _sound(document: Any) -> Record | None:
    """The record of a document, or None where it is damaged or has no number to compare."""
    try:
        record = record_from(document)
        found = record.metric(HEADLINE)
        return record if setting(record) is not None and found is not None and math.isfinite(found.value) else None
    except (DataError, AttributeError, LookupError, TypeError, ValueError):
        return None


def _shipped() -> Iterator[_Found]:
    """The records that ship with the package."""
    folder = files("nil_audit") / "data" / "reference"
    if folder.is_dir():
        for file in sorted(folder.iterdir(), key=lambda one: one.name):
            if file.name.endswith(".json") and (record := _sound(_read(file))) is not None:
                yield _Found(record, None)


def _kept() -> Iterator[_Found]:
    """The records of the user's cache, compact, each read anew where its file has changed."""
    place, folder = cache_folder() / "references.json", cache_folder() / "records"
    known = _read(place)
    before = known.get("records") if isinstance(known, dict) and known.get("version") == __version__ else None
    before = before if isinstance(before, dict) else {}
    now: dict[str, Any] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".json"):
                with suppress(OSError):
                    found, old = entry.stat(), before.get(entry.name)
                    stamp = [found.st_mtime_ns, found.st_size]
                    same = isinstance(old, dict) and old.get("stamp") == stamp
                    now[entry.name] = old if same else {"stamp": stamp, "record": _compact_file(Path(entry.path))}
    if now != before and is_first():
        with suppress(UsageError):
            write_atomically(place, compact_text({"version": __version__, "records": now}))
    for name, one in sorted(now.items()):
        if (record := _sound(one.get("record"))) is not None:
            yield _Found(record, folder / name)


def _compact_file(file: Path) -> dict[str, Any] | None:
    """The compact document of a record's file, or None where it is of no use."""
    document = _read(file)
    return compact(document, products=False) if _sound(document) is not None else None


def _read(file: Path | Traversable) -> Any:
    """A file's JSON, or None where it cannot be read."""
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None

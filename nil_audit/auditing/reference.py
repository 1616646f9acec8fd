"""Records to hold a new one against: those that ship with nil-audit, and those that the user has measured.

Of a kept record only what a comparison needs is read, and once: a file beside the cache's records holds it, so that a
thousand of them cost a fraction of a second.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from nil_audit import __version__
from nil_audit.auditing.record import Record, record_from, setting
from nil_audit.catalog.lists import hub_key
from nil_audit.errors import DataError, UsageError
from nil_audit.files import cache_folder, plain, write_atomically
from nil_audit.processes import is_first

_HEADLINE = "typical_efficiency"


def reference_records(records: Sequence[Record]) -> tuple[Record, ...]:
    """Other models, measured as these were.

    Args:
        records: What is to be compared; those without an interaction have no references.

    Returns:
        Shipped records and those of the user's cache whose ``setting`` is that of one of these, without the models of
        these, and one a model: that of the smallest standard error of the typical efficiency, of equal ones the
        newest. They are `compact`. Files that are damaged or cannot be read are passed over.
    """
    settings = {found for one in records if (found := setting(one)) is not None}
    if not settings:
        return ()
    given = {mark for one in records for mark in _marks(one)}
    best: dict[str, tuple[tuple[float, str], Record]] = {}
    for document in (*_shipped(), *_kept()):
        record = _sound(document)
        if record is None or setting(record) not in settings or given.intersection(_marks(record)):
            continue
        error = record.metric(_HEADLINE)
        rank = (-(error.se if error and error.se is not None else float("inf")), record.created)
        model = _marks(record)[0]
        if model not in best or rank > best[model][0]:
            best[model] = (rank, record)
    return tuple(record for _, record in best.values())


def compact(document: Mapping[str, Any]) -> dict[str, Any]:
    """A record's document without what only its own report shows: the earlier rounds, tokens in their text, notes.

    It is a record still: every number follows from it, and two that were read on the same windows can be compared in
    pairs.
    """
    interaction = dict(document["interaction"])
    interaction |= {"rounds": [], "heaviest": {**(interaction.get("heaviest") or {}), "tokens": []}}
    return {**document, "interaction": interaction, "notes": []}


def compact_text(document: Mapping[str, Any]) -> str:
    """A document as the files of references hold it: JSON in ASCII, on one line."""
    return json.dumps(plain(document), separators=(",", ":"), allow_nan=False) + "\n"


def _marks(record: Record) -> list[str]:
    """What tells a model from others: of one on the Hub its name, which outlives a commit; and its digest."""
    digest = str(record.model.get("digest") or "")
    named = [hub_key(record.name)] if record.model.get("source") == "hub" else []
    return [*named, digest] if digest else named or [record.name]


def _sound(document: Any) -> Record | None:
    """The record of a document, or None where it is damaged or has no number to compare."""
    try:
        record = record_from(document)
        return record if setting(record) is not None and record.metric(_HEADLINE) is not None else None
    except (DataError, AttributeError, LookupError, TypeError, ValueError):
        return None


def _shipped() -> Iterator[Any]:
    """The documents that ship with the package."""
    folder = files("nil_audit") / "data" / "reference"
    if folder.is_dir():
        for file in sorted(folder.iterdir(), key=lambda one: one.name):
            if file.name.endswith(".json"):
                with suppress(OSError, ValueError, RecursionError):
                    yield json.loads(file.read_text(encoding="utf-8"))


def _kept() -> Iterable[Any]:
    """The compact documents of the records in the user's cache, read anew where a file has changed."""
    place = cache_folder() / "references.json"
    known = _read(place)
    before = known["records"] if isinstance(known, dict) and known.get("version") == __version__ else {}
    before = before if isinstance(before, dict) else {}
    now: dict[str, Any] = {}
    with suppress(OSError), os.scandir(cache_folder() / "records") as entries:
        for entry in entries:
            if not entry.name.endswith(".json"):
                continue
            with suppress(OSError):
                found = entry.stat()
                stamp = [found.st_mtime_ns, found.st_size]
                old = before.get(entry.name)
                fresh = not (isinstance(old, dict) and old.get("stamp") == stamp)
                now[entry.name] = {"stamp": stamp, "record": _compact_file(Path(entry.path))} if fresh else old
    if now != before and is_first():
        with suppress(UsageError):
            write_atomically(place, compact_text({"version": __version__, "records": now}))
    return [one.get("record") for one in now.values()]


def _compact_file(file: Path) -> dict[str, Any] | None:
    """The compact document of a record's file, or None where it is of no use."""
    document = _read(file)
    return compact(document) if _sound(document) is not None else None


def _read(file: Path) -> Any:
    """A file's JSON, or None where it cannot be read."""
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None

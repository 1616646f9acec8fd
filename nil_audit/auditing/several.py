"""Several audits as one result: to be shown as one ranked table, and to be handed on together."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

from nil_audit.auditing import documents
from nil_audit.auditing.audit import audit
from nil_audit.auditing.record import Record
from nil_audit.catalog.lists import expand_models
from nil_audit.displayed import Displayed
from nil_audit.errors import DataError
from nil_audit.progress import Progress, silent
from nil_audit.runner import run_each


class Audits(Displayed, Sequence[Record]):
    """The records of several models, in the order given.

    A notebook shows them ranked by typical efficiency, each with its difference to the next and its interval, paired by
    block of text where both read the same windows. Only models that were measured in one setting (probe, window,
    context, dtype) are ranked.

    Attributes:
        records: One a model, at least one.
        notes: Sentences on models that are missing, and why.
    """

    def __init__(self, records: Iterable[Record], notes: Iterable[str] = ()) -> None:
        """Take records.

        Raises:
            DataError: There are none, or something else is among them.
        """
        self.records, self.notes = tuple(records), tuple(notes)
        if strange := [type(one).__name__ for one in self.records if not isinstance(one, Record)]:
            raise DataError(f"A {strange[0]} is not a record; give what 'audit' and 'read_record' return.")
        if not self.records:
            raise DataError(f"There is no record to show{f': {self.notes[0]}' if self.notes else '; give some.'}")

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Record, ...]: ...

    def __getitem__(self, place: int | slice) -> Record | tuple[Record, ...]:
        return self.records[place]

    def __len__(self) -> int:
        return len(self.records)


def audit_many(names: Iterable[str], *, progress: Progress = silent, **settings: Any) -> Audits:
    """Audit models one after another; the failure of one does not stop the others, and an interrupt keeps what is done.

    Args:
        names: Hub ids, ``id@revision``, local folders, and model lists (``.csv``), of which every model is audited.
        progress: Opens a progress display.
        **settings: Fields of ``nil_audit.auditing.audit.Settings``, by name.

    Returns:
        The records; ``notes`` has the sentence of each model that failed.

    Raises:
        DataError: A list cannot be read, or every model failed.
        UsageError: A setting is out of range.
    """
    if isinstance(names, str):
        names = [names]
    notes: list[str] = []
    outcome = run_each(
        expand_models(names), lambda name: audit(name, progress=progress, **settings), on_failure=notes.append
    )
    if outcome.interrupted:
        notes.append(f"Interrupted: {len(outcome.results)} of {outcome.asked} models are audited.")
    return Audits(outcome.results.values(), notes)


def read_records(*paths: Path | str) -> Audits:
    """Read what was measured before.

    Args:
        *paths: Records, what ``--json`` printed, or folders that hold such files at any depth.

    Returns:
        The records, each measurement once; ``notes`` has a sentence for each damaged file that was passed over.

    Raises:
        DataError: A path does not exist, holds no record, or is a file that is damaged.
    """
    found, notes = documents.read_records(paths)
    return Audits((record for _, record in found), notes)

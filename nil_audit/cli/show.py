"""``nil-audit show RECORD|DIR ...``: print what was measured before."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nil_audit.cli.options import RESULTS, AsJson, Debug, Quiet, flag, refuse_together, value
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, deliver
from nil_audit.errors import DataError
from nil_audit.files import check_writable

if TYPE_CHECKING:
    from nil_audit.auditing.record import Record
    from nil_audit.report.render.page import Page

_PATHS = "Records, what --json printed, or folders of these: a report's folder, or the cache."


def show(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="RECORD|DIR...", help=_PATHS)],
    out: Annotated[Path | None, value("DIR", RESULTS, "Folder for records, audit.csv, audit.html, audit.md.")] = None,
    details: Annotated[bool, flag("--details", RESULTS, "Also every metric in both estimates.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Print kept records again, as when they were measured: no model is loaded.

    They are held against what has been measured since, and against each other.

    Examples:

        nil-audit show audit/

        nil-audit show audit/records/Qwen--Qwen2.5-0.5B.json --details

        nil-audit show monday/ tuesday/ --out both/
    """
    refuse_together(context, "--details", "--json", "--quiet", because="shows more")
    if out is not None:
        check_writable(out)

    from nil_audit.auditing.documents import read_records

    output = Output(as_json=as_json, quiet=quiet)
    found, notes = read_records(paths)
    sound = []
    for file, record in found:
        if (wrong := _damage(record)) is None:
            sound.append(record)
        else:
            notes.append(f"Passed over: {file} is a damaged record ({wrong}); measure the model again.")
    for sentence in notes:
        output.note(sentence)
    if not sound:
        raise DataError(f"There is nothing to show. {notes[-1]}")
    page, files = _report(sound)
    deliver(output, "audit", page, files, {"records": sound}, out=out, details=details)


def _report(records: Sequence["Record"]) -> tuple["Page", dict[str, Any]]:
    """The audit of records as a page, and the files beside it."""
    from nil_audit.auditing.reference import reference_records
    from nil_audit.report.audit.page import audit_files, audit_page

    told = _told_apart(records)
    page = audit_page(told, references=reference_records(records), command=command_line())
    whole = {shown.name: record.to_dict() for shown, record in zip(told, records, strict=True)}
    files = audit_files(told)
    for path, content in files.items():
        if path.startswith("records/"):  # a record is written as it was read, by whatever name it is shown
            files[path] = whole[content["model"]["name"]]
    return page, files


def _told_apart(records: Sequence["Record"]) -> list["Record"]:
    """The records, those of one name each called by name and time: a folder is measured again while it is trained."""
    from nil_audit.report.render.text import display_name

    named = Counter(record.name for record in records)
    told, taken = list["Record"](), set[str]()
    for record in records:
        name = record.name
        if named[name] > 1:
            name = f"{display_name(name)}, {record.created[:16].replace('T', ' ')}"
            same = (f"{name} ({number})" for number in range(2, len(records) + 2))
            name = name if name not in taken else next(one for one in same if one not in taken)
        taken.add(name)
        told.append(record if name == record.name else replace(record, model={**record.model, "name": name}))
    return told


def _damage(record: "Record") -> str | None:
    """What breaks a record's report, or None: a file can be a record by its keys and hold anything."""
    from nil_audit.report.audit.page import audit_files, audit_page

    try:
        audit_page([record], references=(), command="")
        audit_files([record])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return repr(error)
    return None

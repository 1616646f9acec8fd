"""``nil-audit show RECORD|DIR ...``: print what was measured before."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nil_audit.cli.options import RESULTS, AsJson, Debug, Quiet, flag, refuse_together, value
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, deliver
from nil_audit.errors import DataError
from nil_audit.files import check_writable
from nil_audit.processes import is_first

if TYPE_CHECKING:
    from nil_audit.auditing.record import Record

_PATHS = "Records, what --json printed, or folders of these: a report's folder, or the cache."


def show(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="RECORD|DIR", help=_PATHS)],
    out: Annotated[Path | None, value("DIR", RESULTS, "Folder for records, audit.csv, audit.html, audit.md.")] = None,
    details: Annotated[
        bool, flag("--details", RESULTS, "Everything else: every number, the heaviest tokens, the settings.")
    ] = False,
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
    from nil_audit.auditing.reference import reference_records
    from nil_audit.report.audit.page import audit_files, audit_page

    page = None
    if is_first() and (out is not None or not as_json):
        page = audit_page(sound, references=reference_records(sound), command=command_line(), draw=out is not None)
    files = audit_files(sound) if out is not None else {}
    deliver(output, "audit", page, files, {"records": sound}, out=out, details=details)


def _damage(record: "Record") -> str | None:
    """What breaks a record's report, or None: a file can be a record by its keys and hold anything."""
    from nil_audit.report.audit.page import audit_files, audit_page

    try:
        audit_page([record], command="", draw=False)
        audit_files([record])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return repr(error)
    return None

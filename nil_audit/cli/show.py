"""``nil-audit show RECORD|DIR ...``: print what was measured before."""

import math
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nil_audit.cli.options import AsJson, AuditFolder, Debug, Details, Quiet, refuse_together
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
    out: AuditFolder = None,
    details: Details = False,
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
            sound.append((file, record))
        else:
            notes.append(f"Passed over: {file} is a damaged record ({wrong}); measure the model again.")
    shown, again = _one_each(sound, named=frozenset(paths))
    if again:
        notes.append(
            f"{again} {'record is' if again == 1 else 'records are'} passed over: of one checkpoint in one setting the"
            " most precise is shown; name a record's own file to see it."
        )
    for sentence in notes:
        output.note(sentence)
    if not shown:
        raise DataError(f"There is nothing to show. {notes[-1]}")
    from nil_audit.auditing.reference import reference_records
    from nil_audit.report.audit.page import audit_files, audit_page

    page = None
    if is_first() and (out is not None or not as_json):
        page = audit_page(shown, references=reference_records(shown), command=command_line(), draw=out is not None)
    files = audit_files(shown) if out is not None else {}
    deliver(output, "audit", page, files, {"records": shown}, out=out, details=details)


def _one_each(found: "Sequence[tuple[Path, Record]]", *, named: Container[Path]) -> tuple[list["Record"], int]:
    """Of each checkpoint in each setting the most precise record, and how many others there are; named files stay."""
    from nil_audit.auditing.record import setting
    from nil_audit.interaction.metrics import HEADLINE

    def error(record: "Record") -> float:
        efficiency = record.metric(HEADLINE)
        return math.inf if efficiency is None or efficiency.se is None else efficiency.se

    best: dict[Any, Record] = {}
    for place, (file, record) in enumerate(found):
        same = place if Path(file) in named else (record.model.get("digest") or record.name, setting(record))
        if same not in best or error(record) < error(best[same]):
            best[same] = record
    return list(best.values()), len(found) - len(best)


def _damage(record: "Record") -> str | None:
    """What breaks a record's report, or None: a file can be a record by its keys and hold anything."""
    from nil_audit.report.audit.page import audit_files, audit_page

    try:
        audit_page([record], command="", draw=False)
        audit_files([record])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return repr(error)
    return None

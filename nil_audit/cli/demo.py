"""``nil-audit demo``: the real thing, offline, on what ships with the package."""

from typing import TYPE_CHECKING

import typer

from nil_audit.cli.options import AsJson, AuditFolder, Debug, Details, Quiet, refuse_together
from nil_audit.cli.output import Output
from nil_audit.cli.results import command_line, finish, with_failures
from nil_audit.data import demo_model
from nil_audit.files import cache_trouble, check_writable
from nil_audit.processes import is_first
from nil_audit.runner import run_each

if TYPE_CHECKING:
    from nil_audit.auditing.record import Record


def demo(
    context: typer.Context,
    out: AuditFolder = None,
    details: Details = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Audit the small model that ships with the package on the probe text that does: no network.

    The model has 6 blocks of width 160 and was trained by scripts/train_demo_model.py.

    Examples:

        nil-audit demo

        nil-audit demo --details
    """
    refuse_together(context, "--details", "--json", "--quiet", because="shows more")
    output = Output(as_json=as_json, quiet=quiet)
    if out is not None:
        check_writable(out)
    if trouble := cache_trouble():
        output.note(trouble)

    from nil_audit.auditing.audit import audit
    from nil_audit.auditing.reference import reference_records
    from nil_audit.report.audit.page import audit_files, audit_page

    model = demo_model()

    def measure(name: str) -> "Record":
        record = audit(name, progress=output.progress, probe="builtin", fresh=True)
        for note in record.notes:
            output.note(note)
        return record

    outcome = run_each([model], measure, on_failure=output.error, debug=debug)
    records = list(outcome.results.values())
    page = None
    if records and is_first() and (out is not None or not as_json):
        references = reference_records(records)
        page = audit_page(records, references=references, command=command_line(), draw=out is not None)
    document = with_failures({"records": records}, outcome.failures)
    files = audit_files(records) if out is not None else {}
    finish(output, "audit", page, files, document, outcome=outcome, out=out, details=details)
    output.note("Next: nil-audit YOUR-MODEL (a Hub id or a folder), or nil-audit --help.")

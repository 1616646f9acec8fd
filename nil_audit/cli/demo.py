"""``nil-audit demo``: the real thing, offline, on what ships with the package."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from nil_audit.cli.audit import audit_all, finish
from nil_audit.cli.options import AsJson, Quiet
from nil_audit.cli.output import Output


def demo(
    out: Annotated[Path | None, typer.Option(help="Folder for records, audit.csv and audit.md.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Audit the small model that ships with the package on the probe text that does: no network.

    The model has 6 blocks of width 160 and was trained by scripts/train_demo_model.py.

    Examples:

        nil-audit demo

        nil-audit demo --json
    """
    from nil_audit.auditing.audit import Settings

    output = Output(as_json=as_json, quiet=quiet)
    model = str(files("nil_audit") / "data" / "demo_model")
    settings = Settings(probe="builtin", fresh=True)
    records, failures = audit_all({model: {}}, settings, output, shape_only=False, plan=None, debug=False)
    finish(records, failures, output, details=True, out=out)
    output.note("Next: nil-audit YOUR-MODEL (a Hub id or a folder), or nil-audit --help.")

"""How commands end: the report's folder, the failures of a run of many models, the exit code."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nil_audit.cli.output import Output
from nil_audit.errors import EXIT_SOME_FAILED
from nil_audit.processes import Team, is_first

if TYPE_CHECKING:
    from nil_audit.report.render.page import Page


def command_line() -> str:
    """The command as it was given, quoted so that a shell takes it again."""
    return shlex.join(["nil-audit", *sys.argv[1:]])


def with_failures(document: Mapping[str, Any], failures: Mapping[str, str]) -> dict[str, Any]:
    """A document of results with the models that failed, each with its error sentence."""
    return {**document, "failed": [{"model": name, "error": said} for name, said in failures.items()]}


def write_out(output: Output, out: Path, name: str, page: "Page", files: Mapping[str, Any]) -> None:
    """Write a report's folder and say so; of several processes the first alone does.

    Args:
        output: Where it is said.
        out: The folder.
        name: Of the report's files.
        page: The report.
        files: What is written beside it (see `nil_audit.report.render.folder.write_report`).
    """
    if is_first():
        from nil_audit.report.render.folder import write_report

        paths = write_report(out, name, page, files)
        output.note(f"Written: {paths[0]} and {len(paths) - 1} more files.")


def finish(
    output: Output,
    name: str,
    page: "Page | None",
    files: Mapping[str, Any],
    document: Mapping[str, Any],
    *,
    failures: Mapping[str, str],
    asked: int,
    out: Path | None,
    details: bool = False,
) -> None:
    """Show and write what was measured, and leave the team of processes.

    Args:
        output: Where it is shown.
        name: Of the report's files.
        page: The report; None where every model failed.
        files: What is written beside it.
        document: What ``--json`` prints.
        failures: The error sentence of every model that failed.
        asked: Models in all.
        out: Folder to write to, or None.
        details: Show the details too.

    Raises:
        typer.Exit: With code 1 where a model failed.
    """
    if page is not None:
        output.show(page, details=details)
        if out is not None:
            write_out(output, out, name, page, files)
    output.document(document)
    Team.join().leave()
    if failures:
        if asked > 1:
            output.note(f"{len(failures)} of {asked} models failed.")
        raise typer.Exit(EXIT_SOME_FAILED)

"""How commands end: the report's folder, the failures of a run of many models, the exit code."""

import shlex
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nil_audit.cli.output import Output
from nil_audit.errors import EXIT_INTERRUPTED, EXIT_SOME_FAILED
from nil_audit.processes import Team, is_first
from nil_audit.report.render.text import display_names
from nil_audit.runner import Outcome

if TYPE_CHECKING:
    from nil_audit.report.render.page import Page


def command_line() -> str:
    """The command as it was given, quoted so that a shell takes it again."""
    return shlex.join(["nil-audit", *sys.argv[1:]])


def with_failures(document: Mapping[str, Any], failures: Mapping[str, str]) -> dict[str, Any]:
    """A document of results with the models that failed, each with its error sentence."""
    return {**document, "failed": [{"model": name, "error": said} for name, said in failures.items()]}


def deliver(
    output: Output,
    name: str,
    page: "Page | None",
    files: Mapping[str, Any],
    document: Mapping[str, Any],
    *,
    out: Path | None,
    details: bool = False,
    then: str = "",
) -> None:
    """Write a report's folder, then show it: what is printed may be lost, to a closed pipe or a full device.

    Of several processes the first alone does either.

    Args:
        output: Where it is shown.
        name: Of the report's files.
        page: The report; None where there is none, as under ``--json`` without a folder.
        files: What is written beside it (see `nil_audit.report.render.folder.write_report`).
        document: What ``--json`` prints.
        out: Folder to write to, or None.
        details: Show the details too.
        then: What can be done with what was written, in a sentence.

    Raises:
        NilAuditError: The folder or stdout cannot be written.
    """
    written = ""
    if page is not None and out is not None and is_first():
        from nil_audit.report.render.folder import write_report

        paths = write_report(out, name, page, files)
        written = f"Written: {paths[0]} and {len(paths) - 1} more files. {then}".rstrip()
    try:
        if page is not None:
            output.show(page, details=details)
        output.document(document)
    finally:
        if written:
            output.note(written)


def finish(
    output: Output,
    name: str,
    page: "Page | None",
    files: Mapping[str, Any],
    document: Mapping[str, Any],
    *,
    outcome: Outcome[Any],
    out: Path | None,
    details: bool = False,
    then: str = "",
) -> None:
    """Write and show what a run of many models gave, and leave the team of processes.

    Args:
        output: Where it is shown.
        name: Of the report's files.
        page: The report; None where no model has a result.
        files: What is written beside it.
        document: What ``--json`` prints.
        outcome: What became of every model.
        out: Folder to write to, or None.
        details: Show the details too.
        then: What can be done with what was written, in a sentence.

    Raises:
        typer.Exit: With code 1 where a model failed, with code 130 where the run was interrupted.
        NilAuditError: The folder or stdout cannot be written.
    """
    try:
        if sentence := kept_words(outcome.results, datetime.now().astimezone()):
            output.note(sentence)
        deliver(output, name, page, files, document, out=out, details=details, then=then)
        if outcome.failures and outcome.asked > 1:
            output.note(f"{len(outcome.failures)} of {outcome.asked} models failed.{_untried_words(outcome)}")
        if outcome.interrupted:
            output.tell(_interrupted_words(outcome, out))
    finally:
        Team.join().leave()  # the last thing: a launcher ends the others when one process ends with a failure
    if outcome.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if outcome.failures:
        raise typer.Exit(EXIT_SOME_FAILED)


def _untried_words(outcome: Outcome[Any]) -> str:
    """How many models had no turn because another process was lost, as a further sentence."""
    untried = outcome.asked - len(outcome.results.keys() | outcome.failures.keys())
    if outcome.interrupted or not untried:
        return ""
    had, them = ("1 other has", "it") if untried == 1 else (f"{untried} others have", "them")
    return f" {had} had no turn; the same command goes on with {them}."


def _interrupted_words(outcome: Outcome[Any], out: Path | None) -> str:
    """How far an interrupted run came, and where that is."""
    done = len(outcome.results)
    where = "shown" if out is None else f"in {out}"
    kept = f" {'That is' if done == 1 else 'Those are'} {where}." if done else ""
    return (
        f"Interrupted when {done} of {outcome.asked} {'model was' if outcome.asked == 1 else 'models were'} done."
        f"{kept} The same command goes on with the rest."
    )


def kept_words(results: Mapping[str, Any], now: datetime) -> str:
    """Which results were measured by an earlier run, and when, in a sentence; empty where all are new.

    Args:
        results: By model; a kept one says so (``kept``) and when it was measured (``created``, ISO 8601).
        now: The time, in the zone that the user is told times in.
    """
    times = {
        name: datetime.fromisoformat(one.created).astimezone(now.tzinfo)
        for name, one in results.items()
        if getattr(one, "kept", False)
    }
    if not times:
        return ""
    if len(times) == 1:
        name, time = next(iter(times.items()))
        return f"{display_names(results)[name]}: measured {when(time, now)}; --fresh measures again."
    first, last = min(times.values()), max(times.values())
    ends = [when(first, now), when(last, now)]
    if first.date() == last.date():
        ends[0] = ends[0] if ends[0] == ends[1] else ends[0].split()[0]  # "14:02 to 14:18 today"
    span = " to ".join(dict.fromkeys(ends))
    return f"{len(times)} of {len(results)} results are kept ones, measured {span}; --fresh measures again."


def when(time: datetime, now: datetime) -> str:
    """A time as people say it on that day or the next: "14:18 today"; later the date."""
    days = (now.date() - time.date()).days
    return f"{time:%H:%M} {'today' if days == 0 else 'yesterday'}" if days in (0, 1) else f"{time:%Y-%m-%d}"

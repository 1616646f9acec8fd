"""The ``nil-audit`` command: routes to one file a command and turns errors into sentences and exit codes."""

import os
import sys
import traceback
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from typing import Any

import typer

from nil_audit import __version__
from nil_audit.cli.audit import audit
from nil_audit.cli.candidate import candidate
from nil_audit.cli.compare import compare
from nil_audit.cli.demo import demo
from nil_audit.cli.score import score
from nil_audit.errors import EXIT_INTERRUPTED, NilAuditError, UsageError
from nil_audit.processes import is_first

app = typer.Typer(
    name="nil-audit",
    help="Is a small dense language model's depth and width a good split of its parameters?\n\n"
    "A bare 'nil-audit MODEL' is 'nil-audit audit MODEL'.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"nil-audit {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Options before any command."""


class _InterruptedError(Exception):
    """Ctrl-C inside a command; typer would end on the bare KeyboardInterrupt without a word."""


def _interruptible(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt as error:
            raise _InterruptedError from error

    return run


COMMANDS = {command.__name__: command for command in (audit, score, compare, candidate, demo)}
for _name, _command in COMMANDS.items():
    app.command(_name)(_interruptible(_command))


def route(arguments: list[str]) -> list[str]:
    """Put the word 'audit' in front where the first argument is a model or an audit option.

    Raises:
        UsageError: It is neither a command nor a path, but looks like a command misspelt.
    """
    if not arguments or arguments[0] in COMMANDS or arguments[0] in ("--help", "--version"):
        return arguments
    first = arguments[0]
    if (meant := get_close_matches(first, COMMANDS, n=1, cutoff=0.75)) and not Path(first).exists():
        raise UsageError(
            f"There is no command {first!r}; did you mean 'nil-audit {meant[0]}'? For a model of that name on the Hub: "
            f"nil-audit audit {first}."
        )
    return ["audit", *arguments]


def main() -> None:
    """Run the command: exit code 0 all well, 1 some model failed, 2 the command was wrong, 130 interrupted."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments or bool(os.environ.get("NIL_AUDIT_DEBUG"))
    try:
        app(route(arguments), prog_name="nil-audit")
    except NilAuditError as error:
        if debug:
            traceback.print_exc()
        if is_first():
            sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)
    except (_InterruptedError, KeyboardInterrupt):
        sys.stderr.write("Interrupted: nothing half-written is left; the same command goes on where it can.\n")
        sys.exit(EXIT_INTERRUPTED)

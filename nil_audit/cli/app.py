"""The ``nil-audit`` command: routes to one file a command and turns errors into sentences and exit codes."""

import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from difflib import get_close_matches
from functools import wraps
from typing import Any

import typer
from typer.core import TyperGroup

from nil_audit import __version__
from nil_audit.cli.audit import audit
from nil_audit.cli.calibrate import calibrate
from nil_audit.cli.candidate import candidate
from nil_audit.cli.compare import compare
from nil_audit.cli.demo import demo
from nil_audit.cli.output import Output, arriving, prepare_streams
from nil_audit.cli.score import score
from nil_audit.cli.show import show
from nil_audit.errors import EXIT_INTERRUPTED, NilAuditError, UsageError
from nil_audit.report.render.characters import clean, printable
from nil_audit.source import existing_path

COMMANDS = {command.__name__: command for command in (audit, score, compare, calibrate, show, candidate, demo)}
ROOT_OPTIONS = ("--help", "-h", "--version", "--install-completion", "--show-completion")


def route(arguments: list[str]) -> list[str]:
    """Put the word 'audit' in front where the first argument is a model or an audit option.

    Raises:
        UsageError: It is neither a command nor a path, but looks like a command misspelt; or an argument is empty.
    """
    for place, argument in enumerate(arguments):
        if not argument.strip() or (argument.startswith("--") and argument.endswith("=")):
            before = argument.rstrip("=") or " ".join(["nil-audit", *arguments[:place]][-1:])
            raise UsageError(f"What follows {before!r} is empty; give it a value, or check the variable it comes from.")
    if not arguments or arguments[0] in (*COMMANDS, *ROOT_OPTIONS):
        return arguments
    first = arguments[0]
    if existing_path(first):
        return ["audit", *arguments]
    if first in ("help", "version"):
        raise UsageError(f"There is no command {first!r}; did you mean 'nil-audit --{first}'?")
    if meant := get_close_matches(first.lower(), COMMANDS, n=1, cutoff=0.75):
        raise UsageError(
            f"There is no command {first!r}; did you mean 'nil-audit {meant[0]}'? For a model of that name on the Hub: "
            f"nil-audit audit {shlex.quote(first)}."
        )
    return ["audit", *arguments]


class _Router(TyperGroup):
    """The group of commands, of which 'audit' may be left out; also where a shell asks what comes next."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Route the arguments, then parse them; a shell that asks for completions is told of no mistake."""
        with suppress(UsageError) if ctx.resilient_parsing else nullcontext():
            args = route(args)
        with _printable_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Parse the command's own arguments and run it."""
        with _printable_errors():
            return super().invoke(ctx)


@contextmanager
def _printable_errors() -> Iterator[None]:
    """What typer says of a wrong command, without the characters of its arguments that command a terminal."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own class of errors has no public name
            sentence = clean(error.format_message())
            vars(error)["format_message"] = lambda: sentence
        raise


app = typer.Typer(
    name="nil-audit",
    cls=_Router,
    help="Is a small dense language model's depth and width a good split of its parameters?\n\n"
    "A bare 'nil-audit MODEL' is 'nil-audit audit MODEL'.\n\n"
    "Examples:\n\n"
    "    nil-audit demo\n\n"
    "    nil-audit Qwen/Qwen2.5-0.5B --probe builtin\n\n"
    "    nil-audit candidate config.json",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"nil-audit {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, metavar="", help="Print the version."
    ),
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


for _name, _command in COMMANDS.items():
    app.command(_name)(_interruptible(_command))


def wait_politely() -> None:
    """Let threads that wait for others sleep instead of spin, unless the user has chosen.

    Read once, when torch is imported. On a machine that other processes use too, threads that spin take the cores from
    those that they wait for (benchmarks/README.md).
    """
    if not any(choice in os.environ for choice in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def main() -> None:
    """Run the command: exit code 0 all well, 1 some model failed, 2 the command was wrong, 130 interrupted."""
    debug = "--debug" in sys.argv or bool(os.environ.get("NIL_AUDIT_DEBUG"))
    prepare_streams()
    wait_politely()
    try:
        with arriving():
            app(prog_name="nil-audit")
    except NilAuditError as error:
        if debug:
            sys.stderr.write(printable(traceback.format_exc()))
        Output().error(str(error))
        sys.exit(error.exit_code)
    except (_InterruptedError, KeyboardInterrupt):
        Output().tell("Interrupted: nothing half-written is left; the same command goes on where it can.")
        sys.exit(EXIT_INTERRUPTED)

"""The one place where commands print: results to stdout, everything else to stderr.

Of the processes of a launch only the first speaks. Nothing that a text holds commands the terminal, and what the
stream's encoding lacks is written in ASCII.
"""

import errno
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

from nil_audit.cli.display import bar, lines
from nil_audit.errors import NilAuditError
from nil_audit.files import json_text, plain
from nil_audit.processes import is_first
from nil_audit.progress import Task, silent
from nil_audit.report.render.characters import IN_ASCII, clean, fitted, printable

if TYPE_CHECKING:
    from nil_audit.report.render.page import Page

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a stream that cannot be written answers; a file that cannot be opened is named in its error."""
_NARROWEST = 20
"""Columns that a page needs at least."""


def prepare_streams() -> None:
    """Let stdout and stderr write what their encoding lacks in ASCII, whoever prints (the help, a traceback)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=IN_ASCII)


@contextmanager
def arriving() -> Iterator[None]:
    """Around what prints by itself (the help, the version): a stdout that cannot be written is an error in words.

    Raises:
        NilAuditError: Stdout cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno not in _FULL:
            raise
        raise _unwritable(error, sys.stdout) from error


def _unwritable(error: OSError, stream: IO[str]) -> NilAuditError:
    """The error of a stream that cannot be written; what it still holds is lost."""
    _discard(stream)
    return NilAuditError(
        f"Standard output cannot be written ({error.strerror}); free some space or send it somewhere else."
    )


@dataclass(kw_only=True)
class Output:
    """Where a command's words go.

    Attributes:
        as_json: Put one JSON document on stdout and nothing else there.
        quiet: Of a page its headline alone; no progress and no notes on stderr; errors stay.
    """

    as_json: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        self._out = Console(file=_Held(sys.stdout), highlight=False, soft_wrap=False)
        self._err = Console(file=_Held(sys.stderr), highlight=False)

    def show(self, page: "Page", *, details: bool = False) -> None:
        """Print a page for people on stdout, with its details or without; nothing under ``as_json``.

        Raises:
            NilAuditError: Stdout cannot be written.
        """
        if self.as_json or not is_first():
            return
        from nil_audit.report.render.terminal import render_terminal

        if self.quiet:
            page = replace(page, claim="", answer=page.answer[: page.headlines], sections=())
        width = max(self._out.width, _NARROWEST)
        shown = render_terminal(page, width, details=details, encoding=self._out.encoding)
        _write(self._out, shown, width=width, crop=False)

    def document(self, document: Any) -> None:
        """Print one JSON document on stdout under ``as_json``; nothing otherwise.

        Raises:
            NilAuditError: Stdout cannot be written.
        """
        if self.as_json and is_first():
            in_utf8 = self._out.encoding.startswith("utf")
            # JSON has its own way to write in ASCII what an encoding lacks, which every reader understands
            text = json_text(document) if in_utf8 else json.dumps(plain(document), indent=1, allow_nan=False) + "\n"
            _send(sys.stdout, text)

    def note(self, sentence: str) -> None:
        """Print a remark on stderr; not under ``quiet``."""
        if not self.quiet:
            self._say(sentence, "dim")

    def tell(self, sentence: str) -> None:
        """Print on stderr what has to be known under ``quiet`` too."""
        self._say(sentence, "bold")

    def error(self, sentence: str) -> None:
        """Print what was wrong and what to do, on stderr."""
        self._say(f"Error: {sentence}", "bold red")

    def _say(self, sentence: str, style: str) -> None:
        if is_first():
            with suppress(NilAuditError):  # stderr itself cannot be written: there is nowhere to say so
                _write(self._err, Text(clean(sentence), style=style), soft_wrap=True)

    def progress(self, description: str, total: int, unit: str = "tokens") -> AbstractContextManager[Task]:
        """Show on stderr how far work is, with its rate, the time left and the estimate so far; not under ``quiet``.

        On a terminal it is a bar, elsewhere a line every half minute.

        Args:
            description: What is done.
            total: Steps in all.
            unit: What a step is, in the plural.
        """
        if self.quiet or not is_first():
            return silent(description, total, unit)
        if self._err.is_terminal and not self._err.is_dumb_terminal:
            return bar(description, total, unit, console=Console(file=sys.stderr, highlight=False))
        return lines(description, total, unit, say=self.note)


class _Harmless:
    """What is rendered, without characters that command a terminal and in an encoding's characters alone."""

    def __init__(self, inner: RenderableType) -> None:
        self.inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for text, style, _ in console.render(self.inner, options):
            yield Segment(fitted(printable(text), console.encoding), style)


class _Held(io.StringIO):
    """What is going to a stream, held until all of it is there, so that its arrival is in one place."""

    def __init__(self, stream: IO[str] | None) -> None:
        super().__init__()
        self.stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self.stream is not None and self.stream.isatty()

    def take(self) -> str:
        """What is held; it is held no longer."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


def _write(console: Console, what: RenderableType, **how: Any) -> None:
    """Print where a console of held text prints."""
    held = console.file
    assert isinstance(held, _Held)
    console.print(_Harmless(what), **how)
    _send(held.stream, held.take())


def _send(stream: IO[str] | None, text: str) -> None:
    """Write a text and see that it arrives; whoever closed the pipe to read no more is not told.

    Raises:
        NilAuditError: The stream cannot be written.
    """
    if stream is None:  # closed before Python started
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _discard(stream)
    except OSError as error:
        raise _unwritable(error, stream) from error


def _discard(stream: IO[str]) -> None:
    """Send what a stream still holds nowhere, or Python would complain about it when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

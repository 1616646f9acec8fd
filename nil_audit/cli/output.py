"""The one place where commands print: results to stdout, everything else to stderr.

Of the processes of a launch only the first speaks.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from nil_audit.files import json_text
from nil_audit.processes import is_first

if TYPE_CHECKING:
    from nil_audit.report.render.page import Page


@dataclass(kw_only=True)
class Output:
    """Where a command's words go.

    Attributes:
        as_json: Put one JSON document on stdout and nothing else there.
        quiet: No progress and no notes on stderr; errors stay.
    """

    as_json: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        self._out = Console(file=sys.stdout, highlight=False, soft_wrap=False)
        self._err = Console(file=sys.stderr, highlight=False)

    def show(self, page: "Page", *, details: bool = False) -> None:
        """Print a page for people on stdout, with its details or without; nothing under ``as_json``."""
        if not self.as_json and is_first():
            from nil_audit.report.render.terminal import render_terminal

            self._out.print(render_terminal(page, self._out.width, details=details), crop=False)

    def document(self, document: Any) -> None:
        """Print one JSON document on stdout under ``as_json``; nothing otherwise."""
        if self.as_json and is_first():
            sys.stdout.write(json_text(document))

    def note(self, sentence: str) -> None:
        """Print a remark on stderr."""
        if not self.quiet and is_first():
            self._err.print(sentence, style="dim", markup=False, soft_wrap=True)

    def error(self, sentence: str) -> None:
        """Print what was wrong and what to do, on stderr."""
        if is_first():
            self._err.print(f"Error: {sentence}", style="bold red", markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, description: str, total: int) -> Iterator[Callable[[int], object]]:
        """Show a bar with the time left on stderr; yields a function that advances it by a number of steps."""
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._err,
            transient=True,
            disable=self.quiet or not self._err.is_terminal or not is_first(),
        )
        with bar:
            task = bar.add_task(description, total=total)
            yield lambda steps: bar.advance(task, steps)

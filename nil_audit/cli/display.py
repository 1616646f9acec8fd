"""How far long work is, on stderr: a bar on a terminal, elsewhere a line every half minute."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nil_audit.progress import Task
from nil_audit.report.render.characters import clean, fitted

Clock = Callable[[], float]
Say = Callable[[str], object]

_EVERY = 30.0
"""Seconds between two lines where there is no terminal."""
_RECENT = 60.0
"""Seconds that the rate is taken over."""
_AT_ONCE = 0.1
"""Seconds within which steps were not done but kept from before: they say nothing of the rate."""


class Pace:
    """How far work is and how fast it goes, by a clock.

    Attributes:
        total: Steps in all.
        unit: What a step is, in the plural.
        said: The running estimate in words, or nothing.
    """

    def __init__(self, total: int, unit: str, clock: Clock = time.monotonic) -> None:
        """Begin now."""
        self.total, self.unit, self.said = total, unit, ""
        self._clock = clock
        self._marks = deque([(clock(), 0)])  # when how many steps were done

    def advance(self, steps: int, said: str = "") -> None:
        """So many more steps are done."""
        now, (begun, _) = self._clock(), self._marks[0]
        self.said = said or self.said
        mark = (now, self.done + steps)
        if now - begun < _AT_ONCE:
            self._marks = deque([mark])
            return
        self._marks.append(mark)
        while len(self._marks) > 2 and self._marks[1][0] <= now - _RECENT:
            self._marks.popleft()

    def skip(self, steps: int) -> None:
        """So many steps were done before."""
        self._marks = deque([(self._clock(), self.done + steps)])

    @property
    def done(self) -> int:
        """Steps done."""
        return self._marks[-1][1]

    @property
    def rate(self) -> float | None:
        """Steps a second of the last minute, or of the last step where that took longer; None before the first."""
        (begun, before), (ended, after) = self._marks[0], self._marks[-1]
        return (after - before) / (ended - begun) if ended > begun and after > before else None

    @property
    def left(self) -> float | None:
        """Seconds until all steps are done at that rate."""
        if self.rate is None:
            return None
        return max((self.total - self.done) / self.rate - (self._clock() - self._marks[-1][0]), 0.0)

    def __str__(self) -> str:
        words = f"{self.done:,} of {self.total:,} {self.unit}"
        if self.rate is not None and self.left is not None:
            words += f", {self.rate:,.0f}/s" if self.rate >= 10 else f", {self.rate:.2g}/s"
            words += f", {duration(self.left)} left"
        return words


def duration(seconds: float) -> str:
    """A time as a clock shows it: "2:05", "1:02:05"."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class _Lines:
    """A line every half minute, as the work goes on; none of work that is done before."""

    def __init__(self, description: str, pace: Pace, say: Say, clock: Clock) -> None:
        self._description, self._pace, self._say, self._clock = description, pace, say, clock
        self._last = clock()

    def advance(self, steps: int, said: str = "") -> None:
        self._pace.advance(steps, said)
        if self._clock() - self._last >= _EVERY:
            self._last = self._clock()
            estimate = f"; {self._pace.said}" if self._pace.said else ""
            self._say(f"{self._description}: {self._pace}{estimate}")

    def skip(self, steps: int) -> None:
        self._pace.skip(steps)

    def tell(self, sentence: str) -> None:
        self._say(sentence)


@contextmanager
def lines(description: str, total: int, unit: str, *, say: Say, clock: Clock = time.monotonic) -> Iterator[Task]:
    """Show work in lines.

    Args:
        description: What is done.
        total: Steps in all.
        unit: What a step is, in the plural.
        say: Prints a line.
        clock: Seconds.
    """
    yield _Lines(description, Pace(total, unit, clock), say, clock)


class _Bar:
    """Two lines that are drawn again and again: what is done and what came of it, how far it is."""

    def __init__(self, description: str, pace: Pace, console: Console) -> None:
        self._description, self._pace, self._console = description, pace, console

    def advance(self, steps: int, said: str = "") -> None:
        self._pace.advance(steps, said)

    def skip(self, steps: int) -> None:
        self._pace.skip(steps)

    def tell(self, sentence: str) -> None:
        self._console.print(self._text(sentence, style="dim"), soft_wrap=True)

    def _text(self, text: str, style: str = "") -> Text:
        return Text(fitted(clean(text), self._console.encoding), style=style)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        words, estimate = self._text(self._description), self._text(self._pace.said)
        room = options.max_width - (estimate.cell_len + 2 if estimate else 0)
        words.truncate(max(room, 1), overflow="ellipsis" if console.encoding.startswith("utf") else "crop")
        yield Text(": ").join((words, estimate)) if estimate else words
        line = Table.grid(padding=(0, 1), expand=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True, justify="right")
        line.add_row(ProgressBar(total=self._pace.total, completed=self._pace.done), self._text(str(self._pace)))
        yield line


@contextmanager
def bar(description: str, total: int, unit: str, *, console: Console, clock: Clock = time.monotonic) -> Iterator[Task]:
    """Show work as a bar on a terminal, which is gone when the work ends.

    Args:
        description: What is done.
        total: Steps in all.
        unit: What a step is, in the plural.
        console: Of the terminal.
        clock: Seconds.
    """
    shown = _Bar(description, Pace(total, unit, clock), console)
    with Live(shown, console=console, transient=True, refresh_per_second=4):
        yield shown

"""How far work is: the numbers against a clock that the test turns, the lines, the two lines on a terminal."""

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from nil_audit.cli.display import Pace, bar, duration, lines
from nil_audit.cli.output import Output


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_rate_and_time_left_follow_the_last_minute(clock: Clock) -> None:
    pace = Pace(10_000, "tokens", clock)
    assert (pace.rate, pace.left, str(pace)) == (None, None, "0 of 10,000 tokens")
    for _ in range(10):
        clock.now += 10
        pace.advance(100)
    assert pace.rate == pytest.approx(10)
    for _ in range(6):
        clock.now += 10
        pace.advance(1000)
    assert (pace.done, pace.rate) == (7000, pytest.approx(100))
    clock.now += 5  # the clock runs on between two steps
    assert pace.left == pytest.approx(3000 / 100 - 5)
    assert str(pace) == "7,000 of 10,000 tokens, 100/s, 0:25 left"
    clock.now += 1000
    assert pace.left == 0


def test_one_step_longer_than_a_minute_has_a_rate_too(clock: Clock) -> None:
    pace = Pace(10, "questions", clock)
    clock.now += 100
    pace.advance(2)
    assert str(pace) == "2 of 10 questions, 0.02/s, 6:40 left"


def test_what_was_kept_from_before_says_nothing_of_the_rate(clock: Clock) -> None:
    pace = Pace(1000, "questions", clock)
    pace.advance(600)
    assert (pace.done, pace.rate) == (600, None)
    clock.now += 10
    pace.advance(100)
    assert str(pace) == "700 of 1,000 questions, 10/s, 0:30 left"


def test_times_are_shown_as_a_clock_shows_them() -> None:
    assert [duration(seconds) for seconds in (0, 59.6, 125, 3725, 100_000)] == [
        *("0:00", "1:00", "2:05", "1:02:05", "27:46:40")
    ]


def test_where_there_is_no_terminal_a_line_comes_every_half_minute(clock: Clock) -> None:
    said: list[str] = []
    with lines("Gradients of m", 1000, "tokens", say=said.append, clock=clock) as task:
        task.tell("At most 1,000 tokens.")
        for second in range(1, 101):
            clock.now += 1
            task.advance(5, f"efficiency 1.{second // 10}" if second % 10 == 0 else "")
    assert said == [
        "At most 1,000 tokens.",
        "Gradients of m: 150 of 1,000 tokens, 5/s, 2:50 left; efficiency 1.3",
        "Gradients of m: 300 of 1,000 tokens, 5/s, 2:20 left; efficiency 1.6",
        "Gradients of m: 450 of 1,000 tokens, 5/s, 1:50 left; efficiency 1.9",
    ]


def test_work_of_less_than_half_a_minute_says_nothing(clock: Clock) -> None:
    said: list[str] = []
    with lines("Gradients of m", 4, "tokens", say=said.append, clock=clock) as task:
        for _ in range(4):
            clock.now += 7
            task.advance(1, "an estimate")
    assert said == []


@pytest.fixture
def terminal() -> Iterator[Console]:
    yield Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)


def test_a_terminal_shows_what_is_done_its_estimate_and_how_far_it_is(terminal: Console, clock: Clock) -> None:
    name = "Gradients of HuggingFaceTB/SmolLM2-135M-Instruct-with-a-long-name-of-its-own"
    with bar(name, 131_072, "tokens", console=terminal, clock=clock) as task:
        clock.now += 10
        task.advance(32_768, "typical efficiency 1.31 ± 0.08")
        shown = terminal.render_lines(task)  # type: ignore[arg-type]
    first, second = ("".join(segment.text for segment in line) for line in shown)
    estimate = ": typical efficiency 1.31 ± 0.08"
    assert (first, len(second)) == (f"{name[: 79 - len(estimate)]}…{estimate}", 80)  # a long name makes way
    assert second.startswith("━━") and second.endswith(" 32,768 of 131,072 tokens, 3,277/s, 0:30 left")


def test_quiet_opens_no_display(capfd: pytest.CaptureFixture[str]) -> None:
    with Output(quiet=True).progress("Gradients of m", 10) as task:
        task.tell("At most 10 tokens.")
        task.advance(10)
    assert capfd.readouterr() == ("", "")
    with Output(as_json=True).progress("Gradients of m", 10) as task:
        task.tell("At most 10 tokens.")
    assert capfd.readouterr() == ("", "At most 10 tokens.\n")

"""Where commands print: results or one JSON document on stdout, never both; what arrives, and what harms nobody."""

import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest
from rich.cells import cell_len

from nil_audit.cli.output import Output, prepare_streams
from nil_audit.errors import NilAuditError
from nil_audit.report.render.page import Listing, Page, Prose, Section, table

COMMAND = "nil-audit " + "model " * 40
PAGE = Page(
    title="T",
    kicker="K",
    answer=("The answer [b].", "More of it."),
    sections=(
        Section(name="s", title="Shown", blocks=(Listing(text=COMMAND),)),
        Section(name="d", title="Detail", blocks=(Prose(text="Only with details."),), detail=True),
    ),
)
SIGNS = Page(
    title="T",
    kicker="K",
    answer=("It is −0.3 – σ.",),
    sections=(
        Section(name="s", title="S", blocks=(table("C", ("Model", "σ × 2"), [("é模", "−1.5 ± 0.2"), ("b", "–")]),)),
    ),
)
HOSTILE = "a\x1b[31mred\x1b]8;;http://example.org\x1b\\link\x9b2J\u202ed\r\nnext"


@contextmanager
def _stdout(stream: TextIO, monkeypatch: pytest.MonkeyPatch, name: str = "stdout") -> Iterator[TextIO]:
    with monkeypatch.context() as patch:
        patch.setattr(sys, name, stream)
        yield stream


def _memory(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def _written(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    return stream.buffer.getvalue()


def test_a_page_is_shown_whole_and_its_details_when_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    Output().show(PAGE)
    shown = capsys.readouterr().out
    assert "The answer [b]." in shown and COMMAND.rstrip() in shown and "Only with details." not in shown
    Output().show(PAGE, details=True)
    assert "Only with details." in capsys.readouterr().out


def test_quiet_prints_the_headline_alone(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(quiet=True)
    output.show(PAGE, details=True)
    output.note("A note.")
    output.error("An error.")
    output.tell("Interrupted.")
    printed = capsys.readouterr()
    assert printed.out.split() == ["The", "answer", "[b]."]
    assert printed.err == "Error: An error.\nInterrupted.\n"


def test_json_is_the_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.show(PAGE)
    output.document({"value": math.nan, "name": "ä"})
    output.note("A note.")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"value": None, "name": "ä"}
    assert printed.err == "A note.\n"
    Output().document({"value": 1})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("ascii", ("It is -0.3 - sigma.", "sigma x 2", "\\xe9\\u6a21", "-1.5 +- 0.2", "-----")),
        ("cp1252", ("It is -0.3 – sigma.", "sigma × 2", "é\\u6a21", "-1.5 ± 0.2", "-----")),
        ("utf-8", ("It is −0.3 – σ.", "σ × 2", "é模", "−1.5 ± 0.2", "─────")),
    ],
)
def test_a_page_is_printed_in_the_terminals_own_characters(
    encoding: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _stdout(_memory(encoding), monkeypatch) as stream:
        Output().show(SIGNS)
        lines = _written(stream).decode(encoding).splitlines()
    for word in words:
        assert any(word in line for line in lines), word
    # the columns stand under each other, whatever their texts became
    assert len({cell_len(line.rstrip()) for line in lines if "0.2" in line or "Model" in line}) == 1


def test_json_on_a_stream_without_unicode_is_json_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"name": "é模\udcff", "minus": "−"}
    for encoding in ("ascii", "cp1252", "utf-8"):
        with _stdout(_memory(encoding), monkeypatch) as stream:
            Output(as_json=True).document(document)
            # whoever reads the file later takes it for UTF-8
            assert json.loads(_written(stream).decode()) == document


def _closed_pipe(_: Path) -> TextIO:
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


@pytest.mark.parametrize("show", [lambda: Output().show(PAGE), lambda: Output(as_json=True).document({"a": 1})])
def test_a_closed_pipe_is_no_error_and_is_quiet_at_the_end(
    show: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _stdout(_closed_pipe(tmp_path), monkeypatch) as stream:
        show()
        show()
        stream.close()  # what Python does when it ends


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("show", [lambda: Output().show(PAGE), lambda: Output(as_json=True).document({"a": 1})])
def test_a_full_device_is_one_sentence(show: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        _stdout(Path("/dev/full").open("w", encoding="utf-8"), monkeypatch) as stream,
        pytest.raises(NilAuditError, match=r"Standard output cannot be written \(No space left on device\); free some"),
    ):
        show()
    stream.close()


def test_streams_that_are_closed_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (None, _closed_pipe(tmp_path)):
        with _stdout(stream, monkeypatch, "stderr"):
            Output().note("A note.")
            Output().error("An error.")
        if stream is not None:
            stream.close()
    with _stdout(None, monkeypatch):
        Output().show(PAGE)
        Output(as_json=True).document({})


def test_nothing_that_is_said_commands_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    output = Output()
    for say in (output.note, output.error, output.tell):
        say(HOSTILE)
    output.show(Page(title=HOSTILE, kicker=HOSTILE, answer=(HOSTILE,), sections=()))
    Output(as_json=True).document({"name": HOSTILE})
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        f"{start}a[31mred]8;;http://example.org\\link2Jd next" for start in ("", "Error: ", "")
    ]
    assert (printed.out + printed.err).replace("\n", "").isprintable()
    assert json.loads(printed.out[printed.out.index("{") :]) == {"name": HOSTILE}


def test_a_progress_bar_shows_a_hostile_name_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    kept = io.BytesIO()
    for variable in ("NO_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    with (
        _stdout(Terminal(kept, encoding="ascii"), monkeypatch, "stderr") as stream,
        Output().progress("[bold]a\x1b]0;title\x07 σ", 4) as task,
    ):
        task.advance(2, "1.2 ± 0.1\x9b2J")
        task.tell("It costs [bold]\x1b]0;title\x07.")
    stream.flush()
    shown = kept.getvalue().decode("ascii")
    assert "[bold]a]0;title sigma: 1.2 +- 0.12J" in shown and "2 of 4 tokens" in shown
    assert "It costs [bold]]0;title." in shown and "\x1b]0" not in shown and "\x9b" not in shown


def test_whoever_prints_meets_no_character_that_the_stream_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    with _stdout(_memory("ascii"), monkeypatch) as stream:
        prepare_streams()
        print("−1 × σ", flush=True)
        assert _written(stream) == b"-1 x sigma\n"

"""How commands end: written before printed, the finished models of an interrupted run, kept results announced."""

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import typer

from nil_audit.auditing import passes
from nil_audit.cli import app
from nil_audit.cli.output import Output
from nil_audit.cli.results import deliver, finish, kept_words
from nil_audit.errors import NilAuditError
from nil_audit.report.render import folder as folders
from nil_audit.report.render.page import Page
from nil_audit.runner import Outcome
from tests.forks import Forks
from tests.tiny import ARCHITECTURES

PAGE = Page(title="T", kicker="K", answer=("The answer.",))
NOW = datetime(2026, 11, 24, 14, 30, tzinfo=timezone(timedelta(hours=2)))


@dataclass
class Result:
    """What an announcement needs of a result."""

    created: str
    kept: bool = True


def outcome(results: dict[str, Any], failures: dict[str, str], *, interrupted: bool = False, asked: int) -> Outcome:
    return Outcome(results=results, failures=failures, interrupted=interrupted, asked=asked)


@pytest.fixture
def models(tmp_path: Path) -> list[str]:
    """Folders with a configuration alone."""
    import transformers

    kind, values = ARCHITECTURES["llama"]
    names = []
    for name in ("one", "two", "three"):
        getattr(transformers, kind)(**values).save_pretrained(tmp_path / name)
        names.append(str(tmp_path / name))
    return names


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The command in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["nil-audit", *arguments])
    try:
        app.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_a_report_is_written_before_it_is_printed_and_named_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        assert (tmp_path / "out" / "report.md").is_file()
        raise NilAuditError("Standard output cannot be written.")

    monkeypatch.setattr(Output, "show", full)
    with pytest.raises(NilAuditError):
        deliver(Output(), "report", PAGE, {"a.json": {"a": 1}}, {}, out=tmp_path / "out")
    assert json.loads((tmp_path / "out" / "a.json").read_text()) == {"a": 1}
    assert capsys.readouterr().err == f"Written: {tmp_path / 'out' / 'report.html'} and 2 more files.\n"


def test_an_interrupted_run_writes_and_prints_what_is_finished(
    models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = passes.shape_record

    def interrupted(name: str, *rest: Any) -> Any:
        if name == models[2]:
            raise KeyboardInterrupt
        return real(name, *rest)

    monkeypatch.setattr(passes, "shape_record", interrupted)
    assert run([*models, "--shape-only", "--out", str(tmp_path / "out")], monkeypatch) == 130
    printed = capsys.readouterr()
    assert re.search(r"^one .*2 x 24", printed.out, re.MULTILINE)
    assert re.search(r"^two .*2 x 24", printed.out, re.MULTILINE)
    assert sorted(file.name for file in (tmp_path / "out" / "records").iterdir()) == ["one.json", "two.json"]
    last = printed.err.splitlines()[-1]
    assert last == (
        f"Interrupted when 2 of 3 models were done. Those are in {tmp_path / 'out'}. The same command goes on with the"
        " rest."
    )


def test_a_second_interrupt_while_writing_ends_at_once(
    models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def interrupted(path: Path, content: object) -> Path:
        written.append(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(folders, "write_atomically", interrupted)
    assert run([*models, "--shape-only", "--out", str(tmp_path / "out")], monkeypatch) == 130
    printed = capsys.readouterr()
    assert len(written) == 1 and printed.out == ""
    assert printed.err == "Interrupted: nothing half-written is left; the same command goes on where it can.\n"


@pytest.mark.parametrize(
    ("ended", "code", "words"),
    [
        (outcome({"a": 1}, {}, asked=1), 0, []),
        (outcome({"a": 1}, {"b": "b: no."}, asked=2), 1, ["1 of 2 models failed."]),
        (
            outcome({"a": 1}, {"b": "b: no."}, asked=3),
            1,
            ["1 of 3 models failed. 1 other has had no turn; the same command goes on with it."],
        ),
        (
            outcome({"a": 1}, {"a": "a: half.", "b": "b: no."}, asked=9),
            1,
            ["2 of 9 models failed. 7 others have had no turn; the same command goes on with them."],
        ),
        (
            outcome({"a": 1}, {"b": "b: no."}, interrupted=True, asked=9),
            130,
            [
                "1 of 9 models failed.",
                "Interrupted when 1 of 9 models were done. That is shown. The same command goes on with the rest.",
            ],
        ),
        (
            outcome({}, {}, interrupted=True, asked=1),
            130,
            ["Interrupted when 0 of 1 model was done. The same command goes on with the rest."],
        ),
    ],
)
def test_exit_codes_and_last_words(
    ended: Outcome, code: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    page = PAGE if ended.results else None
    if code:
        with pytest.raises(typer.Exit) as error:
            finish(Output(), "x", page, {}, {}, outcome=ended, out=None)
        assert error.value.exit_code == code
    else:
        finish(Output(), "x", page, {}, {}, outcome=ended, out=None)
    assert capsys.readouterr().err.splitlines() == words


def test_kept_results_are_announced_in_local_time() -> None:
    def words(*times: str, new: int = 0) -> str:
        results: dict[str, Any] = {f"m{number}": Result(time) for number, time in enumerate(times)}
        results |= {f"new{number}": Result(NOW.isoformat(), kept=False) for number in range(new)}
        return kept_words(results, NOW)

    assert words(new=3) == ""
    assert words("2026-11-24T12:18:00+00:00") == "m0: measured 14:18 today; --fresh measures again."
    assert words("2026-11-23T22:30:00+00:00") == "m0: measured 00:30 today; --fresh measures again."
    assert words("2026-11-23T12:00:00+00:00") == "m0: measured 14:00 yesterday; --fresh measures again."
    assert words("2026-11-20T12:00:00+00:00") == "m0: measured 2026-11-20; --fresh measures again."
    folder = kept_words({str(Path.cwd()): Result("2026-11-24T12:18:00+00:00")}, NOW)
    assert folder == f"{Path.cwd().name}: measured 14:18 today; --fresh measures again."
    assert words("2026-11-20T12:00:00+00:00", "2026-11-24T12:18:00+00:00", new=1) == (
        "2 of 3 results are kept ones, measured 2026-11-20 to 14:18 today; --fresh measures again."
    )
    assert words("2026-11-24T12:02:00+00:00", "2026-11-24T12:18:00+00:00") == (
        "2 of 2 results are kept ones, measured 14:02 to 14:18 today; --fresh measures again."
    )


def test_a_kept_result_is_announced_by_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    time = datetime.now(UTC).isoformat()
    finish(Output(), "x", PAGE, {}, {}, outcome=outcome({"a": Result(time)}, {}, asked=1), out=None)
    assert capsys.readouterr().err.startswith("a: measured ")
    finish(Output(quiet=True), "x", PAGE, {}, {}, outcome=outcome({"a": Result(time)}, {}, asked=1), out=None)
    assert capsys.readouterr().err == ""


Start = Callable[..., tuple[int, str]]


@pytest.fixture
def start(forks: Forks, models: list[str], tmp_path: Path) -> Start:
    """Starts the command with its stdout wherever; gives exit code and stderr."""

    def run(stdout: Path, out: str, **environment: str) -> tuple[int, str]:
        command = [models[0], "--shape-only", "--out", str(tmp_path / out)]
        started = forks.start(command, tmp_path, stdout=stdout, **environment)
        return started.wait(), started.stderr

    return run


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc/self/fd")
def test_a_closed_pipe_loses_nothing_and_says_nothing(start: Start, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code, said = start(Path(f"/proc/{os.getpid()}/fd/{writing}"), "out", PYTHONIOENCODING="cp1252")
    os.close(writing)
    assert (code, said) == (0, f"Written: {tmp_path / 'out' / 'audit.html'} and 6 more files.\n")
    assert (tmp_path / "out" / "records" / "one.json").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_loses_nothing_and_is_one_sentence(start: Start, tmp_path: Path) -> None:
    code, said = start(Path("/dev/full"), "out")
    assert code == 1
    assert said.splitlines()[-1] == (
        "Error: Standard output cannot be written (No space left on device); free some space or send it somewhere else."
    )
    assert "Traceback" not in said and "Exception ignored" not in said
    assert (tmp_path / "out" / "records" / "one.json").is_file()

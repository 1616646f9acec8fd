"""Commands in the process of the tests, where torch is imported once for all of them."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from nil_audit.cli.app import main


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def light(light_figures: None) -> None:
    """Most tests of commands are not about the files of figures."""


@pytest.fixture
def run_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Done]:
    """Runs ``nil-audit`` in this process, in an empty folder, with a cache of its own."""

    def run(*arguments: str | Path) -> Done:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        monkeypatch.chdir(work)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(sys, "argv", ["nil-audit", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return Done(int(end.value.code or 0), out, err)

    return run

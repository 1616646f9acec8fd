"""Two processes ask each question once and answer as one does; a killed run goes on to the same result."""

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nil_audit.score.engines import build
from nil_audit.score.plan import plan_score
from nil_audit.score.run import run_plan
from nil_audit.shape.architecture import read_shape
from nil_audit.source import resolve
from tests.forks import Forks, Started
from tests.mmlu import mmlu_rows, write_mmlu


def _score(process: Started) -> dict[str, Any]:
    assert process.wait() == 0, process.stderr
    found: dict[str, Any] = json.loads(process.stdout)["scores"][0]
    return found


def _timeless(score: dict[str, Any]) -> dict[str, Any]:
    """A score without what may differ between runs that ask the same."""
    gone = ("created", "seconds", "answers_reused", "processes")
    rows = [{key: value for key, value in row.items() if key not in gone} for row in score["categories"]]
    return {key: value for key, value in score.items() if key not in gone} | {"categories": rows}


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mmlu(tmp_path_factory.mktemp("more") / "mmlu_pro", *mmlu_rows(8))


@pytest.fixture(scope="module")
def command(checkpoint: Path, questions: Path) -> tuple[str, ...]:
    return ("score", str(checkpoint), "--data", str(questions), "--json", "--quiet")


@pytest.fixture(scope="module")
def alone(checkpoint: Path, questions: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The score by one process that nobody disturbs."""
    plan, source = plan_score(data=questions), resolve(str(checkpoint))
    loading: dict[str, Any] = {"dtype": "float32", "device": "auto", "allow_pickle": False, "trust_remote_code": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIL_AUDIT_CACHE", str(tmp_path_factory.mktemp("alone")))
        result = run_plan(
            plan,
            lambda: build(plan, source, **loading),
            identity=source.digest,
            name=str(checkpoint),
            dtype="float32",
        )
    shape = read_shape(source)
    assert shape.parameters is not None
    # the command states the shape beside the score
    stated = {"depth": shape.depth, "width": shape.width, "parameters": shape.parameters.total}
    found: dict[str, Any] = json.loads(json.dumps(replace(result, shape=stated).to_dict()))
    return found


def test_two_processes_score_as_one(
    forks: Forks, command: tuple[str, ...], alone: dict[str, Any], tmp_path: Path
) -> None:
    first, second = forks.start_team(2, command, tmp_path, NIL_AUDIT_CACHE=str(tmp_path / "cache"))
    together = _score(first)
    assert (second.wait(), second.stdout) == (0, "")
    assert (together["processes"], alone["processes"]) == (2, 1)
    assert _timeless(together) == _timeless(alone)
    assert together["questions"] == 112


def test_a_run_killed_in_the_middle_and_resumed_gives_the_same(
    forks: Forks, command: tuple[str, ...], alone: dict[str, Any], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    process = forks.start(command, tmp_path, NIL_AUDIT_CACHE=str(cache))
    while not (kept := _kept(cache)):
        assert not process.has_ended(), "the run ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = _kept(cache)
    assert 8 <= kept < 112

    resumed = _score(forks.start(command, tmp_path, NIL_AUDIT_CACHE=str(cache)))
    assert resumed["answers_reused"] == kept
    assert _timeless(resumed) == _timeless(alone)


def _kept(cache: Path) -> int:
    """Answers kept in a cache, by the lines that are whole."""
    lines = (line for file in cache.rglob("*.jsonl") for line in file.read_bytes().splitlines(keepends=True))
    return sum(line.endswith(b"}}\n") for line in lines)

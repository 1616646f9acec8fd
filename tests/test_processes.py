"""Two and three processes: whichever fails, wherever, the rest is as one process gives it, and none waits for ever."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_audit.processes import Team, shared_fate
from tests.launched import Fault, Run, differences, launch
from tests.mmlu import answering_checkpoint, mmlu_rows, write_mmlu
from tests.tiny import checkpoint_folder, english

AUDIT_STEPS = ("resolve", "shape", "probe", "load", "windows", "reduction", "products", "document")

INSIDE = {"profile": True, "ansatz": True, "output": True, "tokens": 1040}
"""What is measured on request; windows of the output AGOP are as long as the model reads, 63."""


def _runs_of_two(folder: Path) -> list[Run]:
    """Each step of an audit fails once, some twice or on both, and some of a score."""
    a, b, c = (str(folder / name) for name in "abc")
    runs: list[Run] = []

    def run(*faults: Fault, models: tuple[str, ...] = (a, b), mmlu_pro: str | None = None) -> None:
        cache = str(folder / f"two-{len(runs)}")
        runs.append(Run(models=models, caches=(cache, cache), faults=faults, mmlu_pro=mmlu_pro))

    run()
    errors = ("ours", "defect", "system")
    for number, step in enumerate(AUDIT_STEPS):
        fault = Fault(rank=number % 2, model=a, step=step, error=errors[number % 3])
        run(fault, models=(a, b) if number % 3 else (a,))
    run(Fault(rank=0, model=a, step="gradients", time=2))
    run(Fault(rank=1, model=a, step="gradients", time=3, error="defect"))
    run(Fault(rank=1, model=b, step="gradients", time=4))
    run(Fault(rank=0, model=a, step="find", error="system"))
    run(Fault(rank=0, model=a, step="keep"))
    run(Fault(rank=0, model=a, step="gradients"), Fault(rank=1, model=a, step="load", error="defect"))
    run(Fault(rank=1, model=a, step="load", error="usage"))
    run(Fault(rank=1, model=b, step="load", error="usage"))
    run(Fault(rank=1, model=b, step="gradients", error="interrupt"))
    for step, rank, time in (("batch", 1, 2), ("wrap", 0, 1), ("result", 1, 1)):
        fault = Fault(rank=rank, model=c, step=step, time=time)
        run(fault, models=(c, c + "/") if step == "batch" else (c,), mmlu_pro=str(folder / "mmlu_pro"))
    return runs


def _runs_of_three(folder: Path) -> list[Run]:
    """Each process has a cache of its own, of which the first one's is warm, then the last one's."""
    a, b = (str(folder / name) for name in "ab")
    own = [tuple(str(folder / f"three-{number}-{rank}") for rank in range(3)) for number in range(4)]
    return [
        Run(models=(a,), caches=own[0]),
        Run(models=(a, b), caches=own[0]),
        Run(models=(a, b), caches=own[0][::-1]),
        Run(models=(b, a), caches=own[1], faults=(Fault(rank=2, model=b, step="gradients", time=2),)),
        Run(models=(b, a), caches=own[2], faults=(Fault(rank=1, model=b, step="reduction", error="defect"),)),
        Run(models=(b, a), caches=own[3], faults=tuple(Fault(rank=rank, model=b, step="load") for rank in (0, 2))),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models, a probe text and questions."""
    folder = tmp_path_factory.mktemp("launched")
    checkpoint_folder(folder / "a", "llama")
    checkpoint_folder(folder / "b", "gpt2", seed=1)
    answering_checkpoint(folder / "c")
    (folder / "probe.txt").write_text(english(2000))
    write_mmlu(folder / "mmlu_pro", *mmlu_rows(1))
    return folder


@pytest.fixture(scope="module")
def teams(folder: Path) -> dict[str, list[Run]]:
    """The runs of one process that nobody disturbs, and of teams to which something happens."""
    a, b, c = (str(folder / name) for name in "abc")
    alone = (str(folder / "alone"),)
    killed = Fault(rank=0, model=b, step="gradients", time=2, error="kill")
    return {
        "one": [Run(models=(a, b), caches=alone), Run(models=(c,), caches=alone, mmlu_pro=str(folder / "mmlu_pro"))],
        "two": _runs_of_two(folder),
        "three": _runs_of_three(folder),
        **{
            name: [Run(models=(b,), caches=(str(folder / name),) * size, settings=INSIDE)]
            for name, size in (("inside alone", 1), ("inside", 2))
        },
        "killed": [Run(models=(a, b, c), caches=(str(folder / "killed"),) * 2, faults=(killed,))],
    }


@pytest.fixture(scope="module")
def found(folder: Path, teams: dict[str, list[Run]]) -> dict[str, list[Any]]:
    """What became of every run on every process."""
    settings = {
        "probe": str(folder / "probe.txt"),
        "window": 16,
        "context": 4,
        "tokens": 512,
        "device": "cpu",
        "batch_size": 4,
    }
    return launch(teams, settings, folder / "results", timeout=240)


@pytest.mark.parametrize("team", ["two", "three"])
def test_whichever_fails_wherever(team: str, teams: dict[str, list[Run]], found: dict[str, list[Any]]) -> None:
    alone = [one for (one,) in found["one"]]
    assert [one["failures"] for one in alone] == [{}, {}]
    records = alone[0]["results"] | alone[1]["results"]
    wrong = [
        f"{run.faults}: {said}"
        for run, each in zip(teams[team], found[team], strict=True)
        if (said := differences(run, each, records))
    ]
    assert not wrong, "\n".join(wrong)


def test_what_is_asked_for_beside_an_audit_is_what_one_process_measures(
    folder: Path, found: dict[str, list[Any]]
) -> None:
    ((alone,),), (both,) = found["inside alone"], found["inside"]
    assert not both[0]["failures"]
    one, two, second = (each["results"][str(folder / "b")] for each in (alone, *both))
    for part in ("profile", "ansatz"):
        assert two[part] == second[part]
    assert two["output"]["products"] == second["output"]["products"]
    parts = [(one["output"], two["output"]), *zip(one["profile"]["rows"], two["profile"]["rows"], strict=True)]
    assert len(parts) == 3
    for mine, other in parts:
        for name in ("gram", "diagonal_gram", "trace", "embedding_square"):
            np.testing.assert_allclose(mine["products"][name], other["products"][name], rtol=1e-4)
    assert (one["output"]["cost"]["processes"], two["output"]["cost"]["processes"]) == (1, 2)
    for mine, other in zip(one["ansatz"]["maps"], two["ansatz"]["maps"], strict=True):
        assert (mine["role"], mine["typical"]["value"]) == (other["role"], pytest.approx(other["typical"]["value"]))


def test_the_first_process_alone_keeps_records(folder: Path, found: dict[str, list[Any]]) -> None:
    assert len(found["three"]) == 6
    assert [len(list((folder / f"three-0-{rank}").glob("records/*"))) for rank in range(3)] == [2, 0, 2]


def test_a_process_that_is_killed_ends_the_run_with_what_is_finished(folder: Path, found: dict[str, list[Any]]) -> None:
    killed, other = found["killed"][0]
    assert killed is None
    assert not other["interrupted"]  # by nobody
    assert list(other["results"]) == [str(folder / "a")]
    gone = "Another process of this run is gone; start the command again, which goes on from what is kept."
    assert other["failures"] == {str(folder / "b"): f"{folder / 'b'}: {gone}"}


def test_one_process_needs_no_torch_and_shares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    team = Team.join()
    assert (team.rank, team.size) == (0, 1)
    with shared_fate():
        team.check()
        team.agree(1, "One")
        team.all_reduce([])
        assert team.gather("mine") == ["mine"]
        assert team.broadcast(lambda: "made") == "made"
    with pytest.raises(ZeroDivisionError), shared_fate():
        team.broadcast(lambda: 1 // 0)
    team.leave()

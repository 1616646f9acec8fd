"""Two and three processes: whichever fails, wherever, the rest is as one process gives it, and none waits for ever."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nil_audit.processes import Team, shared_fate
from tests.launched import Fault, Run, differences, launch, perform
from tests.mmlu import answering_checkpoint, mmlu_rows, write_mmlu
from tests.tiny import checkpoint_folder, english

AUDIT_STEPS = ("resolve", "shape", "probe", "load", "windows", "reduction", "products", "document")


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
def settings(folder: Path) -> dict[str, Any]:
    """Of a quick audit: 32 windows in batches of 4."""
    return {"probe": str(folder / "probe.txt"), "window": 16, "tokens": 512, "device": "cpu", "batch_size": 4}


@pytest.fixture(scope="module")
def alone(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What one process measures that nobody disturbs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIL_AUDIT_CACHE", "")
        cache = str(folder / "alone")
        plain = perform(Run(models=tuple(str(folder / name) for name in "ab"), caches=(cache,)), settings)
        scored = perform(Run(models=(str(folder / "c"),), caches=(cache,), mmlu_pro=str(folder / "mmlu_pro")), settings)
    assert plain["failures"] == scored["failures"] == {}
    return plain["results"] | scored["results"]


@pytest.fixture
def check(folder: Path, settings: Mapping[str, Any], alone: Mapping[str, Any], tmp_path: Path) -> Callable[..., None]:
    """Performs runs in one launch, and asserts that each went as it must."""

    def run(*asked: Run, processes: int) -> None:
        found = launch(asked, settings, tmp_path / "results", processes=processes, timeout=240)
        wrong = [
            (one.faults, said)
            for one, each in zip(asked, found, strict=True)
            if (said := differences(one, each, alone))
        ]
        assert not wrong, "\n".join(f"{faults}: {said}" for faults, said in wrong)

    return run


def test_two_processes_whichever_fails_wherever(folder: Path, tmp_path: Path, check: Callable[..., None]) -> None:
    a, b, c = (str(folder / name) for name in "abc")

    def run(*faults: Fault, models: tuple[str, ...] = (a, b), mmlu_pro: str | None = None) -> Run:
        run.count += 1  # type: ignore[attr-defined]
        cache = str(tmp_path / f"cache-{run.count}")  # type: ignore[attr-defined]
        return Run(models=models, caches=(cache, cache), faults=faults, mmlu_pro=mmlu_pro)

    run.count = 0  # type: ignore[attr-defined]
    errors = ("ours", "defect", "system")
    runs = [run()]
    for number, step in enumerate(AUDIT_STEPS):
        fault = Fault(rank=number % 2, model=a, step=step, error=errors[number % 3])
        runs.append(run(fault, models=(a, b) if number % 3 else (a,)))
    runs += [
        run(Fault(rank=0, model=a, step="gradients", time=2)),
        run(Fault(rank=1, model=a, step="gradients", time=3, error="defect")),
        run(Fault(rank=1, model=b, step="gradients", time=4)),
        run(Fault(rank=0, model=a, step="find", error="system")),
        run(Fault(rank=0, model=a, step="keep")),
        run(Fault(rank=0, model=a, step="gradients"), Fault(rank=1, model=a, step="load", error="defect")),
        run(Fault(rank=1, model=a, step="load", error="usage")),
        run(Fault(rank=1, model=b, step="load", error="usage")),
        run(Fault(rank=1, model=b, step="gradients", error="interrupt")),
    ]
    for step, rank, time in (("batch", 1, 2), ("wrap", 0, 1), ("result", 1, 1)):
        fault = Fault(rank=rank, model=c, step=step, time=time)
        models = (c, c + "/") if step == "batch" else (c,)
        runs.append(run(fault, models=models, mmlu_pro=str(folder / "mmlu_pro")))
    check(*runs, processes=2)


def test_three_processes_each_with_a_cache_of_its_own(folder: Path, tmp_path: Path, check: Callable[..., None]) -> None:
    a, b = (str(folder / name) for name in "ab")
    own = [tuple(str(tmp_path / f"{number}-{rank}") for rank in range(3)) for number in range(4)]
    check(
        Run(models=(a,), caches=own[0]),  # fills the first process's cache
        Run(models=(a, b), caches=own[0]),
        Run(models=(a, b), caches=own[0][::-1]),  # now the last one's is the warm one
        Run(models=(b, a), caches=own[1], faults=(Fault(rank=2, model=b, step="gradients", time=2),)),
        Run(models=(b, a), caches=own[2], faults=(Fault(rank=1, model=b, step="reduction", error="defect"),)),
        Run(models=(b, a), caches=own[3], faults=tuple(Fault(rank=rank, model=b, step="load") for rank in (0, 2))),
        processes=3,
    )
    assert [len(list(Path(cache).glob("records/*"))) for cache in own[0]] == [2, 0, 2]


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

"""Memory: what control groups allow, what weights and windows need, and what is refused before it is taken."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from nil_audit.errors import CheckpointError, MeasurementError
from nil_audit.shape.architecture import shape_from_config
from nil_audit.weights import memory
from nil_audit.weights.host_memory import HostMemory, host_memory
from nil_audit.weights.memory import batch_that_fits, require_memory, window_memory
from tests.shape.tiny import tiny_config
from tests.tiny import VOCABULARY, tiny_model

GB = 10**9
MACHINE = HostMemory(24 * GB, 32 * GB)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 32 GB, 24 of them free."""
    there = SimpleNamespace(available=MACHINE.free, total=MACHINE.limit)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: there)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)


def have(monkeypatch: pytest.MonkeyPatch, free: float, limit: float | None = None) -> None:
    found = HostMemory(int(free), int(limit or free))
    monkeypatch.setattr(memory, "host_memory", lambda: found)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


V2 = "30 24 0:26 {origin} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    "32 24 0:28 {origin} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


def test_without_control_groups_there_is_what_the_machine_has(tmp_path: Path) -> None:
    assert host_memory(tmp_path) == MACHINE


def test_the_tightest_of_nested_groups_decides_and_file_cache_is_free(tmp_path: Path) -> None:
    top = "sys/fs/cgroup"
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/jobs/one\n",
            "proc/self/mountinfo": V2.format(origin="/"),
            f"{top}/memory.stat": "anon 5\n",
            f"{top}/jobs/memory.max": f"{8 * GB}\n",
            f"{top}/jobs/memory.current": f"{6 * GB}\n",
            f"{top}/jobs/memory.stat": f"anon {3 * GB}\ninactive_file {2 * GB}\nactive_file {GB}\nshmem 0\n",
            f"{top}/jobs/one/memory.max": "max\n",
            f"{top}/jobs/one/memory.current": f"{6 * GB}\n",
        },
    )
    assert host_memory(tmp_path) == HostMemory(5 * GB, 8 * GB)
    (tmp_path / top / "jobs/one/memory.max").write_text(f"{4 * GB}\n")
    assert host_memory(tmp_path) == HostMemory(0, 4 * GB)


@pytest.mark.parametrize(
    ("origin", "group"), [("/docker/abc", "/docker/abc"), ("/", "/"), ("/", "/gone/already"), ("/docker/abc", "/")]
)
def test_a_container_sees_its_own_group_where_it_is_mounted(tmp_path: Path, origin: str, group: str) -> None:
    top = "sys/fs/cgroup/memory"
    write(
        tmp_path,
        {
            "proc/self/cgroup": f"5:cpu:/x\n4:memory:{group}\n0::/\n",
            "proc/self/mountinfo": V1.format(origin=origin),
            f"{top}/memory.limit_in_bytes": f"{2 * GB}\n",
            f"{top}/memory.usage_in_bytes": f"{GB}\n",
            f"{top}/memory.stat": f"cache 7\ntotal_inactive_file {GB // 2}\ntotal_active_file 0\n",
        },
    )
    assert host_memory(tmp_path) == HostMemory(2 * GB - GB // 2, 2 * GB)


def test_a_group_without_a_limit_says_so_with_a_huge_number(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n",
            "proc/self/mountinfo": V1.format(origin="/"),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GB}\n",
        },
    )
    assert host_memory(tmp_path) == MACHINE


def test_weights_that_cannot_fit_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = shape_from_config(tiny_config("llama"))
    assert shape.parameters is not None
    needed = 4 * (shape.parameters.total + shape.vocab_size * shape.width)
    have(monkeypatch, needed)
    require_memory(shape, "float32", "cpu", "org/model")
    have(monkeypatch, needed - 1)
    require_memory(shape, "bfloat16", "cpu", "org/model")
    with pytest.raises(CheckpointError) as error:
        require_memory(shape, "float32", "cpu", "org/model")
    assert str(error.value) == (
        f"org/model needs about {needed / 1e6:.1f} MB of memory as float32, but {needed / 1e6:.1f} MB are free; use "
        "--dtype bfloat16, or a device with more memory."
    )
    have(monkeypatch, 10)
    with pytest.raises(CheckpointError, match=r"as bfloat16, but 0.0 MB are free; use a device with more memory"):
        require_memory(shape, "bfloat16", "cpu", "org/model")


def test_processes_of_one_machine_need_it_each(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = shape_from_config(tiny_config("llama"))
    assert shape.parameters is not None
    needed = 4 * (shape.parameters.total + shape.vocab_size * shape.width)
    have(monkeypatch, free=needed, limit=2 * needed)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    require_memory(shape, "float32", "cpu", "org/model")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(CheckpointError, match=r"in each of 3 processes, but there are .* in all; start fewer, or use"):
        require_memory(shape, "float32", "cpu", "org/model")


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "opt_projected", "bloom"])
@pytest.mark.parametrize("window", [1, 20, 48, 64])
def test_what_a_window_keeps_is_told_from_two_shorter_ones(
    architecture: str, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_FRAGMENTED", 1.0)
    monkeypatch.setattr(memory, "_SHORT", (8, 24))
    model = tiny_model(architecture)
    kept = memory._kept_bytes(model, window)
    assert window_memory(model, window) - 16 * VOCABULARY * window == pytest.approx(kept, rel=0.03)


def test_logits_are_counted_by_the_type_of_the_weights() -> None:
    narrow, wide = (
        window_memory(model, 1) - 1.4 * memory._kept_bytes(model, 1)
        for model in (tiny_model("llama", dtype=dtype) for dtype in (torch.bfloat16, torch.float64))
    )
    assert (narrow, wide) == pytest.approx((18 * VOCABULARY, 32 * VOCABULARY), abs=1)


def test_one_window_that_cannot_fit_is_refused_and_a_batch_goes_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")
    one = window_memory(model, 16)
    have(monkeypatch, 8 * one)
    assert batch_that_fits(model, 16, name="org/model") == 4
    assert batch_that_fits(model, 16, name="org/model", asked=6) == 6
    assert batch_that_fits(model, 16, name="org/model", asked=60) == 8
    assert batch_that_fits(model, 16, name="org/model", sums=3 * one) == 1
    have(monkeypatch, one)
    assert batch_that_fits(model, 16, name="org/model") == 1
    with pytest.raises(
        MeasurementError, match=r"One window of 16 tokens of org/model needs about .* free; use a short"
    ):
        batch_that_fits(model, 16, name="org/model", sums=1)
    with pytest.raises(MeasurementError, match="One window"):
        batch_that_fits(model, 17, name="org/model", asked=1)

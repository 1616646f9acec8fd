"""Two processes share the windows and give what one gives; only the first prints and writes, and it is waited for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import checkpoint_folder, english

LAUNCHER = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
ROOT = Path(__file__).parent.parent.parent

SLOW_WRITER = """
import time
from nil_audit.cli.app import main
from nil_audit.report.render import folder

write_report = folder.write_report

def write_slowly(*arguments):
    time.sleep(3)
    return write_report(*arguments)

folder.write_report = write_slowly
main()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model, one whose weights are cut short, and a probe text."""
    checkpoint_folder(tmp_path / "tiny")
    weights = checkpoint_folder(tmp_path / "broken", seed=1) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    (tmp_path / "probe.txt").write_text(english(2000))
    (tmp_path / "slow_writer.py").write_text(SLOW_WRITER)
    return tmp_path


def run(folder: Path, *arguments: str, cache: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=folder,
        env=os.environ | {"NIL_AUDIT_CACHE": str(folder / cache), "PYTHONPATH": str(ROOT)},
    )


def test_two_processes_measure_as_one_and_leave_together(folder: Path) -> None:
    options = ("--probe", "probe.txt", "--window", "16", "--context", "4", "--tokens", "560", "--json")
    done = run(folder, "-m", "nil_audit", "tiny", *options, cache="one")
    assert done.returncode == 0, done.stderr
    (alone,) = json.loads(done.stdout)["records"]

    # a launcher ends every process once one has ended with a failure, whatever another still writes
    done = run(folder, *LAUNCHER, "slow_writer.py", "audit", "broken", "tiny", *options, "--out", "out", cache="two")
    assert done.returncode == 1
    assert done.stderr.count("Error: The weights of broken are damaged") == 1
    assert done.stderr.count("tiny: at most 560 tokens of probe.txt") == 1
    assert done.stderr.count("1 of 2 models failed.") == 1
    assert (folder / "out" / "audit.html").is_file()
    document = json.loads(done.stdout)
    (together,) = document["records"]
    assert [one["model"] for one in document["failed"]] == ["broken"]
    assert len(list((folder / "two" / "records").iterdir())) == 1

    one, two = alone["interaction"], together["interaction"]
    assert (one["cost"]["processes"], two["cost"]["processes"]) == (1, 2)
    assert one["products"].keys() == two["products"].keys() > {"gram", "direction_gram", "log_norm", "tokens"}
    for name in one["products"]:
        np.testing.assert_allclose(two["products"][name], one["products"][name], rtol=1e-5)
    np.testing.assert_allclose(two["block_loss"], one["block_loss"], rtol=1e-6)
    for share in ("token_share", "permille_share"):
        np.testing.assert_allclose(two["heaviest"][share], one["heaviest"][share], rtol=1e-5)
    heaviest = [[(token["window"], token["position"]) for token in found["heaviest"]["tokens"]] for found in (one, two)]
    assert heaviest[0] == heaviest[1] and len(heaviest[0]) == 10

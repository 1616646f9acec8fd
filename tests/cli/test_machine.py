"""What a command does about the machine it runs on: a cache that cannot be written, cores that others use too."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny import checkpoint_folder, english

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
SEEN_BY_TORCH = """
import os, sys
from importlib.abc import MetaPathFinder

class Watch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"), flush=True)
            os._exit(0)

sys.meta_path.insert(0, Watch())
sys.argv = ["nil-audit", "demo"]
from nil_audit.cli.app import main
main()
"""


@pytest.mark.parametrize(
    ("chosen", "seen"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"), ({"GOMP_SPINCOUNT": "9"}, "None")]
)
def test_threads_sleep_while_they_wait_unless_the_user_has_chosen(chosen: dict[str, str], seen: str) -> None:
    plain = {name: value for name, value in os.environ.items() if name not in CHOICES}
    done = subprocess.run([sys.executable, "-c", SEEN_BY_TORCH], env=plain | chosen, capture_output=True, text=True)
    assert done.stdout == f"{seen}\n", done.stderr


def test_a_cache_that_cannot_be_written_is_told_at_the_start_and_costs_nothing(
    run_here: Callable, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    (tmp_path / "probe.txt").write_text(english(2000))
    model = checkpoint_folder(tmp_path / "model")
    done = run_here(
        model, "--probe", tmp_path / "probe.txt", "--window", "16", "--context", "4", "--tokens", "512", "--json"
    )
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)["records"]
    assert record["interaction"]["windows"] == 32
    assert record["environment"]["omp_wait_policy"] == os.environ["OMP_WAIT_POLICY"]
    told = [line for line in done.stderr.splitlines() if "not kept" in line]
    assert told[0].startswith(f"The cache {tmp_path / 'cache'} cannot be written (")
    assert told[0].endswith("results of this run are not kept; set NIL_AUDIT_CACHE to a folder that can be written to.")
    assert told[1].startswith("The record of ") and "is not kept for another time" in told[1]

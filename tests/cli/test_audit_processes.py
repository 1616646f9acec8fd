"""Two processes share the windows and give what one gives; only the first prints and writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.tiny import checkpoint_folder, english


def test_two_processes_measure_as_one(tmp_path: Path) -> None:
    model = checkpoint_folder(tmp_path / "tiny")
    probe = tmp_path / "probe.txt"
    probe.write_text(english(2000))
    arguments = [str(model), "--probe", str(probe), "--window", "16", "--tokens", "560", "--robust", "--json"]

    def run(launcher: tuple[str, ...], cache: str) -> dict:
        done = subprocess.run(
            [sys.executable, *launcher, "-m", "nil_audit", *arguments],
            capture_output=True,
            text=True,
            timeout=200,
            env=os.environ | {"NIL_AUDIT_CACHE": str(tmp_path / cache)},
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("35 windows (under 64)") == 1
        (record,) = json.loads(done.stdout)["records"]
        return record["interaction"]

    alone = run((), "one")
    together = run(("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"), "two")
    assert (alone["cost"]["processes"], together["cost"]["processes"]) == (1, 2)
    assert len(list((tmp_path / "two" / "records").iterdir())) == 1
    for name in ("gram", "diagonal_gram", "trace", "embedding_square", "tokens"):
        np.testing.assert_allclose(together["products"][name], alone["products"][name], rtol=1e-5)
    np.testing.assert_allclose(together["block_loss"], alone["block_loss"], rtol=1e-6)
    for share in ("first_positions_share", "heaviest_share"):
        np.testing.assert_allclose(together["outliers"][share], alone["outliers"][share], rtol=1e-6)
    np.testing.assert_allclose(
        together["variants"]["direction"]["products"]["gram"],
        alone["variants"]["direction"]["products"]["gram"],
        rtol=1e-5,
    )

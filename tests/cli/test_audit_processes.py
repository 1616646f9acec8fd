"""Two processes share the windows and give what one gives; only the first prints and writes, and it is waited for."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.forks import Forks
from tests.tiny import checkpoint_folder, english

SLOW_WRITER = """
import time
from nil_audit.report.render import folder

write_report = folder.write_report

def write_slowly(*arguments):
    time.sleep(1)
    return write_report(*arguments)

folder.write_report = write_slowly
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, one whose weights are cut short, and a probe text."""
    checkpoint_folder(tmp_path / "tiny")
    weights = checkpoint_folder(tmp_path / "broken", seed=1) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    (tmp_path / "probe.txt").write_text(english(2000))
    return tmp_path


def test_two_processes_measure_as_one_and_leave_together(forks: Forks, folder: Path) -> None:
    options = ("--probe", "probe.txt", "--window", "16", "--context", "4", "--tokens", "560", "--json")
    done = forks.start(("tiny", *options), folder, NIL_AUDIT_CACHE=str(folder / "one"))
    assert done.wait() == 0, done.stderr
    (alone,) = json.loads(done.stdout)["records"]

    command = ("audit", "broken", "tiny", *options, "--out", "out")
    done, second = forks.start_team(2, command, folder, before=SLOW_WRITER, NIL_AUDIT_CACHE=str(folder / "two"))
    assert second.wait() == 1
    # a launcher ends every process once one has ended with a failure, whatever another still writes
    assert (folder / "out" / "audit.html").is_file()
    assert done.wait() == 1
    assert (second.stdout, second.stderr) == ("", "")
    assert done.stderr.count("Error: The weights of broken are damaged") == 1
    assert done.stderr.count("tiny: at most 560 tokens of probe.txt") == 1
    assert done.stderr.count("1 of 2 models failed.") == 1
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

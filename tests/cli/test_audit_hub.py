"""``nil-audit ID`` against a stand-in for the Hub: pinned revisions, gated and unknown ids, no network, air gap."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hub import Hub
from tests.tiny import checkpoint_folder, english

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def settings(tmp_path: Path) -> tuple[str | Path, ...]:
    file = tmp_path / "probe.txt"
    file.write_text(english(2000))
    return ("--probe", file, "--window", "16", "--context", "4", "--tokens", "512", "--json")


def test_hub_model_is_pinned_to_its_commit_and_audited_again_without_the_network(
    run_command: Run, hub: Hub, model: Path, settings: tuple[str, ...], tmp_path: Path
) -> None:
    commit = hub.add("org/tiny", model)
    online = hub.environment(tmp_path / "hf")
    done = run_command("org/tiny", *settings, **online)
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)["records"]
    assert record["model"]["revision"] == commit
    assert record["model"]["digest"] == f"git:{commit}"
    assert record["model"]["source"] == "hub"

    hub.requests.clear()
    offline = online | {"HF_HUB_OFFLINE": "1"}
    again = run_command("org/tiny", f"org/tiny@{commit}", *settings, "--fresh", **offline)
    assert again.returncode == 0, again.stderr
    assert hub.requests == []
    second, pinned = json.loads(again.stdout)["records"]
    assert second["model"]["revision"] == pinned["model"]["revision"] == commit
    assert second["interaction"]["estimates"] == record["interaction"]["estimates"]


def test_unknown_gated_and_unreachable_models_fail_alone(
    run_command: Run, hub: Hub, model: Path, settings: tuple[str, ...], tmp_path: Path
) -> None:
    hub.add("org/tiny", model)
    hub.add("org/gated", model, gated=True)
    done = run_command(
        "org/nobody", "org/gated", "org/tiny@no-such-branch", "org/tiny", *settings, **hub.environment(tmp_path / "hf")
    )
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert [record["model"]["name"] for record in document["records"]] == ["org/tiny"]
    said = {failure["model"]: failure["error"] for failure in document["failed"]}
    assert "org/nobody" in said["org/nobody"]
    assert "gated" in said["org/gated"].lower() and "hf auth login" in said["org/gated"]
    assert "no-such-branch" in said["org/tiny@no-such-branch"]
    assert all("\n" not in sentence for sentence in said.values())


def test_no_network_is_said_with_a_way_out(run_command: Run, settings: tuple[str, ...], tmp_path: Path) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf")}
    done = run_command("org/tiny", *settings, **nowhere)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (failure,) = json.loads(done.stdout)["failed"]
    assert "network" in failure["error"] or "reach" in failure["error"]
    assert "folder" in failure["error"]

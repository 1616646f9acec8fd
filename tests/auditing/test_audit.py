"""The audit from Python: one source for all of a model, whatever happens on the Hub meanwhile."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from nil_audit.auditing.record import verdict_document
from nil_audit.law.pooled import verdict
from nil_audit.law.studies import studies
from nil_audit.shape.architecture import shape_from_config
from tests.hub import Hub
from tests.shape.tiny import tiny_config
from tests.tiny import checkpoint_folder, english

# Waits for a line after reading the shape: the branch moves there.
AUDIT = """
import json, sys
from nil_audit.auditing.audit import Settings, Subject, audit_subject
subject = Subject("org/model", Settings(probe=sys.argv[1], window=16, context=4, tokens=512))
print(subject.shape.model_type, flush=True)
input()
record = audit_subject(subject)
checkpoint = subject.checkpoint
print(json.dumps([record.to_dict(), type(checkpoint.model).__name__, checkpoint.source.revision]))
"""


def test_a_branch_that_moves_after_the_shape_was_read_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    before = hub.add("org/model", checkpoint_folder(tmp_path / "llama", "llama"))
    probe = tmp_path / "probe.txt"
    probe.write_text(english(2000))
    environment = hub.environment(tmp_path / "hf") | {"NIL_AUDIT_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(
        [sys.executable, "-c", AUDIT, str(probe)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "llama\n"
    after = hub.add("org/model", checkpoint_folder(tmp_path / "gpt2", "gpt2"))
    out, err = process.communicate("\n", timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    record, loaded, revision = json.loads(out)
    assert (loaded, revision) == ("LlamaForCausalLM", before)
    assert record["shape"]["model_type"] == "llama"
    assert record["shape"]["revision"] == record["model"]["revision"] == before
    assert record["model"]["digest"] == f"git:{before}"
    assert not [request for request in hub.requests if after in request]
    # whether it is there, which commit that is, and its content: once, by whoever resolves the name
    asked = [request for request in hub.requests if request.endswith("/config.json")]
    assert asked == [f"{verb} /org/model/resolve/main/config.json" for verb in ("HEAD", "HEAD", "GET")]


def test_a_verdict_is_keys_and_numbers() -> None:
    shape = shape_from_config(tiny_config("llama"))
    found = verdict_document(shape)
    assert json.loads(json.dumps(found)) == found
    assert shape.parameters is not None
    said = verdict(shape.ratio, shape.parameters.total)
    assert (found["label"], found["distance"]) == (said.label, said.distance)
    assert found["regret"] == asdict(said.regret)
    assert set(found) == {*("label", "distance", "regret", "interval", "pool", "extrapolation", "studies")}
    assert list(found["studies"]) == ["law", "morph", "chinchilla", "gemstones"]
    for study in studies():
        said = found["studies"][study.name]
        assert set(said) == {"low", "high", "optimum", "predicted_excess_loss", "extrapolation"}
        assert said["low"] < said["optimum"] < said["high"]
        excess = study.excess(shape.ratio, shape.parameters.total)
        assert said["predicted_excess_loss"] == {"value": excess.value, "low": excess.low, "high": excess.high}
        assert set(said["extrapolation"]) == {"parameters", "ratio", "under_three_blocks"}

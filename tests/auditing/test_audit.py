"""The audit from Python: one source for all of a model, whatever happens on the Hub meanwhile."""

import json
import time
from dataclasses import asdict
from pathlib import Path

from nil_audit.auditing.record import verdict_document
from nil_audit.law.pooled import verdict
from nil_audit.law.studies import studies
from nil_audit.shape.architecture import shape_from_config
from tests.forks import Forks
from tests.hub import Hub
from tests.shape.tiny import tiny_config
from tests.tiny import checkpoint_folder, english

# Waits after reading the shape: the branch moves there.
AUDIT = """
import json, sys, time
from pathlib import Path
from nil_audit.auditing.audit import audit_subject
from nil_audit.auditing.subject import Settings, Subject
subject = Subject("org/model", Settings(probe="probe.txt", window=16, context=4, tokens=512))
print(subject.shape.model_type, flush=True)
while not Path("moved").exists():
    time.sleep(0.01)
record = audit_subject(subject)
checkpoint = subject.checkpoint
print(json.dumps([record.to_dict(), type(checkpoint.model).__name__, checkpoint.source.revision]))
raise SystemExit
"""


def test_a_branch_that_moves_after_the_shape_was_read_changes_nothing(forks: Forks, hub: Hub, tmp_path: Path) -> None:
    before = hub.add("org/model", checkpoint_folder(tmp_path / "llama", "llama"))
    (tmp_path / "probe.txt").write_text(english(2000))
    environment = hub.environment(tmp_path / "hf") | {"NIL_AUDIT_CACHE": str(tmp_path / "cache")}
    process = forks.start((), tmp_path, before=AUDIT, **environment)
    while process.stdout != "llama\n":
        assert not process.has_ended(), process.stderr
        time.sleep(0.01)
    after = hub.add("org/model", checkpoint_folder(tmp_path / "gpt2", "gpt2"))
    (tmp_path / "moved").touch()
    assert process.wait() == 0, process.stderr
    assert process.stderr == ""
    out = process.stdout.removeprefix("llama\n")
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

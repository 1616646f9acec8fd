"""Checkpoints on a stand-in for the Hub: what lies beside their weights is treated as in a folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.forks import Forks
from tests.hub import Hub
from tests.tiny import checkpoint_folder
from tests.weights.edits import edit_json, shard

# In a process of its own, because huggingface_hub reads its environment once.
LOAD = """
import json
import torch
from nil_audit.errors import NilAuditError
from nil_audit.shape.architecture import read_shape
from nil_audit.source import resolve
from nil_audit.weights.checkpoint import load_checkpoint

def answers(names):
    for name in names:
        try:
            source = resolve(name)
            found = load_checkpoint(source, read_shape(source), device="cpu")
            yield [found.model(torch.arange(4)[None]).logits.sum().item(), *found.notes]
        except NilAuditError as error:
            yield [type(error).__name__, str(error)]

print(json.dumps(list(answers({names!r}))))
raise SystemExit
"""

Answers = Callable[..., list[list[Any]]]


@pytest.fixture
def answers(forks: Forks, hub: Hub, tmp_path: Path) -> Answers:
    """Loads models of the Hub, with or without its network, and says what came of each."""

    def ask(*names: str, offline: bool = False) -> list[list[Any]]:
        environment = hub.environment(tmp_path / "hf") | {"HF_HUB_OFFLINE": "01"[offline]}
        process = forks.start((), tmp_path, before=LOAD.format(names=names), **environment)
        assert process.wait() == 0, process.stderr
        found: list[list[Any]] = json.loads(process.stdout)
        return found

    return ask


def test_what_lies_beside_the_weights_on_the_hub(hub: Hub, answers: Answers, tmp_path: Path) -> None:
    good = checkpoint_folder(tmp_path / "good")
    for name in ("sharded", "pickle", "outside", "adapted", "notok", "bare", "fewer", "quantised"):
        shutil.copytree(good, tmp_path / name)
    shard(tmp_path / "sharded", ("one/a.safetensors", "b.safetensors"))
    shard(tmp_path / "pickle", ("a.safetensors", "b.safetensors"))
    shard(tmp_path / "outside", ("a.safetensors", "b.safetensors"))
    for name, other in (("pickle", "b.bin"), ("outside", "../b.safetensors")):
        index = tmp_path / name / "model.safetensors.index.json"
        index.write_text(index.read_text().replace("b.safetensors", other))
    (tmp_path / "adapted" / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "a/b"}')
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "notok" / name).unlink()
        (tmp_path / "bare" / name).unlink()
    (tmp_path / "bare" / "model.safetensors").unlink()
    edit_json(tmp_path / "fewer", num_hidden_layers=1)
    edit_json(tmp_path / "quantised", quantization_config={"quant_method": "nobodys"})
    names = ("good", "sharded", "adapted", "pickle", "outside", "notok", "bare", "fewer", "quantised")
    for name in names:
        hub.add(f"org/{name}", tmp_path / name)
    ids = [f"org/{name}" for name in names]
    first, second, adapted, *refused = answers(*ids)
    assert first == second == adapted[:1]
    assert adapted[1].startswith("A PEFT adapter lies beside the weights of org/adapted")
    for (kind, sentence), words in zip(
        refused,
        (
            "model.safetensors.index.json of org/pickle names b.bin, which is not safetensors and can run code",
            "The index of org/outside (model.safetensors.index.json) names a file outside its folder",
            "org/notok has no tokenizer that transformers can load",
            "org/bare has no weights (no model.safetensors, and no index of several)",
            "org/fewer holds 9 weight tensors that its config.json has no place for",
            "The quantization_config of org/quantised names 'nobodys', which transformers does not know",
        ),
        strict=True,
    ):
        assert kind == "CheckpointError"
        assert words in sentence
        assert "use_safetensors" not in sentence
    assert not any(request.endswith("b.bin") for request in hub.requests)

    hub.requests.clear()
    assert answers("org/good", "org/sharded", offline=True) == [first, second]
    assert hub.requests == []

"""Which files hold a checkpoint's weights: index, pickles, adapters, and what is said where there are none."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nil_audit.errors import CheckpointError, ConfigError, NilAuditError
from nil_audit.source import resolve
from tests.tiny import checkpoint_folder
from tests.weights.edits import edit_json, load, shard

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return checkpoint_folder(tmp_path / "tiny")


def logits(folder: Path, **options: Any) -> torch.Tensor:
    return load(folder, **options).model(torch.arange(8)[None]).logits


def pickled(folder: Path, name: str = "pytorch_model.bin") -> None:
    file = folder / "model.safetensors"
    torch.save(load_file(file), folder / name)
    file.unlink()


@pytest.mark.parametrize("names", [("a.safetensors", "b.safetensors"), ("one/a.safetensors", "two/b.safetensors")])
def test_weights_in_several_files_and_folders(folder: Path, names: tuple[str, str]) -> None:
    expected = logits(folder)
    shard(folder, names)
    assert torch.equal(logits(folder), expected)


def test_a_snapshot_of_links_is_a_checkpoint_like_any_other(folder: Path, tmp_path: Path) -> None:
    """The Hub's cache keeps every file elsewhere, and a folder of links to them a commit."""
    snapshot = tmp_path / "models--org--tiny" / "snapshots" / ("a" * 40)
    blobs = snapshot.parents[1] / "blobs"
    snapshot.mkdir(parents=True)
    shard(folder, ("a.safetensors", "b.safetensors"))
    expected = logits(folder)
    shutil.move(folder, blobs)
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(Path("../../blobs") / file.name)
    assert torch.equal(logits(snapshot), expected)
    assert resolve(str(snapshot)).digest == resolve(str(blobs)).digest


@pytest.mark.parametrize(
    "place", ["../other.safetensors", "/tmp/other.safetensors", "C:\\other.safetensors", "a/../../b"]
)
def test_an_index_that_names_a_file_outside_is_refused(folder: Path, place: str) -> None:
    shard(folder, ("a.safetensors", "b.safetensors"))
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"] = {key: place if name.startswith("a") else name for key, name in index["weight_map"].items()}
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"The index of .*tiny \(model.*json\) names a file outside its folder"):
        load(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "is a JSON array, not an object"),
        ('{"weight_map": ', "is not valid JSON"),
        ("{}", "has no weight_map from tensors to files"),
        ('{"weight_map": {}}', "has no weight_map from tensors to files"),
        ('{"weight_map": {"a": 3}}', "has no weight_map from tensors to files"),
        ('{"weight_map": ["a"]}', "has no weight_map from tensors to files"),
        ('{"weight_map": {"a": "b.safetensors"}, "metadata": []}', "has metadata that are not an object"),
        ('{"weight_map": {"a": "b.safetensors"}}', "lacks b.safetensors, which model.safetensors.index.json names"),
        ('{"metadata": ' + "9" * 5000 + "}", "is not valid JSON (a number has thousands of digits)"),
    ],
)
def test_an_index_that_is_none_is_told(folder: Path, content: str, words: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / INDEX).write_text(content)
    with pytest.raises(NilAuditError) as error:
        load(folder)
    assert words in str(error.value)
    assert str(folder) in str(error.value)


def test_an_index_that_names_a_pickle_needs_leave(folder: Path) -> None:
    expected = logits(folder)
    names = list(load_file(folder / "model.safetensors"))
    pickled(folder, "weights.bin")
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(names, "weights.bin")}))
    with pytest.raises(CheckpointError, match=r"names weights\.bin, which is not safetensors and can run code"):
        load(folder)
    assert torch.equal(logits(folder, allow_pickle=True), expected)


def test_pickled_weights_need_leave(folder: Path) -> None:
    expected = logits(folder)
    pickled(folder)
    with pytest.raises(CheckpointError, match="has only pickled weights, which can run code when loaded"):
        load(folder)
    assert torch.equal(logits(folder, allow_pickle=True), expected)


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04 cut short", b"\x80\x04K\x01."])
def test_a_damaged_pickle_is_told(folder: Path, content: bytes) -> None:
    pickled(folder)
    (folder / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"The weights of .*tiny are damaged or cut short \(pytorch_model.bin: "):
        load(folder, allow_pickle=True)


def test_damaged_safetensors_are_told(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"The weights of .*tiny are damaged or cut short \(model\.safetensors: "):
        load(folder)


def test_an_adapter_beside_the_weights_is_left_aside_and_told(folder: Path) -> None:
    from peft import LoraConfig, get_peft_model

    expected = logits(folder)
    adapted = get_peft_model(load(folder).model, LoraConfig(init_lora_weights=False, target_modules=["q_proj"]))
    adapted.save_pretrained(folder)
    assert (folder / "adapter_config.json").is_file()
    found = load(folder)
    assert found.notes == (
        f"A PEFT adapter lies beside the weights of {folder} (adapter_config.json): the weights alone are measured; "
        "merge it (merge_and_unload, then save_pretrained) to measure both.",
    )
    assert torch.equal(found.model(torch.arange(8)[None]).logits, expected)


def test_a_config_with_an_adapter_alone_is_told(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    with pytest.raises(ConfigError, match=r"tiny is a PEFT adapter of org/base, which has no weights of its own"):
        load(folder)


def test_no_weights_are_told_before_anything_else(folder: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    (folder / "training_args.bin").write_bytes(b"arguments")
    with pytest.raises(CheckpointError, match=r"tiny has no weights \(no model\.safetensors, and no index"):
        load(folder)


def test_no_tokenizer_is_told(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(CheckpointError, match=r"tiny has no tokenizer that transformers can load") as error:
        load(folder)
    assert "use_safetensors" not in str(error.value)


def test_shards_of_a_training_run_are_told(folder: Path) -> None:
    (folder / "shard-00001-model-00001-of-00002.safetensors").write_bytes(b"part")
    with pytest.raises(CheckpointError, match="sharded as they lay on the machines of its training"):
        load(folder)


@pytest.mark.parametrize("chosen", ["../x.safetensors", "weights.bin", 3, ["model.safetensors"]])
def test_a_config_that_chooses_its_weights_stays_in_its_folder(folder: Path, chosen: Any) -> None:
    edit_json(folder, transformers_weights=chosen)
    with pytest.raises(CheckpointError, match="which names no safetensors file of its folder; correct or remove it"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("generation_config.json", "[1, 2]", "The generation_config.json of .*tiny is a JSON array, not an object"),
        ("generation_config.json", '{"eos_token_id": ' + "9" * 5000 + "}", "a number has thousands of digits"),
        ("tokenizer_config.json", '{"model_max_length": "many"}', "tiny has model_max_length = 'many', which is no"),
        ("tokenizer_config.json", "[]", "tokenizer"),
        ("tokenizer.json", "{}", "tokenizer"),
    ],
)
def test_other_files_that_are_wrong_are_told(folder: Path, name: str, content: str, words: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(NilAuditError, match=words) as error:
        load(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)

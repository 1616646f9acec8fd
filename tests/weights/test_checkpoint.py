"""A checkpoint from a source: what is loaded, what is refused, and what is left as it was."""

import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlavaConfig, LlavaForConditionalGeneration

from nil_audit.auditing.audit import audit
from nil_audit.errors import CheckpointError, UsageError
from nil_audit.shape.architecture import read_shape
from nil_audit.source import resolve
from nil_audit.weights import DTYPES, checkpoint
from nil_audit.weights.checkpoint import embedding_weight, load_checkpoint
from tests.tiny import ARCHITECTURES, byte_tokenizer, checkpoint_folder, english, tiny_model
from tests.weights.edits import edit_json, edit_weights, load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_torchs(folder: Path, dtype: str) -> None:
    found = load(folder, dtype=dtype)
    assert embedding_weight(found.model).dtype == getattr(torch, dtype)
    assert (found.dtype, found.device, found.notes) == (dtype, "cpu", ())
    assert not found.model.training
    assert not any(parameter.requires_grad for parameter in found.model.parameters())


def test_a_configuration_alone_has_no_weights(folder: Path) -> None:
    alone = folder / "candidate.json"
    alone.write_text((folder / "config.json").read_text())
    with pytest.raises(CheckpointError, match="is a configuration without weights"):
        load(alone)
    assert load(folder / "config.json").source.folder == folder


@pytest.mark.parametrize("device", ["toaster", "cuda:99"])
def test_a_device_that_is_not_here_is_named(folder: Path, device: str) -> None:
    with pytest.raises(UsageError, match=f"There is no device '{device}' here"):
        load(folder, device=device)


def test_a_tokenizer_of_few_words_is_noted(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "tiny")
    byte_tokenizer(100).save_pretrained(folder)
    assert load(folder).notes == (f"The tokenizer of {folder} knows 100 of the model's 256 tokens.",)


def test_loading_says_nothing_and_leaves_the_library_as_talkative_as_it_was(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("transformers")
    before = logger.level
    load(folder)
    assert logger.level == before
    assert capfd.readouterr() == ("", "")


def test_a_config_of_fewer_layers_than_the_weights_is_refused(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "tiny")
    edit_json(folder, num_hidden_layers=1)
    with pytest.raises(CheckpointError) as error:
        load(folder)
    assert str(error.value) == (
        f"{folder} holds 9 weight tensors that its config.json has no place for (model.layers.1.input_layernorm.weight,"
        " model.layers.1.mlp.down_proj.weight, model.layers.1.mlp.gate_proj.weight, ...), so it is not the model of"
        " this config; use the config that belongs to the weights."
    )
    edit_json(folder, num_hidden_layers=3)
    with pytest.raises(CheckpointError, match=r"tiny lacks 9 weight tensors that its config\.json asks for"):
        load(folder)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_every_architecture_loads_as_it_was_saved(tmp_path: Path, architecture: str) -> None:
    folder = checkpoint_folder(tmp_path / "tiny", architecture)
    tokens = torch.arange(16)[None]
    assert torch.equal(load(folder).model(tokens).logits, tiny_model(architecture)(tokens).logits)


@pytest.mark.parametrize(
    ("architecture", "key", "tensor"),
    [
        ("llama", "model.layers.0.self_attn.rotary_emb.inv_freq", torch.ones(3)),
        ("gpt2", "transformer.h.0.attn.bias", torch.ones(1, 1, 64, 64, dtype=torch.uint8)),
        ("gpt2", "transformer.h.1.attn.masked_bias", torch.tensor(-1e4)),
        ("gpt_neox", "gpt_neox.layers.0.attention.bias", torch.ones(1, 1, 64, 64, dtype=torch.bool)),
        ("gpt_neox", "gpt_neox.layers.1.attention.masked_bias", torch.tensor(-1e9)),
        ("gpt_neox", "gpt_neox.layers.1.attention.rotary_emb.inv_freq", torch.ones(3)),
        ("llama", "model.position_ids", torch.arange(64)[None]),
    ],
)
def test_what_old_checkpoints_hold_besides_weights_changes_nothing(
    tmp_path: Path, architecture: str, key: str, tensor: torch.Tensor
) -> None:
    folder = checkpoint_folder(tmp_path / "tiny", architecture)
    edit_weights(folder, lambda tensors: tensors.update({key: tensor}))
    tokens = torch.arange(16)[None]
    assert torch.equal(load(folder).model(tokens).logits, tiny_model(architecture)(tokens).logits)


def test_another_tensor_is_refused(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "tiny")
    edit_weights(folder, lambda tensors: tensors.update({"model.layers.0.mlp.gate.weight": torch.ones(4, 24)}))
    with pytest.raises(CheckpointError, match=r"holds 1 weight tensor that .* no place for \(model.layers.0.mlp.gate"):
        load(folder)


def tie(folder: Path, *, other_head: bool) -> None:
    """A config that says tied over weights that hold a head, the same matrix or another."""
    edit_json(folder, tie_word_embeddings=True)
    if not other_head:
        edit_weights(
            folder, lambda tensors: tensors.update({"lm_head.weight": tensors["model.embed_tokens.weight"].clone()})
        )


def test_a_head_equal_to_the_embedding_is_tied(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "tiny")
    tie(folder, other_head=False)
    found = load(folder)
    assert (found.notes, found.shape.tied) == ((), True)
    assert found.shape == read_shape(str(folder)) == replace(found.shape, notes=())


def test_two_matrices_under_a_config_that_says_one_are_counted_as_two(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "tiny")
    untied = read_shape(str(folder))
    logits = load(folder).model(torch.arange(8)[None]).logits
    tie(folder, other_head=True)
    said = read_shape(str(folder))
    assert said.tied
    found = load(folder)
    assert torch.equal(found.model(torch.arange(8)[None]).logits, logits)
    assert not found.shape.tied
    assert found.shape.parameters == untied.parameters != said.parameters
    assert found.notes == (
        f"The config of {folder} says that its input and output embedding are one matrix, but its weights hold two: "
        "both are used and counted.",
    )


def test_a_folder_that_is_overwritten_while_it_is_loaded_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training run that writes its next step: the digest is of the old weights, what was loaded may be the new."""
    folder = checkpoint_folder(tmp_path / "tiny")
    inner = checkpoint._load_model

    def overwrite(*arguments: Any) -> Any:
        edit_weights(folder, lambda tensors: tensors["lm_head.weight"].add_(1))
        return inner(*arguments)

    source = resolve(str(folder))
    _ = source.digest
    monkeypatch.setattr(checkpoint, "_load_model", overwrite)
    with pytest.raises(CheckpointError, match="tiny changed while they were read, so the numbers could be of two"):
        load_checkpoint(source, read_shape(source), device="cpu")


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_that_are_none_are_told_with_a_way_out_where_there_is_one(tmp_path: Path, dtype: Any) -> None:
    folder = checkpoint_folder(tmp_path / "tiny")
    edit_weights(folder, lambda tensors: tensors["lm_head.weight"].fill_(float("nan")))
    with pytest.raises(CheckpointError, match=r"The weights of .*tiny hold NaN or infinity in lm_head") as error:
        load(folder, dtype=dtype)
    assert ("--dtype float32" in str(error.value)) == (dtype in ("float16", "bfloat16"))


@pytest.mark.parametrize(("dtype", "narrower"), [("float32", True), ("bfloat16", False)])
def test_memory_that_runs_out_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, dtype: Any, narrower: bool
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", fail)
    with pytest.raises(CheckpointError, match=f"tiny does not fit into memory as {dtype}; use") as error:
        load(folder, dtype=dtype)
    assert ("--dtype bfloat16" in str(error.value)) == narrower


CODE = """
from transformers import LlamaConfig, LlamaForCausalLM

class OwnConfig(LlamaConfig):
    model_type = "own"

class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A place for the code of repositories that is gone afterwards, also from among the imported modules."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "transformers_modules"]:
        del sys.modules[name]


@pytest.mark.usefixtures("modules")
def test_code_of_its_own_is_run_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "tiny")
    expected = load(folder).model(torch.arange(8)[None]).logits
    (folder / "own.py").write_text(CODE)
    auto_map = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"}
    edit_json(folder, model_type="own", auto_map=auto_map, architectures=["OwnForCausalLM"])
    with pytest.raises(CheckpointError) as error:
        load(folder)
    assert str(error.value) == (
        f"{folder} needs the code of its own repository, which is not run unasked; add --trust-remote-code if you "
        "trust where it comes from."
    )
    found = load(folder, trust_remote_code=True)
    assert torch.equal(found.model(torch.arange(8)[None]).logits, expected)


def test_a_type_that_transformers_does_not_know_asks_for_a_newer_one(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "tiny")
    edit_json(folder, model_type="own", architectures=["OwnForCausalLM"])
    with pytest.raises(CheckpointError, match=r"tiny .*update transformers"):
        load(folder)


def test_the_text_of_a_multimodal_checkpoint_loads_with_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "vision"
    byte_tokenizer().save_pretrained(folder)
    small = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlavaConfig(
        text_config={"model_type": "llama", "vocab_size": 256, "head_dim": 6, "num_key_value_heads": 2, **small},
        vision_config={"model_type": "clip_vision_model", "image_size": 16, "patch_size": 8, **small},
        image_token_index=255,
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    found = load(folder)
    assert found.shape.text_tower_of == "llava"
    assert found.notes == ("Text tower of a llava checkpoint; the rest is not counted.",)
    assert type(found.model).__name__ == "LlavaForConditionalGeneration"


def test_an_audit_counts_what_was_loaded_and_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))
    folder = checkpoint_folder(tmp_path / "tiny")
    untied = read_shape(str(folder))
    tie(folder, other_head=True)
    probe = tmp_path / "probe.txt"
    probe.write_text(english(600))
    settings = {"probe": str(probe), "window": 16, "context": 4, "tokens": 256, "device": "cpu"}
    first, second = audit(str(folder), **settings), audit(str(folder), **settings)
    assert (first.shape.tied, first.shape.parameters) == (False, untied.parameters)
    assert second.shape == first.shape
    assert second.verdict == first.verdict
    assert second.notes == first.notes
    assert any("its weights hold two" in note for note in second.notes)


def test_an_audit_of_a_folder_that_changed_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))
    folder = checkpoint_folder(tmp_path / "tiny")
    probe = tmp_path / "probe.txt"
    probe.write_text(english(600))
    inner = checkpoint._load_model

    def overwrite(*arguments: Any) -> Any:
        loaded = inner(*arguments)
        edit_weights(folder, lambda tensors: tensors["lm_head.weight"].add_(1))
        return loaded

    monkeypatch.setattr(checkpoint, "_load_model", overwrite)
    with pytest.raises(CheckpointError, match="changed while they were read"):
        audit(str(folder), probe=str(probe), window=16, context=4, tokens=256, device="cpu")
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]

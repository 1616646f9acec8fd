"""GGUF files: loaded, they are the model that was written; what transformers would leave out is set or refused."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Type

from nil_audit.auditing.audit import audit
from nil_audit.candidate.check import check_candidate
from nil_audit.errors import CheckpointError, UsageError
from nil_audit.score.engines.vllm import load_vllm
from nil_audit.shape.architecture import read_shape
from nil_audit.source import resolve
from nil_audit.weights import memory
from nil_audit.weights.checkpoint import Checkpoint, embedding_weight
from nil_audit.weights.host_memory import HostMemory
from tests.tiny import checkpoint_folder, english
from tests.weights.edits import load
from tests.weights.gguf_files import BLOCKS, CONTEXT, OTHERS, tiny_llama, tiny_other, write_gguf

IDS = torch.randint(0, 259, (2, 48), generator=torch.Generator().manual_seed(1))


def agrees(found: Checkpoint, model: Any, tolerance: float = 2e-5) -> bool:
    """Whether a loaded checkpoint computes what a model does."""
    return torch.allclose(found.model(IDS).logits, model(IDS).logits, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", [Type.F32, Type.F16, Type.Q8_0, Type.Q4_1], ids=lambda kind: kind.name)
@pytest.mark.parametrize("tied", [True, False])
def test_it_is_the_model_that_was_written(tmp_path: Path, kind: Type, tied: bool) -> None:
    model = tiny_llama(tied=tied)
    file = write_gguf(tmp_path / "tiny.gguf", model, kind)
    found = load(file)
    assert agrees(found, model)
    assert torch.equal(embedding_weight(found.model), model.get_input_embeddings().weight)
    total = sum(parameter.numel() for parameter in model.parameters())
    assert (found.shape.tied, found.shape.parameters.total) == (tied, total)
    assert found.shape == read_shape(str(file))
    types = {"F32": "F32"}.get(kind.name, f"{kind.name}, F32")
    done = "read as" if kind in (Type.F32, Type.F16) else "turned back into"
    assert found.notes == (f"The weights of {file} are GGUF ({types}), and were {done} float32.",)


@pytest.mark.parametrize("architecture", sorted(OTHERS))
def test_other_architectures(tmp_path: Path, architecture: str) -> None:
    """Of some of them transformers leaves a number of the header to its default."""
    model = tiny_other(architecture)
    said = {f"{architecture}.{key}": value for key, value in OTHERS[architecture][2].items()}
    found = load(write_gguf(tmp_path / "tiny.gguf", model, architecture=architecture, metadata=said))
    assert agrees(found, model)
    assert found.shape.parameters.total == sum(parameter.numel() for parameter in model.parameters())


def test_its_tokenizer_is_the_one_in_it(tmp_path: Path) -> None:
    found = load(write_gguf(tmp_path / "tiny.gguf", tiny_llama()))
    text = "the path<|end|>"
    ids = found.tokenizer(text, add_special_tokens=False).input_ids
    assert found.tokenizer.convert_ids_to_tokens(ids) == ["the", "Ġ", "p", "a", "th", "<|end|>"]
    assert found.tokenizer.decode(ids) == text
    assert found.tokenizer.eos_token == "<|end|>"


def test_it_comes_in_every_type(tmp_path: Path) -> None:
    model = tiny_llama()
    file = write_gguf(tmp_path / "tiny.gguf", model, Type.Q8_0)
    for dtype in ("bfloat16", "float64"):
        found = load(file, dtype=dtype)
        assert {parameter.dtype for parameter in found.model.parameters()} == {getattr(torch, dtype)}
        assert torch.equal(embedding_weight(found.model), model.get_input_embeddings().weight.to(getattr(torch, dtype)))


def test_nothing_that_lies_beside_it_is_read(tmp_path: Path) -> None:
    """Neither the configuration nor the tokenizer of another model, nor an adapter."""
    model = tiny_llama()
    checkpoint_folder(tmp_path / "downloads")
    (tmp_path / "downloads" / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (tmp_path / "downloads" / "generation_config.json").write_text("no JSON")
    file = write_gguf(tmp_path / "downloads" / "tiny.gguf", model)
    alone = tmp_path / "blob-without-a-suffix"
    shutil.copy(file, alone)
    found, same = load(file), load(alone)
    assert found.source.digest == same.source.digest
    assert found.tokenizer("the").input_ids == same.tokenizer("the").input_ids == [257]
    assert agrees(found, model)
    assert torch.equal(found.model(IDS).logits, same.model(IDS).logits)


@pytest.mark.parametrize(
    ("scaling", "metadata", "tensors"),
    [
        ({"rope_type": "linear", "factor": 4.0}, {"scaling.type": "linear", "scaling.factor": 4.0}, False),
        ({"rope_type": "linear", "factor": 4.0}, {"scaling.factor": 4.0}, False),
        ({"rope_type": "default"}, {"scaling.type": "none", "scaling.factor": 4.0}, False),
        (
            {
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
            },
            {},
            True,
        ),
    ],
    ids=["linear", "linear unsaid", "none", "llama3"],
)
def test_rotary_positions_are_those_of_the_file(
    tmp_path: Path, scaling: dict[str, Any], metadata: dict[str, Any], tensors: bool
) -> None:
    """Their base alone is what transformers reads."""
    model, plain = tiny_llama(rope_parameters={"rope_theta": 5000.0, **scaling}), tiny_llama()
    scaled = scaling["rope_type"] != "default"
    assert torch.allclose(model(IDS).logits, plain(IDS).logits) != scaled
    factors = (plain.model.rotary_emb.inv_freq / model.model.rotary_emb.inv_freq).numpy()
    file = write_gguf(
        tmp_path / "tiny.gguf",
        model,
        metadata={f"llama.rope.{key}": value for key, value in metadata.items()},
        tensors={"rope_freqs.weight": factors.astype(np.float32)} if tensors else None,
    )
    assert agrees(load(file), model)


@pytest.mark.parametrize(
    ("metadata", "tensors", "words"),
    [
        (
            {"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 4.0},
            {},
            r"asks for rotary positions \(yarn scaling\) that transformers does not take",
        ),
        ({}, {"rope_factors_long.weight": np.ones(8, np.float32)}, r"rotary positions \(rope_factors_long\.weight\)"),
        (
            {},
            {f"blk.{i}.attn_q.bias": np.ones(64, np.float32) for i in range(BLOCKS)},
            r"holds 128 numbers that transformers leaves out of the model \(blk\.0\.attn_q\.bias, blk\.1\.attn_q\.bias",
        ),
    ],
)
def test_what_transformers_would_leave_out_is_refused(
    tmp_path: Path, metadata: dict[str, Any], tensors: dict[str, Any], words: str
) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama(), metadata=metadata, tensors=tensors)
    with pytest.raises(CheckpointError, match=words):
        load(file)


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama(num_hidden_layers=1), metadata={"llama.block_count": 2})
    with pytest.raises(CheckpointError, match=r"lacks 9 weight tensors that its header asks for \(model\.layers\.1"):
        load(file)


def test_a_file_without_a_vocabulary_has_a_shape_and_no_tokenizer(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama(), tokenizer=False)
    assert read_shape(str(file)).depth == BLOCKS
    with pytest.raises(CheckpointError, match=r"tiny\.gguf has no tokenizer that transformers can load"):
        load(file)


def test_shape_and_candidate_need_the_header_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_llama()
    file = write_gguf(tmp_path / "tiny.gguf", model, Type.Q4_1)
    monkeypatch.setattr("gguf.dequantize", lambda *_: pytest.fail("weights were read"))
    shape = read_shape(str(file))
    assert (shape.depth, shape.width, shape.heads, shape.kv_heads, shape.head_size) == (2, 64, 4, 2, 16)
    assert (shape.mlp_width, shape.vocab_size, shape.context) == (96, 259, CONTEXT)
    assert check_candidate(str(file)).shape.parameters == shape.parameters


def test_memory_is_asked_for_before_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest tensor in float32 and a copy beside the weights: 259 x 64 x 8 bytes, whatever the type."""
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama(), Type.Q8_0)
    total = read_shape(str(file)).parameters.total
    needed = 2 * (total + 259 * 64) + 8 * 259 * 64
    monkeypatch.setattr(memory, "host_memory", lambda: HostMemory(needed - 1, 10**12))
    with pytest.raises(CheckpointError, match=r"tiny\.gguf needs about 0\.\d MB of memory as bfloat16, but"):
        load(file, dtype="bfloat16")
    monkeypatch.setattr(memory, "host_memory", lambda: HostMemory(needed, 10**12))
    load(file, dtype="bfloat16")


def test_a_file_that_is_written_to_is_told(tmp_path: Path) -> None:
    model = tiny_llama()
    found = load(write_gguf(tmp_path / "tiny.gguf", model)).source
    found.check_unchanged()
    model.model.norm.weight.mul_(2)
    write_gguf(tmp_path / "tiny.gguf", model)
    with pytest.raises(CheckpointError, match="changed while they were read"):
        found.check_unchanged()


def test_an_audit_says_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a").mkdir()
    file = write_gguf(tmp_path / "a" / "tiny.gguf", tiny_llama(), Type.Q4_1)
    probe = tmp_path / "probe.txt"
    probe.write_text(english(4000))
    record = audit(str(file), probe=str(probe), window=32, context=4, tokens=1024, device="cpu")
    assert f"The weights of {file} are GGUF (Q4_1, F32), and were turned back into float32." in record.notes
    assert not record.kept
    shutil.move(tmp_path / "a", tmp_path / "b")
    again = audit(str(tmp_path / "b"), probe=str(probe), window=32, context=4, tokens=1024, device="cpu")
    assert again.kept


def test_vllm_is_not_given_a_gguf_file(tmp_path: Path) -> None:
    source = resolve(str(write_gguf(tmp_path / "tiny.gguf", tiny_llama())))
    with pytest.raises(UsageError, match=r"tiny\.gguf is a GGUF file, which vLLM would run as it is quantised; leave"):
        load_vllm(source, dtype="float32", trust_remote_code=False)

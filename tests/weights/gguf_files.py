"""Tiny GGUF files, written with llama.cpp's own package: models with a byte-level vocabulary, quantised or not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from transformers import AutoModelForCausalLM

from tests.tiny import byte_tokenizer

HEADS, KV_HEADS, BLOCKS, CONTEXT = 4, 2, 2, 64
MERGES = (("t", "h"), ("th", "e"))
TOKENS = [*byte_tokenizer().convert_ids_to_tokens(range(256)), "th", "the", "<|end|>"]

_EPSILONS = ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps", "norm_epsilon", "norm_eps")
_COMMON = {
    "vocab_size": len(TOKENS),
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": None,
}
_THETA = {"rope_type": "default", "rope_theta": 5000.0}
OTHERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "gemma2": (
        "Gemma2Config",
        _COMMON | {"rope_parameters": _THETA, "head_dim": 16, "sliding_window": 16},
        {"attention.key_length": 16, "attention.sliding_window": 16},
    ),
    "gemma3": (
        "Gemma3TextConfig",
        _COMMON | {"head_dim": 16, "sliding_window": 16},
        {"attention.key_length": 16, "attention.sliding_window": 16, "rope.freq_base": 1e6},
    ),
    "gpt2": (
        "GPT2Config",
        {"vocab_size": len(TOKENS), "n_embd": 64, "n_inner": 96, "n_layer": BLOCKS, "n_head": HEADS, "n_positions": 64},
        {},
    ),
    "nemotron": (
        "NemotronConfig",
        _COMMON | {"rope_parameters": {**_THETA, "partial_rotary_factor": 0.5}, "head_dim": 16},
        {"rope.dimension_count": 8},
    ),
    "qwen2": ("Qwen2Config", _COMMON | {"rope_parameters": _THETA}, {}),
    "qwen3": ("Qwen3Config", _COMMON | {"rope_parameters": _THETA, "head_dim": 32}, {"attention.key_length": 32}),
    "stablelm": (
        "StableLmConfig",
        _COMMON | {"rope_parameters": {**_THETA, "partial_rotary_factor": 0.25}, "use_qkv_bias": True},
        {"rope.dimension_count": 4},
    ),
    "starcoder2": ("Starcoder2Config", _COMMON | {"rope_parameters": _THETA, "tie_word_embeddings": True}, {}),
}
"""Architectures besides Llama: the class of the configuration, its values, and what the header says besides."""


def tiny_llama(*, tied: bool = True, **changes: Any) -> Any:
    """A frozen Llama whose rows are whole blocks of every quantisation, with norms that are not all one."""
    values = {**_COMMON, "head_dim": 16, "rms_norm_eps": 1e-5, "tie_word_embeddings": tied, "rope_parameters": _THETA}
    return _filled(transformers.LlamaConfig(**values | changes))


def tiny_other(architecture: str) -> Any:
    """A frozen model of one of `OTHERS`."""
    kind, values, _ = OTHERS[architecture]
    return _filled(getattr(transformers, kind)(**values))


def _filled(config: Any) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.3 + (1.0 if parameter.ndim == 1 else 0.0))
    return model.eval().requires_grad_(False)


def write_gguf(
    path: Path,
    model: Any,
    kind: Type = Type.F32,
    *,
    architecture: str = "llama",
    metadata: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray] | None = None,
    tokenizer: bool = True,
) -> Path:
    """Write a model as GGUF, its matrices stored as ``kind`` and its vectors as float32.

    Args:
        path: Of the file.
        model: From `tiny_llama` or `tiny_other`; where ``kind`` is narrower its weights become those of the file.
        kind: Of the matrices.
        architecture: What the file says that it is.
        metadata: More keys, each a text or a number.
        tensors: More tensors.
        tokenizer: Whether it holds a vocabulary.
    """
    writer, config = gguf.GGUFWriter(path, architecture), model.config
    theta = getattr(config, "rope_parameters", {}).get("rope_theta")
    epsilon = next(getattr(config, key) for key in _EPSILONS if hasattr(config, key))
    own = {
        "context_length": CONTEXT,
        "block_count": config.num_hidden_layers,
        "embedding_length": config.hidden_size,
        "feed_forward_length": getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None),
        "attention.head_count": HEADS,
        "attention.head_count_kv": KV_HEADS,
        "attention.layer_norm_rms_epsilon": epsilon,
        "attention.layer_norm_epsilon": epsilon,
        "rope.freq_base": theta,
        "rope.dimension_count": config.head_dim if architecture == "llama" else None,
        "vocab_size": config.vocab_size,
    }
    said = {f"{architecture}.{key}": value for key, value in own.items() if value is not None} | dict(metadata or {})
    for key, value in said.items():
        add = {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}[type(value)]
        add(key, value)
    if tokenizer:
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(TOKENS)
        writer.add_token_types([1] * (len(TOKENS) - 1) + [3])
        writer.add_token_merges([" ".join(pair) for pair in MERGES])
        writer.add_eos_token_id(len(TOKENS) - 1)
    code = next((code for code, called in gguf.MODEL_ARCH_NAMES.items() if called == architecture))
    names = gguf.get_tensor_name_map(code, BLOCKS)
    for key, weight in model.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stem, _, suffix = key.rpartition(".")
        stored_as = kind if weight.ndim == 2 else Type.F32
        if stored_as != Type.F32:
            weight.copy_(torch.tensor(gguf.dequantize(gguf.quantize(weight.numpy(), kind), kind)))
        stored = _as_llama_cpp_has_it(architecture, stem, suffix, weight.numpy())
        if stored_as != Type.F32:
            stored = gguf.quantize(stored, kind)
        writer.add_tensor(f"{names.get_name(stem)}.{suffix}", stored, raw_dtype=stored_as)
    for key, array in (tensors or {}).items():
        writer.add_tensor(key, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _as_llama_cpp_has_it(architecture: str, stem: str, suffix: str, weight: np.ndarray) -> np.ndarray:
    """A tensor as llama.cpp's converter writes it."""
    part = stem.rpartition(".")[2]
    if architecture == "llama" and part in ("q_proj", "k_proj"):  # channels that rotate together lie side by side
        rows = np.arange(len(weight)).reshape(HEADS if part == "q_proj" else KV_HEADS, 2, -1)
        return np.ascontiguousarray(weight[rows.transpose(0, 2, 1).ravel()])
    if architecture in ("gemma2", "gemma3", "nemotron") and "norm" in part and suffix == "weight":
        return weight + 1
    if architecture == "gpt2" and part in ("c_attn", "c_proj", "c_fc") and suffix == "weight":
        return np.ascontiguousarray(weight.T)
    return weight

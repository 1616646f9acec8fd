"""Tiny GGUF files, written with llama.cpp's own package: a Llama with a byte-level vocabulary, quantised or not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from transformers import LlamaConfig, LlamaForCausalLM

from tests.tiny import byte_tokenizer

HEADS, KV_HEADS, BLOCKS, CONTEXT = 4, 2, 2, 64
MERGES = (("t", "h"), ("th", "e"))
TOKENS = [*byte_tokenizer().convert_ids_to_tokens(range(256)), "th", "the", "<|end|>"]

_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def tiny_llama(*, tied: bool = True, **changes: Any) -> LlamaForCausalLM:
    """A frozen Llama whose rows are whole blocks of every quantisation, with norms that are not all one."""
    torch.manual_seed(0)
    values = {
        "vocab_size": len(TOKENS),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": BLOCKS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": 16,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": tied,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0},
    }
    model = LlamaForCausalLM(LlamaConfig(**values | changes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.3 + (1.0 if parameter.ndim == 1 else 0.0))
    return model.eval().requires_grad_(False)


def write_gguf(
    path: Path,
    model: LlamaForCausalLM,
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
        model: From `tiny_llama`; where ``kind`` is narrower its weights become those that the file holds.
        kind: Of the matrices.
        architecture: What the file says that it is.
        metadata: More keys, each a text or a number.
        tensors: More tensors.
        tokenizer: Whether it holds a vocabulary.
    """
    writer, config = gguf.GGUFWriter(path, architecture), model.config
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    for key, value in (metadata or {}).items():
        add = {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}[type(value)]
        add(key, value)
    if tokenizer:
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(TOKENS)
        writer.add_token_types([1] * (len(TOKENS) - 1) + [3])
        writer.add_token_merges([" ".join(pair) for pair in MERGES])
        writer.add_eos_token_id(len(TOKENS) - 1)
    for key, weight in model.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if weight.ndim == 2 and kind != Type.F32:
            weight.copy_(torch.tensor(gguf.dequantize(gguf.quantize(weight.numpy(), kind), kind)))
        stored = _permuted(key, weight.numpy())
        if weight.ndim == 2 and kind != Type.F32:
            stored = gguf.quantize(stored, kind)
        writer.add_tensor(_gguf_name(key), stored, raw_dtype=kind if weight.ndim == 2 else Type.F32)
    for key, array in (tensors or {}).items():
        writer.add_tensor(key, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _gguf_name(key: str) -> str:
    stem, _, suffix = key.rpartition(".")
    if stem in _NAMES:
        return f"{_NAMES[stem]}.{suffix}"
    _, _, block, rest = stem.split(".", 3)
    return f"blk.{block}.{_NAMES[rest]}.{suffix}"


def _permuted(key: str, weight: np.ndarray) -> np.ndarray:
    """Rows of queries and keys as llama.cpp has them: channels that rotate together lie side by side."""
    heads = {"q_proj": HEADS, "k_proj": KV_HEADS}.get(key.split(".")[-2])
    if heads is None:
        return weight
    rows = np.arange(len(weight)).reshape(heads, 2, -1)
    return np.ascontiguousarray(weight[rows.transpose(0, 2, 1).ravel()])

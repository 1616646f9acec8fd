"""The maps that read the residual stream, against layouts written by hand from each architecture's own description."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from transformers import AutoModelForCausalLM

from nil_audit.interaction.maps import StreamMap, find_maps
from nil_audit.interaction.norms import find_norm
from nil_audit.shape.meta_model import held
from tests.tiny import _COMMON, _GATED, ARCHITECTURES

D, HEADS, KV, SIZE = 24, 4, 2, 6
"""Width, query heads, key and value heads, channels a head."""

Rows = dict[str, list[int]]


def whole(path: str, role: str, rows: int) -> dict[str, Rows]:
    return {path: {role: list(range(rows))}}


def apart(prefix: str, query: str, key: str, value: str, *, rows: int = D, small: int = D) -> dict[str, Rows]:
    """Three maps."""
    return (
        whole(f"{prefix}{query}", "query", rows)
        | whole(f"{prefix}{key}", "key", small)
        | whole(f"{prefix}{value}", "value", small)
    )


def gated(prefix: str = "mlp.", gate: str = "gate_proj", way_in: str = "up_proj", rows: int = 40) -> dict[str, Rows]:
    return whole(f"{prefix}{gate}", "mlp_gate", rows) | whole(f"{prefix}{way_in}", "mlp_in", rows)


def thirds(path: str) -> dict[str, Rows]:
    """All queries, then all keys, then all values."""
    return {path: {role: list(range(i * D, (i + 1) * D)) for i, role in enumerate(("query", "key", "value"))}}


def by_head(path: str) -> dict[str, Rows]:
    """Of each head its query, its key, its value."""
    starts = [head * 3 * SIZE for head in range(HEADS)]
    return {
        path: {
            role: [start + i * SIZE + c for start in starts for c in range(SIZE)]
            for i, role in enumerate(("query", "key", "value"))
        }
    }


def by_group(path: str) -> dict[str, Rows]:
    """Falcon's later layout: of each group its queries, one key, one value."""
    each = HEADS // KV
    rows: Rows = {"query": [], "key": [], "value": []}
    for group in range(KV):
        start = group * (each + 2) * SIZE
        rows["query"] += range(start, start + each * SIZE)
        rows["key"] += range(start + each * SIZE, start + (each + 1) * SIZE)
        rows["value"] += range(start + (each + 1) * SIZE, start + (each + 2) * SIZE)
    return {path: rows}


def stacked(path: str, keys: int) -> dict[str, Rows]:
    """All queries, then so many rows of keys, then as many of values."""
    return {
        path: {
            "query": list(range(D)),
            "key": list(range(D, D + keys)),
            "value": list(range(D + keys, D + 2 * keys)),
        }
    }


def over_chips(path: str, chips: int = 4) -> dict[str, Rows]:
    """CodeGen's layout for four chips: of each chip its queries, its values, its keys."""
    part = D // chips
    return {
        path: {
            role: [chip * 3 * part + i * part + c for chip in range(chips) for c in range(part)]
            for i, role in enumerate(("query", "value", "key"))
        }
    }


def halves(path: str, rows: int = 40) -> dict[str, Rows]:
    """The gate, then what it is for."""
    return {path: {"mlp_gate": list(range(rows)), "mlp_in": list(range(rows, 2 * rows))}}


_QKV = ("self_attn.", "q_proj", "k_proj", "v_proj")
_MORE: dict[str, tuple[str, dict[str, Any]]] = {
    "falcon_multi_query": (
        "FalconConfig",
        {**_COMMON, "new_decoder_architecture": False, "multi_query": True, "alibi": False},
    ),
    "falcon_alibi": (
        "FalconConfig",
        {**_COMMON, "new_decoder_architecture": False, "multi_query": False, "parallel_attn": False, "alibi": True},
    ),
    "phi3": ("Phi3Config", _GATED),
    "gpt_bigcode": ("GPTBigCodeConfig", {**_COMMON, "multi_query": True}),
    "codegen": ("CodeGenConfig", {**_COMMON, "rotary_dim": 4, "n_positions": 64, "n_ctx": 64}),
    "gptj": ("GPTJConfig", {**_COMMON, "rotary_dim": 4, "n_positions": 64}),
    "glm4": ("Glm4Config", {**_GATED, "head_dim": SIZE}),
    "olmo": ("OlmoConfig", _GATED),
    "bitnet": ("BitNetConfig", _GATED),
    "cohere": ("CohereConfig", _GATED),
    "nemotron": ("NemotronConfig", _GATED),
    "opt": ("OPTConfig", {**_COMMON, "ffn_dim": 48, "word_embed_proj_dim": D, "pad_token_id": 1}),
    "persimmon": ("PersimmonConfig", {**_COMMON, "intermediate_size": 40, "partial_rotary_factor": 1.0}),
    "openai": ("OpenAIGPTConfig", {"vocab_size": 256, "n_positions": 64, "n_embd": D, "n_layer": 2, "n_head": HEADS}),
}

EXPECTED: dict[str, tuple[str, dict[str, Rows]]] = {
    "llama": ("rms", apart(*_QKV, small=12) | gated()),
    "gpt2": ("layer", thirds("attn.c_attn") | whole("mlp.c_fc", "mlp_in", 96)),
    "qwen3": ("rms", apart(*_QKV, rows=32, small=16) | gated()),
    "gpt_neox": ("layer", by_head("attention.query_key_value") | whole("mlp.dense_h_to_4h", "mlp_in", 96)),
    "gemma2": ("rms", apart(*_QKV, rows=32, small=16) | gated()),
    "granite": ("rms", apart(*_QKV, small=12) | gated()),
    "olmo2": ("none", apart(*_QKV, small=12) | gated()),
    "falcon": ("layer", by_group("self_attention.query_key_value") | whole("mlp.dense_h_to_4h", "mlp_in", 96)),
    "bloom": ("layer", by_head("self_attention.query_key_value") | whole("mlp.dense_h_to_4h", "mlp_in", 96)),
    "mpt": ("layer", thirds("attn.Wqkv") | whole("ffn.up_proj", "mlp_in", 96)),
    "opt_projected": ("none layer", apart(*_QKV) | whole("fc1", "mlp_in", 48)),
    "falcon_multi_query": (
        "layer",
        stacked("self_attention.query_key_value", SIZE) | whole("mlp.dense_h_to_4h", "mlp_in", 96),
    ),
    "falcon_alibi": ("layer", by_head("self_attention.query_key_value") | whole("mlp.dense_h_to_4h", "mlp_in", 96)),
    "phi3": ("rms", stacked("self_attn.qkv_proj", 12) | halves("mlp.gate_up_proj")),
    "gpt_bigcode": ("layer", stacked("attn.c_attn", SIZE) | whole("mlp.c_fc", "mlp_in", 96)),
    "codegen": ("layer", over_chips("attn.qkv_proj") | whole("mlp.fc_in", "mlp_in", 96)),
    "gptj": ("layer", apart("attn.", "q_proj", "k_proj", "v_proj") | whole("mlp.fc_in", "mlp_in", 96)),
    "glm4": ("rms", apart(*_QKV, small=12) | halves("mlp.gate_up_proj")),
    "olmo": ("layer", apart(*_QKV, small=12) | gated()),
    "bitnet": ("rms", apart(*_QKV, small=12) | gated()),
    "cohere": ("layer", apart(*_QKV, small=12) | gated()),
    "nemotron": ("layer", apart(*_QKV, small=12) | whole("mlp.up_proj", "mlp_in", 40)),
    "opt": ("layer", apart(*_QKV) | whole("fc1", "mlp_in", 48)),
    "persimmon": ("layer", by_head("self_attn.query_key_value") | whole("mlp.dense_h_to_4h", "mlp_in", 40)),
    "openai": ("none layer", thirds("attn.c_attn") | whole("mlp.c_fc", "mlp_in", 96)),
}


def built(kind: str, values: dict[str, Any]) -> nn.Module:
    """A model whose every parameter is random, norms and biases too."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(getattr(transformers, kind)(**values), dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.25 * torch.randn(parameter.shape) + (0.5 if parameter.ndim == 1 else 0))
    return model.eval().requires_grad_(False)


def maps_of(model: nn.Module) -> tuple[tuple[StreamMap, ...], tuple[str, ...]]:
    blocks = held(model, "tiny", depth=2, text_only=True).blocks
    return find_maps(model, blocks, range(2))


@pytest.mark.parametrize("name", EXPECTED)
def test_every_map_that_reads_the_stream_is_found_with_its_rows(name: str) -> None:
    norms, expected = EXPECTED[name]
    model = built(*(_MORE | ARCHITECTURES)[name])
    found, left_out = maps_of(model)
    assert left_out == ()
    for depth in range(2):
        rows: dict[str, Rows] = {}
        for one in (one for one in found if one.depth == depth):
            every = range(one.count) if one.rows is None else one.rows.tolist()
            rows.setdefault(one.path, {})[one.role] = list(every)
        assert rows == expected
    assert {one.norm.kind for one in found} == set(norms.split())
    # a fused map is read at one place, and so are maps that read one tensor
    assert len({one.place for one in found}) <= 4


@pytest.mark.parametrize("name", ["llama", "gpt2", "phi3"])
def test_the_rows_of_a_map_are_what_it_computes(name: str) -> None:
    """W of the rows, times the norm's γ and what it normalises, is the map's own output there, up to its biases."""
    model = built(*(_MORE | ARCHITECTURES)[name])
    found, _ = maps_of(model)
    for one in found:
        x = torch.randn(3, D) * 4
        x = x - x.mean(dim=1, keepdim=True)
        y = one.module(one.place.module(x)) - one.module(one.place.module(-x))
        y = y if one.rows is None else y[:, one.rows]
        n = x / x.square().mean(dim=1, keepdim=True).sqrt()
        torch.testing.assert_close(2 * (n * one.norm.scale.float()) @ one.weight.T, y, rtol=1e-3, atol=1e-3)


def test_what_cannot_be_checked_is_said() -> None:
    mixture = built("MixtralConfig", {**_GATED, "num_local_experts": 2})
    found, left_out = maps_of(mixture)
    assert {one.role for one in found} == {"query", "key", "value"}
    assert left_out == (
        "Blocks 0 to 1: maps that are held in three-dimensional parameters, as those of experts, are not checked.",
    )
    mamba = built("MambaConfig", {"vocab_size": 256, "hidden_size": D, "num_hidden_layers": 2, "state_size": 8})
    found, left_out = maps_of(mamba)
    assert {one.role for one in found} == {"in_proj"}
    assert left_out[0] == "Blocks 0 to 1: query, key and value were not found or not told apart."


def test_keys_and_values_that_come_from_one_latent_are_not_called_either() -> None:
    deepseek = built(
        "DeepseekV3Config",
        {
            **_GATED,
            "num_key_value_heads": 4,
            "q_lora_rank": 8,
            "kv_lora_rank": 8,
            "qk_rope_head_dim": 4,
            "qk_nope_head_dim": 4,
            "v_head_dim": 6,
            "head_dim": 4,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_group": 1,
            "topk_group": 1,
            "moe_intermediate_size": 16,
            "first_k_dense_replace": 2,
        },
    )
    roles = {one.path: one.role for one in maps_of(deepseek)[0]}
    assert roles["self_attn.q_a_proj"] == "query"
    assert roles["self_attn.kv_a_proj_with_mqa"] == "kv_a_proj_with_mqa"
    assert roles["mlp.gate_proj"] == "mlp_gate"


class Plus(nn.Module):
    """Gemma's way: the stored weight is γ - 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x.float()
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.weight.float())).type_as(x)


def _layer(width: int) -> nn.Module:
    norm = nn.LayerNorm(width)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


def _outlier(norm: nn.Module) -> nn.Module:
    """One channel of a trained norm is often scaled far more than the others."""
    norm.weight.data[2] = 40.0
    return norm


def _rms(width: int) -> nn.Module:
    norm = nn.RMSNorm(width, eps=1e-5)
    nn.init.normal_(norm.weight)
    return norm


@pytest.mark.parametrize("width", [7, 24])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("make", "kind", "scale"),
    [
        (_rms, "rms", lambda norm: norm.weight),
        (Plus, "rms", lambda norm: 1 + norm.weight.float()),
        (_layer, "layer", lambda norm: norm.weight),
        (lambda width: _outlier(_layer(width)), "layer", lambda norm: norm.weight),
        (lambda width: nn.LayerNorm(width, elementwise_affine=False), "layer", None),
        (lambda width: nn.RMSNorm(width, elementwise_affine=False), "rms", None),
    ],
)
def test_a_norm_is_known_by_what_it_does(
    width: int, dtype: torch.dtype, make: Callable[[int], nn.Module], kind: str, scale: Any
) -> None:
    torch.manual_seed(1)
    norm = make(width).to(dtype).requires_grad_(False)
    found = find_norm(norm, torch.zeros(1, 1, width, dtype=dtype))
    assert found is not None
    assert found.kind == kind
    assert found.dimensions == width - (kind == "layer")
    expected = torch.ones(width) if scale is None else scale(norm)
    error = 0.03 if dtype == torch.bfloat16 else 1e-4
    torch.testing.assert_close(found.scale, expected.double(), rtol=error, atol=error)


@pytest.mark.parametrize(
    "module",
    [nn.Linear(24, 24), nn.Identity(), nn.GELU(), nn.Tanh(), nn.Linear(24, 5), nn.Softmax(-1), nn.Dropout(0.1)],
)
def test_what_is_no_norm_is_none(module: nn.Module) -> None:
    assert find_norm(module.eval(), torch.zeros(1, 1, 24)) is None

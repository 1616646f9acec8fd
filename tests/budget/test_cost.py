"""Parameters by depth, floating-point operations and memory, against real models and PyTorch's own counter."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from nil_audit.budget.cost import cost
from nil_audit.budget.counts import count_blocks, with_mlp_width
from nil_audit.budget.template import Template, config_from_flags
from nil_audit.progress import quiet_libraries
from nil_audit.shape.architecture import shape_from_config
from nil_audit.shape.hf_config import transformers_config

LLAMA = config_from_flags(
    "llama", depth=5, width=96, heads=6, kv_heads=2, mlp_width=256, vocab_size=320, context=64, tied=True
)
CASES: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "untied": {**LLAMA, "tie_word_embeddings": False},
    "gpt2": config_from_flags("gpt2", depth=4, width=64, heads=4, vocab_size=300, context=64, tied=True),
    "gemma2": config_from_flags(
        "gemma2",
        depth=4,
        width=64,
        heads=4,
        kv_heads=2,
        head_size=32,
        mlp_width=160,
        vocab_size=300,
        context=64,
        tied=True,
    ),
    "opt projected": {
        **config_from_flags("opt", depth=3, width=64, heads=4, mlp_width=256, vocab_size=300, context=64, tied=True),
        "word_embed_proj_dim": 32,
        "do_layer_norm_before": False,
    },
    "bloom": config_from_flags("bloom", depth=3, width=64, heads=4, vocab_size=300, tied=True),
}


def built(config: dict[str, Any], device: str = "meta") -> torch.nn.Module:
    """The model of a config."""
    with quiet_libraries(), torch.device(device):
        return AutoModelForCausalLM.from_config(
            transformers_config(config, "test").full, attn_implementation="eager"
        ).eval()


@pytest.mark.parametrize("name", CASES)
def test_parameters_at_any_depth_are_exact(name: str) -> None:
    config = CASES[name]
    shape = shape_from_config(config)
    template = Template(config, shape)
    counts = count_blocks(template)
    assert counts.parameters(shape.depth) == shape.parameters
    deeper = template.with_numbers(depth=9)
    assert counts.parameters(9).total == sum(p.numel() for p in built(deeper).parameters())


@pytest.mark.parametrize("name", CASES)
def test_forward_flops_are_pytorchs_own_count(name: str) -> None:
    config, context = CASES[name], 48
    shape = shape_from_config(config)
    counts = count_blocks(Template(config, shape))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        built(config, "cpu")(torch.zeros(1, context, dtype=torch.long), use_cache=False)
    attention = shape.heads * shape.head_size  # type: ignore[operator]
    # eager attention computes all T x T scores; ours counts the causal half
    half = 4 * shape.depth * attention * (context - (context + 1) / 2)
    ours = context * (counts.forward_flops(shape.depth, attention, context) + half)
    assert counter.get_total_flops() == ours


def test_counts_are_linear_in_the_mlp_width() -> None:
    template = Template(LLAMA, shape_from_config(LLAMA))
    counts = count_blocks(template)
    wider = with_mlp_width(template, counts, 256 + 16)
    assert counts.stretched(wider, 3) == with_mlp_width(template, counts, 256 + 48)
    assert counts.stretched(wider, 3) == count_blocks(template, mlp_width=256 + 48)
    assert counts.budget("total", 5, 96, 64) - counts.budget("body", 5, 96, 64) == counts.embedding


def test_cost_of_qwen2_half_a_billion() -> None:
    """Against the published shape of Qwen2-0.5B: 494,032,768 parameters, 12 kB of cache a token."""
    config = config_from_flags(
        "qwen2", depth=24, width=896, heads=14, kv_heads=2, mlp_width=4864, vocab_size=151936, tied=True
    )
    shape = shape_from_config(config)
    assert shape.parameters is not None
    assert shape.parameters.total == 494_032_768
    found = cost(shape, count_blocks(Template(config, shape)), tokens=1e12, context=2048)
    assert found.weight_bytes == 2 * 494_032_768
    assert found.optimizer_bytes == 12 * 494_032_768
    assert found.kv_bytes_per_token == 2 * 24 * 2 * 64 * 2
    assert found.sequential_blocks == 24
    assert found.training_flops == pytest.approx(1e12 * 3 * found.forward_flops)
    # 6 N plus attention: the rule of thumb is within a tenth
    assert found.training_flops_per_token == pytest.approx(6 * 494_032_768, rel=0.1)

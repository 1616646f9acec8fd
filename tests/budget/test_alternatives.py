"""Shapes of one budget: exact, of the same architecture, and none where there is none."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from nil_audit.budget.alternatives import MLP_SLACK, build, multiple, propose
from nil_audit.budget.counts import Match, count_blocks
from nil_audit.budget.template import Template, config_from_flags
from nil_audit.errors import UsageError
from nil_audit.progress import quiet_libraries
from nil_audit.shape.architecture import Shape, shape_from_config
from nil_audit.shape.hf_config import transformers_config
from tests.shape.tiny import SMALL, tiny_config

# Grouped, multi-query and plain attention; separate head size; MLP derived from the width; names of their own.
TYPES = (
    "llama",
    "gpt2",
    "gpt_bigcode",
    "falcon",
    "gemma2",
    "qwen3",
    "opt",
    "bloom",
    "mpt",
    "phi3",
    "olmo2",
    "stablelm",
)
MIDDLE = SMALL | {
    "num_hidden_layers": 12,
    "hidden_size": 128,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 16,
    "intermediate_size": 352,
}


@pytest.fixture
def middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes ``tiny_config`` make models of 12 blocks and 128 channels."""
    for key, value in MIDDLE.items():
        monkeypatch.setitem(SMALL, key, value)


def template_of(config: dict[str, Any]) -> Template:
    return Template(config, shape_from_config(config))


def exact(config: dict[str, Any]) -> int:
    """Parameters of the model that transformers builds from a config."""
    with quiet_libraries(), torch.device("meta"):
        model = AutoModelForCausalLM.from_config(transformers_config(config, "test").full)
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.usefixtures("middle")
@pytest.mark.parametrize("model_type", TYPES)
def test_alternatives_of_every_kind_of_architecture(model_type: str) -> None:
    changes = {"word_embed_proj_dim": 128, "ffn_dim": 352} if model_type == "opt" else {}
    template = template_of(tiny_config(model_type, **changes))
    shape = template.shape
    proposals = propose(template, count_blocks(template))
    assert proposals
    assert shape.parameters is not None
    wanted = shape.parameters.body
    for proposal in proposals:
        found = build(template, proposal, whole=False)
        assert found is not None
        other, config = found
        assert other.parameters is not None
        assert exact(config) == other.parameters.total
        assert shape_from_config(config).parameters == other.parameters
        assert abs(other.parameters.body / wanted - 1) <= 0.02
        assert proposal.deviation == pytest.approx(other.parameters.body / wanted - 1)
        assert (other.head_size, other.vocab_size, other.tied) == (shape.head_size, shape.vocab_size, shape.tied)
        assert other.depth >= 3
        assert other.width % multiple(other.width) == 0
        assert other.heads % other.kv_heads == 0  # type: ignore[operator]
        assert (other.depth, other.width) != (shape.depth, shape.width)


@pytest.mark.parametrize("match", ["body", "total", "flops"])
def test_holds_equal_what_is_asked_for(match: Match) -> None:
    config = config_from_flags("llama", depth=12, width=768, heads=12, mlp_width=2048, vocab_size=32000)
    template = template_of(config)
    counts = count_blocks(template)
    wanted = counts.budget(match, 12, 768, 1024)
    proposals = propose(template, counts, match=match, tolerance=0.01, context=1024)
    assert len(proposals) > 4
    bodies = []
    for proposal in proposals:
        found = build(template, proposal, whole=True)
        assert found is not None
        other, config = found
        rebuilt = count_blocks(template_of(config))
        reached = rebuilt.budget(match, other.depth, other.heads * other.head_size, 1024)  # type: ignore[operator]
        assert abs(reached / wanted - 1) <= 0.01
        assert proposal.deviation == pytest.approx(reached / wanted - 1, abs=1e-12)
        ratio = other.mlp_width / other.width / (2048 / 768)  # type: ignore[operator]
        assert abs(ratio - 1) <= MLP_SLACK
        assert other.kv_heads == other.heads
        bodies.append(other.parameters.body)  # type: ignore[union-attr]
    # the embedding grows with the width: equal totals are not equal bodies
    if match == "total":
        assert max(bodies) > 1.1 * min(bodies)


def test_key_value_groups_stay_where_they_can() -> None:
    config = config_from_flags(
        "llama", depth=16, width=2048, heads=32, kv_heads=8, mlp_width=8192, vocab_size=1000, tied=True
    )
    template = template_of(config)
    proposals = propose(template, count_blocks(template))
    groups = [proposal.heads / proposal.kv_heads for proposal in proposals]
    assert groups.count(4.0) >= len(groups) / 2
    assert all(4 / 1.5 <= group <= 6.0 for group in groups)


def test_a_written_config_loads_as_transformers_saves_it(tmp_path: Any) -> None:
    config = config_from_flags(
        "qwen2", depth=8, width=256, heads=4, kv_heads=2, mlp_width=704, vocab_size=512, tied=True
    )
    template = template_of(config)
    found = build(template, propose(template, count_blocks(template))[0], whole=True)
    assert found is not None
    shape, made = found
    AutoConfig.for_model(**made).save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert (again.num_hidden_layers, again.hidden_size) == (shape.depth, shape.width)


def test_a_tiny_budget_has_no_alternative() -> None:
    config = config_from_flags("llama", depth=1, width=16, heads=2, mlp_width=32, vocab_size=100)
    template = template_of(config)
    assert propose(template, count_blocks(template)) == ()


def test_lists_with_one_entry_a_block_follow_the_depth() -> None:
    config = config_from_flags(
        "gemma2", depth=4, width=64, heads=4, kv_heads=2, head_size=32, mlp_width=160, vocab_size=300
    ) | {"layer_types": ["sliding_attention", "full_attention"] * 2}
    template = template_of(config)
    assert template.with_numbers(depth=3)["layer_types"] == ["sliding_attention", "full_attention", "sliding_attention"]
    assert template.with_numbers(depth=6)["layer_types"] == ["sliding_attention", "full_attention"] * 3
    assert template.with_numbers(depth=6, width=128)["hidden_size"] == 128
    assert config["layer_types"] == ["sliding_attention", "full_attention"] * 2


def test_flags_make_the_shape_that_they_say() -> None:
    for model_type, extra in (("llama", {"mlp_width": 384}), ("gpt2", {}), ("bloom", {}), ("opt", {"mlp_width": 512})):
        shape: Shape = shape_from_config(
            config_from_flags(model_type, depth=3, width=128, heads=8, vocab_size=512, tied=True, **extra)
        )
        assert (shape.depth, shape.width, shape.heads, shape.kv_heads) == (3, 128, 8, 8)
        assert (shape.vocab_size, shape.tied, shape.mlp_width) == (512, True, extra.get("mlp_width", 512))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_type": "lama"}, "no model type 'lama' .near: llama"),
        ({"heads": 7}, "7 heads do not divide the width of 128"),
        ({"kv_heads": 3}, "3 key-value heads do not divide 8 heads"),
        ({"depth": 0}, "--depth is 0"),
        ({"width": -128}, "--width is -128"),
        ({"mlp_width": None}, "needs --mlp"),
        ({"model_type": "bloom"}, "no setting for intermediate_size"),
        ({"model_type": "gemma3"}, "multimodal type"),
    ],
)
def test_wrong_flags_are_refused_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    values = {"model_type": "llama", "depth": 3, "width": 128, "heads": 8, "mlp_width": 384, "vocab_size": 512}
    with pytest.raises(UsageError, match=sentence):
        config_from_flags(**(values | changes))

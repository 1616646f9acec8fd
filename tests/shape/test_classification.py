"""Refusals that depend on values, on structure that no table knows, and on the words of unknown types."""

from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from nil_audit.errors import UnsupportedArchitectureError
from nil_audit.shape.architecture import shape_from_config
from nil_audit.shape.classification import Kind, find_in_modules
from nil_audit.shape.hf_config import TransformersConfig
from nil_audit.shape.meta_model import MetaModel
from tests.shape.tiny import kinds_in, tiny_config


def refusal(config: dict[str, Any]) -> str:
    with pytest.raises(UnsupportedArchitectureError) as error:
        shape_from_config(config, "org/model")
    sentence = str(error.value)
    assert sentence.startswith("org/model ")
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_refusal_is_one_sentence_with_reason_sign_and_advice() -> None:
    assert refusal(tiny_config("mixtral")) == (
        "org/model is a mixture of experts (num_local_experts = 8), so one depth and one width do not describe it;"
        " choose a dense decoder-only language model."
    )


def test_hybrid_that_is_also_a_mixture_names_both() -> None:
    assert kinds_in(refusal(tiny_config("qwen3_next", num_hidden_layers=4))) == {Kind.LINEAR_ATTENTION, Kind.MOE}


GRANITE = {"num_local_experts": 0, "shared_intermediate_size": 48, "mamba_n_heads": 8, "mamba_d_head": 8}
# One type, two architectures: the values decide.
BOTH_WAYS = [
    ("doge", {"is_moe": False}, {"is_moe": True, "num_experts": 16}, Kind.MOE),
    ("bert", {"is_decoder": True}, {}, Kind.ENCODER),
    ("roformer", {"is_decoder": True}, {}, Kind.ENCODER),
    ("gpt2", {}, {"add_cross_attention": True}, Kind.ENCODER_DECODER),
    ("xglm", {}, {"add_cross_attention": True}, Kind.ENCODER_DECODER),
    ("gemma3_text", {}, {"use_bidirectional_attention": True}, Kind.ENCODER),
    (
        "granitemoehybrid",
        GRANITE | {"layer_types": ["full_attention"] * 3},
        GRANITE | {"layer_types": ["linear_attention", "linear_attention", "full_attention"]},
        Kind.STATE_SPACE,
    ),
    (
        "gemma4_text",
        {"global_head_dim": 8},
        {"global_head_dim": 16},
        Kind.NON_UNIFORM,
    ),
]


@pytest.mark.parametrize(("model_type", "dense", "other", "kind"), BOTH_WAYS, ids=[row[0] for row in BOTH_WAYS])
def test_values_decide(model_type: str, dense: dict[str, Any], other: dict[str, Any], kind: Kind) -> None:
    shape = shape_from_config(tiny_config(model_type, **dense))
    assert (shape.depth, shape.width) == (3, 32)
    assert kinds_in(refusal(tiny_config(model_type, **other))) == {kind}


def test_decoder_half_saved_alone_still_attends_to_an_encoder() -> None:
    config = tiny_config("bart", is_encoder_decoder=False, is_decoder=True, d_model=32, decoder_attention_heads=4)
    assert kinds_in(refusal(config)) == {Kind.ENCODER_DECODER}


def test_experts_that_a_small_copy_would_never_reach() -> None:
    """DeepSeek's first three blocks are dense, so a copy of two blocks has no expert; its config still counts them."""
    assert kinds_in(refusal(tiny_config("deepseek_v3", num_hidden_layers=2))) == {Kind.MOE}


def test_blocks_of_different_shape_in_the_library_s_own_words() -> None:
    config = tiny_config("llama") | {"per_layer_config": {"1": {"intermediate_size": 96}}}
    sentence = refusal(config)
    assert kinds_in(sentence) == {Kind.NON_UNIFORM}
    assert "intermediate_size differs from layer to layer" in sentence


def test_list_of_different_values() -> None:
    sentence = refusal(tiny_config("gemma3n_text") | {"intermediate_size": [32, 48, 48]})
    assert kinds_in(sentence) == {Kind.NON_UNIFORM}
    assert "intermediate_size runs from 32 to 48" in sentence


def test_altup_streams_are_said() -> None:
    assert any("4 residual streams" in note for note in shape_from_config(tiny_config("gemma3n_text")).notes)


BASE: dict[str, Any] = {
    "model_type": "unheard_of",
    "architectures": ["UnheardOfForCausalLM"],
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "vocab_size": 96,
}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"num_experts": 8}, Kind.MOE),
        ({"n_routed_experts": 64, "num_experts_per_tok": 6}, Kind.MOE),
        ({"ffn_config": {"moe_num_experts": 16}}, Kind.MOE),
        ({"model_type": "new_moe"}, Kind.MOE),
        ({"ssm_cfg": {"layer": "Mamba2"}}, Kind.STATE_SPACE),
        ({"model_type": "hymba"}, Kind.STATE_SPACE),
        ({"layer_types": ["linear_attention", "full_attention"] * 2}, Kind.LINEAR_ATTENTION),
        ({"linear_num_key_heads": 16}, Kind.LINEAR_ATTENTION),
        ({"model_type": "gated_deltanet"}, Kind.LINEAR_ATTENTION),
        ({"layer_types": ["conv", "full_attention"] * 2}, Kind.CONVOLUTION),
        ({"model_type": "rwkv7", "architectures": ["RWKV7ForCausalLM"]}, Kind.RECURRENT),
        ({"total_ut_steps": 4}, Kind.RECURRENT),
        ({"mean_recurrence": 32}, Kind.RECURRENT),
        ({"is_encoder_decoder": True}, Kind.ENCODER_DECODER),
        ({"encoder_layers": 6, "decoder_layers": 6}, Kind.ENCODER_DECODER),
        ({"model_type": "new_bert", "architectures": ["NewBertModel"]}, Kind.ENCODER),
        ({"num_query_heads": [12, 12, 16, 16]}, Kind.NON_UNIFORM),
        ({"ffn_multipliers": [0.5, 1.0, 2.0, 4.0]}, Kind.NON_UNIFORM),
        ({"block_configs": [{"ffn": {"no_op": True}}, {"ffn": {"no_op": False}}]}, Kind.NON_UNIFORM),
        ({"num_key_value_heads_per_layer": [4, 2, 1, 1]}, Kind.NON_UNIFORM),
    ],
    ids=str,
)
def test_signs_in_the_config_of_an_unknown_type(changes: dict[str, Any], kind: Kind) -> None:
    assert kinds_in(refusal(BASE | changes)) == {kind}


@pytest.mark.parametrize(
    "changes",
    [
        {"num_experts": 0, "num_experts_per_tok": None},
        {"num_local_experts": 1},
        {"use_moe": False, "moe_layers": []},
        {"layer_types": ["full_attention", "sliding_attention"] * 2},
        {"num_loops": 1},
        {"ffn_multipliers": [4.0, 4.0, 4.0, 4.0]},
        {"model_type": "new_bert_decoder"},
    ],
    ids=str,
)
def test_signs_that_say_nothing(changes: dict[str, Any]) -> None:
    shape = shape_from_config(BASE | changes)
    assert (shape.depth, shape.width) == (4, 64)


def test_unknown_type_must_name_a_class_that_predicts_tokens() -> None:
    assert "names no class that predicts the next token" in refusal(BASE | {"architectures": ["UnheardOfModel"]})


@pytest.mark.parametrize("model_type", ["vit", "clip", "wav2vec2"])
def test_types_that_are_no_language_model(model_type: str) -> None:
    assert "no language model that predicts the next token" in refusal(BASE | {"model_type": model_type})


class FutureConfig(LlamaConfig):
    """A configuration of a model type that no table here knows."""

    model_type = "future_type"


def future(block: torch.nn.Module, layers: int = 2) -> MetaModel:
    """A model of a future release whose blocks are copies of this one."""
    model = torch.nn.Module()
    model.embed = torch.nn.Embedding(16, 8)
    model.layers = torch.nn.ModuleList([block] * layers)
    return MetaModel(model=model, decoder=model, depth=2, text_only=True)


def block_of(**parts: torch.nn.Module) -> torch.nn.Module:
    block = torch.nn.Module()
    for name, part in parts.items():
        block.add_module(name, part)
    return block


def part(class_name: str, **attributes: Any) -> torch.nn.Module:
    """A module whose class has this name, with these attributes."""
    module = type(class_name, (torch.nn.Module,), {})()
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


ATTENTION = part("FutureAttention", is_causal=True)
FUTURE = [
    ("dense", block_of(attention=ATTENTION, mlp=torch.nn.Linear(8, 8)), set()),
    ("experts by class", block_of(attention=ATTENTION, mlp=part("FutureSparseMoeBlock")), {Kind.MOE}),
    ("experts by path", block_of(attention=ATTENTION, experts=torch.nn.Linear(8, 8)), {Kind.MOE}),
    (
        "experts by shape",
        block_of(attention=ATTENTION, mlp=part("Bank", up=torch.nn.Parameter(torch.zeros(4, 8, 8)))),
        {Kind.MOE},
    ),
    ("state space by class", block_of(mixer=part("FutureMamba3Mixer")), {Kind.STATE_SPACE}),
    (
        "state space by tensor",
        block_of(attention=ATTENTION, mixer=part("FutureMixer", A_log=torch.nn.Parameter(torch.zeros(4)))),
        {Kind.STATE_SPACE},
    ),
    ("linear attention", block_of(mixer=part("FutureGatedDeltaNet")), {Kind.LINEAR_ATTENTION}),
    ("convolution", block_of(attention=ATTENTION, mix=torch.nn.Conv1d(8, 8, 3)), {Kind.CONVOLUTION}),
    ("recurrent", block_of(mixer=part("FutureRWKVTimeMix")), {Kind.RECURRENT}),
    ("no attention at all", block_of(mixer=part("FutureMixer")), {Kind.OTHER}),
    ("sees both sides", block_of(attention=part("FutureAttention", is_causal=False)), {Kind.ENCODER}),
    (
        "attends to an encoder",
        block_of(attention=ATTENTION, encoder_attn=part("FutureAttention", is_causal=True)),
        {Kind.ENCODER_DECODER},
    ),
]


@pytest.mark.parametrize(("block", "kinds"), [row[1:] for row in FUTURE], ids=[row[0] for row in FUTURE])
def test_structure_alone_judges_a_type_that_no_table_knows(block: torch.nn.Module, kinds: set[Kind]) -> None:
    config = FutureConfig(num_hidden_layers=2)
    found = find_in_modules(future(block), TransformersConfig(full=config, text=config, path=()))
    assert {finding.kind for finding in found} == kinds


def test_blocks_that_are_run_more_than_once() -> None:
    config = FutureConfig(num_hidden_layers=6)
    found = find_in_modules(
        future(block_of(attention=ATTENTION)), TransformersConfig(full=config, text=config, path=())
    )
    assert [finding.kind for finding in found] == [Kind.RECURRENT]
    assert found[0].sign == "its config counts 6 blocks where the model holds 2"

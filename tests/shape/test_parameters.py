"""Exact counts: published ones, closed forms, and how they divide into embedding and body."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.shape.architecture import shape_from_config
from nil_audit.shape.parameters import Parameters
from tests.shape.tiny import tiny_config

# Published counts of real checkpoints, from the numbers in their configs.
PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {
    "Qwen/Qwen2.5-0.5B": (
        {
            "model_type": "qwen2",
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_attention_heads": 14,
            "num_hidden_layers": 24,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
            "vocab_size": 151936,
        },
        494_032_768,
    ),
    "HuggingFaceTB/SmolLM-135M": (
        {
            "model_type": "llama",
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_attention_heads": 9,
            "num_hidden_layers": 30,
            "num_key_value_heads": 3,
            "tie_word_embeddings": True,
            "vocab_size": 49152,
        },
        134_515_008,
    ),
    "meta-llama/Llama-3.2-1B": (
        {
            "model_type": "llama",
            "head_dim": 64,
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_attention_heads": 32,
            "num_hidden_layers": 16,
            "num_key_value_heads": 8,
            "tie_word_embeddings": True,
            "vocab_size": 128256,
        },
        1_235_814_400,
    ),
    "google/gemma-2-9b": (
        {
            "model_type": "gemma2",
            "head_dim": 256,
            "hidden_size": 3584,
            "intermediate_size": 14336,
            "num_attention_heads": 16,
            "num_hidden_layers": 42,
            "num_key_value_heads": 8,
            "vocab_size": 256000,
        },
        9_241_705_984,
    ),
    "openai-community/gpt2": (
        {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257},
        124_439_808,
    ),
    "microsoft/phi-2": (
        {
            "model_type": "phi",
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "num_attention_heads": 32,
            "num_hidden_layers": 32,
            "vocab_size": 51200,
            "tie_word_embeddings": False,
        },
        2_779_683_840,
    ),
    "facebook/opt-350m": (
        {
            "model_type": "opt",
            "hidden_size": 1024,
            "ffn_dim": 4096,
            "num_attention_heads": 16,
            "num_hidden_layers": 24,
            "do_layer_norm_before": False,
            "max_position_embeddings": 2048,
            "vocab_size": 50272,
            "word_embed_proj_dim": 512,
        },
        331_196_416,
    ),
    "EleutherAI/pythia-160m": (
        {
            "model_type": "gpt_neox",
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_attention_heads": 12,
            "num_hidden_layers": 12,
            "vocab_size": 50304,
            "tie_word_embeddings": False,
        },
        162_322_944,
    ),
    "bigscience/bloom-560m": (
        {"model_type": "bloom", "hidden_size": 1024, "n_layer": 24, "n_head": 16, "vocab_size": 250880},
        559_214_592,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    config, total = PUBLISHED[name]
    counted = shape_from_config(config, name).parameters
    assert counted is not None
    assert counted.total == total


def test_learned_positions_and_one_tied_matrix_are_the_embedding_of_gpt2() -> None:
    counted = shape_from_config(PUBLISHED["openai-community/gpt2"][0]).parameters
    assert counted == Parameters(total=124_439_808, embedding=(50257 + 1024) * 768, body=85_056_000)


def test_untied_output_matrix_and_its_bias_are_embedding() -> None:
    counted = shape_from_config(PUBLISHED["microsoft/phi-2"][0]).parameters
    assert counted is not None
    assert counted.embedding == 2 * 51200 * 2560 + 51200


def test_projections_of_a_narrower_embedding_are_body() -> None:
    counted = shape_from_config(PUBLISHED["facebook/opt-350m"][0]).parameters
    assert counted is not None
    assert counted.embedding == 50272 * 512 + 2050 * 1024
    block = 4 * (1024 * 1024 + 1024) + 2 * 1024 * 4096 + 4096 + 1024 + 2 * 2 * 1024
    assert counted.body == 24 * block + 2 * 512 * 1024


@settings(max_examples=12, deadline=None)
@given(
    depth=st.integers(1, 6),
    heads=st.sampled_from([1, 2, 4]),
    groups=st.sampled_from([1, 2, 4]),
    head_size=st.sampled_from([4, 8]),
    mlp=st.integers(8, 64),
    vocabulary=st.integers(8, 128),
    tied=st.booleans(),
)
def test_closed_form_of_llama(
    depth: int, heads: int, groups: int, head_size: int, mlp: int, vocabulary: int, tied: bool
) -> None:
    width, kv_heads = heads * groups * head_size, heads
    config = {
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": mlp,
        "num_hidden_layers": depth,
        "num_attention_heads": heads * groups,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
        "tie_word_embeddings": tied,
        "pad_token_id": None,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    block = 2 * width * width + 2 * width * kv_heads * head_size + 3 * width * mlp + 2 * width
    embedding = vocabulary * width * (1 if tied else 2)
    body = depth * block + width
    assert shape_from_config(config).parameters == Parameters(total=embedding + body, embedding=embedding, body=body)


def test_unknown_type_cannot_be_counted() -> None:
    config = {"model_type": "unheard_of", "architectures": ["UnheardOfForCausalLM"]}
    assert shape_from_config(config | {"hidden_size": 8, "num_hidden_layers": 2, "vocab_size": 9}).parameters is None


def test_only_the_text_tower_is_counted() -> None:
    text = tiny_config("llama", tie_word_embeddings=False)
    tower = shape_from_config({"model_type": "llava", "text_config": text, "tie_word_embeddings": False})
    alone = shape_from_config(text)
    assert tower.parameters == alone.parameters
    assert tower.text_tower_of == "llava"


def test_per_layer_embedding_tables_are_embedding() -> None:
    raw = tiny_config("gemma3n_text")
    counted = shape_from_config(raw).parameters
    assert counted is not None
    per_layer = raw["vocab_size_per_layer_input"] * raw["num_hidden_layers"] * raw["hidden_size_per_layer_input"]
    assert counted.embedding == raw["vocab_size"] * raw["hidden_size"] + per_layer


def test_seven_billion_parameters_take_less_than_two_seconds() -> None:
    """Once torch and the family's modules are imported; no weight is ever made."""
    config = {
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "vocab_size": 32000,
        "tie_word_embeddings": False,
    }
    shape_from_config(tiny_config("llama"))
    start = time.process_time()
    shape = shape_from_config(config)
    assert time.process_time() - start < 2
    assert shape.parameters is not None
    assert shape.parameters.total == 6_738_415_616

"""Tiny configurations of any model type that transformers knows, made from its own configuration class."""

import json
from dataclasses import fields
from typing import Any

from nil_audit.shape.classification import SENTENCES, Kind

SMALL = {
    "num_hidden_layers": 3,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 48,
    "vocab_size": 96,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
MLA = {
    "num_key_value_heads": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
}
# What a class needs beyond that: numbers that its default leaves open, or that must fit the small ones.
EXTRA: dict[str, dict[str, Any]] = {
    "codegen": {"rotary_dim": 4},
    "cohere_compass_text": {
        "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 10000.0}},
    },
    "ctrl": {"dff": 48},
    "gemma3n_text": {"num_kv_shared_layers": 0, "hidden_size_per_layer_input": 4, "vocab_size_per_layer_input": 96},
    "gpt_neo": {"attention_types": [[["global", "local", "global"], 1]]},
    "gptj": {"rotary_dim": 4},
    "minicpm3": MLA,
    "moshi": {"ffn_dim": 48},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "xglm": {"ffn_dim": 48},
    "youtu": MLA,
}


def tiny_config(model_type: str, **changes: Any) -> dict[str, Any]:
    """A small raw config (as config.json would hold it) of this type, with every essential number said.

    Of a multimodal type only the text section is small; its other towers keep their defaults.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    cls = CONFIG_MAPPING[model_type]
    if "text_config" in cls.sub_configs:
        text = type(cls().text_config)
        section = {"model_type": text.model_type, **numbers(text), **EXTRA.get(text.model_type, {})}
        changes = {"text_config": section, **changes}
    config = cls(**numbers(cls) | EXTRA.get(model_type, {}) | changes)
    return {**json.loads(config.to_json_string(use_diff=False)), "model_type": model_type}


def numbers(cls: Any) -> dict[str, Any]:
    """SMALL under the class's own names, for those numbers that the class has."""
    own = {field.name for field in fields(cls)}
    renamed = {cls.attribute_map.get(key, key): value for key, value in SMALL.items()}
    return {key: value for key, value in renamed.items() if key in own}


def default_config(model_type: str) -> dict[str, Any]:
    """The config of a type's class with its default numbers, or only its name where the defaults contradict."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    try:
        config = CONFIG_MAPPING[model_type]()
    except Exception:
        return {"model_type": model_type}
    return {**json.loads(config.to_json_string(use_diff=False)), "model_type": model_type}


def kinds_in(sentence: str) -> set[Kind]:
    """The kinds of architecture that the sentence of a refusal names."""
    return {kind for kind, words in SENTENCES.items() if words in sentence}

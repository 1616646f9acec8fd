"""Tiny configurations of any model type that transformers knows, made from its own configuration class."""

from dataclasses import fields
from typing import Any

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
# What a class needs beyond that, because a default is missing, too large, or tied to another number.
EXTRA: dict[str, dict[str, Any]] = {
    "bitnet": {},
}


def tiny_config(model_type: str, **changes: Any) -> dict[str, Any]:
    """A small raw config (as config.json would hold it) of this type, with every essential number said."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    cls = CONFIG_MAPPING[model_type]
    return {**as_json(cls(**numbers(cls) | EXTRA.get(model_type, {}) | changes)), "model_type": model_type}


def numbers(cls: Any) -> dict[str, Any]:
    """SMALL under the class's own names, for those numbers that the class has."""
    own = {field.name for field in fields(cls)}
    renamed = {cls.attribute_map.get(key, key): value for key, value in SMALL.items()}
    return {key: value for key, value in renamed.items() if key in own}


def as_json(config: Any) -> dict[str, Any]:
    import json

    return json.loads(config.to_json_string(use_diff=False))

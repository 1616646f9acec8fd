"""What a config.json itself declares, before any library fills in defaults.

transformers gives every missing number its class's default, so a config without a depth would silently become
the depth of the family's first model. The checks here run on the file's own words.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nil_audit.errors import ConfigError, UnsupportedArchitectureError

# What each number is, and the largest value that is taken seriously; beyond it the config is a mistake, not a model.
NUMBERS = {
    "num_hidden_layers": ("depth", 10_000),
    "hidden_size": ("width", 1_000_000),
    "num_attention_heads": ("the number of heads", 100_000),
    "num_key_value_heads": ("the number of key-value heads", 100_000),
    "head_dim": ("the head size", 1_000_000),
    "intermediate_size": ("the MLP width", 100_000_000),
    "vocab_size": ("the vocabulary", 100_000_000),
}
# Names that configs give to each number. Where transformers knows the model type, its attribute_map decides which
# of them counts; for the types that it does not know, this table is all there is.
ALIASES = {
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_transformer_layers"),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "model_dim", "n_embed"),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads", "num_query_heads"),
    "num_key_value_heads": ("num_key_value_heads", "n_head_kv", "num_kv_heads", "n_kv_heads", "multi_query_group_num"),
    "head_dim": ("head_dim", "kv_channels", "head_size"),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_hidden_size", "ffn_dim", "d_ff"),
    "vocab_size": ("vocab_size", "padded_vocab_size", "n_vocab"),
    "max_position_embeddings": (
        "max_position_embeddings",
        "n_positions",
        "max_seq_len",
        "max_sequence_length",
        "max_context_length",
        "seq_length",
        "n_ctx",
    ),
}
TEXT_KEYS = ("text_config", "llm_config", "language_config", "thinker_config", "decoder", "generator")
PRINCIPAL = ("num_hidden_layers", "hidden_size")
ESSENTIAL = ("num_hidden_layers", "hidden_size", "vocab_size")


def check_declared(config: Mapping[str, Any], name: str, quantities: Iterable[str] = tuple(NUMBERS)) -> None:
    """Check the numbers of an architecture that a config declares, also inside its text section.

    Raises:
        ConfigError: A number is zero, negative, absurd or not a whole number; the sentence names key and value.
        UnsupportedArchitectureError: A number is a list of different values: layers of different width.
    """
    for prefix, section in sections(config):
        for quantity in quantities:
            for key in ALIASES[quantity]:
                if section.get(key) is not None:
                    _check(name, prefix + key, section[key], quantity)


def check_said(config: Mapping[str, Any], name: str) -> None:
    """Check that depth and width are not null anywhere.

    Raises:
        ConfigError: A key is there and null.
    """
    for prefix, section in sections(config):
        for quantity in PRINCIPAL:
            for key in ALIASES[quantity]:
                if key in section and section[key] is None:
                    raise missing(name, quantity, (prefix + key,), "null")


def sections(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The config and the text sections nested in it, each with the prefix of its keys ("text_config.")."""
    yield prefix, config
    for key in TEXT_KEYS:
        if isinstance(config.get(key), Mapping):
            yield from sections(config[key], f"{prefix}{key}.")


def _check(name: str, key: str, value: Any, quantity: str) -> None:
    meaning, limit = NUMBERS[quantity]
    if isinstance(value, list):
        if not value or quantity in ESSENTIAL:
            raise ConfigError(
                f"The config of {name} has a list for {key}, but {meaning} is one whole number; correct {key}."
            )
        for item in value:
            _check(name, key, item, quantity)
        if len(set(value)) > 1:
            raise UnsupportedArchitectureError(
                f"{name} has layers of different width ({key} runs from {min(value)} to {max(value)}),"
                " so one depth and one width do not describe it; choose a model whose blocks are all alike."
            )
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(
            f"The config of {name} has {key} = {value!r}, but {meaning} must be a whole number; correct {key}."
        )
    if not 1 <= value <= limit:
        raise ConfigError(
            f"The config of {name} has {key} = {value}, but {meaning} must lie between 1 and {limit:,}; correct {key}."
        )


def declared(config: Mapping[str, Any], names: tuple[str, ...], name: str) -> int | None:
    """The value that a config declares under any of several names of one number; None where it declares none.

    Raises:
        ConfigError: Two of the names are there with different values.
    """
    values = {key: scalar(config[key]) for key in names if key in config}
    found = {key: value for key, value in values.items() if isinstance(value, int) and not isinstance(value, bool)}
    if len(set(found.values())) > 1:
        pairs = " and ".join(f"{key} = {value}" for key, value in found.items())
        raise ConfigError(f"The config of {name} contradicts itself: {pairs}; leave one of them.")
    return next(iter(found.values()), None)


def scalar(value: Any) -> Any:
    """The one value of a list of equal values (as in ``intermediate_size`` of Gemma 3n), or the value itself."""
    return value[0] if isinstance(value, list | tuple) and value else value


def missing(name: str, quantity: str, keys: tuple[str, ...], fault: str = "missing") -> ConfigError:
    """The error for a config that does not say a number that nothing else gives."""
    return ConfigError(
        f"The config of {name} does not say its {NUMBERS[quantity][0]} ({' or '.join(keys)} is {fault});"
        " add it, or name the model's own config.json."
    )

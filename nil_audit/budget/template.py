"""The config of a model with other numbers: from flags, or from another config of the same architecture.

Edits the raw config by the names that transformers reads for its type, so that everything else in it (position
encoding, norms, activation, token ids) stays as it was.
"""

import copy
import difflib
from collections.abc import Mapping
from typing import Any

from nil_audit.errors import UsageError
from nil_audit.progress import quiet_libraries
from nil_audit.shape.architecture import Shape
from nil_audit.shape.declared import ALIASES
from nil_audit.shape.hf_config import TransformersConfig, knows, transformers_config

# Numbers that follow the depth or the width where a config sets them equal to it.
_FOLLOW_DEPTH = ("max_window_layers",)
_FOLLOW_WIDTH = ("word_embed_proj_dim", "embedding_size")


def config_from_flags(
    model_type: str,
    *,
    depth: int,
    width: int,
    heads: int,
    vocab_size: int,
    kv_heads: int | None = None,
    head_size: int | None = None,
    mlp_width: int | None = None,
    context: int | None = None,
    tied: bool = False,
) -> dict[str, Any]:
    """A raw config of a model type from its shape; everything else has the type's defaults.

    Args:
        model_type: transformers' model type ("llama").
        depth: Decoder blocks.
        width: Channels of the residual stream.
        heads: Query heads a block.
        vocab_size: Rows of the embedding.
        kv_heads: Key and value heads; as many as query heads by default.
        head_size: Channels a head; width / heads by default.
        mlp_width: Hidden width of the feed-forward part; needed where the type's default is a fixed number.
        context: Longest sequence, in tokens; the type's default otherwise.
        tied: Whether input and output embedding are one matrix.

    Raises:
        UsageError: Unknown type, a number below 1, heads that do not divide, a number that the type does not take.
    """
    if not knows(model_type):
        raise UsageError(f"transformers knows no model type {model_type!r}{_near(model_type)}; check --type.")
    kv_heads = kv_heads or heads
    numbers = {
        "depth": depth,
        "width": width,
        "heads": heads,
        "kv-heads": kv_heads,
        "head-size": head_size,
        "mlp": mlp_width,
        "vocab": vocab_size,
        "context": context,
    }
    for flag, value in numbers.items():
        if value is not None and value < 1:
            raise UsageError(f"--{flag} is {value}, but it must be at least 1; correct it.")
    if head_size is None and width % heads:
        raise UsageError(
            f"{heads} heads do not divide the width of {width}; choose --heads that do"
            f" ({_divisors_near(width, heads)}), or give --head-size."
        )
    if heads % kv_heads:
        raise UsageError(
            f"{kv_heads} key-value heads do not divide {heads} heads; choose --kv-heads that do"
            f" ({_divisors_near(heads, kv_heads)})."
        )
    text = _defaults(model_type)
    section: dict[str, Any] = {"model_type": model_type, "tie_word_embeddings": tied}
    wanted = {
        "num_hidden_layers": depth,
        "hidden_size": width,
        "num_attention_heads": heads,
        "vocab_size": vocab_size,
        "num_key_value_heads": kv_heads,
        "head_dim": head_size or width // heads,
        "intermediate_size": mlp_width,
        "max_position_embeddings": context,
    }
    for quantity, value in wanted.items():
        key = _key(text, section, quantity)
        default = None if key is None else getattr(text, key, None)
        if quantity == "intermediate_size" and value is None and isinstance(default, int):
            raise UsageError(f"The type {model_type} needs --mlp, the hidden width of its feed-forward part; give it.")
        # a number that the type has no name for is fine where it follows from the others
        implied = {"num_key_value_heads": heads, "head_dim": width // heads if width % heads == 0 else None}
        if key is None and value is not None and value != implied.get(quantity):
            raise UsageError(f"The type {model_type} has no setting for {quantity}; leave that flag out.")
        if key is not None and value is not None and not (quantity == "head_dim" and head_size is None and not default):
            section[key] = value
    return section


class Template:
    """A config from which configs with other numbers are made."""

    def __init__(self, config: Mapping[str, Any], shape: Shape) -> None:
        """Let transformers read a raw config once.

        Args:
            config: The raw config.
            shape: Its shape.
        """
        self.config, self.shape = config, shape
        self._read = transformers_config(config, shape.name)

    def takes(self, quantity: str) -> bool:
        """Whether configs of this type have a setting for a number ("intermediate_size"), under any of its names."""
        return _key(self._read.text, _section(copy.deepcopy(dict(self.config)), self._read), quantity) is not None

    def with_numbers(
        self,
        *,
        depth: int,
        width: int | None = None,
        heads: int | None = None,
        kv_heads: int | None = None,
        mlp_width: int | None = None,
    ) -> dict[str, Any]:
        """A copy of the raw config with other numbers; what is not given stays.

        Args:
            depth: Decoder blocks; lists with one entry a block are cut, or repeated in their own order.
            width: Channels of the residual stream.
            heads: Query heads a block.
            kv_heads: Key and value heads a block.
            mlp_width: Hidden width of the feed-forward part; ignored where the type derives it from the width.
        """
        edited = copy.deepcopy(dict(self.config))
        section, old = _section(edited, self._read), self.shape
        for key, value in section.items():
            if isinstance(value, list) and len(value) == old.depth and key != "architectures":
                section[key] = [value[index % old.depth] for index in range(depth)]
        for keys, before, after in ((_FOLLOW_DEPTH, old.depth, depth), (_FOLLOW_WIDTH, old.width, width or old.width)):
            for key in keys:
                if section.get(key) == before:
                    section[key] = after
        wanted = {
            "num_hidden_layers": depth,
            "hidden_size": width,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "intermediate_size": mlp_width,
        }
        for quantity, value in wanted.items():
            if value is not None:
                _put(section, self._read.text, quantity, value, depth)
        return edited


def _section(config: dict[str, Any], read: TransformersConfig) -> dict[str, Any]:
    """The language model's part of a raw config, made where it is missing."""
    section = config
    for key in read.path:
        if not isinstance(section.get(key), dict):
            section[key] = {}
        section = section[key]
    return section


def _put(section: dict[str, Any], text: Any, quantity: str, value: int, depth: int) -> None:
    if quantity == "num_key_value_heads" and getattr(text, "multi_query", False) and value == 1:
        return  # Falcon 7B and GPT-BigCode say one key-value head by a flag
    key = _key(text, section, quantity)
    if key is None:
        return
    target = _canonical(text, key)
    for other in [name for name in section if name != key and _canonical(text, name) == target]:
        del section[other]
    section[key] = [value] * depth if isinstance(section.get(key), list) else value


def _key(text: Any, section: Mapping[str, Any], quantity: str) -> str | None:
    """The key under which a config of this type holds a number: the one that it uses, or the type's own."""
    names = (quantity, *ALIASES[quantity])
    known = [name for name in names if _canonical(text, name) in _fields(text)]
    return next((name for name in known if name in section), known[0] if known else None)


def _canonical(text: Any, name: str) -> str:
    return str(text.attribute_map.get(name, name))


def _fields(text: Any) -> set[str]:
    """Names of the settings of a config class (not what it computes from them)."""
    return set(vars(text))


def _defaults(model_type: str) -> Any:
    """The text part of a config of this type with every setting at its default."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    with quiet_libraries():
        config = CONFIG_MAPPING[model_type]()
        if (text := config.get_text_config(decoder=True)) is not config:
            raise UsageError(
                f"{model_type} is a multimodal type; give the type of its language model ({text.model_type}), or a"
                " config file."
            )
    return config


def _near(model_type: str) -> str:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    close = difflib.get_close_matches(model_type, list(CONFIG_MAPPING.keys()), n=3)
    return f" (near: {', '.join(close)})" if close else ""


def _divisors_near(number: int, wanted: int) -> str:
    divisors = [value for value in range(1, number + 1) if number % value == 0]
    return " or ".join(str(value) for value in sorted(sorted(divisors, key=lambda value: abs(value - wanted))[:3]))

"""transformers' own reading of a config: the normalised config and its language model's part.

Imports transformers only inside functions.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nil_audit.errors import ConfigError, first_line
from nil_audit.progress import quiet_libraries
from nil_audit.shape.declared import TEXT_KEYS


def knows(model_type: Any) -> bool:
    """Whether the installed transformers has a configuration class for this model type."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return isinstance(model_type, str) and model_type in CONFIG_MAPPING


@dataclass(frozen=True, kw_only=True)
class TransformersConfig:
    """A config as transformers reads it.

    Attributes:
        full: The whole configuration object.
        text: Its language model's part; ``full`` itself where there is only that.
        path: Attribute names that lead from ``full`` to ``text``; empty where they are one.
    """

    full: Any
    text: Any
    path: tuple[str, ...]

    @cached_property
    def multimodal(self) -> bool:
        """Whether the checkpoint holds more than a language model."""
        return bool(self.path) or any(
            word in key for key in self.full.sub_configs for word in ("vision", "audio", "image", "vq")
        )


def transformers_config(config: Mapping[str, Any], name: str) -> TransformersConfig:
    """Let transformers read a config of a model type that it knows.

    Raises:
        ConfigError: transformers refuses the config; the sentence carries its reason.
    """
    from transformers import AutoConfig

    # through a file, because that is the path on which AutoConfig repairs what old configs got wrong
    with quiet_libraries(), tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(dict(config)), encoding="utf-8")
        try:
            full = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            drop_foreign_sections(full)
            text = full.get_text_config(decoder=True)
        except Exception as error:  # whatever a config class raises on values that it cannot use
            raise ConfigError(
                f"transformers cannot read the config of {name} ({first_line(error)}); correct that value."
            ) from error
    if not hasattr(text, "model_type"):
        raise ConfigError(f"The text section of the config of {name} is not an object; correct or remove it.")
    return TransformersConfig(full=full, text=text, path=_path(full, text) or ())


def drop_foreign_sections(full: Any) -> None:
    """Take a text section out of a configuration whose class has none: its model is built from the rest."""
    for key in TEXT_KEYS:
        if key not in full.sub_configs and isinstance(getattr(full, key, None), dict):
            delattr(full, key)


def _path(config: Any, text: Any) -> tuple[str, ...] | None:
    if config is text:
        return ()
    for key in config.sub_configs:
        section = getattr(config, key, None)
        if hasattr(section, "sub_configs") and (rest := _path(section, text)) is not None:
            return (key, *rest)
    return None

"""transformers' own reading of a config: the normalised config, its text part, and an empty model on the meta device.

Imports torch and transformers only inside functions. Nothing here loads weights, and remote code runs only where
the caller trusts it.
"""

import contextlib
import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nil_audit.errors import ConfigError, UnsupportedArchitectureError


def knows(model_type: Any) -> bool:
    """Whether the installed transformers has a configuration class for this model type."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return isinstance(model_type, str) and model_type in CONFIG_MAPPING


@dataclass(frozen=True, kw_only=True)
class LibraryConfig:
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
            word in key for key in self.full.sub_configs for word in ("vision", "audio", "image")
        )


def library_config(config: Mapping[str, Any], name: str) -> LibraryConfig:
    """Let transformers read a config of a model type that it knows.

    Raises:
        ConfigError: transformers refuses the config; the sentence carries its reason.
    """
    from transformers import AutoConfig

    # through a file, because that is the path on which AutoConfig repairs what old configs got wrong
    with quiet(), tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(dict(config)), encoding="utf-8")
        try:
            full = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            text = full.get_text_config(decoder=True)
        except Exception as error:  # whatever a config class raises on values that it cannot use
            raise ConfigError(
                f"transformers cannot read the config of {name} ({reason(error)}); correct that value."
            ) from error
    return LibraryConfig(full=full, text=text, path=_path(full, text) or ())


def _path(config: Any, text: Any) -> tuple[str, ...] | None:
    if config is text:
        return ()
    for key in config.sub_configs:
        section = getattr(config, key, None)
        if hasattr(section, "sub_configs") and (rest := _path(section, text)) is not None:
            return (key, *rest)
    return None


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """A model without weights: its modules and their shapes on the meta device.

    Attributes:
        model: The whole model.
        decoder: The module that holds the language model's embedding and blocks.
        text_only: Whether ``model`` holds the language model and nothing else.
    """

    model: Any
    decoder: Any
    text_only: bool

    @cached_property
    def blocks(self) -> tuple[Any, ...]:
        """The decoder blocks in order: the outermost module list that holds most parameters."""
        from torch.nn import ModuleList

        found: list[Any] = []
        prefixes: list[str] = []
        for path, module in self.decoder.named_modules():
            if isinstance(module, ModuleList) and not any(path.startswith(prefix) for prefix in prefixes):
                found.append(module)
                prefixes.append(path + ".")
        return tuple(max(found, key=_size, default=()))


def _size(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def skeleton(config: LibraryConfig, name: str) -> Skeleton:
    """Build the model that a config describes on the meta device: no weights, no memory.

    Raises:
        UnsupportedArchitectureError: transformers has no class that makes this model generate text.
        ConfigError: The numbers do not fit each other; the sentence carries the library's reason.
    """
    import torch

    factory, part = _factory(config, name)
    with quiet(), torch.device("meta"):
        try:
            model = factory.from_config(part, trust_remote_code=False)
        except ImportError:
            # the vision tower needs a library that is not installed: the text tower alone does not
            factory, part = _text_factory(config, name)
            model = factory.from_config(part, trust_remote_code=False)
        except Exception as error:  # a model class raises whatever its first impossible shape raises
            raise ConfigError(
                f"transformers cannot build the model that the config of {name} describes ({reason(error)});"
                " correct that value."
            ) from error
    decoder = model.get_decoder()
    return Skeleton(model=model, decoder=decoder, text_only=part is config.text and not config.multimodal)


def _factory(config: LibraryConfig, name: str) -> tuple[Any, Any]:
    import transformers
    from transformers.models.auto import modeling_auto

    choices = (
        ("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "AutoModelForCausalLM"),
        ("MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES", "AutoModelForImageTextToText"),
        ("MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES", "AutoModelForMultimodalLM"),
    )
    for mapping, factory in choices:
        if config.full.model_type in getattr(modeling_auto, mapping, {}):
            return getattr(transformers, factory), config.full
    return _text_factory(config, name)


def _text_factory(config: LibraryConfig, name: str) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if config.text.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return AutoModelForCausalLM, config.text
    raise UnsupportedArchitectureError(
        f"{name} is of type {config.full.model_type}, for which transformers has no language model that predicts"
        " the next token; choose a decoder-only language model."
    )


def reason(error: BaseException) -> str:
    """The telling line of a library's error, without its final full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # huggingface_hub's strict dataclasses put the cause on the second line: "ValueError: ..."
    text = lines[1] if len(lines) > 1 and lines[0].endswith(":") else lines[0] if lines else type(error).__name__
    return text.rstrip(".")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' warnings about a config while it is only looked at."""
    import transformers

    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity(50)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers.logging.set_verbosity(level)

"""transformers' own reading of a config: the normalised config, its text part, and an empty model on the meta device.

Imports torch and transformers only inside functions. Nothing here loads weights, and remote code runs only where
the caller trusts it.
"""

import contextlib
import json
import re
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
    def paths(self) -> tuple[str, ...]:
        """Paths of the decoder's modules, without those that turn images or sound into tokens."""
        return tuple(path for path, _ in self.decoder.named_modules() if not _TOWER.search(path))

    @cached_property
    def blocks(self) -> tuple[Any, ...]:
        """The decoder blocks in order: the outermost module list that holds most parameters."""
        from torch.nn import ModuleList

        found: dict[str, Any] = {}
        for path in self.paths:
            module = self.decoder.get_submodule(path)
            if isinstance(module, ModuleList) and not any(path.startswith(f"{outer}.") for outer in found):
                found[path] = module
        return tuple(max(found.values(), key=_size, default=()))


# What phi4_multimodal, fuyu, git and their like call the parts that are not the language model.
_TOWER = re.compile(r"vision|visual|image|img|audio|speech|embed_tokens_extend")


def towers(decoder: Any) -> list[Any]:
    """The modules inside a decoder that turn images or sound into tokens."""
    return [module for path, module in decoder.named_modules() if _TOWER.search(path)]


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
                " a number is missing or does not fit the others: compare it with the model's own config.json."
            ) from error
    return Skeleton(model=model, decoder=_decoder(model, name), text_only=part is config.text and not config.multimodal)


def trusted_skeleton(where: str, revision: str | None, name: str) -> tuple[LibraryConfig, Skeleton]:
    """Build a model on the meta device by running the code that its repository holds. Only for code that is trusted.

    Args:
        where: Hub id or local folder.
        revision: Commit hash on the Hub, or None for a folder.
        name: The name used in errors.

    Raises:
        ConfigError: The code fails, or it makes no causal language model.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with quiet():
        try:
            config = AutoConfig.from_pretrained(where, revision=revision, trust_remote_code=True)
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(config, trust_remote_code=True)
        except Exception as error:  # the repository's own code may raise anything
            raise ConfigError(
                f"The code in the repository of {name} failed ({reason(error)}); leave out --trust-remote-code to read"
                " depth and width without it."
            ) from error
    return (
        LibraryConfig(full=config, text=config, path=()),
        Skeleton(model=model, decoder=_decoder(model, name), text_only=True),
    )


def _decoder(model: Any, name: str) -> Any:
    try:
        decoder, table = model.get_decoder(), model.get_input_embeddings()
    except NotImplementedError:
        table = None
    if getattr(getattr(table, "weight", None), "ndim", 0) != 2:
        raise UnsupportedArchitectureError(
            f"{name} has no table that turns each token into a vector, so it is not a plain language model; choose a"
            " decoder-only language model."
        )
    # get_decoder looks for an attribute of that name, which in ModernBERT is the output matrix
    return decoder if any(module is table for module in decoder.modules()) else model.base_model


def _factory(config: LibraryConfig, name: str) -> tuple[Any, Any]:
    import transformers
    from transformers.models.auto import modeling_auto

    choices = (
        ("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "AutoModelForCausalLM"),
        ("MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES", "AutoModelForImageTextToText"),
        ("MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES", "AutoModelForMultimodalLM"),
    )
    # innermost first: of Qwen2.5-Omni the thinker, which is all of it that predicts text
    sections = [config.full]
    for key in config.path[:-1]:
        sections.insert(0, getattr(sections[0], key))
    for section in sections:
        for mapping, factory in choices:
            if section.model_type in getattr(modeling_auto, mapping, {}):
                return getattr(transformers, factory), section
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


def reason(error: BaseException, limit: int = 200) -> str:
    """The telling line of a library's error, without its final full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):
        # huggingface_hub's strict dataclasses put the cause on the second line: "ValueError: ..."
        text = lines[1].partition(": ")[2] or lines[1]
    else:
        text = lines[0] if lines else ""
        if not isinstance(error, ValueError):  # a bare KeyError or TypeError says little without its name
            text = f"{type(error).__name__}: {text}"
    text = text.rstrip(".")
    return text if len(text) <= limit else text[:limit] + " ..."


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

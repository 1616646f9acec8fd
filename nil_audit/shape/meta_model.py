"""A model without weights, built on the meta device: what a config describes, as modules and shapes.

Imports torch and transformers only inside functions. Remote code runs in :func:`trusted_meta_model` alone.
"""

import copy
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nil_audit.errors import ConfigError, UnsupportedArchitectureError, first_line
from nil_audit.progress import quiet_libraries
from nil_audit.shape.hf_config import TransformersConfig
from nil_audit.source import Source


@dataclass(frozen=True, kw_only=True)
class MetaModel:
    """A model without weights: its modules and their shapes on the meta device.

    Attributes:
        model: The whole model.
        decoder: The module that holds the language model's embedding and blocks.
        depth: Blocks that the config counts.
        text_only: Whether ``model`` holds the language model and nothing else.
    """

    model: Any
    decoder: Any
    depth: int | None
    text_only: bool

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Paths of the decoder's modules, without those that turn images or sound into tokens."""
        return tuple(path for path, _ in self.decoder.named_modules() if not TOWER.search(path))

    @cached_property
    def blocks(self) -> tuple[Any, ...]:
        """The decoder blocks in order: of the outermost module lists as long as the config counts, the largest.

        Where none is that long, the largest of all.
        """
        from torch.nn import ModuleList

        found: dict[str, Any] = {}
        for path in self.paths:
            module = self.decoder.get_submodule(path)
            if isinstance(module, ModuleList) and not any(path.startswith(f"{outer}.") for outer in found):
                found[path] = module
        fitting = [module for module in found.values() if len(module) == self.depth]
        return tuple(max(fitting or found.values(), key=_size, default=()))


# What phi4_multimodal, fuyu, git and their like call the parts that are not the language model.
TOWER = re.compile(r"vision|visual|image|img|audio|speech|vqmodel|embed_tokens_extend")


def towers(decoder: Any) -> list[Any]:
    """The modules inside a decoder that turn images or sound into tokens."""
    return [module for path, module in decoder.named_modules() if TOWER.search(path)]


def _size(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def held(model: Any, name: str, *, depth: int | None, text_only: bool) -> MetaModel:
    """A model that is already there, as those that are built here are described.

    Raises:
        UnsupportedArchitectureError: It has no table that turns tokens into vectors.
    """
    return MetaModel(model=model, decoder=_decoder(model, name), depth=depth, text_only=text_only)


def build_meta_model(config: TransformersConfig, name: str) -> MetaModel:
    """Build the model that a config describes on the meta device: no weights, no memory.

    Raises:
        UnsupportedArchitectureError: transformers has no class that makes this model generate text.
        ConfigError: The numbers do not fit each other; the sentence carries the library's reason.
    """
    import torch

    factory, part = _factory(config, name)
    with quiet_libraries(), torch.device("meta"):
        try:
            model = factory.from_config(part, trust_remote_code=False)
        except Exception as error:  # a model class raises whatever its first impossible shape raises
            model, part = _text_alone(config), config.text
            if model is None:
                raise ConfigError(
                    f"transformers cannot build the model that the config of {name} describes ({first_line(error)});"
                    " a number is missing or does not fit the others: compare it with the model's own config.json."
                ) from error
    return MetaModel(
        model=model,
        decoder=_decoder(model, name),
        depth=getattr(config.text, "num_hidden_layers", None),
        text_only=part is config.text and not config.multimodal,
    )


def _text_alone(config: TransformersConfig) -> Any:
    """The text tower without the others, which may need a library that is not installed; None where it fails too."""
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if not config.path or config.text.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return None
    text = copy.deepcopy(config.text)
    # whether the matrices are one is the whole checkpoint's choice
    text.tie_word_embeddings = getattr(config.full, "tie_word_embeddings", text.tie_word_embeddings)
    try:
        return AutoModelForCausalLM.from_config(text, trust_remote_code=False)
    except Exception:  # the first error is the one to report
        return None


def trusted_meta_model(source: Source) -> tuple[TransformersConfig, MetaModel]:
    """Build a model on the meta device by running the code that its repository holds. Only for code that is trusted.

    Raises:
        ConfigError: The code fails, or it makes no causal language model.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with quiet_libraries():
        try:
            config = AutoConfig.from_pretrained(source.reference, revision=source.revision, trust_remote_code=True)
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(config, trust_remote_code=True)
        except Exception as error:  # the repository's own code may raise anything
            raise ConfigError(
                f"The code in the repository of {source.name} failed ({first_line(error)}); leave out"
                " --trust-remote-code to read depth and width without it."
            ) from error
    return TransformersConfig(full=config, text=config, path=()), MetaModel(
        model=model,
        decoder=_decoder(model, source.name),
        depth=getattr(config, "num_hidden_layers", None),
        text_only=True,
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


def _factory(config: TransformersConfig, name: str) -> tuple[Any, Any]:
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
    if config.text.model_type in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return transformers.AutoModelForCausalLM, config.text
    raise UnsupportedArchitectureError(
        f"{name} is of type {config.full.model_type}, for which transformers has no language model that predicts"
        " the next token; choose a decoder-only language model."
    )

"""Which architectures depth and width describe: dense decoder-only language models, and nothing else.

Three looks, each wider than the last: the model type's own word where structure cannot show it (KNOWN), the config
as transformers normalises it, and the modules of the model built on the meta device. The last one judges model types
that did not exist when this was written: experts, convolutions, state-space and linear-attention mixers carry their
names in their classes, and a block without self-attention is refused. Types that transformers does not know are
judged by `nil_audit.shape.unknown`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nil_audit.errors import UnsupportedArchitectureError
from nil_audit.shape.hf_config import TransformersConfig
from nil_audit.shape.meta_model import MetaModel


class Kind(StrEnum):
    """What an architecture is, as far as depth and width are concerned."""

    DENSE = "dense decoder-only"
    MOE = "mixture of experts"
    STATE_SPACE = "state space"
    LINEAR_ATTENTION = "linear attention"
    CONVOLUTION = "convolution"
    RECURRENT = "recurrent"
    ENCODER = "encoder-only"
    ENCODER_DECODER = "encoder-decoder"
    NON_UNIFORM = "layers of different width"
    OTHER = "not a language model"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A reason to refuse an architecture: its kind, and what shows it."""

    kind: Kind
    sign: str


# Attributes that one number must describe for all blocks of a model.
UNIFORM = (
    "num_hidden_layers",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
)
SENTENCES = {
    Kind.MOE: "is a mixture of experts",
    Kind.STATE_SPACE: "is a state-space model or a hybrid with one",
    Kind.LINEAR_ATTENTION: "is a linear-attention model or a hybrid with one",
    Kind.CONVOLUTION: "is a convolution hybrid",
    Kind.RECURRENT: "is recurrent",
    Kind.ENCODER: "is encoder-only",
    Kind.ENCODER_DECODER: "is an encoder-decoder, or the half of one that attends to an encoder",
    Kind.NON_UNIFORM: "has layers of different width",
    Kind.OTHER: "is not a language model that predicts the next token",
}

# What neither a config nor a module's name shows. Read from the modeling source of each type.
KNOWN: Mapping[str, Finding] = {
    "blt": Finding(kind=Kind.NON_UNIFORM, sign="byte and patch transformers of different depth and width, joined"),
    "cpmant": Finding(kind=Kind.ENCODER, sign="a prefix language model that reads all of its input both ways"),
    "diffusion_gemma": Finding(kind=Kind.OTHER, sign="it denoises whole blocks of text"),
    "dots1": Finding(kind=Kind.MOE, sign="routed experts"),
    "EvollaModel": Finding(kind=Kind.ENCODER_DECODER, sign="adapters in its blocks attend to a protein encoder"),
    "gemma4_assistant": Finding(kind=Kind.OTHER, sign="a draft model that reads the states of a larger one"),
    "gemma4_unified_assistant": Finding(kind=Kind.OTHER, sign="a draft model that reads the states of a larger one"),
    "hrm_text": Finding(kind=Kind.RECURRENT, sign="two stacks of blocks run over and over in nested cycles"),
    "hunyuan_v1_moe": Finding(kind=Kind.MOE, sign="routed experts"),
    # by default every layer_type is attention, which no released checkpoint has
    "lfm2": Finding(kind=Kind.CONVOLUTION, sign="short convolutions between its attention blocks"),
    "musicgen": Finding(kind=Kind.ENCODER_DECODER, sign="it writes music under a text encoder"),
    "musicgen_melody": Finding(kind=Kind.ENCODER_DECODER, sign="it writes music under a text encoder"),
    "pi0": Finding(kind=Kind.OTHER, sign="it predicts a robot's actions"),
    "reformer": Finding(
        kind=Kind.NON_UNIFORM,
        sign="reversible blocks carry two residual streams, read side by side at twice the width",
    ),
    "xlm": Finding(kind=Kind.ENCODER, sign="trained with attention to both sides of a token"),
    "xlnet": Finding(kind=Kind.ENCODER, sign="permutation language model: its attention sees both sides of a token"),
}
# Their modules carry no is_causal flag and their config a meaningless is_decoder; they are causal all the same.
CAUSAL_WITHOUT_FLAG = frozenset({"gpt_neox_japanese"})

# Prefix language models whose text after the prompt is predicted causally, though their modules say is_causal=False.
PREFIX = frozenset({"paligemma"})

_MODULES = {
    Kind.STATE_SPACE: re.compile(r"Mamba|SSM|Ssm|StateSpace"),
    Kind.LINEAR_ATTENTION: re.compile(r"Delta|Linear_?Attention|LightningAttention|Retention"),
    Kind.RECURRENT: re.compile(r"Rglru|RGLRU|Rwkv|RWKV|LSTM|GRU|RecurrentBlock"),
    Kind.CONVOLUTION: re.compile(r"ShortConv"),
}
_EXPERTS = re.compile(r"M[oO][eE](?![a-z])|Experts?(?![a-z])|Router")
_ATTENTION = re.compile(r"[Aa]tt(entio)?n|MLA")
_CROSS = re.compile(r"cross_?att|encoder_att", re.IGNORECASE)
_EXPERT_PATHS = frozenset({"experts", "router"})
_EXPERT_COUNT = re.compile(r"(?<!shared)(^|_)experts$")
_REPETITIONS = re.compile(r"(^|_)(ut_steps|loops|cycles|recurrences)$", re.IGNORECASE)
_OTHER_SECTIONS = frozenset({"auto_map", "vision_config", "audio_config", "id2label", "label2id"})
_EXPERT_SWITCHES = ("is_moe", "enable_moe_block")


def refuse(name: str, findings: list[Finding]) -> None:
    """Raise where anything was found.

    Raises:
        UnsupportedArchitectureError: One sentence with every kind and its sign.
    """
    if findings:
        kinds = {finding.kind: finding.sign for finding in reversed(findings)}
        if Kind.ENCODER_DECODER in kinds:
            kinds.pop(Kind.ENCODER, None)  # its encoder half
        parts = " and ".join(f"{SENTENCES[kind]} ({kinds[kind]})" for kind in reversed(kinds))
        raise UnsupportedArchitectureError(
            f"{name} {parts}, so one depth and one width do not describe it; choose a dense decoder-only language"
            " model."
        )


def find_in_type(*model_types: Any) -> list[Finding]:
    """What a model type alone gives away, of the whole checkpoint or of its text tower."""
    return [KNOWN[name] for name in model_types if isinstance(name, str) and name in KNOWN][:1]


def find_in_config(config: TransformersConfig) -> list[Finding]:
    """What the normalised config shows: encoders, experts, attributes that differ from layer to layer."""
    full, text = config.full, config.text
    findings = find_in_type(full.model_type, text.model_type)
    if _is_masked(full.model_type):
        findings.append(Finding(kind=Kind.ENCODER, sign="a masked language model"))
    if getattr(full, "is_encoder_decoder", False) or getattr(text, "is_encoder_decoder", False):
        findings.append(Finding(kind=Kind.ENCODER_DECODER, sign="is_encoder_decoder is set"))
    elif getattr(text, "add_cross_attention", False):
        findings.append(Finding(kind=Kind.ENCODER_DECODER, sign="add_cross_attention is set"))
    for key in UNIFORM:
        try:
            value = getattr(text, key, None)
        except RuntimeError:  # transformers' word for an attribute that differs from layer to layer
            findings.append(Finding(kind=Kind.NON_UNIFORM, sign=f"{key} differs from layer to layer"))
            continue
        if isinstance(value, list | tuple) and any(entry != value[0] for entry in value):
            whole = all(isinstance(entry, int) for entry in value)
            extent = f"runs from {min(value)} to {max(value)}" if whole else "differs from layer to layer"
            findings.append(Finding(kind=Kind.NON_UNIFORM, sign=f"{key} {extent}"))
    return [*findings, *_counts(text.to_dict())]


def _is_masked(model_type: str) -> bool:
    from transformers.models.auto import modeling_auto

    masked = modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    others = (
        modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    )
    return model_type in masked and not any(model_type in mapping for mapping in others)


def _counts(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Experts and repetitions that a config counts, unless it also says that it has no experts (Doge, Gemma 4)."""
    switched_off = any(config.get(switch) is False for switch in _EXPERT_SWITCHES)
    for key, value in flat(config):
        if not isinstance(value, int) or value is True or value < 2:
            continue
        if _EXPERT_COUNT.search(key) and not switched_off:
            yield Finding(kind=Kind.MOE, sign=f"{key} = {value}")
        elif _REPETITIONS.search(key):
            yield Finding(kind=Kind.RECURRENT, sign=f"{key} = {value}")


def flat(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every key and value of a raw config, also of its nested sections, without those of its other towers."""
    for key, value in config.items():
        yield key, value
        if isinstance(value, Mapping) and key not in _OTHER_SECTIONS:
            yield from flat(value)


def find_in_modules(model: MetaModel, config: TransformersConfig) -> list[Finding]:
    """What the modules of the model show."""
    findings: dict[Kind, str] = {}
    family = re.sub("(Text)?Config$", "", type(config.text).__name__)
    for block in model.blocks:
        for kind, sign in _mixers(block, family):
            findings.setdefault(kind, sign)
        names = [type(module).__name__ for module in block.modules()]
        if not findings and not any(_ATTENTION.search(class_name) for class_name in names):
            findings[Kind.OTHER] = f"{names[0]} holds no self-attention"
    if crossed := next((path for path in model.paths if _CROSS.search(path)), None):
        findings.setdefault(Kind.ENCODER_DECODER, f"it attends to another sequence in {crossed}")
    if config.full.model_type not in PREFIX and (ahead := _looks_ahead(model, config.text)):
        findings.setdefault(Kind.ENCODER, ahead)
    depth = getattr(config.text, "num_hidden_layers", None)
    if not findings and depth != len(model.blocks):
        findings[Kind.RECURRENT] = f"its config counts {depth} blocks where the model holds {len(model.blocks)}"
    return [Finding(kind=kind, sign=sign) for kind, sign in findings.items()]


def _mixers(block: Any, family: str) -> Iterator[tuple[Kind, str]]:
    """What a block holds besides attention and a dense MLP, from the names of its classes and from its tensors."""
    from torch.nn import Conv1d

    named = False
    for path, module in block.named_modules():
        class_name = type(module).__name__
        # a family's own name may hold the word (Olmoe, GraniteMoeHybrid), which then says nothing of this block
        if _EXPERTS.search(class_name.removeprefix(family)) or path.rpartition(".")[2] in _EXPERT_PATHS:
            yield Kind.MOE, f"its blocks hold {class_name}"
        for kind, pattern in _MODULES.items():
            if pattern.search(class_name):
                named = True
                yield kind, f"its blocks hold {class_name}"
    if named:  # a convolution or a decay inside these is a part of them
        return
    for path, module in block.named_modules():
        if "A_log" in module._parameters:
            yield Kind.STATE_SPACE, f"its blocks hold {type(module).__name__}"
            return
        if isinstance(module, Conv1d) and max(module.kernel_size) > 1:
            owner = type(block.get_submodule(path.rpartition(".")[0])).__name__
            yield Kind.CONVOLUTION, f"{owner} convolves over positions"
            return
    if stacked := next((name for name, p in block.named_parameters() if p.ndim == 3 and min(p.shape) > 1), None):
        yield Kind.MOE, f"{stacked} stacks matrices as experts do"


def _looks_ahead(model: MetaModel, text: Any) -> str | None:
    """Whether attention sees later tokens: from the modules' is_causal, else from the config's is_decoder."""
    flags = {getattr(module, "is_causal", None) for block in model.blocks for module in block.modules()} - {None}
    if False in flags:
        return "its attention sees both sides of a token"
    if not flags and getattr(text, "is_decoder", True) is False and text.model_type not in CAUSAL_WITHOUT_FLAG:
        return "its attention sees both sides of a token unless is_decoder is set"
    return None

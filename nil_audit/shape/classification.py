"""Which architectures depth and width describe: dense decoder-only language models, and nothing else.

Three looks, each wider than the last: the model type's own word where structure cannot show it (KNOWN), the raw
config's words (for types that transformers does not know), and the modules of the model built on the meta device.
The last one judges model types that did not exist when this was written: experts, convolutions, state-space and
linear-attention mixers carry their names in their classes, and a block without self-attention is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nil_audit.errors import UnsupportedArchitectureError
from nil_audit.shape.library import LibraryConfig, Skeleton


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


_SENTENCES = {
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
    "xlnet": Finding(kind=Kind.ENCODER, sign="permutation language model: its attention sees both sides"),
    "hrm_text": Finding(kind=Kind.RECURRENT, sign="two stacks of blocks run over and over in nested cycles"),
    "trocr": Finding(kind=Kind.ENCODER_DECODER, sign="every block attends to an image encoder"),
    "musicgen": Finding(kind=Kind.ENCODER_DECODER, sign="every block attends to a text encoder"),
    "musicgen_melody": Finding(kind=Kind.ENCODER_DECODER, sign="it continues the states of a text encoder"),
}
# Their modules carry no is_causal flag; they are causal whatever is_decoder says.
CAUSAL_WITHOUT_FLAG = frozenset({"gpt_neox_japanese"})

_MODULES = {
    Kind.MOE: re.compile(r"moe|experts?(?![a-z])|router|gating", re.IGNORECASE),
    Kind.STATE_SPACE: re.compile(r"mamba|ssm|falconh1mixer|bambamixer", re.IGNORECASE),
    Kind.LINEAR_ATTENTION: re.compile(r"delta|linear_?attention|lightning|retention", re.IGNORECASE),
    Kind.RECURRENT: re.compile(r"rglru|rwkv|lstm|recurrentblock|gru(?![a-z])", re.IGNORECASE),
    Kind.CONVOLUTION: re.compile(r"shortconv", re.IGNORECASE),
    Kind.ENCODER_DECODER: re.compile(r"cross_?att", re.IGNORECASE),
}
_ATTENTION = re.compile(r"att(ention|n)|mla", re.IGNORECASE)


def refuse(name: str, findings: list[Finding]) -> None:
    """Raise where anything was found.

    Raises:
        UnsupportedArchitectureError: One sentence with every kind and its sign.
    """
    if findings:
        kinds = {finding.kind: finding.sign for finding in reversed(findings)}
        parts = " and ".join(f"{_SENTENCES[kind]} ({kinds[kind]})" for kind in reversed(kinds))
        raise UnsupportedArchitectureError(
            f"{name} {parts}, so one depth and one width do not describe it; choose a dense decoder-only language model."
        )


def find_in_type(model_type: Any) -> list[Finding]:
    """What the model type alone gives away."""
    return [KNOWN[model_type]] if model_type in KNOWN else []


def find_in_config(config: LibraryConfig) -> list[Finding]:
    """What the normalised config shows: encoder halves, per-layer shapes, layer types."""
    full, text = config.full, config.text
    findings = []
    if getattr(full, "is_encoder_decoder", False) or getattr(text, "is_encoder_decoder", False):
        findings.append(Finding(kind=Kind.ENCODER_DECODER, sign="is_encoder_decoder is set"))
    elif getattr(text, "add_cross_attention", False):
        findings.append(Finding(kind=Kind.ENCODER_DECODER, sign="add_cross_attention is set"))
    for key in ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"):
        try:
            value = getattr(text, key, None)
        except RuntimeError:  # transformers' word for an attribute that differs from layer to layer
            findings.append(Finding(kind=Kind.NON_UNIFORM, sign=f"{key} differs from layer to layer"))
            continue
        if isinstance(value, list | tuple) and len(set(value)) > 1:
            findings.append(Finding(kind=Kind.NON_UNIFORM, sign=f"{key} runs from {min(value)} to {max(value)}"))
    return findings


def find_in_modules(model: Skeleton, config: LibraryConfig) -> list[Finding]:
    """What the modules of the model show."""
    findings: list[Finding] = []
    seen: set[Kind] = set()

    def add(kind: Kind, sign: str) -> None:
        if kind not in seen:
            seen.add(kind)
            findings.append(Finding(kind=kind, sign=sign))

    for block in model.blocks:
        names = [type(module).__name__ for module in block.modules()]
        for class_name, kind in _kinds(block):
            add(kind, f"its blocks hold {class_name}")
        if not any(_ATTENTION.search(class_name) for class_name in names) and not seen:
            add(Kind.OTHER, f"{names[0]} holds no self-attention")
    if not seen & {Kind.ENCODER_DECODER}:
        for finding in _direction(model, config):
            add(finding.kind, finding.sign)
    depth = config.text.num_hidden_layers if hasattr(config.text, "num_hidden_layers") else None
    if not seen and depth != len(model.blocks):
        add(Kind.RECURRENT, f"its config counts {depth} blocks where the model holds {len(model.blocks)}")
    return findings


def _kinds(block: Any) -> Iterator[tuple[str, Kind]]:
    from torch.nn import Conv1d

    for path, module in block.named_modules():
        class_name = type(module).__name__
        for kind, pattern in _MODULES.items():
            if pattern.search(class_name):
                yield class_name, kind
        if isinstance(module, Conv1d) and max(module.kernel_size) > 1:
            owner = type(block.get_submodule(path.rpartition(".")[0])).__name__
            if not any(pattern.search(owner) for pattern in _MODULES.values()):
                yield f"{owner} with a convolution over positions", Kind.CONVOLUTION


def _direction(model: Skeleton, config: LibraryConfig) -> Iterator[Finding]:
    """Whether attention looks ahead: from the modules' is_causal flags, else from the config's is_decoder."""
    flags = {
        module.is_causal
        for block in model.blocks
        for module in block.modules()
        if isinstance(getattr(module, "is_causal", None), bool)
    }
    if flags == {True, False}:
        yield Finding(kind=Kind.ENCODER_DECODER, sign="its blocks also attend to another sequence")
    elif flags == {False}:
        yield Finding(kind=Kind.ENCODER, sign="its attention sees both sides of a token")
    elif (
        not flags
        and getattr(config.text, "is_decoder", True) is False
        and config.text.model_type not in CAUSAL_WITHOUT_FLAG
    ):
        yield Finding(kind=Kind.ENCODER, sign="its attention sees both sides of a token unless is_decoder is set")


# Signs in the raw config of a model type that transformers does not know.
_RAW_TYPES = {
    Kind.STATE_SPACE: re.compile(r"mamba|ssm|hyena|jamba|zamba|samba|hymba", re.IGNORECASE),
    Kind.RECURRENT: re.compile(r"rwkv|lstm|griffin|recurrent|hgrn|looped|universal", re.IGNORECASE),
    Kind.LINEAR_ATTENTION: re.compile(r"retnet|retention|gla(?![a-z])|delta_?net|linear_?att|lightning", re.IGNORECASE),
    Kind.MOE: re.compile(r"moe(?![a-z])|mixtral|experts?", re.IGNORECASE),
    Kind.ENCODER: re.compile(r"bert(?!a?-?decoder)|electra", re.IGNORECASE),
    Kind.ENCODER_DECODER: re.compile(r"(^|[_-]|m|by|um)t5|bart|pegasus|enc(oder)?_?dec(oder)?", re.IGNORECASE),
}
_RAW_KEYS = {
    Kind.MOE: re.compile(r"experts?($|_)|(^|_)moe(_|$)"),
    Kind.STATE_SPACE: re.compile(r"^(ssm|mamba)(_|$)|^(d_state|state_size|ssm_state_size|dt_rank|d_conv)$"),
    Kind.LINEAR_ATTENTION: re.compile(r"^linear_(num|key|value|conv|attn|attention)|delta_?net|lightning|retention"),
    Kind.RECURRENT: re.compile(r"^(lru_width|num_loops|n_loops|loop_count|mean_recurrence|recurrent_\w+)$"),
    Kind.CONVOLUTION: re.compile(r"^(conv_L_cache|conv_kernel|conv_kernel_size|short_conv\w*)$"),
    Kind.ENCODER_DECODER: re.compile(
        r"^(encoder_layers|decoder_layers|num_encoder_layers|num_decoder_layers|n_encoder_layers)$"
    ),
}
_GENERATES = re.compile(r"CausalLM|LMHead|ConditionalGeneration|ForGeneration|ChatModel|Decoder", re.IGNORECASE)
_LAYER_TYPES = {
    "mamba": Kind.STATE_SPACE,
    "ssm": Kind.STATE_SPACE,
    "linear": Kind.LINEAR_ATTENTION,
    "conv": Kind.CONVOLUTION,
    "recurrent": Kind.RECURRENT,
}


def find_in_raw(config: Mapping[str, Any]) -> list[Finding]:
    """What the raw config of an unknown model type shows; its numbers must say that it is none of these."""
    findings = []
    model_type = str(config.get("model_type") or "")
    names = [str(entry) for entry in config.get("architectures") or []]
    auto = config.get("auto_map") if isinstance(config.get("auto_map"), Mapping) else {}
    for kind, pattern in _RAW_TYPES.items():
        if pattern.search(model_type) or any(pattern.search(entry) for entry in names):
            findings.append(Finding(kind=kind, sign=f"its model type is {model_type or names[0]}"))
    for key, value in _flat(config):
        for kind, pattern in _RAW_KEYS.items():
            if pattern.search(key) and _says_something(value, kind):
                findings.append(Finding(kind=kind, sign=f"its config has {key}"))
    for entry in {str(entry) for key in ("layer_types", "layers_block_type") for entry in config.get(key) or ()}:
        findings += [
            Finding(kind=kind, sign=f"it has layers of type {entry}")
            for word, kind in _LAYER_TYPES.items()
            if word in entry
        ]
    if config.get("is_encoder_decoder"):
        findings.append(Finding(kind=Kind.ENCODER_DECODER, sign="is_encoder_decoder is set"))
    if not findings and not any(_GENERATES.search(entry) for entry in [*names, *map(str, auto or {})]):
        findings.append(
            Finding(
                kind=Kind.OTHER,
                sign="transformers does not know its model type and the config names no causal LM class",
            )
        )
    return findings


def _flat(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        yield key, value
        if isinstance(value, Mapping) and key not in (
            "auto_map",
            "vision_config",
            "audio_config",
            "id2label",
            "label2id",
        ):
            yield from _flat(value)


def _says_something(value: Any, kind: Kind) -> bool:
    """Configs of dense models also carry such keys, as null, zero, false or one expert."""
    least = 2 if kind is Kind.MOE else 1
    return (
        value is not None
        and value is not False
        and not (isinstance(value, int | float) and value is not True and value < least)
    )

"""Model types that transformers does not know: what their raw config gives away, and no code is run.

Their own modeling code is the only thing that could say for certain what they are, and it is not trusted. So
every sign of something other than a dense decoder counts, and a positive sign of a causal language model is needed.
"""

import re
from collections.abc import Mapping
from typing import Any

from nil_audit.errors import UnsupportedArchitectureError
from nil_audit.shape.classification import Finding, Kind, flat

# Signs in the raw config of a model type that transformers does not know.
_RAW_TYPES = {
    Kind.STATE_SPACE: re.compile(r"mamba|ssm|hyena|jamba|zamba|samba|hymba", re.IGNORECASE),
    Kind.RECURRENT: re.compile(r"rwkv|lstm|griffin|recurrent|hgrn|looped|universal", re.IGNORECASE),
    Kind.LINEAR_ATTENTION: re.compile(r"retnet|retention|gla(?![a-z])|delta_?net|linear_?att|lightning", re.IGNORECASE),
    Kind.MOE: re.compile(r"moe(?![a-z])|mixtral|experts?", re.IGNORECASE),
    Kind.ENCODER: re.compile(r"bert(?![_-]?decoder)|electra", re.IGNORECASE),
    Kind.ENCODER_DECODER: re.compile(r"(^|[_-]|m|by|um)t5|bart|pegasus|enc(oder)?_?dec(oder)?", re.IGNORECASE),
}
_RAW_KEYS = {
    Kind.MOE: re.compile(r"experts?($|_)|(^|_)moe(_|$)"),
    Kind.STATE_SPACE: re.compile(r"^(ssm|mamba)(_|$)|^(d_state|state_size|ssm_state_size|dt_rank|d_conv)$"),
    Kind.LINEAR_ATTENTION: re.compile(r"^linear_(num|key|value|conv|attn|attention)|delta_?net|lightning|retention"),
    Kind.RECURRENT: re.compile(r"^lru_width$|recurren|(^|_)(ut_steps|loops|cycles)$"),
    Kind.CONVOLUTION: re.compile(r"^(conv_L_cache|conv_kernel|conv_kernel_size|short_conv\w*)$"),
    Kind.ENCODER_DECODER: re.compile(
        r"^(encoder_layers|decoder_layers|num_encoder_layers|num_decoder_layers|n_encoder_layers)$"
    ),
}
# Per-layer numbers: OpenELM's ffn_multipliers, DeciLM's num_key_value_heads_per_layer and block_configs.
_PER_LAYER = re.compile(r"head|ffn|inter|mult|hidden|dim|block_configs")
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
    names = words(config.get("architectures"))
    for kind, pattern in _RAW_TYPES.items():
        if pattern.search(model_type) or any(pattern.search(entry) for entry in names):
            findings.append(Finding(kind=kind, sign=f"its model type is {model_type or names[0]}"))
    for key, value in flat(config):
        if isinstance(value, list) and _PER_LAYER.search(key) and any(entry != value[0] for entry in value):
            findings.append(Finding(kind=Kind.NON_UNIFORM, sign=f"{key} differs from layer to layer"))
        for kind, pattern in _RAW_KEYS.items():
            if pattern.search(key) and _says_something(value, kind):
                findings.append(Finding(kind=kind, sign=f"its config has {key}"))
    for entry in {*words(config.get("layer_types")), *words(config.get("layers_block_type"))}:
        findings += [
            Finding(kind=kind, sign=f"it has layers of type {entry}")
            for word, kind in _LAYER_TYPES.items()
            if word in entry
        ]
    if config.get("is_encoder_decoder"):
        findings.append(Finding(kind=Kind.ENCODER_DECODER, sign="is_encoder_decoder is set"))
    return findings


def check_generates(config: Mapping[str, Any], name: str) -> None:
    """Check that the config names a class that predicts the next token, or gives another reason to refuse it.

    Raises:
        UnsupportedArchitectureError: It does neither, so nothing can be said of the model.
    """
    names = [*words(config.get("architectures")), *words(config.get("auto_map"))]
    if not find_in_raw(config) and not any(_GENERATES.search(entry) for entry in names):
        raise UnsupportedArchitectureError(
            f"{name} is of type {config.get('model_type')!r}, which transformers does not know, and its config names no"
            " class that predicts the next token; update transformers, or choose a decoder-only language model."
        )


def words(value: Any) -> list[str]:
    """The entries of a list, the keys of a mapping, or one word alone; nothing of anything else."""
    if isinstance(value, str):
        return [value]
    return [str(entry) for entry in value] if isinstance(value, list | Mapping) else []


def _says_something(value: Any, kind: Kind) -> bool:
    """Configs of dense models also carry such keys, as null, zero, false, an empty list, one expert or one loop."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value >= (2 if kind in (Kind.MOE, Kind.RECURRENT) else 1)
    return bool(value)

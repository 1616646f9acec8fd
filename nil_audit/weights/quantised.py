"""Quantised checkpoints: measured only where transformers has turned them back into floating-point weights.

Loaded as they lie, integers are no weights: they lack the scales that make numbers of them, and are measured as noise.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import torch

from nil_audit.errors import CheckpointError, first_line

_FLOATING = {"float64", "float32", "float16", "bfloat16"}
_NOT_WEIGHTS = re.compile(r"(position_ids|num_batches_tracked|(attn|attention)\.(masked_)?bias|causal_mask)$")
_INDICES = {"bool", "int64"}
"""Types of masks, counters and positions, which no quantisation uses."""

_REMEDY = "audit the model that it was quantised from"


def quantisation(config: Any, name: str) -> str | None:
    """The method that a configuration says its weights are quantised by; where it can, loading will undo it.

    Args:
        config: transformers' configuration object; a method that can dequantise on loading is told to.
        name: The model's name, for people.

    Raises:
        CheckpointError: The installed transformers knows no such method.
    """
    from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING

    settings = getattr(config, "quantization_config", None)
    if settings is None:
        settings = getattr(config.get_text_config(decoder=True), "quantization_config", None)
    if settings is None:
        return None
    if not isinstance(settings, dict):
        raise CheckpointError(f"The quantization_config of {name} is not an object; correct or remove it.")
    method = settings.get("quant_method")
    bits = next((bits for bits in ("4", "8") if settings.get(f"load_in_{bits}bit")), None)
    kind = AUTO_QUANTIZATION_CONFIG_MAPPING.get(f"bitsandbytes_{bits}bit" if bits else str(method))
    if kind is None:
        said = "names no quant_method" if method is None else f"names {method!r:.100}, which transformers does not know"
        raise CheckpointError(
            f"The quantization_config of {name} {said}; {_REMEDY}, or remove quantization_config if the weights are"
            " plain numbers."
        )
    if "dequantize" in inspect.signature(kind).parameters:
        settings["dequantize"] = True
    return "bitsandbytes" if bits else str(method)


def refuse_stored_integers(name: str, dtypes: Mapping[str, str]) -> None:
    """Refuse weights that are stored as integers or in 8 bits and fewer, where the config names no quantisation.

    Args:
        name: The model's name, for people.
        dtypes: The stored type of each tensor.

    Raises:
        CheckpointError: There are such weights.
    """
    if found := packed(dtypes):
        types = " and ".join(sorted({dtypes[key] for key in found}))
        raise CheckpointError(
            f"{len(found)} of the {len(dtypes)} tensors of {name} are stored as {types} ({_telling(found)}), and its"
            f" config.json has no quantization_config that says how to read them; {_REMEDY}."
        )


def not_dequantised(name: str, method: str, error: Exception) -> CheckpointError:
    """The error for a quantised checkpoint that could not be loaded."""
    return CheckpointError(
        f"{name} is quantised by {method}, and its weights cannot be turned back into numbers here"
        f" ({first_line(error)}); {_REMEDY}, or install what the method needs."
    )


def check_floating(name: str, model: torch.nn.Module, method: str | None, dtypes: Mapping[str, str]) -> None:
    """Check that what a loaded model computes with are floating-point weights that were such, or were made such.

    Args:
        name: The model's name, for people.
        model: As transformers loaded it.
        method: From `quantisation`.
        dtypes: The stored type of each tensor.

    Raises:
        CheckpointError: A weight is packed, or was cast from integers.
    """
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for key, tensor in tensors.items():
        if _is_packed(key, str(tensor.dtype).removeprefix("torch.")):
            raise CheckpointError(
                f"{name} is quantised by {method or 'an unknown method'}, and its weights stay packed when loaded"
                f" ({key} is {str(tensor.dtype).removeprefix('torch.')}); {_REMEDY}."
            )
    for key in [key for key, dtype in dtypes.items() if dtype not in _FLOATING]:
        if (method is None or not _has_scale(dtypes, key)) and _became_floating(tensors, key):
            raise CheckpointError(
                f"{key} of {name} is stored as {dtypes[key]} without a scale, which would be noise as a weight;"
                f" {_REMEDY}."
            )


def packed(dtypes: Mapping[str, str]) -> list[str]:
    """The tensors that are stored as integers or in 8 bits and fewer, and could be weights."""
    return [key for key, dtype in dtypes.items() if _is_packed(key, dtype)]


def _telling(keys: list[str]) -> str:
    return next((key for key in keys if "weight" in key), keys[0])


def _has_scale(dtypes: Mapping[str, str], key: str) -> bool:
    """Whether the module of a stored tensor also holds what its integers are multiplied by."""
    module = key.rpartition(".")[0]
    return any(other.rpartition(".")[0] == module and "scale" in other.rpartition(".")[2] for other in dtypes)


def _became_floating(tensors: Mapping[str, torch.Tensor], key: str) -> bool:
    """Whether a model holds a floating-point tensor under the name of a stored one, whatever prefix either has."""
    return any(
        tensor.is_floating_point() and (name == key or name.endswith(f".{key}") or key.endswith(f".{name}"))
        for name, tensor in tensors.items()
    )


def _is_packed(key: str, dtype: str) -> bool:
    return dtype not in _FLOATING | _INDICES and _NOT_WEIGHTS.search(key) is None

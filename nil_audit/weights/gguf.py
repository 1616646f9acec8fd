"""A GGUF file loaded: its weights turned back into numbers by transformers, and what transformers leaves out of it.

transformers passes over tensors and settings of the file that its configuration has no place for, without a word. What
it passes over is found here, and made good or refused: a model that computes something else is not the file's.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import torch

from nil_audit.errors import CheckpointError, first_line
from nil_audit.folder import listed
from nil_audit.gguf_file import LINK_NAME, GgufFile
from nil_audit.shape import hf_config
from nil_audit.weights.quantised import check_floating

_ROTATION = "rope_"
"""How the names of tensors begin that scale the rotary frequencies, and are no weights."""

_FREQUENCIES = {"inv_freq", "original_inv_freq"}
_REMEDY = "audit the model that the file was made from"


def load_gguf(
    name: str, config: Mapping[str, Any], file: GgufFile, dtype: str, device_map: Any
) -> tuple[torch.nn.Module, Any, list[str]]:
    """Load the model and the tokenizer of a GGUF file; nothing that lies beside it is read.

    Args:
        name: The model's name, for people.
        config: What transformers makes of the file's header.
        file: The file.
        dtype: Of the weights in memory.
        device_map: Where they go, as transformers takes it.

    Returns:
        The model, its tokenizer, and a note on what the weights were stored as.

    Raises:
        CheckpointError: The weights or the tokenizer cannot be read, do not fit memory or each other, or the model that
            transformers makes of them is not the one in the file.
    """
    with file.alone() as folder:
        tokenizer = _tokenizer(name, folder)
        model = _model(name, config, folder, dtype, device_map)
    _check_all_placed(name, file, model)
    _set_rotation(name, file, model)
    done = "turned back into" if file.quantised else "read as"
    return model, tokenizer, [f"The weights of {name} are GGUF ({', '.join(file.types)}), and were {done} {dtype}."]


def unpacking_memory(file: GgufFile) -> int:
    """Bytes that turning weights back takes beside them: the largest tensor in float32, and a copy of it."""
    return 2 * 4 * max((prod(tensor.shape) for tensor in file.tensors), default=0)


def _tokenizer(name: str, folder: Any) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, gguf_file=LINK_NAME, trust_remote_code=False)
    except Exception as error:  # a vocabulary that is missing or of another kind raises whatever is met first
        raise CheckpointError(
            f"{name} has no tokenizer that transformers can load ({first_line(error)}); {_REMEDY}."
        ) from error


def _model(name: str, config: Mapping[str, Any], folder: Any, dtype: str, device_map: Any) -> torch.nn.Module:
    import transformers

    # versions that have no such setting keep no weights packed
    packing = getattr(transformers, "GgufConfig", None)
    factory: Any = transformers.AutoModelForCausalLM
    try:
        model, info = factory.from_pretrained(
            folder,
            gguf_file=LINK_NAME,
            config=hf_config.transformers_config(config, name).full,
            trust_remote_code=False,
            dtype=getattr(torch, dtype),
            device_map=device_map,
            output_loading_info=True,
            **({"quantization_config": packing(dequantize=True)} if packing else {}),
        )
    except (torch.OutOfMemoryError, MemoryError) as error:
        narrower = "--dtype bfloat16, or " if dtype in ("float32", "float64") else ""
        raise CheckpointError(
            f"{name} does not fit into memory as {dtype}; use {narrower}a device with more memory."
        ) from error
    except Exception as error:  # a type that cannot be turned back, tensors of other sizes than the header says
        reason = (
            "its tensors have other sizes than transformers reads in its header"
            if "mismatched" in str(error)
            else first_line(error)
        )
        raise CheckpointError(f"{name} does not load ({reason}); {_REMEDY}.") from error
    check_floating(name, model, "GGUF", {})
    if missing := sorted(info["missing_keys"]):
        raise CheckpointError(
            f"{name} lacks {len(missing)} weight tensors that its header asks for ({listed(missing)}); {_REMEDY}."
        )
    return model


def _check_all_placed(name: str, file: GgufFile, model: torch.nn.Module) -> None:
    """Check that a model holds as many numbers as the file: transformers leaves out what it has no place for.

    Raises:
        CheckpointError: The file holds more.
    """
    held = {tensor.data_ptr(): tensor.numel() for tensor in model.state_dict().values()}
    stored = {tensor.name: prod(tensor.shape) for tensor in file.tensors if not tensor.name.startswith(_ROTATION)}
    if (left := sum(stored.values()) - sum(held.values())) > 0:
        found = _without_a_place(file, model, stored)
        raise CheckpointError(
            f"{name} holds {left:,} numbers that transformers leaves out of the model"
            f"{f' ({listed(found)})' if found else ''}, which would not be the file's; {_REMEDY}."
        )


def _without_a_place(file: GgufFile, model: torch.nn.Module, stored: Mapping[str, int]) -> list[str]:
    """Names of the tensors that no tensor of the model is called after, as far as llama.cpp's table of names knows."""
    import gguf

    codes = [code for code, called in gguf.MODEL_ARCH_NAMES.items() if called == file.architecture]
    if not codes:
        return []
    names = gguf.get_tensor_name_map(codes[0], int(file.says("block_count") or 0))
    parts = [key.rpartition(".") for key in model.state_dict()]
    taken = {f"{names.get_name(stem)}.{last}" for stem, _, last in parts}
    return [key for key in stored if key not in taken]


def _set_rotation(name: str, file: GgufFile, model: torch.nn.Module) -> None:
    """Give a model the rotary frequencies of the file; transformers reads their base of most architectures alone.

    They are base^(-2i/n) for the n rotated channels of a head, divided by the factor of linear scaling, and each by
    its own of the tensor rope_freqs (Llama 3).

    Raises:
        CheckpointError: The file asks for another scaling, or rotates other channels than the model.
    """
    buffers = {key: one for key, one in model.named_buffers() if key.endswith("inv_freq")}
    tensors = [tensor.name for tensor in file.tensors if tensor.name.startswith(_ROTATION)]
    scaling, factor = file.says("rope.scaling.type") or "linear", file.says("rope.scaling.factor") or 1.0
    scaled = scaling != "none" and factor != 1.0
    # one set of frequencies for all blocks; Gemma 3 has several, of which transformers knows what the file says
    plain = bool(buffers) and {key.rpartition(".")[2] for key in buffers} <= _FREQUENCIES
    odd = [f"{scaling} scaling"] if scaled and not (plain and scaling == "linear") else []
    odd += [key for key in tensors if not (plain and key == "rope_freqs.weight")]
    if (
        plain
        and (said := file.says("rope.dimension_count"))
        and {2 * one.numel() for one in buffers.values()} != {said}
    ):
        odd.append(f"{said} rotated channels a head")
    if odd:
        raise CheckpointError(
            f"{name} asks for rotary positions ({listed(odd)}) that transformers does not take from a GGUF file;"
            f" {_REMEDY}."
        )
    for buffer in buffers.values() if plain else ():
        base, count = file.says("rope.freq_base"), buffer.numel()
        found = buffer.double().cpu()
        if base:
            found = float(base) ** -(torch.arange(count, dtype=torch.float64) / count)
        found = found / (factor if scaled else 1.0)
        if tensors:
            found = found / _read(file, tensors[0])
        if not torch.allclose(found.to(buffer), buffer, rtol=1e-5, atol=0):
            buffer.copy_(found)


def _read(file: GgufFile, key: str) -> torch.Tensor:
    """A tensor of plain numbers, in float64."""
    import gguf

    found = next(tensor for tensor in gguf.GGUFReader(file.path).tensors if tensor.name == key)
    return torch.tensor(found.data, dtype=torch.float64)

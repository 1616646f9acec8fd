"""Quantised checkpoints: refused unless what is measured are the weights that the quantisation stands for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nil_audit.errors import CheckpointError
from tests.tiny import checkpoint_folder
from tests.weights.edits import edit_json, edit_weights, load

Tensors = dict[str, torch.Tensor]
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return checkpoint_folder(tmp_path / "tiny")


def projections(tensors: Tensors) -> list[str]:
    return [key for key, tensor in tensors.items() if tensor.ndim == 2 and "proj" in key]


def as_type(dtype: torch.dtype) -> Callable[[Tensors], None]:
    def change(tensors: Tensors) -> None:
        for key in projections(tensors):
            tensors[key] = (tensors[key] * 100).to(dtype)

    return change


def scaled_fp8(tensors: Tensors) -> None:
    """As DeepSeek's and Qwen's fp8 checkpoints store them: w = q * s."""
    for key in projections(tensors):
        scale = tensors[key].abs().max() / 400
        tensors[key] = (tensors[key] / scale).to(torch.float8_e4m3fn)
        tensors[f"{key}_scale_inv"] = scale.reshape(1, 1)


def packed_4bit(tensors: Tensors) -> None:
    """As GPTQ stores them."""
    for key in projections(tensors):
        weight = tensors.pop(key)
        module = key.removesuffix("weight")
        tensors[f"{module}qweight"] = torch.zeros(weight.shape[1] // 8, weight.shape[0], dtype=torch.int32)
        tensors[f"{module}scales"] = torch.ones(1, weight.shape[0])


@pytest.mark.parametrize(
    "change",
    [as_type(torch.int8), as_type(torch.uint8), as_type(torch.float8_e4m3fn), scaled_fp8, packed_4bit],
)
def test_integers_and_eight_bits_without_a_method_are_refused(folder: Path, change: Callable[[Tensors], None]) -> None:
    edit_weights(folder, change)
    with pytest.raises(CheckpointError) as error:
        load(folder)
    assert str(error.value).startswith(f"14 of the {35 if change in (scaled_fp8, packed_4bit) else 21} tensors of ")
    assert "has no quantization_config that says how to read them; audit the model that it was" in str(error.value)


def test_whole_numbers_of_any_type_are_no_weights(folder: Path) -> None:
    edit_weights(folder, as_type(torch.int64))
    with pytest.raises(CheckpointError, match=r"proj.weight of .*tiny is stored as int64 without a scale"):
        load(folder)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quant_method": "nobodys"}, "names 'nobodys', which transformers does not know"),
        ({"quant_method": ["fp8"]}, r"names \['fp8'\], which transformers does not know"),
        ({"bits": 4}, "names no quant_method"),
    ],
)
def test_an_unknown_method_is_refused(folder: Path, settings: dict[str, Any], words: str) -> None:
    edit_json(folder, quantization_config=settings)
    with pytest.raises(CheckpointError, match=f"The quantization_config of .*tiny {words}; audit the model"):
        load(folder)


@pytest.mark.parametrize(
    ("settings", "package"),
    [
        ({"quant_method": "gptq", "bits": 4}, "optimum"),
        ({"quant_method": "awq", "bits": 4}, "gptqmodel"),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "torchao"}, "torchao"),
    ],
)
def test_a_method_whose_package_is_absent_is_refused(folder: Path, settings: dict[str, Any], package: str) -> None:
    edit_json(folder, quantization_config=settings)
    edit_weights(folder, packed_4bit)
    with pytest.raises(CheckpointError, match=rf"cannot be turned back into numbers here \(.*{package}.*\); audit the"):
        load(folder)


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("fp8", as_type(torch.float8_e4m3fn)),  # no scales
        ("fp8", as_type(torch.int8)),
        ("mxfp4", as_type(torch.float8_e4m3fn)),  # another method than the one that made them
        ("mxfp4", as_type(torch.int8)),
        ("metal", scaled_fp8),
    ],
)
def test_a_method_that_does_not_undo_what_is_stored_is_refused(
    folder: Path, method: str, change: Callable[[Tensors], None]
) -> None:
    edit_json(folder, quantization_config={"quant_method": method})
    edit_weights(folder, change)
    with pytest.raises(CheckpointError, match=r"stay packed when loaded|without a scale"):
        load(folder)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_fp8_with_its_scales_is_measured_as_the_numbers_it_stands_for(folder: Path, dtype: Any) -> None:
    edit_weights(folder, scaled_fp8)
    edit_json(folder, quantization_config=FP8)
    stored = load_file(folder / "model.safetensors")
    found = load(folder, dtype=dtype)
    assert found.notes == (
        f"The weights of {folder} are quantised by fp8, and were turned back into {dtype} as they stand.",
    )
    loaded = dict(found.model.named_parameters())
    assert {parameter.dtype for parameter in loaded.values()} == {getattr(torch, dtype)}
    for key in projections(stored):
        if not key.endswith("_scale_inv"):
            expected = stored[key].float() * stored[f"{key}_scale_inv"]
            torch.testing.assert_close(loaded[key].float(), expected, rtol=1e-6 if dtype == "float32" else 1e-2, atol=0)


def test_plain_weights_under_a_method_are_plain_weights(folder: Path) -> None:
    """Dequantised and saved again, with the old config."""
    edit_json(folder, quantization_config=FP8)
    found = load(folder)
    assert found.notes == ()
    stored = load_file(folder / "model.safetensors")
    assert all(torch.equal(parameter, stored[key]) for key, parameter in found.model.named_parameters())

"""Every causal language model type of the installed transformers: its class, and for the accepted ones its shape.

``model_types.csv`` states the class of each type, read from its modeling source. The accepted ones are also run:
tiny models with random weights must have the depth, width and parameters that the shape says, and no token may
influence the prediction of an earlier one.
"""

import csv
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from nil_audit.errors import UnsupportedArchitectureError
from nil_audit.progress import quiet_libraries
from nil_audit.shape.architecture import Shape, shape_from_config
from nil_audit.shape.classification import Kind
from nil_audit.shape.hf_config import transformers_config
from tests.shape.tiny import default_config, kinds_in, tiny_config

TABLE = {
    row["model_type"]: frozenset(row["kind"].split(" + "))
    for row in csv.DictReader((Path(__file__).parent / "model_types.csv").read_text(encoding="utf-8").splitlines())
}
HERE = [model_type for model_type in TABLE if model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES]
DENSE = [model_type for model_type in HERE if TABLE[model_type] == {Kind.DENSE}]
REFUSED = [model_type for model_type in HERE if model_type not in DENSE]
# Text towers inside a larger checkpoint, whose other parts are too large to make.
TOWERS = ("emu3", "fuyu", "gemma3", "gemma3n", "git", "got_ocr2", "moss_transcribe_diarize", "phi4_multimodal")
ALONE = [model_type for model_type in DENSE if model_type not in TOWERS]


@cache
def tiny_shape(model_type: str) -> Shape:
    """The shape of a tiny config of this type, which several tests look at."""
    return shape_from_config(tiny_config(model_type), model_type)


def test_table_holds_every_type_of_the_installed_transformers() -> None:
    new = sorted(set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) - set(TABLE))
    if new:  # another release than the one that the table was written for
        pytest.skip(f"types that the table does not know yet, judged by their structure alone: {', '.join(new)}")
    assert len(HERE) > 100


def test_table_states_a_kind_for_each_type() -> None:
    assert len(TABLE) == 189
    assert {kind for kinds in TABLE.values() for kind in kinds} <= {str(kind) for kind in Kind}
    assert len(DENSE) + len(REFUSED) == len(HERE)


@pytest.mark.parametrize("model_type", REFUSED)
def test_refuses_with_the_reason(model_type: str) -> None:
    with pytest.raises(UnsupportedArchitectureError) as refusal:
        shape_from_config(default_config(model_type), model_type)
    assert kinds_in(str(refusal.value)) == TABLE[model_type]


@pytest.mark.parametrize("model_type", ALONE)
def test_shape_is_that_of_a_real_model(model_type: str) -> None:
    raw, shape = tiny_config(model_type), tiny_shape(model_type)
    with quiet_libraries():
        config = AutoConfig.for_model(**raw)
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).float().eval()

    assert shape.parameters is not None
    assert shape.parameters.total == sum(parameter.numel() for parameter in model.parameters())
    assert shape.parameters.body == shape.parameters.total - shape.parameters.embedding
    table, output = model.get_input_embeddings(), model.get_output_embeddings()
    assert tuple(table.weight.shape) == (shape.vocab_size, shape.width)
    assert shape.tied == (output.weight is table.weight)
    assert shape.parameters.embedding >= table.weight.numel() + (0 if shape.tied else output.weight.numel())

    calls = count_calls(model, shape.depth)
    tokens = torch.randint(3, 90, (1, 12), generator=torch.Generator().manual_seed(1))
    changed = tokens.clone()
    changed[0, -1] = (changed[0, -1] + 7) % 90
    with torch.no_grad():
        first, second = model(input_ids=tokens).logits, model(input_ids=changed).logits
    difference = (first - second).abs().amax(-1)[0]
    assert difference[-1] > 1e-4
    assert difference[:-1].max() < 1e-5
    assert calls == dict.fromkeys(range(shape.depth), 2)


def count_calls(model: torch.nn.Module, depth: int) -> dict[int, int]:
    """Count how often each block of the model is run; a block is what holds attention."""
    (blocks,) = (
        module
        for path, module in model.named_modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == depth and "ttention" in repr(module[0])
    )
    calls: dict[int, int] = {}
    for index, block in enumerate(blocks):

        def count(*_: Any, index: int = index) -> None:
            calls[index] = calls.get(index, 0) + 1

        block.register_forward_hook(count)
    return calls


@pytest.mark.parametrize("model_type", [name for name in DENSE if name in TOWERS])
def test_text_tower_counts_as_it_would_alone(model_type: str) -> None:
    raw, shape = tiny_config(model_type), tiny_shape(model_type)
    assert shape.text_tower_of == model_type
    assert (shape.depth, shape.width) == (3, 32)
    assert any("Text tower" in note for note in shape.notes)
    assert shape.parameters is not None
    text = raw.get("text_config")
    if text and text["model_type"] in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        alone = shape_from_config(text | {"tie_word_embeddings": shape.tied}, "alone")
        assert shape.parameters == alone.parameters
    else:
        assert shape.parameters.total < 200_000


@pytest.mark.parametrize("model_type", DENSE)
def test_mlp_width_agrees_with_the_config_where_it_says_one(model_type: str) -> None:
    raw = tiny_config(model_type)
    text = transformers_config(raw, model_type).text
    said = next((value for key in ("intermediate_size", "ffn_dim", "dff") if (value := getattr(text, key, None))), None)
    said = said[0] if isinstance(said, list) else said
    if model_type == "moshi":  # ffn_dim counts both halves of the gated pair
        said = text.ffn_dim // 2
    assert tiny_shape(model_type).mlp_width == (said or 4 * text.hidden_size)


# Types that transformers knows and that predict no next token.
@pytest.mark.parametrize(
    ("model_type", "kind"),
    [("distilbert", Kind.ENCODER), ("modernbert", Kind.ENCODER), ("t5", Kind.ENCODER_DECODER)],
)
def test_types_outside_the_causal_mapping(model_type: str, kind: Kind) -> None:
    with pytest.raises(UnsupportedArchitectureError) as refusal:
        shape_from_config(default_config(model_type), model_type)
    assert kinds_in(str(refusal.value)) == {kind}

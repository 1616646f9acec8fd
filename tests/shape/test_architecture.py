"""Shapes of real configs, and every number that a config can get wrong."""

import dataclasses
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from nil_audit.errors import ConfigError, UnsupportedArchitectureError
from nil_audit.shape import declared
from nil_audit.shape.architecture import Shape, read_shape, shape_from_config

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 5,
    "vocab_size": 96,
    "max_position_embeddings": 256,
    "tie_word_embeddings": False,
}

# depth, width, heads, kv heads, head size, MLP width, vocabulary, tied, context, total parameters (None: remote code)
REAL: dict[str, tuple[Any, ...]] = {
    "mlc_gemma2_9b": (42, 3584, 16, 8, 256, 14336, 256000, True, 8192, 9_241_705_984),
    "mlc_gpt2": (12, 768, 12, 12, 64, 3072, 50257, True, 1024, 124_439_808),
    "mlc_internlm2_5_7b": (32, 4096, 32, 8, 128, 14336, 92544, False, 32768, None),
    "mlc_llama3_2_1b": (16, 2048, 32, 8, 64, 8192, 128256, True, 131072, 1_235_814_400),
    "mlc_llava": (32, 4096, 32, 32, 128, 11008, 32064, False, 4096, 6_738_939_904),
    "mlc_phi-2": (32, 2560, 32, 32, 80, None, 51200, False, 2048, None),
    "mlc_qwen2_0_5b": (24, 896, 14, 2, 64, 4864, 151936, True, 32768, 494_032_768),
    "mlc_smollm_135m": (30, 576, 9, 3, 64, 1536, 49152, True, 2048, 134_515_008),
    "opt-350m": (24, 1024, 16, 16, 64, 4096, 50272, True, 2048, 331_196_416),
}
REAL_REFUSED = {
    "mamba-130m-hf": "state-space",
    "mlc_Mixtral-8x7B-v0_1": "mixture of experts",
    "t5-small": "encoder-decoder",
}


def numbers(shape: Shape) -> tuple[Any, ...]:
    keys = ("depth", "width", "heads", "kv_heads", "head_size", "mlp_width", "vocab_size", "tied", "context")
    return (*(getattr(shape, key) for key in keys), shape.parameters and shape.parameters.total)


@pytest.mark.parametrize("name", REAL)
def test_real_configs(shared: Path, name: str) -> None:
    folder = shared / "data" / "configs" / name
    shape = read_shape(str(folder))
    assert numbers(shape) == REAL[name]
    assert shape.ratio == shape.depth / shape.width
    assert (shape.name, shape.source, shape.revision) == (str(folder), "local", None)
    assert read_shape(str(folder / "config.json")) == dataclasses.replace(shape, name=str(folder / "config.json"))


@pytest.mark.parametrize("name", REAL_REFUSED)
def test_real_configs_that_are_refused(shared: Path, name: str) -> None:
    with pytest.raises(UnsupportedArchitectureError, match=REAL_REFUSED[name]):
        read_shape(str(shared / "data" / "configs" / name))


def test_text_section_written_as_a_difference_takes_its_class_defaults(shared: Path) -> None:
    shape = read_shape(str(shared / "data" / "configs" / "mlc_llava"))
    assert (shape.text_tower_of, shape.model_type) == ("llava", "llama")
    assert shape.notes == (
        "Text tower of a llava checkpoint; the rest is not counted.",
        "The text section of the config leaves depth (32), width (4096), the number of heads (32), the MLP width"
        " (11008) to the defaults of llama.",
    )


def test_default_that_enters_the_count_is_said() -> None:
    config = {key: value for key, value in LLAMA.items() if key != "vocab_size"}
    assert shape_from_config(config).notes == ("The config leaves the vocabulary (32000) to the defaults of llama.",)


def test_remote_code_type_keeps_depth_and_width_without_running_it(shared: Path) -> None:
    shape = read_shape(str(shared / "data" / "configs" / "mlc_internlm2_5_7b"))
    assert shape.parameters is None
    assert "no code of the model was run" in shape.notes[0]


@pytest.mark.parametrize("folder", ["gpt2-4x176", "llama-6x144", "neox-2x256", "qwen3-12x96"])
def test_checkpoints_hold_as_many_parameters_as_the_shape_says(shared: Path, folder: str) -> None:
    from safetensors import safe_open

    shape = read_shape(str(shared / "checkpoints" / folder))
    depth, width = folder.rsplit("-", 1)[1].split("x")
    assert (shape.depth, shape.width) == (int(depth), int(width))
    with safe_open(shared / "checkpoints" / folder / "model.safetensors", framework="np") as weights:
        sizes = {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
    assert shape.parameters is not None
    count = 0
    for name, size in sizes.items():
        product = 1
        for extent in size:
            product *= extent
        # buffers that old formats store beside the weights
        count += 0 if name.endswith((".attn.bias", ".masked_bias", "inv_freq")) else product
    assert shape.parameters.total == count


ESSENTIAL = ("num_hidden_layers", "hidden_size")
OTHERS = ("num_attention_heads", "num_key_value_heads", "intermediate_size", "vocab_size")


@pytest.mark.parametrize("key", [*ESSENTIAL, *OTHERS])
@pytest.mark.parametrize("value", [0, -1, 24.0, 2.5, "24", True, 10**9, float("nan"), {}])
def test_impossible_number(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        shape_from_config(LLAMA | {key: value}, "some/model")
    sentence = str(error.value)
    assert key in sentence
    assert "some/model" in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert repr(value) in sentence


@pytest.mark.parametrize("key", [*ESSENTIAL, "vocab_size"])
def test_list_where_one_number_must_be(key: str) -> None:
    with pytest.raises(ConfigError, match=f"a list for {key}"):
        shape_from_config(LLAMA | {key: [3, 3]})


@pytest.mark.parametrize("key", ESSENTIAL)
@pytest.mark.parametrize("model_type", ["llama", "unheard_of"])
def test_missing_depth_or_width_is_never_a_default(key: str, model_type: str) -> None:
    config = {name: value for name, value in LLAMA.items() if name != key} | {"model_type": model_type}
    with pytest.raises(ConfigError, match=rf"does not say its (depth|width) \(.*{key}.* is missing\)"):
        shape_from_config(config)


@pytest.mark.parametrize("key", ESSENTIAL)
def test_null_depth_or_width(key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} is null"):
        shape_from_config(LLAMA | {key: None})


@pytest.mark.parametrize("key", ["hidden_size", "n_embd"])
def test_names_of_the_family_and_of_the_library_both_count(key: str) -> None:
    config = {"model_type": "gpt2", key: 48, "n_layer": 2, "n_head": 4, "vocab_size": 96, "n_positions": 32}
    shape = shape_from_config(config)
    assert (shape.depth, shape.width, shape.mlp_width, shape.context) == (2, 48, 192, 32)


def test_two_names_of_one_number_must_agree() -> None:
    config = {"model_type": "gpt2", "n_embd": 48, "hidden_size": 64, "n_layer": 2, "n_head": 4, "vocab_size": 96}
    with pytest.raises(ConfigError, match="contradicts itself: n_embd = 48 and hidden_size = 64"):
        shape_from_config(config)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_attention_heads": 7}, "not a multiple of the number of attention heads"),
        ({"num_key_value_heads": 3}, "4 heads, which 3 key-value heads do not divide"),
        ({"hidden_act": "no_such"}, "no_such"),
        ({"model_type": None, "architectures": None}, "names neither a model_type nor an architecture"),
    ],
)
def test_numbers_that_do_not_fit(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        shape_from_config(LLAMA | changes)
    assert words in str(error.value)


def test_impossible_number_inside_a_text_section() -> None:
    config = {"model_type": "llava", "text_config": LLAMA | {"num_hidden_layers": -2}}
    with pytest.raises(ConfigError, match=r"text_config\.num_hidden_layers = -2"):
        shape_from_config(config)


def test_multimodal_config_without_any_text_section_is_missing_its_depth() -> None:
    with pytest.raises(ConfigError, match="does not say its depth"):
        shape_from_config({"model_type": "llava"})


def test_flat_multimodal_config_of_older_files() -> None:
    vision = {"depth": 2, "embed_dim": 16, "num_heads": 2, "hidden_size": 64}
    shape = shape_from_config(LLAMA | {"model_type": "qwen2_vl", "vision_config": vision})
    assert (shape.depth, shape.width, shape.text_tower_of) == (5, 64, "qwen2_vl")
    assert not any("default" in note for note in shape.notes)


def test_text_tower_of_an_unknown_type_is_read_by_its_own_type() -> None:
    outer = {"model_type": "some_vlm_chat", "auto_map": {"AutoModel": "modeling.Chat"}, "llm_config": LLAMA}
    shape, alone = shape_from_config(outer), shape_from_config(LLAMA)
    assert shape.text_tower_of == "some_vlm_chat"
    assert shape.parameters == alone.parameters
    assert (shape.depth, shape.width) == (5, 64)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {
                "model_type": "chatglm",
                "architectures": ["ChatGLMModel"],
                "auto_map": {"AutoModelForCausalLM": "modeling_chatglm.ChatGLMForConditionalGeneration"},
                "num_layers": 28,
                "hidden_size": 4096,
                "padded_vocab_size": 65024,
                "num_attention_heads": 32,
                "multi_query_group_num": 2,
                "kv_channels": 128,
                "ffn_hidden_size": 13696,
                "seq_length": 32768,
            },
            (28, 4096, 32, 2, 128, 13696, 65024, True, 32768, None),
        ),
        (
            LLAMA | {"model_type": "my_llama", "num_experts": 0, "moe_layers": []},
            (5, 64, 4, 2, 16, 160, 96, False, 256, None),
        ),
    ],
)
def test_unknown_types_in_their_own_words(config: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert numbers(shape_from_config(config)) == expected


REMOTE_CONFIG = """
    from pathlib import Path
    from transformers import LlamaConfig
    Path({marker!r}).write_text("ran")
    class OwnConfig(LlamaConfig):
        model_type = "own_type"
"""
REMOTE_MODEL = """
    from transformers import LlamaForCausalLM
    from .configuration_own import OwnConfig
    class OwnForCausalLM(LlamaForCausalLM):
        config_class = OwnConfig
"""


def test_repository_code_runs_only_where_it_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    marker = tmp_path / "marker"
    auto_map = {"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}
    folder = tmp_path / "own_model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA | {"model_type": "own_type", "auto_map": auto_map}))
    (folder / "configuration_own.py").write_text(textwrap.dedent(REMOTE_CONFIG.format(marker=str(marker))))
    (folder / "modeling_own.py").write_text(textwrap.dedent(REMOTE_MODEL))

    shape = read_shape(str(folder))
    assert (shape.depth, shape.width, shape.parameters) == (5, 64, None)
    assert not marker.exists()

    trusted = read_shape(str(folder), trust_remote_code=True)
    assert marker.exists()
    assert trusted.parameters == shape_from_config(LLAMA).parameters
    assert "counted by its own code" in trusted.notes[0]


def test_repository_code_that_fails_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "failing_model"
    folder.mkdir()
    auto_map = {"AutoConfig": "configuration_bad.BadConfig"}
    (folder / "config.json").write_text(json.dumps(LLAMA | {"model_type": "bad_type", "auto_map": auto_map}))
    (folder / "configuration_bad.py").write_text("raise RuntimeError('broken on purpose')\n")
    with pytest.raises(ConfigError, match="broken on purpose") as error:
        read_shape(str(folder), trust_remote_code=True)
    assert "\n" not in str(error.value)


def test_unknown_type_needs_no_torch(tmp_path: Path) -> None:
    """Importing the room costs nothing, and the words of an unknown type are read without torch."""
    code = "import sys; import nil_audit.shape.architecture; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=60)


MINISTRAL: dict[str, Any] = {
    "model_type": "ministral3",
    "architectures": ["Ministral3ForCausalLM"],
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 3,
    "head_dim": 8,
    "vocab_size": 96,
}


def test_a_section_that_the_type_does_not_have_is_left_aside() -> None:
    """Transformers builds a ministral3 from the top, whatever a text_config beside it says."""
    shape = shape_from_config(MINISTRAL | {"text_config": MINISTRAL | {"num_hidden_layers": 5}})
    assert (shape.model_type, shape.text_tower_of, shape.depth, shape.width) == ("ministral3", None, 3, 32)


def test_numbers_in_a_section_that_the_type_does_not_have_are_told() -> None:
    with pytest.raises(ConfigError) as error:
        shape_from_config({"model_type": "ministral3", "text_config": MINISTRAL}, "it")
    assert str(error.value) == (
        "The config of it has its numbers in text_config, where transformers does not read them: the type ministral3"
        " has no such section; move them to the top, or correct model_type."
    )


@pytest.mark.parametrize("model_type", ["mistral3", "llava", "gemma3"])
def test_numbers_at_the_top_of_a_type_that_reads_a_section_are_told(model_type: str) -> None:
    """Transformers would build the text section's defaults: 40 blocks of 5,120 channels instead of 3 of 32."""
    with pytest.raises(
        ConfigError, match=f"has num_hidden_layers = 3 at its top.* the type {model_type} has its"
    ) as error:
        shape_from_config(MINISTRAL | {"model_type": model_type}, "it")
    assert "move it there, or correct model_type" in str(error.value)


@pytest.mark.parametrize("key", declared.TEXT_KEYS)
def test_every_name_of_a_text_section_is_read_of_an_unknown_type(key: str) -> None:
    config = {"model_type": "unheard_of", "architectures": ["OmniForConditionalGeneration"], key: MINISTRAL}
    shape = shape_from_config(config)
    assert (shape.text_tower_of, shape.depth, shape.width) == ("unheard_of", 3, 32)

"""Text towers of multimodal checkpoints: accepted where they are dense decoders, refused with the reason where not."""

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from nil_audit.errors import UnsupportedArchitectureError
from nil_audit.shape.architecture import shape_from_config
from nil_audit.shape.classification import Kind
from nil_audit.shape.hf_config import transformers_config
from tests.shape.tiny import default_config, kinds_in

# The kind of each type's text tower.
MULTIMODAL = {
    "aria": {Kind.MOE},
    "blip": {Kind.ENCODER_DECODER},  # a text decoder that attends to the image in every block
    "deepseek_vl": {Kind.DENSE},
    "diffusion_gemma": {Kind.OTHER},
    "florence2": {Kind.ENCODER_DECODER},
    "glm4v": {Kind.DENSE},
    "glm4v_moe": {Kind.MOE},
    "idefics": {Kind.ENCODER_DECODER},  # gated cross-attention between its blocks
    "idefics2": {Kind.DENSE},
    "idefics3": {Kind.DENSE},
    "instructblip": {Kind.DENSE},
    "internvl": {Kind.DENSE},
    "janus": {Kind.DENSE},
    "kimi_k25": {Kind.MOE},
    "kosmos-2": {Kind.DENSE},
    "lfm2_vl": {Kind.CONVOLUTION},
    "lfm3_vl": {Kind.CONVOLUTION},
    "llava": {Kind.DENSE},
    "llava_next": {Kind.DENSE},
    "llava_onevision": {Kind.DENSE},
    "minicpmv4_6": {Kind.LINEAR_ATTENTION},
    "mistral3": {Kind.DENSE},
    "molmo2": {Kind.DENSE},
    "nemotron_h_omni": {Kind.STATE_SPACE, Kind.MOE},
    "ovis2": {Kind.DENSE},
    "paligemma": {Kind.DENSE},  # prefix language model: causal after its prompt, and a note says so
    "pi0": {Kind.OTHER},
    "qwen2_5_omni": {Kind.DENSE},
    "qwen2_5_vl": {Kind.DENSE},
    "qwen2_audio": {Kind.DENSE},
    "qwen2_vl": {Kind.DENSE},
    "qwen3_omni_moe_thinker": {Kind.MOE},
    "qwen3_vl": {Kind.DENSE},
    "qwen3_vl_moe": {Kind.MOE},
    "smolvlm": {Kind.DENSE},
    "t5gemma2": {Kind.ENCODER_DECODER},
    "vision-encoder-decoder": {Kind.ENCODER_DECODER},
    "voxtral": {Kind.DENSE},
}


@pytest.mark.parametrize("model_type", [name for name in MULTIMODAL if name in CONFIG_MAPPING])
def test_text_towers_of_multimodal_checkpoints(model_type: str) -> None:
    raw = default_config(model_type)
    if MULTIMODAL[model_type] != {Kind.DENSE}:
        with pytest.raises(UnsupportedArchitectureError) as refusal:
            shape_from_config(raw, model_type)
        assert kinds_in(str(refusal.value)) == MULTIMODAL[model_type]
        return
    shape = shape_from_config(raw, model_type)
    text = transformers_config(raw, model_type).text
    assert shape.text_tower_of == model_type
    assert (shape.depth, shape.width) == (text.num_hidden_layers, text.hidden_size)
    assert shape.parameters is not None
    if shape.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        text_config = raw["text_config"] | {"use_bidirectional_attention": None}  # what PaliGemma adds to Gemma
        alone = shape_from_config(text_config | {"tie_word_embeddings": shape.tied}, "alone")
        assert shape.parameters == alone.parameters

"""Whatever a config holds, the answer is a shape or one sentence."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.errors import NilAuditError
from nil_audit.shape.architecture import shape_from_config

BASE: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 5,
    "vocab_size": 96,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.floats(width=32) | st.sampled_from(["", "x", "llama", "24"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", *BASE]), inner, max_size=3),
    max_leaves=4,
)
KEYS = [*BASE, "head_dim", "layer_types", "rope_scaling", "auto_map", "text_config", "per_layer_config", "dtype"]


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    changes=st.dictionaries(st.sampled_from(KEYS), JSON, min_size=1, max_size=3),
    model_type=st.sampled_from(["llama", "gpt2", "unheard_of", "llava"]),
)
def test_whatever_a_config_holds_ends_in_a_shape_or_in_a_sentence(changes: dict[str, Any], model_type: str) -> None:
    try:
        shape = shape_from_config(BASE | {"model_type": model_type} | changes)
    except NilAuditError as error:
        assert str(error).endswith(".")
        assert "\n" not in str(error)
    else:
        assert (shape.depth >= 1, shape.width >= 1) == (True, True)

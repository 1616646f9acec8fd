"""A rotated model computes the same function, its stream and its embedding turned by an orthogonal matrix."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from nil_audit.errors import RotationError
from nil_audit.shape.architecture import shape_from_config
from nil_audit.source import Source
from nil_audit.weights import rotation as module
from nil_audit.weights.checkpoint import Checkpoint
from nil_audit.weights.orthogonal import hadamard, rotation
from nil_audit.weights.rotation import rotated
from nil_audit.weights.turned_norm import TurnedNorm, norm_form
from tests.tiny import ARCHITECTURES, byte_tokenizer

PLAIN = {
    "vocab_size": 256,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
    "pad_token_id": None,
}
MORE = {
    "cohere": ("CohereConfig", PLAIN),  # a mean is subtracted and nothing added, one norm for both branches
    "gemma": ("GemmaConfig", {**PLAIN, "num_key_value_heads": 2, "head_dim": 8}),
    "gptj": ("GPTJConfig", {**PLAIN, "rotary_dim": 4}),  # the output matrix has a bias
    "glm4": ("Glm4Config", {**PLAIN, "num_key_value_heads": 2, "head_dim": 8}),  # norms on both sides, fused halves
    "olmo": ("OlmoConfig", PLAIN),  # norms without weights
    "phi3": ("Phi3Config", PLAIN),  # query, key and value are one map
    "minicpm3": (  # queries and keys through a narrow latent
        "MiniCPM3Config",
        PLAIN
        | {"num_key_value_heads": 4, "q_lora_rank": 12, "kv_lora_rank": 8}
        | {"qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 6},
    ),
}
EVERY = ARCHITECTURES | MORE


class Wide(torch.nn.Module):
    """A norm in the type of its input: the library's own round to float32."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        kind = type(norm).__name__
        self.centred = "LayerNorm" in kind
        self.one_more = kind.startswith("Gemma")
        self.weight = getattr(norm, "weight", None)
        self.eps = float(getattr(norm, "variance_epsilon", getattr(norm, "eps", 1e-5)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x - x.mean(-1, keepdim=True) if self.centred else x
        x = x / torch.sqrt(x.square().mean(-1, keepdim=True) + self.eps)
        return x if self.weight is None else (self.weight + self.one_more) * x


def model_of(name: str, **changes: Any) -> torch.nn.Module:
    """A model in float64 whose biases and norms' scales are of every size."""
    kind, values = EVERY.get(name) or (name, PLAIN)
    torch.manual_seed(0)
    config = getattr(transformers, kind)(**{**values, **changes})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).double()
    for path, norm in list(model.named_modules()):
        if "RMSNorm" in type(norm).__name__ or type(norm).__name__ in ("CohereLayerNorm", "OlmoLayerNorm"):
            parent, _, key = path.rpartition(".")
            setattr(model.get_submodule(parent), key, Wide(norm))
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            scale = parameter.ndim == 1 and "bias" not in path
            parameter.copy_(parameter + 0.4 * noise if scale else 0.3 * noise)
    return model.eval().requires_grad_(False)


def checkpoint_of(model: Any) -> Checkpoint:
    return Checkpoint(
        source=Source(name="tiny", kind="local", reference="tiny", revision=None, folder=None, config={}),
        shape=shape_from_config(model.config.to_dict()),
        model=model,
        tokenizer=byte_tokenizer(),
        dtype=str(model.dtype).removeprefix("torch."),
        device="cpu",
    )


@contextmanager
def stream_of(model: torch.nn.Module) -> Iterator[list[torch.Tensor]]:
    """What the embedding gives, and what every block is given, in a forward pass."""
    blocks = next(one for one in model.modules() if isinstance(one, torch.nn.ModuleList) and len(one) == 2)
    seen: list[torch.Tensor] = []
    handles = [model.get_input_embeddings().register_forward_hook(lambda _m, _i, output: seen.append(output))]  # type: ignore[operator]
    for block in blocks:
        handles.append(
            block.register_forward_pre_hook(
                lambda _m, args, kwargs: seen.append((*args, *kwargs.values())[0]), with_kwargs=True
            )
        )
    yield seen
    for handle in handles:
        handle.remove()


IDS = torch.arange(3, 43).reshape(2, 20)


@pytest.mark.parametrize("name", sorted(EVERY))
def test_the_same_function_in_another_basis(name: str) -> None:
    model = model_of(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with stream_of(model) as here:
        logits = model(input_ids=IDS).logits
    for kind in ("random", "hadamard"):
        new = rotated(checkpoint_of(model), kind, seed=3).model
        with stream_of(new) as there:
            torch.testing.assert_close(new(input_ids=IDS).logits, logits, rtol=0, atol=1e-11 * float(logits.std()))
        for one, other in zip(here, there, strict=True):
            q = torch.from_numpy(rotation(kind, one.shape[-1], 3))
            torch.testing.assert_close(other, one @ q, rtol=1e-10, atol=1e-10)
            assert float((other - one).abs().mean()) > 0.5 * float(one.abs().mean())
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert not any(isinstance(one, TurnedNorm) or one._forward_hooks for one in model.modules())


def test_tied_tables_are_two_in_the_copy_alone() -> None:
    model: Any = model_of("gpt2")
    new: Any = rotated(checkpoint_of(model), "random").model
    assert model.lm_head.weight is model.transformer.wte.weight
    assert not torch.allclose(new.lm_head.weight, new.transformer.wte.weight)
    assert not any(parameter.requires_grad for parameter in new.parameters())
    # what neither reads the stream nor writes to it takes no memory again
    model = model_of("qwen3")
    new = rotated(checkpoint_of(model), "random").model
    assert new.model.layers[0].self_attn.q_norm.weight is model.model.layers[0].self_attn.q_norm.weight


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_are_rounded_once(dtype: str) -> None:
    kind = getattr(torch, dtype)
    model = AutoModelForCausalLM.from_config(transformers.LlamaConfig(**PLAIN), dtype=kind).eval().requires_grad_(False)
    new: Any = rotated(checkpoint_of(model), "hadamard").model
    q = torch.from_numpy(rotation("hadamard", 24, 0))
    for path, expected in (
        ("model.embed_tokens", model.model.embed_tokens.weight.double() @ q),
        ("model.layers.1.mlp.down_proj", q.T @ model.model.layers[1].mlp.down_proj.weight.double()),
        ("lm_head", model.lm_head.weight.double() * model.model.norm.weight.double() @ q),
    ):
        found = new.get_submodule(path).weight
        assert found.dtype == kind
        # the order of the products' sums may decide a tie
        assert (found != expected.to(kind)).double().mean() < 1e-3


def test_norms_of_every_family_are_known_by_what_they_compute() -> None:
    from transformers.models.cohere.modeling_cohere import CohereLayerNorm
    from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
    from transformers.models.llama.modeling_llama import LlamaRMSNorm
    from transformers.models.nemotron.modeling_nemotron import NemotronLayerNorm1P
    from transformers.models.olmo.modeling_olmo import OlmoLayerNorm

    torch.manual_seed(0)
    for norm, centred, one_more, epsilon in (
        (LlamaRMSNorm(24, 1e-6), False, 0, 1e-6),
        (GemmaRMSNorm(24, 1e-6), False, 1, 1e-6),
        (CohereLayerNorm(24, 1e-5), True, 0, 1e-5),
        (NemotronLayerNorm1P(24, 1e-3), True, 1, 1e-3),
        (OlmoLayerNorm(24), True, None, 1e-5),
        (torch.nn.LayerNorm(24, eps=1e-3), True, 0, 1e-3),
        (torch.nn.LayerNorm(24, elementwise_affine=False), True, None, 1e-5),
    ):
        with torch.no_grad():
            for parameter in norm.parameters():
                parameter.copy_(torch.randn(24))
        for kind in (torch.float32, torch.bfloat16):
            found = norm_form(norm.to(kind), 24)
            assert found is not None, norm
            assert (found.centred, found.epsilon) == (centred, epsilon), norm
            scale = torch.ones(24) if one_more is None else norm.weight + one_more
            torch.testing.assert_close(found.scale_d, scale.double(), rtol=1e-2, atol=1e-2)


class Other(torch.nn.Module):
    """Called a norm, and none of those that turn."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(24, dtype=torch.float64), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / x.abs().max(-1, keepdim=True).values


@pytest.mark.parametrize(
    ("name", "changes", "kind", "sentence"),
    [
        ("OpenAIGPTConfig", {}, "random", "more than the sum of what its tables, linear maps and norms write"),
        (
            "GPTNeoXJapaneseConfig",
            {},
            "random",
            "not the same with its residual stream rotated .they move by 1.* as float64",
        ),
        (
            "gpt2",
            {"hidden_size": 92},
            "hadamard",
            "No Hadamard matrix of order 92, the width of tiny",
        ),
    ],
)
def test_refusals(name: str, changes: dict[str, int], kind: Any, sentence: str) -> None:
    with pytest.raises(RotationError, match=sentence):
        rotated(checkpoint_of(model_of(name, **changes)), kind)


def test_what_does_not_turn_does_not_fit_or_does_not_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = model_of("llama")
    checkpoint = checkpoint_of(model)
    with monkeypatch.context() as patched:
        patched.setitem(model.model._modules, "norm", Other())
        with pytest.raises(
            RotationError, match=r"turn model\.norm of tiny \(Other\): it is neither an RMSNorm nor a Lay"
        ):
            rotated(checkpoint, "random")
    # both tables, and in each of 2 blocks 36 rows of 24 that read queries, keys, values, 2 * 40 of the MLP, and 24 that
    # write, of 24 and 40
    size = 8 * 24 * (2 * 256 + 2 * (24 + 2 * 12 + 2 * 40 + 24 + 40))
    norms = 8 * 24 * 24 * 5
    with monkeypatch.context() as patched:
        patched.setattr(module, "free_for_sums", lambda _device: size + norms)
        rotated(checkpoint, "random")
        patched.setattr(module, "free_for_sums", lambda _device: size - 1)
        with pytest.raises(RotationError, match=r"copy of the weights of tiny needs 0\.0 GB, but only 0\.0 GB"):
            rotated(checkpoint, "random")

    def fails(self: Any, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no such kernel.")

    with monkeypatch.context() as patched:
        patched.setattr(TurnedNorm, "forward", fails)
        with pytest.raises(RotationError, match=r"tiny does not run .* rotated \(no such kernel\)"):
            rotated(checkpoint, "random")

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patched:
        patched.setattr(module, "_times", full)
        with pytest.raises(RotationError, match="Memory ran out while the weights of tiny were copied"):
            rotated(checkpoint, "random")


@pytest.mark.parametrize("order", [1, 2, 4, 8, 12, 20, 24, 28, 36, 60, 96, 144, 176, 576, 896])
def test_hadamard_matrices(order: int) -> None:
    entries = hadamard(order)
    assert entries is not None
    assert set(np.unique(entries)) <= {-1, 1}
    wide = entries.astype(float)
    assert np.array_equal(wide @ wide.T, order * np.eye(order))
    q = rotation("hadamard", order, 5)
    assert q is not None
    assert np.array_equal(np.abs(q), np.full((order, order), 1 / np.sqrt(order)))
    np.testing.assert_allclose(q @ q.T, np.eye(order), atol=1e-13)


def test_there_is_a_hadamard_matrix_of_every_usual_width_and_of_no_impossible_one() -> None:
    usual = (
        512,
        640,
        768,
        960,
        1024,
        1152,
        1280,
        1536,
        2048,
        2304,
        2560,
        3072,
        3584,
        3840,
        4096,
        4544,
        5120,
        6656,
        8192,
    )
    from nil_audit.weights.orthogonal import _factors

    assert all(np.prod(_factors(width) or (0,)) == width for width in usual)
    assert {order for order in range(1, 101) if _factors(order)} == {2, *range(4, 101, 4)} - {52, 92, 100}
    assert hadamard(92) is None
    assert rotation("hadamard", 6, 0) is None


def test_random_rotations_are_uniform() -> None:
    every = np.array([rotation("random", 3, seed) for seed in range(1500)])
    np.testing.assert_allclose(every @ every.transpose(0, 2, 1), np.broadcast_to(np.eye(3), every.shape), atol=1e-12)
    # of a uniform unit vector in 3 dimensions every entry is uniform on [-1, 1]
    assert np.abs(every.mean(axis=0)).max() < 5 * np.sqrt(1 / 3 / 1500)
    assert np.abs((every**4).mean(axis=0) - 1 / 5).max() < 5 * np.sqrt((1 / 9 - 1 / 25) / 1500)
    assert 600 < sum(np.linalg.det(every) > 0) < 900
    assert np.array_equal(every[7], rotation("random", 3, 7))

"""What is a property of the function stays as it was when the residual stream is rotated and rescaled.

A network with RMSNorm computes the same function after an orthogonal rotation of its residual stream (arXiv
2401.15024), and where all that is written to the stream is multiplied by one number, and the norms' epsilon by its
square.
"""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch

from nil_audit.interaction.gradients import window_gradients
from nil_audit.interaction.measure import Interaction, measure
from nil_audit.interaction.metrics import TYPICAL_METRICS, estimate, estimate_loss
from nil_audit.interaction.probe import Probe, make_windows
from nil_audit.shape.architecture import shape_from_config
from nil_audit.source import Source
from nil_audit.weights.checkpoint import Checkpoint
from tests.tiny import byte_tokenizer, english, tiny_model

T, CONTEXT, PREFIX = 24, 5, 37
PROBE = Probe(name="text", text=english(T * 35 + 5), sha256="0")
OF_THE_BASIS = ("aofe", "aofe_ratio", "mean_cos2", "normalised_aofe", "excess", "kappa")


class Norm(torch.nn.Module):
    """RMSNorm in the type of its input: the library's own rounds to float32."""

    def __init__(self, weight_d: torch.Tensor, epsilon: float) -> None:
        super().__init__()
        self.weight, self.epsilon = torch.nn.Parameter(weight_d, requires_grad=False), epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon)


def llama() -> torch.nn.Module:
    """A Llama in float64 whose norms have gains of every size."""
    model = tiny_model("llama").double()
    torch.manual_seed(1)

    def norm() -> Norm:
        return Norm(torch.rand(24, dtype=torch.float64) + 0.5, 1e-3)

    for layer in model.model.layers:
        layer.input_layernorm, layer.post_attention_layernorm = norm(), norm()
    model.model.norm = norm()
    return model


def moved(model: torch.nn.Module, rotation_dd: torch.Tensor, scale: float = 1.0) -> torch.nn.Module:
    """The same function with residual stream x -> scale x Q."""
    new = deepcopy(model)
    inner = new.model
    readers = [(inner.norm, [new.lm_head])]
    writers = []
    for layer in inner.layers:
        attention, mlp = layer.self_attn, layer.mlp
        readers.append((layer.input_layernorm, [attention.q_proj, attention.k_proj, attention.v_proj]))
        readers.append((layer.post_attention_layernorm, [mlp.gate_proj, mlp.up_proj]))
        writers += [attention.o_proj, mlp.down_proj]
    for norm, matrices in readers:
        for matrix in matrices:
            matrix.weight.copy_(matrix.weight * norm.weight @ rotation_dd)
        norm.weight.fill_(1)
        norm.epsilon *= scale**2
    for matrix in writers:
        matrix.weight.copy_(scale * rotation_dd.T @ matrix.weight)
    inner.embed_tokens.weight.copy_(scale * inner.embed_tokens.weight @ rotation_dd)
    return new


def tokenizer() -> Any:
    found = byte_tokenizer()
    found.bos_token = found.convert_ids_to_tokens(PREFIX)
    return found


def measured(model: torch.nn.Module) -> Interaction:
    checkpoint = Checkpoint(
        source=Source(name="tiny", kind="local", reference="tiny", revision=None, folder=None, config={}),
        shape=shape_from_config(model.config.to_dict()),
        model=model,
        tokenizer=tokenizer(),
        dtype="float64",
        device="cpu",
    )
    return measure(checkpoint, PROBE, window=T, context=CONTEXT, precision=0, batch_size=7)


def numbers(found: Interaction) -> dict[str, Any]:
    """Value, error and bias of every metric in both estimates, and of the loss, of every round."""
    every: dict[str, list[float | None]] = {}
    for one in found.rounds:
        tables = {kind: estimate(one.products, kind) for kind in ("plugin", "unbiased")}
        tables["loss"] = estimate_loss(one.products, one.block_loss, one.block_bytes)
        for table in tables.values():
            for name, each in table.items():
                every.setdefault(name, []).extend([each.value, each.se, each.bias, each.low, each.high])
    return every


def random_rotation(seed: int) -> torch.Tensor:
    basis, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((24, 24)))
    return torch.from_numpy(basis)


ORIGINAL = llama()


@pytest.fixture(scope="module")
def before() -> Interaction:
    return measured(ORIGINAL)


def test_the_construction_computes_the_same_function() -> None:
    ids = torch.arange(40).reshape(2, 20)
    there = moved(ORIGINAL, random_rotation(0), 3.7)(input_ids=ids).logits
    torch.testing.assert_close(there, ORIGINAL(input_ids=ids).logits, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("scale", [1.0, 3.7, 0.02])
@pytest.mark.parametrize("rotated", [True, False])
def test_rotating_and_rescaling_the_residual_stream_moves_no_number_of_the_function(
    before: Interaction, rotated: bool, scale: float
) -> None:
    rotation = random_rotation(1) if rotated else torch.eye(24, dtype=torch.float64)
    after = measured(moved(ORIGINAL, rotation, scale))
    assert (after.result.windows, len(after.rounds)) == (35, 2)
    assert before.prefix == after.prefix == tokenizer().bos_token
    here, there = numbers(before), numbers(after)
    assert {*TYPICAL_METRICS, "spread", "effective_rank", "sensitivity", "interaction_efficiency"} < here.keys()
    for name, power in (("trace", 2), ("frobenius_squared", 4), ("aofe", 4)):
        there[name] = np.array(there[name]) * scale**power
    for name in here.keys() - set(OF_THE_BASIS if rotated else ()):
        # the jackknife's bias is 15 times a difference of nearly equal numbers
        np.testing.assert_allclose(there[name], here[name], rtol=1e-8, atol=1e-10, err_msg=name)
    if rotated:
        for name in ("aofe", "aofe_ratio"):
            assert abs(there[name][0] / here[name][0] - 1) > 0.02, name
    assert [one.share for one in after.heaviest.tokens] == pytest.approx([one.share for one in before.heaviest.tokens])


def test_in_the_eigenbasis_of_g_the_ratio_is_zero_at_the_same_loss_and_efficiency(before: Interaction) -> None:
    windows = make_windows(PROBE, tokenizer(), tokens=100_000, window=T, context=CONTEXT)
    found = window_gradients(ORIGINAL, torch.from_numpy(windows.tokens), prefix=PREFIX, context=CONTEXT)
    g = found.gradients_BND.flatten(0, 1)
    _, basis = torch.linalg.eigh(g.T @ g)
    here, there = (
        {name: one.value for name, one in estimate(each.result.products, "plugin").items()}
        for each in (before, measured(moved(ORIGINAL, basis)))
    )
    assert here["aofe_ratio"] > 0.2
    assert there["aofe_ratio"] == pytest.approx(0, abs=1e-12)
    for name in ("typical_efficiency", "interaction_efficiency", "spread"):
        assert there[name] == pytest.approx(here[name], rel=1e-10)

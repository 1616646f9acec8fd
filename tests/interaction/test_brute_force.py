"""The measured numbers against a float64 brute force that shares no code with the package."""

import math

import numpy as np
import pytest
import torch

from nil_audit.interaction.measure import measure
from nil_audit.interaction.metrics import estimate, estimate_loss
from nil_audit.interaction.probe import Probe
from nil_audit.interaction.superposition import weight_superposition
from nil_audit.shape.architecture import shape_from_config
from nil_audit.source import Source
from nil_audit.weights.checkpoint import Checkpoint
from tests.tiny import ARCHITECTURES, byte_tokenizer, english, tiny_model

T, K = 16, 16
PROBE = Probe(name="text", text=english(16 * 19 + 5), sha256="0")


def checkpoint_of(model: torch.nn.Module, dtype: str = "float32") -> Checkpoint:
    return Checkpoint(
        source=Source(name="tiny", kind="local", reference="tiny", revision=None, folder=None, config={}),
        shape=shape_from_config(model.config.to_dict()),
        model=model,
        tokenizer=byte_tokenizer(),
        dtype=dtype,
        device="cpu",
    )


def brute_force(name: str) -> dict[str, dict[str, float]]:
    """The formulas of docs/definitions.md word for word: one window at a time, explicit sums, float64."""
    model = tiny_model(name).double()
    ids = byte_tokenizer()(PROBE.text, add_special_tokens=False)["input_ids"]
    windows = [ids[w * T : w * T + T + 1] for w in range((len(ids) - 1) // T)]
    count = len(windows)
    table = model.get_input_embeddings()
    original = type(table).forward
    blocks: list[list[np.ndarray]] = [[] for _ in range(K)]
    squares, losses = [], []
    for i, window in enumerate(windows):
        given = original(table, torch.tensor([window[:T]])).detach().requires_grad_()
        table.forward = lambda *_args, given=given, **_kwargs: given
        logits = model(input_ids=torch.tensor([window[:T]])).logits[0]
        loss = sum(torch.logsumexp(logits[t], 0) - logits[t, window[t + 1]] for t in range(T))
        loss.backward()
        blocks[i * K // count] += list(given.grad[0].numpy())
        squares += list((given.detach().numpy() ** 2).ravel())
        losses.append(loss.item())
    del table.forward
    n = np.array([len(block) for block in blocks], dtype=float)
    means = [sum(np.outer(g, g) for g in block) / len(block) for block in blocks]
    G = sum(w * m for w, m in zip(n / n.sum(), means, strict=True))
    d = len(G)
    pair = [(a, b, n[a] * n[b]) for a in range(K) for b in range(K) if a != b]
    mass = sum(w for _, _, w in pair)
    moments = {
        "plugin": (np.sum(G**2), np.sum(np.diag(G) ** 2), np.trace(G) ** 2),
        "unbiased": (
            sum(w * np.sum(means[a] * means[b]) for a, b, w in pair) / mass,
            sum(w * np.sum(np.diag(means[a]) * np.diag(means[b])) for a, b, w in pair) / mass,
            sum(w * np.trace(means[a]) * np.trace(means[b]) for a, b, w in pair) / mass,
        ),
    }
    s2 = float(np.mean(squares))
    result = {}
    for kind, (F, S, tr2) in moments.items():
        r, rho = tr2 / F, 1 - S / F
        null = 1 - (r + 2) / (d + 2)
        result[kind] = {
            "trace": np.trace(G),
            "frobenius_squared": F,
            "aofe": F - S,
            "aofe_ratio": rho,
            "mean_cos2": (F - S) / (tr2 - S),
            "effective_rank": r,
            "spread": r / d,
            "sensitivity": s2 * np.trace(G),
            "interaction_efficiency": -0.5 * math.log(s2**2 * F),
            "normalised_aofe": (F - S) / tr2,
            "rotation_null": null,
            "excess": rho - null,
            "kappa": (1 - rho) / (1 - null),
        }
    result["loss"] = {"loss_per_token": sum(losses) / (count * T)}
    return result


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_metric_agrees_with_float64_brute_force(name: str) -> None:
    expected = brute_force(name)
    found = measure(checkpoint_of(tiny_model(name)), PROBE, tokens=10_000, window=T, batch_size=5)
    assert found.windows == 19
    for kind in ("plugin", "unbiased"):
        values = {key: one.value for key, one in estimate(found.products["all"], kind).items()}
        assert values == pytest.approx(expected[kind], rel=1e-4), kind
    loss = estimate_loss(found.products["all"], found.block_loss, found.block_bytes)
    assert loss["loss_per_token"].value == pytest.approx(expected["loss"]["loss_per_token"], rel=1e-5)
    # one byte a token, so the two must agree
    assert loss["loss_per_byte"].value == pytest.approx(loss["loss_per_token"].value, rel=1e-12)


def test_gradient_agrees_with_finite_differences() -> None:
    from nil_audit.interaction.gradients import window_gradients

    model = tiny_model("gemma2").double()
    ids = torch.tensor([byte_tokenizer()(PROBE.text)["input_ids"][: T + 1]])
    found = window_gradients(model, ids)
    table = model.get_input_embeddings()

    def loss(shift: torch.Tensor) -> float:
        handle = table.register_forward_hook(lambda _m, _i, output: output + shift)
        logits = model(input_ids=ids[:, :-1]).logits[0]
        handle.remove()
        return float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))

    for position, channel in ((0, 3), (7, 11), (15, 20)):
        shift = torch.zeros(1, T, 24, dtype=torch.float64)
        shift[0, position, channel] = 1e-3
        slope = (loss(shift) - loss(-shift)) / 2e-3
        assert float(found.gradients_BTD[0, position, channel]) == pytest.approx(
            slope, rel=5e-3
        )  # the library takes norms in float32


@pytest.mark.parametrize("batch_size", [1, 3, 19])
def test_batch_size_changes_nothing_beyond_rounding(batch_size: int) -> None:
    model = tiny_model("llama").double()
    reference = measure(checkpoint_of(model, "float64"), PROBE, window=T, batch_size=4)
    found = measure(checkpoint_of(model, "float64"), PROBE, window=T, batch_size=batch_size)
    np.testing.assert_allclose(found.products["all"].gram, reference.products["all"].gram, rtol=1e-10)
    np.testing.assert_allclose(found.block_loss, reference.block_loss, rtol=1e-10)


def test_out_of_memory_halves_the_batch_and_keeps_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    from nil_audit.interaction import measure as module

    model = tiny_model("llama")
    reference = measure(checkpoint_of(model), PROBE, window=T, batch_size=2)
    genuine, sizes = module.window_gradients, []

    def scarce(model: torch.nn.Module, tokens: torch.Tensor) -> object:
        sizes.append(len(tokens))
        if len(tokens) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return genuine(model, tokens)

    monkeypatch.setattr(module, "window_gradients", scarce)
    found = measure(checkpoint_of(model), PROBE, window=T, batch_size=8)
    assert sizes[:3] == [8, 4, 2]
    assert found.batch_size == 2
    np.testing.assert_array_equal(found.products["all"].gram, reference.products["all"].gram)


def test_variants_leave_out_first_positions_and_lengths() -> None:
    model = tiny_model("gpt2").double()
    found = measure(checkpoint_of(model, "float64"), PROBE, window=T, robust=True)
    per_block = found.products["late"].tokens / found.products["all"].tokens
    np.testing.assert_allclose(per_block, (T - 4) / T)
    np.testing.assert_allclose(found.products["direction"].trace, 1.0)
    share = 1 - (found.products["late"].tokens @ found.products["late"].trace) / (
        found.products["all"].tokens @ found.products["all"].trace
    )
    assert found.first_positions_share == pytest.approx(share, rel=1e-10)


def test_projected_embeddings_are_measured_at_their_own_width() -> None:
    found = measure(checkpoint_of(tiny_model("opt_projected")), PROBE, window=T)
    assert found.products["all"].width == 16


def test_weight_superposition_agrees_with_float64() -> None:
    weight = tiny_model("llama").get_input_embeddings().weight
    W = weight.double().numpy()
    M = W.T @ W / len(W)
    found = weight_superposition(weight)
    F, S = np.sum(M**2), np.sum(np.diag(M) ** 2)
    assert found["aofe"] == pytest.approx(F - S, rel=1e-5)
    assert found["aofe_ratio"] == pytest.approx(1 - S / F, rel=1e-5)
    assert found["effective_rank"] == pytest.approx(np.trace(M) ** 2 / F, rel=1e-5)
    assert "sensitivity" not in found


def test_a_model_that_reads_ahead_is_refused() -> None:
    from nil_audit.errors import MeasurementError

    model = tiny_model("llama")
    for layer in model.model.layers:
        layer.self_attn.is_causal = False
    model.config._attn_implementation = "eager"
    inner = model.model.forward
    model.model.forward = lambda **given: inner(**given | {"attention_mask": torch.zeros(1, 1, T, T)})
    found = checkpoint_of(model)
    with pytest.raises(MeasurementError, match="depend on later tokens"):
        measure(found, PROBE, window=T)

"""The measured numbers against a float64 brute force that shares no code with the package."""

import math
import re
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from nil_audit.errors import CheckpointError, MeasurementError, NilAuditError
from nil_audit.interaction import totals as totals_module
from nil_audit.interaction.gradients import WindowGradients
from nil_audit.interaction.measure import measure, window_length
from nil_audit.interaction.metrics import estimate, estimate_loss
from nil_audit.interaction.probe import Probe, Windows
from nil_audit.interaction.schedule import doubling
from nil_audit.interaction.superposition import weight_superposition
from nil_audit.processes import Team
from nil_audit.shape.architecture import shape_from_config
from nil_audit.source import Source
from nil_audit.weights.checkpoint import Checkpoint
from tests.tiny import ARCHITECTURES, NUL, byte_tokenizer, english, tiny_model

T, K = 16, 16
FIVE = ("llama", "gpt2", "qwen3", "gemma2", "opt_projected")
PROBE = Probe(name="text", text=english(16 * 37 + 5), sha256="0")


def checkpoint_of(model: torch.nn.Module, dtype: str = "float32", tokenizer: Any = None) -> Checkpoint:
    return Checkpoint(
        source=Source(name="tiny", kind="local", reference="tiny", revision=None, folder=None, config={}),
        shape=shape_from_config(model.config.to_dict()),
        model=model,
        tokenizer=tokenizer or byte_tokenizer(eos_token=NUL),
        dtype=dtype,
        device="cpu",
    )


def brute_force(name: str, windows: int, start: list[int], context: int) -> dict[str, dict[str, float]]:
    """The formulas of docs/definitions.md word for word: one window at a time, explicit sums, float64."""
    model = tiny_model(name).double()
    ids = byte_tokenizer()(PROBE.text, add_special_tokens=False)["input_ids"]
    texts = [ids[w * T : w * T + T + 1] for w in range(windows)]
    table = model.get_input_embeddings()
    original = type(table).forward
    blocks: list[list[np.ndarray]] = [[] for _ in range(K)]
    squares, losses = [], []
    for i, text in enumerate(texts):
        read = torch.tensor([start + text[:T]])
        given = original(table, read).detach().requires_grad_()
        table.forward = lambda *_args, given=given, **_kwargs: given
        logits = model(input_ids=read).logits[0][len(start) :]
        said = logits[range(context, T), text[context + 1 :]]
        loss = (torch.logsumexp(logits[context:], 1) - said).sum()
        loss.backward()
        blocks[i * K // windows] += list(given.grad[0].numpy()[len(start) + context :])
        squares += list((given.detach().numpy()[0][len(start) + context :] ** 2).ravel())
        losses.append(loss.item())
    del table.forward
    n = np.array([len(block) for block in blocks], dtype=float)
    means = [sum(np.outer(g, g) for g in block) / len(block) for block in blocks]
    directions = [sum(np.outer(g, g) / np.dot(g, g) for g in block) / len(block) for block in blocks]
    G, U = (sum(w * m for w, m in zip(n / n.sum(), parts, strict=True)) for parts in (means, directions))
    d = len(G)
    pair = [(a, b, n[a] * n[b]) for a in range(K) for b in range(K) if a != b]
    mass = sum(w for _, _, w in pair)
    moments = {
        "plugin": (np.sum(G**2), np.sum(np.diag(G) ** 2), np.trace(G) ** 2, np.sum(U**2)),
        "unbiased": (
            sum(w * np.sum(means[a] * means[b]) for a, b, w in pair) / mass,
            sum(w * np.sum(np.diag(means[a]) * np.diag(means[b])) for a, b, w in pair) / mass,
            sum(w * np.trace(means[a]) * np.trace(means[b]) for a, b, w in pair) / mass,
            sum(w * np.sum(directions[a] * directions[b]) for a, b, w in pair) / mass,
        ),
    }
    s2 = float(np.mean(squares))
    every = [g for block in blocks for g in block]
    log_norm = float(np.mean([math.log(g @ g) for g in every]))
    result = {}
    for kind, (F, S, tr2, FU) in moments.items():
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
            "typical_rank": 1 / FU,
            "typical_spread": 1 / FU / d,
            "typical_sensitivity": s2 * math.exp(log_norm),
            "typical_efficiency": 0.5 * math.log(1 / FU) - math.log(s2 * math.exp(log_norm)),
            "tail": math.log(np.trace(G)) - log_norm,
        }
    result["loss"] = {"loss_per_token": sum(losses) / (windows * (T - context))}
    shares = sorted((g @ g / sum(g @ g for g in every) for g in every), reverse=True)
    result["heaviest"] = {"token_share": shares[0]}
    return result


@pytest.mark.parametrize(
    ("name", "prefix", "context"),
    [
        *((name, True, 5) for name in ARCHITECTURES),
        *((name, *setting) for name in FIVE for setting in ((False, 0), (True, 0), (False, 3))),
    ],
)
def test_every_metric_agrees_with_float64_brute_force(name: str, prefix: bool, context: int) -> None:
    tokenizer = byte_tokenizer(eos_token=NUL)
    start = [tokenizer.eos_token_id] if prefix else []
    expected = brute_force(name, 37, start, context)
    found = measure(
        checkpoint_of(tiny_model(name)), PROBE, precision=0, window=T, prefix=prefix, context=context, batch_size=5
    )
    assert found.prefix == (NUL if prefix else None)
    assert (found.result.windows, found.result.tokens, found.ended_by) == (37, 37 * (T - context), "text")
    for kind in ("plugin", "unbiased"):
        values = {key: one.value for key, one in estimate(found.result.products, kind).items()}
        assert values == pytest.approx(expected[kind], rel=1e-4), kind
    loss = estimate_loss(found.result.products, found.result.block_loss, found.result.block_bytes)
    assert loss["loss_per_token"].value == pytest.approx(expected["loss"]["loss_per_token"], rel=1e-5)
    # one byte a token, so the two must agree
    assert loss["loss_per_byte"].value == pytest.approx(loss["loss_per_token"].value, rel=1e-12)
    assert found.heaviest.token_share == pytest.approx(expected["heaviest"]["token_share"], rel=1e-4)


@pytest.mark.parametrize("windows", [16, 18, 37])
def test_every_round_is_what_a_run_over_so_much_text_gives(windows: int) -> None:
    """37 windows are rounds of 18 and 37: windows at the edges of blocks change their block."""
    model = tiny_model("llama").double()
    all_of_it = measure(checkpoint_of(model, "float64"), PROBE, precision=0, window=T, context=2)
    asked = measure(checkpoint_of(model, "float64"), PROBE, tokens=windows * T, precision=0, window=T, context=2)
    assert [one.windows for one in all_of_it.rounds] == [18, 37]
    expected = brute_force("llama", windows, [byte_tokenizer().convert_tokens_to_ids(NUL)], 2)
    values = {key: one.value for key, one in estimate(asked.result.products, "unbiased").items()}
    assert values == pytest.approx(expected["unbiased"], rel=1e-4)
    if windows > 16:
        (same,) = [one for one in all_of_it.rounds if one.windows == windows]
        for array in ("gram", "diagonal_gram", "direction_gram", "trace", "log_norm", "directions", "tokens"):
            np.testing.assert_allclose(getattr(same.products, array), getattr(asked.result.products, array), rtol=1e-9)
        np.testing.assert_array_equal(same.block_bytes, asked.result.block_bytes)
        np.testing.assert_allclose(same.block_loss, asked.result.block_loss, rtol=1e-12)


@pytest.mark.parametrize("windows", [*range(16, 70), 99, 127, 128, 129, 255, 256, 1000])
def test_sums_are_those_of_the_definition_in_every_round(windows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of windows: each window in the block floor(i K / W), in each of the doubling rounds."""
    source = np.random.default_rng(windows)
    tokens = source.integers(0, 256, (windows, 3))
    vectors = source.standard_normal((windows, 2, 2))
    read: list[int] = []

    def gradients(_model: object, tokens_BT1: torch.Tensor, **_: object) -> WindowGradients:
        rows = [int(np.flatnonzero((tokens == one.numpy()).all(axis=1))[0]) for one in tokens_BT1]
        read.extend(rows)
        found = torch.from_numpy(vectors[rows])
        return WindowGradients(found, torch.ones_like(found), torch.ones(len(rows), 2))

    monkeypatch.setattr(totals_module, "window_gradients", gradients)
    data = Windows(tokens=tokens, context=0, bytes=np.arange(windows))
    model = SimpleNamespace(get_input_embeddings=lambda: torch.nn.Embedding(256, 2, dtype=torch.float64))
    totals = totals_module.WindowTotals(data, model)
    counts = doubling(windows)
    assert counts[-1] == windows
    assert K <= counts[0] < 2 * K
    for count in counts:
        rows = totals.enlarge(count, Team.join())
        for start in range(0, len(rows), 3):
            totals.add(rows[start : start + 3], None)
        found = totals.round()
        for block in range(K):
            members = [i for i in range(count) if i * K // count == block]
            inner = np.concatenate([vectors[i] for i in members])
            np.testing.assert_allclose(totals.embedding.mean.sums[block].numpy(), inner.T @ inner, atol=1e-10)
            assert found.products.tokens[block] == 2 * len(members)
            assert found.block_bytes[block] == sum(members)
    # a second reading of a window need not give the same bits, and would leave the difference in its old block
    assert sorted(read) == list(range(windows))


@pytest.mark.parametrize(("name", "tolerance"), [("gpt2", 1e-4), ("gemma2", 2e-2)])  # gemma2 takes norms in float32
def test_gradient_agrees_with_finite_differences(name: str, tolerance: float) -> None:
    from nil_audit.interaction.gradients import window_gradients

    model = tiny_model(name).double()
    ids = torch.tensor([byte_tokenizer()(PROBE.text)["input_ids"][: T + 1]])
    found = window_gradients(model, ids, prefix=1, context=2)
    table = model.get_input_embeddings()

    def loss(shift: torch.Tensor) -> float:
        handle = table.register_forward_hook(lambda _m, _i, output: output + shift)
        logits = model(input_ids=torch.cat([torch.tensor([[1]]), ids[:, :-1]], dim=1)).logits[0]
        handle.remove()
        return float(torch.nn.functional.cross_entropy(logits[1 + 2 :], ids[0, 1 + 2 :], reduction="sum"))

    for position, channel in ((0, 3), (6, 11), (13, 20)):  # of the counted ones
        shift = torch.zeros(1, T + 1, 24, dtype=torch.float64)
        shift[0, 1 + 2 + position, channel] = 1e-3
        slope = (loss(shift) - loss(-shift)) / 2e-3
        assert float(found.gradients_BND[0, position, channel]) == pytest.approx(slope, rel=tolerance)


@pytest.mark.parametrize("batch_size", [1, 3, 37])
def test_batch_size_changes_nothing_beyond_rounding(batch_size: int) -> None:
    model = tiny_model("llama").double()
    reference = measure(checkpoint_of(model, "float64"), PROBE, window=T, context=3, batch_size=4)
    found = measure(checkpoint_of(model, "float64"), PROBE, window=T, context=3, batch_size=batch_size)
    np.testing.assert_allclose(found.result.products.gram, reference.result.products.gram, rtol=1e-10)
    np.testing.assert_allclose(found.result.block_loss, reference.result.block_loss, rtol=1e-10)


def test_out_of_memory_halves_the_batch_and_keeps_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")
    reference = measure(checkpoint_of(model), PROBE, window=T, context=3, batch_size=2)
    genuine, sizes = totals_module.window_gradients, []

    def scarce(model: torch.nn.Module, tokens: torch.Tensor, **how: Any) -> object:
        sizes.append(len(tokens))
        if len(tokens) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return genuine(model, tokens, **how)

    monkeypatch.setattr(totals_module, "window_gradients", scarce)
    found = measure(checkpoint_of(model), PROBE, window=T, context=3, batch_size=8)
    assert sizes[:3] == [8, 4, 2]
    assert found.batch_size == 2
    np.testing.assert_array_equal(found.result.products.gram, reference.result.products.gram)


def test_it_stops_where_it_is_precise_enough() -> None:
    model = tiny_model("llama")
    everything = measure(checkpoint_of(model), PROBE, precision=0, window=T, context=3)
    errors = [estimate(one.products, "unbiased")["typical_efficiency"].se for one in everything.rounds]
    assert errors[1] < errors[0]
    for precision, rounds, ended in ((errors[0] * 1.01, 1, "precision"), (errors[0] * 0.99, 2, "precision")):
        found = measure(checkpoint_of(model), PROBE, precision=precision, window=T, context=3)
        assert (len(found.rounds), found.ended_by) == (rounds, ended)
        np.testing.assert_array_equal(found.result.products.gram, everything.rounds[rounds - 1].products.gram)
    unmet = measure(checkpoint_of(model), PROBE, precision=errors[1] / 2, window=T, context=3)
    assert (len(unmet.rounds), unmet.ended_by) == (2, "text")
    asked = measure(checkpoint_of(model), PROBE, tokens=20 * T, precision=errors[1] / 2, window=T, context=3)
    assert (asked.result.windows, asked.ended_by) == (20, "tokens")


def test_what_it_will_cost_is_told_once_and_how_far_it_is_after_every_round() -> None:
    told: list[str] = []
    steps: list[int] = []
    said: list[str] = []

    class Shown:
        def advance(self, done: int, words: str = "") -> None:
            steps.append(done)
            said.append(words)

        def tell(self, sentence: str) -> None:
            told.append(sentence)

    measure(
        checkpoint_of(tiny_model("llama")),
        PROBE,
        precision=1e-9,
        window=T,
        context=3,
        progress=lambda *_args, **_kwargs: nullcontext(Shown()),
    )
    assert len(told) == 1
    assert re.fullmatch(
        r"tiny: at most 592 tokens of text, fewer once the typical efficiency is known to ± 1e-09 nats; about \d+"
        r" seconds and \d\.\d GB of memory\.",
        told[0],
    )
    assert sum(steps) == 37 * T
    assert [bool(words) for words in said].count(True) == 2
    assert re.fullmatch(r"typical efficiency -?\d+\.\d\d ± [\d.]+", said[-1])


def test_the_heaviest_tokens_are_shown_in_their_text() -> None:
    model = tiny_model("llama").double()
    with torch.no_grad():  # the letter b, which the text holds rarely, has a large gradient
        letter = byte_tokenizer().convert_tokens_to_ids("b")
        model.get_input_embeddings().weight[letter] *= 1e-3  # RMSNorm divides by it
    found = measure(checkpoint_of(model, "float64"), PROBE, precision=0, window=T, context=3)
    first = found.heaviest.tokens[0]
    place = first.window * T + first.position
    ids = byte_tokenizer()(PROBE.text)["input_ids"]
    assert first.token == byte_tokenizer().decode(ids[place]) == PROBE.text[place]
    assert first.before == PROBE.text[max(first.window * T, place - 12) : place]
    assert PROBE.text[place + 1 :].startswith(first.after)
    assert first.position >= 3
    assert len(found.heaviest.tokens) == 10
    shares = [one.share for one in found.heaviest.tokens]
    assert shares == sorted(shares, reverse=True)
    assert found.heaviest.token_share == shares[0]
    trace = float(found.result.products.trace @ found.result.products.tokens)
    assert first.share == pytest.approx(first.norm**2 / trace)
    assert first.token == "b"


def test_gradients_that_underflow_ask_for_a_wider_type(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = totals_module.window_gradients

    def underflowing(share: float) -> Any:
        def gradients(model: torch.nn.Module, tokens: torch.Tensor, **how: Any) -> WindowGradients:
            found = genuine(model, tokens, **how)
            zero = torch.zeros_like(found.gradients_BND)
            some = torch.arange(zero.shape[0] * zero.shape[1]).reshape(zero.shape[:2]) % round(1 / share) == 0
            return found._replace(gradients_BND=torch.where(some.unsqueeze(2), zero, found.gradients_BND))

        return gradients

    checkpoint = checkpoint_of(tiny_model("llama"), "float16")
    monkeypatch.setattr(totals_module, "window_gradients", underflowing(1 / 8))
    with pytest.raises(
        MeasurementError, match=r"1\d% of the gradients of tiny are exactly zero as float16.* --dtype fl"
    ):
        measure(checkpoint, PROBE, window=T, context=3, batch_size=4)
    monkeypatch.setattr(totals_module, "window_gradients", underflowing(1 / 400))
    found = measure(checkpoint, PROBE, precision=0, window=T, context=3, batch_size=37)
    assert 0 < found.zero_share <= 0.01
    assert found.result.products.directions.sum() == pytest.approx(37 * (T - 3) * (1 - found.zero_share))
    assert np.isfinite(estimate(found.result.products, "unbiased")["typical_efficiency"].value)


@pytest.mark.parametrize(
    ("asked", "longest", "prefix", "context", "expected"),
    [
        (None, None, True, 16, 512),
        (None, 2048, True, 16, 512),
        (None, 512, True, 16, 511),
        (None, 512, False, 16, 512),
        (128, 1024, True, 16, 128),
        (None, 10, True, 16, "Windows of 9 tokens have no position to count behind --context 16"),
        (16, None, True, 16, "Windows of 16 tokens have no position to count"),
        (0, None, True, 0, "--window is 0"),
        (8, None, True, -1, "--context is -1"),
        (1024, 1024, True, 16, "one of which its document-start token takes"),
        (1025, 1024, False, 16, "longer than the model's context of 1024 tokens"),
    ],
)
def test_how_long_a_window_is(
    asked: int | None, longest: int | None, prefix: bool, context: int, expected: int | str
) -> None:
    if isinstance(expected, int):
        assert window_length(asked, longest, "tiny", prefix=prefix, context=context) == expected
        return
    with pytest.raises(NilAuditError, match=expected):
        window_length(asked, longest, "tiny", prefix=prefix, context=context)


def test_projected_embeddings_are_measured_at_their_own_width() -> None:
    found = measure(checkpoint_of(tiny_model("opt_projected")), PROBE, window=T, context=3)
    assert found.result.products.width == 16


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
    model = tiny_model("llama")
    for layer in model.model.layers:
        layer.self_attn.is_causal = False
    model.config._attn_implementation = "eager"
    inner = model.model.forward
    model.model.forward = lambda **given: inner(**given | {"attention_mask": torch.zeros(1, 1, T, T)})
    found = checkpoint_of(model)
    with pytest.raises(MeasurementError, match="depend on later tokens"):
        measure(found, PROBE, window=T, context=3)


def test_a_document_start_beyond_the_embedding_is_named_with_its_remedy() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<s>"})  # 256, where the embedding ends at 255
    checkpoint = checkpoint_of(tiny_model("llama"), tokenizer=tokenizer)
    with pytest.raises(CheckpointError, match=r"document-start token of tiny is 256, .* without it \(--no-prefix\)"):
        measure(checkpoint, PROBE, window=T, context=3)
    assert measure(checkpoint, PROBE, window=T, context=3, prefix=False).prefix is None

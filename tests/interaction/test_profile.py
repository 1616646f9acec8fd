"""The depth profile against a float64 brute force that takes the hidden states which the library itself returns."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from nil_audit.errors import MeasurementError
from nil_audit.interaction import places as places_module
from nil_audit.interaction.ansatz import Ansatz
from nil_audit.interaction.measure import Interaction, measure
from nil_audit.interaction.metrics import estimate
from nil_audit.interaction.places import Place, block_inputs, decoder_blocks, depths_that_fit, widths
from nil_audit.interaction.profile import Depth, Profile
from nil_audit.weights.checkpoint import Checkpoint
from tests.interaction.test_brute_force import PROBE, K, T, checkpoint_of
from tests.tiny import NUL, byte_tokenizer, tiny_model

WINDOWS, CONTEXT = 37, 5


def brute_force(name: str) -> list[dict[str, float]]:
    """Of every block: numbers of docs/definitions.md from explicit sums over tokens, the unbiased estimates."""
    model = tiny_model(name).double()
    tokenizer = byte_tokenizer()
    ids, start = tokenizer(PROBE.text, add_special_tokens=False)["input_ids"], tokenizer.convert_tokens_to_ids(NUL)
    model.requires_grad_(True)  # so that the embedding's output takes part
    gradients: dict[int, list[list[np.ndarray]]] = {}
    squares: dict[int, list[np.ndarray]] = {}
    for i in range(WINDOWS):
        text = ids[i * T : i * T + T + 1]
        found = model(input_ids=torch.tensor([[start, *text[:T]]]), output_hidden_states=True)
        hidden = found.hidden_states[: model.config.num_hidden_layers]
        for one in hidden:
            one.retain_grad()
        logits = found.logits[0, 1:]
        said = logits[range(CONTEXT, T), text[CONTEXT + 1 :]]
        (torch.logsumexp(logits[CONTEXT:T], 1) - said).sum().backward()
        for depth, one in enumerate(hidden):
            blocks = gradients.setdefault(depth, [[] for _ in range(K)])
            blocks[i * K // WINDOWS] += list(one.grad[0, 1 + CONTEXT :].numpy())
            squares.setdefault(depth, []).append(one.detach()[0, 1 + CONTEXT :].numpy() ** 2)
    return [numbers(blocks, float(np.mean(squares[depth]))) for depth, blocks in gradients.items()]


def numbers(blocks: list[list[np.ndarray]], s2: float) -> dict[str, float]:
    n = [len(block) for block in blocks]
    G = [sum(np.outer(g, g) for g in block) / len(block) for block in blocks]
    U = [sum(np.outer(g, g) / (g @ g) for g in block) / len(block) for block in blocks]
    d, pairs = len(G[0]), [(a, b) for a in range(K) for b in range(K) if a != b]
    mass = sum(n[a] * n[b] for a, b in pairs)
    F, FU = (sum(n[a] * n[b] * np.sum(M[a] * M[b]) for a, b in pairs) / mass for M in (G, U))
    S = sum(n[a] * n[b] * np.diag(G[a]) @ np.diag(G[b]) for a, b in pairs) / mass
    tr2 = sum(n[a] * n[b] * np.trace(G[a]) * np.trace(G[b]) for a, b in pairs) / mass
    trace = sum(n[a] * np.trace(G[a]) for a in range(K)) / sum(n)
    logs = np.mean([math.log(g @ g) for block in blocks for g in block])
    return {
        "trace": trace,
        "effective_rank": tr2 / F,
        "aofe_ratio": 1 - S / F,
        "excess": (1 - S / F) - (1 - (tr2 / F + 2) / (d + 2)),
        "interaction_efficiency": -0.5 * math.log(s2**2 * F),
        "typical_rank": 1 / FU,
        "typical_efficiency": 0.5 * math.log(1 / FU) - math.log(s2) - logs,
        "tail": math.log(trace) - logs,
    }


def profiled(checkpoint: Checkpoint, **how: Any) -> tuple[Interaction, tuple[Depth, ...]]:
    depths = range(len(decoder_blocks(checkpoint)))
    how = {"precision": 0, "window": T, "context": CONTEXT, "batch_size": 5, **how}
    found = measure(checkpoint, PROBE, watchers=[Profile(checkpoint, depths)], **how)
    return found, found.readings[0]


@pytest.mark.parametrize("name", ["llama", "gpt2", "gpt_neox", "opt_projected", "falcon"])
def test_every_depth_agrees_with_float64_brute_force(name: str) -> None:
    expected = brute_force(name)
    found, depths = profiled(checkpoint_of(tiny_model(name)))
    assert [one.depth for one in depths] == [0, 1] and len(expected) == 2
    for one, wanted in zip(depths, expected, strict=True):
        values = {key: each.value for key, each in estimate(one.products, "unbiased").items()}
        assert {key: values[key] for key in wanted} == pytest.approx(wanted, rel=2e-4), (name, one.depth)
    np.testing.assert_array_equal(depths[0].products.tokens, found.result.products.tokens)


def test_the_first_depth_is_the_audit_itself_where_the_embedding_goes_straight_in() -> None:
    found, (first, last) = profiled(checkpoint_of(tiny_model("llama")))
    for part in ("gram", "direction_gram", "diagonal_gram", "trace", "log_norm", "embedding_square"):
        np.testing.assert_array_equal(getattr(first.products, part), getattr(found.result.products, part))
    assert not np.allclose(last.products.trace, first.products.trace)


def test_a_profile_changes_no_number_of_the_audit() -> None:
    alone = measure(checkpoint_of(tiny_model("qwen3")), PROBE, precision=0, window=T, context=CONTEXT, batch_size=5)
    found, _ = profiled(checkpoint_of(tiny_model("qwen3")))
    np.testing.assert_allclose(found.result.products.gram, alone.result.products.gram, rtol=1e-6)
    assert found.heaviest.tokens[0].window == alone.heaviest.tokens[0].window
    assert alone.readings == ()


def test_batches_rounds_and_a_lack_of_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from nil_audit.interaction import totals

    model = tiny_model("llama").double()
    _, reference = profiled(checkpoint_of(model, "float64"))  # rounds of 18 and 37: windows move between blocks
    genuine = totals.window_gradients

    def scarce(model: torch.nn.Module, tokens: torch.Tensor, **how: Any) -> Any:
        if len(tokens) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return genuine(model, tokens, **how)

    monkeypatch.setattr(totals, "window_gradients", scarce)
    found, depths = profiled(checkpoint_of(model, "float64"), batch_size=8)
    assert found.batch_size == 2
    for one, other in zip(depths, reference, strict=True):
        np.testing.assert_allclose(one.products.gram, other.products.gram, rtol=1e-9)
        np.testing.assert_allclose(one.products.direction_gram, other.products.direction_gram, rtol=1e-9)


def test_what_it_takes_is_told_before_the_first_window_and_is_what_it_takes() -> None:
    told: list[str] = []
    done: list[int] = []

    class Shown:
        def __enter__(self) -> "Shown":
            return self

        def __exit__(self, *_: object) -> None: ...

        def advance(self, steps: int, said: str = "") -> None:
            done.append(steps)

        def tell(self, sentence: str) -> None:
            told.append(f"{len(done)}: {sentence}")

    _, depths = profiled(checkpoint_of(tiny_model("llama")), progress=lambda *_a, **_k: Shown())
    sums = 2 * 2 * K * 24**2 * 4  # 2 places, G and U, float32
    kept = 2 * 2 * (T - CONTEXT) * 24 * 4  # 2 windows are in another block of 37 than of 18
    assert sum(one.memory for one in depths) == sums + kept
    assert told[0] == (
        f"0: tiny: gradients at 2 places inside it take {(sums + kept) / 1e6:.1f} MB beside the audit, whatever the"
        f" text, and {5 * 2 * (T + 1) * 24 * 4 / 1e6:.1f} MB for a batch of 5."
    )


def test_blocks_are_thinned_evenly_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = checkpoint_of(tiny_model("llama"))
    blocks = tuple(torch.nn.Identity() for _ in range(9))
    monkeypatch.setattr(places_module, "decoder_blocks", lambda _: blocks)
    each = 2 * 2 * K * 24**2 * 4  # two places a block
    for room, expected in ((9.5, range(9)), (5, (0, 2, 4, 6, 8)), (4, (0, 3, 5, 8)), (2.9, (0, 8))):
        monkeypatch.setattr(places_module, "free_for_sums", lambda _, room=room: int(room * each))
        assert depths_that_fit(checkpoint, 2) == tuple(expected)
    monkeypatch.setattr(places_module, "free_for_sums", lambda _: int(1.5 * each))
    with pytest.raises(MeasurementError, match=r"take 0.0 GB a block, .* leave out --profile and --ansatz"):
        depths_that_fit(checkpoint, 2)


def test_a_block_that_runs_twice_is_refused_with_its_remedy() -> None:
    model = tiny_model("llama")
    inner, layer = model.model.forward, model.model.layers[1]

    def looped(**given: Any) -> Any:
        found = inner(**given)
        layer(found.last_hidden_state, position_embeddings=model.model.rotary_emb(found[0], torch.arange(1)[None]))
        return found

    model.model.forward = looped
    checkpoint = checkpoint_of(model)
    with pytest.raises(MeasurementError, match=r"ran 2 times in one forward pass.* without --profile and --ansatz"):
        widths(model, block_inputs(checkpoint, [0, 1]))
    with pytest.raises(MeasurementError, match="ran 2 times in one forward pass"):
        Ansatz(checkpoint, [0, 1])


@pytest.mark.parametrize("shape", [(3, 24), (2, 1, 4, 6)])
def test_an_input_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    module = torch.nn.Identity()

    class Model(torch.nn.Module):
        def get_input_embeddings(self) -> torch.nn.Module:
            return torch.nn.Embedding(4, 24)

        def forward(self, **_: Any) -> torch.Tensor:
            return torch.as_tensor(module(torch.zeros(shape)))

    with pytest.raises(MeasurementError, match=r"has the shape .* where 1 windows of 2 positions were read"):
        widths(Model(), [Place(module=module, depth=0)])

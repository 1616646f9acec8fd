"""The output AGOP against a float64 brute force and a random-JVP estimator that share no code with the package."""

import math
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual
from torch.nn.attention import SDPBackend, sdpa_kernel

from nil_audit.auditing.measured import block_products, output_document
from nil_audit.errors import MeasurementError, ProbeError
from nil_audit.interaction import jacobian as jacobian_module
from nil_audit.interaction import output as output_module
from nil_audit.interaction.jacobian import SEED, projection, window_agops
from nil_audit.interaction.metrics import MEAN_METRICS, estimate
from nil_audit.interaction.output import OutputAgop, measure_output
from nil_audit.interaction.probe import Probe
from nil_audit.processes import Team
from nil_audit.shape.architecture import shape_from_config
from nil_audit.source import Source
from nil_audit.weights.checkpoint import Checkpoint
from tests.tiny import NUL, VOCABULARY, byte_tokenizer, english, tiny_model

T, K, W = 4, 16, 37
FIVE = ("llama", "gpt2", "qwen3", "gemma2", "opt_projected")
PROBE = Probe(name="text", text=english(W * T + 3), sha256="0")


@pytest.fixture(autouse=True)
def _short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of 4 tokens, so that a Jacobian takes no time."""
    monkeypatch.setattr(output_module, "WINDOW", T)


def checkpoint_of(model: Any, dtype: str = "float64") -> Checkpoint:
    return Checkpoint(
        source=Source(name="tiny", kind="local", reference="tiny", revision=None, folder=None, config={}),
        shape=shape_from_config(model.config.to_dict()),
        model=model,
        tokenizer=byte_tokenizer(eos_token=NUL),
        dtype=dtype,
        device="cpu",
    )


def random_matrix(vocabulary: int) -> np.ndarray:
    """P as its docstring defines it: row by row of a vocabulary x 64 matrix, transposed."""
    return np.random.RandomState(SEED).standard_normal((vocabulary, 64)).T / 8


def pushed(model: Any, read: torch.Tensor, e_NSd: torch.Tensor, v_NSd: torch.Tensor) -> torch.Tensor:
    """P J v in forward mode, shape (N, 64): what the outputs of each text do along a direction of its embeddings."""
    table, P = model.get_input_embeddings(), torch.from_numpy(random_matrix(VOCABULARY).copy())
    with dual_level(), sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no forward mode
        given = make_dual(e_NSd, v_NSd)
        table.forward = lambda *_args, **_kwargs: given
        slope = unpack_dual(model(input_ids=read, use_cache=False).logits[:, -1] @ P.T).tangent
    del table.forward
    return slope


def jacobians(model: Any, ids: torch.Tensor, start: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """∂(P z_T)/∂e of windows, entry by entry of e, and e, in float64."""
    read = torch.cat([torch.tensor([start] * len(ids), dtype=torch.int64), ids], dim=1)
    every = type(model.get_input_embeddings()).forward(model.get_input_embeddings(), read)
    width = every.shape[2]
    unit = torch.eye(T * width, dtype=torch.float64).view(-1, T, width)
    directions = torch.cat([torch.zeros(len(unit), len(start), width), unit], dim=1)
    J = [
        pushed(model, one.repeat(len(unit), 1), e.repeat(len(unit), 1, 1), directions).T
        for one, e in zip(read, every, strict=True)
    ]
    return torch.stack(J).numpy(), every[:, len(start) :].numpy()


def brute_force(jacobians: np.ndarray, embeddings: np.ndarray) -> dict[str, dict[str, float]]:
    """The formulas of docs/definitions.md word for word, with a window where a token stands there."""
    windows = len(jacobians)
    blocks: list[list[np.ndarray]] = [[] for _ in range(K)]
    for i, J in enumerate(jacobians):
        blocks[i * K // windows].append(J @ J.T)
    n = np.array([len(block) for block in blocks], dtype=float)
    means = [sum(block) / len(block) for block in blocks]
    M = sum(J @ J.T for J in jacobians) / windows
    pair = [(a, b, n[a] * n[b]) for a in range(K) for b in range(K) if a != b]
    mass = sum(w for _, _, w in pair)
    moments = {
        "plugin": (np.sum(M**2), np.sum(np.diag(M) ** 2), np.trace(M) ** 2),
        "unbiased": (
            sum(w * np.sum(means[a] * means[b]) for a, b, w in pair) / mass,
            sum(w * np.sum(np.diag(means[a]) * np.diag(means[b])) for a, b, w in pair) / mass,
            sum(w * np.trace(means[a]) * np.trace(means[b]) for a, b, w in pair) / mass,
        ),
    }
    s2 = float(np.mean(embeddings**2))
    result = {}
    for kind, (F, S, tr2) in moments.items():
        r, rho = tr2 / F, 1 - S / F
        null = 1 - (r + 2) / 66
        result[kind] = {
            "trace": np.trace(M),
            "frobenius_squared": F,
            "aofe": F - S,
            "aofe_ratio": rho,
            "mean_cos2": (F - S) / (tr2 - S),
            "effective_rank": r,
            "spread": r / 64,
            "sensitivity": s2 * np.trace(M),
            "interaction_efficiency": -0.5 * math.log(s2**2 * F),
            "normalised_aofe": (F - S) / tr2,
            "rotation_null": null,
            "excess": rho - null,
            "kappa": (1 - rho) / (1 - null),
        }
    return result


def texts(windows: int) -> torch.Tensor:
    ids = byte_tokenizer()(PROBE.text, add_special_tokens=False)["input_ids"]
    return torch.tensor([ids[w * T : w * T + T] for w in range(windows)])


START = byte_tokenizer().convert_tokens_to_ids(NUL)


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("name", FIVE)
def test_every_metric_agrees_with_float64_brute_force(name: str, prefix: bool) -> None:
    model = tiny_model(name).double()
    expected = brute_force(*jacobians(model, texts(17), [START] if prefix else []))
    found = measure_output(checkpoint_of(model), PROBE, tokens=17 * T, precision=0, prefix=prefix, batch_size=12)
    assert found.prefix == (NUL if prefix else None)
    assert (found.window, found.windows, found.products.width, found.ended_by) == (T, 17, 64, "tokens")
    for kind in ("plugin", "unbiased"):
        values = {key: one.value for key, one in estimate(found.products, kind).items()}
        assert values == pytest.approx(expected[kind], rel=1e-6, abs=1e-8), kind  # norms in float32


def test_the_jacobian_agrees_with_finite_differences() -> None:
    model = tiny_model("gpt2").double()
    ids = texts(2)
    P = projection(VOCABULARY, device=torch.device("cpu"), dtype=torch.float64)
    table, places, ends = model.get_input_embeddings(), T * 24, []
    for step in (1e-5, -1e-5):
        shift = step * torch.eye(places, dtype=torch.float64).view(places, T, 24)
        handle = table.register_forward_hook(lambda _m, _i, given, shift=shift: given + shift)
        ends.append(random_matrix(VOCABULARY) @ model(input_ids=ids[1:].repeat(places, 1)).logits[:, -1].numpy().T)
        handle.remove()
    J = (ends[0] - ends[1]) / 2e-5
    agops, squares = window_agops(model, ids, P)
    np.testing.assert_allclose(agops[1].numpy(), J @ J.T, rtol=1e-6, atol=1e-8 * np.trace(J @ J.T))
    np.testing.assert_allclose(squares, table(ids).square().mean(dim=(1, 2)), rtol=1e-12)


def test_it_agrees_with_random_jvps_run_long() -> None:
    """The mean of (J v)(J v)ᵀ over random v is M, whatever the window: 4,000 directions of forward mode."""
    model, source = tiny_model("llama").double(), torch.Generator().manual_seed(3)
    found = []
    for ids, e in zip(texts(2), model.get_input_embeddings()(texts(2)), strict=True):
        v = torch.randn(2000, *e.shape, generator=source, dtype=torch.float64)
        found.append(pushed(model, ids.repeat(2000, 1), e.repeat(2000, 1, 1), v))
    y = torch.cat(found)
    agops, _ = window_agops(model, texts(2), torch.from_numpy(random_matrix(VOCABULARY).copy()))
    M = agops.mean(dim=0)
    for rows, columns in ((0, 0), (0, 1), (63, 5)):
        each = y[:, rows] * y[:, columns]
        assert abs(each.mean() - M[rows, columns]) < 4 * each.std() / len(each) ** 0.5
    trace = y.square().sum(dim=1)
    assert trace.std() / len(trace) ** 0.5 < 0.03 * M.trace()
    assert abs(trace.mean() - M.trace()) < 4 * trace.std() / len(trace) ** 0.5


@pytest.fixture
def few_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 outputs in place of 64, where what is looked at is how windows are shared out."""
    monkeypatch.setattr(jacobian_module, "OUTPUTS", 8)
    monkeypatch.setattr(output_module, "OUTPUTS", 8)


@pytest.fixture
def llama(few_outputs: None) -> Checkpoint:
    return checkpoint_of(tiny_model("llama").double())


@pytest.fixture(scope="module")
def everything() -> OutputAgop:
    """All 37 windows with 8 outputs, in rounds of 18 and 37."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output_module, "WINDOW", T)
        patch.setattr(jacobian_module, "OUTPUTS", 8)
        patch.setattr(output_module, "OUTPUTS", 8)
        return measure_output(checkpoint_of(tiny_model("llama").double()), PROBE, precision=0, batch_size=16)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_batch_size_changes_nothing_beyond_rounding(batch_size: int, llama: Checkpoint, everything: OutputAgop) -> None:
    found = measure_output(llama, PROBE, precision=0, batch_size=batch_size)
    np.testing.assert_allclose(found.products.gram, everything.products.gram, rtol=1e-9)
    np.testing.assert_allclose(found.products.embedding_square, everything.products.embedding_square, rtol=1e-12)


def test_out_of_memory_halves_the_batch_and_adds_nothing_twice(
    llama: Checkpoint, everything: OutputAgop, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, steps = [], []

    def scarce(model: Any, tokens: torch.Tensor, *given: Any, after: Any, **how: Any) -> Any:
        sizes.append(len(tokens))
        if len(tokens) <= 16:
            return window_agops(model, tokens, *given, after=after, **how)
        after(1)
        after(2)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    class Shown:
        def advance(self, done: int, _said: str = "") -> None:
            steps.append(done)

        def tell(self, _sentence: str) -> None:
            pass

    monkeypatch.setattr(output_module, "window_agops", scarce)
    found = measure_output(
        llama, PROBE, precision=0, batch_size=32, progress=lambda *_args, **_kwargs: nullcontext(Shown())
    )
    assert sizes == [18, 16, 2, 16, 3]
    assert found.batch_size == 16
    np.testing.assert_array_equal(found.products.gram, everything.products.gram)
    assert min(steps) >= 0
    assert sum(steps) == W * 8


@pytest.mark.usefixtures("few_outputs")
def test_processes_share_the_windows_and_find_the_same(everything: OutputAgop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three processes, played by threads that add up what each has read."""
    here, meet, shared = threading.local(), threading.Barrier(3, timeout=60), {}
    checkpoints = [checkpoint_of(tiny_model("llama").double()) for _ in range(3)]

    class Played(Team):
        def all_reduce(self, tensors: Sequence[torch.Tensor]) -> None:
            shared[self.rank] = [tensor.clone() for tensor in tensors]
            meet.wait()
            for tensor, *parts in zip(tensors, *shared.values(), strict=True):
                tensor.copy_(sum(parts))
            meet.wait()

        def broadcast(self, make: Callable[[], Any]) -> Any:
            return make()

    def work(rank: int) -> OutputAgop:
        here.team = Played(rank=rank, size=3)
        return measure_output(checkpoints[rank], PROBE, precision=0, batch_size=4)

    monkeypatch.setattr(Team, "join", lambda: getattr(here, "team", None) or Team())
    monkeypatch.setattr(output_module, "quiet_libraries", nullcontext)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(work, range(3)))
    for one in found:
        assert one.processes == 3
        np.testing.assert_array_equal(one.products.gram, found[0].products.gram)
        np.testing.assert_allclose(one.products.gram, everything.products.gram, rtol=1e-9)


def test_a_window_that_does_not_fit_ends_the_run_with_what_to_do(
    llama: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_given: Any, **_how: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr(output_module, "window_agops", none)
    with pytest.raises(
        MeasurementError, match=r"One window of 4 tokens does not fit into memory; use --dtype bfloat16"
    ):
        measure_output(llama, PROBE, batch_size=2)


def test_it_stops_where_half_the_log_of_the_rank_is_precise_enough(
    llama: Checkpoint, everything: OutputAgop, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = measure_output(llama, PROBE, tokens=18 * T, precision=0)
    rank = estimate(early.products, "unbiased")["effective_rank"]
    assert rank.se is not None
    error = rank.se / rank.value / 2
    stopped = measure_output(llama, PROBE, precision=error * 1.001)
    assert (stopped.windows, stopped.ended_by) == (18, "precision")
    np.testing.assert_allclose(stopped.products.gram, early.products.gram, rtol=1e-9)
    unmet = measure_output(llama, PROBE, precision=error * 1e-3)
    assert (unmet.windows, unmet.ended_by) == (37, "text")
    np.testing.assert_allclose(unmet.products.gram, everything.products.gram, rtol=1e-9)
    assert (early.windows, early.ended_by) == (18, "tokens")
    monkeypatch.setattr(output_module, "MOST_WINDOWS", 20)
    capped = measure_output(llama, PROBE, precision=0)
    assert (capped.windows, capped.ended_by) == (20, "tokens")


def test_what_it_will_cost_is_told_once_and_how_far_it_is_after_every_round(
    llama: Checkpoint, few_outputs: None
) -> None:
    told: list[str] = []
    said: list[str] = []
    opened: list[Any] = []

    class Shown:
        def advance(self, _done: int, words: str = "") -> None:
            said.append(words)

        def tell(self, sentence: str) -> None:
            told.append(sentence)

    def shown(*given: Any, **how: Any) -> Any:
        opened.append((given, how))
        return nullcontext(Shown())

    measure_output(llama, PROBE, precision=1e-9, batch_size=4, progress=shown)
    assert opened == [(("Output gradients of tiny", 37 * 8), {"unit": "gradients"})]
    assert len(told) == 1
    assert re.fullmatch(
        r"tiny: output AGOP of at most 37 windows of 4 tokens of text, 8 backward passes each, fewer once half the log"
        r" of its effective rank is known to ± 1e-09; about \d+ seconds and \d\.\d GB of memory\.",
        told[0],
    )
    assert [bool(words) for words in said].count(True) == 2
    assert re.fullmatch(r"effective rank \d+\.\d\d ± [\d.]+", said[-1])


def test_the_projection_is_fixed_and_grows_with_the_vocabulary() -> None:
    small = projection(300, device=torch.device("cpu"))
    large = projection(10_000, device=torch.device("cpu"), dtype=torch.float64)
    assert small.shape == (64, 300)
    np.testing.assert_array_equal(small.numpy(), large[:, :300].float().numpy())
    np.testing.assert_array_equal(large.numpy(), random_matrix(10_000))
    # the first entries for good: another P would give other numbers
    assert small[:3, 0].tolist() == pytest.approx([0.22050654, 0.05001965, 0.12234225], rel=1e-6)
    assert float(large.std()) == pytest.approx(1 / 8, rel=0.01)


@pytest.mark.parametrize(
    ("tokens", "characters", "longest", "prefix", "expected"),
    [
        (15 * T, 1000, 64, True, r"needs 16 windows of 4 tokens .* 60 tokens make 15; use --tokens 64 or more"),
        (10_000, 16 * T, 64, True, r"needs 16 windows of 4 tokens, more than the probe text has .* longer text"),
        (10_000, 1000, 1, True, r"no more than 1 token, .* measure it with --no-prefix"),
        (10_000, 1000, 4, True, 3),
        (10_000, 1000, 4, False, 4),
        (10_000, 1000, None, True, 4),
    ],
)
def test_windows_that_are_too_few_or_too_long(
    tokens: int, characters: int, longest: int | None, prefix: bool, expected: str | int
) -> None:
    whole = checkpoint_of(tiny_model("llama"))
    checkpoint = replace(whole, shape=replace(whole.shape, context=longest))
    probe = Probe(name="text", text=english(characters), sha256="0")
    if isinstance(expected, int):
        windows = output_module._windows(checkpoint, probe, tokens, 0 if prefix else None)
        assert windows.length == expected
        return
    with pytest.raises((ProbeError, MeasurementError), match=expected):
        measure_output(checkpoint, probe, tokens=tokens, prefix=prefix)


def test_gradients_that_overflow_or_vanish_are_refused() -> None:
    model = tiny_model("llama")
    head = model.get_output_embeddings()
    with torch.no_grad():
        head.weight.mul_(1e38)
    with pytest.raises(MeasurementError, match=r"gradient of the logits is not finite: .* use --dtype float64"):
        measure_output(checkpoint_of(model, "float32"), PROBE)
    with torch.no_grad():
        head.weight.zero_()
    with pytest.raises(MeasurementError, match="gradients of the logits of tiny are zero"):
        measure_output(checkpoint_of(model, "float32"), PROBE)


@pytest.mark.usefixtures("few_outputs")
def test_the_document_holds_what_the_numbers_follow_from(everything: OutputAgop) -> None:
    asked = {"tokens": 131_072, "precision": 0, "prefix": True}
    document = output_document(everything, asked)
    settings = {"window": T, "windows": 37, "prefix": NUL, "asked": asked, "ended_by": "text"}
    assert document.items() >= {"outputs": 8, "seed": SEED, **settings}.items()
    assert set(document["cost"]) == {"seconds", "peak_memory_bytes", "batch_size", "processes"}
    for kind in ("plugin", "unbiased"):
        assert list(document["estimates"][kind]) == list(MEAN_METRICS)
        again = estimate(block_products(document["products"]), kind)
        assert again["aofe_ratio"].value == document["estimates"][kind]["aofe_ratio"]["value"]

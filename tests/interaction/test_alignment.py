"""The correlation of a matrix with an AGOP: what it is invariant to, its null, and its errors."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.interaction.agop import BlockSums
from nil_audit.interaction.alignment import inner_products, moments, null_sd, squared, through_map, traceless
from nil_audit.interaction.norms import Norm, no_norm

K, D, N = 16, 6, 9
SEEDS = st.integers(0, 2**31 - 1)
FEW = settings(max_examples=12, deadline=None)


def sums_of(vectors: np.ndarray) -> BlockSums:
    """Σ v vᵀ of vectors of shape (K, N, d)."""
    sums = BlockSums(K, vectors.shape[2], device=torch.device("cpu"), dtype=torch.float64)
    for block, part in enumerate(vectors):
        sums.add(block, torch.from_numpy(part))
    return sums


def correlation(weight: np.ndarray, vectors: np.ndarray, norm: Norm) -> tuple[float, float]:
    """ρ of WᵀW with the mean outer product of equally many vectors a block, and its standard error."""
    fixed = traceless(squared(torch.from_numpy(weight), norm), norm)
    (found,) = moments(sums_of(vectors), np.full(K, float(vectors.shape[1])), norm, [fixed]).correlations()
    assert found.se is not None
    return found.value, found.se


def by_hand(A: np.ndarray, means: np.ndarray, counts: np.ndarray, identity: np.ndarray) -> float:
    """The formula word for word: A and M less their isotropic part, ‖M₀‖² from products of different blocks."""
    n = np.trace(identity)
    A0 = A - np.trace(A) / n * identity
    M0 = [M - np.trace(M) / n * identity for M in means]
    pairs = [(a, b) for a in range(len(M0)) for b in range(len(M0)) if a != b]
    square = sum(counts[a] * counts[b] * np.sum(M0[a] * M0[b]) for a, b in pairs) / sum(
        counts[a] * counts[b] for a, b in pairs
    )
    total = sum(w * M for w, M in zip(counts, M0, strict=True)) / counts.sum()
    return float(np.sum(A0 * total) / (np.linalg.norm(A0) * np.sqrt(square)))


def haar(source: np.random.Generator, n: int) -> np.ndarray:
    Q, R = np.linalg.qr(source.standard_normal((n, n)))
    return Q * np.sign(np.diag(R))


@FEW
@given(seed=SEEDS)
def test_a_common_rotation_changes_nothing(seed: int) -> None:
    source = np.random.default_rng(seed)
    vectors = source.standard_normal((K, N, D)) * np.geomspace(1, 5, D)
    weight, Q = source.standard_normal((4, D)), haar(source, D)
    there = correlation(weight, vectors, no_norm(D))
    assert correlation(weight @ Q, vectors @ Q, no_norm(D)) == pytest.approx(there, rel=1e-8, abs=1e-10)


@FEW
@given(seed=SEEDS, factor=st.floats(1e-3, 1e3), isotropic=st.floats(0, 10))
def test_matrices_that_are_proportional_but_for_the_isotropic_part_have_one(
    seed: int, factor: float, isotropic: float
) -> None:
    source = np.random.default_rng(seed)
    weight = source.standard_normal((4, D))
    part = factor * (weight.T @ weight + isotropic * np.eye(D))
    root = np.linalg.cholesky(part + 1e-9 * np.trace(part) * np.eye(D)).T
    value, se = correlation(weight, np.broadcast_to(root, (K, D, D)).copy(), no_norm(D))
    assert value == pytest.approx(1, abs=1e-8)
    assert se == pytest.approx(0, abs=1e-8)


@FEW
@given(seed=SEEDS, kind=st.sampled_from(["rms", "layer"]))
def test_a_norm_s_scale_and_centring_are_those_of_the_vectors_and_of_the_weight(seed: int, kind: str) -> None:
    source = np.random.default_rng(seed)
    scale = source.uniform(0.2, 2, D)
    norm = Norm(kind=kind, scale=torch.from_numpy(scale))  # type: ignore[arg-type]
    C = np.eye(D) - 1 / D if kind == "layer" else np.eye(D)
    weight, counts = source.standard_normal((3, D)), source.integers(1, 6, K).astype(float)
    vectors = [source.standard_normal((int(count), D)) * np.geomspace(1, 4, D) for count in counts]
    sums = BlockSums(K, D, device=torch.device("cpu"), dtype=torch.float64)
    for block, part in enumerate(vectors):
        sums.add(block, norm.before_scale(torch.from_numpy(part)))
    through = weight @ np.diag(scale) @ C
    A = through.T @ through
    means = np.array([sum(np.outer(C @ (scale * g), C @ (scale * g)) for g in part) / len(part) for part in vectors])
    fixed = traceless(squared(torch.from_numpy(weight), norm), norm)
    found = moments(sums, counts, norm, [fixed])
    (one,) = found.correlations()
    assert one.value == pytest.approx(by_hand(A, means, counts, C), rel=1e-8)
    left_out = [by_hand(A, means[np.arange(K) != a], counts[np.arange(K) != a], C) for a in range(K)]
    assert one.se == pytest.approx(np.sqrt((K - 1) / K * np.sum((left_out - np.mean(left_out)) ** 2)), rel=1e-6)
    total = sum(w * M for w, M in zip(counts, means, strict=True)) / counts.sum()
    np.testing.assert_allclose(found.total, total - np.trace(total) / np.trace(C) * C, atol=1e-10)


@pytest.mark.parametrize("n", [5, 24])
def test_the_null_has_mean_zero_and_the_variance_of_the_closed_form(n: int) -> None:
    source = np.random.default_rng(n)
    draws = 2000 if n == 5 else 800
    A, M = (np.diag(source.exponential(size=n) ** 2) for _ in range(2))
    A0, M0 = (one - np.trace(one) / n * np.eye(n) for one in (A, M))
    values = []
    for _ in range(draws):
        Q = haar(source, n)
        values.append(np.sum((Q @ A0 @ Q.T) * M0) / np.linalg.norm(A0) / np.linalg.norm(M0))
    assert abs(np.mean(values)) < 4 * null_sd(n) / np.sqrt(draws)
    assert np.std(values) == pytest.approx(null_sd(n), rel=0.1)


def test_intervals_hold_the_truth_and_the_estimate_is_centred_on_it() -> None:
    source = np.random.default_rng(3)
    weight = source.standard_normal((4, D))
    spread = np.geomspace(1, 4, D)
    A0 = weight.T @ weight - np.trace(weight.T @ weight) / D * np.eye(D)
    M0 = np.diag(spread**2 - np.mean(spread**2))
    truth = np.sum(A0 * M0) / np.linalg.norm(A0) / np.linalg.norm(M0)
    found = [correlation(weight, source.standard_normal((K, 40, D)) * spread, no_norm(D)) for _ in range(200)]
    covered = np.mean([abs(value - truth) < 2.131 * se for value, se in found])
    assert 0.91 <= covered <= 0.985
    errors = [value - truth for value, _ in found]
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(len(errors)) + 0.002
    assert np.mean([se for _, se in found]) == pytest.approx(np.std(errors), rel=0.15)


@pytest.mark.parametrize(("n", "rows", "kept"), [(20, 60, 60), (20, 60, 4), (20, 12, 5), (30, 30, 2)])
def test_a_gradient_that_is_random_at_the_output_of_the_map_has_the_correlation_of_the_closed_form(
    n: int, rows: int, kept: int
) -> None:
    """Over random bases of X, some of whose spectrum is kept, M = WᵀXW has this ρ with WᵀW, at its own rank."""
    source = np.random.default_rng(rows + kept)
    W = source.standard_normal((rows, n)) * np.geomspace(1, 0.3, n)
    A = W.T @ W
    A0 = A - np.trace(A) / n * np.eye(n)
    spectrum = np.where(np.arange(rows) < kept, 1.0, 0.0)
    values, squares, traces = [], [], []
    for _ in range(150):
        V = haar(source, rows) @ W
        M = V.T * spectrum @ V
        M0 = M - np.trace(M) / n * np.eye(n)
        values.append(np.sum(A0 * M0) / np.linalg.norm(A0) / np.linalg.norm(M0))
        squares.append(np.sum(M * M))
        traces.append(np.trace(M) ** 2)
    found = through_map(
        trace=float(np.trace(A)),
        square=float(np.sum(A * A)),
        rows=rows,
        dimensions=n,
        rank=float(np.mean(traces) / np.mean(squares)),
    )
    assert found == pytest.approx(np.mean(values), abs=0.02)


def test_what_no_gradient_at_the_output_can_give_is_not_held_against_a_map() -> None:
    assert through_map(trace=3, square=4, rows=2, dimensions=5, rank=4.9) == 1
    assert through_map(trace=3, square=9, rows=1, dimensions=5, rank=1) == 1
    assert np.isnan(through_map(trace=5, square=5, rows=9, dimensions=5, rank=2))


def test_noise_alone_has_no_correlation_rather_than_a_small_one() -> None:
    """Where products of different blocks give a negative ‖M₀‖² the number is undefined, and says so."""
    vectors = np.stack([np.eye(D)[[block % D]] for block in range(K)]) * np.sqrt(D)
    value, _ = correlation(np.eye(D)[:2], vectors, no_norm(D))
    assert np.isnan(value)


def test_inner_products_of_lists_of_matrices() -> None:
    source = torch.Generator().manual_seed(0)
    one, other = (list(torch.randn(count, 5, 5, generator=source)) for count in (3, 4))
    expected = [[float((a.double() * b.double()).sum()) for b in other] for a in one]
    np.testing.assert_allclose(inner_products(one, other), expected, rtol=1e-12)

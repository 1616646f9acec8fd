"""Metrics and estimators against closed forms, identities and direct computation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.errors import MeasurementError
from nil_audit.interaction.metrics import (
    MEAN_METRICS,
    TYPICAL_METRICS,
    BlockProducts,
    against_null,
    estimate,
    estimate_loss,
    moments_to_metrics,
    plugin_metrics,
    rotation_scatter,
    unbiased_metrics,
)
from nil_audit.stats.estimate import Estimate


def products_of(blocks: list[np.ndarray], embedding_square: float = 1.0) -> BlockProducts:
    """Block products of (n_a, d) matrices of gradients, computed directly."""
    means = np.array([g.T @ g / len(g) for g in blocks])
    diagonals = np.array([np.diag(m) for m in means])
    squares = [(g**2).sum(axis=1) for g in blocks]
    directions = np.array([(g.T / s) @ g / len(g) for g, s in zip(blocks, squares, strict=True)])
    return BlockProducts(
        width=means.shape[1],
        tokens=np.array([len(g) for g in blocks], dtype=float),
        gram=np.einsum("aij,bij->ab", means, means),
        diagonal_gram=diagonals @ diagonals.T,
        trace=diagonals.sum(axis=1),
        embedding_square=np.full(len(blocks), embedding_square),
        direction_gram=np.einsum("aij,bij->ab", directions, directions),
        directions=np.array([len(g) for g in blocks], dtype=float),
        log_norm=np.array([np.log(s).mean() for s in squares]),
    )


def of_matrix(G: np.ndarray) -> dict[str, float]:
    return moments_to_metrics(
        frobenius=float((G**2).sum()),
        diagonal=float((np.diag(G) ** 2).sum()),
        trace=float(np.trace(G)),
        trace_squared=float(np.trace(G) ** 2),
        scale=1.0,
        width=len(G),
    )


def test_isotropic_matrix_has_full_rank_and_no_off_diagonal_energy() -> None:
    found = of_matrix(3.0 * np.eye(7))
    assert found["aofe"] == 0
    assert found["aofe_ratio"] == 0
    assert found["effective_rank"] == pytest.approx(7)
    assert found["spread"] == pytest.approx(1)
    assert found["rotation_null"] == pytest.approx(0)
    assert found["interaction_efficiency"] == pytest.approx(-0.5 * np.log(9 * 7))


def test_one_direction_spread_over_all_channels() -> None:
    d = 8
    found = of_matrix(np.ones((d, d)))
    assert found["effective_rank"] == pytest.approx(1)
    assert found["aofe_ratio"] == pytest.approx(1 - 1 / d)
    assert found["mean_cos2"] == pytest.approx(1)
    assert found["rotation_null"] == pytest.approx(1 - 3 / (d + 2))


def test_rotation_null_is_the_mean_over_random_orthogonal_bases() -> None:
    source = np.random.default_rng(0)
    spectrum = np.diag(1.0 / np.arange(1, 13))
    ratios = []
    for _ in range(4000):
        Q, _ = np.linalg.qr(source.standard_normal((12, 12)))
        ratios.append(of_matrix(Q @ spectrum @ Q.T)["aofe_ratio"])
    error = np.std(ratios) / np.sqrt(len(ratios))
    assert np.mean(ratios) == pytest.approx(of_matrix(spectrum)["rotation_null"], abs=4 * error)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), d=st.integers(2, 12), scale=st.floats(0.1, 50))
def test_identities_of_the_metrics(seed: int, d: int, scale: float) -> None:
    source = np.random.default_rng(seed)
    blocks = [source.standard_normal((5, d)) * scale * np.linspace(0.2, 1, d) for _ in range(6)]
    found = plugin_metrics(products_of(blocks, embedding_square=0.3))
    G = np.concatenate(blocks).T @ np.concatenate(blocks) / 30
    cv2 = np.var(np.diag(G)) / np.mean(np.diag(G)) ** 2
    r, rho = found["effective_rank"], found["aofe_ratio"]
    assert 1 - 1e-9 <= r <= d + 1e-9
    assert rho == pytest.approx(1 - r / d * (1 + cv2), abs=1e-9)
    assert found["aofe"] == pytest.approx(rho * found["trace"] ** 2 / r, rel=1e-6)
    assert found["mean_cos2"] == pytest.approx(rho / (r - 1 + rho), rel=1e-5, abs=1e-9)
    assert found["interaction_efficiency"] == pytest.approx(0.5 * np.log(r) - np.log(found["sensitivity"]), abs=1e-9)
    U = np.mean([np.outer(g, g) / (g @ g) for g in np.concatenate(blocks)], axis=0)
    logs = np.log((np.concatenate(blocks) ** 2).sum(axis=1)).mean()
    assert found["typical_rank"] == pytest.approx(1 / (U**2).sum(), rel=1e-9)
    assert found["typical_spread"] == pytest.approx(found["typical_rank"] / d)
    assert found["typical_sensitivity"] == pytest.approx(0.3 * np.exp(logs))
    assert found["typical_efficiency"] == pytest.approx(
        0.5 * np.log(found["typical_rank"]) - np.log(found["typical_sensitivity"]), abs=1e-9
    )
    assert found["tail"] == pytest.approx(np.log(np.trace(G)) - logs, abs=1e-9)
    assert found["tail"] >= -1e-12
    assert found["sensitivity"] == pytest.approx(found["typical_sensitivity"] * np.exp(found["tail"]))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.05, 20))
def test_what_a_rescaled_embedding_changes(seed: int, factor: float) -> None:
    """Embeddings a e have gradients g/a: AOFE goes with a⁻⁴; sensitivity, efficiency and ratios stay."""
    source = np.random.default_rng(seed)
    blocks = [source.standard_normal((4, 5)) for _ in range(8)]
    before = unbiased_metrics(products_of(blocks, 0.7))
    after = unbiased_metrics(products_of([g / factor for g in blocks], 0.7 * factor**2))
    assert after["aofe"] == pytest.approx(before["aofe"] / factor**4, rel=1e-9)
    for name in ("aofe_ratio", "sensitivity", "interaction_efficiency", "spread", "excess", *TYPICAL_METRICS):
        assert after[name] == pytest.approx(before[name], rel=1e-7, nan_ok=True)


def test_rotation_moves_the_ratio_but_not_rank_or_efficiency() -> None:
    source = np.random.default_rng(1)
    G = np.cov(source.standard_normal((6, 300)) * np.linspace(0.1, 2, 6)[:, None])
    values, vectors = np.linalg.eigh(G)
    there, eigen = of_matrix(G), of_matrix(np.diag(values))
    assert eigen["aofe_ratio"] == pytest.approx(0, abs=1e-12)
    assert there["aofe_ratio"] > 1e-4
    for name in ("effective_rank", "trace", "interaction_efficiency"):
        assert there[name] == pytest.approx(eigen[name])
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, G, atol=1e-12)


def test_unbiased_estimate_is_the_mean_over_pairs_of_blocks_weighted_by_tokens() -> None:
    source = np.random.default_rng(2)
    blocks = [source.standard_normal((n, 4)) for n in (3, 5, 4, 7)]
    means = [g.T @ g / len(g) for g in blocks]
    expected = mass = 0.0
    for a in range(4):
        for b in range(4):
            if a != b:
                weight = len(blocks[a]) * len(blocks[b])
                expected += weight * np.sum(means[a] * means[b])
                mass += weight
    assert unbiased_metrics(products_of(blocks))["frobenius_squared"] == pytest.approx(expected / mass)


def test_tokens_of_one_length_have_no_tail_and_heavier_ones_change_the_mean_alone() -> None:
    source = np.random.default_rng(3)
    blocks = [source.standard_normal((6, 5)) for _ in range(4)]
    units = [g / np.linalg.norm(g, axis=1, keepdims=True) for g in blocks]
    even = unbiased_metrics(products_of(units))
    assert even["tail"] == pytest.approx(0, abs=1e-12)
    for typical, mean in (("typical_rank", "effective_rank"), ("typical_efficiency", "interaction_efficiency")):
        assert even[typical] == pytest.approx(even[mean])
    weighty = [g.copy() for g in units]
    weighty[1][2] *= 1e3  # one token of 24
    heavy = unbiased_metrics(products_of(weighty))
    assert heavy["typical_rank"] == pytest.approx(even["typical_rank"])
    assert heavy["typical_efficiency"] == pytest.approx(even["typical_efficiency"] - np.log(1e6) / 24)
    assert heavy["sensitivity"] > 1e4 * even["sensitivity"]


def test_tokens_without_a_direction_weigh_nothing_in_the_typical_numbers() -> None:
    source = np.random.default_rng(4)
    blocks = [source.standard_normal((n, 4)) for n in (3, 6, 5)]
    without = products_of(blocks)
    with_zeros = replace(without, tokens=without.tokens + np.array([2.0, 0.0, 1.0]))
    for name in ("typical_rank", "typical_spread"):
        assert unbiased_metrics(with_zeros)[name] == pytest.approx(unbiased_metrics(without)[name])


def test_products_of_the_first_estimator_give_the_mean_metrics_alone() -> None:
    source = np.random.default_rng(4)
    old = replace(
        products_of([source.standard_normal((4, 3)) for _ in range(4)]),
        direction_gram=None,
        directions=None,
        log_norm=None,
    )
    for kind in ("plugin", "unbiased"):
        assert tuple(estimate(old, kind)) == MEAN_METRICS


def test_noise_that_drowns_the_norm_gives_nan_not_nonsense() -> None:
    found = moments_to_metrics(frobenius=-1.0, diagonal=0.5, trace=1.0, trace_squared=1.0, scale=1.0, width=4)
    assert np.isnan(found["aofe_ratio"])
    assert np.isnan(found["interaction_efficiency"])
    assert found["aofe"] == -1.5


def test_too_few_blocks_are_an_error() -> None:
    with pytest.raises(MeasurementError, match="2 blocks cannot give an error bar"):
        estimate(products_of([np.ones((2, 3)), np.ones((2, 3))]), "plugin")


def test_loss_per_byte_weighs_blocks_by_their_text() -> None:
    source = np.random.default_rng(5)
    products = products_of([source.standard_normal((4, 3)) for _ in range(4)])
    loss, size = np.array([1.0, 2.0, 3.0, 4.0]), np.array([10, 20, 10, 20])
    found = estimate_loss(products, loss, size)
    assert found["loss_per_token"].value == pytest.approx(2.5)
    assert found["loss_per_byte"].value == pytest.approx(4 * 10 / 60)
    assert found["bytes_per_token"].value == pytest.approx(60 / 16)


def test_the_scatter_of_a_random_basis_is_that_of_drawn_ones_at_most() -> None:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(20_000, 64))
    shares = (directions**2 / (directions**2).sum(1, keepdims=True)) ** 2
    assert shares.sum(1).std() == pytest.approx(rotation_scatter(1.0, 64), rel=0.05)
    spectrum = 0.9 ** np.arange(64)
    bases = np.linalg.qr(rng.normal(size=(200, 64, 64)))[0]
    drawn = 1 - ((bases**2 @ spectrum) ** 2).sum(1) / (spectrum**2).sum()
    stated = rotation_scatter(spectrum.sum() ** 2 / (spectrum**2).sum(), 64)
    assert 0.5 * stated < drawn.std() < stated
    assert rotation_scatter(64.0, 64) == 0.0


def test_a_ratio_is_held_against_random_bases_with_the_scatter_of_one() -> None:
    scatter = rotation_scatter(4.0, 20)
    rank = Estimate(value=4.0)

    def standing(value: float, half: float) -> str | None:
        return against_null(Estimate(value=value, low=value - half, high=value + half), rank, 20)

    # 3-4-5: the error of the text is 3/4 of what one basis adds, both together 5/4 of that
    half, both = 0.75 * 1.96 * scatter, 1.25 * 1.96 * scatter
    assert [standing(one * both, half) for one in (-1.01, -0.99, 0.99, 1.01)] == ["below", "at", "at", "above"]
    assert standing(1.01 * half, half) == "at"
    assert against_null(Estimate(value=0.3), rank, 20) is None
    assert against_null(Estimate(value=0.3, low=0.2, high=0.4), Estimate(value=float("nan")), 20) is None


def test_a_random_basis_of_a_skewed_spectrum_is_at_its_null_as_often_as_it_is_said() -> None:
    rng = np.random.default_rng(1)
    spectrum = 0.8 ** np.arange(24)
    rank = spectrum.sum() ** 2 / (spectrum**2).sum()
    bases = np.linalg.qr(rng.normal(size=(400, 24, 24)))[0]
    excess = (rank + 2) / 26 - ((bases**2 @ spectrum) ** 2).sum(1) / (spectrum**2).sum()
    found = [against_null(Estimate(value=one, low=one, high=one), Estimate(value=rank), 24) for one in excess]
    assert found.count("at") / len(found) > 0.95

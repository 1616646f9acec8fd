"""Weighted ranks and partial correlations against scipy and written-out least squares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from nil_audit.stats.moments import partial_correlations, rank_moments, weighted_ranks

values = hnp.arrays(float, 8, elements=st.integers(-3, 3).map(float))
weights = hnp.arrays(float, (2, 8), elements=st.integers(0, 3).map(float)).filter(lambda w: bool((w.sum(1) > 0).all()))


@given(values, weights)
@settings(max_examples=60, deadline=None)
def test_weighted_ranks_are_the_ranks_of_the_resample_written_out(x: np.ndarray, w: np.ndarray) -> None:
    ranks = weighted_ranks(x, w)
    for row, count in zip(ranks, w.astype(int), strict=True):
        written_out = stats.rankdata(np.repeat(x, count))
        expected = (written_out - 0.5) / count.sum()
        assert np.allclose(np.repeat(row, count), expected)


def _residual(y: np.ndarray, controls: np.ndarray) -> np.ndarray:
    columns = np.column_stack([np.ones(len(y)), controls])
    return y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]


def test_partial_correlation_is_that_of_least_squares_residuals_in_every_resample() -> None:
    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(3, 30)).round(1)
    curve = np.column_stack([z**2, z**3])
    w = rng.integers(0, 3, size=(5, 30)).astype(float)
    found = partial_correlations(rank_moments([y, x, z], curve, w), [1, 2, 5], 3, [4])[:, 0]
    for value, count in zip(found, w.astype(int), strict=True):
        where = np.repeat(np.arange(30), count)
        controls = np.column_stack([curve[where], stats.rankdata(z[where])])
        expected = np.corrcoef(
            _residual(stats.rankdata(x[where]), controls), _residual(stats.rankdata(y[where]), controls)
        )[0, 1]
        assert value == pytest.approx(expected, abs=1e-9)


def test_columns_used_as_they_are_give_pearson() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 20))
    made = rank_moments([], np.column_stack([x, y, -x]), np.ones((1, 20)))
    found = partial_correlations(made, [], 1, [2, 3])
    assert found[0] == pytest.approx([stats.pearsonr(x, y).statistic, -1])


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_variable_that_does_not_vary_has_no_correlation(weight: float) -> None:
    constant, x = np.full(6, 3.0), np.arange(6.0)
    made = rank_moments([constant, x], np.zeros((6, 0)), np.full((1, 6), weight))
    assert np.isnan(partial_correlations(made, [], 1, [2])).all()


def test_a_predictor_that_the_controls_explain_has_no_partial_correlation() -> None:
    x = np.arange(10.0)
    made = rank_moments([x[::-1] % 4, x, x**3], np.zeros((10, 0)), np.ones((1, 10)))
    assert np.isnan(partial_correlations(made, [2], 1, [3])).all()

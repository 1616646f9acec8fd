"""The random intercept against statsmodels' mixed model and generalised least squares written out."""

import warnings

import numpy as np
import pytest
import statsmodels.api as sm

from nil_audit.stats.least_squares import less_group_means
from nil_audit.stats.random_intercept import share_between, shrinkage


def grouped(seed: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    group = np.concatenate([np.arange(20), rng.integers(20, size=50)])
    columns = np.column_stack([np.ones(70), rng.normal(size=(70, 2)) + rng.normal(size=(20, 2))[group]])
    return columns, columns @ [3, 1, -2] + spread * rng.normal(size=20)[group] + rng.normal(size=70), group


@pytest.mark.parametrize(("seed", "spread"), [(6, 0.6), (1, 1.0), (2, 4.0)])
def test_share_is_that_of_a_mixed_model(seed: int, spread: float) -> None:
    columns, response, group = grouped(seed, spread)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.MixedLM(response, columns, groups=group).fit(reml=True)
    between = float(model.cov_re[0, 0])
    assert share_between(columns, response, group) == pytest.approx(between / (between + model.scale), abs=2e-3)


def test_no_share_where_groups_are_alike() -> None:
    columns, _, group = grouped(3, 0.0)
    noise = np.random.default_rng(7).normal(size=70)
    assert share_between(columns, columns @ [3, 1, -2] + less_group_means(noise, group), group) == 0.0


def test_nothing_without_a_group_of_two_or_a_second_group() -> None:
    columns, response, _ = grouped(4, 1.0)
    assert share_between(columns, response, np.arange(70)) is None
    assert share_between(columns, response, np.zeros(70, dtype=np.int64)) is None
    assert share_between(columns[:4], response[:4], np.array([0, 0, 1, 1])) is None


def test_least_squares_on_shrunk_values_is_generalised_least_squares() -> None:
    columns, response, group = grouped(5, 2.0)
    share = 0.6
    covariance = np.where(group[:, None] == group[None, :], share, 0.0) + (1 - share) * np.eye(70)
    inverse = np.linalg.inv(covariance)
    expected = np.linalg.solve(columns.T @ inverse @ columns, columns.T @ inverse @ response)
    theta = shrinkage(share, group)
    shrunk = np.linalg.lstsq(
        less_group_means(columns, group, theta), less_group_means(response, group, theta), rcond=None
    )
    assert shrunk[0] == pytest.approx(expected, rel=1e-9)

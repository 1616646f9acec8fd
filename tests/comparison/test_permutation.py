"""Permutation within size bands: exact in a small case, uniform under no effect, families moved whole."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.permutation import permutation_tests
from nil_audit.stats.estimate import holm


def made(score: np.ndarray, x: np.ndarray, size: np.ndarray, family: np.ndarray | None = None) -> pd.DataFrame:
    own = np.arange(len(score)) if family is None else family
    return pd.DataFrame(
        {"score": score, "x": x, "parameters": np.exp(size), "family": [f"family {code:02d}" for code in own]}
    )


def test_p_value_is_the_share_of_all_permutations() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6))
    size = np.full(6, np.log(7e9))
    (found,) = permutation_tests(made(y, x, size), ["x"], permutations=20_000, seed=0)
    rank_x, rank_y = x.argsort().argsort() - 2.5, y.argsort().argsort() - 2.5
    values = np.array([np.array(order) @ rank_x for order in permutations(rank_y)])
    exact = (np.abs(values) >= abs(rank_y @ rank_x) - 1e-9).mean()
    assert found.estimate.p == pytest.approx(exact, abs=0.012)
    assert found.estimate.value == pytest.approx(np.corrcoef(rank_x, rank_y)[0, 1])
    assert (found.estimate.n, found.bands) == (6, 1)


def test_scores_stay_in_their_band() -> None:
    """An effect that lies only between bands is none."""
    size = np.log(np.repeat([5e8, 7e9], 20))
    x = np.repeat([0.0, 1.0], 20) + np.random.default_rng(1).normal(0, 1e-3, 40)
    y = np.repeat([0.1, 0.5], 20) + np.random.default_rng(2).normal(0, 1e-3, 40)
    (found,) = permutation_tests(made(y, x, size), ["x"], permutations=999, seed=0)
    assert found.bands == 2
    assert found.estimate.p is not None and found.estimate.p > 0.1


@pytest.mark.parametrize("models", [30, 15])
def test_p_values_of_independent_models_are_uniform(models: int) -> None:
    rng = np.random.default_rng(4)
    p = []
    for _ in range(300):
        size = np.log(rng.choice([3e8, 2e9, 7e9], models)) + rng.normal(0, 0.2, models)
        table = made(rng.normal(size=models) + size, rng.normal(size=models) - size, size)
        p += [one.estimate.p for one in permutation_tests(table, ["x"], permutations=199, seed=0)]
    assert len(p) == 300
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.085
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_families_of_like_models_are_one_unit_each() -> None:
    """Five models a family, alike in shape and score: one by one they find an effect in noise, as families not."""
    rng = np.random.default_rng(5)
    family = np.repeat(np.arange(10), 5)
    wrong = {10: 0, 50: 0}
    for index in range(150):
        x = rng.normal(size=10)[family] + 0.05 * rng.normal(size=50)
        y = rng.normal(size=10)[family] + 0.05 * rng.normal(size=50)
        size = np.log(7e9) + rng.normal(0, 0.05, 50)
        for units, own in ((10, family), (50, None)):
            (found,) = permutation_tests(made(y, x, size, own), ["x"], permutations=199, seed=index)
            assert found.estimate.n == units and found.estimate.p is not None
            wrong[units] += found.estimate.p <= 0.05
    assert wrong[10] <= 0.11 * 150
    assert wrong[50] >= 0.25 * 150


def test_a_unit_alone_in_its_band_cannot_move_and_few_units_are_no_test() -> None:
    size = np.log(np.array([5e8, 7e9, 7e9, 7e9, 7e9, 3e9]))
    y, x = np.arange(6.0), np.arange(6.0)[::-1]
    assert permutation_tests(made(y, x, size), ["x"], permutations=99, seed=0) == []
    unknown = np.where(np.arange(6) < 3, np.nan, size)
    assert permutation_tests(made(y, x, unknown), ["x"], permutations=99, seed=0) == []


def test_p_values_are_corrected_over_predictors() -> None:
    rng = np.random.default_rng(6)
    x, other, y = rng.normal(size=(3, 30))
    table = made(y, x, np.full(30, np.log(7e9))).assign(other=other)
    found = permutation_tests(table, ["x", "other"], permutations=199, seed=0)
    assert [one.p_adjusted for one in found] == pytest.approx(holm([one.estimate.p or 0.0 for one in found]))

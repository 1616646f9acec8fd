"""Permutation within size bands: exact in a small case, uniform under no effect, families moved whole."""

from itertools import permutations

import numpy as np
import pytest

from nil_audit.comparison.permutation import permutation_tests
from nil_audit.comparison.sample import Sample


def sample(score: np.ndarray, x: np.ndarray, size: np.ndarray, family: np.ndarray | None = None) -> Sample:
    nothing = np.full(len(score), np.nan)
    own = np.arange(len(score)) if family is None else family
    return Sample(score=score, family=own, size=size, tokens=nothing, release=nothing, predictors={"x": x})


def test_p_value_is_the_share_of_all_permutations() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6))
    size = np.full(6, np.log(7e9))
    (found,) = permutation_tests(sample(y, x, size), ["x"], unit="model", permutations=20_000, seed=0)
    rank_x, rank_y = x.argsort().argsort() - 2.5, y.argsort().argsort() - 2.5
    values = np.array([np.array(order) @ rank_x for order in permutations(rank_y)])
    exact = (np.abs(values) >= abs(rank_y @ rank_x) - 1e-9).mean()
    assert found.p_value == pytest.approx(exact, abs=0.012)
    assert found.estimate == pytest.approx(np.corrcoef(rank_x, rank_y)[0, 1])
    assert (found.units, found.bands) == (6, 1)


def test_scores_stay_in_their_band() -> None:
    """An effect that lies only between bands is none."""
    size = np.log(np.repeat([5e8, 7e9], 20))
    x = np.repeat([0.0, 1.0], 20) + np.random.default_rng(1).normal(0, 1e-3, 40)
    y = np.repeat([0.1, 0.5], 20) + np.random.default_rng(2).normal(0, 1e-3, 40)
    (found,) = permutation_tests(sample(y, x, size), ["x"], unit="model", permutations=999, seed=0)
    assert found.bands == 2
    assert found.p_value > 0.1


@pytest.mark.parametrize("unit", ["family", "model"])
def test_p_values_of_independent_models_are_uniform(unit: str) -> None:
    rng = np.random.default_rng(4)
    p = []
    for _ in range(300):
        size = np.log(rng.choice([3e8, 2e9, 7e9], 30)) + rng.normal(0, 0.2, 30)
        (found,) = permutation_tests(
            sample(rng.normal(size=30) + size, rng.normal(size=30) - size, size),
            ["x"],
            unit=unit,
            permutations=199,
            seed=0,
        )
        p.append(found.p_value)
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.085
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_families_of_like_models_are_one_unit_each() -> None:
    """Five models a family, alike in shape and score: moving models finds an effect in noise, moving families not."""
    rng = np.random.default_rng(5)
    wrong = {"family": 0, "model": 0}
    family = np.repeat(np.arange(10), 5)
    for index in range(150):
        x = rng.normal(size=10)[family] + 0.05 * rng.normal(size=50)
        y = rng.normal(size=10)[family] + 0.05 * rng.normal(size=50)
        size = np.log(7e9) + rng.normal(0, 0.05, 50)
        for unit in wrong:
            (found,) = permutation_tests(sample(y, x, size, family), ["x"], unit=unit, permutations=199, seed=index)
            wrong[unit] += found.p_value <= 0.05
            assert found.units == (10 if unit == "family" else 50)
    assert wrong["family"] <= 0.11 * 150
    assert wrong["model"] >= 0.25 * 150


def test_a_unit_alone_in_its_band_cannot_move_and_few_units_are_no_test() -> None:
    size = np.log(np.array([5e8, 7e9, 7e9, 7e9, 7e9, 3e9]))
    y, x = np.arange(6.0), np.arange(6.0)[::-1]
    assert permutation_tests(sample(y, x, size), ["x"], unit="model", permutations=99, seed=0) == []
    unknown = np.where(np.arange(6) < 3, np.nan, size)
    assert permutation_tests(sample(y, x, unknown), ["x"], unit="model", permutations=99, seed=0) == []

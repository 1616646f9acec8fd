"""Variances within strata and errors of stratified means, against enumeration, closed forms and simulation."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.stats.stratified import DIFFERENCES, SHARES, effective_size, error_of_mean, share_variances, variances

POPULATION = {"law": (1, 1, 0, 0, 0, 1), "math": (1, 0, 0, 0), "other": (0, 1, 1, 1, 1)}
DRAWN = (3, 2, 2)


def _samples() -> list[tuple[tuple[int, ...], ...]]:
    """Every sample of so many of each stratum."""
    return list(product(*(combinations(part, n) for part, n in zip(POPULATION.values(), DRAWN, strict=True))))


def test_the_error_is_the_spread_over_all_samples_of_a_small_population() -> None:
    means = [sum(map(sum, sample)) / sum(DRAWN) for sample in _samples()]
    true = [np.var(part, ddof=1) for part in POPULATION.values()]
    found = error_of_mean(true, DRAWN, [len(part) for part in POPULATION.values()])
    assert float(found) == pytest.approx(np.std(means), rel=1e-12)


def test_the_variance_from_samples_is_not_too_small_on_average() -> None:
    right = np.array([[sum(part) for part in sample] for sample in _samples()])
    sizes = [len(part) for part in POPULATION.values()]
    squared = error_of_mean(share_variances(right, DRAWN), DRAWN, sizes) ** 2
    spread = np.var(right.sum(axis=1) / sum(DRAWN))
    assert spread <= squared.mean() <= 1.3 * spread
    assert squared.min() > 0.4 * spread  # the usual estimate is 0 in some of these samples


@given(st.integers(1, 30), st.data())
def test_the_variance_is_that_of_the_values_and_two_lent_ones(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    # with the two lent ones' share p, brute force over a list in which each of them is p successes
    p, own = (right + 2) / (n + 4), [1.0] * right + [0.0] * (n - right)
    total, weight = sum(own) + 2 * p, n + 2
    mean = total / weight
    squares = sum((x - mean) ** 2 for x in own) + 2 * (p * (1 - mean) ** 2 + (1 - p) * mean**2)
    assert share_variances([right], [n])[0] == pytest.approx(squares / (weight - 1))


def test_several_samples_at_once_are_each_by_itself() -> None:
    right, counts = np.array([[3, 0, 5], [1, 1, 1]]), np.array([[4, 1, 9], [2, 1, 3]])
    both = share_variances(right, counts)
    assert both == pytest.approx(np.stack([share_variances(*one) for one in zip(right, counts, strict=True)]))
    assert error_of_mean(both, counts, [20, 20, 20])[1] == pytest.approx(error_of_mean(both[1], counts[1], [20] * 3))


def test_an_effective_size_is_larger_where_strata_differ_and_endless_where_all_are_drawn() -> None:
    alike = effective_size([50, 50], [50, 50], [100, 100], [np.inf] * 2, assumed=SHARES)
    apart = effective_size([95, 5], [95, 5], [100, 100], [np.inf] * 2, assumed=SHARES)
    assert float(alike) == pytest.approx(200, rel=0.02)
    assert float(apart) > 800
    assert np.isinf(effective_size([50, 5], [50, 5], [100, 100], [100, 100], assumed=SHARES))


def test_differences_have_their_own_assumption() -> None:
    (found,) = variances([0], [0], [98], assumed=DIFFERENCES)
    # 98 zeros and two values of mean 0 and mean square 2 / 100, 99 in the denominator
    assert found == pytest.approx(2 * 0.02 / 99)

"""Matched pairs against every pairing written out."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.scrutiny.matching import matched, pairs
from nil_audit.stats.jackknife import over_groups
from tests.comparison.models import made_sample


def crowded(seed: int, models: int = 10) -> tuple[Sample, np.ndarray]:
    """Models of sizes and months so close that many pairs are allowed."""
    whole, rng = made_sample(models, models // 2, seed=seed), np.random.default_rng(seed)
    size, month = 21 + rng.uniform(0, 0.3, models), 24_000.0 + rng.integers(0, 20, models)
    month[rng.random(models) < 0.1] = np.nan
    table = whole.table.assign(size=np.exp(size), parameters=np.exp(size), month=month)
    return replace(whole, table=table, size=size), np.arange(models) < models // 2


def distance(whole: Sample, one: int, other: int) -> float | None:
    """Of a pair, None where it is not allowed."""
    larger = np.exp(abs(whole.size[one] - whole.size[other]))
    months = abs(whole.table["month"].iloc[one] - whole.table["month"].iloc[other])
    family = whole.table["family"]
    if larger > 1.12 or not months <= 9 or family.iloc[one] == family.iloc[other]:
        return None
    return float(np.hypot(np.log(larger) / np.log(1.12), months / 9))


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_no_other_pairing_makes_more_or_closer_pairs(seed: int) -> None:
    whole, inside = crowded(seed)
    within, without = pairs(whole, inside)
    best = (0, 0.0)
    for order in permutations(range(5, 10)):
        made = [one for one in (distance(whole, *pair) for pair in enumerate(order)) if one is not None]
        best = max(best, (len(made), -sum(made)))
    made = [distance(whole, *pair) for pair in zip(within.tolist(), without.tolist(), strict=True)]
    assert None not in made
    assert (len(made), -sum(made)) == pytest.approx(best)
    assert len(set(within)) == len(set(without)) == len(within)


def test_the_difference_is_a_mean_over_pairs_left_out_by_organisation_of_the_inside_model() -> None:
    whole, inside = crowded(3, 40)
    within, without = pairs(whole, inside)
    gap = whole.response[within] - whole.response[without]
    organisation = whole.table["organisation"].to_numpy()[within]
    left_out = np.array([gap[organisation != name].mean() for name in np.unique(organisation)])
    found = matched(whole, inside)
    assert found is not None and found.n == len(gap)
    expected = over_groups(float(gap.mean()), left_out)
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_no_pair_within_a_family_of_unknown_age_or_on_one_side() -> None:
    whole, inside = crowded(1)
    assert matched(replace(whole, table=whole.table.assign(family="one")), inside) is None
    assert matched(replace(whole, table=whole.table.assign(month=np.nan)), inside) is None
    assert matched(whole, np.ones(10, dtype=bool)) is None
    one_organisation = replace(whole, table=whole.table.assign(organisation="one"))
    found = matched(one_organisation, inside)
    assert found is not None and found.interval is None


def test_a_pair_at_the_limit_counts() -> None:
    whole, _ = crowded(0)
    size = np.log(np.array([1.12e9, 1e9]))
    table = whole.table.iloc[:2].assign(month=[24_009.0, 24_000.0], family=["a", "b"], organisation=["a", "b"])
    two = replace(whole, table=table, size=size, response=np.array([5.0, 3.0]), group=np.arange(2), names=("a", "b"))
    found = matched(two, np.array([True, False]))
    assert found is not None and (found.value, found.n) == (2.0, 1)
    assert matched(replace(two, table=table.assign(month=[24_010.0, 24_000.0])), np.array([True, False])) is None
    assert matched(replace(two, size=size + np.array([1e-6, 0])), np.array([True, False])) is None

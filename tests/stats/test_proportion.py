"""A share of successes and its error, against closed forms, scipy and simulation."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.stats.proportion import proportion, wilson

OUTCOMES = st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), min_size=1, max_size=80)


def test_one_stratum_has_the_standard_error_of_lm_eval() -> None:
    outcomes = [True] * 7 + [False] * 13
    found = proportion(outcomes, ["law"] * 20)
    assert found.se == pytest.approx(np.std(outcomes, ddof=1) / math.sqrt(20), rel=1e-12)
    assert (found.value, found.n) == (0.35, 20)


@given(st.integers(1, 400), st.data())
def test_wilson_is_scipys(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    theirs = scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(OUTCOMES)
def test_the_interval_holds_the_share_and_stays_in_range(outcomes: list[tuple[bool, str]]) -> None:
    found = proportion(*map(list, zip(*outcomes, strict=True)))
    low, high = found.interval or (math.nan, math.nan)
    assert 0 <= low <= found.value + 1e-12
    assert found.value - 1e-12 <= high <= 1
    assert low < high


def test_stratified_error_and_interval_match_repeated_sampling() -> None:
    shares = {"easy": (0.9, 40), "middle": (0.5, 60), "hard": (0.1, 100)}
    source = np.random.default_rng(0)
    names = [name for name, (_, size) in shares.items() for _ in range(size)]
    truth = sum(p * size for p, size in shares.values()) / 200
    found = []
    for _ in range(1000):
        outcomes = np.concatenate([source.random(size) < p for p, size in shares.values()])
        found.append(proportion(outcomes.tolist(), names))
    spread = np.std([one.value for one in found])
    assert np.mean([one.se or math.nan for one in found]) == pytest.approx(spread, rel=0.05)
    assert 0.93 <= np.mean([not one.minus(truth).excludes_zero for one in found]) <= 0.97
    # without strata it would be sqrt(p(1-p)/n) = 0.0345 instead of 0.0254
    assert spread == pytest.approx(math.sqrt(40 * 0.09 + 60 * 0.25 + 100 * 0.09) / 200, rel=0.06)


def test_one_outcome_has_no_error_and_a_lone_one_in_a_stratum_falls_back() -> None:
    assert proportion([True], ["law"]).se is None
    found = proportion([True, False, True, False], ["law", "law", "law", "math"])
    assert found.se == pytest.approx(math.sqrt(0.25 / 3))


@pytest.mark.parametrize("wrong", [([], []), ([True], ["law", "law"]), ([True], [])])
def test_lists_that_do_not_belong_together(wrong: tuple[list[bool], list[str]]) -> None:
    with pytest.raises(ValueError, match="as many"):
        proportion(*wrong)

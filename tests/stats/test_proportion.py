"""A share of successes and its error, against closed forms, scipy and simulation."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.stats.proportion import paired_difference, proportion, share_of_all, wilson

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


def test_a_sample_speaks_of_all_with_an_error_that_is_gone_when_all_are_drawn() -> None:
    found = share_of_all([True] * 30 + [False] * 70, ["law"] * 100, {"law": 400})
    # the variance of 100 outcomes and two more of the share (30 + 2) / (100 + 4)
    own = (30 + 2 * 32 / 104) / 102
    assert found.se == pytest.approx(math.sqrt(own * (1 - own) * (102 / 101) * (1 - 100 / 400) / 100))
    assert (found.value, found.n) == (0.3, 100)
    assert found.interval == pytest.approx(wilson(0.3, 100 / ((102 / 101) * (1 - 100 / 400))))
    outcomes, names = [True, False, True, True], ["law", "law", "math", "math"]
    whole = share_of_all(outcomes, names, {"law": 2, "math": 2})
    assert (whole.value, whole.se, whole.interval) == (0.75, 0, (0.75, 0.75))


@given(OUTCOMES, st.integers(0, 400))
def test_a_sample_of_a_larger_population_says_less(outcomes: list[tuple[bool, str]], more: int) -> None:
    right, names = map(list, zip(*outcomes, strict=True))
    sizes = {name: names.count(name) + more for name in set(names)}
    found, wider = (share_of_all(right, names, {name: n + k for name, n in sizes.items()}) for k in (0, 50))
    assert 0 <= (found.se or 0) < (wider.se or 0) <= 0.5 * math.sqrt(3 / 2)
    low, high = found.interval or (math.nan, math.nan)
    assert 0 <= low <= found.value + 1e-12
    assert found.value - 1e-12 <= high <= 1


def test_a_sample_of_a_population_without_end_is_a_proportion() -> None:
    outcomes, names = [i * i % 11 < 4 for i in range(1400)], [f"{i % 14}" for i in range(1400)]
    found, other = share_of_all(outcomes, names, dict.fromkeys(names, 10**9)), proportion(outcomes, names)
    assert (found.se, found.low, found.high) == pytest.approx((other.se, other.low, other.high), rel=0.01)


def test_outcomes_that_are_alike_by_luck_are_not_taken_for_exact() -> None:
    names = [f"{i % 14}" for i in range(140)]
    none = share_of_all([False] * 140, names, dict.fromkeys(names, 860))
    assert none.se == pytest.approx(0.0042, abs=2e-4)
    assert none.interval == pytest.approx(wilson(0, 140), abs=0.004)
    mixed = [i < 70 for i in range(140)]  # seven categories all right, seven all wrong
    sorted_names = sorted(names)
    assert share_of_all(mixed, sorted_names, dict.fromkeys(names, 860)).se == pytest.approx(0.024, abs=0.001)


@pytest.mark.parametrize(
    ("outcomes", "names", "sizes"), [([], [], {}), ([True], [], {}), ([True] * 2, ["law"] * 2, {"law": 1})]
)
def test_samples_that_cannot_be(outcomes: list[bool], names: list[str], sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"as many|more of a stratum"):
        share_of_all(outcomes, names, sizes)


def _pair(both: int, first: int, second: int, neither: int) -> tuple[list[bool], list[bool]]:
    one = [True] * (both + first) + [False] * (second + neither)
    return one, [True] * both + [False] * first + [True] * second + [False] * neither


def test_a_paired_difference_is_bonett_and_prices() -> None:
    one, other = _pair(40, 12, 3, 45)
    found = paired_difference(one, other, ["law"] * 100)
    p1, p2 = 13 / 102, 4 / 102
    half = scipy.stats.norm.ppf(0.975) * math.sqrt((p1 + p2 - (p1 - p2) ** 2) / 102)
    assert (found.value, found.n) == (pytest.approx(0.09), 100)
    assert found.interval == pytest.approx((p1 - p2 - half, p1 - p2 + half))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from("abc")), min_size=1, max_size=80))
def test_a_paired_difference_turns_round_with_the_pair(rows: list[tuple[bool, bool, str]]) -> None:
    one, other, names = map(list, zip(*rows, strict=True))
    found, turned = paired_difference(one, other, names), paired_difference(other, one, names)
    low, high = found.interval or (math.nan, math.nan)
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -high, -low))
    assert -1 <= low <= found.value <= high <= 1
    assert low < high
    assert found.value == pytest.approx(np.mean(one) - np.mean(other))
    same = paired_difference(one, one, names)
    assert (same.value, same.low) == (0, pytest.approx(-(same.high or 0)))
    backwards = paired_difference(one[::-1], other[::-1], names[::-1])
    assert (backwards.low, backwards.high) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("first", "second", "most"), [(0.01, 0.0, 1.0), (0.02, 0.02, 0.995), (0.1, 0.05, 0.98), (0.3, 0.2, 0.98)]
)
def test_a_paired_difference_covers_with_few_and_many_on_which_two_differ(
    first: float, second: float, most: float
) -> None:
    source, names = np.random.default_rng(5), [f"{i % 14}" for i in range(280)]
    draws = source.choice(3, p=(first, second, 1 - first - second), size=(400, 280))
    covered = [
        not paired_difference((row == 0).tolist(), (row == 1).tolist(), names).minus(first - second).excludes_zero
        for row in draws
    ]
    assert 0.93 <= np.mean(covered) <= most


def test_strata_that_differ_narrow_a_paired_difference() -> None:
    source, names = np.random.default_rng(6), ["hard"] * 200 + ["easy"] * 200
    first = np.concatenate([np.zeros(200), source.random(200) < 0.95]).astype(bool).tolist()
    second = [False] * 400
    split, whole = (paired_difference(first, second, by) for by in (names, ["all"] * 400))
    assert (split.high or 0) - (split.low or 0) < 0.5 * ((whole.high or 0) - (whole.low or 0))


@pytest.mark.parametrize("wrong", [([], [], []), ([True], [True], []), ([True], [], ["law"])])
def test_pairs_that_do_not_belong_together(wrong: tuple[list[bool], list[bool], list[str]]) -> None:
    with pytest.raises(ValueError, match="as many"):
        paired_difference(*wrong)

"""Accuracy, its error and its distance from chance, against closed forms, scipy and simulation."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.stats.proportion import accuracy_of, wilson

ANSWERS = st.lists(st.tuples(st.booleans(), st.integers(1, 10), st.sampled_from("abc")), min_size=1, max_size=80)


def test_one_category_has_the_standard_error_of_lm_eval() -> None:
    correct = [True] * 7 + [False] * 13
    found = accuracy_of(correct, [4] * 20, ["law"] * 20)
    assert found.stderr == pytest.approx(np.std(correct, ddof=1) / math.sqrt(20), rel=1e-12)
    assert (found.accuracy, found.correct, found.chance) == (0.35, 7, 0.25)
    assert found.above_chance[0] == pytest.approx(0.1)


@given(st.integers(1, 400), st.data())
def test_wilson_is_scipys(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    theirs = scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(ANSWERS)
def test_the_interval_holds_the_accuracy_and_stays_in_range(answers: list[tuple[bool, int, str]]) -> None:
    found = accuracy_of(*map(list, zip(*answers, strict=True)))  # type: ignore[arg-type]
    assert 0 <= found.low <= found.accuracy + 1e-12
    assert found.accuracy - 1e-12 <= found.high <= 1
    assert found.low < found.high
    assert found.chance == pytest.approx(np.mean([1 / k for _, k, _ in answers]))
    assert found.at_chance == (found.low <= found.chance <= found.high)
    assert (found.words == "at chance") == found.at_chance
    low, high = found.above_chance[1:]
    assert found.at_chance == (low <= 1e-15 and high >= -1e-15)


def test_stratified_error_and_interval_match_repeated_sampling() -> None:
    shares = {"easy": (0.9, 40), "middle": (0.5, 60), "hard": (0.1, 100)}
    source = np.random.default_rng(0)
    names = [name for name, (_, size) in shares.items() for _ in range(size)]
    truth = sum(p * size for p, size in shares.values()) / 200
    found = []
    for _ in range(1000):
        correct = np.concatenate([source.random(size) < p for p, size in shares.values()])
        found.append(accuracy_of(correct.tolist(), [10] * 200, names))
    spread = np.std([one.accuracy for one in found])
    assert np.mean([one.stderr for one in found]) == pytest.approx(spread, rel=0.05)
    assert 0.93 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.97
    # without strata it would be sqrt(p(1-p)/n) = 0.0345 instead of 0.0254
    assert spread == pytest.approx(math.sqrt(40 * 0.09 + 60 * 0.25 + 100 * 0.09) / 200, rel=0.06)


def test_a_guesser_is_at_chance_nineteen_times_in_twenty() -> None:
    source = np.random.default_rng(1)
    options = source.integers(3, 11, size=280)
    names = [f"{i % 14}" for i in range(280)]
    guesses = source.random((1000, 280)) < 1 / options
    at = [accuracy_of(row.tolist(), options.tolist(), names).at_chance for row in guesses]
    assert 0.93 <= np.mean(at) <= 0.975


def test_all_wrong_answers_to_few_questions_are_not_below_chance() -> None:
    few = accuracy_of([False] * 9, [10] * 9, ["history"] * 9)
    assert (few.stderr, few.words) == (0.0, "at chance")
    many = accuracy_of([False] * 200, [10] * 200, ["history"] * 200)
    assert many.words == "below chance"
    assert accuracy_of([True] * 200, [10] * 200, ["history"] * 200).words == "above chance"


def test_one_question_has_no_error_and_a_lone_question_in_a_category_falls_back() -> None:
    assert accuracy_of([True], [4], ["law"]).stderr is None
    found = accuracy_of([True, False, True, False], [4] * 4, ["law", "law", "law", "math"])
    assert found.stderr == pytest.approx(math.sqrt(0.25 / 3))


def test_questions_with_one_option_count_as_sure() -> None:
    found = accuracy_of([True, True, False, False], [1, 1, 10, 10], ["law"] * 4)
    assert found.chance == pytest.approx(0.55)


@pytest.mark.parametrize("wrong", [([], [], []), ([True], [4, 4], ["law"]), ([True], [4], [])])
def test_lists_that_do_not_belong_together(wrong: tuple[list[bool], list[int], list[str]]) -> None:
    with pytest.raises(ValueError, match="as many"):
        accuracy_of(*wrong)

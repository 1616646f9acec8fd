"""What answers are worth above guessing, by hand and by simulation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.score.result import answer_numbers
from tests.mmlu import answer

ANSWERS = st.lists(st.tuples(st.booleans(), st.integers(1, 10), st.sampled_from("abc")), min_size=1, max_size=80)


def _numbers(correct: Sequence[bool], options: Sequence[int], categories: Sequence[str]) -> dict[str, Any]:
    answers = [
        answer(question_id=i, options=k, correct=right, category=category)
        for i, (right, k, category) in enumerate(zip(correct, options, categories, strict=True))
    ]
    return answer_numbers(answers)


def test_chance_and_distance_from_it() -> None:
    found = _numbers([True] * 7 + [False] * 13, [4] * 20, ["law"] * 20)
    assert (found["accuracy"], found["correct"], found["questions"], found["chance"]) == (0.35, 7, 20, 0.25)
    assert found["above_chance"]["value"] == pytest.approx(0.1)


@given(ANSWERS)
def test_at_chance_means_that_the_interval_covers_it(answers: list[tuple[bool, int, str]]) -> None:
    found = _numbers(*zip(*answers, strict=True))
    assert found["chance"] == pytest.approx(np.mean([1 / k for _, k, _ in answers]))
    assert found["at_chance"] == (found["low"] <= found["chance"] <= found["high"])
    assert (found["against_chance"] == "at") == found["at_chance"]
    above = found["above_chance"]
    assert found["at_chance"] == (above["low"] <= 1e-15 and above["high"] >= -1e-15)


def test_a_guesser_is_at_chance_nineteen_times_in_twenty() -> None:
    source = np.random.default_rng(1)
    options = source.integers(3, 11, size=280)
    names = [f"{i % 14}" for i in range(280)]
    guesses = source.random((1000, 280)) < 1 / options
    at = [_numbers(row.tolist(), options.tolist(), names)["at_chance"] for row in guesses]
    assert 0.93 <= np.mean(at) <= 0.975


def test_all_wrong_answers_to_few_questions_are_not_below_chance() -> None:
    few = _numbers([False] * 9, [10] * 9, ["history"] * 9)
    assert (few["stderr"], few["against_chance"]) == (0.0, "at")
    assert _numbers([False] * 200, [10] * 200, ["history"] * 200)["against_chance"] == "below"
    assert _numbers([True] * 200, [10] * 200, ["history"] * 200)["against_chance"] == "above"


def test_questions_with_one_option_count_as_sure() -> None:
    assert _numbers([True, True, False, False], [1, 1, 10, 10], ["law"] * 4)["chance"] == pytest.approx(0.55)


def test_no_answers_have_no_accuracy() -> None:
    with pytest.raises(ValueError, match="needs outcomes"):
        _numbers([], [], [])

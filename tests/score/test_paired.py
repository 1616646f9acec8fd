"""Two models on the questions that both were asked: counts by hand, and what makes no difference."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.score.answers import Answer
from nil_audit.score.paired import against_the_first, compare_answers
from nil_audit.stats.proportion import paired_difference
from tests.mmlu import answer

OUTCOMES = st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from(["law", "math"])), min_size=1, max_size=40)


def _answers(outcomes: Sequence[bool], *, first: int = 0, categories: Sequence[str] = ()) -> list[Answer]:
    names = categories or ["law"] * len(outcomes)
    return [
        answer(question_id=first + i, correct=right, category=name)
        for i, (right, name) in enumerate(zip(outcomes, names, strict=True))
    ]


def test_only_questions_in_common_count() -> None:
    own, other = _answers([True, True, False, True, False]), _answers([False, True, True, True, False], first=1)
    found = compare_answers("b/two", own, "a/one", other)
    assert found is not None
    # questions 1 to 4: the model is right on 1 and 3, the other on 2, 3 and 4
    assert (found.difference.n, found.only_model, found.only_against) == (4, 1, 2)
    assert (found.accuracy, found.accuracy_against) == (0.5, 0.75)
    row = found.to_dict()
    assert row["difference"]["value"] == pytest.approx(row["accuracy"] - row["accuracy_against"])
    assert row["difference"]["low"] < -0.25 < row["difference"]["high"]
    assert (row["model"], row["against"], row["questions"]) == ("b/two", "a/one", 4)


def test_every_further_model_is_held_against_the_first_unless_they_share_nothing() -> None:
    answers = {"a": _answers([True] * 3), "b": _answers([False] * 3), "c": _answers([True] * 3, first=100)}
    assert [(pair.model, pair.against) for pair in against_the_first(answers)] == [("b", "a")]
    assert against_the_first({"a": answers["a"]}) == ()
    # the same number in another category is another question
    assert compare_answers("a", answers["a"], "d", _answers([True], categories=["math"])) is None


@given(OUTCOMES, st.randoms(use_true_random=False))
def test_order_makes_no_difference_and_turning_the_pair_changes_the_sign(
    outcomes: list[tuple[bool, bool, str]], source: object
) -> None:
    right, other, names = map(list, zip(*outcomes, strict=True))
    own, theirs = _answers(right, categories=names), _answers(other, categories=names)
    found, turned = compare_answers("b", own, "a", theirs[::-1]), compare_answers("a", theirs, "b", own[::-1])
    assert found is not None
    assert turned is not None
    expected = paired_difference(right, other, names)
    assert found.difference.interval == pytest.approx(expected.interval)
    assert turned.difference.value == pytest.approx(-found.difference.value)
    assert (turned.only_model, turned.only_against) == (found.only_against, found.only_model)
    assert found.difference.value == pytest.approx((found.only_model - found.only_against) / len(outcomes))

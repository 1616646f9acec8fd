"""From an interval to an answer."""

import pytest

from nil_audit.comparison.effect.estimate import effect
from nil_audit.comparison.rules import answer, verdict
from tests.comparison.models import made_sample


@pytest.mark.parametrize(
    ("interval", "narrow", "said"),
    [
        ((-0.2, 2.2), (0.0, 2.0), "cannot_tell"),
        ((0.1, 2.2), (0.3, 2.0), "supported"),
        ((0.1, 1.05), (0.2, 0.95), "supported"),
        ((-0.1, 1.05), (0.0, 0.95), "contradicted"),
        ((-0.1, 1.15), (0.0, 1.05), "cannot_tell"),
        ((0.1, 0.9), (0.2, 0.8), "contradicted"),
        ((-3.0, -0.1), (-2.8, -0.3), "contradicted"),
        ((1.2, 3.0), (1.4, 2.8), "cannot_tell"),
        (None, None, "insufficient"),
    ],
)
def test_three_answers(interval: tuple | None, narrow: tuple | None, said: str) -> None:
    assert verdict(interval, narrow) == said


def test_a_prediction_is_rejected_only_in_a_world_of_its_own() -> None:
    assert verdict((-0.5, 0.95), (-0.4, 0.85), (-0.1, 0.9)) == "contradicted"
    assert verdict((-0.5, 0.95), (-0.4, 0.85), (0.1, 1.2)) == "cannot_tell"
    assert verdict((-0.5, 1.2), (-0.4, 1.1), (-0.1, 0.9)) == "cannot_tell"
    assert verdict((-1.5, -0.2), (-1.4, -0.3), (0.1, 1.2)) == "contradicted"


def test_few_models_or_groups_answer_nothing() -> None:
    found = effect(made_sample(40, 12), row="primary", study="law", control="linear")
    assert found is not None
    counts = {"models": 40, "sized": 40, "groups": 12, "sized_groups": 12}
    assert answer("p", found, **counts).verdict == found.verdict != "insufficient"
    for less in ({"sized": 9}, {"sized_groups": 4}):
        assert answer("p", found, **{**counts, **less}).verdict == "insufficient"
    assert answer("p", None, **counts).verdict == "insufficient"

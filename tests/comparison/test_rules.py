"""The words follow from the numbers: every strength from evidence made for it."""

from dataclasses import replace

import pytest

from nil_audit.comparison.findings import Association, FamilyLeftOut, LeaveOneFamilyOut, PermutationTest, Prediction
from nil_audit.comparison.rules import CLAIM, MODERATE, STRONG, Evidence, conclude, strength


def association(estimate: float, half: float = 0.15, models: int = 100, p_adjusted: float = 0.01) -> Association:
    return Association(
        predictor="deviation_law",
        method="spearman",
        given="size_curve",
        subset="all",
        models=models,
        families=40,
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        p_value=0.001,
        p_adjusted=p_adjusted,
        bootstrap_low=None,
        bootstrap_high=None,
    )


def left_out(lowest: float, highest: float) -> LeaveOneFamilyOut:
    return LeaveOneFamilyOut(
        predictor="deviation_law",
        estimate=-0.4,
        lowest=FamilyLeftOut(family="A", models=3, estimate=lowest),
        highest=FamilyLeftOut(family="B", models=2, estimate=highest),
        sign_changes=lowest * highest <= 0,
        families=(),
    )


def permutation(estimate: float, p_value: float) -> PermutationTest:
    return PermutationTest(
        predictor="deviation_law",
        unit="family",
        estimate=estimate,
        p_value=p_value,
        p_adjusted=None,
        units=60,
        bands=4,
        permutations=999,
    )


def prediction(low: float) -> Prediction:
    return Prediction(
        predictor="deviation_law",
        split="halves",
        cutoff=None,
        splits=100,
        train=50,
        test=50,
        error_size=0.1,
        error_with=0.09,
        skill=low + 0.1,
        low=low,
        high=low + 0.2,
    )


STRONGEST = Evidence(
    models=100,
    sized=100,
    families=40,
    primary=association(-0.4),
    permutation=permutation(-0.4, 0.001),
    left_out=left_out(-0.45, -0.33),
    above_floor=association(-0.35, models=60),
    given_release=association(-0.35),
    given_tokens=association(-0.3, models=50),
    prediction=prediction(0.02),
)

OPPOSITE = Evidence(
    models=100,
    sized=100,
    families=40,
    primary=association(+0.4),
    permutation=permutation(+0.4, 0.001),
    left_out=left_out(0.33, 0.45),
    above_floor=association(+0.35, models=60),
    given_release=association(+0.35),
    given_tokens=None,
    prediction=prediction(0.02),
)


def test_everything_holds_and_the_evidence_is_strong() -> None:
    word, rules = strength(STRONGEST)
    assert word == "strong"
    assert [rule.key for rule in rules] == [*CLAIM, *MODERATE, *STRONG]
    assert {rule.outcome for rule in rules} == {"holds"}


@pytest.mark.parametrize(
    ("change", "word", "failed"),
    [
        ({"primary": association(-0.31, half=0.32)}, "none", "interval"),
        ({"permutation": permutation(-0.4, 0.06)}, "none", "permutation"),
        ({"permutation": permutation(+0.4, 0.001)}, "none", "permutation"),
        ({"left_out": left_out(-0.4, 0.01)}, "none", "families"),
        ({"above_floor": association(+0.05, models=60)}, "none", "floor"),
        ({"given_release": association(-0.1)}, "weak", "release"),
        ({"given_release": association(+0.4)}, "weak", "release"),
        ({"prediction": prediction(-0.01)}, "moderate", "skill"),
        ({"given_tokens": association(-0.1)}, "moderate", "tokens"),
        ({"primary": association(-0.4, p_adjusted=0.2)}, "moderate", "tests"),
        ({"primary": association(-0.25)}, "moderate", "effect"),
    ],
)
def test_one_rule_that_fails_lowers_the_strength(change: dict[str, object], word: str, failed: str) -> None:
    found, rules = strength(replace(STRONGEST, **change))  # type: ignore[arg-type]
    assert found == word
    assert [rule.key for rule in rules if rule.outcome == "fails"] == [failed]


def test_a_prediction_that_is_worse_than_size_alone_leaves_the_evidence_weak() -> None:
    found, rules = strength(replace(STRONGEST, prediction=prediction(-0.15)))
    assert found == "weak"
    assert [rule.key for rule in rules if rule.outcome == "fails"] == ["prediction", "skill"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"permutation": None}, "none"),
        ({"left_out": None}, "none"),
        ({"above_floor": None}, "strong"),
        ({"above_floor": association(+0.2, models=19)}, "strong"),
        ({"given_release": None}, "weak"),
        ({"given_tokens": None}, "moderate"),
        ({"primary": None}, "insufficient"),
        ({"primary": replace(association(-0.4), low=None, high=None)}, "insufficient"),
        ({"models": 9}, "insufficient"),
        ({"families": 4}, "insufficient"),
    ],
)
def test_what_cannot_be_checked_is_no_support(change: dict[str, object], word: str) -> None:
    assert strength(replace(STRONGEST, **change))[0] == word  # type: ignore[arg-type]


def test_an_effect_the_other_way_contradicts() -> None:
    assert strength(OPPOSITE)[0] == "contradicts"
    assert strength(replace(OPPOSITE, permutation=permutation(+0.4, 0.2)))[0] == "none"


@pytest.mark.parametrize(
    ("evidence", "opening", "figure"),
    [
        (STRONGEST, "The data support the law, and the evidence is strong", "-0.40 [-0.55, -0.25]"),
        (replace(STRONGEST, prediction=None), "The data lean towards the law, and the evidence is weak", "-0.40"),
        (OPPOSITE, "The data contradict the law", "+0.40 [+0.25, +0.55]"),
        (replace(STRONGEST, primary=association(0.02)), "The data do not support the law", "+0.02 [-0.13, +0.17]"),
        (replace(STRONGEST, primary=None), "Nothing can be said about the law", "100 models of 40 families"),
        (replace(STRONGEST, primary=None, sized=3), "Nothing can be said about the law", "3 of them of known size"),
    ],
)
def test_headline_says_the_strength_and_the_figure(evidence: Evidence, opening: str, figure: str) -> None:
    found = conclude(evidence, ("more",))
    assert found.headline.startswith(opening)
    assert figure in found.headline
    assert found.sentences == ("more",)

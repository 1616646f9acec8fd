"""The answer follows from the numbers: every strength from findings made for it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.result import Answer, Association, FamiliesLeftOut, Findings, PermutationTest, Skill
from nil_audit.comparison.rules import CLAIM, MODERATE, STRONG, answer
from nil_audit.stats.estimate import Estimate

KEY = "deviation_law"


def association(
    value: float, half: float = 0.15, models: int = 100, p_adjusted: float | None = 0.01, interval: bool = True
) -> Association:
    ends = {"low": value - half, "high": value + half, "p": 0.001} if interval else {}
    estimate = Estimate(value=value, n=models, **ends)
    return Association(predictor=KEY, given="size_curve", families=40, estimate=estimate, p_adjusted=p_adjusted)


def permutation(value: float, p: float) -> PermutationTest:
    return PermutationTest(predictor=KEY, estimate=Estimate(value=value, p=p, n=60), p_adjusted=None, bands=4)


def left_out(lowest: float, highest: float) -> FamiliesLeftOut:
    return FamiliesLeftOut(predictor=KEY, value=-0.4, without={"A": lowest, "B": highest})


def skill(low: float) -> Skill:
    estimate = Estimate(value=low + 0.1, low=low, high=low + 0.2)
    return Skill(
        predictor=KEY, split="halves", cutoff=None, splits=100, train=50, test=50, error_size=0.1, error_with=0.09,
        estimate=estimate,
    )  # fmt: skip


SUPPORT: dict[str, Any] = {
    "primary": association(-0.4),
    "permutation": permutation(-0.4, 0.001),
    "left_out": left_out(-0.45, -0.33),
    "above_floor": association(-0.35, models=60),
    "release": association(-0.35),
    "tokens": association(-0.3, models=50),
    "skill": skill(0.02),
    "models": 100,
    "families": 40,
}
OPPOSITE = SUPPORT | {
    "primary": association(+0.4),
    "permutation": permutation(+0.4, 0.001),
    "left_out": left_out(0.33, 0.45),
    "above_floor": association(+0.35, models=60),
    "release": association(+0.35),
    "tokens": None,
}


def answered(found: dict[str, Any]) -> Answer:
    """The answer of a table and findings with what is given; None is a number that could not be made."""
    places = {
        "primary": {},
        "above_floor": {"subset": "above_floor"},
        "release": {"given": "size_curve_release"},
        "tokens": {"given": "size_curve_tokens"},
    }
    associations = [Association(**{**vars(found[name]), **place}) for name, place in places.items() if found[name]]
    names = np.arange(found["models"]) % found["families"]
    table = pd.DataFrame({"family": names, "flag": "", "parameters": 1e9})
    return answer(
        pd.concat([table, table[:7].assign(family="broken", flag="wrong")]),
        Findings(
            associations=tuple(associations),
            permutations=tuple(filter(None, [found["permutation"]])),
            left_out=tuple(filter(None, [found["left_out"]])),
            skills=tuple(filter(None, [found["skill"]])),
        ),
        "mc",
    )


def failed(found: Answer) -> list[str]:
    return [rule.key for rule in found.rules if rule.outcome == "fails"]


def test_everything_holds_and_the_evidence_is_strong() -> None:
    found = answered(SUPPORT)
    assert (found.strength, found.protocol, found.primary) == ("strong", "mc", SUPPORT["primary"])
    assert (found.models, found.sized, found.families) == (100, 100, 40)
    assert [rule.key for rule in found.rules] == [*CLAIM, *MODERATE, *STRONG]
    assert {rule.outcome for rule in found.rules} == {"holds"}


@pytest.mark.parametrize(
    ("change", "word", "key"),
    [
        ({"primary": association(-0.31, half=0.32)}, "none", "interval"),
        ({"permutation": permutation(-0.4, 0.06)}, "none", "permutation"),
        ({"permutation": permutation(+0.4, 0.001)}, "none", "permutation"),
        ({"left_out": left_out(-0.4, 0.01)}, "none", "families"),
        ({"above_floor": association(+0.05, models=60)}, "none", "floor"),
        ({"release": association(-0.1)}, "weak", "release"),
        ({"release": association(+0.4)}, "weak", "release"),
        ({"skill": skill(-0.01)}, "moderate", "skill"),
        ({"tokens": association(-0.1)}, "moderate", "tokens"),
        ({"primary": association(-0.4, p_adjusted=0.2)}, "moderate", "tests"),
        ({"primary": association(-0.25)}, "moderate", "effect"),
    ],
)
def test_one_rule_that_fails_lowers_the_strength(change: dict[str, Any], word: str, key: str) -> None:
    found = answered(SUPPORT | change)
    assert (found.strength, failed(found)) == (word, [key])


def test_a_prediction_that_is_worse_than_size_alone_leaves_the_evidence_weak() -> None:
    found = answered(SUPPORT | {"skill": skill(-0.15)})
    assert (found.strength, failed(found)) == ("weak", ["prediction", "skill"])


@pytest.mark.parametrize(
    ("change", "word", "keys"),
    [
        ({"permutation": None}, "none", ["permutation"]),
        ({"left_out": None}, "none", ["families"]),
        ({"above_floor": None}, "strong", ["floor"]),
        ({"above_floor": association(+0.2, models=19)}, "strong", ["floor"]),
        ({"release": None}, "weak", ["release"]),
        ({"skill": None}, "weak", ["prediction", "skill"]),
        ({"tokens": None}, "moderate", ["tokens"]),
        ({"primary": association(-0.4, p_adjusted=None)}, "moderate", ["tests"]),
        ({"primary": None}, "insufficient", []),
        ({"primary": association(-0.4, interval=False)}, "insufficient", []),
        ({"models": 9, "families": 9}, "insufficient", []),
        ({"families": 4}, "insufficient", []),
    ],
)
def test_what_cannot_be_checked_is_no_support(change: dict[str, Any], word: str, keys: list[str]) -> None:
    found = answered(SUPPORT | change)
    assert found.strength == word
    assert [rule.key for rule in found.rules if rule.outcome == "unavailable"] == keys
    assert bool(found.rules) == (word != "insufficient")


def test_an_effect_the_other_way_contradicts() -> None:
    assert answered(OPPOSITE).strength == "contradicts"
    assert answered(OPPOSITE | {"permutation": permutation(+0.4, 0.2)}).strength == "none"

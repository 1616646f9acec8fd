"""What is expected of a shape, in words."""

import pytest

from nil_audit.law.pooled import Regret, Verdict
from nil_audit.law.studies import Extrapolation, studies
from nil_audit.report.verdict import (
    chance_words,
    distance_words,
    extrapolation_words,
    likely_words,
    pool_reach_words,
    regret_words,
    times_beyond,
    verdict_words,
)

LAW, MORPH, CHINCHILLA, _ = studies()
REGRET = Regret(expected=0.0031, low=0.0, high=0.0114, within=0.968)


def test_verdict_words_say_cost_interval_and_chance() -> None:
    verdict = Verdict(label="inside", distance=0.0, regret=REGRET)
    assert verdict_words(verdict) == (
        "inside: expected to cost 0.3% [0.0, 1.1] of loss over the best shape of its budget, 97% likely under 1%"
    )
    assert regret_words(REGRET) == "0.3% [0.0, 1.1]"
    assert [likely_words(one) for one in (1.0, 0.01, 0.004)] == [
        "over 99% likely under 1%",
        "1% likely under 1%",
        "over 99% likely above 1%",
    ]


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (1.0, "over 99%"),
        (0.991, "over 99%"),
        (0.99, "99%"),
        (0.8, "80%"),
        (0.01, "1%"),
        (0.004, "under 1%"),
        (0.0, "under 1%"),
    ],
)
def test_nothing_is_said_to_be_certain(probability: float, words: str) -> None:
    assert chance_words(probability) == words


@pytest.mark.parametrize(
    ("parameters", "ratio", "words"),
    [
        (1.0, 1.0, "its budget and ratio are within the runs pooled"),
        (5.57, 1.0, "its budget is 5.6 times the largest of the nearest study's"),
        (1.0, 1 / 12, "its ratio is 1/12 of the smallest of the nearest study's"),
        (None, 1.0, "its size is not known and is taken as 1B parameters"),
        (
            0.5,
            2.0,
            "its budget is 1/2.0 of the smallest of the nearest study's and its ratio is 2.0 times the largest of the"
            " nearest study's",
        ),
        (
            1.04,
            0.96,
            "its budget is just above the largest of the nearest study's and its ratio is just below the smallest of"
            " the nearest study's",
        ),
    ],
)
def test_pool_reach_words_say_how_far_beyond_all_runs(parameters: float | None, ratio: float, words: str) -> None:
    assert pool_reach_words(Extrapolation(parameters=parameters, ratio=ratio, under_three_blocks=False)) == words


@pytest.mark.parametrize(
    ("distance", "words"),
    [(0.0, "0, within"), (0.424, "+0.42, too deep and narrow"), (-1.2, "−1.20, too shallow and wide")],
)
def test_distance_words_name_the_side(distance: float, words: str) -> None:
    assert distance_words(distance) == words


def test_words_say_how_far_a_prediction_is_extrapolated() -> None:
    assert extrapolation_words(LAW.extrapolation(0.03, 2e6)) == "inside the fitted budgets; inside the fitted ratios"
    far = extrapolation_words(LAW.extrapolation(0.03, 2.978e9))
    assert far.startswith("budget 1000 times above the fitted budgets")
    assert "budget 1.6 times above" in extrapolation_words(MORPH.extrapolation(0.03, 5e8))
    assert "budget 4.0 times below" in extrapolation_words(LAW.extrapolation(0.03, LAW.parameters_range[0] / 4))
    assert "ratio 2.0 times above the fitted ratios" in extrapolation_words(CHINCHILLA.extrapolation(0.05, 1e9))
    assert "read at 1B" in extrapolation_words(LAW.extrapolation(0.03))
    assert "at least this" in extrapolation_words(CHINCHILLA.extrapolation(0.0005, 1e7))


def test_times_beyond_takes_whichever_is_more() -> None:
    assert times_beyond(Extrapolation(parameters=0.25, ratio=2.0, under_three_blocks=False)) == 4
    assert times_beyond(Extrapolation(parameters=None, ratio=1.0, under_three_blocks=False)) == 1

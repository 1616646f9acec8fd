"""What the studies say of a shape, in words."""

import pytest

from nil_audit.law.studies import studies, verdict
from nil_audit.report.verdict import (
    cost_words,
    distance_words,
    extrapolation_words,
    reach_words,
    standing_words,
    verdict_words,
)
from nil_audit.stats.estimate import Estimate

LAW, MORPH, CHINCHILLA = studies()


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.03, "all of law, morph and chinchilla put it within 1% of the best shape of its budget"),
        (0.0521, "law and morph put it within 1% of the best; chinchilla calls it too deep ([0.00772, 0.0357])"),
        (
            0.008,
            "chinchilla puts it within 1% of the best; law calls it too shallow ([0.0171, 0.0885]) and morph calls it"
            " too shallow ([0.00829, 0.0933])",
        ),
    ],
)
def test_verdict_words_name_every_study(ratio: float, words: str) -> None:
    intervals = {study.name: study.interval(1e9) for study in studies()}
    assert verdict_words(ratio, verdict(ratio, 1e9), intervals) == words
    outside = verdict_words(0.2, verdict(0.2, 1e9), intervals)
    assert outside.startswith("none puts it within 1% of the best shape of its budget: law calls it too deep")
    assert all(study.name in outside for study in studies())


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


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.03, "law, morph and chinchilla put it within 1% of the best shape of its size"),
        (
            0.008,
            "chinchilla puts it within 1% of the best shape of its size, law and morph call it too shallow",
        ),
        (
            0.2,
            "no study puts it within 1% of the best shape of its size (law, morph and chinchilla call it too deep)",
        ),
    ],
)
def test_standing_words_group_the_studies_by_side(ratio: float, words: str) -> None:
    intervals = {study.name: study.interval(1e9) for study in studies()}
    assert standing_words(ratio, verdict(ratio, 1e9), intervals) == words


def test_cost_words_name_the_smallest_and_the_largest() -> None:
    costs = {
        "law": Estimate(value=0.0123, low=0.0049, high=0.0251),
        "morph": Estimate(value=0.0012, low=0.0, high=0.002),
        "chinchilla": Estimate(value=0.26),
    }
    bound = {**costs, "chinchilla": Estimate(value=0.26, low=0.009, high=0.26)}
    assert cost_words(costs) == "0.1% [0.0, 0.2] (morph) to 26.0% (chinchilla)"
    assert cost_words(costs, at_least=["chinchilla"]).endswith("to at least 26.0% (chinchilla)")
    # A lower bound at the end of its interval says nothing by it.
    assert cost_words(bound, at_least=["chinchilla"]) == "0.1% [0.0, 0.2] (morph) to at least 26.0% (chinchilla)"
    assert cost_words(bound) == "0.1% [0.0, 0.2] (morph) to 26.0% [0.9, 26.0] (chinchilla)"
    assert cost_words({"law": costs["law"]}) == "1.2% [0.5, 2.5] (law)"


def test_reach_words_say_who_was_fitted_there_and_how_far_the_others_are() -> None:
    def reach(ratio: float, parameters: float | None) -> str:
        return reach_words({study.name: study.extrapolation(ratio, parameters) for study in studies()})

    far = max(0.05 / CHINCHILLA.ratio_range[1], 1.0)
    assert reach(0.05, 1e8) == (
        f"only morph was fitted on such sizes and ratios (law {1e8 / LAW.parameters_range[1]:.0f},"
        f" chinchilla {far:.1f} times beyond its runs)"
    )
    assert reach(0.02, 1e8).startswith("only morph and chinchilla were fitted on such sizes and ratios (law 34 times")
    assert reach(1e-4, 1e12).startswith("none of them was fitted on such sizes and ratios (law ")
    assert reach(0.05, None) == "its size is not known, so the studies are read at 1B parameters"
    inside = {"law": LAW.extrapolation(0.03, 2e6)}
    assert reach_words(inside) == "all of them were fitted on such sizes and ratios"

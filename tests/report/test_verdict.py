"""What the studies say of a shape, in words."""

import pytest

from nil_audit.law.studies import studies, verdict
from nil_audit.report.verdict import distance_words, extrapolation_words, verdict_words

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

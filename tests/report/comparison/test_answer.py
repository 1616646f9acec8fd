"""The answer in words: each of its cases says what its interval excludes and what it does not, and the numbers."""

import re
from dataclasses import replace

import pytest

from nil_audit.comparison.findings import Answer, Association, Effect, Mapping
from nil_audit.comparison.outcome import LOSS, Outcome
from nil_audit.comparison.result import Comparison, Findings, Options
from nil_audit.comparison.rules import verdict
from nil_audit.law.pooled import pool
from nil_audit.report.comparison.answer import claim, control_sentence, headline, sentences
from nil_audit.report.comparison.words import effect_label
from nil_audit.stats.estimate import Estimate


def effect(low: float, high: float, *, row: str = "primary", control: str = "spline", **changes: object) -> Effect:
    """An effect with this 95% interval, and a 90% one of five sixths its width."""
    value, half = (low + high) / 2, (high - low) / 2
    narrow = (value - half / 1.2, value + half / 1.2)
    made = Effect(
        row=row,
        study="law",
        control=control,
        groups=9,
        estimate=Estimate(value=value, low=low, high=high, n=40),
        narrow=narrow,
        detectable=1.4 * half,
        verdict=verdict((low, high), narrow),
    )
    return replace(made, **changes)


def answered(comparison: Comparison, found: Effect, *others: Effect, **findings: object) -> Comparison:
    """The comparison with this primary effect, these others, and no other findings but those named."""
    answer = replace(comparison.answer, primary=found, verdict=found.verdict)
    return replace(comparison, answer=answer, findings=Findings(effects=(found, *others), **findings))


@pytest.mark.parametrize(
    ("low", "high", "opening", "ending"),
    [
        (
            -0.6,
            1.7,
            "The data cannot tell whether shape matters: it costs 0.55 [−0.60, 1.70] times",
            "lies outside it.",
        ),
        (1.2, 2.8, "Shape matters, and costs more than predicted: 2.00 [1.20, 2.80] times", "excludes both"),
        (0.3, 1.9, "The data support the law: shape costs 1.10 [0.30, 1.90] times", "excludes 0 (no cost) and holds 1"),
        (0.2, 0.7, "The data contradict the law as it stands: shape matters, but costs 0.45", "excludes both"),
        (
            -0.4,
            0.6,
            "The data contradict the law: shape costs 0.10",
            "excludes 1 (as predicted) and does not exclude 0",
        ),
        (
            -0.9,
            1.02,
            "The data contradict the law: shape costs 0.06",
            "excludes 1 (as predicted) at 90% ([−0.74, 0.86])",
        ),
        (-0.9, -0.2, "The data contradict the law: shapes that it calls costly do better", "excludes both"),
    ],
)
def test_each_case_says_the_number_and_what_it_excludes(comparison, low, high, opening, ending):
    text = headline(answered(comparison, effect(low, high)))
    assert text.startswith(opening) and ending in text
    assert text.count("0 (no cost)") == text.count("1 (as predicted)") == 1


def test_cannot_tell_holds_both_and_never_says_that_the_law_is_not_supported(comparison):
    text = headline(answered(comparison, effect(-0.6, 1.7)))
    assert "holds both 0 (no cost) and 1 (as predicted)" in text and "support" not in text


def test_a_prediction_that_its_own_world_does_not_exclude_is_not_contradicted(comparison):
    own = Estimate(value=0.6, low=-0.2, high=1.4)
    unsure = replace(effect(-0.4, 0.8), as_predicted=own, verdict="cannot_tell")
    text = headline(answered(comparison, unsure))
    assert text.startswith("The data cannot tell whether shape matters: it costs 0.20 [−0.40, 0.80] times")
    assert "holds 0 (no cost)" in text and "0.60 [−0.20, 1.40], it does not exclude 1 (as predicted)." in text
    some = replace(effect(0.1, 0.8), as_predicted=own, verdict="cannot_tell")
    text = headline(answered(comparison, some))
    assert text.startswith("Shape matters, but the data cannot tell whether as the law predicts: it costs 0.45")
    assert "excludes 0 (no cost)" in text and "does not exclude 1 (as predicted)." in text


def test_another_study_is_named(comparison):
    text = headline(replace(answered(comparison, effect(0.3, 1.9)), study="morph"))
    assert text.startswith("The data support the morph study:")


def _answer(**changes: object) -> Answer:
    values = {"models": 40, "sized": 38, "groups": 9, "sized_groups": 9, "primary": None}
    return Answer(protocol="leaderboard", verdict="insufficient", **{**values, **changes})


def test_too_few_models_are_told_how_many_are_needed(comparison):
    bare = replace(comparison, findings=Findings(), answer=_answer(sized=8, sized_groups=6))
    assert headline(bare) == (
        "Nothing can be said: 40 models of 9 families with a usable score (8 models of 6 families with known size), and"
        " at least 10 models of 5 families with known size are needed."
    )
    assert sentences(bare) == () and control_sentence(bare) == ""
    assert headline(replace(bare, grouped="model")) == (
        "Nothing can be said: 40 models with a usable score (8 models with known size), and at least 10 models with"
        " known size are needed."
    )


def test_enough_models_are_not_told_that_more_are_needed(comparison):
    bare = replace(comparison, findings=Findings(), answer=_answer())
    assert headline(bare).endswith("but shapes or scores do not vary once size is held fixed.")
    found = replace(effect(0, 0), estimate=Estimate(value=0.3, n=40), narrow=None, verdict="insufficient")
    text = headline(replace(bare, answer=_answer(primary=found)))
    assert text.endswith("but without some of them no effect can be estimated.")


def test_the_claim_says_what_the_law_says_in_numbers_and_what_that_comes_to(comparison):
    text = claim(comparison)
    assert "near 0.039 (95%: 0.035 to 0.042); R from 0.017 to 0.089 costs at most 1% of loss" in text
    (law,) = [one for one in comparison.findings.predictions if one.study == "law"]
    assert text.endswith(
        f": {law.mean:.1f} points of MMLU-Pro on average over these 39 models, {law.largest:.1f} at most."
    )


def test_a_study_whose_optimum_depends_on_the_budget_says_at_which(comparison):
    other = replace(comparison, study="chinchilla", options=Options(interval="chinchilla"))
    assert claim(other).startswith("The chinchilla study says: ") and ") at 1B parameters; R from" in claim(other)


def test_the_claim_of_the_pool_is_one_of_probability(comparison):
    text = claim(replace(comparison, study="pooled", options=Options(interval="pooled")))
    within = pool().interval()
    assert (
        text.startswith("The pool of studies says: ") and f"near {within.optimum:.3f} at 1B parameters; R from" in text
    )
    assert f"{within.low:.3f} to {within.high:.3f} costs at most 1% of loss with a probability of 80% or more" in text


def test_a_loss_is_worded_as_one(comparison):
    loss = replace(comparison, outcome=Outcome(name="loss", column="loss", lower_is_better=True, unit=LOSS))
    assert re.search(r": \d+\.\d% of loss on average over these 39 models", claim(loss))


def test_what_the_data_could_have_shown_and_over_which_range_the_answer_holds(comparison):
    def mapping(low: float, high: float) -> Mapping:
        return Mapping(what="loss_per_size", value=0.03, label="low", effect=effect(low, high))

    steady = answered(comparison, effect(-0.6, 1.7), mappings=(mapping(-0.5, 1.3), mapping(-0.8, 2.4)))
    (text,) = sentences(steady)
    assert "What 40 models of 9 families could have shown: no effect below 1.6 times the predicted one" in text
    assert "in 80 of 100 such samples, so one as large as predicted is mostly missed." in text
    assert text.endswith("the effect runs from 0.40 to 0.80, and the answer stays.")
    (text,) = sentences(answered(comparison, effect(-0.6, 1.7), mappings=(mapping(-0.5, 0.4),)))
    assert text.endswith("and the answer changes under 1 of 1 way to make it.")


def test_other_size_controls_are_told_by_their_ends_and_by_what_they_would_answer(comparison):
    others = (effect(-0.5, 0.6, row="control", control="linear"), effect(-0.2, 2.6, row="control", control="bands"))
    text = control_sentence(answered(comparison, effect(-0.6, 1.7), *others, size_fits=comparison.findings.size_fits))
    assert "from 0.05 [−0.50, 0.60] (a straight line) to 1.20 [−0.20, 2.60] (a line in each size band)" in text
    assert "the answer would change under a straight line" in text
    alike = control_sentence(answered(comparison, effect(-0.6, 1.7), others[1]))
    assert alike.endswith("and the same answer.")


def test_metrics_of_ones_own_are_asked_the_papers_question(comparison):
    metric = Association(
        predictor="typical_efficiency",
        given="size_ratio",
        groups=9,
        estimate=Estimate(value=0.4, low=0.1, high=0.6, p=0.01),
    )
    own = answered(comparison, effect(-0.6, 1.7), associations=(metric, replace(metric, given="size")))
    text = sentences(own)[-1]
    assert text.count("typical efficiency") == 1 and "typical efficiency +0.40 [+0.10, +0.60], p 0.010" in text
    assert "go with a higher MMLU-Pro among models of one size and one R" in text


def test_every_row_has_a_label_of_its_own(comparison):
    effects = comparison.findings.effects
    labels = [effect_label(one) for one in effects]
    assert len(effects) > 10 and len(set(labels)) == len(labels) and all(labels)

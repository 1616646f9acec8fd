"""The answer of a calibration in words: each case, with the numbers that the result holds."""

from dataclasses import replace

import pytest

from nil_audit.calibration.calibrate import calibrate
from nil_audit.calibration.result import Drift, HeldOut, HeldOutBudget
from nil_audit.report.calibration.answer import (
    drift_sentence,
    form_sentence,
    headline,
    held_out_sentence,
    sentences,
    studies_sentence,
)
from nil_audit.report.calibration.words import ratio_interval, ratio_text, variant_name, with_short_numbers
from nil_audit.stats.estimate import Estimate
from tests.report.calibration.conftest import BUDGETS, sweep


def drift(value: float, low: float, high: float, along: str = "parameters") -> Drift:
    return Drift(along=along, slope=Estimate(value=value, low=low, high=high), budgets=4)


def larger(budget: str, forgone: float, *, right: int = 7) -> HeldOutBudget:
    return HeldOutBudget(
        budget=budget,
        parameters=2e8,
        shapes=8,
        right=right,
        within=3,
        called=4,
        best=0.031,
        advised=0.029,
        forgone=forgone,
        spread=0.081,
    )


def test_the_headline_says_the_optimum_and_both_ends_with_their_intervals(found):
    text = headline(found)
    assert text == (
        f"Loss is lowest at a depth-width ratio R of {ratio_interval(found.optimum)}; R from"
        f" {ratio_interval(found.low)} to {ratio_interval(found.high)} costs at most 1% of loss."
    )
    assert text.count("[") == 3 and "R of 0.0" in text
    half = replace(found, study=replace(found.study, tolerance=0.005))
    assert "at most 0.5% of loss" in headline(half)


@pytest.mark.parametrize(("side", "last", "words"), [("deeper", 0.02, "at least"), ("wider", 0.05, "at most")])
def test_a_bound_is_said_to_be_one(bounded, side, last, words):
    found = bounded(side)
    text = headline(found)
    assert found.edge == side
    assert f"falls at its {'deepest' if side == 'deeper' else 'widest'}, so the optimum is only bounded" in text
    assert f"R* {words} {ratio_text(last)}, and no interval can be given" in text
    assert text.endswith(f"add {side} shapes.")
    assert "only bounded" in text and "Loss is lowest" not in text
    assert all("xtrapolated" not in sentence for sentence in sentences(found))


def test_what_it_rests_on_and_what_is_held_equal(found, scattered):
    first = sentences(found)[0]
    assert first.startswith("From 32 runs in 4 budgets (30.0M to 240M parameters), all parameters held equal;")
    assert "No optimum alone" not in first
    first = sentences(scattered)[0]
    assert first.startswith("From 32 runs of 30.0M to ") and "share no budget, all parameters held equal by a" in first


def test_an_end_beyond_the_shapes_and_refits_without_an_optimum_are_told(found):
    narrow = replace(found, study=replace(found.study, ratio_range=(0.02, 0.05)), flat_draws=0.12)
    first = sentences(narrow)[0]
    assert "lower end (its widest shape is R 0.0200) and upper end (its deepest is R 0.0500)" in first
    assert "12% of the bootstrap's refits have no optimum" in first
    assert "extrapolated" not in sentences(found)[0]


def test_budgets_without_an_optimum_are_named_few_at_a_time(found):
    one = replace(found.budgets[1], optimum=None, bound="wider")
    text = sentences(replace(found, budgets=(found.budgets[0], one)))[0]
    assert text.endswith("No optimum alone: 60M (loss still falls at the widest shape).")
    many = tuple(replace(one, budget=f"B{place}") for place in range(7))
    text = sentences(replace(found, budgets=(*many, replace(one, budget="C", bound="deeper"))))[0]
    assert "C (loss still falls at the deepest shape); B0, B1, B2 and 4 more (loss still" in text


def test_no_drift_is_not_told_from_none_and_excludes_constant_depth_where_it_does(found):
    text = drift_sentence(replace(found, drifts=(drift(-0.03, -0.15, 0.10),)))
    assert text == (
        "A drift with size cannot be told from none: d ln R*/d ln N = −0.03 [−0.15, 0.10] over 4 budgets; one best"
        " depth for every size (−0.5) is excluded."
    )
    assert "excluded" not in drift_sentence(replace(found, drifts=(drift(-0.3, -0.7, 0.10),)))
    both = (drift(-0.03, -0.15, 0.10), drift(0.02, -0.01, 0.05, "tokens"))
    assert drift_sentence(replace(found, drifts=both)).startswith("A drift with size or tokens cannot be told")


@pytest.mark.parametrize(("slope", "way", "factor"), [(0.301, "deeper", "2"), (-0.301, "wider", "0.5")])
def test_a_drift_is_told_with_what_ten_times_the_size_do(found, slope, way, factor):
    text = drift_sentence(replace(found, drifts=(drift(slope, slope - 0.1, slope + 0.1),)))
    assert text.startswith(f"The optimum moves with size, towards {way} shapes: ")
    assert text.endswith(f"so ten times the parameters multiply R* by {factor}.") and "none" not in text


def test_one_budget_has_neither_drift_nor_test():
    name = next(iter(BUDGETS))
    one = calibrate(sweep().query("budget == @name", local_dict={"name": name}), name="one", draws=200)
    text = sentences(one)
    assert text[0].startswith("From 8 runs in 1 budget (30.0M parameters)")
    assert text[1].startswith("Too few budgets have an optimum") and text[2] == (
        "There are too few budgets for a test on runs that it was not fitted on."
    )


def test_the_test_out_of_sample_says_how_many_are_right_and_what_is_forgone(found):
    budgets = (larger("a", 0.002), larger("b", 0.012, right=6))
    test = HeldOut(fitted=("30M", "60M"), largest=6e7, optimum=0.03, low=0.012, high=0.08, budgets=budgets)
    text = held_out_sentence(replace(found, held_out=test))
    assert text == (
        "Fitted on budgets up to 60.0M, it calls 13 of 16 shapes of 2 larger budgets rightly (within 1% or not); the"
        " shape that it advises there forgoes 0.7% of loss on average, 1.2% at most, the worst one 8.4%."
    )
    alone = held_out_sentence(replace(found, held_out=replace(test, budgets=(larger("a", 0.0),))))
    assert "7 of 8 shapes of 1 larger budget rightly" in alone and "forgoes under 0.1% of loss, the worst" in alone


def test_which_form_fits_better_follows_from_the_aic(found):
    first, *rest = found.forms
    other = replace(rest[0], aic=first.aic + 7, error=0.02, optimum=Estimate(value=0.035))
    text = form_sentence(replace(found, forms=(first, other)))
    assert "fits ln loss better than a_N + c_m/d + c_l/L" in text and "AIC 7 lower), which puts R* at 0.0350." in text
    worse = form_sentence(replace(found, forms=(first, replace(other, aic=first.aic - 7, optimum=None))))
    assert "worse than" in worse and "AIC 7 higher), which has no optimum." in worse
    assert form_sentence(replace(found, forms=(first,))) == ""


def test_shipped_studies_are_sorted_by_the_interval(found):
    wide = replace(found, optimum=Estimate(value=0.03, low=0.025, high=0.03))
    text = studies_sentence(wide)
    assert "morph (0.0278) in its 95% interval" in text and "law (0.0389) at deeper ones." in text
    assert "gemstones (0.0218)" in text.split("at wider shapes")[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("300000 (2.67e+05)", "300k (267k)"),
        ("1e+06", "1M"),
        ("1300000.0", "1.3M"),
        ("80M at 20", "80M at 20"),
        ("without 1.2e+08", "without 120M"),
        ("at 3.5e+11 tokens", "at 350B tokens"),
        ("run2024a", "run2024a"),
    ],
)
def test_counts_in_names_are_short(text, shown):
    assert with_short_numbers(text) == shown


def test_a_ratio_has_three_figures_an_open_end_is_a_dash_and_a_bound_is_said():
    assert [ratio_text(one) for one in (0.0389, 0.28, 1.5, 0.00462, None, float("nan"))] == [
        "0.0389",
        "0.280",
        "1.50",
        "0.00462",
        "–",
        "–",
    ]
    assert ratio_interval(Estimate(value=0.03, low=0.02)) == "0.0300 [0.0200, –]"
    assert ratio_interval(Estimate(value=0.03, low=0.03)) == "at least 0.0300"
    assert ratio_interval(Estimate(value=0.03)) == "0.0300" and ratio_interval(None) == "–"


def test_every_variant_has_a_name_of_its_own(found):
    names = [variant_name(one) for one in found.variants]
    assert len(set(names)) == len(names) > 5 and "total held equal" in names and "tolerance 0.5%" in names

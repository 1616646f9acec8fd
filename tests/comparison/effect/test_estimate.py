"""The effect of shape against brute-force refits, and the numbers of an independent re-analysis of the real models."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from nil_audit.comparison.effect.dose import SLOPES, dose, dose_terms, predicted_terms
from nil_audit.comparison.effect.estimate import coefficients, design, effect, indicators, made
from nil_audit.comparison.effect.rows import trend
from nil_audit.comparison.effect.sample import Sample, sample
from nil_audit.comparison.effect.size_fit import beyond_size
from nil_audit.comparison.outcome import outcome_of
from nil_audit.stats.least_squares import less_group_means
from nil_audit.stats.spline import natural_spline, spline_knots
from tests.comparison.models import derived, made_frame, made_sample, real_sample


def brute(whole: Sample, control: str, release: str = "none", covariates: str = "none", within: bool = False) -> list:
    """The coefficient with all models and without each group, every fit anew on the rows that are left."""
    held = design(whole, control, release=release, covariates=covariates)
    terms = dose_terms(whole, whole.excess("law"))
    values = []
    for group in range(-1, whole.groups):
        rows = whole.group != group
        slope = np.linalg.lstsq(terms.curve[rows], whole.response[rows], rcond=None)[0]
        numbers = np.column_stack([held, -(terms.fixed + terms.terms @ slope), whole.response])[rows]
        if within:
            numbers = less_group_means(numbers, np.unique(whole.family[rows], return_inverse=True)[1])
        values.append(np.linalg.lstsq(numbers[:, :-1], numbers[:, -1], rcond=1e-10)[0][-1])
    return values


@pytest.mark.parametrize(
    "choices",
    [
        {"control": "spline"},
        {"control": "flexible", "release": "spline"},
        {"control": "bands", "covariates": "lineage_domain", "release": "linear"},
        {"control": "spline_rank", "within": True},
    ],
    ids=lambda choices: "-".join(map(str, choices.values())),
)
def test_left_out_moments_give_what_refits_give(choices: dict) -> None:
    whole = made_sample(70, 18, effect=1.0, seed=3)
    within = choices.get("within", False)
    held = design(whole, **{name: value for name, value in choices.items() if name != "within"})
    found = coefficients(whole, dose_terms(whole, whole.excess("law")), held, demean=float(within))
    assert np.allclose(found, brute(whole, **choices), rtol=1e-6, atol=1e-8)


def test_interval_narrow_interval_and_detectable_effect_follow_from_the_replicates() -> None:
    whole = made_sample(60, 15, effect=1.0)
    value, *without = brute(whole, "spline")
    error = np.sqrt(14 / 15 * ((np.array(without) - value) ** 2).sum())
    found = effect(whole, row="primary", study="law", control="spline")
    assert found is not None
    assert found.estimate.value == pytest.approx(value)
    assert found.estimate.se == pytest.approx(error)
    assert found.estimate.interval == pytest.approx(value + error * student.ppf([0.025, 0.975], 14))
    assert found.narrow == pytest.approx(value + error * student.ppf([0.05, 0.95], 14))
    assert found.detectable == pytest.approx(error * (student.ppf(0.975, 14) + student.ppf(0.8, 14)))
    assert (found.groups, found.estimate.n) == (15, 60)


@pytest.mark.parametrize("truth", [-1.0, 0.0, 1.0])
def test_a_true_effect_is_found(truth: float) -> None:
    found = effect(made_sample(400, 100, effect=truth, seed=1), row="primary", study="law", control="spline")
    assert found is not None and found.estimate.interval is not None
    # With an effect the curve of score on size is that of shapes as they are, so its slope is a little off.
    assert found.estimate.value == pytest.approx(truth, abs=0.2)


def test_an_independent_re_analysis_of_the_real_models() -> None:
    whole = real_sample()
    assert (whole.models, whole.groups) == (113, 54)

    def numbers(models: Sample, **choices: str) -> list[float]:
        found = effect(models, row="primary", study="law", **choices)
        assert found is not None and found.estimate.interval is not None
        return [round(one, 2) for one in (found.estimate.value, *found.estimate.interval)]

    assert numbers(whole, control="spline") == pytest.approx([1.05, -0.16, 2.25], abs=0.011)
    assert numbers(whole, control="linear")[0] == pytest.approx(0.04, abs=0.01)
    assert numbers(whole, control="bands")[0] == pytest.approx(0.71, abs=0.01)
    assert numbers(whole, control="spline", release="spline") == pytest.approx([0.83, -0.10, 1.76], abs=0.02)
    fixed = dose(whole, "law")
    held = design(whole, "spline")
    columns, values = np.column_stack([held, -fixed]), []
    for group in range(-1, whole.groups):  # slopes as fitted to all models: the narrower interval
        rows = whole.group != group
        values.append(np.linalg.lstsq(columns[rows], whole.response[rows], rcond=None)[0][-1])
    error = np.sqrt(53 / 54 * ((np.array(values[1:]) - values[0]) ** 2).sum())
    ends = values[0] + error * student.ppf([0.025, 0.975], 53)
    assert ends == pytest.approx([-0.11, 2.20], abs=0.011)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 50), shift=st.floats(-100, 100))
def test_the_effect_has_no_unit_and_no_order(seed: int, scale: float, shift: float) -> None:
    whole = made_sample(40, 12, effect=1.0, seed=seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(whole.models)
    moved = replace(whole, response=scale * whole.response + shift)
    shuffled = replace(
        whole,
        table=whole.table.iloc[order],
        size=whole.size[order],
        response=whole.response[order],
        group=whole.group[order],
    )
    values = [
        coefficients(one, dose_terms(one, one.excess("law")), design(one, "spline")) for one in (whole, moved, shuffled)
    ]
    assert np.allclose(values[0], values[1], rtol=1e-6, atol=1e-6)
    assert np.allclose(values[0], values[2], rtol=1e-6, atol=1e-6)


def test_nothing_is_said_of_too_few_models_or_of_shapes_that_do_not_vary() -> None:
    choices = {"row": "primary", "study": "law"}
    assert effect(made_sample(4, 4), control="linear", **choices) is None
    assert effect(made_sample(12, 12), control="spline", **choices) is None
    frame = made_frame(30, 10)
    alike = sample(*derived(frame.assign(depth=24, width=1024)))
    assert effect(alike, control="linear", **choices) is None  # the slope of the curve still varies, but with size
    no_law = replace(made_sample(30, 10), table=made_sample(30, 10).table.assign(excess_law=0.0))
    assert effect(no_law, control="linear", **choices) is None


def test_models_of_unknown_release_are_left_out_where_it_is_held_fixed() -> None:
    frame = made_frame(60, 15)
    frame.loc[frame["family"] == "family 03", "release"] = ""
    whole = sample(*derived(frame))
    found = effect(whole, row="release", study="law", control="spline", release="linear")
    assert found is not None
    assert found.estimate.n == (frame["release"] != "").sum()
    assert found.groups == 14


def test_organisations_can_be_left_out_instead_of_families() -> None:
    whole = made_sample(60, 16)
    found = effect(whole.grouped_by("organisation"), row="organisations", study="law", control="spline")
    assert found is not None and found.groups == 8


def test_indicators_pool_what_is_rare() -> None:
    labels = derived(made_frame(12, 6))[0]["lineage"]
    labels[:] = ["a"] * 6 + ["b"] * 3 + ["c", "c", "d"]
    assert indicators(labels).sum(axis=0).tolist() == [3, 3]


def test_a_score_costs_the_slope_times_what_the_excess_is_worth() -> None:
    whole = made_sample(60, 15)
    step = 1e-5
    terms = dose_terms(whole, whole.excess("law"))
    curve = np.linalg.lstsq(terms.curve, whole.response, rcond=None)[0]
    up, down = (dose_terms(replace(whole, size=whole.size + one), whole.excess("law")) for one in (step, -step))
    assert np.allclose(up.curve, down.curve)  # knots move along, so the slope is taken another way:

    knots = spline_knots(whole.size, 3)
    ends = [natural_spline(whole.size + one, knots) @ curve[1:] for one in (step, -step)]
    slope = (ends[0] - ends[1]) / (2 * step)
    assert np.allclose(dose(whole, "law"), whole.excess("law") / 0.039 * slope, rtol=1e-5, atol=1e-6)


def test_a_loss_costs_the_excess_itself() -> None:
    table = derived(made_frame(40, 10))[0]
    losses = 4 - table["score"].to_numpy()
    outcome = outcome_of(losses, column="loss", lower_is_better=True, floor=None)
    assert (outcome.unit, outcome.scale) == ("% of loss", -100)
    whole = sample(table.assign(response=outcome.response(losses)), outcome)
    assert whole.response == pytest.approx(-100 * np.log(losses))
    assert dose(whole, "law") == pytest.approx(100 * np.log1p(whole.excess("law")))


def test_small_costs_are_alike_by_slope_and_by_step() -> None:
    whole = made_sample(60, 15)
    by = {slope: dose_terms(whole, 1e-6 * whole.excess("law"), slope=slope).dose(whole.response) for slope in SLOPES}
    assert by["step"] == pytest.approx(by["spline"], rel=1e-3, abs=1e-9)
    assert by["quadratic"] != pytest.approx(by["spline"], rel=1e-3, abs=1e-9)


def test_in_the_world_of_the_prediction_the_cost_is_known_exactly() -> None:
    rng = np.random.default_rng(5)
    whole = made_sample(90, 30)
    worth = whole.excess("law") / 0.039
    exact = replace(whole, response=10 + 5 * (whole.size - worth))
    assert predicted_terms(exact, exact.excess("law")).dose(exact.response) == pytest.approx(5 * worth)
    assert dose(exact, "law") != pytest.approx(5 * worth, rel=0.05)
    found = effect(exact, row="primary", study="law", control="spline")
    assert found is not None and found.as_predicted is not None
    assert found.as_predicted.value == pytest.approx(1)
    noisy = replace(exact, response=exact.response + rng.normal(size=90))
    found = effect(noisy, row="primary", study="law", control="spline")
    assert found is not None and found.as_predicted is not None and found.as_predicted.interval is not None
    assert found.as_predicted.interval[0] < 1 < found.as_predicted.interval[1]


def test_what_has_few_shapes_is_not_contradicted_by_a_dose_that_cannot_be_made() -> None:
    frame = made_frame(15, 12, seed=2)
    frame.loc[frame.index[:11], ["depth", "width"]] = [32, 4096]
    whole = sample(*derived(frame))
    found = effect(whole, row="primary", study="law", control="spline")
    assert found is not None and found.as_predicted is not None
    assert np.abs(predicted_terms(whole, whole.excess("law")).dose(whole.response)).max() < 500
    choices = {"row": "x", "study": "law", "control": "spline", "release": "none", "estimator": "least_squares"}
    below = np.full(13, 0.1)
    below[1:] += np.linspace(-0.01, 0.01, 12)
    judged = [
        made(**choices, subset="all", models=15, found=below, predicted=one).verdict
        for one in (None, below, np.full(13, np.nan), 3 * below + 1)
    ]
    assert judged == ["contradicted", "contradicted", "cannot_tell", "cannot_tell"]


def test_a_constant_response_has_no_effect() -> None:
    whole = made_sample(40, 12)
    for value in (0.3, 50.0, -109.861):
        constant = replace(whole, response=np.full(40, value) + 1e-12 * whole.response)
        assert effect(constant, row="primary", study="law", control="spline") is None


def test_the_line_of_the_plot_is_the_fit_of_its_points() -> None:
    whole = made_sample(60, 15, effect=1.0)
    line = trend(whole, "law", "spline_rank")
    assert line is not None
    x = beyond_size(whole, dose(whole, "law"), "spline_rank")
    y = beyond_size(whole, whole.response, "spline_rank")
    slope = np.polyfit(x, y, 1)
    assert slope == pytest.approx([line["y"].iloc[-1] / line["x"].iloc[-1], 0], abs=1e-8)

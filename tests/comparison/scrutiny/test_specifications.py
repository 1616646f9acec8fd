"""The specification curve: single entries against fits by statsmodels, its summary, and what is absent."""

from dataclasses import fields, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import t as student

from nil_audit.comparison.effect.dose import dose_terms
from nil_audit.comparison.effect.estimate import design, effect
from nil_audit.comparison.effect.rows import subset_samples
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.effect.size_fit import chosen_control, fit_sizes
from nil_audit.comparison.findings import SizeFit, Specification, SpecificationCurve
from nil_audit.comparison.scrutiny.censored import censored_effect
from nil_audit.comparison.scrutiny.specifications import defensible_controls, specification_curve
from nil_audit.stats.random_intercept import share_between
from tests.comparison.models import derived, made_frame, real_table


@cache
def made() -> tuple[dict[str, Sample], SpecificationCurve]:
    """Models of which some are flagged, some at the floor, some of unknown release, and their curve."""
    rng = np.random.default_rng(2)
    frame = made_frame(90, 22, effect=1.0, seed=1)
    frame["release"] = frame["release"].where(np.arange(90) % 9 > 0, "")
    frame["flag"] = np.where(np.arange(90) % 15 == 4, "a typing error", "")
    frame["uncertain"] = np.where(np.arange(90) % 10 == 5, "says the card", "")
    frame["domain"] = rng.choice(["general", "code"], 90, p=[0.8, 0.2])
    of_family = dict(zip(sorted(set(frame["family"])), 0.03 * rng.normal(size=22), strict=True))
    frame["score"] = (frame["score"] + frame["family"].map(of_family)).clip(lower=0.22)
    samples = subset_samples(*derived(frame, floor=0.22))
    return samples, curve_of(samples)


def curve_of(samples: dict[str, Sample], permutations: int = 19) -> SpecificationCurve:
    fits = fit_sizes(samples["all"])
    found = specification_curve(
        samples, study="law", fits=fits, control=chosen_control(fits), permutations=permutations
    )
    assert found is not None
    return found


def entry(curve: SpecificationCurve, **choices: str) -> Specification:
    wanted = {"release": "none", "covariates": "none", "estimator": "least_squares", "subset": "all"} | choices
    (one,) = [
        one
        for one in curve.specifications
        if wanted == {name: getattr(one, name) for name in wanted} and one.control == wanted["control"]
    ]
    return one


def between(held: np.ndarray, response: np.ndarray, family: np.ndarray) -> float:
    """Variance of the family effects over that of the errors, by statsmodels' mixed model."""
    model = sm.MixedLM(response, held, groups=family).fit(reml=True)
    return float(model.cov_re[0, 0] / model.scale)


@pytest.mark.filterwarnings("ignore:.*")
@pytest.mark.parametrize(
    "choices",
    [
        {"control": "flexible"},
        {"control": "bands", "release": "linear", "covariates": "lineage_domain"},
        {"control": "spline", "release": "spline", "subset": "certain_shape"},
        {"control": "spline_rank", "subset": "with_flagged", "covariates": "lineage_domain"},
        {"control": "spline", "estimator": "within_family", "subset": "general"},
        {"control": "bands", "estimator": "within_family", "release": "spline"},
        {"control": "spline", "estimator": "random_intercept"},
        {"control": "spline_rank", "estimator": "random_intercept", "subset": "from_scratch", "release": "linear"},
    ],
    ids=lambda choices: "-".join(choices.values()),
)
def test_an_entry_is_the_fit_of_statsmodels_left_out_family_by_family(choices: dict[str, str]) -> None:
    samples, curve = made()
    found = entry(curve, **choices)
    whole, release = samples[choices.get("subset", "all")], choices.get("release", "none")
    if release != "none":
        whole = whole.part(whole.table["release"].to_numpy() != "")
    held = design(whole, found.control, release=release, covariates=found.covariates)
    terms = dose_terms(whole, whole.excess("law"))
    ratio = between(held, whole.response, whole.family) if found.estimator == "random_intercept" else 0.0
    values = []
    for group in range(-1, whole.groups):
        rows = whole.group != group
        costs = sm.OLS(whole.response[rows], terms.curve[rows]).fit().params @ terms.terms[rows].T
        columns = np.column_stack([-costs, held[rows]])
        if found.estimator == "within_family":
            columns = np.column_stack([columns, pd.get_dummies(whole.family[rows]).to_numpy(dtype=float)])
        same = whole.family[rows][:, None] == whole.family[rows][None]
        fit = sm.GLS(whole.response[rows], columns, sigma=np.eye(rows.sum()) + ratio * same).fit()
        values.append(fit.params[0])
    value, *without = values
    error = np.sqrt((len(without) - 1) / len(without) * ((np.array(without) - value) ** 2).sum())
    loose = 5e-3 if ratio else 1e-6
    assert found.models == whole.models
    assert found.value == pytest.approx(value, rel=loose, abs=loose)
    ends = value + error * student.ppf([0.025, 0.975], len(without) - 1)
    assert (found.low, found.high) == pytest.approx(tuple(ends), rel=loose, abs=loose)


def test_censored_entry_is_the_censored_row() -> None:
    samples, curve = made()
    for control in {one.control for one in curve.specifications}:
        row = censored_effect(samples["all"], study="law", control=control)
        assert row is not None
        found = entry(curve, control=control, estimator="censored")
        assert (found.value, found.low, found.high) == pytest.approx((row.estimate.value, *row.estimate.interval))


def test_every_choice_is_crossed_and_the_primary_is_marked() -> None:
    samples, curve = made()
    found = curve.specifications
    options = {name: {getattr(one, name) for one in found} for name in ("subset", "release", "covariates", "estimator")}
    assert (
        options["subset"]
        == set(samples)
        == {"all", "above_floor", "from_scratch", "certain_shape", "general", "with_flagged"}
    )
    assert options["release"] == {"none", "linear", "spline"}
    assert options["covariates"] == {"none", "lineage_domain"}
    assert options["estimator"] == {"least_squares", "random_intercept", "within_family", "censored"}
    assert len(found) > 300
    assert not any(one.estimator == "censored" and one.subset == "above_floor" for one in found)
    assert not {"linear", "quadratic"} & {one.control for one in found}
    (primary,) = [one for one in found if one.primary]
    control = chosen_control(fit_sizes(samples["all"]))
    row = effect(samples["all"], row="primary", study="law", control=control)
    assert row is not None
    assert primary.control == control
    assert (primary.value, primary.low, primary.high) == pytest.approx((row.estimate.value, *row.estimate.interval))
    names = [field.name for field in fields(Specification) if field.name not in ("value", "low", "high", "primary")]
    assert len({tuple(getattr(one, name) for name in names) for one in found}) == len(found)


def test_summary_follows_from_the_entries() -> None:
    curve = made()[1]
    values = [one.value for one in curve.specifications]
    assert values == sorted(values)
    assert curve.median == np.median(values)
    assert curve.positive == np.mean([value > 0 for value in values])
    assert curve.significant_positive == np.mean([one.low > 0 for one in curve.specifications])
    assert curve.significant_negative == np.mean([one.high < 0 for one in curve.specifications])
    assert curve.permutations == 19
    assert curve.p is not None
    assert curve.p * 20 == pytest.approx(round(curve.p * 20))
    assert [one.span for one in curve.choices] == sorted((one.span for one in curve.choices), reverse=True)
    for choice in curve.choices:
        for option, median in choice.medians.items():
            own = [one.value for one in curve.specifications if getattr(one, choice.choice) == option]
            assert median == pytest.approx(np.median(own))
        assert choice.span == pytest.approx(max(choice.medians.values()) - min(choice.medians.values()))


def test_what_does_not_differ_is_not_shown_twice() -> None:
    frame = made_frame(60, 12, effect=1.0)
    frame = frame.assign(release="", lineage="from_scratch", family="one recipe")
    table, outcome = derived(frame)
    assert (table["group"] == table["model"]).all()
    curve = curve_of(subset_samples(table, outcome), permutations=0)
    options = {(one.release, one.covariates, one.estimator, one.subset) for one in curve.specifications}
    assert options == {("none", "none", "least_squares", "all")}
    assert curve.p is None
    assert [one.choice for one in curve.choices] == ["control"]


def test_a_random_intercept_without_variance_is_least_squares_and_absent() -> None:
    samples, curve = made()
    whole = samples["all"]
    mean = np.bincount(whole.family, weights=whole.response) / np.bincount(whole.family)
    alike = replace(whole, response=whole.response - mean[whole.family])
    held = design(alike, "spline")
    assert share_between(held, alike.response, alike.family) == 0.0
    again = curve_of({"all": alike}, permutations=0)
    assert not [one for one in again.specifications if one.estimator == "random_intercept" and one.control == "spline"]
    assert [one for one in curve.specifications if one.estimator == "random_intercept" and one.control == "spline"]


def test_no_curve_of_too_few_models() -> None:
    samples = {"all": made()[0]["all"].part(np.arange(84) < 3)}
    assert specification_curve(samples, study="law", fits=(), control="linear") is None


def test_controls_that_do_not_fit_are_left_out() -> None:
    def fit(control: str, error: float, chosen: bool = False) -> SizeFit:
        return SizeFit(control=control, columns=1, aic=0.0, held_out=error, chosen=chosen)

    fits = [fit("linear", 0.9), fit("quadratic", 0.9), fit("spline", 1.16), fit("flexible", 1.14)]
    fits.append(fit("bands", 1.0, True))
    assert defensible_controls(fits) == ("flexible", "bands")
    assert defensible_controls(fits, loss=True) == ("quadratic", "flexible", "bands")
    assert defensible_controls([fit("linear", 2.0, True)]) == ("linear",)


def test_real_models() -> None:
    curve = curve_of(subset_samples(*real_table()), permutations=199)
    assert len(curve.specifications) > 400
    assert curve.median == pytest.approx(0.63, abs=0.03)
    assert curve.positive > 0.95
    assert curve.significant_positive < 0.15
    assert curve.significant_negative == 0
    assert curve.p is not None
    assert 0.02 < curve.p < 0.2
    assert curve.choices[0].choice == "subset"

"""Families against statsmodels' mixed model refitted without each, dummy variables, and counts by hand."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from nil_audit.comparison.effect.dose import dose_terms
from nil_audit.comparison.effect.estimate import design
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.scrutiny import families as module
from nil_audit.comparison.scrutiny.families import families, family_rows, random_intercept
from nil_audit.stats.jackknife import over_groups
from tests.comparison.models import made_sample, real_sample


def mixed(whole: Sample, control: str, rows: np.ndarray, curve_rows: np.ndarray) -> float:
    """Coefficient of minus the dose with a random intercept a family, the dose's curve fitted to other rows."""
    terms = dose_terms(whole, whole.excess("law"))
    curve = np.linalg.lstsq(terms.curve[curve_rows], whole.response[curve_rows], rcond=None)[0]
    columns = np.column_stack([design(whole, control), -terms.terms @ curve])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.MixedLM(whole.response[rows], columns[rows], groups=whole.family[rows]).fit(reml=True)
    return float(model.fe_params[-1])


@pytest.mark.parametrize("control", ["spline", "quadratic"])
def test_random_intercept_is_a_mixed_model_refitted_without_each_family(control: str) -> None:
    whole = made_sample(60, 12, effect=1.0, seed=5)
    kept = [whole.group != one for one in range(-1, whole.groups)]
    values = [mixed(whole, control, rows, rows) for rows in kept]
    expected = over_groups(values[0], np.array(values[1:]))
    found = random_intercept(whole, study="law", control=control)
    assert found is not None
    assert found.estimate.value == pytest.approx(values[0], abs=2e-3)
    assert found.estimate.interval == pytest.approx(expected.interval, abs=1e-2)
    assert (found.row, found.estimator, found.groups, found.estimate.n) == (
        "random_intercept", "random_intercept", 12, 60
    )  # fmt: skip


def test_the_real_models_with_a_random_intercept() -> None:
    whole = real_sample()
    found = random_intercept(whole, study="law", control="spline")
    assert found is not None
    # Published as 0.83 [0.07, 1.58]: slopes as fitted to all models. Refitted too, the interval is a little wider.
    assert found.estimate.value == pytest.approx(0.83, abs=0.01)
    assert found.estimate.interval == pytest.approx((0.02, 1.63), abs=0.01)
    everything = np.ones(whole.models, dtype=bool)
    values = [mixed(whole, "spline", whole.group != one, everything) for one in range(-1, whole.groups)]
    assert over_groups(values[0], np.array(values[1:])).interval == pytest.approx((0.07, 1.58), abs=0.01)


def test_holding_the_share_between_many_families_hardly_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made_sample(150, 60, effect=1.0, seed=6)
    refitted = random_intercept(whole, study="law", control="spline")
    monkeypatch.setattr(module, "MOST_REFITTED", 59)
    held = random_intercept(whole, study="law", control="spline")
    assert refitted is not None and held is not None
    assert held.estimate.value == pytest.approx(refitted.estimate.value, abs=1e-4)
    assert held.estimate.interval == pytest.approx(refitted.estimate.interval, abs=0.03)


def test_rows_within_families_and_over_organisations() -> None:
    whole = made_sample(70, 15, effect=1.0, seed=7)
    intercept, within, organisations = family_rows(whole, study="law", control="spline")
    assert [one.row for one in (intercept, within, organisations)] == [
        "random_intercept", "within_family", "organisations"
    ]  # fmt: skip
    terms = dose_terms(whole, whole.excess("law"))
    dummies = (whole.family[:, None] == np.arange(15)).astype(float)
    columns = np.column_stack([design(whole, "spline")[:, 1:], dummies, -terms.dose(whole.response)])
    assert within.estimate.value == pytest.approx(np.linalg.lstsq(columns, whole.response, rcond=None)[0][-1])
    assert (within.groups, organisations.groups) == (15, 8)
    columns = np.column_stack([design(whole, "spline"), -terms.dose(whole.response)])
    assert organisations.estimate.value == pytest.approx(np.linalg.lstsq(columns, whole.response, rcond=None)[0][-1])


def test_no_rows_without_families_to_hold_fixed() -> None:
    whole = made_sample(30, 10)
    one = replace(whole, table=whole.table.assign(family="one", organisation="one"))
    assert family_rows(one, study="law", control="spline") == []
    each = replace(whole, table=whole.table.assign(family=whole.table["model"], organisation="one"))
    assert family_rows(each, study="law", control="spline") == []
    nothing = made_sample(30, 10).part(np.zeros(30, dtype=bool))
    assert family_rows(nothing, study="law", control="spline") == []
    assert random_intercept(made_sample(7, 3), study="law", control="quadratic") is not None
    assert random_intercept(made_sample(6, 3), study="law", control="quadratic") is None


def test_counts_and_the_share_between_families() -> None:
    whole = made_sample(8, 4)
    table = whole.table.assign(
        family=list("aabbccde"), organisation=list("xxxxyyzz"), ratio=[1.0, 1.06, 1, 1.04, 1, 2, 1, 9]
    )
    found = families(replace(whole, table=table), "linear")
    assert (found.families, found.several, found.varying, found.organisations) == (5, 3, 2, 3)
    empty = families(whole.part(np.zeros(8, dtype=bool)), "linear")
    assert (empty.families, empty.varying, empty.organisations, empty.share) == (0, 0, 0, None)
    whole = real_sample()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.MixedLM(whole.response, design(whole, "spline_rank"), groups=whole.family).fit(reml=True)
    between = float(model.cov_re[0, 0])
    made = families(whole, "spline_rank")
    assert made.share == pytest.approx(between / (between + model.scale), abs=2e-3)
    assert (made.families, made.several) == (54, 31)

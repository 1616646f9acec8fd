"""Inside against outside under scrutiny, against statsmodels, brute force and the real models' numbers."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from nil_audit.comparison.effect.dose import dose
from nil_audit.comparison.effect.estimate import design
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.effect.size_fit import fit_sizes
from nil_audit.comparison.findings import Contrast
from nil_audit.comparison.scrutiny.contrasts import contrasts, difference
from nil_audit.comparison.studies_tested import CONTRASTED
from nil_audit.law.loss_curves import FORMS
from nil_audit.law.studies import Study, study
from nil_audit.stats.jackknife import over_groups
from tests.comparison.models import made_sample, real_sample

THREE = tuple(map(study, CONTRASTED))
LAW, MORPH, _ = THREE


def of(whole: Sample, control: str = "spline", study: Study = LAW) -> Contrast:
    (found,) = contrasts(whole, [study], fit_sizes(whole), control)
    return found


def inside(whole: Sample, study: Study = LAW) -> np.ndarray:
    return (whole.table[f"distance_{study.name}"] == 0).to_numpy()


def coefficient(columns: np.ndarray, response: np.ndarray) -> float:
    return float(sm.OLS(response, columns).fit().params[-1])


@pytest.mark.parametrize("control", ["spline", "bands", "spline_rank"])
def test_estimate_is_a_least_squares_coefficient_left_out_by_family(control: str) -> None:
    whole = made_sample(90, 25, seed=2)
    columns = np.column_stack([design(whole, control), inside(whole)])
    values = [
        coefficient(columns[rows], whole.response[rows])
        for rows in (whole.group != one for one in range(-1, whole.groups))
    ]
    expected = over_groups(values[0], np.array(values[1:]))
    found = of(whole, control)
    assert found.estimate.interval == pytest.approx(expected.interval)
    assert (found.estimate.value, found.estimate.p, found.estimate.n) == pytest.approx((values[0], expected.p, 90))
    assert found.controls[control] == found.estimate
    assert found.predicted == pytest.approx(coefficient(columns, -dose(whole, "law")))
    assert (found.inside, found.outside) == (inside(whole).sum(), (~inside(whole)).sum())
    assert found.size_gap == pytest.approx(whole.size[inside(whole)].mean() - whole.size[~inside(whole)].mean())


def test_bands_organisations_and_families() -> None:
    whole = made_sample(120, 25, seed=4)
    within, held, table = inside(whole), design(whole, "spline"), whole.table
    found = of(whole)
    assert found.bands
    for key, one in found.bands.items():
        rows = (table["band"] == key).to_numpy()
        columns = np.column_stack([np.ones(rows.sum()), whole.size[rows], within[rows]])
        assert one.value == pytest.approx(coefficient(columns, whole.response[rows]))
        assert one.n == rows.sum()
    columns = np.column_stack([held, within])
    without = {
        name: coefficient(columns[rows], whole.response[rows])
        for name, rows in ((name, (table["organisation"] != name).to_numpy()) for name in set(table["organisation"]))
    }
    ends = min(without, key=without.__getitem__), max(without, key=without.__getitem__)
    assert found.organisations is not None
    assert tuple(name for name, _ in found.organisations) == ends
    assert [value for _, value in found.organisations] == pytest.approx([without[name] for name in ends])
    intercepts = (table["family"].to_numpy()[:, None] == np.unique(table["family"])).astype(float)
    assert found.within_families is not None
    expected = np.linalg.lstsq(np.column_stack([held[:, 1:], intercepts, within]), whole.response, rcond=None)[0][-1]
    assert found.within_families.value == pytest.approx(expected)


def test_spread_over_the_draws_of_the_interval() -> None:
    whole = made_sample(90, 25, seed=2)
    held = design(whole, "spline")
    values = []
    for draw in LAW.draws:
        low, high = FORMS[LAW.form](*draw).bounds(1e9, LAW.tolerance)
        within = whole.table["ratio"].between(low, high).to_numpy()
        if 3 <= within.sum() <= 87:
            values.append(coefficient(np.column_stack([held, within]), whole.response))
    assert of(whole).draws == pytest.approx((np.mean(values), *np.percentile(values, [2.5, 97.5])))


def test_holm_is_over_the_contrasts() -> None:
    found = contrasts(real_sample(), THREE, (), "spline")
    assert [one.study for one in found] == ["law", "morph", "chinchilla"]
    expected = multipletests([one.estimate.p for one in found], method="holm")[1]
    assert [one.p_adjusted for one in found] == pytest.approx(expected)
    assert all(one.controls == {} for one in found)


def test_the_real_models_as_an_independent_re_analysis_has_them() -> None:
    whole = real_sample()
    fits = fit_sizes(whole)
    law, morph, _ = contrasts(whole, THREE, fits, "spline")

    def numbers(one: Contrast, control: str) -> tuple[float, ...]:
        made = one.controls[control]
        assert made.interval is not None
        return made.value, *made.interval

    assert numbers(law, "spline") == pytest.approx((4.51, 0.21, 8.81), abs=0.01)
    assert numbers(law, "spline_rank") == pytest.approx((3.43, -0.70, 7.55), abs=0.01)
    assert numbers(law, "bands") == pytest.approx((4.68, -0.69, 10.04), abs=0.01)
    assert numbers(morph, "spline") == pytest.approx((6.26, 3.38, 9.13), abs=0.01)
    assert numbers(morph, "spline_rank") == pytest.approx((2.64, -0.99, 6.28), abs=0.01)
    assert numbers(morph, "bands") == pytest.approx((2.78, -1.56, 7.12), abs=0.01)
    assert (law.predicted, morph.predicted) == pytest.approx((1.2, 1.4), abs=0.05)
    assert (law.inside, morph.outside, morph.same_ratio) == (19, 40, (29, 1 / 128))
    # Morph's lower end is 6% above 1/128, and in a third of its draws below it.
    assert morph.near_edge >= 29
    assert morph.draws is not None and morph.draws[0] < morph.estimate.value
    assert law.within_families is not None and law.within_families.value < 0


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 20), shift=st.floats(-50, 50))
@settings(max_examples=15, deadline=None)
def test_a_contrast_scales_with_the_response_and_not_with_its_level_or_the_order(
    seed: int, scale: float, shift: float
) -> None:
    whole = made_sample(60, 15, seed=seed)
    order = np.random.default_rng(seed).permutation(60)
    within, held = inside(whole).astype(float), design(whole, "spline")
    plain = difference(held, within, whole.response, whole.group)
    moved = difference(held, within, scale * whole.response + shift, whole.group)
    shuffled = difference(held[order], within[order], whole.response[order], whole.group[order])
    assert np.allclose(moved, scale * plain, rtol=1e-6, atol=1e-6)
    assert np.allclose(shuffled, plain, rtol=1e-7, atol=1e-7)
    assert np.allclose(difference(held, within, np.full(60, shift), whole.group), 0, atol=1e-8)


def test_a_response_that_size_explains_has_no_contrast() -> None:
    whole = made_sample(80, 20)
    found = of(replace(whole, response=design(whole, "spline") @ [3.0, 2.0, -1.0, 4.0]))
    values = [found.estimate.value, *(found.draws or ()), *(value for _, value in found.organisations or ())]
    assert values == pytest.approx([0] * 6, abs=1e-8)


@pytest.mark.parametrize("side", [0, 2, 78, 80])
def test_no_contrast_without_three_models_on_each_side(side: int) -> None:
    whole = made_sample(80, 20)
    ratio = np.where(np.arange(80) < side, LAW.interval().optimum, 1e-3)
    assert contrasts(replace(whole, table=whole.table.assign(ratio=ratio)), [LAW], (), "spline") == ()


def test_no_interval_where_one_family_is_all_that_is_inside() -> None:
    whole = made_sample(80, 20)
    ratio = np.where(whole.group == np.bincount(whole.group).argmax(), LAW.interval().optimum, 1e-3)
    found = of(replace(whole, table=whole.table.assign(ratio=ratio)))
    assert np.isfinite(found.estimate.value)
    assert (found.estimate.interval, found.p_adjusted, found.within_families) == (None, None, None)


def test_models_of_one_recipe_have_neither_families_nor_pairs() -> None:
    whole = made_sample(80, 20)
    table = whole.table.assign(family="one", organisation="one", group=whole.table["model"])
    names = tuple(sorted(table["model"]))
    alone = replace(whole, table=table, group=np.argsort(np.argsort(table["model"].to_numpy())), names=names)
    found = of(alone)
    assert found.estimate.interval is not None
    assert (found.within_families, found.matched, found.organisations) == (None, None, None)

"""Out of sample against refits written out: training without each group, tests without each."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.comparison.effect.sample import Sample, sample
from nil_audit.comparison.effect.size import flexible_columns, size_columns
from nil_audit.comparison.findings import Skill
from nil_audit.comparison.outcome import outcome_of
from nil_audit.comparison.scrutiny.held_out import first_release, release_cutoff, skills
from nil_audit.comparison.table import month_name
from nil_audit.stats.jackknife import over_groups
from nil_audit.stats.spline import degrees, natural_spline, spline_knots
from tests.comparison.models import derived, made_frame, made_sample, real_sample


def errors(whole: Sample, control: str, train: np.ndarray, test: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Squared errors on test models from size, with the dose, and with the dose as predicted; knots from ``like``."""
    size, response = whole.size, whole.response
    flexible = flexible_columns(size[like], response[like]) if control == "flexible" else 0
    held = np.column_stack([np.ones(len(size)), size_columns(size, control, like=size[like], flexible=flexible)])
    knots, step = spline_knots(size[like], degrees(like.sum())), 1e-4
    curve, up, down = (
        np.column_stack([np.ones(len(size)), natural_spline(size + by, knots)]) for by in (0, step, -step)
    )
    fit = np.linalg.lstsq(curve[train], response[train], rcond=None)[0]
    dose = whole.excess("law") / 0.039 * ((up - down) @ fit) / (2 * step)
    found = []
    for columns, target in ((held, response), (np.column_stack([held, dose]), response), (held, response + dose)):
        slopes = np.linalg.lstsq(columns[train], target[train], rcond=None)[0]
        found.append(((target - columns @ slopes)[test] ** 2).sum())
    return np.array(found)


def brute(whole: Sample, control: str, trains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors with all groups and without each, shape (1 + G, 3), and models predicted over all splits."""
    squared = np.zeros((whole.groups + 1, 3))
    for train in trains:
        fitted = train[whole.group]
        for group in range(-1, whole.groups):
            here = whole.group != group
            squared[group + 1] += errors(whole, control, fitted & here, ~fitted & here, fitted)
    return squared, (~trains[:, whole.group]).sum()


def same(found: Skill, squared: np.ndarray, tested: np.ndarray) -> None:
    rms = np.sqrt(squared[0] / tested)
    assert (found.error_size, found.error_with, found.error_predicted) == pytest.approx(tuple(rms), rel=1e-4)
    ratio = 1 - squared[:, 1] / squared[:, 0]
    expected = over_groups(ratio[0], ratio[1:])
    assert found.estimate.value == pytest.approx(ratio[0], abs=1e-4)
    assert found.estimate.interval == pytest.approx(expected.interval, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("control", ["linear", "spline_rank", "bands", "flexible"])
def test_both_sides_are_fitted_and_predicted_anew_without_each_group(control: str) -> None:
    whole = made_sample(90, 20, effect=1.0, seed=3)
    by_release, halves = skills(whole, study="law", control=control, splits=6, seed=4)
    cutoff = release_cutoff(whole.table)
    first = first_release(whole.table).to_numpy()
    early = np.array([first[whole.group == one][0] < cutoff for one in range(20)])
    same(by_release, *brute(whole, control, early[None]))
    assert (by_release.split, by_release.cutoff, by_release.splits) == ("release", month_name(cutoff), 1)
    assert (by_release.train, by_release.test) == (early[whole.group].sum(), (~early)[whole.group].sum())
    order = np.random.default_rng(4).permuted(np.tile(np.arange(20), (6, 1)), axis=1)
    same(halves, *brute(whole, control, order < 10))
    assert (halves.split, halves.cutoff, halves.splits) == ("halves", None, 6)
    assert halves.train + halves.test == 90


def test_a_loss_has_its_dose_without_a_curve() -> None:
    table = derived(made_frame(90, 20, seed=1))[0]
    losses = (3 - 0.05 * (np.log(table["parameters"]) - 21) + np.log1p(table["excess_law"])).to_numpy()
    outcome = outcome_of(losses, column="loss", lower_is_better=True, floor=None)
    whole = sample(table.assign(score=losses, response=outcome.response(losses)), outcome)
    halves = skills(whole, study="law", control="spline", splits=10, seed=0)[-1]
    assert halves.estimate.value > 0.5
    assert halves.error_with < halves.error_size < halves.error_predicted  # a third of the law's effect on ln loss


def test_the_dose_helps_where_it_acts_and_not_where_it_does_not() -> None:
    acting = skills(made_sample(200, 50, effect=2.0, seed=2), study="law", control="spline", splits=10, seed=0)[-1]
    assert acting.estimate.low is not None and acting.estimate.low > 0
    values = [
        skills(made_sample(60, 16, seed=seed), study="law", control="spline", splits=8, seed=0)[-1].estimate
        for seed in range(20)
    ]
    assert np.mean([one.value for one in values]) < 0
    assert sum(one.low is not None and one.low > 0 for one in values) <= 3


def test_nothing_is_learnt_of_a_dose_that_is_zero_among_the_models_fitted_on() -> None:
    whole = made_sample(90, 20, effect=1.0, seed=3)
    late = (first_release(whole.table) >= release_cutoff(whole.table)).to_numpy()
    table = whole.table.assign(excess_law=np.where(late, whole.excess("law"), 0.0))
    by_release = skills(replace(whole, table=table), study="law", control="spline", splits=1, seed=0)[0]
    assert by_release.error_with == pytest.approx(by_release.error_size)
    assert by_release.error_predicted != pytest.approx(by_release.error_size)


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 20), shift=st.floats(-100, 100))
@settings(max_examples=8, deadline=None)
def test_errors_are_in_the_unit_of_the_response(seed: int, scale: float, shift: float) -> None:
    whole = made_sample(60, 14, seed=seed)
    moved = replace(whole, response=scale * whole.response + shift)
    pairs = zip(
        *(skills(one, study="law", control="quadratic", splits=5, seed=seed) for one in (whole, moved)), strict=True
    )
    for one, other in pairs:
        assert other.error_with == pytest.approx(scale * one.error_with, rel=1e-5)
        assert other.error_predicted == pytest.approx(scale * one.error_predicted, rel=1e-5)
        assert other.estimate.value == pytest.approx(one.estimate.value, abs=1e-5)


def test_cutoff_splits_groups_by_their_first_release_in_halves() -> None:
    group = np.repeat(np.arange(10), 3)
    month = np.where(np.arange(30) % 3 == 0, 24_000.0 + 2 * group, np.nan)
    table = pd.DataFrame({"group": group.astype(str), "month": month})
    assert release_cutoff(table) == 24_010
    assert first_release(table).tolist() == [24_000.0 + 2 * code for code in group]
    assert np.isnan(release_cutoff(table.assign(month=np.nan)))
    assert np.isnan(release_cutoff(table.assign(month=24_000.0)))


def test_nothing_of_too_few_groups_or_models() -> None:
    choices = {"study": "law", "splits": 3, "seed": 0}
    assert skills(made_sample(60, 7), control="linear", **choices) == ()
    assert skills(made_sample(20, 12), control="linear", **choices) == ()
    assert [one.split for one in skills(made_sample(60, 20), control="linear", **choices)] == ["release", "halves"]
    nothing = made_sample(20, 10).part(np.zeros(20, dtype=bool))
    assert skills(nothing, control="linear", **choices) == ()


def test_groups_of_unknown_release_take_no_part_by_release() -> None:
    frame = made_frame(90, 20)
    frame.loc[frame["family"] == "family 03", "release"] = ""
    by_release, halves = skills(sample(*derived(frame)), study="law", control="linear", splits=3, seed=0)
    assert by_release.train + by_release.test == (frame["family"] != "family 03").sum()
    assert halves.train + halves.test == 90


def test_the_real_models_are_predicted_no_better_with_the_dose() -> None:
    for one in skills(real_sample(), study="law", control="spline_rank", splits=50, seed=0):
        assert one.estimate.interval is not None
        assert one.estimate.interval[0] < 0 < one.estimate.interval[1]
        assert one.error_predicted < one.error_size

"""Leaving families out, subsets, inside against outside, out of sample, fitted lines: each against a direct way."""

import numpy as np
import pytest
from scipy import stats

from nil_audit.comparison.contrast import contrast
from nil_audit.comparison.correlation import Resamples
from nil_audit.comparison.lines import expected_score, size_curve, trend
from nil_audit.comparison.prediction import first_release, predict_by_halves, predict_by_release, release_cutoff
from nil_audit.comparison.robustness import leave_one_family_out, subset_associations, subsets
from nil_audit.comparison.sample import Sample
from nil_audit.comparison.sizes import size_basis

NONE = Resamples(seed=0, bootstrap=0)


def make(effect: float = 0.0, models: int = 80, families: int = 20, seed: int = 0, noise: float = 0.02) -> Sample:
    """Score rises with size, and by ``effect`` for one standard deviation of x."""
    rng = np.random.default_rng(seed)
    family = np.concatenate([np.arange(families), rng.integers(families, size=models - families)])
    size = rng.normal(21, 1.2, models)
    x = rng.normal(size=models)
    score = 0.3 + 0.05 * (size - 21) + effect * x + noise * rng.normal(size=families)[family]
    return Sample(
        score=score + noise * rng.normal(size=models),
        family=family,
        size=size,
        tokens=np.full(models, np.nan),
        release=(24_000 + rng.integers(0, 40, families)[family]).astype(float),
        predictors={"x": x, "gap": np.where(family == 3, np.nan, x)},
    )


def test_leaving_out_a_family_is_dropping_its_models() -> None:
    s = make(0.02)
    names = [f"family {code}" for code in range(20)]
    whole, gap = leave_one_family_out(s, ["x", "gap"], names, primary="x")
    keep = s.family != 7
    controls = np.column_stack([np.ones(keep.sum()), size_basis(s.size)[keep], stats.rankdata(s.size[keep])])
    ranks = np.column_stack([stats.rankdata(s.predictors["x"][keep]), stats.rankdata(s.score[keep])])
    left = ranks - controls @ np.linalg.lstsq(controls, ranks, rcond=None)[0]
    found = next(one for one in whole.families if one.family == "family 7")
    assert found.models == (~keep).sum()
    assert found.estimate == pytest.approx(np.corrcoef(left.T)[0, 1])
    estimates = [one.estimate for one in whole.families]
    assert estimates == sorted(estimates)
    assert (whole.lowest, whole.highest) == (whole.families[0], whole.families[-1])
    assert gap.families == ()
    assert len(whole.families) == 20
    assert "family 3" in {one.family for one in whole.families}


def test_one_family_can_carry_the_sign() -> None:
    s = make(models=60, families=10, noise=0.001)
    family = np.where(np.arange(60) % 3 == 0, 0, s.family)
    x = s.predictors["x"] * np.where(family == 0, 3.0, 1.0)
    score = s.score + np.where(family == 0, 0.1, -0.02) * x
    changed = Sample(**{**vars(s), "family": family, "score": score, "predictors": {"x": x}})
    (found,) = leave_one_family_out(changed, ["x"], [str(code) for code in range(10)], primary="x")
    assert found.estimate > 0.1
    assert found.sign_changes
    assert found.lowest.family == "0"
    assert found.lowest.estimate < -0.5
    assert leave_one_family_out(s.take(s.family < 2), ["x"], ["0", "1"], primary="x") == []


def test_subsets_are_what_their_names_say() -> None:
    s = make()
    flagged, floor = np.arange(80) < 3, np.arange(80) % 4 == 0
    band = np.where(s.size < 21, "small", "large").astype(object)
    made = subsets(
        s, flagged=flagged, at_floor=floor, from_scratch=~floor, certain=floor, band=band, bands=["small", "large"]
    )
    assert {name: len(part) for name, part in made.items()} == {
        "above_floor": (~flagged & ~floor).sum(),
        "with_flagged": 80,
        "certain_shape": (~flagged & floor).sum(),
        "from_scratch": (~flagged & ~floor).sum(),
        "band:small": (~flagged & (band == "small")).sum(),
        "band:large": (~flagged & (band == "large")).sum(),
    }
    found = subset_associations(made, ["x"], resamples=NONE)
    assert {one.subset for one in found} == set(made)


def test_contrast_is_the_coefficient_of_the_least_squares_fit() -> None:
    s = make(models=100)
    inside = s.predictors["x"] > 0.4
    raised = Sample(**{**vars(s), "score": s.score + 0.05 * inside})
    found = contrast(raised, inside, study="law", seed=0)
    assert found is not None and found.low is not None and found.high is not None
    columns = np.column_stack([np.ones(100), size_basis(s.size), inside])
    assert found.difference == pytest.approx(np.linalg.lstsq(columns, raised.score, rcond=None)[0][-1])
    assert found.low < 0.05 < found.high
    assert found.low > 0
    assert (found.inside, found.outside) == (inside.sum(), (~inside).sum())


@pytest.mark.parametrize("inside", [0, 2, 79, 80])
def test_no_contrast_without_three_models_on_each_side(inside: int) -> None:
    assert contrast(make(), np.arange(80) < inside, study="law", seed=0) is None


def test_a_contrast_that_rests_on_one_family_has_no_interval() -> None:
    s = make()
    found = contrast(s, s.family == 1, study="law", seed=0)
    assert found is None or found.low is None


def test_prediction_by_release_is_two_least_squares_fits() -> None:
    s = make(0.03)
    cutoff = release_cutoff(s.release, s.family)
    train = first_release(s.release, s.family)[s.family] < cutoff
    found = predict_by_release(s, "x", cutoff=cutoff, cutoff_name="2001-01", seed=0)
    assert found is not None
    errors = []
    for columns in (np.column_stack([np.ones(80), size_basis(s.size)]),) * 2:
        used = columns if not errors else np.column_stack([columns, s.predictors["x"]])
        slopes = np.linalg.lstsq(used[train], s.score[train], rcond=None)[0]
        errors.append(np.sqrt(np.mean((s.score - used @ slopes)[~train] ** 2)))
    assert (found.error_size, found.error_with) == pytest.approx(tuple(errors))
    assert found.skill == pytest.approx(1 - (errors[1] / errors[0]) ** 2)
    assert (found.train, found.test) == (train.sum(), (~train).sum())
    assert found.skill > 0.2


def test_skill_over_halves_is_above_zero_with_an_effect_and_not_without() -> None:
    with_effect = predict_by_halves(make(0.03), "x", splits=100, seed=0)
    without = [predict_by_halves(make(0.0, seed=seed), "x", splits=30, seed=0) for seed in range(40)]
    assert with_effect is not None and with_effect.low is not None and with_effect.low > 0
    found = [one for one in without if one is not None and one.low is not None]
    assert len(found) == 40
    assert np.mean([one.skill for one in found]) < 0
    assert sum(one.low > 0 for one in found if one.low is not None) <= 3


def test_cutoff_splits_families_by_their_first_release_in_halves() -> None:
    family = np.repeat(np.arange(10), 3)
    release = np.where(np.arange(30) % 3 == 0, 24_000.0 + 2 * family, np.nan)
    assert release_cutoff(release, family) == 24_010
    assert first_release(release, family).tolist() == [24_000.0 + 2 * code for code in range(10)]
    assert np.isnan(release_cutoff(np.full(30, np.nan), family))
    assert np.isnan(release_cutoff(np.full(30, 24_000.0), family))


def test_no_prediction_from_few_families() -> None:
    s = make(models=30, families=6)
    assert predict_by_halves(s, "x", splits=10, seed=0) is None
    assert predict_by_release(s, "x", cutoff=24_020.0, cutoff_name="", seed=0) is None


def test_expected_score_and_curve_are_one_fit() -> None:
    s = make()
    expected = expected_score(s)
    assert expected is not None
    columns = np.column_stack([np.ones(80), size_basis(s.size)])
    assert np.allclose(expected, columns @ np.linalg.lstsq(columns, s.score, rcond=None)[0])
    curve = size_curve(s, seed=0)
    assert curve is not None
    order = np.argsort(s.size)
    assert np.allclose(np.interp(s.size[order], np.log(curve.x), curve.y), expected[order], atol=2e-3)
    assert all(low <= y <= high for low, y, high in zip(curve.low, curve.y, curve.high, strict=True))


@pytest.mark.parametrize("models", [6, 12, 20, 40])
def test_curves_of_few_models_use_fewer_columns(models: int) -> None:
    s = make(models=models, families=6)
    curve = size_curve(s, seed=0)
    assert curve is not None and np.isfinite(curve.y).all()
    assert len(curve.x) == len(curve.y) == len(curve.low) == len(curve.high)
    assert size_curve(s.take(np.arange(models) < 5), seed=0) is None


def test_trend_has_the_slope_of_the_fit_with_size_held_fixed() -> None:
    s = make(0.03)
    line = trend(s, "x", seed=0)
    assert line is not None
    columns = np.column_stack([np.ones(80), size_basis(s.size), s.predictors["x"]])
    slope = np.linalg.lstsq(columns, s.score, rcond=None)[0][-1]
    assert (line.y[-1] - line.y[0]) / (line.x[-1] - line.x[0]) == pytest.approx(slope)
    assert trend(Sample(**{**vars(s), "predictors": {"x": np.ones(80)}}), "x", seed=0) is None

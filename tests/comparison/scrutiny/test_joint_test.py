"""The joint test: what a permutation keeps, its errors against statsmodels, and its level where shape does nothing."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from nil_audit.comparison.effect.dose import dose_terms
from nil_audit.comparison.effect.estimate import design
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.effect.size_fit import expected_response
from nil_audit.comparison.scrutiny import joint_test
from nil_audit.comparison.scrutiny.joint_test import Fit, effect_over_error, joint_p, permuted_responses
from nil_audit.stats.least_squares import less_group_means
from nil_audit.stats.random_intercept import shrinkage
from tests.comparison.models import made_sample


def fit(whole: Sample, control: str = "spline", share: float = 0.0, **choices: str) -> Fit:
    return Fit(
        subset="all",
        sample=whole,
        terms=dose_terms(whole, whole.excess("law")),
        held=design(whole, control, **choices),
        share=np.ones(whole.models) if share == 1 else shrinkage(share, whole.family),
    )


def test_a_permutation_moves_unit_means_within_bands_and_deviations_within_units() -> None:
    whole = made_sample(90, 12, seed=4)
    moved = permuted_responses(whole, "spline", 20, np.random.default_rng(0))
    assert np.array_equal(moved[:, 0], whole.response)
    expected = expected_response(whole, "spline")
    units = whole.table.groupby(["band", "family"]).ngroup().to_numpy()
    band = whole.table["band"].to_numpy()

    def parts(response: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left = response - expected
        deviation = less_group_means(left, units)
        return left - deviation, deviation

    means, deviations = parts(whole.response)
    for column in moved[:, 1:].T:
        moved_means, moved_deviations = parts(column)
        for one in np.unique(units):
            here = units == one
            assert np.allclose(np.sort(moved_deviations[here]), np.sort(deviations[here]))
        for one in np.unique(band):
            first = [np.flatnonzero((units == unit) & (band == one))[:1] for unit in np.unique(units[band == one])]
            places = np.concatenate(first)
            assert np.allclose(np.sort(moved_means[places]), np.sort(means[places]))
        assert not np.allclose(moved_means, means)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_effect_over_error_is_the_clustered_t_of_statsmodels(share: float) -> None:
    whole = made_sample(80, 20, effect=1.0, seed=6)
    one = fit(whole, "spline_rank", share, covariates="lineage_domain")
    rng = np.random.default_rng(1)
    responses = whole.response[:, None] + rng.normal(size=(80, 3))
    curve = np.linalg.lstsq(one.terms.curve, responses, rcond=None)[0]
    found = effect_over_error(one, responses, curve)
    for column, response in enumerate(responses.T):
        costs = one.terms.terms @ np.linalg.lstsq(one.terms.curve, response, rcond=None)[0]
        numbers = less_group_means(np.column_stack([one.held, -costs, response]), whole.family, one.share)
        regressors = numbers[:, int(share == 1) : -1]  # the constant is zero within families
        clusters = {"groups": whole.group, "use_correction": True}
        ols = sm.OLS(numbers[:, -1], regressors).fit(cov_type="cluster", cov_kwds=clusters)
        assert found[column] == pytest.approx(ols.tvalues[-1], rel=1e-6)


def test_level_where_shape_does_nothing_and_power_where_it_does() -> None:
    base = made_sample(80, 20)
    costs = dose_terms(base, base.excess("law")).dose(base.response)
    found: dict[float, list[float]] = {0.0: [], 3.0: []}
    for effect, values in found.items():
        for seed in range(40):
            rng = np.random.default_rng(seed)
            noise = 3 * rng.normal(size=20)[base.family] + 3 * rng.normal(size=80)
            whole = replace(base, response=30 + 5 * (base.size - 21) - effect * costs + noise)
            fits = [fit(whole, control, share) for control in ("spline", "quadratic") for share in (0.0, 0.5, 1.0)]
            p = joint_p({"all": whole}, fits, "spline", permutations=59, seed=seed)
            assert p is not None
            values.append(p)
    null = np.array(found[0.0])
    # 40 uniform values: 0.5 +- 0.046 in the mean, 8 +- 2.5 below 0.2
    assert 0.35 < null.mean() < 0.65
    assert 2 <= (null <= 0.2).sum() <= 16
    assert (null <= 0.05).sum() <= 7
    assert np.median(found[3.0]) <= 0.05


def test_p_value_repeats_and_passes_over_subsets_that_the_score_decides() -> None:
    whole = made_sample(80, 20, effect=1.0)
    fits = [fit(whole), fit(whole, "quadratic")]
    p = joint_p({"all": whole}, fits, "spline", permutations=99, seed=3)
    assert p is not None
    assert p * 100 == pytest.approx(round(p * 100))
    assert p == joint_p({"all": whole}, fits, "spline", permutations=99, seed=3)
    above = replace(fit(whole.part(np.arange(80) < 60)), subset="above_floor")
    assert p == joint_p({"all": whole}, [*fits, above], "spline", permutations=99, seed=3)
    assert joint_p({"all": whole}, [above], "spline", permutations=99, seed=3) is None
    assert joint_p({"all": whole}, fits, "spline", permutations=0, seed=3) is None
    assert joint_p({"all": whole.part(whole.group < 2)}, fits, "spline", permutations=99, seed=3) is None


def test_a_score_that_is_flagged_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    both, seen = made_sample(80, 20), []

    def watched(one: Fit, responses: np.ndarray, curve: np.ndarray) -> np.ndarray:
        seen.append(responses)
        return effect_over_error(one, responses, curve)

    monkeypatch.setattr(joint_test, "effect_over_error", watched)
    flagged = np.arange(80) % 8 == 0
    samples = {"all": both.part(~flagged), "with_flagged": both}
    joint_p(samples, [replace(fit(both), subset="with_flagged")], "spline", permutations=9, seed=0)
    still = (seen[0] == both.response[:, None]).all(axis=1)
    assert still[flagged].all()
    assert not still[~flagged].any()
    assert np.array_equal(seen[0][:, 0], both.response)

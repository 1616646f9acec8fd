"""The jackknife over families against the textbook, and families that stay whole."""

import numpy as np
import pytest
from scipy import stats

from nil_audit.stats import jackknife as resampling


def test_jackknife_of_a_mean_of_singletons_is_the_t_interval() -> None:
    x = np.random.default_rng(0).normal(1, 2, 25)
    left_out = (x.sum() - x) / 24
    found = resampling.jackknife(float(x.mean()), left_out)
    expected = stats.ttest_1samp(x, 0)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p_value == pytest.approx(expected.pvalue)


def test_correlations_stay_inside_one_and_agree_with_their_p_value() -> None:
    found = resampling.jackknife(0.97, np.array([0.96, 0.99, 0.95, 0.98, 0.97, 0.90]), correlation=True)
    assert found.low is not None and found.high is not None and found.p_value is not None
    assert -1 < found.low < 0.97 < found.high < 1
    assert (found.low > 0) == (found.p_value < 0.05)


@pytest.mark.parametrize("replicates", [[0.1, 0.2, 0.3, 0.2], [0.2] * 8, [0.1, 0.2, 0.3, 0.2, np.nan, 0.1]])
def test_no_interval_from_too_few_identical_or_undefined_replicates(replicates: list[float]) -> None:
    found = resampling.jackknife(0.2, np.array(replicates), correlation=True)
    assert (found.value, found.low, found.high, found.p_value) == (0.2, None, None, None)


def test_families_are_drawn_and_left_out_whole() -> None:
    family = np.array([0, 1, 1, 2, 2, 2])
    for weights in (resampling.bootstrap(family, 50, 0), resampling.leave_out(family)):
        assert (weights[:, 1] == weights[:, 2]).all()
        assert (weights[:, 3] == weights[:, 5]).all()
    assert (resampling.bootstrap(family, 50, 0)[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert resampling.leave_out(family).tolist()[1] == [1, 0, 0, 1, 1, 1]


def test_many_families_are_left_out_in_groups_of_whole_families() -> None:
    family = np.repeat(np.arange(1000), 2)
    group = resampling.groups(family, 0)
    assert len(np.unique(group)) == resampling.MOST_GROUPS
    assert (group[::2] == group[1::2]).all()
    assert set(np.bincount(group)) == {10}
    assert (resampling.groups(np.arange(50), 0) == np.arange(50)).all()


def test_percentile_interval_needs_defined_replicates() -> None:
    replicates = np.linspace(-1, 1, 1001)
    assert resampling.percentile(replicates) == pytest.approx((-0.95, 0.95))
    assert resampling.percentile(np.where(replicates < -0.5, np.nan, replicates)) is None


def test_jackknife_covers_with_families_of_unequal_size() -> None:
    """Slope-like statistic: a mean over clustered data, true value 0, 12 families of 1 to 12 models."""
    rng = np.random.default_rng(3)
    family = np.repeat(np.arange(12), np.arange(1, 13))
    covered = 0
    for _ in range(400):
        x = rng.normal(size=12)[family] + rng.normal(size=len(family))
        totals, counts = np.bincount(family, x), np.bincount(family)
        left_out = (totals.sum() - totals) / (counts.sum() - counts)
        found = resampling.jackknife(float(x.mean()), left_out)
        assert found.low is not None and found.high is not None
        covered += found.low <= 0 <= found.high
    assert 0.92 <= covered / 400 <= 0.985

"""The jackknife over blocks and over families against the textbook, and families that stay whole."""

import numpy as np
import pytest
from scipy import stats

from nil_audit.stats.jackknife import leave_out, over_blocks, over_groups


def test_leaving_out_one_number_of_a_mean_is_the_t_interval() -> None:
    x = np.random.default_rng(0).normal(1, 2, 25)
    found = over_groups(float(x.mean()), (x.sum() - x) / 24, n=25)
    expected = stats.ttest_1samp(x, 0)
    interval = expected.confidence_interval(0.95)
    assert found.interval == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(expected.pvalue)
    assert found.n == 25


def test_blocks_of_a_mean_give_its_standard_error_and_no_bias() -> None:
    x = np.random.default_rng(1).normal(1, 2, 12)
    found = over_blocks(lambda keep: {"mean": float(x[keep].mean()), "variance": float(x[keep].var())}, 12)
    mean, interval = found["mean"], stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert (mean.value, mean.se) == pytest.approx((x.mean(), stats.sem(x)))
    assert mean.interval == pytest.approx((interval.low, interval.high))
    assert mean.bias == pytest.approx(0, abs=1e-12)
    # The plug-in variance is too small by the factor 11 / 12, and the jackknife says so exactly.
    variance = found["variance"]
    assert variance.bias is not None
    assert variance.value - variance.bias == pytest.approx(x.var(ddof=1))


def test_two_blocks_cannot_give_an_error_bar() -> None:
    with pytest.raises(ValueError, match="2 blocks"):
        over_blocks(lambda keep: {"sum": float(keep.sum())}, 2)


def test_correlations_stay_inside_one_and_agree_with_their_p_value() -> None:
    found = over_groups(0.97, np.array([0.96, 0.99, 0.95, 0.98, 0.97, 0.90]), correlation=True)
    assert found.low is not None and found.high is not None and found.p is not None
    assert -1 < found.low < 0.97 < found.high < 1
    assert (found.low > 0) == (found.p < 0.05)


@pytest.mark.parametrize("replicates", [[0.1, 0.2, 0.3, 0.2], [0.2] * 8, [0.1, 0.2, 0.3, 0.2, np.nan, 0.1]])
def test_no_interval_from_too_few_identical_or_undefined_replicates(replicates: list[float]) -> None:
    found = over_groups(0.2, np.array(replicates), correlation=True)
    assert (found.value, found.low, found.high, found.p) == (0.2, None, None, None)


def test_families_are_left_out_whole() -> None:
    weights = leave_out(np.array([0, 1, 1, 2, 2, 2]))
    assert weights.tolist() == [[0, 1, 1, 1, 1, 1], [1, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]]


def test_jackknife_covers_with_families_of_unequal_size() -> None:
    """Slope-like statistic: a mean over clustered data, true value 0, 12 families of 1 to 12 models."""
    rng = np.random.default_rng(3)
    family = np.repeat(np.arange(12), np.arange(1, 13))
    covered = 0
    for _ in range(400):
        x = rng.normal(size=12)[family] + rng.normal(size=len(family))
        totals, counts = np.bincount(family, x), np.bincount(family)
        left_out = (totals.sum() - totals) / (counts.sum() - counts)
        found = over_groups(float(x.mean()), left_out)
        assert found.low is not None and found.high is not None
        covered += found.low <= 0 <= found.high
    assert 0.92 <= covered / 400 <= 0.985

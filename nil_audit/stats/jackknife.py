"""The jackknife: leave one block of text, or one family of models, out in turn, and see how far a number moves.

Intervals take Student's t with G - 1 degrees of freedom, G the number of groups.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from nil_audit.stats.estimate import LEVEL, Array, Estimate

FEWEST_GROUPS = 5
"""With fewer groups than this `over_groups` gives no interval."""


def over_blocks(compute: Callable[[NDArray[np.bool_]], Mapping[str, float]], blocks: int) -> dict[str, Estimate]:
    """Delete-one-block jackknife of several numbers at once.

    With θ the estimate on all blocks and θ_(a) the one without block a: se² = (K-1)/K Σ (θ_(a) - mean θ_(·))²,
    bias = (K-1)(mean θ_(·) - θ), interval θ ± t_{0.975}(K-1) se (Efron & Stein 1981).

    Args:
        compute: Numbers by name from the blocks that a mask of shape (K,) keeps.
        blocks: K, at least 3.

    Raises:
        ValueError: Fewer than 3 blocks.
    """
    if blocks < 3:
        raise ValueError(f"{blocks} blocks cannot give an error bar")
    full = compute(np.ones(blocks, dtype=bool))
    left_out = [compute(np.arange(blocks) != block) for block in range(blocks)]
    result = {}
    for name, value in full.items():
        replicates = np.array([one[name] for one in left_out])
        mean = float(replicates.mean())
        se = _error(replicates, mean)
        half = _quantile(blocks) * se
        bias = (blocks - 1) * (mean - value)
        result[name] = Estimate(value=value, low=value - half, high=value + half, se=se, bias=bias)
    return result


def independent(one: Estimate, other: Estimate, blocks: int) -> Estimate:
    """The difference of two estimates whose errors have nothing in common: these add in quadrature.

    Args:
        one: With a standard error.
        other: Likewise, subtracted.
        blocks: K, of each; the interval takes Student's t with K - 1 degrees of freedom.
    """
    value = one.value - other.value
    if one.se is None or other.se is None:
        return Estimate(value=value)
    se = math.hypot(one.se, other.se)
    half = _quantile(blocks) * se
    return Estimate(value=value, low=value - half, high=value + half, se=se)


def over_groups(value: float, replicates: Array, *, correlation: bool = False, n: int | None = None) -> Estimate:
    """The interval and two-sided p-value of an estimate from its leave-one-group-out replicates.

    The error is taken about the estimate itself (the CV3 estimator): with few families of very unequal size it covers
    where the percentile bootstrap covers too little (MacKinnon, Nielsen and Webb, "Cluster-robust inference: a guide
    to empirical practice", 2023).

    Args:
        value: The estimate with every group.
        replicates: The estimate without each group, shape (G,).
        correlation: Work on Fisher's z scale, where the sampling distribution of a correlation is symmetric.
        n: What the estimate rests on.

    Returns:
        The estimate; without an interval where there are fewer than `FEWEST_GROUPS` groups, or the replicates are
        undefined or all alike.
    """
    from scipy.special import stdtr  # a tenth of the import time of scipy.stats

    alone = Estimate(value=value, n=n)
    if len(replicates) < FEWEST_GROUPS or not (math.isfinite(value) and np.isfinite(replicates).all()):
        return alone
    centre, moved = (_fisher(np.array(value)), _fisher(replicates)) if correlation else (value, replicates)
    error = _error(moved, float(centre))
    if error == 0:
        return alone
    half = _quantile(len(replicates)) * error
    low, high = float(centre - half), float(centre + half)
    if correlation:
        low, high = math.tanh(low), math.tanh(high)
    p = 2 * float(stdtr(len(replicates) - 1, -abs(float(centre)) / error))
    return Estimate(value=value, low=low, high=high, se=None if correlation else error, p=p, n=n)


def leave_out(group: NDArray[np.int64]) -> Array:
    """Weights that leave each group out in turn, shape (G, n): 0 for every member of it, 1 for the others.

    Args:
        group: Codes 0 .. G-1, shape (n,).
    """
    return (group[None, :] != np.arange(int(group.max()) + 1)[:, None]).astype(np.float64)


def _error(replicates: Array, centre: float) -> float:
    count = len(replicates)
    return math.sqrt((count - 1) / count * float(((replicates - centre) ** 2).sum()))


def quantile(groups: int, share: float) -> float:
    """Quantile of Student's t with groups - 1 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(groups - 1, share))


def _quantile(groups: int) -> float:
    return quantile(groups, 0.5 + LEVEL / 2)


def _fisher(correlation: Array) -> Array:
    return np.arctanh(np.clip(correlation, -1 + 1e-9, 1 - 1e-9))

"""Families resampled whole: models of a family share data, recipe and people, so they are not independent.

A resample is a row of weights, one a model: 0 for every model of a family that is left out, 2 for every model of
one that is drawn twice. Intervals come from the jackknife over families with Student's t on G - 1 degrees of
freedom: with few families of very unequal size it covers where the percentile bootstrap covers too little (the
CV3 estimator; MacKinnon, Nielsen and Webb, "Cluster-robust inference: a guide to empirical practice", 2023).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.sample import Array

LEVEL = 0.95
MOST_GROUPS = 200
"""More families than this are left out in random groups of families, so that 5,000 models take seconds."""

FEWEST_FAMILIES = 5
"""With fewer families than this no interval is given."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An estimate with its interval over families; ends and p-value are None where families are too few."""

    value: float
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


def groups(family: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Which jackknife group each model is in: its family, or a random group of families where they are many."""
    families = int(family.max()) + 1
    if families <= MOST_GROUPS:
        return family
    of_family = np.random.default_rng(seed).permutation(np.arange(families) % MOST_GROUPS)
    return of_family[family]


def leave_out(group: NDArray[np.int64], which: NDArray[np.int64] | None = None) -> Array:
    """Weights that leave each group out in turn, shape (groups, n)."""
    which = np.arange(int(group.max()) + 1) if which is None else which
    return (group[None, :] != which[:, None]).astype(np.float64)


def bootstrap(family: NDArray[np.int64], resamples: int, seed: int) -> Array:
    """Weights of families drawn with replacement, shape (resamples, n)."""
    families = int(family.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(families, np.full(families, 1 / families), size=resamples)
    return drawn[:, family].astype(np.float64)


def jackknife(value: float, replicates: Array, *, correlation: bool = False) -> Estimate:
    """The interval and two-sided p-value of an estimate from its leave-one-group-out replicates.

    Args:
        value: The estimate with every family.
        replicates: The estimate without each group, shape (G,).
        correlation: Work on Fisher's z scale, where the sampling distribution of a correlation is symmetric.
    """
    from scipy.special import stdtr, stdtrit  # a tenth of the import time of scipy.stats

    count = len(replicates)
    if count < FEWEST_FAMILIES or not (math.isfinite(value) and np.isfinite(replicates).all()):
        return Estimate(value=value)
    if correlation:
        centre, moved = _fisher(np.array(value)), _fisher(replicates)
    else:
        centre, moved = np.array(value), replicates
    error = math.sqrt((count - 1) / count * float(((moved - centre) ** 2).sum()))
    if error == 0:
        return Estimate(value=value)
    half = float(stdtrit(count - 1, 0.5 + LEVEL / 2)) * error
    ends = centre - half, centre + half
    low, high = (np.tanh(end) for end in ends) if correlation else ends
    p_value = 2 * float(stdtr(count - 1, -abs(float(centre)) / error))
    return Estimate(value=value, low=float(low), high=float(high), p_value=p_value)


def percentile(replicates: Array) -> tuple[float, float] | None:
    """The percentile interval of bootstrap replicates; None where over a tenth of them are undefined."""
    finite = replicates[np.isfinite(replicates)]
    if len(finite) < 0.9 * len(replicates):
        return None
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _fisher(correlation: Array) -> Array:
    return np.arctanh(np.clip(correlation, -1 + 1e-9, 1 - 1e-9))

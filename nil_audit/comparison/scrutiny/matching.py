"""Matched pairs: a model inside an interval beside one outside that is like it in size and age, of another family."""

import math

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.scrutiny.edges import Mask
from nil_audit.stats.estimate import Array, Estimate
from nil_audit.stats.jackknife import over_groups

SIZES_APART = 0.12
"""The larger model of a pair has at most this share more parameters."""

MONTHS_APART = 9
"""Months between the releases of a pair, at most."""

_NEVER = 1e6  # far above the sum of the distances of any number of allowed pairs that could be traded for one


def matched(sample: Sample, inside: Mask) -> Estimate | None:
    """Mean response inside minus outside over matched pairs, with the jackknife over organisations of the inside model.

    Args:
        sample: The models.
        inside: Which of them lie inside, shape (n,).

    Returns:
        The estimate, n the number of pairs; None without a pair.
    """
    within, without = pairs(sample, inside)
    if not len(within):
        return None
    difference = sample.response[within] - sample.response[without]
    organisations, of = np.unique(sample.organisation[within], return_inverse=True)
    total, count = np.bincount(of, weights=difference), np.bincount(of)
    value = float(difference.mean())
    if len(organisations) == 1:
        return Estimate(value=value, n=len(within))
    return over_groups(value, (total.sum() - total) / (count.sum() - count), n=len(within))


def pairs(sample: Sample, inside: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As many pairs as can be made of models used once, and of these pairings the one with the smallest total distance.

    A pair is one model inside and one outside, of different families, whose sizes differ by at most 12% and whose
    releases are known and at most nine months apart. Its distance is the root of the squared differences in ln size and
    in months, each in units of the most that is allowed (optimal matching: Rosenbaum 1989).

    Returns:
        Places of the inside and of the outside models, each of shape (pairs,).
    """
    from scipy.optimize import linear_sum_assignment

    one, other = np.flatnonzero(inside), np.flatnonzero(~inside)
    month = sample.table["month"].to_numpy(dtype=float)
    size = _apart(sample.size, one, other) / math.log1p(SIZES_APART)
    age = _apart(month, one, other) / MONTHS_APART
    rounding = 1 + 1e-9
    allowed = (size <= rounding) & (age <= rounding) & (sample.family[one][:, None] != sample.family[other])
    rows, columns = linear_sum_assignment(np.where(allowed, np.hypot(size, age), _NEVER))
    kept = allowed[rows, columns]
    return one[rows[kept]], other[columns[kept]]


def _apart(values: Array, one: NDArray[np.int64], other: NDArray[np.int64]) -> Array:
    return np.abs(values[one][:, None] - values[other])

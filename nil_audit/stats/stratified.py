"""Means of stratified samples: the variance within strata of few values, the error of the mean, what it is worth.

Everything is a function of sums by stratum, strata on the last axis and separate samples on any others before it.
"""

import numpy as np
from numpy.typing import ArrayLike

from nil_audit.stats.estimate import Array

SHARES, DIFFERENCES = (2, 2, 4), (0, 2, 2)
"""What ``variances`` assumes of shares: two successes and two failures (Agresti and Coull 1998); and of differences
between two outcomes on the same thing: one of 1 and one of -1 (Bonett and Price 2012)."""
_LENT = 2
"""Outcomes that every stratum is lent from all of them together."""


def variances(sums: ArrayLike, squares: ArrayLike, counts: ArrayLike, *, assumed: tuple[float, float, int]) -> Array:
    """The variance of a value within each stratum, from few values too, even one, or only equal ones.

    It is the variance of the stratum's values and two more, n_c + 1 in the denominator, where those two have the mean
    and the spread of all values together, and these are joined by ``assumed`` ones. So a stratum of one value has
    about the variance of all, one whose values are equal by luck not none, and a stratum of many its own. The usual
    estimate (n_c - 1 in the denominator) has no bias, but is zero where few values agree, which is just where a
    sample must not be taken for exact.

    Args:
        sums: Sum of each stratum's values.
        squares: Sum of their squares.
        counts: n_c, at least 1 each.
        assumed: Sum, sum of squares and number of the values that join all: ``SHARES`` or ``DIFFERENCES``.

    Returns:
        s_c² of each stratum.
    """
    own, own_square, enlarged = _enlarged(sums, squares, counts, assumed)
    return np.asarray((own_square - own**2) * enlarged / (enlarged - 1))


def _enlarged(
    sums: ArrayLike, squares: ArrayLike, counts: ArrayLike, assumed: tuple[float, float, int]
) -> tuple[Array, Array, Array]:
    """Mean, mean square and number of each stratum's values with those that it is lent."""
    sums, squares, counts = (np.asarray(one, dtype=float) for one in (sums, squares, counts))
    total, total_squares, more = assumed
    n = counts.sum(-1, keepdims=True) + more
    mean, mean_square = (sums.sum(-1, keepdims=True) + total) / n, (squares.sum(-1, keepdims=True) + total_squares) / n
    enlarged = counts + _LENT
    return (sums + _LENT * mean) / enlarged, (squares + _LENT * mean_square) / enlarged, enlarged


def effective_size(
    sums: ArrayLike, squares: ArrayLike, counts: ArrayLike, sizes: ArrayLike, *, assumed: tuple[float, float, int]
) -> Array:
    """Independent values whose mean would be as exact as a stratified sample's: variance of all values / error².

    Both are of the strata as ``variances`` enlarges them. Infinite where the error is zero.

    Args:
        sums: As for ``variances``.
        squares: Likewise.
        counts: Likewise.
        sizes: N_c there are; infinite for draws without end.
        assumed: As for ``variances``.
    """
    own, own_square, enlarged = _enlarged(sums, squares, counts, assumed)
    weights = np.asarray(counts) / np.sum(counts, -1, keepdims=True)
    variance = (weights * own_square).sum(-1) - (weights * own).sum(-1) ** 2
    error = error_of_mean((own_square - own**2) * enlarged / (enlarged - 1), counts, sizes)
    with np.errstate(divide="ignore"):
        return np.asarray(variance / error**2)


def share_variances(successes: ArrayLike, counts: ArrayLike) -> Array:
    """The variance of outcomes within each stratum (see ``variances``) from its successes and its outcomes n_c."""
    return variances(successes, successes, counts, assumed=SHARES)


def error_of_mean(variances: ArrayLike, counts: ArrayLike, sizes: ArrayLike) -> Array:
    """The standard error of a stratified sample's plain mean: sqrt(Σ_c (n_c/n)² (1 - n_c/N_c) s_c² / n_c).

    With the finite-population correction 1 - n_c/N_c (Cochran 1977, section 5.4), so zero where all of every stratum
    was drawn.

    Args:
        variances: s_c², strata on the last axis.
        counts: n_c drawn, at least 1 each.
        sizes: N_c there are.
    """
    s2, drawn, there = (np.asarray(one, dtype=float) for one in (variances, counts, sizes))
    return np.asarray(np.sqrt((drawn * (1 - drawn / there) * s2).sum(-1)) / drawn.sum(-1))

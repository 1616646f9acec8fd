"""Weighted ranks and second moments for many weightings at once, and partial correlations from them.

Shapes: B weightings, n models, q columns. A weighting is a row of weights of at least 0, such as those of
`nil_audit.stats.jackknife.leave_out`; ranks are those within the weighting, ties averaged, so a weighted Spearman
correlation with integer weights is exactly Spearman's on the models written out as often as their weight says.
"""

from collections.abc import Sequence

import numpy as np

from nil_audit.stats.estimate import Array

_ELEMENTS_AT_ONCE = 400_000


def weighted_ranks(values: Array, weights: Array) -> Array:
    """Average ranks of one variable within each weighting.

    Args:
        values: Shape (n,).
        weights: Shape (B, n).

    Returns:
        Shape (B, n): (weight below + half the weight of the tie) / total weight, between 0 and 1; an affine
        function of the average rank, which a correlation does not notice.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first_of_tie = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    tie = np.cumsum(np.concatenate([[0], (ordered[1:] != ordered[:-1]).astype(np.int64)]))
    of_tie = np.add.reduceat(weights[:, order], first_of_tie, axis=1)
    middle = np.cumsum(of_tie, axis=1) - of_tie / 2
    position = np.empty(len(values), dtype=np.int64)
    position[order] = tie
    total = np.maximum(of_tie.sum(axis=1, keepdims=True), 1e-300)  # weights of 0 alone: ranks of 0
    return (middle / total)[:, position]


def rank_moments(ranked: Sequence[Array], fixed: Array, weights: Array) -> Array:
    """Weighted second moments of ranks and fixed columns, for every weighting.

    Args:
        ranked: Variables that are ranked anew in each weighting, each of shape (n,).
        fixed: Columns used as they are, shape (n, f).
        weights: Shape (B, n).

    Returns:
        Shape (B, q, q), q = 1 + f + len(ranked): columns are the constant, the fixed ones, the ranks.
    """
    size = 1 + fixed.shape[1] + len(ranked)
    result = np.empty((len(weights), size, size))
    step = max(1, _ELEMENTS_AT_ONCE // weights.shape[1])
    for start in range(0, len(weights), step):
        part = weights[start : start + step]
        columns = np.empty((len(part), size, part.shape[1]))
        columns[:, 0] = 1.0
        columns[:, 1 : 1 + fixed.shape[1]] = fixed.T
        for offset, values in enumerate(ranked, start=1 + fixed.shape[1]):
            columns[:, offset] = weighted_ranks(values, part)
        result[start : start + step] = (columns * part[:, None, :]) @ columns.transpose(0, 2, 1)
    return result


def residual_covariance(moment: Array, controls: Sequence[int], variables: Sequence[int]) -> Array:
    """Covariance of variables after the least-squares fit on controls: the Schur complement.

    Args:
        moment: Shape (B, q, q).
        controls: Columns to hold fixed (with the constant, 0).
        variables: Columns that are left.

    Returns:
        Shape (B, v, v).
    """
    inner = moment[np.ix_(range(len(moment)), controls, controls)]
    cross = moment[np.ix_(range(len(moment)), controls, variables)]
    outer = moment[np.ix_(range(len(moment)), variables, variables)]
    scale = np.sqrt(np.maximum(np.diagonal(inner, axis1=1, axis2=2), 1e-300))
    inverse = np.linalg.pinv(inner / (scale[:, :, None] * scale[:, None, :]), rcond=1e-10, hermitian=True)
    scaled = cross / scale[:, :, None]
    return outer - scaled.transpose(0, 2, 1) @ inverse @ scaled


def partial_correlations(moment: Array, controls: Sequence[int], one: int, others: Sequence[int]) -> Array:
    """Correlations of a column with others, with the controls (and the constant) held fixed.

    Returns:
        Shape (B, number of others); NaN where a column does not vary, or the controls explain it.
    """
    variables = [one, *others]
    covariance = residual_covariance(moment, [0, *controls], variables)
    left = np.diagonal(covariance, axis1=1, axis2=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = covariance[:, 0, 1:] / np.sqrt(np.maximum(left[:, :1], 0) * np.maximum(left[:, 1:], 0))
    # What is left of a variable that the controls explain is rounding error, at most about 1e-12 of it.
    varies = left > 1e-9 * moment[:, variables, variables]
    return np.where(varies[:, :1] & varies[:, 1:], np.clip(value, -1, 1), np.nan)

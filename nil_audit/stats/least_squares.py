"""Least squares without each group in turn, from second moments: the total less the group's own.

Shapes: n rows, q columns, G groups. A fit without a group needs no more than these, whatever n is.
"""

import numpy as np
from numpy.typing import NDArray

from nil_audit.stats.estimate import Array

Codes = NDArray[np.int64]
"""Of each row, the number of the group that it belongs to: 0 .. G - 1."""


def group_moments(columns: Array, group: Codes) -> Array:
    """Second moments of columns of the models of each group, shape (G, q, q).

    Args:
        columns: Shape (n, q).
        group: Codes 0 .. G - 1, shape (n,).
    """
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(int(group.max()) + 1))
    ordered = columns[order]
    return np.stack(
        [np.add.reduceat(ordered * ordered[:, [one]], starts, axis=0) for one in range(columns.shape[1])], axis=1
    )


def left_out_moments(columns: Array, group: Codes) -> Array:
    """Second moments of columns with all models, then without each group, shape (1 + G, q, q); see `group_moments`."""
    own = group_moments(columns, group)
    total = own.sum(axis=0)
    return np.concatenate([total[None], total - own])


def less_group_means(values: Array, group: Codes, share: Array | float = 1.0) -> Array:
    """Values less a share of the mean of their group (1: within groups; between 0 and 1: a random intercept).

    Args:
        values: Shape (n,) or (n, q).
        group: Codes 0 .. G - 1, shape (n,).
        share: Of each model, shape (n,), or one for all.
    """
    count = np.bincount(group).astype(float)
    table = values.reshape(len(values), -1)
    if not table.shape[1]:
        return values
    means = np.stack([np.bincount(group, weights=column) / count for column in table.T], axis=1)[group]
    return (table - np.broadcast_to(share, len(values))[:, None] * means).reshape(values.shape)


def orthogonal(columns: Array) -> Array:
    """An orthogonal basis of the same columns, each of mean square 1, shape (n, rank)."""
    if not columns.shape[1]:
        return columns
    scale = np.sqrt((columns**2).mean(axis=0))
    left, weight, _ = np.linalg.svd(columns / np.where(scale > 0, scale, 1.0), full_matrices=False)
    kept: NDArray[np.bool_] = weight > 1e-9 * weight.max()
    return left[:, kept] * np.sqrt(len(columns))


def solve_each(inner: Array, right: Array) -> Array:
    """Solutions of a batch of symmetric systems of columns of mean square 1, shape (B, q).

    A column that is zero without some group (its indicator) makes no difference there: the ridge, of 1e-10 of a mean
    square, keeps the system solvable and its coefficient at zero.
    """
    ridge = 1e-10 * np.maximum(np.trace(inner, axis1=1, axis2=2) / max(inner.shape[1], 1), 1e-300)
    return np.linalg.solve(inner + ridge[:, None, None] * np.eye(inner.shape[1]), right[:, :, None])[:, :, 0]

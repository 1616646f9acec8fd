"""A random intercept a group: how much of the variance lies between groups, by restricted maximum likelihood.

With group effects of variance λσ² beside errors of variance σ², the restricted likelihood is a function of λ alone once
coefficients and σ² are profiled out (Harville 1977), and second moments with each group's sums are all it needs. So
thousands of groups take milliseconds, where a general mixed model takes seconds.
"""

import math

import numpy as np
from numpy.typing import NDArray

from nil_audit.stats.estimate import Array

_GRID = 25
_LARGEST = 0.999


def share_between(columns: Array, response: Array, group: NDArray[np.int64]) -> float | None:
    """Intraclass correlation λ / (1 + λ) of the response given columns, by restricted maximum likelihood.

    Args:
        columns: Of full rank, the constant among them, shape (n, p).
        response: Shape (n,).
        group: Codes 0 .. G - 1, shape (n,).

    Returns:
        Between 0 and 0.999; None where no group has two members, all have one group, fewer than two models are left
        beyond the columns, or these give the response exactly.
    """
    from scipy.optimize import minimize_scalar

    count = np.bincount(group).astype(float)
    spare = len(response) - columns.shape[1]
    if count.max() < 2 or len(count) < 2 or spare < 2:
        return None
    numbers = np.column_stack([columns, response - response.mean()])
    order = np.argsort(group, kind="stable")
    sums = np.add.reduceat(numbers[order], np.searchsorted(group[order], np.arange(len(count))), axis=0)
    total = numbers.T @ numbers

    def deviance(share: float) -> float:
        """Minus twice the restricted log likelihood, but for a constant."""
        ratio = share / (1 - share)
        shrunk = total - (sums * (ratio / (1 + count * ratio))[:, None]).T @ sums
        try:
            # the last pivot of the factor is the root of the residual sum of squares
            pivots = np.diag(np.linalg.cholesky(shrunk))
        except np.linalg.LinAlgError:
            return math.inf
        return float(2 * spare * np.log(pivots[-1]) + np.log1p(count * ratio).sum() + 2 * np.log(pivots[:-1]).sum())

    grid = np.linspace(0, _LARGEST, _GRID)
    values = [deviance(one) for one in grid]
    if not np.isfinite(values).all():  # the columns give the response exactly
        return None
    best = int(np.argmin(values))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)]
    found = minimize_scalar(deviance, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(found.x) if found.fun < deviance(0.0) else 0.0


def shrinkage(share: float, group: NDArray[np.int64]) -> Array:
    """Share of its group's mean to take from each value so that what is left has errors that do not go together.

    θ = 1 - sqrt((1 - s) / (1 - s + m s)) for a group of m members and intraclass correlation s; least squares on values
    less θ times their group's mean is generalised least squares (Fuller and Battese 1973).

    Args:
        share: Intraclass correlation s, below 1.
        group: Codes 0 .. G - 1, shape (n,).

    Returns:
        Shape (n,).
    """
    members = np.bincount(group)[group]
    return np.asarray(1 - np.sqrt((1 - share) / (1 - share + members * share)))

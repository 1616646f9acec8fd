"""Natural cubic splines as columns of a least-squares fit: a smooth curve whose shape nobody had to choose."""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from nil_audit.stats.estimate import Array

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline


def degrees(points: int) -> int:
    """Columns of the spline that a number of points affords: 0, 2 or 3."""
    return 0 if points < 15 else 2 if points < 30 else 3


def spline_basis(x: Array) -> Array:
    """Columns that, with a constant, span the natural cubic splines with knots at quantiles of ``x``.

    Args:
        x: Points, shape (n,).

    Returns:
        Shape (n, `degrees` of n), fewer columns where many points coincide.
    """
    return natural_spline(x, spline_knots(x, degrees(len(x))))


def spline_knots(x: Array, columns: int) -> Array:
    """Knots of a natural cubic spline at the quantiles of x, shape (columns + 1,) or fewer where x is lumpy."""
    return np.unique(np.quantile(x, np.linspace(0, 1, columns + 1))) if columns else np.zeros(0)


def natural_spline(x: Array, knots: Array) -> Array:
    """The splines that are 1 at one knot and 0 at the others, without the first: linear beyond the outer knots.

    The first follows from the others, since together they add up to 1.

    Args:
        x: Points, shape (n,).
        knots: Increasing, shape (k,).

    Returns:
        Shape (n, k - 1); no column with fewer than two knots.
    """
    if len(knots) < 2:
        return np.zeros((len(x), 0))
    spline = _cardinal(tuple(knots.tolist()))
    inside = np.clip(x, knots[0], knots[-1])
    return np.asarray(spline(inside) + spline(inside, 1) * (x - inside)[:, None])[:, 1:]


def natural_spline_slope(x: Array, knots: Array) -> Array:
    """Derivatives of the columns of `natural_spline` at ``x``, shape (n, k - 1); constant beyond the outer knots."""
    if len(knots) < 2:
        return np.zeros((len(x), 0))
    spline = _cardinal(tuple(knots.tolist()))
    return np.asarray(spline(np.clip(x, knots[0], knots[-1]), 1))[:, 1:]


@lru_cache(maxsize=256)
def _cardinal(knots: tuple[float, ...]) -> "CubicSpline":
    """The natural cubic splines that are 1 at one knot and 0 at the others: many fits have the same knots."""
    from scipy.interpolate import CubicSpline

    return CubicSpline(knots, np.eye(len(knots)), bc_type="natural")

"""Size as a confounder: bands of parameters, and a curve of score against size.

A partial Spearman correlation given the rank of size alone is biased where score is not a straight line in
that rank: MMLU-Pro is flat at the chance floor and rises above it, and so is the ratio's own dependence on size
not straight. With no effect of shape at all it then finds one in 10 to 60% of studies built like the real one
(see ``docs/study.md``). So the study's own tests also hold a natural cubic spline of log parameters fixed.
"""

import numpy as np

from nil_audit.comparison.sample import Array

EDGES = (1e9, 5e9, 9.5e9, 2e10, 8e10)
"""Parameters where one band ends and the next begins: the gaps between the sizes that people train."""

_LABELS = ("under 1B", "1B to 5B", "5B to 9.5B", "9.5B to 20B", "20B to 80B", "80B and more")
_KEYS = ("under_1b", "1b_5b", "5b_9.5b", "9.5b_20b", "20b_80b", "over_80b")


def band_limits() -> list[tuple[str, str, float, float | None]]:
    """Key, label, lower end and upper end (None: open) of every band, smallest first."""
    lows = (0.0, *EDGES)
    highs: tuple[float | None, ...] = (*EDGES, None)
    return list(zip(_KEYS, _LABELS, lows, highs, strict=True))


def band_of(parameters: float | None) -> str | None:
    """Key of the band of a parameter count; None where it is unknown."""
    if parameters is None or not np.isfinite(parameters):
        return None
    return _KEYS[int(np.searchsorted(EDGES, parameters, side="right"))]


def degrees(models: int) -> int:
    """Columns of the spline that a number of models affords: 0, 2 or 3."""
    return 0 if models < 15 else 2 if models < 30 else 3


def spline_knots(x: Array, columns: int) -> Array:
    """Knots of a natural cubic spline at the quantiles of x, shape (columns + 1,) or fewer where x is lumpy."""
    return np.unique(np.quantile(x, np.linspace(0, 1, columns + 1)))


def natural_spline(x: Array, knots: Array) -> Array:
    """Natural cubic spline basis without intercept, linear beyond the outer knots.

    The truncated-power form of Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*,
    equations 5.4 and 5.5, on x scaled to the range of the knots.

    Args:
        x: Points, shape (n,).
        knots: Increasing, shape (k,).

    Returns:
        Shape (n, k - 1), the first column x itself; x alone with fewer than three knots.
    """
    if len(knots) < 2:
        return np.zeros((len(x), 0))
    scale = knots[-1] - knots[0]
    t, k = (x - knots[0]) / scale, (knots - knots[0]) / scale
    beyond_last = np.maximum(t - k[-1], 0) ** 3
    pieces = [(np.maximum(t - knot, 0) ** 3 - beyond_last) / (k[-1] - knot) for knot in k[:-1]]
    return np.column_stack([t, *(piece - pieces[-1] for piece in pieces[:-1])])


def size_basis(size: Array) -> Array:
    """The spline of log parameters that ``given="size_curve"`` holds fixed, shape (n, 0 to 3)."""
    columns = degrees(len(size))
    if columns == 0:
        return np.zeros((len(size), 0))
    return natural_spline(size, spline_knots(size, columns))

"""Size as a confounder: bands of parameters, and a curve of score against size.

A partial Spearman correlation given the rank of size alone is biased where score is not a straight line in
that rank: MMLU-Pro is flat at the chance floor and rises above it, and the ratio's own dependence on size is not
straight either. With no effect of shape at all its interval then excludes zero in up to 41% of comparisons built like
the real one (see ``docs/comparison.md``). So the tests also hold a natural cubic spline of log parameters fixed.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.result import Band
from nil_audit.stats.estimate import Array
from nil_audit.stats.spline import spline_basis

if TYPE_CHECKING:
    import pandas as pd

EDGES = (1e9, 5e9, 9.5e9, 2e10, 8e10)
"""Parameters where one band ends and the next begins: the gaps between the sizes that people train."""

BANDS = ("under_1b", "1b_5b", "5b_9.5b", "9.5b_20b", "20b_80b", "over_80b")
"""Keys of the bands, smallest first."""

FEWEST_FITTED = 6
"""Models that a curve through scores needs."""


def band_number(parameters: Array) -> NDArray[np.int64]:
    """Place in `BANDS` of each parameter count; all must be known."""
    return np.searchsorted(EDGES, parameters, side="right").astype(np.int64)


def summarise_bands(usable: "pd.DataFrame") -> tuple[Band, ...]:
    """The size bands that hold a model, smallest first.

    Args:
        usable: Rows of a comparison's table that are not flagged.
    """
    rows = {str(key): own for key, own in usable.groupby("band")}
    ends = zip(BANDS, (0.0, *EDGES), (*EDGES, None), strict=True)
    return tuple(
        Band(
            key=key,
            low=low,
            high=high,
            models=len(rows[key]),
            families=rows[key]["family"].nunique(),
            at_floor=int(rows[key]["at_floor"].sum()),
        )
        for key, low, high in ends
        if key in rows
    )


def standardised(values: Array) -> Array:
    """Values less their mean, over their standard deviation (a constant becomes zeros), shape (n,)."""
    return (values - values.mean()) / (values.std() or 1.0)


def size_columns(size: Array) -> Array:
    """What a least-squares fit holds fixed of size beside a constant: ln parameters and their spline.

    With many models the spline contains the straight line, so the columns may be linearly dependent.

    Args:
        size: ln parameters, shape (n,).

    Returns:
        Shape (n, 1 to 4).
    """
    return np.column_stack([standardised(size), spline_basis(size)])


def expected_score(size: Array, score: Array) -> Array:
    """Score that models of each one's size get: least squares on the size curve.

    Args:
        size: ln parameters, shape (n,).
        score: Shape (n,).

    Returns:
        Shape (n,); NaN with fewer than `FEWEST_FITTED` models.
    """
    if len(size) < FEWEST_FITTED:
        return np.full(len(size), np.nan)
    columns = np.column_stack([np.ones(len(size)), size_columns(size)])
    return np.asarray(columns @ np.linalg.lstsq(columns, score, rcond=None)[0])

"""What is left of score when size is taken out: inside an interval against outside, and along the primary predictor."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.predictors import PRIMARY, predictor_values
from nil_audit.comparison.result import Contrast
from nil_audit.comparison.size import FEWEST_FITTED, size_columns
from nil_audit.stats.estimate import Array, Estimate
from nil_audit.stats.jackknife import leave_out, over_groups
from nil_audit.stats.moments import moments, residual_covariance

if TYPE_CHECKING:
    import pandas as pd

EACH_SIDE = 3
"""Models that must lie on each side of an interval's ends; and families, for the contrast to have an interval."""

_POINTS = 60


def inside(table: "pd.DataFrame", study: str) -> NDArray[np.bool_]:
    """Which models lie inside a study's interval, or inside all three ("all"), shape (n,)."""
    return (table["verdict"] == "inside" if study == "all" else table[f"distance_{study}"] == 0).to_numpy()


def contrast(sized: "pd.DataFrame", study: str) -> Contrast | None:
    """Size-adjusted difference in mean score, inside minus outside.

    The coefficient of 'inside' in a least-squares fit of score on it and the size curve; its interval leaves
    families out.

    Args:
        sized: Models that all have parameters; columns as in `nil_audit.comparison.table`.
        study: Whose interval, or "all": inside all of them against the rest.

    Returns:
        None where fewer than `EACH_SIDE` models lie on either side.
    """
    within = inside(sized, study)
    if min(within.sum(), (~within).sum()) < EACH_SIDE:
        return None
    slopes = _slopes(sized, within.astype(float), _left_out(sized))
    if not np.isfinite(slopes[0]):
        return None
    sides = [sized["family"][side].nunique() for side in (within, ~within)]
    enough = min(sides) >= EACH_SIDE
    value = float(slopes[0])
    return Contrast(
        study=study,
        inside=int(within.sum()),
        outside=int((~within).sum()),
        estimate=over_groups(value, slopes[1:]) if enough else Estimate(value=value),
    )


def trend(sized: "pd.DataFrame") -> "pd.DataFrame | None":
    """Size-adjusted score against the primary predictor: the line of the fit of score on it and the size curve.

    It passes through the mean predictor at a size-adjusted score of 0.

    Args:
        sized: Models that all have parameters; columns as in `nil_audit.comparison.table`.

    Returns:
        60 points: x the predictor, y the line, low and high its pointwise 95% band over families (y where there is
        none). None with fewer than `FEWEST_FITTED` models, or where the predictor does not vary.
    """
    import pandas as pd

    if len(sized) < FEWEST_FITTED:
        return None
    predictor, weights = predictor_values(sized, PRIMARY), _left_out(sized)
    slopes = _slopes(sized, predictor, weights)
    if not np.isfinite(slopes).all():
        return None
    centre = (weights @ predictor) / weights.sum(axis=1)
    grid = np.linspace(predictor.min(), predictor.max(), _POINTS)
    lines = slopes * (grid[:, None] - centre)
    ends = [over_groups(float(line[0]), line[1:]) for line in lines]
    intervals = [end.interval or (end.value, end.value) for end in ends]
    low, high = zip(*intervals, strict=True)
    return pd.DataFrame({"x": grid, "y": lines[:, 0], "low": low, "high": high})


def _left_out(table: "pd.DataFrame") -> Array:
    """Weights of all families, then without each, shape (1 + G, n)."""
    family: NDArray[np.int64] = np.unique(table["family"].to_numpy(dtype=str), return_inverse=True)[1]
    return np.vstack([np.ones(len(table)), leave_out(family)])


def _slopes(sized: "pd.DataFrame", of: Array, weights: Array) -> Array:
    """Coefficient of ``of`` in the fit of score on it and the size curve by each row of weights; NaN if undefined."""
    size, score = predictor_values(sized, "parameters"), predictor_values(sized, "score")
    columns = np.column_stack([size_columns(size), of, score])
    last = columns.shape[1]
    covariance = residual_covariance(moments(columns, weights), range(last - 1), [last - 1, last])
    spread = covariance[:, 0, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 1e-9 * len(sized), covariance[:, 0, 1] / spread, np.nan)

"""Inside against outside: how much better models inside an interval score than others of their size."""

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.findings import Contrast
from nil_audit.comparison.sample import Sample
from nil_audit.comparison.sizes import size_basis
from nil_audit.stats import jackknife as resampling
from nil_audit.stats.moments import moments, residual_covariance

FEWEST_INSIDE = 3
"""Models, and families, that must lie on each side."""


def contrast(sample: Sample, inside: NDArray[np.bool_], *, study: str, seed: int) -> Contrast | None:
    """Size-adjusted difference in mean score, inside minus outside.

    The coefficient of 'inside' in a least-squares fit of score on it and the size curve; its interval leaves
    families out.

    Args:
        sample: Models that all have parameters, shape (n,).
        inside: Which of them lie inside, shape (n,).
        study: Name of the interval.
        seed: Of the jackknife's groups where families are many.

    Returns:
        None where fewer than `FEWEST_INSIDE` models lie on either side.
    """
    if min(inside.sum(), (~inside).sum()) < FEWEST_INSIDE:
        return None
    basis = size_basis(sample.size)
    size = (sample.size - sample.size.mean()) / (sample.size.std() or 1.0)
    columns = np.column_stack([size, basis, inside.astype(float), sample.score])
    if len(sample) < columns.shape[1] + 2:
        return None
    groups = resampling.groups(sample.family, seed)
    weights = np.vstack([np.ones(len(sample)), resampling.leave_out(groups)])
    last = columns.shape[1]
    covariance = residual_covariance(moments(columns, weights), range(last - 1), [last - 1, last])
    spread = covariance[:, 0, 0]
    if spread[0] < 1e-9 * len(sample):
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(spread > 1e-9 * len(sample), covariance[:, 0, 1] / spread, np.nan)
    sides = [len(np.unique(sample.family[side])) for side in (inside, ~inside)]
    if min(sides) >= FEWEST_INSIDE:
        estimate = resampling.jackknife(float(slope[0]), slope[1:])
    else:
        estimate = resampling.Estimate(value=float(slope[0]))
    return Contrast(
        study=study,
        inside=int(inside.sum()),
        outside=int((~inside).sum()),
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p_value=estimate.p_value,
    )

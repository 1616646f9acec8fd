"""Where a study's interval ends for each model, and how that hangs on the study's own uncertainty.

Shapes: n models, D bootstrap draws of a study.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.studies_tested import Tested
from nil_audit.law.loss_curves import UNKNOWN_BUDGET, DepthWidthCurve, shallowest
from nil_audit.law.studies import Study
from nil_audit.stats.estimate import Array

Mask = NDArray[np.bool_]

NEAR = 0.1
"""A ratio within this share of an end of the interval is near its edge."""

_RATIOS = np.geomspace(1e-4, 1e1, 801)
_BUDGETS = 13


@dataclass(frozen=True, kw_only=True)
class Edges:
    """The interval of a study at the budget of each model.

    Attributes:
        ratio: R, shape (n,).
        low: Lower end, shape (n,).
        high: Upper end, shape (n,).
    """

    ratio: Array
    low: Array
    high: Array

    @property
    def inside(self) -> Mask:
        """Which models lie inside, the ends included, shape (n,)."""
        return (self.ratio >= self.low) & (self.ratio <= self.high)

    @property
    def near(self) -> int:
        """Models whose R differs from an end by at most 10% of it."""
        close = [np.abs(self.ratio / end - 1) <= NEAR for end in (self.low, self.high)]
        return int(np.logical_or(*close).sum())

    @property
    def most_shared(self) -> tuple[int, float] | None:
        """The most models outside that share one R, and that R (the smallest of several); None where none do."""
        ratios, counts = np.unique(self.ratio[~self.inside], return_counts=True)
        if not len(counts) or counts.max() < 2:
            return None
        return int(counts.max()), float(ratios[counts.argmax()])


def edges(sample: Sample, study: Tested) -> Edges:
    """The interval of a study for each model, read at its parameters (at 1B where they are not known)."""
    budgets, place = np.unique(_budgets(sample), return_inverse=True)
    ends = [study.interval(float(budget)) for budget in budgets]
    return Edges(
        ratio=sample.table["ratio"].to_numpy(dtype=float),
        low=np.array([end.low for end in ends])[place],
        high=np.array([end.high for end in ends])[place],
    )


def inside_of_draws(sample: Sample, study: Tested) -> Mask:
    """Which models lie inside the interval of each bootstrap draw, shape (D, n); D = 0 where there are none.

    An interval that changes with the budget is computed at 13 budgets over the range of the models, on a grid of 160
    ratios a decade, and interpolated linearly in logarithms. The interval of a pool has no draws: it is made of all.
    """
    ratio = np.log(sample.table["ratio"].to_numpy(dtype=float))
    if not isinstance(study, Study) or not study.draws:
        return np.zeros((0, sample.models), dtype=np.bool_)
    if study.form == "quadratic":
        centre, curvature = np.array(study.draws).T[:, :, None]
        return np.asarray(curvature * (ratio - centre) ** 2 <= np.log1p(study.tolerance))
    size = np.log(_budgets(sample))
    nodes = np.linspace(size.min(), size.max(), _BUDGETS if np.ptp(size) else 1)
    ends = np.array([_ends(study, float(np.exp(node))) for node in nodes])
    low, high = (np.array([np.interp(size, nodes, draw) for draw in ends[:, side].T]) for side in (0, 1))
    return np.asarray((low <= ratio) & (ratio <= high))


def _budgets(sample: Sample) -> Array:
    return sample.table["parameters"].fillna(UNKNOWN_BUDGET).to_numpy(dtype=float)


def _ends(study: Study, budget: float) -> tuple[Array, Array]:
    """Ln of the ends of the interval of each draw of a depth-width curve at one budget, each of shape (D,)."""
    grid = _RATIOS[shallowest(budget) <= _RATIOS]
    loss = DepthWidthCurve(*np.array(study.draws).T[:, :, None]).at(grid, budget)
    # 0 where the excess is the tolerance, below it inside
    beyond = loss - (1 + study.tolerance) * loss.min(axis=1, keepdims=True)
    first = (beyond <= 0).argmax(axis=1)
    last = len(grid) - 1 - (beyond <= 0)[:, ::-1].argmax(axis=1)
    low = _crossing(np.log(grid), beyond, first, np.maximum(first - 1, 0))
    return low, _crossing(np.log(grid), beyond, last, np.minimum(last + 1, len(grid) - 1))


def _crossing(grid: Array, beyond: Array, within: NDArray[np.int64], without: NDArray[np.int64]) -> Array:
    """Where each row passes zero between two neighbours, by a straight line; the end of the grid where it does not."""
    rows = np.arange(len(beyond))
    here, there = beyond[rows, within], beyond[rows, without]
    share = np.where(within == without, 0.0, here / np.where(within == without, 1.0, here - there))
    return np.asarray(grid[within] + share * (grid[without] - grid[within]))

"""Two numbers of shape beside whatever size does: least squares of ln loss, and its bootstrap, many draws at once.

    ln loss = size + first · z₁ + second · z₂

``size`` is one offset a budget where budgets repeat, a smooth surface of size (and tokens) where they do not; z₁ and z₂
say what of shape is fitted: ln R and ln² R of a valley, 1/d and 1/L of the additive form.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nil_audit.stats.estimate import LEVEL, Array

Codes = NDArray[np.int64]

TOKEN_SPREAD = 1.15  # largest over smallest number of tokens of runs that are said to have seen as many

_ADDED = (0.5, 1.0)  # least and most of the residuals' variance that is added to resampled budgets


@dataclass(frozen=True, kw_only=True)
class Solution:
    """The least-squares fit.

    Attributes:
        coefficients: Of z₁ and z₂, (2,).
        covariance: Of the two for noise of variance 1, (2, 2).
        size: What is fitted for the size of each run, (n,).
        residuals: (n,).
        freedom: Degrees of freedom left, at least 1.
        fitted: Numbers fitted in all.
    """

    coefficients: Array
    covariance: Array
    size: Array
    residuals: Array
    freedom: int
    fitted: int

    @property
    def residual(self) -> float:
        """Standard deviation of ln loss about the fit, degrees of freedom taken off."""
        return float(np.sqrt(self.residuals @ self.residuals / self.freedom))

    @property
    def aic(self) -> float:
        """Akaike's criterion of the fit, up to a constant of the data: n ln(mean square) + 2 (numbers fitted + 1)."""
        n = len(self.residuals)
        square = max(float(self.residuals @ self.residuals) / n, 1e-300)
        return float(n * np.log(square) + 2 * (self.fitted + 1))


@dataclass(frozen=True, kw_only=True)
class Regression:
    """What is fitted to which runs.

    Attributes:
        shape: z₁ and z₂ of each run, (n, 2).
        target: ln loss, (n,).
        size: Columns that size may take, (n, k): indicators of the budgets, or a surface.
        budgets: Budget of each run as 0, 1, ..., (n,); None where budgets do not repeat.
    """

    shape: Array
    target: Array
    size: Array
    budgets: Codes | None

    def solve(self) -> Solution:
        """Ordinary least squares."""
        design = np.column_stack([self.size, self.shape])
        solution, _, rank, _ = np.linalg.lstsq(design, self.target, rcond=None)
        return Solution(
            coefficients=np.asarray(solution[-2:], dtype=float),
            covariance=np.asarray(np.linalg.pinv(design.T @ design)[-2:, -2:], dtype=float),
            size=self.size @ solution[:-2],
            residuals=self.target - design @ solution,
            freedom=max(len(self.target) - int(rank), 1),
            fitted=int(rank),
        )

    def bootstrap(self, draws: int, random: np.random.Generator) -> Array:
        """Coefficients of refits, (draws, 2): budgets are resampled and residuals added to their runs; or else runs.

        Few budgets, resampled, spread less than their number deserves: residuals (each over the root of one less its
        leverage) are drawn from all budgets and added with the share of their variance that widens a normal interval to
        Student's with one degree of freedom less than there are budgets, between `_ADDED`. One budget is not
        resampled.
        """
        if self.budgets is None:
            return self._resampled_runs(draws, random)
        return self._resampled_budgets(self.budgets, draws, random)

    def _resampled_budgets(self, budgets: Codes, draws: int, random: np.random.Generator) -> Array:
        solution = self.solve()
        design = np.column_stack([self.size, self.shape])
        leverage = np.einsum("ij,ji->i", design, np.linalg.pinv(design))
        residuals = solution.residuals / np.sqrt(np.maximum(1 - leverage, 1e-3))
        sizes = np.bincount(budgets)
        order = np.argsort(budgets, kind="stable")
        starts = np.cumsum(sizes) - sizes
        target = self.target
        if len(sizes) == 1:
            chosen = np.zeros((draws, 1), dtype=np.int64)
            target, share = target - solution.residuals, _student(solution.freedom)
        else:
            chosen = random.integers(len(sizes), size=(draws, len(sizes)))
            share = float(np.clip(_student(len(sizes) - 1) - 1, *_ADDED))
        count = sizes[chosen][:, :, None]
        place = np.arange(sizes.max())
        rows = order[np.minimum(starts[chosen][:, :, None] + place, len(order) - 1)]
        there = place < count  # a budget of fewer runs than the largest is filled up, with weight 0
        added = np.sqrt(share) * residuals[random.integers(len(residuals), size=rows.shape)]
        values = np.concatenate([self.shape[rows], (target[rows] + added)[..., None]], axis=-1)
        means = (values * there[..., None]).sum(axis=2) / count
        values = ((values - means[:, :, None, :]) * there[..., None]).reshape(draws, -1, 3)
        return _solved(values[..., :2], values[..., 2])

    def _resampled_runs(self, draws: int, random: np.random.Generator) -> Array:
        n = len(self.target)
        rows = random.integers(n, size=(draws, n))
        design = np.column_stack([self.size, self.shape])
        scale = np.maximum(np.sqrt((design**2).mean(axis=0)), 1e-300)
        return _solved((design / scale)[rows], self.target[rows])[:, -2:] / scale[-2:]


def _student(freedom: int) -> float:
    """How much wider than a normal's a 95% interval of Student's t is, squared."""
    from scipy.stats import norm, t

    return float((t.ppf((1 + LEVEL) / 2, freedom) / norm.ppf((1 + LEVEL) / 2)) ** 2)


def _solved(design: Array, target: Array) -> Array:
    """Solutions of a batch of least squares, (draws, k); a draw without rank gets the smallest solution."""
    inner = np.einsum("dni,dnj->dij", design, design)
    right = np.einsum("dni,dn->di", design, target)
    ridge = 1e-12 * np.maximum(np.trace(inner, axis1=1, axis2=2), 1e-300)
    return np.asarray(np.linalg.solve(inner + ridge[:, None, None] * np.eye(inner.shape[1]), right[..., None])[..., 0])


def offsets(budgets: Codes) -> Array:
    """One indicator a budget, (n, budgets)."""
    return np.asarray(budgets[:, None] == np.arange(int(budgets.max()) + 1), dtype=float)


def surface(size: Array, tokens: Array | None = None) -> Array:
    """A parabola in ln of size, (n, 3); with tokens that differ a cubic in both logarithms, (n, 10)."""
    first = _standardised(size)
    if tokens is None or tokens.max() <= TOKEN_SPREAD * tokens.min():
        return np.column_stack([first**power for power in range(3)])
    second = _standardised(tokens)
    return np.column_stack([first**one * second**two for one in range(4) for two in range(4 - one)])


def _standardised(values: Array) -> Array:
    logs = np.log(values)
    return np.asarray((logs - logs.mean()) / (logs.std() or 1.0))

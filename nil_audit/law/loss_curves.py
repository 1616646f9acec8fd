"""Loss as a function of shape at one budget: the two published forms that the shipped studies use.

R is depth / width, N parameters. Of either curve at one budget: ``excess`` is loss(R) / min loss - 1, ``optimum`` the R
of the smallest loss, ``bounds`` the smallest and largest R whose excess is at most a tolerance.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nil_audit.stats.estimate import Array

UNKNOWN_BUDGET = 1e9  # parameters: where a study that depends on the budget is read when it is not known
TOKENS_PER_PARAMETER = 20.0  # Hoffmann et al. 2022: the budget's tokens where a form asks for them
FEWEST_BLOCKS = 3  # depths 1 and 2 are another regime, and the depth-width form diverges at 2
_RATIOS = np.geomspace(1e-4, 1e2, 3001)


@dataclass(frozen=True)
class QuadraticCurve:
    """ln loss = a_N + c (ln R - ln R*)²: one optimum and one curvature at every budget.

    Attributes:
        ln_optimum: ln R*.
        curvature: c, above zero; per squared nat of ratio.
    """

    ln_optimum: float
    curvature: float

    def excess(self, ratio: float, parameters: float) -> float:
        """exp(c (ln R - ln R*)²) - 1, whatever the budget."""
        return float(np.expm1(self.curvature * (np.log(ratio) - self.ln_optimum) ** 2))

    def optimum(self, parameters: float) -> float:
        """R*, whatever the budget."""
        return float(np.exp(self.ln_optimum))

    def bounds(self, parameters: float, tolerance: float) -> tuple[float, float]:
        """R* exp(± sqrt(ln(1 + tolerance) / c))."""
        half = np.sqrt(np.log1p(tolerance) / self.curvature)
        return float(np.exp(self.ln_optimum - half)), float(np.exp(self.ln_optimum + half))


@dataclass(frozen=True)
class DepthWidthCurve:
    """loss = floor + A/d^a + B/(100 (L - 2))^b + C/(D/10⁶)^c, in nats per token (arXiv 2602.05970).

    The shape of ratio R at budget N is the one with 12 L d² = N, and D = 20 N tokens. Ratios whose depth would be
    below three blocks are read at three: their excess is a lower bound.

    Attributes:
        floor: Loss at infinite width, depth and data.
        width_scale: A.
        width_power: a.
        depth_scale: B.
        depth_power: b.
        token_scale: C.
        token_power: c.
    """

    floor: float
    width_scale: float
    width_power: float
    depth_scale: float
    depth_power: float
    token_scale: float
    token_power: float

    def loss(self, depth: Array, width: Array, tokens: Array) -> Array:
        """Loss of shapes, in nats per token; the three arrays broadcast, depths above 2."""
        return (
            self.floor
            + self.width_scale / width**self.width_power
            + self.depth_scale / (100 * (depth - 2)) ** self.depth_power
            + self.token_scale / (tokens / 1e6) ** self.token_power
        )

    def at(self, ratio: Array, parameters: float) -> Array:
        """Loss of the shapes of one budget, by their ratio."""
        width = (parameters / (12 * np.maximum(ratio, shallowest(parameters)))) ** (1 / 3)
        return self.loss(parameters / (12 * width**2), width, np.asarray(TOKENS_PER_PARAMETER * parameters))

    def excess(self, ratio: float, parameters: float) -> float:
        """loss(ratio) / min loss - 1 at this budget."""
        best = float(self.at(np.asarray(self.optimum(parameters)), parameters))
        return max(float(self.at(np.asarray(ratio), parameters)) / best - 1, 0.0)

    def optimum(self, parameters: float) -> float:
        """The ratio of the smallest loss at this budget, from a grid refined by a parabola in ln R."""
        return _optimum(self, parameters)

    def bounds(self, parameters: float, tolerance: float) -> tuple[float, float]:
        """The crossings of the tolerance either side of the optimum, interpolated in ln R."""
        return _bounds(self, parameters, tolerance)


def shallowest(parameters: float) -> float:
    """The ratio of the three-block shape with 12 L d² = ``parameters``."""
    return float(FEWEST_BLOCKS / np.sqrt(parameters / (12 * FEWEST_BLOCKS)))


@lru_cache(maxsize=4096)
def _optimum(curve: DepthWidthCurve, parameters: float) -> float:
    grid = _RATIOS[shallowest(parameters) <= _RATIOS]
    loss = curve.at(grid, parameters)
    best = int(np.argmin(loss))
    if best in (0, len(grid) - 1):
        return float(grid[best])
    before, here, after = loss[best - 1 : best + 2]
    shift = 0.5 * (before - after) / (before - 2 * here + after)
    return float(grid[best] * (_RATIOS[1] / _RATIOS[0]) ** shift)


@lru_cache(maxsize=4096)
def _bounds(curve: DepthWidthCurve, parameters: float, tolerance: float) -> tuple[float, float]:
    optimum = curve.optimum(parameters)
    limit = (1 + tolerance) * float(curve.at(np.asarray(optimum), parameters))
    low = np.append(_RATIOS[(optimum > _RATIOS) & (shallowest(parameters) < _RATIOS)], optimum)
    high = np.insert(_RATIOS[optimum < _RATIOS], 0, optimum)
    below, above = curve.at(low, parameters), curve.at(high, parameters)
    # left of the optimum the loss falls with R, right of it it rises
    return (
        float(np.exp(np.interp(-limit, -below, np.log(low)))),
        float(np.exp(np.interp(limit, above, np.log(high)))),
    )


LossCurve = QuadraticCurve | DepthWidthCurve
FORMS: dict[str, type[LossCurve]] = {"quadratic": QuadraticCurve, "depth-width": DepthWidthCurve}
Draws = tuple[tuple[float, ...], ...]


def excess_of_draws(form: str, draws: Draws, ratio: float, parameters: float) -> Array:
    """The excess of many curves of one form at once, shape (draws,)."""
    coefficients = np.array(draws).T
    if form == "quadratic":
        ln_optimum, curvature = coefficients
        return np.asarray(np.expm1(curvature * (np.log(ratio) - ln_optimum) ** 2))
    best = _optima(draws, parameters)[1]
    here = DepthWidthCurve(*coefficients).at(np.asarray(ratio), parameters)
    return np.asarray(np.maximum(here / best - 1, 0.0))


def optima_of_draws(form: str, draws: Draws, parameters: float) -> Array:
    """The optima of many curves of one form at once, shape (draws,)."""
    if form == "quadratic":
        return np.asarray(np.exp(np.array(draws)[:, 0]))
    return _optima(draws, parameters)[0]


@lru_cache(maxsize=64)
def _optima(draws: Draws, parameters: float) -> tuple[Array, Array]:
    """Best ratio and smallest loss of depth-width curves on the grid of ratios, each of shape (draws,)."""
    grid = _RATIOS[shallowest(parameters) <= _RATIOS]
    loss = DepthWidthCurve(*np.array(draws).T[:, :, None]).at(grid, parameters)
    return grid[loss.argmin(axis=1)], loss.min(axis=1)

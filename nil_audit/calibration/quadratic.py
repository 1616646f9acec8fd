"""From training runs of different shapes to an interval with its uncertainty.

The rule: ln loss = a_N + c (ln R - ln R*)² with one offset a_N a budget, from runs of depth 3 and more; the interval
at tolerance τ is R* exp(± sqrt(ln(1 + τ) / c)); uncertainty by a bootstrap over budgets and residuals
(`fit_quadratic`). Where budgets do not repeat, a_N is a parabola in the logarithm of what is held equal, and the runs
are resampled (`fit_scattered`). Pure functions on a frame of runs with the columns ``depth``, ``width``,
``parameters``, ``loss``, and ``budget`` or ``held_equal``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nil_audit.calibration.regression import Regression, offsets, surface
from nil_audit.errors import DataError
from nil_audit.law.loss_curves import FEWEST_BLOCKS, QuadraticCurve
from nil_audit.stats.estimate import Array, Estimate

COLUMNS = ("depth", "width", "parameters", "loss", "budget")
SCATTERED_COLUMNS = ("depth", "width", "parameters", "loss", "held_equal")
FEWEST_SHAPES = 4  # a budget: three numbers are fitted to each
FEWEST_SCATTERED = 10  # five numbers are fitted to all of them together
CENTRE = -3.5  # ln of a ratio, about which the columns are made, for the arithmetic alone
FARTHEST = 20.0  # |ln R*|: a refit beyond it has no optimum
PARAMETER_SPREAD = 0.15  # largest run of a budget over its smallest, minus 1; beyond it size differs with shape


@dataclass(frozen=True, kw_only=True)
class QuadraticFit:
    """ln loss = a_N + c (ln R - ln R*)², fitted to runs of several budgets.

    Attributes:
        curve: ln R* and c.
        residual: Standard deviation of ln loss about the fit, degrees of freedom taken off.
        runs: Runs used.
        budgets: Budgets used; None where they do not repeat.
        parameters_range: Smallest and largest run, in parameters.
        ratio_range: Smallest and largest ratio.
        draws: Bootstrap refits that have an optimum (c above zero).
        flat_draws: Bootstrap refits that have none.
    """

    curve: QuadraticCurve
    residual: float
    runs: int
    budgets: int | None
    parameters_range: tuple[float, float]
    ratio_range: tuple[float, float]
    draws: tuple[QuadraticCurve, ...]
    flat_draws: int

    def estimate(self, quantity: str, tolerance: float = 0.01) -> Estimate:
        """The "optimum", the "curvature", or an end of the interval ("low", "high"), with its bootstrap interval."""
        read: dict[str, Callable[[QuadraticCurve], float]] = {
            "optimum": lambda curve: curve.optimum(1.0),
            "curvature": lambda curve: curve.curvature,
            "low": lambda curve: curve.bounds(1.0, tolerance)[0],
            "high": lambda curve: curve.bounds(1.0, tolerance)[1],
        }
        of = read[quantity]
        return Estimate.from_draws(of(self.curve), np.array([of(draw) for draw in self.draws]))


def comparable_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Keep the runs that say something about shape at a fixed budget.

    Runs under three blocks are left out, which are another regime (7 to 12% worse), and so are budgets with fewer than
    `FEWEST_SHAPES` shapes or whose parameters spread by more than `PARAMETER_SPREAD`.

    Args:
        runs: One row a run; columns as in `COLUMNS`.

    Raises:
        DataError: A column is missing, a number is not above zero, or nothing is left.
    """
    deep = deep_runs(runs, COLUMNS, positive=COLUMNS[:4])
    groups = deep.groupby("budget")["parameters"]
    spread = groups.transform("max") / groups.transform("min") - 1
    kept = deep[(groups.transform("size") >= FEWEST_SHAPES) & (spread <= PARAMETER_SPREAD)]
    if kept.empty:
        raise DataError(
            f"No budget of the sweep has {FEWEST_SHAPES} shapes of depth {FEWEST_BLOCKS} or more whose parameters"
            f" agree within {PARAMETER_SPREAD:.0%}; add runs."
        )
    return kept


def fit_quadratic(runs: pd.DataFrame, *, draws: int = 200, seed: int = 0) -> QuadraticFit:
    """Fit the rule of this module to comparable runs.

    Args:
        runs: One row a run; columns as in `COLUMNS`.
        draws: Bootstrap refits to keep.
        seed: Of the bootstrap.

    Raises:
        DataError: The runs have no optimum: loss does not rise on both sides of any ratio.
    """
    return fit(runs, repeated(runs, valley(runs)), curve, draws, seed)


def fit_scattered(runs: pd.DataFrame, *, draws: int = 200, seed: int = 0) -> QuadraticFit:
    """Fit the rule to runs none of which share a budget: a_N is a smooth curve in ln of what is held equal.

    It is a parabola; where tokens differ, a cubic in both logarithms. Runs under three blocks are left out. The errors
    are those of a bootstrap over runs.

    Args:
        runs: One row a run; columns as in `SCATTERED_COLUMNS`, ``held_equal`` being what two shapes must have in
            common to be compared: parameters without embeddings, all parameters, or FLOPs; and perhaps ``tokens``.
        draws: Bootstrap refits to keep.
        seed: Of the bootstrap.

    Raises:
        DataError: A column is missing, a number is not above zero, there are too few runs, or they have no optimum.
    """
    deep = deep_runs(runs, SCATTERED_COLUMNS, positive=SCATTERED_COLUMNS)
    regression = scattered(deep, valley(deep))
    if len(deep) < max(FEWEST_SCATTERED, regression.size.shape[1] + 3):
        raise DataError(
            f"The sweep has {len(deep)} runs of depth {FEWEST_BLOCKS} or more where"
            f" {max(FEWEST_SCATTERED, regression.size.shape[1] + 3)} are needed; add runs."
        )
    return fit(deep, regression, curve, draws, seed)


def valley(runs: pd.DataFrame) -> Array:
    """The logarithm of R, about `CENTRE`, and its square: of each run, (n, 2)."""
    x = np.log((runs["depth"] / runs["width"]).to_numpy(float)) - CENTRE
    return np.column_stack([x, x**2])


def repeated(runs: pd.DataFrame, shape: Array) -> Regression:
    """The regression of runs whose ``budget`` says what is comparable, on two columns of shape."""
    budgets = np.asarray(runs.groupby("budget", sort=False).ngroup(), dtype=np.int64)
    return Regression(shape=shape, target=_ln_loss(runs), size=offsets(budgets), budgets=budgets)


def scattered(runs: pd.DataFrame, shape: Array) -> Regression:
    """The regression of runs of which no two share a budget, on two columns of shape."""
    tokens = runs["tokens"].to_numpy(float) if "tokens" in runs else None
    size = surface(runs["held_equal"].to_numpy(float), tokens)
    return Regression(shape=shape, target=_ln_loss(runs), size=size, budgets=None)


def deep_runs(runs: pd.DataFrame, columns: Sequence[str], *, positive: Sequence[str]) -> pd.DataFrame:
    """The runs of three blocks and more, once every column is there and every number above zero.

    Raises:
        DataError: A column is missing, or a number is not above zero.
    """
    if missing := [column for column in columns if column not in runs]:
        raise DataError(f"The sweep lacks the column {missing[0]!r}; it needs {', '.join(columns)}.")
    numbers = runs[list(positive)]
    if not (np.isfinite(numbers) & (numbers > 0)).all(axis=None):
        raise DataError("The sweep has a depth, width, parameter count or loss that is not above zero; correct it.")
    return runs[runs["depth"] >= FEWEST_BLOCKS]


def _ln_loss(runs: pd.DataFrame) -> Array:
    return np.asarray(np.log(runs["loss"].to_numpy(float)))


def fit(
    runs: pd.DataFrame, regression: Regression, read: Callable[[Array], QuadraticCurve | None], draws: int, seed: int
) -> QuadraticFit:
    """The fit of a regression on those runs.

    Args:
        runs: The runs of the regression.
        regression: What is fitted.
        read: The valley that coefficients stand for; None where they have no optimum.
        draws: Bootstrap refits to keep.
        seed: Of the bootstrap.

    Raises:
        DataError: The fit or most refits have no optimum.
    """
    solution = regression.solve()
    found = read(solution.coefficients)
    if found is None:
        raise DataError("The sweep has no optimum: loss does not rise on both sides of any ratio; widen its shapes.")
    kept, flat = _bootstrap(regression, read, draws, np.random.default_rng(seed))
    ratio = runs["depth"] / runs["width"]
    return QuadraticFit(
        curve=found,
        residual=solution.residual,
        runs=len(runs),
        budgets=None if regression.budgets is None else int(regression.budgets.max()) + 1,
        parameters_range=(float(runs["parameters"].min()), float(runs["parameters"].max())),
        ratio_range=(float(ratio.min()), float(ratio.max())),
        draws=kept,
        flat_draws=flat,
    )


def curve(coefficients: Array) -> QuadraticCurve | None:
    """The valley of the coefficients of ln R and its square about `CENTRE`; None where it has no bottom in reach."""
    slope, curvature = coefficients.tolist()
    if not curvature > 0 or abs(ln_optimum := CENTRE - slope / (2 * curvature)) >= FARTHEST:
        return None
    return QuadraticCurve(ln_optimum, curvature)


def _bootstrap(
    regression: Regression,
    read: Callable[[Array], QuadraticCurve | None],
    draws: int,
    random: np.random.Generator,
) -> tuple[tuple[QuadraticCurve, ...], int]:
    kept: list[QuadraticCurve] = []
    flat = 0
    while len(kept) < draws and flat <= draws:
        for one in map(read, regression.bootstrap(draws, random)):
            if len(kept) < draws:
                kept += [one] if one is not None else []
                flat += one is None
    if len(kept) < draws:
        raise DataError("The sweep does not fix an optimum: most bootstrap refits have none; add runs.")
    return tuple(kept), flat

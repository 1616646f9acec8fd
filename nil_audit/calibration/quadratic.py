"""From training runs of different shapes to an interval with its uncertainty.

The rule: ln loss = a_N + c (ln R - ln R*)² with one offset a_N a budget, from runs of depth 3 and more; the interval
at tolerance τ is R* exp(± sqrt(ln(1 + τ) / c)); uncertainty by a bootstrap over budgets and, within each, over runs.
Pure functions on a frame of runs with the columns ``depth``, ``width``, ``parameters``, ``loss``, ``budget``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nil_audit.errors import DataError
from nil_audit.law.loss_curves import FEWEST_BLOCKS, QuadraticCurve
from nil_audit.stats.estimate import Array, Estimate

COLUMNS = ("depth", "width", "parameters", "loss", "budget")
FEWEST_SHAPES = 4  # a budget: three numbers are fitted to each
PARAMETER_SPREAD = 0.15  # largest run of a budget over its smallest, minus 1; beyond it size differs with shape


@dataclass(frozen=True, kw_only=True)
class QuadraticFit:
    """ln loss = a_N + c (ln R - ln R*)², fitted to the runs of several budgets.

    Attributes:
        curve: ln R* and c.
        residual: Standard deviation of ln loss about the fit, degrees of freedom taken off.
        runs: Runs used.
        budgets: Budgets used.
        parameters_range: Smallest and largest run, in parameters.
        ratio_range: Smallest and largest ratio.
        draws: Bootstrap refits that have an optimum (c above zero).
        flat_draws: Bootstrap refits that have none.
    """

    curve: QuadraticCurve
    residual: float
    runs: int
    budgets: int
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
    if missing := [column for column in COLUMNS if column not in runs]:
        raise DataError(f"The sweep lacks the column {missing[0]!r}; it needs {', '.join(COLUMNS)}.")
    numbers = runs[["depth", "width", "parameters", "loss"]]
    if not (np.isfinite(numbers) & (numbers > 0)).all(axis=None):
        raise DataError("The sweep has a depth, width, parameter count or loss that is not above zero; correct it.")
    deep = runs[runs["depth"] >= FEWEST_BLOCKS]
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
    groups = [
        (np.log((group["depth"] / group["width"]).to_numpy(float)), np.log(group["loss"].to_numpy(float)))
        for _, group in runs.groupby("budget")
    ]
    slope, curvature, residual = _least_squares(groups)
    if not curvature > 0:
        raise DataError("The sweep has no optimum: loss does not rise on both sides of any ratio; widen its shapes.")
    kept, flat = _bootstrap(groups, draws, np.random.default_rng(seed))
    ratio = runs["depth"] / runs["width"]
    return QuadraticFit(
        curve=QuadraticCurve(-slope / (2 * curvature), curvature),
        residual=residual,
        runs=len(runs),
        budgets=len(groups),
        parameters_range=(float(runs["parameters"].min()), float(runs["parameters"].max())),
        ratio_range=(float(ratio.min()), float(ratio.max())),
        draws=kept,
        flat_draws=flat,
    )


_Groups = list[tuple[Array, Array]]


def _least_squares(groups: _Groups) -> tuple[float, float, float]:
    """Slope and curvature of ln loss in ln R with an offset a group, and the residual standard deviation.

    The offsets are projected out by centring each group (Frisch-Waugh).
    """
    design = np.concatenate([np.column_stack([x - x.mean(), x**2 - (x**2).mean()]) for x, _ in groups])
    target = np.concatenate([y - y.mean() for _, y in groups])
    (slope, curvature), *_ = np.linalg.lstsq(design, target, rcond=None)
    freedom = max(len(target) - len(groups) - 2, 1)
    residual = float(np.sqrt(np.sum((target - design @ [slope, curvature]) ** 2) / freedom))
    return float(slope), float(curvature), residual


def _bootstrap(groups: _Groups, draws: int, random: np.random.Generator) -> tuple[tuple[QuadraticCurve, ...], int]:
    kept: list[QuadraticCurve] = []
    flat = 0
    while len(kept) < draws and flat <= draws:
        resample: _Groups = []
        for index in random.integers(len(groups), size=len(groups)):
            x, y = groups[index]
            rows = random.integers(len(x), size=len(x))
            resample.append((x[rows], y[rows]))
        slope, curvature, _ = _least_squares(resample)
        if curvature > 0:
            kept.append(QuadraticCurve(-slope / (2 * curvature), curvature))
        else:
            flat += 1
    if len(kept) < draws:
        raise DataError("The sweep does not fix an optimum: most bootstrap refits have none; add runs.")
    return tuple(kept), flat

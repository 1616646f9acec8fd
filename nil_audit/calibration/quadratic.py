"""From training runs of different shapes to an interval with its uncertainty.

The rule: ln loss = a_N + c (ln R - ln R*)² with one offset a_N a budget, from runs of depth 3 and more; the interval
at tolerance τ is R* exp(± sqrt(ln(1 + τ) / c)); uncertainty by a bootstrap over budgets and, within each, over runs
(`fit_quadratic`). Where budgets do not repeat, a_N is a parabola in the logarithm of what is held equal, and the runs
are resampled (`fit_scattered`). Pure functions on a frame of runs with the columns ``depth``, ``width``,
``parameters``, ``loss``, and ``budget`` or ``held_equal``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nil_audit.errors import DataError
from nil_audit.law.loss_curves import FEWEST_BLOCKS, QuadraticCurve
from nil_audit.stats.estimate import Array, Estimate

COLUMNS = ("depth", "width", "parameters", "loss", "budget")
SCATTERED_COLUMNS = ("depth", "width", "parameters", "loss", "held_equal")
FEWEST_SHAPES = 4  # a budget: three numbers are fitted to each
FEWEST_SCATTERED = 10  # five numbers are fitted to all of them together
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
    deep = _deep_runs(runs, COLUMNS, positive=COLUMNS[:4])
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

    def resample(random: np.random.Generator) -> _Fit:
        chosen: _Groups = []
        for index in random.integers(len(groups), size=len(groups)):
            x, y = groups[index]
            rows = random.integers(len(x), size=len(x))
            chosen.append((x[rows], y[rows]))
        return _least_squares(chosen)

    return _fitted(runs, _least_squares(groups), resample, budgets=len(groups), draws=draws, seed=seed)


def fit_scattered(runs: pd.DataFrame, *, draws: int = 200, seed: int = 0) -> QuadraticFit:
    """Fit the rule to runs none of which share a budget: a_N is a parabola in ln of what is held equal.

    Runs under three blocks are left out. The errors are those of a bootstrap over runs.

    Args:
        runs: One row a run; columns as in `SCATTERED_COLUMNS`, ``held_equal`` being what two shapes must have in
            common to be compared: parameters without embeddings, all parameters, or FLOPs.
        draws: Bootstrap refits to keep.
        seed: Of the bootstrap.

    Raises:
        DataError: A column is missing, a number is not above zero, there are too few runs, or they have no optimum.
    """
    deep = _deep_runs(runs, SCATTERED_COLUMNS, positive=SCATTERED_COLUMNS)
    if len(deep) < FEWEST_SCATTERED:
        raise DataError(
            f"The sweep has {len(deep)} runs of depth {FEWEST_BLOCKS} or more where {FEWEST_SCATTERED} are needed;"
            " add runs."
        )
    size, ratio = (np.log(values.to_numpy(float)) for values in (deep["held_equal"], deep["depth"] / deep["width"]))
    size = (size - size.mean()) / (size.std() or 1.0)
    design = np.column_stack([np.ones(len(deep)), size, size**2, ratio, ratio**2])
    target = np.log(deep["loss"].to_numpy(float))

    def solved(rows: NDArray[np.int64]) -> _Fit:
        solution, *_ = np.linalg.lstsq(design[rows], target[rows], rcond=None)
        misfit = target[rows] - design[rows] @ solution
        return float(solution[-2]), float(solution[-1]), _spread(misfit, len(rows) - design.shape[1])

    return _fitted(
        deep,
        solved(np.arange(len(deep))),
        lambda random: solved(random.integers(len(deep), size=len(deep))),
        budgets=None,
        draws=draws,
        seed=seed,
    )


_Groups = list[tuple[Array, Array]]
_Fit = tuple[float, float, float]  # slope and curvature of ln loss in ln R, residual standard deviation


def _deep_runs(runs: pd.DataFrame, columns: Sequence[str], *, positive: Sequence[str]) -> pd.DataFrame:
    """The runs of three blocks and more, once every column is there and every number above zero."""
    if missing := [column for column in columns if column not in runs]:
        raise DataError(f"The sweep lacks the column {missing[0]!r}; it needs {', '.join(columns)}.")
    numbers = runs[list(positive)]
    if not (np.isfinite(numbers) & (numbers > 0)).all(axis=None):
        raise DataError("The sweep has a depth, width, parameter count or loss that is not above zero; correct it.")
    return runs[runs["depth"] >= FEWEST_BLOCKS]


def _fitted(
    runs: pd.DataFrame,
    fit: _Fit,
    resample: Callable[[np.random.Generator], _Fit],
    *,
    budgets: int | None,
    draws: int,
    seed: int,
) -> QuadraticFit:
    slope, curvature, residual = fit
    if not curvature > 0:
        raise DataError("The sweep has no optimum: loss does not rise on both sides of any ratio; widen its shapes.")
    kept, flat = _bootstrap(resample, draws, np.random.default_rng(seed))
    ratio = runs["depth"] / runs["width"]
    return QuadraticFit(
        curve=QuadraticCurve(-slope / (2 * curvature), curvature),
        residual=residual,
        runs=len(runs),
        budgets=budgets,
        parameters_range=(float(runs["parameters"].min()), float(runs["parameters"].max())),
        ratio_range=(float(ratio.min()), float(ratio.max())),
        draws=kept,
        flat_draws=flat,
    )


def _least_squares(groups: _Groups) -> _Fit:
    """The fit with an offset a group; the offsets are projected out by centring each group (Frisch-Waugh)."""
    design = np.concatenate([np.column_stack([x - x.mean(), x**2 - (x**2).mean()]) for x, _ in groups])
    target = np.concatenate([y - y.mean() for _, y in groups])
    (slope, curvature), *_ = np.linalg.lstsq(design, target, rcond=None)
    misfit = target - design @ [slope, curvature]
    return float(slope), float(curvature), _spread(misfit, len(target) - len(groups) - 2)


def _spread(misfit: Array, freedom: int) -> float:
    return float(np.sqrt(np.sum(misfit**2) / max(freedom, 1)))


def _bootstrap(
    resample: Callable[[np.random.Generator], _Fit], draws: int, random: np.random.Generator
) -> tuple[tuple[QuadraticCurve, ...], int]:
    kept: list[QuadraticCurve] = []
    flat = 0
    while len(kept) < draws and flat <= draws:
        slope, curvature, _ = resample(random)
        if curvature > 0:
            kept.append(QuadraticCurve(-slope / (2 * curvature), curvature))
        else:
            flat += 1
    if len(kept) < draws:
        raise DataError("The sweep does not fix an optimum: most bootstrap refits have none; add runs.")
    return tuple(kept), flat

"""The out-of-sample test: fitted on the smaller budgets, asked which shapes of the larger are within tolerance."""

import numpy as np
import pandas as pd

from nil_audit.calibration.comparable import Comparable
from nil_audit.calibration.quadratic import FEWEST_SCATTERED, QuadraticFit, curve
from nil_audit.calibration.result import HeldOut, HeldOutBudget
from nil_audit.calibration.valley import fit_valley
from nil_audit.errors import DataError
from nil_audit.stats.estimate import Array

_DRAWS = 20
_FEWEST_BUDGETS = 2  # that are fitted


def held_out(one: Comparable, *, within: float, seed: int) -> HeldOut | None:
    """Fit the smaller half of the budgets, or of the runs where budgets do not repeat, and ask about the others.

    A shape of a larger budget is within tolerance where its loss is, of the lowest point of that budget's own valley
    (among its ratios). Only ratios are asked about: what size does to the loss is that budget's own.

    Args:
        one: The runs.
        within: The tolerance.
        seed: Of the bootstrap, of which nothing is used but that there is an optimum.

    Returns:
        What came of it; None where there are fewer than three budgets (or 20 runs), or the smaller have no optimum.
    """
    runs = one.used.sort_values("held_equal", kind="stable")
    if one.repeated:
        sizes = runs.groupby("budget")["parameters"].mean().sort_values(kind="stable")
        names = [str(name) for name in sizes.index]
        count = max(len(names) // 2, _FEWEST_BUDGETS)
        small, large = names[:count], names[count:]
        smaller = runs["budget"].isin(small)
    else:
        count = len(runs) // 2
        small, large = [f"{count} smaller runs"], [f"{len(runs) - count} larger runs"]
        smaller = pd.Series(np.arange(len(runs)) < count, index=runs.index)
    if not large or (not one.repeated and len(runs) < 2 * FEWEST_SCATTERED):
        return None
    try:
        fit, _ = fit_valley(_part(one, runs[smaller]), draws=_DRAWS, seed=seed)
        budgets = [
            _asked(name, group, _part(one, group), fit, within)
            for name, group in (
                [(name, runs[runs["budget"] == name]) for name in large]
                if one.repeated
                else [(large[0], runs[~smaller])]
            )
        ]
    except DataError:
        return None
    low, high = fit.curve.bounds(1.0, within)
    return HeldOut(
        fitted=tuple(small),
        largest=float(runs.loc[smaller, "parameters"].max()),
        optimum=fit.curve.optimum(1.0),
        low=low,
        high=high,
        budgets=tuple(budgets),
    )


def _part(one: Comparable, runs: pd.DataFrame) -> Comparable:
    return Comparable(runs=runs, match=one.match, repeated=one.repeated)


def _asked(name: str, runs: pd.DataFrame, part: Comparable, fit: QuadraticFit, within: float) -> HeldOutBudget:
    excess = _above_floor(part)
    ratio = (runs["depth"] / runs["width"]).to_numpy(float)
    low, high = fit.curve.bounds(1.0, within)
    called = (low <= ratio) & (ratio <= high)
    inside = excess <= np.log1p(within)
    best = int(excess.argmin())
    advised = int(np.abs(np.log(ratio / fit.curve.optimum(1.0))).argmin())
    return HeldOutBudget(
        budget=name,
        parameters=float(np.exp(np.log(runs["parameters"]).mean())),
        shapes=len(runs),
        right=int((called == inside).sum()),
        within=int(inside.sum()),
        called=int(called.sum()),
        best=float(ratio[best]),
        advised=float(ratio[advised]),
        forgone=float(excess[advised] - excess[best]),
        spread=float(excess.max() - excess[best]),
    )


def _above_floor(part: Comparable) -> Array:
    """Of the runs, ln loss above the lowest point among their ratios of their own valley, or slope, (runs,)."""
    regression = part.regression()
    found = regression.solve()
    slope, curvature = found.coefficients
    x = regression.shape[:, 0]
    ends = [x.min(), x.max()]
    if curve(found.coefficients) is not None:
        ends = [float(np.clip(-slope / (2 * curvature), *ends))]
    return np.asarray(regression.target - found.size - min(slope * end + curvature * end**2 for end in ends))

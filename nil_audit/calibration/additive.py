"""The additive form beside the valley: ln loss = a_N + c_m / d + c_l / L, and which of the two fits better.

Along L d² = constant its loss is smallest at R* = 2 c_l / c_m, whatever the budget.
"""

import numpy as np
import pandas as pd

from nil_audit.calibration.comparable import Comparable
from nil_audit.calibration.quadratic import valley
from nil_audit.calibration.result import FormFit
from nil_audit.stats.estimate import LEVEL, Array, Estimate

_FEWEST = 0.5  # share of refits that must have an optimum for it to have an interval


def form_fits(one: Comparable, optimum: Estimate | None, *, draws: int, seed: int) -> tuple[FormFit, FormFit]:
    """The quadratic and the additive form on the same runs, with the error and Akaike's criterion of each.

    Args:
        one: The runs.
        optimum: Of the quadratic form; None where it has none within the sweep.
        draws: Bootstrap refits of the additive form.
        seed: Of the bootstrap.
    """
    quadratic = one.regression(valley).solve()
    regression = one.regression(_reciprocals)
    additive = regression.solve()
    return (
        FormFit(form="quadratic", error=quadratic.residual, aic=quadratic.aic, optimum=optimum),
        FormFit(
            form="additive",
            error=additive.residual,
            aic=additive.aic,
            optimum=_optimum(additive.coefficients, regression.bootstrap(draws, np.random.default_rng(seed))),
        ),
    )


def _optimum(coefficients: Array, refits: Array) -> Estimate | None:
    """R* = 2 c_l / c_m, where both are above zero; refits where they are not lie at 0 (c_l) or infinity (c_m)."""
    if not (coefficients > 0).all():
        return None
    valid = refits[(refits > 0).any(axis=1)]
    found = float(2 * coefficients[1] / coefficients[0])
    if len(valid) < _FEWEST * len(refits):
        return Estimate(value=found)
    deeper = 2 * np.maximum(valid[:, 1], 0)
    drawn = np.divide(deeper, valid[:, 0], out=np.full(len(valid), np.inf), where=valid[:, 0] > 0)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest").tolist()
    return Estimate(value=found, low=min(low, found), high=max(high, found) if np.isfinite(high) else None)


def _reciprocals(runs: pd.DataFrame) -> Array:
    """1/d and 1/L of each run, (n, 2)."""
    return np.column_stack([1 / runs["width"].to_numpy(float), 1 / runs["depth"].to_numpy(float)])

"""The valley of a sweep, also where its bottom lies beyond the sweep's own shapes: then a bound."""

import numpy as np

from nil_audit.calibration.comparable import Comparable
from nil_audit.calibration.quadratic import CENTRE, QuadraticFit, curve, fit
from nil_audit.calibration.result import Bound
from nil_audit.errors import DataError
from nil_audit.law.loss_curves import QuadraticCurve
from nil_audit.stats.estimate import Array, Estimate


def fit_valley(one: Comparable, *, draws: int, seed: int) -> tuple[QuadraticFit, Bound]:
    """Fit the valley; where its bottom is not among the ratios tried, fit it with the bottom at the nearest of them.

    Args:
        one: The runs.
        draws: Bootstrap refits to keep.
        seed: Of the bootstrap.

    Returns:
        The fit, and which side of the ratios tried the optimum lies beyond: "" where it lies among them.

    Raises:
        DataError: Loss falls towards both ends, or the refits do not agree that there is an optimum.
    """
    regression = one.regression()
    x = np.log((one.used["depth"] / one.used["width"]).to_numpy(float))
    ends = (float(x.min()), float(x.max()))
    edge = beyond(regression.solve().coefficients, ends)
    if not edge:
        return fit(one.used, regression, curve, draws, seed), ""
    end = ends[edge == "deeper"]

    def away(runs: object) -> Array:
        return np.column_stack([np.zeros(len(x)), (x - end) ** 2])

    def read(coefficients: Array) -> QuadraticCurve | None:
        return QuadraticCurve(end, float(coefficients[1])) if coefficients[1] > 0 else None

    return fit(one.used, one.regression(away), read, draws, seed), edge


def beyond(coefficients: Array, ends: tuple[float, float]) -> Bound:
    """Which side of a range of ln R the smallest loss lies beyond, "" where inside.

    Raises:
        DataError: Loss falls towards both ends of the range.
    """
    found = curve(coefficients)
    if found is not None:
        return "deeper" if found.ln_optimum > ends[1] else "wider" if found.ln_optimum < ends[0] else ""
    slopes = [coefficients[0] + 2 * coefficients[1] * (end - CENTRE) for end in ends]
    if slopes[0] > 0 > slopes[1]:
        raise DataError(
            "The sweep has no optimum: loss falls towards both its shallowest and its deepest shapes; check its losses,"
            " add shapes, or, where depth and width hardly vary apart, fit --form depth-width."
        )
    return "deeper" if slopes[0] + slopes[1] < 0 else "wider"


def optimum(found: QuadraticFit, edge: Bound) -> Estimate:
    """R* with its bootstrap interval; where it is a bound, the ratio that it lies beyond and one end alone."""
    if not edge:
        return found.estimate("optimum")
    value = found.curve.optimum(1.0)
    return Estimate(value=value, low=value) if edge == "deeper" else Estimate(value=value, high=value)

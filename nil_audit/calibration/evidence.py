"""From the runs of a study to what each of its budgets says of a valley, and to the regret of each run."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nil_audit.calibration.quadratic import FEWEST_SCATTERED, comparable_runs
from nil_audit.calibration.regression import Regression, Solution, surface
from nil_audit.errors import DataError
from nil_audit.law.loss_curves import FEWEST_BLOCKS
from nil_audit.stats.estimate import Array

if TYPE_CHECKING:
    import pandas as pd

CENTRE = math.log(0.03)
"""Ratios are read as ln R - ln 0.03, about which the coefficients are given."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What one budget (or a study without repeated budgets) says of its valley.

    Attributes:
        study: The study that it is of.
        budget: What the budget is called.
        parameters: Its size: the geometric mean of its runs.
        coefficients: Least-squares coefficients of x and x², x = ln R - ln 0.03, in nats of ln loss.
        covariance: Of the two, (2, 2), row by row.
    """

    study: str
    budget: str
    parameters: float
    coefficients: tuple[float, float]
    covariance: tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class StudyEvidence:
    """A study as the pool takes it.

    Attributes:
        study: Its name.
        evidence: One for each budget, or one of all runs where budgets do not repeat.
        residual: Standard deviation of ln loss about these fits, degrees of freedom taken off.
        parameters_range: Smallest and largest run.
        ratio_range: Smallest and largest ratio.
    """

    study: str
    evidence: tuple[Evidence, ...]
    residual: float
    parameters_range: tuple[float, float]
    ratio_range: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class RunRegrets:
    """The regret of the runs of a study, by its own fits: each array of shape (runs,).

    Attributes:
        ratio: Depth / width.
        parameters: Of the run.
        regret: What it lost over the floor of its own budget's fit, in nats of ln loss, noise included.
    """

    ratio: Array
    parameters: Array
    regret: Array


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    budget: str
    parameters: Array
    x: Array
    solution: Solution


def study_evidence(study: str, runs: "pd.DataFrame") -> tuple[StudyEvidence, RunRegrets]:
    """What a study's budgets say, each by least squares of ln loss on ln R and its square, and what its runs lost.

    Args:
        study: What it is called.
        runs: One row a run: ``depth``, ``width``, ``parameters``, ``loss``; and ``budget`` where budgets repeat (their
            runs agree in ``held_equal``, else in parameters), or ``held_equal`` and perhaps ``tokens`` where they do
            not. Depths under three are left out.

    Raises:
        DataError: A column is missing, a number is not above zero, or there are too few runs.
    """
    fits = list(_budgets(runs) if "budget" in runs else _scattered(study, runs))
    freedom = sum(one.solution.freedom for one in fits)
    variance = sum(float(one.solution.residuals @ one.solution.residuals) for one in fits) / freedom
    parameters, x = (np.concatenate([getattr(one, name) for one in fits]) for name in ("parameters", "x"))
    ratio = np.exp(x + CENTRE)
    found = StudyEvidence(
        study=study,
        evidence=tuple(_evidence(study, one, variance) for one in fits),
        residual=float(np.sqrt(variance)),
        parameters_range=(float(parameters.min()), float(parameters.max())),
        ratio_range=(float(ratio.min()), float(ratio.max())),
    )
    regret = np.concatenate([_above_floor(one) for one in fits])
    return found, RunRegrets(ratio=ratio, parameters=parameters, regret=regret)


def _evidence(study: str, fit: _Fitted, variance: float) -> Evidence:
    slope, curvature = fit.solution.coefficients.tolist()
    (a, b), (c, d) = (variance * fit.solution.covariance).tolist()
    return Evidence(
        study=study,
        budget=fit.budget,
        parameters=float(np.exp(np.log(fit.parameters).mean())),
        coefficients=(slope, curvature),
        covariance=((a, b), (c, d)),
    )


def _budgets(runs: "pd.DataFrame") -> Iterator[_Fitted]:
    runs = runs.reset_index(drop=True)
    equal = runs["held_equal"] if "held_equal" in runs else runs["parameters"]
    alike = runs.loc[comparable_runs(runs.assign(parameters=equal)).index]
    groups = [(str(budget), group) for budget, group in alike.groupby("budget")]
    for budget, group in sorted(groups, key=lambda one: one[1]["parameters"].mean()):
        yield _least_squares(budget, group, np.ones((len(group), 1)))


def _scattered(study: str, runs: "pd.DataFrame") -> Iterator[_Fitted]:
    deep = runs[runs["depth"] >= FEWEST_BLOCKS]
    tokens = deep["tokens"].to_numpy(float) if "tokens" in deep else None
    size = surface(deep["held_equal"].to_numpy(float), tokens)
    if len(deep) < max(FEWEST_SCATTERED, size.shape[1] + 3):
        raise DataError(f"The {len(deep)} runs of {study!r} are too few for a surface of size and shape; add runs.")
    yield _least_squares("all", deep, size)


def _least_squares(budget: str, runs: "pd.DataFrame", size: Array) -> _Fitted:
    x = np.log((runs["depth"] / runs["width"]).to_numpy(float)) - CENTRE
    target = np.log(runs["loss"].to_numpy(float))
    regression = Regression(shape=np.column_stack([x, x**2]), target=target, size=size, budgets=None)
    return _Fitted(budget=budget, parameters=runs["parameters"].to_numpy(float), x=x, solution=regression.solve())


def _above_floor(fit: _Fitted) -> Array:
    """What each run lost over the smallest loss of its fit among the ratios tried, a third of a nat to either side."""
    slope, curvature = fit.solution.coefficients
    floor = np.clip(-slope / (2 * curvature), fit.x.min() - 1 / 3, fit.x.max() + 1 / 3) if curvature > 0 else None
    ends = [fit.x.min(), fit.x.max()] if floor is None else [floor]
    lowest = min(slope * end + curvature * end**2 for end in ends)
    return np.asarray(slope * fit.x + curvature * fit.x**2 - lowest + fit.solution.residuals)

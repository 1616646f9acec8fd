"""The efficient interval: what each of four studies says of a depth-width ratio, with how sure it is.

Each study is one file in ``intervals/``: its fit, the interval that follows from it by the stated rule, where the
runs came from and what was done to them, and the bootstrap draws from which every error here is taken. What they say
together is `nil_audit.law.pooled`.
"""

import json
import math
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from nil_audit.errors import DataError
from nil_audit.law.interval_file import trouble
from nil_audit.law.loss_curves import (
    FORMS,
    UNKNOWN_BUDGET,
    Draws,
    LossCurve,
    excess_of_draws,
    optima_of_draws,
    shallowest,
)
from nil_audit.stats.estimate import Array, Estimate

DEFAULT = "law"
"""The study whose interval distances are taken to, and whose optimum a comparison tests."""

_SHIPPED = (DEFAULT, "morph", "chinchilla", "gemstones")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Ratios within a tolerance of the best shape of a budget.

    Attributes:
        low: Smallest ratio, in blocks per channel.
        high: Largest ratio.
        optimum: The ratio of the smallest loss.
    """

    low: float
    high: float
    optimum: float

    def holds(self, ratio: float) -> bool:
        """Whether the ratio lies inside, the ends included."""
        return self.low <= ratio <= self.high


@dataclass(frozen=True, kw_only=True)
class Extrapolation:
    """By which factors a budget and a ratio lie outside the runs that a study was fitted on.

    Attributes:
        parameters: The budget over the largest fitted one where it is above, over the smallest where it is below, 1
            inside; None where the budget is not known and the study is read at 1B.
        ratio: The same of the ratio.
        under_three_blocks: Whether the shape has under three blocks at this budget where the form diverges there: the
            excess is at least what is predicted.
    """

    parameters: float | None
    ratio: float
    under_three_blocks: bool


@dataclass(frozen=True, kw_only=True)
class Study:
    """One study of loss against shape at fixed budget.

    Attributes:
        name: "law", "morph", "chinchilla" or "gemstones", or what a file of one's own is called.
        title: What it is, in a line.
        source: Paper, data and address.
        tolerance: τ, the relative excess loss that the interval allows.
        form: Name of the loss curve (see `nil_audit.law.loss_curves`).
        coefficients: Its coefficients, in the curve's order.
        parameters_range: Smallest and largest budget of the fit, in parameters.
        ratio_range: Smallest and largest ratio of the fit.
        residual: Standard deviation of ln loss about the fit: what two runs differ by for reasons other than shape.
        draws: Coefficients of bootstrap refits, one tuple a draw.
    """

    name: str
    title: str
    source: str
    tolerance: float
    form: str
    coefficients: tuple[float, ...]
    parameters_range: tuple[float, float]
    ratio_range: tuple[float, float]
    residual: float
    draws: Draws

    @property
    def curve(self) -> LossCurve:
        """The fitted loss curve."""
        return FORMS[self.form](*self.coefficients)

    def interval(self, parameters: float | None = None) -> Interval:
        """The interval at a budget of total parameters (at 1B where it is not known)."""
        budget = parameters or UNKNOWN_BUDGET
        low, high = self.curve.bounds(budget, self.tolerance)
        return Interval(low=low, high=high, optimum=self.curve.optimum(budget))

    def optimum(self, parameters: float | None = None) -> Estimate:
        """The ratio of the smallest loss at a budget, with its 95% bootstrap interval."""
        budget = parameters or UNKNOWN_BUDGET
        return Estimate.from_draws(self.curve.optimum(budget), optima_of_draws(self.form, self.draws, budget))

    def excess(self, ratio: float, parameters: float | None = None) -> Estimate:
        """Relative excess loss of a ratio over the best shape of the same budget (at 1B where it is not known).

        Raises:
            ValueError: The ratio is not above zero.
        """
        draws = self.excess_draws(ratio, parameters)
        return Estimate.from_draws(self.curve.excess(ratio, parameters or UNKNOWN_BUDGET), draws)

    def excess_draws(self, ratio: float, parameters: float | None = None) -> Array:
        """The relative excess loss under every bootstrap draw, shape (draws,).

        Raises:
            ValueError: The ratio is not above zero.
        """
        if not ratio > 0:
            raise ValueError(f"a depth-width ratio is above zero, not {ratio}")
        return excess_of_draws(self.form, self.draws, ratio, parameters or UNKNOWN_BUDGET)

    def change(self, ratio: float, other: float, parameters: float | None = None) -> Estimate:
        """Relative change in loss from going to the ratio ``other`` at the same budget: below zero is better.

        Both ratios are read on the same bootstrap draw, so the interval is that of the difference.
        """
        draws = (1 + self.excess_draws(other, parameters)) / (1 + self.excess_draws(ratio, parameters)) - 1
        budget = parameters or UNKNOWN_BUDGET
        value = (1 + self.curve.excess(other, budget)) / (1 + self.curve.excess(ratio, budget)) - 1
        return Estimate.from_draws(value, draws)

    def extrapolation(self, ratio: float, parameters: float | None = None) -> Extrapolation:
        """By which factors a budget and a ratio lie outside the runs of the fit."""
        return Extrapolation(
            parameters=None if parameters is None else factor_outside(parameters, self.parameters_range),
            ratio=factor_outside(ratio, self.ratio_range),
            under_three_blocks=self.form == "depth-width" and ratio < shallowest(parameters or UNKNOWN_BUDGET),
        )


@lru_cache(maxsize=1)
def studies() -> tuple[Study, ...]:
    """Every shipped study: law (the default for `distance`), morph, chinchilla, gemstones."""
    folder = resources.files("nil_audit.law") / "intervals"
    return tuple(_study(json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))) for name in _SHIPPED)


def study(name_or_path: str | Path) -> Study:
    """One of `studies` by its name, or a study of one's own from a file of the same format.

    Args:
        name_or_path: "law", "morph", "chinchilla" or "gemstones"; or the path of a JSON file with the fields of
            `Study`, as `scripts/fit_intervals.py` writes them.

    Raises:
        DataError: There is no such study or file, or a field of it is missing or not what it should be.
    """
    shipped = {one.name: one for one in studies()}
    if found := shipped.get(str(name_or_path)):
        return found
    either = f"give {', '.join(shipped)}, or an interval file of the same format as theirs"
    path = Path(name_or_path)
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"There is no study or file {str(path)!r}; {either}.") from None
    except (OSError, ValueError, RecursionError):
        raise DataError(f"The interval file {str(path)!r} cannot be read as JSON; {either}.") from None
    if wrong := trouble(document):
        raise DataError(f"The interval file {str(path)!r} {wrong}; {either}.")
    made = _study(document)
    if made != shipped.get(made.name, made):
        raise DataError(
            f"The interval file {str(path)!r} is named {made.name!r} as a shipped study is; name it otherwise, or"
            f" {either}."
        )
    return made


def distance(ratio: float, interval: Interval) -> float:
    """Signed distance from an interval, in nats of ratio.

    0 inside; ln R - ln high above (too deep and narrow, positive); ln R - ln low below (too shallow and wide,
    negative).
    """
    if ratio > interval.high:
        return math.log(ratio / interval.high)
    if ratio < interval.low:
        return math.log(ratio / interval.low)
    return 0.0


def factor_outside(value: float, limits: tuple[float, float]) -> float:
    """A value over the limit that it lies beyond; 1 between the two."""
    low, high = limits
    return value / high if value > high else value / low if value < low else 1.0


def _study(document: dict[str, Any]) -> Study:
    return Study(**{one.name: _frozen(document[one.name]) for one in fields(Study)})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value

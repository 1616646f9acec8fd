"""The efficient interval: what three studies say of a depth-width ratio, with how sure they are.

Each study is one file in ``intervals/``: its fit, the interval that follows from it by the stated rule, where the
runs came from, and the bootstrap draws from which every interval here is taken. `distance` and `verdict` are the
definitions that the rest of the package prints.
"""

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from nil_audit.law.loss_curves import (
    UNKNOWN_BUDGET,
    LossCurve,
    curve,
    excess_of_draws,
    optima_of_draws,
    shallowest,
)

_NAMES = ("law", "morph", "chinchilla")


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
class Excess:
    """A predicted relative difference in loss, with its 95% bootstrap interval.

    Attributes:
        value: Prediction of the study's fit (0.01 is 1% of the loss).
        low: 2.5th percentile over the study's bootstrap draws, or ``value`` where that is smaller.
        high: 97.5th percentile, or ``value`` where that is larger.
        words: How far the budget and the ratio lie outside what the study was fitted on.
    """

    value: float
    low: float
    high: float
    words: str


@dataclass(frozen=True, kw_only=True)
class Study:
    """One study of loss against shape at fixed budget.

    Attributes:
        name: "law", "morph" or "chinchilla".
        title: What it is, in a line.
        source: Paper, data and address.
        history: What was done to it, oldest first.
        rule: How the interval follows from the runs.
        tolerance: τ, the relative excess loss that the interval allows.
        form: Name of the loss curve (see `nil_audit.law.loss_curves`).
        coefficients: Its coefficients, in the curve's order.
        parameters_range: Smallest and largest budget of the fit, in parameters.
        ratio_range: Smallest and largest ratio of the fit.
        runs: Training runs behind the fit.
        residual: Standard deviation of ln loss about the fit: what two runs differ by for reasons other than shape.
        draws: Coefficients of bootstrap refits, one tuple a draw.
        document: The whole file, for what a reader wants beyond these.
    """

    name: str
    title: str
    source: str
    history: tuple[str, ...]
    rule: str
    tolerance: float
    form: str
    coefficients: tuple[float, ...]
    parameters_range: tuple[float, float]
    ratio_range: tuple[float, float]
    runs: int
    residual: float
    draws: tuple[tuple[float, ...], ...]
    document: dict[str, Any]

    @property
    def curve(self) -> LossCurve:
        """The fitted loss curve."""
        return curve(self.form, self.coefficients)

    def interval(self, parameters: float | None = None) -> Interval:
        """The interval at a budget of total parameters (at 1B where it is not known)."""
        budget = parameters or UNKNOWN_BUDGET
        low, high = self.curve.bounds(budget, self.tolerance)
        return Interval(low=low, high=high, optimum=self.curve.optimum(budget))

    def optimum_interval(self, parameters: float | None = None) -> tuple[float, float]:
        """95% bootstrap interval of the optimum at a budget."""
        budget = parameters or UNKNOWN_BUDGET
        low, high = np.percentile(optima_of_draws(self.form, self.draws, budget), [2.5, 97.5])
        return float(low), float(high)

    def excess(self, ratio: float, parameters: float | None = None) -> Excess:
        """Relative excess loss of a ratio over the best shape of the same budget (at 1B where it is not known).

        Raises:
            ValueError: The ratio is not above zero.
        """
        draws = self.excess_draws(ratio, parameters)
        value = self.curve.excess(ratio, parameters or UNKNOWN_BUDGET)
        return self._with_interval(value, draws, self.reach(ratio, parameters))

    def excess_draws(self, ratio: float, parameters: float | None = None) -> np.ndarray:
        """The relative excess loss under every bootstrap draw, shape (draws,).

        Raises:
            ValueError: The ratio is not above zero.
        """
        if not ratio > 0:
            raise ValueError(f"a depth-width ratio is above zero, not {ratio}")
        return excess_of_draws(self.form, self.draws, ratio, parameters or UNKNOWN_BUDGET)

    def change(self, ratio: float, other: float, parameters: float | None = None) -> Excess:
        """Relative change in loss from going to the ratio ``other`` at the same budget: below zero is better.

        Both ratios are read on the same bootstrap draw, so the interval is that of the difference.
        """
        draws = (1 + self.excess_draws(other, parameters)) / (1 + self.excess_draws(ratio, parameters)) - 1
        budget = parameters or UNKNOWN_BUDGET
        value = (1 + self.curve.excess(other, budget)) / (1 + self.curve.excess(ratio, budget)) - 1
        return self._with_interval(value, draws, self.reach(other, parameters))

    def reach(self, ratio: float, parameters: float | None) -> str:
        """How far a budget and a ratio lie outside the runs of the fit, in words."""
        if parameters is None:
            budget = "budget unknown, read at 1B parameters"
        else:
            budget = _outside(parameters, self.parameters_range, "fitted budgets", "budget")
        words = [budget, _outside(ratio, self.ratio_range, "fitted ratios", "ratio")]
        if self.form == "depth-width" and ratio < shallowest(parameters or UNKNOWN_BUDGET):
            words.append("under three blocks at this budget, so the excess is at least this")
        return "; ".join(words)

    @staticmethod
    def _with_interval(value: float, draws: np.ndarray, words: str) -> Excess:
        low, high = np.percentile(draws, [2.5, 97.5])
        return Excess(value=value, low=min(float(low), value), high=max(float(high), value), words=words)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the shipped studies together say of a shape.

    Attributes:
        label: "inside" when all studies put it within their tolerance of the best shape of its budget, "disputed"
            when some do, "outside" when none does.
        distance: To the law's interval, in nats of ratio; see `distance`.
        within: Names of the studies that put it within the tolerance.
        without: Names of the others.
        words: One sentence that names which say what.
    """

    label: str
    distance: float
    within: tuple[str, ...]
    without: tuple[str, ...]
    words: str


@lru_cache(maxsize=1)
def studies() -> tuple[Study, ...]:
    """The shipped studies: law (the default for `distance`), morph, chinchilla."""
    folder = resources.files("nil_audit.law") / "intervals"
    return tuple(_study(json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))) for name in _NAMES)


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


def verdict(ratio: float, parameters: float | None = None) -> Verdict:
    """Count the studies that put a ratio within 1% of the best shape of its budget.

    Args:
        ratio: Depth / width, in blocks per channel.
        parameters: Total parameters; None reads the studies at 1B.
    """
    intervals = {study.name: study.interval(parameters) for study in studies()}
    within = tuple(name for name, interval in intervals.items() if interval.holds(ratio))
    without = tuple(name for name in intervals if name not in within)
    label = "outside" if not within else "disputed" if without else "inside"
    return Verdict(
        label=label,
        distance=distance(ratio, intervals["law"]),
        within=within,
        without=without,
        words=_verdict_words(ratio, within, {name: intervals[name] for name in without}),
    )


def _verdict_words(ratio: float, within: tuple[str, ...], without: dict[str, Interval]) -> str:
    if not without:
        return f"all of {_listing(within)} put it within 1% of the best shape of its budget"
    against = _listing(
        tuple(
            f"{name} calls it too {'deep' if ratio > interval.high else 'shallow'}"
            f" ([{interval.low:.3g}, {interval.high:.3g}])"
            for name, interval in without.items()
        )
    )
    if not within:
        return f"none puts it within 1% of the best shape of its budget: {against}"
    return f"{_listing(within)} put{'s' if len(within) == 1 else ''} it within 1% of the best; {against}"


def _listing(words: tuple[str, ...]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _outside(value: float, limits: tuple[float, float], those: str, what: str) -> str:
    low, high = limits
    if low <= value <= high:
        return f"inside the {those}"
    factor = value / high if value > high else low / value
    times = f"{factor:.0f}" if factor >= 10 else f"{factor:.1f}"
    return f"{what} {times} times {'above' if value > high else 'below'} the {those}"


def _study(document: dict[str, Any]) -> Study:
    return Study(
        name=document["name"],
        title=document["title"],
        source=document["source"],
        history=tuple(document["history"]),
        rule=document["rule"],
        tolerance=document["tolerance"],
        form=document["form"],
        coefficients=tuple(document["coefficients"]),
        parameters_range=tuple(document["parameters_range"]),
        ratio_range=tuple(document["ratio_range"]),
        runs=document["runs"],
        residual=document["residual"],
        draws=tuple(tuple(draw) for draw in document["draws"]),
        document=document,
    )

"""One number with its uncertainty: the form in which every room hands numbers on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 0.95
"""Confidence level of every interval."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with whatever is known of its uncertainty; what is not known is None.

    Attributes:
        value: The estimate; NaN where it is undefined.
        low: Lower end of its 95% interval.
        high: Upper end.
        se: Standard error.
        p: Two-sided p-value of the hypothesis that it is zero, from the same error as the interval.
        n: What it rests on: models, questions, units that were permuted.
        bias: Estimate of its remaining bias; value - bias is the corrected number.
    """

    value: float
    low: float | None = None
    high: float | None = None
    se: float | None = None
    p: float | None = None
    n: int | None = None
    bias: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None where there is no interval, or noise made an end undefined."""
        if self.low is None or self.high is None or math.isnan(self.low) or math.isnan(self.high):
            return None
        return self.low, self.high

    @property
    def excludes_zero(self) -> bool:
        """Whether there is an interval, and it lies on one side of zero."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    def scaled(self, factor: float) -> "Estimate":
        """The same in another unit: value, interval, error and bias times a factor above zero."""
        numbers = ("value", "low", "high", "se", "bias")
        return replace(self, **{name: factor * one for name in numbers if (one := getattr(self, name)) is not None})

    def minus(self, constant: float) -> "Estimate":
        """Its difference from a constant that is known exactly; no p-value, which is of another hypothesis."""
        numbers = ("value", "low", "high")
        moved = {name: one - constant for name in numbers if (one := getattr(self, name)) is not None}
        return replace(self, p=None, **moved)

    def to_dict(self) -> dict[str, float]:
        """The value, and of the rest what is known."""
        known = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: number for name, number in known.items() if name == "value" or number is not None}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Estimate":
        """An estimate from its JSON form, where null is what noise made undefined: a value of NaN, all else None."""
        value = document["value"]
        return cls(**{**document, "value": math.nan if value is None else value})

    @classmethod
    def from_draws(cls, value: float, draws: Array) -> "Estimate":
        """The 95% percentile interval of draws, widened where the value itself lies outside it."""
        low, high = np.percentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
        return cls(value=value, low=min(float(low), value), high=max(float(high), value))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values: valid whatever the dependence between the tests (Holm 1979)."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()

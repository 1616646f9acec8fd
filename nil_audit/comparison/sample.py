"""The models of one test as arrays, and which controls a partial correlation holds fixed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GIVEN: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "size": ("size",),
    "size_tokens": ("size", "tokens"),
    "size_curve": ("size", "curve"),
    "size_curve_tokens": ("size", "curve", "tokens"),
    "size_curve_release": ("size", "curve", "release"),
}
"""What each kind of partial correlation holds fixed; see `nil_audit.comparison.findings.Association`."""

NEEDS = {"size": "size", "curve": "size", "tokens": "tokens", "release": "release"}
"""The column that each control is made from."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """n models with a score; missing numbers are NaN.

    Attributes:
        score: Raw accuracy, shape (n,).
        family: Code of each model's family, 0 .. families-1, shape (n,).
        size: ln parameters.
        tokens: ln training tokens.
        release: Months since year 0.
        predictors: One array a predictor, in the units that Pearson's correlation takes.
    """

    score: Array
    family: NDArray[np.int64]
    size: Array
    tokens: Array
    release: Array
    predictors: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.score)

    @property
    def models(self) -> int:
        """Number of models."""
        return len(self.score)

    @property
    def families(self) -> int:
        """Number of families."""
        return len(np.unique(self.family))

    def take(self, keep: NDArray[np.bool_]) -> "Sample":
        """The models marked in ``keep``, families numbered anew."""
        return Sample(
            score=self.score[keep],
            family=np.unique(self.family[keep], return_inverse=True)[1],
            size=self.size[keep],
            tokens=self.tokens[keep],
            release=self.release[keep],
            predictors={key: values[keep] for key, values in self.predictors.items()},
        )

    def complete(self, given: str, predictors: tuple[str, ...]) -> NDArray[np.bool_]:
        """Models that have every predictor named and everything that ``given`` holds fixed."""
        needed = {NEEDS[control] for control in GIVEN[given]}
        arrays = [getattr(self, name) for name in sorted(needed)] + [self.predictors[key] for key in predictors]
        return np.isfinite(np.vstack([self.score, *arrays])).all(axis=0)

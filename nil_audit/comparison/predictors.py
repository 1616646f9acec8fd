"""What is held against score: distances to the shipped intervals, the shape itself, measured metrics."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.result import Predictor
from nil_audit.comparison.studies_tested import CONTRASTED
from nil_audit.stats.estimate import Array

if TYPE_CHECKING:
    import pandas as pd

METRICS = {
    "typical_efficiency": +1,
    "typical_spread": +1,
    "typical_sensitivity": -1,
    "interaction_efficiency": +1,
    "spread": +1,
    "sensitivity": -1,
    "aofe": -1,
    "aofe_ratio": +1,
    "excess": 0,
}
"""Measured metrics, each with the sign that the law expects ('high AOFE-ratio at low AOFE')."""

CONFOUNDERS = ("parameters", "tokens", "release")
"""What may go with both score and ratio, so that the two go together without shape mattering."""

_LOGARITHMIC = ("ratio", "depth", "width", "parameters", "tokens", "aofe", "sensitivity", "typical_sensitivity")


def expected_signs() -> dict[str, int]:
    """Every predictor, the primary one first, with the sign that the law expects: -1, +1, or 0 for none."""
    against = {f"deviation_{study}": -1 for study in CONTRASTED}
    return {**against, "ratio": 0, "depth": 0, "width": 0, **METRICS}


def predictors(usable: "pd.DataFrame") -> tuple[Predictor, ...]:
    """The predictors that some model has, the primary one first.

    Args:
        usable: Rows of a comparison's table that are not flagged.
    """
    counts = {key: int(known(usable, key).sum()) for key in expected_signs() if key in usable}
    return tuple(
        Predictor(key=key, expected_sign=sign, models=counts[key])
        for key, sign in expected_signs().items()
        if counts.get(key)
    )


def predictor_values(table: "pd.DataFrame", key: str) -> Array:
    """A number of each model as Pearson's correlation takes it: logarithms of what spans decades, else as it is.

    Args:
        table: Columns as in `nil_audit.comparison.table`.
        key: A predictor, a confounder or "score".

    Returns:
        Shape (n,); distances and deviations without their sign, the release in months, NaN where unknown.
    """
    values = table["month" if key == "release" else key].to_numpy(dtype=float)
    if key.startswith(("distance_", "deviation_")):
        return np.abs(values)
    if key in _LOGARITHMIC:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(values > 0, np.log(values), np.nan)
    return values


def known(table: "pd.DataFrame", *keys: str) -> NDArray[np.bool_]:
    """Which models have every one of the numbers named, shape (n,)."""
    return np.all([np.isfinite(predictor_values(table, key)) for key in keys], axis=0)

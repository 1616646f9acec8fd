"""What is held against score: distances to the shipped intervals, the shape itself, measured metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nil_audit.comparison.sample import Array
from nil_audit.law.studies import Interval, distance, studies

if TYPE_CHECKING:
    import pandas as pd

PRIMARY = "deviation_law"
"""The one predictor that the conclusion rests on, chosen before any score was looked at: |ln R - ln R*| under the
law. Unlike the distance it has no ties at 0, so it also ranks the models inside the interval."""

METRICS: dict[str, tuple[str, int]] = {
    "interaction_efficiency": ("interaction efficiency", +1),
    "spread": ("spread r/d", +1),
    "sensitivity": ("sensitivity", -1),
    "aofe": ("AOFE", -1),
    "aofe_ratio": ("AOFE-ratio", +1),
    "excess": ("excess of the AOFE-ratio", 0),
}
"""Measured metrics: label and the sign that the law expects ('high AOFE-ratio at low AOFE')."""

_LOGARITHMIC = ("ratio", "depth", "width", "aofe", "sensitivity")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A predictor before its models are counted: key, label and the sign that the law expects."""

    key: str
    label: str
    expected_sign: int


def candidates() -> tuple[Candidate, ...]:
    """Every predictor, the primary one first, then in the order of the report."""
    deviations = [
        Candidate(key=f"deviation_{study.name}", label=f"|ln R/R*| ({study.name})", expected_sign=-1)
        for study in studies()
    ]
    distances = [
        Candidate(key=f"distance_{study.name}", label=f"distance ({study.name})", expected_sign=-1)
        for study in studies()
    ]
    shape = [
        Candidate(key="ratio", label="R = depth / width", expected_sign=0),
        Candidate(key="depth", label="depth", expected_sign=0),
        Candidate(key="width", label="width", expected_sign=0),
    ]
    measured = [Candidate(key=key, label=label, expected_sign=sign) for key, (label, sign) in METRICS.items()]
    return (*deviations, *distances, *shape, *measured)


def positions(ratio: float, parameters: float | None) -> tuple[dict[str, float], dict[str, float]]:
    """Signed distance and signed deviation ln R - ln R* under each study, in nats of ratio, by its name."""
    intervals = {study.name: study.interval(parameters) for study in studies()}
    return _positions(ratio, intervals)


def _positions(ratio: float, intervals: Mapping[str, Interval]) -> tuple[dict[str, float], dict[str, float]]:
    distances = {name: distance(ratio, interval) for name, interval in intervals.items()}
    deviations = {name: float(np.log(ratio / interval.optimum)) for name, interval in intervals.items()}
    return distances, deviations


def predictor_arrays(frame: "pd.DataFrame") -> dict[str, Array]:
    """Every predictor as Pearson's correlation takes it, shape (n,): logarithms of what spans decades, else as is.

    Args:
        frame: Columns ratio, depth, width, ``distance_*`` and ``deviation_*`` (signed), and metrics where measured.
    """
    arrays: dict[str, Array] = {}
    for candidate in candidates():
        if candidate.key not in frame:
            continue
        values = frame[candidate.key].to_numpy(dtype=float)
        if candidate.key.startswith(("distance_", "deviation_")):
            values = np.abs(values)
        if candidate.key in _LOGARITHMIC:
            with np.errstate(invalid="ignore", divide="ignore"):
                values = np.where(values > 0, np.log(values), np.nan)
        if np.isfinite(values).any():
            arrays[candidate.key] = values
    return arrays

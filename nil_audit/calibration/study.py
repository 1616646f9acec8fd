"""The content of an interval file from a fit: few draws that keep the spread of many, numbers of few digits."""

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass

import numpy as np

from nil_audit.errors import DataError
from nil_audit.files import plain
from nil_audit.law.interval_file import trouble
from nil_audit.law.loss_curves import LossCurve
from nil_audit.law.studies import Study

KEPT_DRAWS = 200
READ_COLUMNS = (
    *("depth", "width", "ratio", "budget", "parameters", "held_equal"),
    *("tokens", "loss", "excess", "fitted", "used"),
)
"""Columns of the runs of a calibration, before its metrics."""
_SMALLEST_RESIDUAL = 1e-9  # of runs without noise; a file's has to be above zero


@dataclass(frozen=True, kw_only=True)
class Words:
    """What an interval file says of itself beyond its numbers; what is empty is made from the sweep.

    Attributes:
        title: What the study is, in a line.
        source: Paper, data and address.
        history: What was done, in sentences; they come before those that a calibration adds.
    """

    title: str = ""
    source: str = ""
    history: tuple[str, ...] = ()


def made_study(
    name: str,
    words: Words,
    *,
    within: float,
    form: str,
    curve: LossCurve,
    draws: Sequence[LossCurve],
    parameters_range: tuple[float, float],
    ratio_range: tuple[float, float],
    residual: float,
    seed: int,
) -> Study:
    """The study of a fit.

    Args:
        name: What it is called.
        words: Title and source.
        within: The tolerance of its interval.
        form: Name of the curve's form.
        curve: The fit.
        draws: Bootstrap refits.
        parameters_range: Smallest and largest run.
        ratio_range: Smallest and largest ratio.
        residual: Standard deviation of ln loss about the fit.
        seed: Of the order of the draws.

    Raises:
        DataError: Its numbers are out of what a file may hold.
    """
    study = Study(
        name=name,
        title=words.title,
        source=words.source,
        tolerance=within,
        form=form,
        coefficients=rounded(curve),
        parameters_range=parameters_range,
        ratio_range=(significant(ratio_range[0]), significant(ratio_range[1])),
        residual=max(significant(residual), _SMALLEST_RESIDUAL),
        draws=kept(draws, seed),
    )
    if wrong := trouble(plain(asdict(study))):
        raise DataError(f"The interval file of this sweep {wrong}; widen the sweep, or select other runs.")
    return study


def kept(draws: Sequence[LossCurve], seed: int) -> tuple[tuple[float, ...], ...]:
    """Draws at evenly spaced ranks of their optimum at 1B, so that few keep the spread of many; in random order.

    The order matters: draws of different studies are taken together by their position.
    """
    ranked = sorted(draws, key=lambda draw: draw.optimum(1e9))
    places = ((np.arange(KEPT_DRAWS) + 0.5) * len(ranked) / KEPT_DRAWS).astype(int)
    return tuple(rounded(ranked[place]) for place in np.random.default_rng(seed).permutation(places))


def significant(value: float, digits: int = 4) -> float:
    """A number to so many significant digits."""
    return float(f"{value:.{digits}g}")


def rounded(curve: LossCurve) -> tuple[float, ...]:
    """A curve's coefficients to five digits."""
    return tuple(significant(value, 5) for value in astuple(curve))

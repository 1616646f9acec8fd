"""Which size control fits: each group of models predicted from the others."""

import numpy as np

from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.effect.size import CONTROLS, MODELS_A_COLUMN, aic, flexible_columns, size_columns
from nil_audit.comparison.findings import SizeFit
from nil_audit.stats.estimate import Array

ELIGIBLE = ("spline", "spline_rank", "bands", "flexible")
"""What can be chosen: controls at least as fine as the curve that the dose takes its slope from. A coarser one leaves
part of that curve to the dose. Of a loss, whose dose takes no slope, or where the models afford none of these,
any."""

FEWEST_FITTED = 6
"""Models that a fit on size needs."""

_PARTS = 50
"""Groups are held out one by one, or in so many parts where there are more than twice as many."""


def fit_sizes(sample: Sample) -> tuple[SizeFit, ...]:
    """How well each size control fits, in the order of `CONTROLS`; those that the models do not afford are absent.

    The chosen one has the least root mean square error where each group (each of 50 parts, of more than 100 groups) is
    predicted by least squares from the others, knots, ranks, bands and the flexible spline's columns taken from these;
    of those that are `ELIGIBLE`.
    """
    if sample.models < FEWEST_FITTED:
        return ()
    found = []
    for control in CONTROLS:
        columns = sample.size_columns(control)
        width = np.linalg.matrix_rank(columns - columns.mean(axis=0)) if columns.shape[1] else 0
        if width and (control == "linear" or width * MODELS_A_COLUMN <= sample.models):
            found.append((control, int(width), aic(columns, sample.response), _held_out(sample, control)))
    if not found:  # all of one size
        return ()
    able = [one for one in found if one[0] in ELIGIBLE or sample.outcome.lower_is_better] or found
    best = min(able, key=lambda one: one[3])[0]
    return tuple(
        SizeFit(control=control, columns=width, aic=criterion, held_out=error, chosen=control == best)
        for control, width, criterion, error in found
    )


def chosen_control(fits: tuple[SizeFit, ...]) -> str:
    """The control that "size held fixed" means; a line where none was fitted."""
    return next((one.control for one in fits if one.chosen), "linear")


def expected_response(sample: Sample, control: str) -> Array:
    """Response that models of each one's size get: least squares on a size control, shape (n,); NaN of too few."""
    if sample.models < FEWEST_FITTED:
        return np.full(sample.models, np.nan)
    columns = np.column_stack([np.ones(sample.models), sample.size_columns(control)])
    return np.asarray(columns @ np.linalg.lstsq(columns, sample.response, rcond=None)[0])


def _held_out(sample: Sample, control: str) -> float:
    part = sample.group if sample.groups <= 2 * _PARTS else sample.group % _PARTS
    squared = 0.0
    for one in range(int(part.max()) + 1):
        rest, left = part != one, part == one
        size, response = sample.size[rest], sample.response[rest]
        flexible = flexible_columns(size, response) if control == "flexible" else 0
        columns = size_columns(sample.size, control, like=size, flexible=flexible)
        columns = np.column_stack([np.ones(len(columns)), columns])
        fit = np.linalg.lstsq(columns[rest], response, rcond=None)[0]
        squared += float(((sample.response[left] - columns[left] @ fit) ** 2).sum())
    return float(np.sqrt(squared / sample.models))

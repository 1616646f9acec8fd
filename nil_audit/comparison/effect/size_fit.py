"""Which size control fits: each group of models predicted from the others."""

import numpy as np

from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.effect.size import CONTROLS, MODELS_A_COLUMN, aic, flexible_choices, size_columns
from nil_audit.comparison.findings import SizeFit
from nil_audit.stats.estimate import Array
from nil_audit.stats.least_squares import left_out_moments, orthogonal, solve_each

ELIGIBLE = ("spline", "spline_rank", "bands", "flexible")
"""What can be chosen: controls at least as fine as the curve that the dose takes its slope from. A coarser one leaves
part of that curve to the dose. Of a loss, whose dose takes no slope, or where the models afford none of these,
any."""

FEWEST_FITTED = 6
"""Models that a fit on size needs."""


def fit_sizes(sample: Sample) -> tuple[SizeFit, ...]:
    """How well each size control fits, in the order of `CONTROLS`; those that the models do not afford are absent.

    The chosen one has the least root mean square error where each group is predicted
    by least squares from the others (knots, ranks and bands are those of all sizes; the flexible spline's columns are
    chosen without the group); of those that are `ELIGIBLE`.
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
    return sample.response - beyond_size(sample, sample.response, control)


def beyond_size(sample: Sample, values: Array, control: str) -> Array:
    """What least squares on a size control leaves of a number of each model, shape (n,)."""
    columns = np.column_stack([np.ones(sample.models), sample.size_columns(control)])
    return np.asarray(values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0])


def _held_out(sample: Sample, control: str) -> float:
    if control != "flexible":
        errors, _ = _errors(sample, sample.size_columns(control))
        return float(np.sqrt((errors**2).mean()))
    fits = [
        _errors(sample, size_columns(sample.size, control, flexible=columns))
        for columns in flexible_choices(sample.models)
    ]
    errors = np.stack([one for one, _ in fits])
    best = np.argmin(np.stack([one for _, one in fits]), axis=0)[sample.group]
    return float(np.sqrt((errors[best, np.arange(sample.models)] ** 2).mean()))


def _errors(sample: Sample, columns: Array) -> tuple[Array, Array]:
    """Errors of predicting each model without its group, shape (n,), and Akaike's criterion of each fit, shape (G,)."""
    design = orthogonal(np.column_stack([np.ones(sample.models), columns]))
    moment = left_out_moments(np.column_stack([design, sample.response]), sample.group)[1:]
    fit = solve_each(moment[:, :-1, :-1], moment[:, :-1, -1])
    squares = moment[:, -1, -1] - np.einsum("bi,bi->b", fit, moment[:, :-1, -1])
    models = np.maximum(sample.models - np.bincount(sample.group), 1)  # of one group alone nothing is left
    criterion = models * np.log(np.maximum(squares, 1e-300) / models) + 2 * design.shape[1]
    return sample.response - np.einsum("ni,ni->n", design, fit[sample.group]), criterion

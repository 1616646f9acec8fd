"""Size as a confounder: what "size held fixed" means, and how it is chosen.

Size drives score and shape, so a control that does not fit leaves some of its effect to shape. One control is chosen
for a whole comparison, by the error with which each group of models is predicted from the others; the others stand
beside it.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.findings import Band, SizeFit
from nil_audit.stats.estimate import Array
from nil_audit.stats.spline import degrees, natural_spline, spline_knots

if TYPE_CHECKING:
    import pandas as pd

    from nil_audit.comparison.effect.sample import Sample

EDGES = (1e9, 5e9, 9.5e9, 2e10, 8e10)
"""Parameters where one band ends and the next begins: the gaps between the sizes that people train."""

BANDS = ("under_1b", "1b_5b", "5b_9.5b", "9.5b_20b", "20b_80b", "over_80b")
"""Keys of the bands, smallest first."""

CONTROLS = ("linear", "quadratic", "spline", "spline_rank", "bands", "flexible")
"""A line in ln size; a parabola; a natural cubic spline of three columns (two from 15 models on); that spline and the
rank of size; a line in each size band; and a natural spline of as many columns as Akaike's criterion asks for."""

FEWEST_FITTED = 6
"""Models that a fit on size needs."""

_FEWEST_IN_BAND = 5
_MODELS_A_COLUMN = 5
_FLEXIBLE = range(4, 13)
_PARTS = 50
"""Groups are held out one by one, or in so many parts where there are more than twice as many."""


def band_number(parameters: Array) -> NDArray[np.int64]:
    """Place in `BANDS` of each parameter count; all must be known."""
    return np.searchsorted(EDGES, parameters, side="right").astype(np.int64)


def summarise_bands(usable: "pd.DataFrame") -> tuple[Band, ...]:
    """The size bands that hold a model, smallest first.

    Args:
        usable: Rows of a comparison's table that are not flagged.
    """
    rows = {str(key): own for key, own in usable.groupby("band")}
    ends = zip(BANDS, (0.0, *EDGES), (*EDGES, None), strict=True)
    return tuple(
        Band(
            key=key,
            low=low,
            high=high,
            models=len(rows[key]),
            groups=rows[key]["group"].nunique(),
            at_floor=int(rows[key]["at_floor"].sum()),
        )
        for key, low, high in ends
        if key in rows
    )


def size_columns(size: Array, control: str, *, like: Array | None = None, flexible: int = 0) -> Array:
    """What a least-squares fit holds fixed of size beside a constant.

    Args:
        size: ln size, shape (n,).
        control: One of `CONTROLS`.
        like: ln size of the models that knots, ranks and bands are taken from, shape (m,); None: ``size`` itself.
        flexible: Columns of the flexible spline, see `flexible_columns`.

    Returns:
        Shape (n, p); no column where the models do not afford the control.
    """
    like = size if like is None else like
    if not len(like):
        return np.empty((len(size), 0))
    if control in ("spline", "spline_rank"):
        spline = natural_spline(size, spline_knots(like, degrees(len(like))))
        if control == "spline" or not spline.shape[1]:
            return spline
        return np.column_stack([spline, _rank(size, like)])
    if control == "bands":
        return _lines(size, like)
    if control == "flexible":
        return natural_spline(size, spline_knots(like, flexible))
    centred = (size - like.mean()) / spread(like)
    return np.column_stack([centred, centred**2]) if control == "quadratic" else centred[:, None]


def spread(size: Array) -> float:
    """Standard deviation of ln sizes; infinite where they are all alike, so that what is divided by it is zero."""
    deviation = float(size.std())
    return deviation if deviation > 1e-9 else np.inf


def flexible_columns(size: Array, response: Array) -> int:
    """Columns of the natural spline of size that Akaike's criterion chooses; 0 with too few models for any."""
    choices = [columns for columns in _FLEXIBLE if columns * _MODELS_A_COLUMN <= len(size)]
    fits = {columns: _aic(size_columns(size, "flexible", flexible=columns), response) for columns in choices}
    return min(fits, key=lambda columns: fits[columns], default=0)


def fit_sizes(sample: "Sample") -> tuple[SizeFit, ...]:
    """How well each size control fits, in the order of `CONTROLS`; those that the models do not afford are absent.

    The chosen one has the least root mean square error where each group (each of 50 parts, of more than 100 groups) is
    predicted by least squares from the others, knots, ranks, bands and the flexible spline's columns taken from these.
    """
    if sample.models < FEWEST_FITTED:
        return ()
    found = []
    for control in CONTROLS:
        columns = sample.size_columns(control)
        width = np.linalg.matrix_rank(columns - columns.mean(axis=0)) if columns.shape[1] else 0
        if width and (control == "linear" or width * _MODELS_A_COLUMN <= sample.models):
            found.append((control, int(width), _aic(columns, sample.response), _held_out(sample, control)))
    if not found:  # all of one size
        return ()
    best = min(found, key=lambda one: one[3])[0]
    return tuple(
        SizeFit(control=control, columns=width, aic=aic, held_out=error, chosen=control == best)
        for control, width, aic, error in found
    )


def chosen_control(fits: tuple[SizeFit, ...]) -> str:
    """The control that "size held fixed" means; a line where none was fitted."""
    return next((one.control for one in fits if one.chosen), "linear")


def expected_response(sample: "Sample", control: str) -> Array:
    """Response that models of each one's size get: least squares on a size control, shape (n,); NaN of too few."""
    if sample.models < FEWEST_FITTED:
        return np.full(sample.models, np.nan)
    columns = np.column_stack([np.ones(sample.models), sample.size_columns(control)])
    return np.asarray(columns @ np.linalg.lstsq(columns, sample.response, rcond=None)[0])


def _held_out(sample: "Sample", control: str) -> float:
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


def _aic(columns: Array, response: Array) -> float:
    """Akaike's criterion, n ln(RSS / n) + 2 (columns + 1)."""
    design = np.column_stack([np.ones(len(response)), columns])
    fit, _, rank, _ = np.linalg.lstsq(design, response, rcond=None)
    squares = float(((response - design @ fit) ** 2).sum())
    return len(response) * float(np.log(max(squares, 1e-300) / len(response))) + 2 * int(rank)


def _rank(size: Array, like: Array) -> Array:
    """Rank of each size among ``like`` (share below and half of those equal), less one half."""
    ordered = np.sort(like)
    below, to = np.searchsorted(ordered, size, side="left"), np.searchsorted(ordered, size, side="right")
    return (below + to) / (2 * len(like)) - 0.5


def _lines(size: Array, like: Array) -> Array:
    """A constant and a slope for each band (bands of under five models join the next), but for the first's constant."""
    edges: list[float] = []
    start = -np.inf
    for edge in np.log(EDGES):
        if ((like > start) & (like <= edge)).sum() >= _FEWEST_IN_BAND and (like > edge).sum() >= _FEWEST_IN_BAND:
            edges.append(float(edge))
            start = edge
    if not edges:
        return np.zeros((len(size), 0))
    band, of = np.searchsorted(edges, size, side="right"), np.searchsorted(edges, like, side="right")
    columns = []
    for number in range(len(edges) + 1):
        here = band == number
        columns += [here * (size - like[of == number].mean())] + ([here.astype(float)] if number else [])
    return np.column_stack(columns)

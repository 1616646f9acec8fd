"""Size as a confounder: what "size held fixed" means, and how it is chosen.

Size drives score and shape, so a control that does not fit leaves some of its effect to shape. One control is chosen
for a whole comparison, by the error with which each group of models is predicted from the others; the others stand
beside it.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.findings import Band
from nil_audit.stats.estimate import Array
from nil_audit.stats.spline import degrees, natural_spline, spline_knots

if TYPE_CHECKING:
    import pandas as pd

EDGES = (1e9, 5e9, 9.5e9, 2e10, 8e10)
"""Parameters where one band ends and the next begins: the gaps between the sizes that people train."""

BANDS = ("under_1b", "1b_5b", "5b_9.5b", "9.5b_20b", "20b_80b", "over_80b")
"""Keys of the bands, smallest first."""

CONTROLS = ("linear", "quadratic", "spline", "spline_rank", "bands", "flexible")
"""A line in ln size; a parabola; a natural cubic spline of three columns (two from 15 models on); that spline and the
rank of size; a line in each size band; and a natural spline of as many columns as Akaike's criterion asks for."""

_FEWEST_IN_BAND = 5
MODELS_A_COLUMN = 5
"""Models that a size control needs for each of its columns."""

_FLEXIBLE = range(4, 13)


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


def flexible_choices(models: int) -> list[int]:
    """Columns of the flexible spline that a number of models affords."""
    return [columns for columns in _FLEXIBLE if columns * MODELS_A_COLUMN <= models]


def flexible_columns(size: Array, response: Array) -> int:
    """Columns of the natural spline of size that Akaike's criterion chooses; 0 with too few models for any."""
    choices = flexible_choices(len(size))
    fits = {columns: aic(size_columns(size, "flexible", flexible=columns), response) for columns in choices}
    return min(fits, key=lambda columns: fits[columns], default=0)


def aic(columns: Array, response: Array) -> float:
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

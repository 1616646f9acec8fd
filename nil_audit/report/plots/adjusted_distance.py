"""Size-adjusted score against the primary predictor, with its fitted line and band: the claim, size held fixed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nil_audit.report.plots.palette import INTERVAL, LINE, MUTED
from nil_audit.report.plots.points import draw_models
from nil_audit.report.plots.style import SIGNED, new_figure, note, plot_style

if TYPE_CHECKING:
    import pandas as pd


def adjusted_against_distance(
    models: "pd.DataFrame",
    values: NDArray[np.float64],
    *,
    bands: Mapping[str, str],
    axis: str,
    trend: "pd.DataFrame | None",
    inside: float,
    notable: Sequence[str] = (),
) -> Figure:
    """Size-adjusted score (in percentage points) against a predictor.

    Args:
        models: At least one row; columns ``model``, ``residual`` (none missing), ``band`` and ``at_floor``.
        values: The predictor of each model.
        bands: What each size band is called, by key, smallest first; the colour of a point.
        axis: What the predictor is, for the horizontal axis.
        trend: The fitted line, columns x, y, low and high, y in fractions of 1; None draws none.
        inside: Up to where the predictor means "inside the interval": shaded.
        notable: Names to label, the most notable first.
    """
    with plot_style():
        figure = new_figure(3.9)
        axes = figure.add_subplot()
        x, y = np.asarray(values, dtype=float), 100 * models["residual"].to_numpy(dtype=float)
        axes.grid(axis="y")
        axes.axhline(0, color=MUTED, lw=0.8, zorder=1)
        axes.axvspan(min(0.0, float(x.min())), inside, color=INTERVAL, alpha=0.13, lw=0, zorder=0)
        note(axes, "inside the interval", at=inside, left=True)
        if trend is not None:
            axes.fill_between(
                trend["x"], 100 * trend["low"], 100 * trend["high"], color=LINE, alpha=0.15, lw=0, zorder=1.5
            )
            axes.plot(trend["x"], 100 * trend["y"], color=LINE, zorder=2)
        span = max(float(np.ptp(x)), 0.1)
        axes.set_xlim(min(0.0, float(x.min())) - 0.015 * span, x.max() + 0.05 * span)
        rise = max(float(np.ptp(y)), 1.0)
        axes.set_ylim(y.min() - 0.06 * rise, y.max() + 0.10 * rise)
        axes.yaxis.set_major_formatter(SIGNED)
        axes.set_xlabel(axis)
        axes.set_ylabel("accuracy beyond what size predicts (points)")
        draw_models(axes, models, x, y, bands=bands, notable=notable, most=22)
        return figure

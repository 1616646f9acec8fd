"""Score against shape: raw against the depth-width ratio, the paper's own picture, and with size held fixed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter
from numpy.typing import NDArray

from nil_audit.law.studies import Interval
from nil_audit.report.plots.palette import INTERVAL, LINE, MUTED
from nil_audit.report.plots.points import draw_models
from nil_audit.report.plots.style import SIGNED, Drawing, chance_line, new_figure, note, plot_style

if TYPE_CHECKING:
    import pandas as pd

_TICKS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def score_against_ratio(
    models: "pd.DataFrame", *, bands: Mapping[str, str], interval: Interval, notable: Sequence[str] = ()
) -> Drawing:
    """Raw accuracy of each model against R = depth / width, on a logarithmic axis.

    Args:
        models: At least one row; columns ``model``, ``ratio``, ``score``, ``chance``, ``band`` and ``at_floor``.
        bands: What each size band is called, by key, smallest first; the colour of a point.
        interval: What is shaded.
        notable: Names to label, the most notable first.
    """
    with plot_style():
        figure = new_figure(4.3)
        axes = figure.add_subplot()
        ratio, score = (models[key].to_numpy(dtype=float) for key in ("ratio", "score"))
        axes.set_xscale("log")
        axes.set_xlim(min(ratio.min(), interval.low) * 0.86, max(ratio.max(), interval.high) * 1.16)
        axes.xaxis.set_major_locator(FixedLocator(_TICKS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        axes.grid(axis="y")
        axes.axvspan(interval.low, interval.high, color=INTERVAL, alpha=0.13, lw=0, zorder=0)
        axes.axvline(interval.optimum, color=INTERVAL, lw=1.0, ls=(0, (4, 3)), zorder=1)
        chance = float(models["chance"].median())
        chance_line(axes, chance)
        bottom, top = min(score.min(), chance), score.max()
        axes.set_ylim(bottom - 0.05 * (top - bottom) - 0.01, top + 0.09 * (top - bottom) + 0.01)
        note(axes, f"interval [{interval.low:.2g}, {interval.high:.2g}]", at=interval.low)
        note(axes, f"optimum {interval.optimum:.2g}", at=interval.optimum)
        axes.set_xlabel("depth-width ratio R (blocks per channel)")
        axes.set_ylabel("MMLU-Pro accuracy")
        draw_models(axes, models, ratio, score, bands=bands, notable=notable, most=26)
        return figure


def adjusted_against_distance(
    models: "pd.DataFrame",
    values: NDArray[np.float64],
    *,
    bands: Mapping[str, str],
    axis: str,
    trend: "pd.DataFrame | None",
    inside: float,
    notable: Sequence[str] = (),
) -> Drawing:
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

"""Size-adjusted score against the study's predictor, with its fitted line and band: the claim, size held fixed."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from nil_audit.comparison.findings import Band, Curve
from nil_audit.comparison.result import ModelRow
from nil_audit.report.plots.palette import INTERVAL, LINE, MUTED
from nil_audit.report.plots.points import draw_models, label_points, size_legend
from nil_audit.report.plots.style import NARROW, WIDE, new_figure, plot_style
from nil_audit.report.render.text import MINUS


def adjusted_against_distance(
    models: Sequence[ModelRow],
    bands: Sequence[Band],
    values: Sequence[float],
    *,
    axis: str,
    trend: Curve | None,
    inside: float | None = None,
    notable: Sequence[str] = (),
    narrow: bool = False,
) -> Figure:
    """Size-adjusted score (in percentage points) against a predictor.

    Args:
        models: Models with a size-adjusted score, at least one.
        bands: Size bands, smallest first; the colour of a point.
        values: The predictor of each model.
        axis: What the predictor is, for the horizontal axis.
        trend: The fitted line with its band, y in fractions of 1; None draws none.
        inside: Up to where the predictor means "inside the interval": shaded; None shades nothing.
        notable: Names to label, the most notable first.
        narrow: One column of a paper (3.5 inches) and not two (7).

    Returns:
        The figure.
    """
    with plot_style():
        figure = new_figure(NARROW, 3.4) if narrow else new_figure(WIDE, 3.9)
        axes = figure.add_subplot()
        x = np.array(values, dtype=float)
        y = np.array([100 * (model.residual or 0.0) for model in models])
        axes.grid(axis="y")
        axes.axhline(0, color=MUTED, lw=0.8, zorder=1)
        if inside is not None:
            axes.axvspan(min(0.0, float(x.min())), inside, color=INTERVAL, alpha=0.13, lw=0, zorder=0)
            axes.annotate(
                "inside" if narrow else "inside the interval",
                (inside, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(-4, -3),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=6.8,
                color=INTERVAL,
            )
        if trend is not None:
            low, line, high = (100 * np.array(part) for part in (trend.low, trend.y, trend.high))
            axes.fill_between(trend.x, low, high, color=LINE, alpha=0.15, lw=0, zorder=1.5)
            axes.plot(trend.x, line, color=LINE, zorder=2)
        radius = draw_models(axes, models, x, y, bands)
        span = max(float(np.ptp(x)), 0.1)
        axes.set_xlim(min(0.0, float(x.min())) - 0.015 * span, x.max() + 0.05 * span)
        rise = max(float(np.ptp(y)), 1.0)
        axes.set_ylim(y.min() - 0.06 * rise, y.max() + 0.10 * rise)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _signed(value)))
        axes.set_xlabel(axis)
        axes.set_ylabel("accuracy beyond what size predicts (points)")
        size_legend(axes, bands, models, columns=3 if narrow else 7)
        place = {model.model: index for index, model in enumerate(models)}
        label_points(
            axes,
            [model.model for model in models],
            x,
            y,
            [place[name] for name in notable if name in place],
            radius=radius,
            most=7 if narrow else 22,
            headroom=13.0,
        )
        return figure


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", MINUS) if value else "0"

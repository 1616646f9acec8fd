"""The optimum of each budget against its size, with the pooled value's band: whether it drifts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from nil_audit.report.plots.palette import INTERVAL, LINE, MUTED, PAPER
from nil_audit.report.plots.points import figure_of, label_points
from nil_audit.report.plots.style import HALO, PHONE, PREDICTED, WIDTH, Drawing, new_figure, plot_style
from nil_audit.report.render.text import short_count
from nil_audit.stats.estimate import Estimate

_APART = 7.0
"""Points of paper between two budgets of nearly the same size."""
_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8))
"""Ticks within a power of ten, from few to many."""
_BEYOND = 3.0
"""How far beyond all optima the axis goes for the end of an error bar; what lies beyond is cut."""


@dataclass(frozen=True, kw_only=True)
class OptimumPoint:
    """One budget.

    Attributes:
        label: What it is called.
        size: Its parameters.
        optimum: R* with its interval; None where there is but a bound.
        bound: The last ratio, where the loss still falls there.
        deeper: Whether it falls towards deeper shapes.
    """

    label: str
    size: float
    optimum: Estimate | None
    bound: float | None = None
    deeper: bool = False


def optimum_plot(
    points: Sequence[OptimumPoint], pooled: Estimate, *, drift: tuple[float, float] | None = None, phone: bool = False
) -> Drawing:
    """R* of each budget against its parameters, both logarithmic.

    Args:
        points: At least one budget.
        pooled: R* of all together, a line with its band.
        drift: Slope d ln R* / d ln N of a dashed line, and the size at which it meets the pooled value; None draws
            none.
        phone: Whether it is drawn as narrow as a phone.
    """
    with plot_style():
        figure = new_figure(3.0, PHONE) if phone else new_figure(3.5, WIDTH)
        axes = figure.add_subplot()
        axes.set(xscale="log", yscale="log")
        sizes = np.array([one.size for one in points])
        # Room at the right for what the line is called.
        span = 0.3 + math.log(sizes.max() / sizes.min())
        axes.set_xlim(sizes.min() / 1.35, sizes.max() * math.exp((0.45 if phone else 0.22) * span))
        axes.set_ylim(*_limits(points, pooled))
        for axis, most in ((axes.xaxis, 6 if phone else 9), (axes.yaxis, 7)):
            axis.set_major_locator(FixedLocator(_ticks(axis.get_view_interval(), most)))
            axis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(axis="y")
        axes.set_xlabel("parameters")
        axes.set_ylabel("optimum R*")
        if pooled.low is not None or pooled.high is not None:
            bottom, top = axes.get_ylim()
            axes.axhspan(
                max(pooled.low or bottom, bottom),
                min(pooled.high or top, top),
                color=INTERVAL,
                alpha=0.15,
                lw=0,
                zorder=0,
            )
        axes.axhline(pooled.value, color=INTERVAL, lw=1.2, zorder=1)
        if drift is not None:
            ends = np.array(axes.get_xlim())
            axes.plot(ends, pooled.value * (ends / drift[1]) ** drift[0], color=MUTED, lw=1.0, ls=PREDICTED, zorder=1.5)
        _name_pooled(axes, pooled)
        figure.draw_without_rendering()
        x = _spread(axes, sizes)
        bars = [_draw(axes, place, one) for place, one in zip(x, points, strict=True)]
        y = np.array([one.bound if one.optimum is None else one.optimum.value for one in points], dtype=float)
        far = np.argsort(-np.abs(np.log(y / pooled.value)), kind="stable")
        # Labels keep off bars and arrows, which are told as points without a name.
        along = np.array([np.geomspace(*ends, 6) for ends in bars])
        x, y = np.concatenate([x, np.repeat(x, along.shape[1])]), np.concatenate([y, along.ravel()])
        names = [*(one.label for one in points), *[""] * along.size]
        label_points(axes, names, x, y, far.tolist(), radius=3.6, most=6 if phone else 24)
        return figure


def _ticks(ends: Sequence[float], most: int) -> list[float]:
    """As many round numbers between two as there is room for."""
    low, high = ends
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    found = [[one * 10.0**power for power in powers for one in ones] for ones in _STEPS]
    shown = [[tick for tick in ticks if low <= tick <= high] for ticks in found]
    return next((ticks for ticks in reversed(shown) if len(ticks) <= most), shown[0])


def _limits(points: Sequence[OptimumPoint], pooled: Estimate) -> tuple[float, float]:
    """Ends of the axis: round all optima and bounds, and the error bars that are not far off."""
    own = [pooled.value, *(one.optimum.value if one.optimum else one.bound or pooled.value for one in points)]
    bars = [end for one in (pooled, *(one.optimum for one in points)) if one for end in (one.low, one.high) if end]
    low, high = min(own), max(own)
    known = [end for end in bars if math.isfinite(end) and end > 0]
    low, high = max(min([low, *known]), low / _BEYOND), min(max([high, *known]), high * _BEYOND)
    return low / 1.25, high * 1.35


def _name_pooled(axes: Axes, pooled: Estimate) -> None:
    axes.annotate(
        f"all together {pooled.value:.2g}",
        (1.0, pooled.value),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=6.8,
        color=INTERVAL,
        label=HALO,
        zorder=6,
    )


def _spread(axes: Axes, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where sizes stand: those too near to each other stand side by side about their middle."""
    scale = figure_of(axes).dpi / 72.0
    there = axes.transData.transform(np.column_stack([sizes, np.full(len(sizes), axes.get_ylim()[0])]))[:, 0] / scale
    order = np.argsort(there, kind="stable")
    moved = there.copy()
    start = 0
    for stop in range(1, len(order) + 1):
        if stop < len(order) and there[order[stop]] - there[order[stop - 1]] < _APART:
            continue
        run = order[start:stop]
        moved[run] = there[run].mean() + _APART * (np.arange(len(run)) - (len(run) - 1) / 2)
        start = stop
    back = axes.transData.inverted().transform(np.column_stack([moved * scale, np.zeros(len(moved))]))
    return np.asarray(back[:, 0])


def _draw(axes: Axes, x: float, one: OptimumPoint) -> tuple[float, float]:
    """Draw a budget; the ends of its bar or arrow."""
    bottom, top = axes.get_ylim()
    if one.optimum is not None:
        # An end that is open, or far off, is cut at the edge.
        value, low, high = one.optimum.value, one.optimum.low, one.optimum.high
        ends = (value, value)
        if low is not None or high is not None:
            ends = (max(low or bottom, bottom), min(high or top, top))
            axes.plot([x, x], ends, color=LINE, lw=1.3, solid_capstyle="butt", zorder=3)
        axes.plot([x], [value], marker="o", ms=5.2, color=LINE, mec=PAPER, mew=0.7, ls="", zorder=4)
        return ends
    # The last shape of the budget, and the way on which the loss still falls there.
    start = one.bound or bottom
    far = start * (1.35 if one.deeper else 1 / 1.35)
    axes.annotate(
        "",
        (x, far),
        xytext=(x, start),
        arrowprops={"arrowstyle": "-|>", "lw": 1.2, "color": MUTED, "shrinkA": 0, "shrinkB": 0},
        annotation_clip=False,
        zorder=3,
    )
    axes.plot([x], [start], marker="_", ms=6, mew=1.3, color=MUTED, ls="", zorder=3)
    return start, far

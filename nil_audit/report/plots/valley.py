"""Loss over the depth-width ratio, budget by budget, with the valley that is fitted and the interval that follows."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from nil_audit.report.plots.palette import INK, INTERVAL, LINE, MUTED, PAPER
from nil_audit.report.plots.points import figure_of, text_size
from nil_audit.report.plots.style import PHONE, WIDTH, Drawing, new_figure, note, plot_style, steps
from nil_audit.report.render.characters import clean
from nil_audit.report.render.text import MINUS
from nil_audit.stats.estimate import Estimate

_TICKS = tuple(step * 10.0**power for power in range(-5, 3) for step in (1, 2, 5))
_LABEL = 6.8
"""Type size of the names at the right edge."""
_LINE = 9.0
"""Points from one of them to the next."""
_REACH = 0.45
"""Of the axes' width, from the right edge: how far off the last run of a curve may be that a line leads to."""
_BEYOND = 2.5
"""How far beyond the sweep's own ratios the axis goes for an interval's end."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The runs of one budget.

    Attributes:
        label: What it is called.
        ratio: R of each run, rising.
        value: What is drawn over it.
    """

    label: str
    ratio: Sequence[float]
    value: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Valley:
    """What is fitted to all budgets.

    Attributes:
        excess: Fitted excess loss of ratios, a fraction of loss.
        band: Lower and upper end of its 95% interval.
        optimum: R*.
        low: Lower end of the interval, with its uncertainty; None beyond an optimum that is but a bound.
        high: Upper end.
        tolerance: The excess at both ends.
    """

    excess: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    band: Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]
    optimum: Estimate
    low: Estimate | None
    high: Estimate | None
    tolerance: float


def valley_plot(
    curves: Sequence[Curve],
    valley: Valley,
    *,
    left_out: Sequence[tuple[float, float]] = (),
    joined: bool = True,
    phone: bool = False,
) -> Drawing:
    """Excess loss of every run over R on a logarithmic axis, with the fitted valley and the interval shaded.

    Args:
        curves: Budgets, the smallest first, with excess loss as a fraction of loss.
        valley: The fit.
        left_out: R and excess of runs that the fit does without, drawn hollow.
        joined: Whether the runs of a curve are of one budget, and a line joins them.
        phone: Whether it is drawn as narrow as a phone.

    Returns:
        The figure. What lies above its upper edge, which is three times the worst fitted run at most, is an arrow.
    """
    ratios = np.array([*(one for curve in curves for one in curve.ratio), *(one for one, _ in left_out)])
    ends = (float(ratios.min()), float(ratios.max()))
    with plot_style():
        figure, axes = over_ratio(ends, (valley.low, valley.high), [one.label for one in curves], phone=phone)
        values = np.array([one for curve in curves for one in curve.value])
        top = 1.08 * max(float(values.max()), 2.2 * valley.tolerance)
        bottom = min(float(values.min()), 0.0) - 0.05 * top
        axes.set_ylim(bottom, top)
        shade(axes, valley.low, valley.high, valley.optimum, phone=phone)
        _fit(axes, valley, ends)
        colours = steps(len(curves))
        for curve, colour in zip(curves, colours, strict=True):
            style = "-" if joined else ""
            axes.plot(
                curve.ratio, curve.value, marker="o", ms=3.6, mec=PAPER, mew=0.4, ls=style, lw=0.9, color=colour,
                alpha=0.9, zorder=3,
            )  # fmt: skip
        for ratio, value in left_out:
            above = value > top
            axes.plot(
                [ratio], [top if above else value], marker="^" if above else "o", ms=3.8, mfc=PAPER, mec=MUTED, mew=0.8,
                ls="", zorder=2.5, clip_on=not above,
            )  # fmt: skip
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.6g}%".replace("-", MINUS)))
        axes.set_ylabel("loss above the best shape of its budget")
        name_curves(axes, curves, colours, joined=joined)
        return figure


def over_ratio(
    ends: tuple[float, float],
    interval: tuple[Estimate | None, Estimate | None],
    labels: Sequence[str],
    *,
    height: float = 3.9,
    phone: bool = False,
) -> tuple[Drawing, Axes]:
    """A figure with one pair of axes over R, with room at the right for names.

    Args:
        ends: Smallest and largest ratio of all runs.
        interval: Ends that the axis holds too, where they are not far off.
        labels: The names at the right.
        height: In inches.
        phone: Whether it is as narrow as a phone.
    """
    width = PHONE if phone else WIDTH
    figure = new_figure(0.85 * height if phone else height, width)
    figure.set_layout_engine("none")
    names = max((text_size(clean(one), _LABEL)[0] for one in labels), default=0.0)
    inches = figure.get_size_inches()[1]
    left, right, foot, head = (42.0, min(names, 0.3 * 72 * width) + 22.0, 34.0, 10.0)
    axes = figure.add_axes(
        (
            left / (72 * width),
            foot / (72 * inches),
            1 - (left + right) / (72 * width),
            1 - (foot + head) / (72 * inches),
        )
    )
    axes.set_xscale("log")
    low, high = ends
    inner = [one.value for one in interval if one is not None and math.isfinite(one.value) and one.value > 0]
    low = max(min([low, *inner]), low / _BEYOND)
    high = min(max([high, *inner]), high * _BEYOND)
    axes.set_xlim(low * 0.85, high * 1.18)
    room = 1 - (left + right) / (72 * width)
    efold = 72 * width * room / math.log(high * 1.18 / (low * 0.85))
    ticks = _TICKS if efold > 36.0 else _TICKS[::3]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis="y")
    axes.set_xlabel("depth-width ratio R (blocks per channel)")
    return figure, axes


def shade(axes: Axes, low: Estimate | None, high: Estimate | None, optimum: Estimate, *, phone: bool) -> None:
    """Shade the interval, up to the optimum where that is but a bound, and name the optimum at the upper edge."""
    left, right = axes.get_xlim()
    first, last = (optimum.value if one is None else one.value for one in (low, high))
    axes.axvspan(max(first, left), min(last, right), color=INTERVAL, alpha=0.13, lw=0, zorder=0)
    if not left < optimum.value < right:
        return
    axes.axvline(optimum.value, color=INTERVAL, lw=1.0, ls=(0, (4, 3)), zorder=1)
    sign = "\u2264 " if low is None else "\u2265 " if high is None else ""
    at_right = math.log(optimum.value / left) > 0.7 * math.log(right / left)
    note(axes, f"{'R*' if phone else 'optimum R*'} {sign}{optimum.value:.2g}", at=optimum.value, left=at_right)


def _fit(axes: Axes, valley: Valley, ends: tuple[float, float]) -> None:
    """The fitted valley with its band, dashed beyond the runs, and the ends of the interval with their uncertainty."""
    left, right = axes.get_xlim()
    grid = np.geomspace(left, right, 160)
    low, high = valley.band(grid)
    axes.fill_between(grid, low, high, color=LINE, alpha=0.14, lw=0, zorder=1.5)
    inside = (grid >= ends[0]) & (grid <= ends[1])
    values = valley.excess(grid)
    axes.plot(grid[inside], values[inside], color=LINE, lw=2.0, zorder=4, label="fitted")
    for beyond in (grid < ends[0], grid > ends[1]):
        axes.plot(grid[beyond], values[beyond], color=LINE, lw=1.4, ls=(0, (2, 1.5)), zorder=4)
    axes.axhline(valley.tolerance, color=INK, lw=0.7, ls=(0, (1, 2)), zorder=1)
    for end in filter(None, (valley.low, valley.high)):
        if end.interval is not None and end.interval[0] < right and end.interval[1] > left:
            span = (max(end.interval[0], left), min(end.interval[1], right))
            axes.plot(span, [valley.tolerance] * 2, color=INTERVAL, lw=3.2, solid_capstyle="butt", zorder=4.5)
        if left < end.value < right:
            axes.plot([end.value], [valley.tolerance], marker="D", ms=5, color=INTERVAL, mec=PAPER, mew=0.7, zorder=5)


def name_curves(axes: Axes, curves: Sequence[Curve], colours: Sequence[str], *, joined: bool = True) -> None:
    """Name curves beyond the right edge: each beside its last run with a line to it where all those are near.

    Else, and where runs are not joined, the names stand in the order of the curves, and colour alone tells them apart.
    Where there are more than fit, names are left out evenly.

    Args:
        axes: With its limits and place set.
        curves: The smallest first.
        colours: Of each.
        joined: Whether a curve is a line.
    """
    width, height = 72.0 * np.array(axes.get_position().size) * figure_of(axes).get_size_inches()
    most = max(1, int(height / _LINE))
    chosen = sorted({round(place) for place in np.linspace(0, len(curves) - 1, min(most, len(curves)))})
    last = np.array([(curves[one].ratio[-1], curves[one].value[-1]) for one in chosen])
    ends = axes.transAxes.inverted().transform(axes.transData.transform(last))
    beside = joined and ends[:, 0].min() > 1 - _REACH
    if beside:
        wanted = np.clip(ends[:, 1], 0, 1) * height
        order = np.argsort(wanted, kind="stable")
        places = _apart(wanted[order], height)
    else:
        order = np.arange(len(chosen))[::-1]
        places = height - _LINE * (0.5 + order)
    for rank, place in zip(order, places, strict=True):
        colour = colours[chosen[rank]]
        axes.annotate(
            clean(curves[chosen[rank]].label),
            (width + (14.0 if beside else 6.0), place),
            xycoords="axes points",
            va="center",
            fontsize=_LABEL,
            color=colour,
            annotation_clip=False,
            parse_math=False,
        )
        if beside:
            line = {"arrowstyle": "-", "lw": 0.5, "color": colour, "alpha": 0.7, "shrinkA": 0.0, "shrinkB": 2.5}
            axes.annotate(
                "",
                last[rank],
                xytext=(width + 13.0, place),
                textcoords="axes points",
                arrowprops=line,
                annotation_clip=False,
            )


def _apart(wanted: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    """Places as near to those wanted as a line of type between two of them allows, rising, inside the height."""
    places = wanted.copy()
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + _LINE)
    places -= max(0.0, places[-1] - height) if len(places) else 0.0
    for index in range(len(places) - 2, -1, -1):
        places[index] = min(places[index], places[index + 1] - _LINE)
    return places

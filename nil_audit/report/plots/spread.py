"""Spread against sensitivity: the two parts of a typical token's efficiency, with lines of equal efficiency."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from nil_audit.report.plots.palette import LINE, MUTED
from nil_audit.report.plots.points import label_points
from nil_audit.report.plots.style import HALO, Drawing, new_figure, plot_style
from nil_audit.report.render.text import MINUS
from nil_audit.stats.estimate import Estimate

_MOST_LABELS = 30


@dataclass(frozen=True, kw_only=True)
class SpreadPoint:
    """One model.

    Attributes:
        name: Its name, no other's.
        rank: Directions that a typical token's gradients spread over: spread times width.
        sensitivity: In nats² a token.
        reference: Whether it is there to be compared with, and is drawn in grey.
    """

    name: str
    rank: Estimate
    sensitivity: Estimate
    reference: bool = False


def spread_against_sensitivity(points: Sequence[SpreadPoint]) -> Drawing:
    """Models on logarithmic axes of typical rank r and typical sensitivity S, with bars of their 95% intervals.

    Along a thin line the efficiency ½ ln r - ln S is one number whatever the width, which is why the directions are
    drawn and not their share of the width.

    Args:
        points: At least one; those drawn in colour are labelled first.
    """
    with plot_style():
        figure = new_figure(4.3)
        axes = figure.add_subplot()
        axes.set(xscale="log", yscale="log")
        for one in sorted(points, key=lambda point: not point.reference):
            colour = MUTED if one.reference else LINE
            axes.errorbar(
                one.rank.value,
                one.sensitivity.value,
                xerr=_bars(one.rank),
                yerr=_bars(one.sensitivity),
                fmt="o",
                ms=5,
                mec="none",
                color=colour,
                elinewidth=1.0,
                zorder=3,
            )
        for axis, (low, high) in (
            (axes.xaxis, _limits([one.rank for one in points])),
            (axes.yaxis, _limits([one.sensitivity for one in points])),
        ):
            (axes.set_xlim if axis is axes.xaxis else axes.set_ylim)(low, high)
            axis.set_major_locator(FixedLocator(log_ticks(low, high)))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        _equal_efficiency(axes)
        axes.set_xlabel("typical rank r (directions: spread × width)")
        axes.set_ylabel("typical sensitivity S (nats² a token)")
        x, y = np.array([(one.rank.value, one.sensitivity.value) for one in points] + list(_along_bars(points))).T
        order = sorted(range(len(points)), key=lambda place: points[place].reference)
        names = [one.name for one in points] + [""] * (len(x) - len(points))
        label_points(axes, names, x, y, order, radius=3.0, most=_MOST_LABELS)
        return figure


def _along_bars(points: Sequence[SpreadPoint]) -> Iterator[tuple[float, float]]:
    """Places on the bars, close enough that no label is written across one."""
    for one in points:
        for estimate, turned in ((one.rank, False), (one.sensitivity, True)):
            if estimate.interval is None:
                continue
            low, high = estimate.interval
            for end in np.geomspace(max(low, estimate.value / 100), high, 24).tolist():
                yield (one.rank.value, end) if turned else (end, one.sensitivity.value)


def _bars(estimate: Estimate) -> list[list[float]] | None:
    """How far the interval reaches below and above, on an axis that ends above zero."""
    if estimate.interval is None:
        return None
    low, high = estimate.interval
    return [[estimate.value - max(low, estimate.value / 100)], [high - estimate.value]]


def _limits(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """The ends of an axis that holds all of them: a factor of 2 at least."""
    ends = [max(end, one.value / 100) for one in estimates for end in (one.value, *(one.interval or ()))]
    low, high = math.log(min(ends)), math.log(max(ends))
    room = max(0.06 * (high - low), 0.5 * (math.log(2.0) - (high - low)))
    return math.exp(low - room), math.exp(high + room)


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between the ends of a logarithmic axis: the fewest to a power of ten of which it holds three."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in (
        (1,),
        (1, 3),
        (1, 2, 5),
        (1, 1.5, 2, 3, 5, 7),
        tuple(np.arange(1, 10, 0.5)),
        tuple(np.arange(1, 10, 0.1)),
    ):
        found = [
            round(step * 10.0**power, 12) for power in powers for step in steps if low <= step * 10.0**power <= high
        ]
        if len(found) >= 3:
            return found
    return found


def _equal_efficiency(axes: Axes) -> None:
    """Lines of one efficiency, each named where it leaves the plane on the right or at the top."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    least, most = (0.5 * math.log(r) - math.log(s) for r, s in ((left, top), (right, bottom)))
    step = next(step for step in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 1e9) if (most - least) / step <= 7)
    for number in range(math.ceil(least / step), math.floor(most / step) + 1):
        efficiency = number * step
        ends = np.array([left, right])
        axes.plot(ends, np.sqrt(ends) * math.exp(-efficiency), color=MUTED, lw=0.5, alpha=0.55, zorder=0.6)
        # S = sqrt(r) exp(-efficiency) rises to the right: it leaves by the right edge or by the upper one.
        across = min(right, (top * math.exp(efficiency)) ** 2)
        if across < left * 1.02:
            continue
        axes.annotate(
            f"{efficiency:g}".replace("-", MINUS),
            (across, math.sqrt(across) * math.exp(-efficiency)),
            xytext=(-3, -2) if across < right else (-2, 1),
            textcoords="offset points",
            ha="right",
            va="top" if across < right else "bottom",
            fontsize=6.5,
            color=MUTED,
            label=HALO,
            zorder=1,
        )

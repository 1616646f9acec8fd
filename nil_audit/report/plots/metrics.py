"""Metrics of interaction over the depth-width ratio, budget by budget: what they do where the loss has its valley."""

from collections.abc import Sequence

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from nil_audit.report.plots.palette import PAPER
from nil_audit.report.plots.style import Drawing, plot_style, steps
from nil_audit.report.plots.valley import Curve, name_curves, over_ratio, shade
from nil_audit.report.render.characters import clean
from nil_audit.stats.estimate import Estimate

_DECADES = 20.0
"""Largest over smallest value from which an axis is logarithmic."""


def metric_plot(
    metric: str,
    curves: Sequence[Curve],
    *,
    low: Estimate | None,
    high: Estimate | None,
    optimum: Estimate,
    phone: bool = False,
) -> Drawing:
    """One metric over R on a logarithmic axis, a line a budget, with the interval that the losses give shaded.

    Args:
        metric: What it is called.
        curves: Budgets, the smallest first; the axis of values is logarithmic where they are above zero and spread
            over more than a decade.
        low: Lower end of the interval; None beyond an optimum that is but a bound.
        high: Upper end.
        optimum: R*.
        phone: Whether it is drawn as narrow as a phone.
    """
    ratios = [one for curve in curves for one in curve.ratio]
    values = [one for curve in curves for one in curve.value]
    with plot_style():
        labels = [one.label for one in curves]
        figure, axes = over_ratio((min(ratios), max(ratios)), (None, None), labels, height=3.2, phone=phone)
        if min(values) > 0 and max(values) > _DECADES * min(values):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator())
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}".replace("e+", "e")))
            axes.set_ylim(min(values) / 1.3, max(values) * 1.6)
        else:
            room = (max(values) - min(values)) or abs(max(values)) or 1.0
            axes.set_ylim(min(values) - 0.06 * room, max(values) + 0.14 * room)
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}".replace("e+", "e")))
        shade(axes, low, high, optimum, phone=phone)
        colours = steps(len(curves))
        for curve, colour in zip(curves, colours, strict=True):
            axes.plot(curve.ratio, curve.value, marker="o", ms=3.4, mec=PAPER, mew=0.4, lw=0.9, color=colour, zorder=3)
        axes.set_ylabel(clean(metric).replace("_", " "))
        name_curves(axes, curves, colours)
        return figure

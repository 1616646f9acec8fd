"""Score against the depth-width ratio, the interval shaded: the paper's own picture of its claim."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from nil_audit.comparison.findings import Band
from nil_audit.comparison.result import ModelRow
from nil_audit.law.studies import Interval
from nil_audit.report.plots.palette import INTERVAL, MUTED
from nil_audit.report.plots.points import draw_models, label_points, size_legend
from nil_audit.report.plots.style import NARROW, WIDE, new_figure, plot_style

_TICKS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def score_against_ratio(
    models: Sequence[ModelRow],
    bands: Sequence[Band],
    interval: Interval,
    *,
    notable: Sequence[str] = (),
    narrow: bool = False,
) -> Figure:
    """Raw accuracy of each model against R = depth / width, on a logarithmic axis.

    Args:
        models: The models, at least one.
        bands: Size bands, smallest first; the colour of a point.
        interval: What is shaded.
        notable: Names to label, the most notable first.
        narrow: One column of a paper (3.5 inches) and not two (7).

    Returns:
        The figure.
    """
    with plot_style():
        figure = new_figure(NARROW, 3.6) if narrow else new_figure(WIDE, 4.3)
        axes = figure.add_subplot()
        ratio = np.array([model.ratio for model in models])
        score = np.array([model.score for model in models])
        axes.set_xscale("log")
        low, high = min(ratio.min(), interval.low), max(ratio.max(), interval.high)
        axes.set_xlim(low * 0.86, high * 1.16)
        axes.xaxis.set_major_locator(FixedLocator(_TICKS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        axes.grid(axis="y")
        axes.axvspan(interval.low, interval.high, color=INTERVAL, alpha=0.13, lw=0, zorder=0)
        axes.axvline(interval.optimum, color=INTERVAL, lw=1.0, ls=(0, (4, 3)), zorder=1)
        chance = float(np.median([model.chance for model in models]))
        axes.axhline(chance, color=MUTED, lw=0.8, ls=(0, (1, 2)), zorder=1)
        radius = draw_models(axes, models, ratio, score, bands)
        bottom, top = min(score.min(), chance), score.max()
        axes.set_ylim(bottom - 0.05 * (top - bottom) - 0.01, top + 0.09 * (top - bottom) + 0.01)
        for words, where in (
            (f"interval [{interval.low:.2g}, {interval.high:.2g}]", interval.low),
            (f"optimum {interval.optimum:.2g}", interval.optimum),
        ):
            axes.annotate(
                words.partition(" ")[0] if narrow else words,
                (where, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(4, -3),
                textcoords="offset points",
                va="top",
                fontsize=6.8,
                color=INTERVAL,
            )
        axes.annotate(
            "chance",
            (1.0, chance),
            xycoords=("axes fraction", "data"),
            xytext=(-1, -2),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=6.8,
            color=MUTED,
        )
        axes.set_xlabel("depth-width ratio R (blocks per channel)")
        axes.set_ylabel("MMLU-Pro accuracy")
        size_legend(axes, bands, models, columns=3 if narrow else 7)
        place = {model.model: index for index, model in enumerate(models)}
        label_points(
            axes,
            [model.model for model in models],
            ratio,
            score,
            [place[name] for name in notable if name in place],
            radius=radius,
            most=8 if narrow else 26,
            headroom=13.0,
        )
        return figure

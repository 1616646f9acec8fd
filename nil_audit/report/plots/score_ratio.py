"""Score against the depth-width ratio, the interval shaded: the paper's own picture of its claim."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from nil_audit.law.studies import Interval
from nil_audit.report.plots.palette import INTERVAL, MUTED
from nil_audit.report.plots.points import draw_models
from nil_audit.report.plots.style import new_figure, note, plot_style

if TYPE_CHECKING:
    import pandas as pd

_TICKS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def score_against_ratio(
    models: "pd.DataFrame", *, bands: Mapping[str, str], interval: Interval, notable: Sequence[str] = ()
) -> Figure:
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
        axes.axhline(chance, color=MUTED, lw=0.8, ls=(0, (1, 2)), zorder=1)
        bottom, top = min(score.min(), chance), score.max()
        axes.set_ylim(bottom - 0.05 * (top - bottom) - 0.01, top + 0.09 * (top - bottom) + 0.01)
        note(axes, f"interval [{interval.low:.2g}, {interval.high:.2g}]", at=interval.low)
        note(axes, f"optimum {interval.optimum:.2g}", at=interval.optimum)
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
        draw_models(axes, models, ratio, score, bands=bands, notable=notable, most=26)
        return figure

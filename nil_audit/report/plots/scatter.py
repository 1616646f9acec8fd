"""Score against shape: raw against the depth-width ratio, the paper's own picture, and with size held fixed."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from nil_audit.law.studies import Interval
from nil_audit.report.plots.palette import INK, INTERVAL, LINE
from nil_audit.report.plots.points import draw_models, text_size
from nil_audit.report.plots.style import (
    PHONE,
    PREDICTED,
    SIGNED,
    WIDTH,
    Drawing,
    chance_line,
    new_figure,
    note,
    plot_style,
)

if TYPE_CHECKING:
    import pandas as pd

_TICKS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_CROWDED = 42.0
"""Points of paper an e-fold of R below which only every third tick, a power of ten, has room for its number."""
_LINE = 0.06
"""Height of a line of the names at the right edge, in parts of the axes' height."""


def score_against_ratio(
    models: "pd.DataFrame",
    *,
    bands: Mapping[str, str],
    interval: Interval,
    axis: str,
    percent: bool = True,
    lower_is_better: bool = False,
    floor: float | None = None,
    notable: Sequence[str] = (),
    phone: bool = False,
) -> Drawing:
    """The score of each model against R = depth / width, on a logarithmic axis; better is higher up.

    Args:
        models: At least one row; columns ``model``, ``ratio``, ``score``, ``band`` and ``at_floor``.
        bands: What each size band is called, by key, smallest first; the colour of a point.
        interval: What is shaded; its optimum is a line.
        axis: What the score is.
        percent: Whether it is a fraction of 1, shown as per cent.
        lower_is_better: Whether the axis runs downwards.
        floor: The score of guessing; None draws none.
        notable: Names to label, the most notable first.
        phone: Whether it is drawn as narrow as a phone.
    """
    with plot_style():
        figure = new_figure(3.6, PHONE) if phone else new_figure(4.3, WIDTH)
        axes = figure.add_subplot()
        ratio, score = (models[key].to_numpy(dtype=float) for key in ("ratio", "score"))
        axes.set_xscale("log")
        axes.set_xlim(min(ratio.min(), interval.low) * 0.86, max(ratio.max(), interval.high) * 1.16)
        left, right = axes.get_xlim()
        efold = 72.0 * (0.8 * PHONE if phone else 0.86 * WIDTH) / math.log(right / left)
        axes.xaxis.set_major_locator(FixedLocator(_TICKS if efold > _CROWDED else _TICKS[1::3]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        if percent:
            axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        axes.grid(axis="y")
        axes.axvspan(interval.low, interval.high, color=INTERVAL, alpha=0.13, lw=0, zorder=0)
        axes.axvline(interval.optimum, color=INTERVAL, lw=1.0, ls=(0, (4, 3)), zorder=1)
        ends = [*score.tolist(), *(() if floor is None else (floor,))]
        room = max(max(ends) - min(ends), 0.02 * abs(max(ends)), 1e-9)
        below, above = min(ends) - 0.08 * room, max(ends) + 0.12 * room
        axes.set_ylim(*((above, below) if lower_is_better else (below, above)))
        if floor is not None:
            chance_line(axes, floor, "chance floor", named=not phone)
        # Where the name of the interval would run into that of its optimum the caption alone has its ends.
        left, right = np.log(axes.get_xlim())
        room = (
            np.log(interval.optimum / interval.low) / (right - left) * (0.8 * PHONE if phone else 0.86 * WIDTH) * 72.0
        )
        words = f"interval {interval.low:.2g} to {interval.high:.2g}"
        if text_size(words, 6.8)[0] + 8.0 < room:
            note(axes, words, at=interval.low)
        note(axes, f"{'R*' if phone else 'optimum R*'} {interval.optimum:.2g}", at=interval.optimum)
        axes.set_xlabel("depth-width ratio R (blocks per channel)")
        axes.set_ylabel(f"{axis} (lower is better)" if lower_is_better else axis)
        draw_models(
            axes,
            models,
            ratio,
            score,
            bands=bands,
            notable=notable,
            most=6 if phone else 26,
        )
        return figure


def adjusted_against_dose(
    models: "pd.DataFrame",
    *,
    bands: Mapping[str, str],
    axes_labels: tuple[str, str],
    predicted: str,
    trend: "pd.DataFrame | None",
    notable: Sequence[str] = (),
    phone: bool = False,
) -> Drawing:
    """Size-adjusted outcome against the cost that a study predicts, both in the unit of the outcome.

    Through the middle of the models run the line of no effect, the predicted one, whose slope is -1, and the fitted
    one with its band.

    Args:
        models: At least one row; columns ``model``, ``adjusted_dose`` and ``residual`` (none missing), ``band``,
            ``at_floor``.
        bands: What each size band is called, by key, smallest first; the colour of a point.
        axes_labels: What the dose is, and what the outcome.
        predicted: What a slope of -1 is: "as the law predicts".
        trend: The fitted line, columns x, y, low and high; None draws none.
        notable: Names to label, the most notable first.
        phone: Whether it is drawn as narrow as a phone.
    """
    with plot_style():
        figure = new_figure(3.4, PHONE) if phone else new_figure(4.1, WIDTH)
        axes = figure.add_subplot()
        x, y = (models[key].to_numpy(dtype=float) for key in ("adjusted_dose", "residual"))
        axes.grid(axis="y")
        span, rise = max(float(np.ptp(x)), 0.1), max(float(np.ptp(y)), 0.1)
        left, right = float(x.min()) - 0.04 * span, float(x.max()) + 0.04 * span
        axes.set_xlim(left, right)
        axes.set_ylim(y.min() - 0.08 * rise, y.max() + 0.08 * rise)
        ends = np.array([left, right])
        middle = (float(x.mean()), float(y.mean()))
        axes.plot(ends, np.full(2, middle[1]), color=INK, lw=0.9, zorder=1)
        axes.plot(ends, middle[1] - (ends - middle[0]), color=INK, lw=1.1, ls=PREDICTED, zorder=2.2)
        names = {"no effect": middle[1], predicted: middle[1] - (right - middle[0])}
        if trend is not None:
            axes.fill_between(trend["x"], trend["low"], trend["high"], color=LINE, alpha=0.15, lw=0, zorder=1.5)
            axes.plot(trend["x"], trend["y"], color=LINE, lw=1.8, zorder=2)
            names["fitted"] = float(trend["y"].iloc[-1])
        _name_lines(axes, names)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6 if phone else 10, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(SIGNED)
        for one, words in zip((axes.xaxis, axes.yaxis), axes_labels, strict=True):
            one.set_label_text(words)
        draw_models(
            axes,
            models,
            x,
            y,
            bands=bands,
            notable=notable,
            most=5 if phone else 22,
        )
        return figure


def _name_lines(axes: Axes, heights: Mapping[str, float]) -> None:
    """Name lines beyond the right edge, each as near to where it ends as the others allow."""
    bottom, top = axes.get_ylim()
    order = sorted(heights, key=lambda name: heights[name])
    places = np.clip([(heights[name] - bottom) / (top - bottom) for name in order], 0.0, 1.0)
    lines = [1 + name.count("\n") for name in order]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + _LINE * (lines[index - 1] + lines[index]) / 2)
    places -= max(0.0, places[-1] - 1.0)
    for name, place in zip(order, places, strict=True):
        axes.annotate(
            name,
            (1.0, place),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.0,
            color=LINE if name == "fitted" else INK,
            fontweight="bold" if name == "fitted" else "normal",
            annotation_clip=False,
        )

"""The forest plot: one estimate with its interval a row, in groups, beside the number of models behind each."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from nil_audit.report.plots.palette import INK, LINE, MUTED
from nil_audit.report.plots.points import text_size
from nil_audit.report.plots.style import SIGNED, new_figure, plot_style
from nil_audit.report.render.characters import clean
from nil_audit.report.render.text import estimate_text
from nil_audit.stats.estimate import Estimate

Row = tuple[str, Estimate]
"""Its label, and an estimate between -1 and 1 whose n counts models."""

_SIZE = 7.0


def forest(groups: Sequence[tuple[str, Sequence[Row]]], *, axis: str, ends: tuple[str, str], main: str = "") -> Figure:
    """Estimates with intervals against zero, row under row; an estimate without an interval is a point alone.

    Args:
        groups: Title and rows of each group; groups without rows are left out.
        axis: What the estimates are.
        ends: What an estimate far to the left, and far to the right, would mean.
        main: Label of the row that is set apart.

    Returns:
        The figure; its height grows with the rows.
    """
    groups = [(title, rows) for title, rows in groups if rows]
    lines = sum(len(rows) + 1.35 for _, rows in groups)
    with plot_style():
        figure = new_figure(0.78 + 0.185 * lines)
        labels = [(clean(label), label == main) for _, rows in groups for label, _ in rows]
        labels += [(title, True) for title, _ in groups]
        longest = max(text_size(text, _SIZE, bold=bold)[0] for text, bold in labels)
        inches, height = figure.get_size_inches()
        left, right = min((longest + 10.0) / 72.0 / inches, 0.52), 2.1 / inches
        bottom, top = 0.50 / height, 0.22 / height
        figure.set_layout_engine("none")
        axes = figure.add_axes((left, bottom, 1 - left - right, 1 - bottom - top))
        place = 0.0
        for title, rows in groups:
            place -= 0.35
            _text(axes, -0.02, place, title, ha="right", weight="bold")
            place -= 1.0
            for label, estimate in rows:
                _row(axes, label, estimate, place, main=label == main)
                place -= 1.0
        axes.set_ylim(place + 0.3, 0.6)
        ends_of = [abs(end) for _, rows in groups for _, one in rows for end in (one.value, *(one.interval or ()))]
        limit = min(1.0, max(0.3, max(ends_of) * 1.06))
        axes.set_xlim(-limit, limit)
        axes.xaxis.set_major_locator(MultipleLocator(0.25 if limit > 0.55 else 0.2 if limit > 0.4 else 0.1))
        axes.xaxis.set_major_formatter(SIGNED)
        axes.grid(axis="x")
        axes.axvline(0, color=MUTED, lw=0.9, zorder=1)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(axis)
        for where, words, side in (
            (0.0, f"← {ends[0]}", "left"),
            (1.0, f"{ends[1]} →", "right"),
            (1.03, "models", "left"),
            (1.20, "estimate and 95% interval", "left"),
        ):
            _text(axes, where, 0.62, words, ha=side, color=MUTED, va="bottom")
        return figure


def _row(axes: Axes, label: str, estimate: Estimate, place: float, *, main: bool) -> None:
    colour, weight = (LINE, "bold") if main else (INK, "normal")
    _text(axes, -0.02, place, clean(label), ha="right", weight=weight)
    if estimate.interval:
        axes.plot(estimate.interval, [place, place], color=colour, lw=2.0 if main else 1.3, solid_capstyle="butt")
    marker, size = ("D", 5.5) if main else ("o", 4.5)
    axes.plot([estimate.value], [place], marker=marker, ms=size, color=colour, mec="none")
    _text(axes, 1.11, place, f"{estimate.n}", ha="right", weight=weight)
    _text(axes, 1.20, place, estimate_text(estimate), ha="left", weight=weight)


def _text(axes: Axes, x: float, y: float, words: str, *, color: str = INK, va: str = "center", **look: Any) -> None:
    # x in the axes' width, y in rows
    place = axes.get_yaxis_transform()
    axes.text(x, y, words, transform=place, fontsize=_SIZE, color=color, va=va, parse_math=False, **look)

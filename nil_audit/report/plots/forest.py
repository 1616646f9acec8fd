"""The forest plot: one estimate with its interval a row, in groups, beside the number of models behind each."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from nil_audit.report.plots.palette import INK, LINE, MUTED
from nil_audit.report.plots.points import text_size
from nil_audit.report.plots.style import NARROW, WIDE, new_figure, plot_style
from nil_audit.report.render.text import MINUS, bracketed, clean

SIZE = 7.0


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One row: an estimate between -1 and 1, its interval where there is one, and the models behind it."""

    label: str
    estimate: float
    low: float | None
    high: float | None
    models: int
    main: bool = False


def forest(
    groups: Sequence[tuple[str, Sequence[Effect]]], *, axis: str, ends: tuple[str, str] | None, narrow: bool = False
) -> Figure:
    """Estimates with intervals against zero, row under row.

    Args:
        groups: Title and rows of each group; groups without rows are left out.
        axis: What the estimates are.
        ends: What an estimate far to the left, and far to the right, would mean; None says nothing.
        narrow: One column of a paper (3.5 inches) and not two (7).

    Returns:
        The figure; its height grows with the rows.
    """
    groups = [(title, tuple(rows)) for title, rows in groups if rows]
    lines = sum(len(rows) + 1.35 for _, rows in groups)
    with plot_style():
        figure = new_figure(NARROW if narrow else WIDE, (0.90 if narrow else 0.78) + 0.185 * lines)
        longest = max(text_size(clean(row.label), SIZE)[0] for _, rows in groups for row in rows)
        longest = max(longest, *(1.08 * text_size(title, SIZE)[0] for title, _ in groups))
        inches = figure.get_figwidth()
        left, right = min((longest + 10.0) / 72.0 / inches, 0.52), (0.12 if narrow else 2.1) / inches
        bottom, top = (0.62 if narrow else 0.50) / figure.get_figheight(), 0.22 / figure.get_figheight()
        figure.set_layout_engine("none")
        axes = figure.add_axes((left, bottom, 1 - left - right, 1 - bottom - top))
        place = 0.0
        for title, rows in groups:
            place -= 0.35
            _text(axes, -0.02, place, title, ha="right", weight="bold")
            place -= 1.0
            for row in rows:
                _row(axes, row, place, narrow=narrow)
                place -= 1.0
        axes.set_ylim(place + 0.3, 0.6)
        reach = max(max(abs(r.estimate), abs(r.low or 0), abs(r.high or 0)) for _, rows in groups for r in rows)
        limit = min(1.0, max(0.3, reach * 1.06))
        axes.set_xlim(-limit, limit)
        axes.xaxis.set_major_locator(MultipleLocator(0.25 if limit > 0.55 else 0.2 if limit > 0.4 else 0.1))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:+g}".replace("-", MINUS) if value else "0")
        )
        axes.grid(axis="x")
        axes.axvline(0, color=MUTED, lw=0.9, zorder=1)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(textwrap.fill(axis, 30) if narrow else axis)
        if not narrow:
            _text(axes, 1.03, 0.62, "models", ha="left", colour=MUTED, va="bottom")
            _text(axes, 1.20, 0.62, "estimate and 95% interval", ha="left", colour=MUTED, va="bottom")
        if ends:
            for where, words, side in ((0.0, f"← {ends[0]}", "left"), (1.0, f"{ends[1]} →", "right")):
                _text(axes, where, 0.62, words, ha=side, colour=MUTED, va="bottom")
        return figure


def _row(axes: Axes, row: Effect, place: float, *, narrow: bool) -> None:
    colour = LINE if row.main else INK
    weight = "bold" if row.main else "normal"
    _text(axes, -0.02, place, clean(row.label), ha="right", weight=weight)
    if row.low is not None and row.high is not None:
        axes.plot([row.low, row.high], [place, place], color=colour, lw=2.0 if row.main else 1.3, solid_capstyle="butt")
    axes.plot(
        [row.estimate], [place], marker="D" if row.main else "o", ms=5.5 if row.main else 4.5, color=colour, mec="none"
    )
    if narrow:
        return
    _text(axes, 1.11, place, f"{row.models}", ha="right", weight=weight)
    _text(axes, 1.20, place, bracketed(row.estimate, row.low, row.high), ha="left", weight=weight)


def _text(
    axes: Axes,
    x: float,
    y: float,
    words: str,
    *,
    ha: str,
    weight: str = "normal",
    colour: str = INK,
    va: str = "center",
) -> None:
    # x in the axes' width, y in rows
    axes.text(
        x,
        y,
        words,
        transform=axes.get_yaxis_transform(),
        ha=ha,
        va=va,
        fontsize=SIZE,
        weight=weight,
        color=colour,
        parse_math=False,
    )

"""Small multiples over relative depth: a panel a number, a line a model with the band of its 95% intervals."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from nil_audit.report.plots.palette import LINE, MUTED, PAPER
from nil_audit.report.plots.spread import log_ticks
from nil_audit.report.plots.style import PHONE, WIDTH, Drawing, new_figure, steps
from nil_audit.report.render.text import MINUS, short_names
from nil_audit.stats.estimate import Estimate

NAMED = 6
"""Models that are told apart by colour, marker and name; more are thin lines of one colour."""
Z = 1.96
"""Standard deviations on either side that hold 95% of random bases."""
SHADE = 0.16
"""How opaque the shade is where these lie."""
_MARKERS = ("o", "s", "^", "D", "v", "P")
_LONGEST = 30
"""Characters of a model's name at most."""
_MOST_TICKS = 6
_BEYOND = 0.6
"""How far beyond the values a band may reach, in ranges of the values; what lies beyond is cut."""
_HEAD, _PANEL, _FOOT = 0.34, 1.46, 0.28
"""Heights in inches: of a line of the legend and less, of a panel, of what stands below."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One number of one model over relative depth.

    Attributes:
        depth: l / L of each block, rising.
        estimates: Of each; None where it is undefined, which leaves a gap.
    """

    depth: Sequence[float]
    estimates: Sequence[Estimate | None]


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a model is drawn: its colour and marker, and whether it is one of so many that it has no band."""

    colour: str
    marker: str
    bare: bool = False


def looks(models: int) -> list[Look]:
    """A look for each model, in their order; alike for all where they are more than are named."""
    if models > NAMED:
        return [Look(colour=LINE, marker="", bare=True)] * models
    colours = (LINE,) if models == 1 else steps(models)
    return [Look(colour=colour, marker=marker) for colour, marker in zip(colours, _MARKERS, strict=False)]


def grid(panels: int, columns: int, *, phone: bool) -> tuple[Drawing, list[Axes]]:
    """A figure of panels, row after row, each over relative depth from 0 to 1.

    Args:
        panels: Their number.
        columns: In a row.
        phone: Whether it is as narrow as a phone.
    """
    rows = math.ceil(panels / columns)
    figure = new_figure(_HEAD + _PANEL * rows + _FOOT, PHONE if phone else WIDTH)
    found = [figure.add_subplot(rows, columns, place + 1) for place in range(panels)]
    for place, axes in enumerate(found):
        axes.set_xlim(-0.04, 1.04)
        axes.xaxis.set_major_locator(FixedLocator([0.0, 0.5, 1.0]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.tick_params(labelsize=7.0, labelbottom=place + columns >= panels)
        axes.grid(axis="y")
    figure.supxlabel("relative depth l / L (0: the first block)", fontsize=7.5)
    return figure, found


def entitle(axes: Axes, words: str) -> None:
    """What a panel shows, above its left edge."""
    axes.set_title(words, loc="left", fontsize=7.5, pad=4)


def draw(axes: Axes, series: Series, look: Look) -> None:
    """One model in a panel: its values with a marker at each block, and the band of their intervals."""
    depth, values, lows, highs = _arrays(series)
    if look.bare:
        axes.plot(depth, values, color=look.colour, lw=0.7, alpha=0.6, zorder=3)
        return
    axes.fill_between(depth, lows, highs, color=look.colour, alpha=0.18, lw=0, zorder=2)
    size = 3.0 if len(depth) <= 16 else 2.0
    axes.plot(depth, values, color=look.colour, lw=1.1, marker=look.marker, ms=size, mec=PAPER, mew=0.25, zorder=3)


DASHES = (0, (3, 2))
DOTS = (0, (1, 1.5))


def draw_dashed(axes: Axes, series: Series, look: Look, dashes: Any = DASHES) -> None:
    """What a model's line is held against, in its colour."""
    depth, values, _, _ = _arrays(series)
    lone = sum(one is not None for one in series.estimates) == 1
    axes.plot(depth, values, color=look.colour, lw=0.8, ls=dashes, alpha=0.85, marker="_" if lone else "", zorder=2.5)


def _arrays(series: Series) -> tuple[np.ndarray, ...]:
    """Depth, values, and both ends of intervals; NaN where there is none."""
    nan = math.nan
    ends = [(one.interval or (nan, nan)) if one else (nan, nan) for one in series.estimates]
    values = [one.value if one else nan for one in series.estimates]
    return np.array(series.depth, dtype=float), np.array(values), *np.array(ends, dtype=float).reshape(-1, 2).T


def fit_axis(
    panels: Sequence[Axes], series: Iterable[Series], *, log: bool = False, also: Sequence[float] = ()
) -> None:
    """Give panels one axis that holds all values, and the intervals that do not reach far beyond them.

    Args:
        panels: That share the axis; the tick labels stand at the first.
        series: All that is drawn in them.
        log: Whether it is logarithmic, where all values are above zero.
        also: Other values that it holds.
    """
    known = [one for each in series for one in each.estimates if one is not None and math.isfinite(one.value)]
    values = [*(one.value for one in known), *also]
    log = log and bool(values) and min(values) > 0
    ends = list(chain.from_iterable(one.interval or () for one in known))
    low, high = _limits(values, ends, log=log)
    for place, axes in enumerate(panels):
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_minor_locator(NullLocator())
            ticks = log_ticks(low, high)
            axes.yaxis.set_major_locator(FixedLocator(ticks[:: math.ceil(len(ticks) / _MOST_TICKS)]))
        else:
            axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(_tick))
        axes.set_ylim(low, high)
        if place:
            axes.tick_params(labelleft=False)


def _limits(values: Sequence[float], ends: Sequence[float], *, log: bool) -> tuple[float, float]:
    """The ends of an axis, with a little room."""
    if not values:
        return 0.0, 1.0
    if log:
        positive = [math.log(end) for end in ends if end > 0]
        low, high = _limits([math.log(one) for one in values], positive, log=False)
        return math.exp(low), math.exp(high)
    low, high = min(values), max(values)
    span = (high - low) or 0.2 * abs(high) or 1.0
    low = max(min([low, *ends]), low - _BEYOND * span)
    high = min(max([high, *ends]), high + _BEYOND * span)
    room = 0.07 * ((high - low) or span)
    return low - room, high + room


def _tick(value: float, _: object) -> str:
    text = f"{value:.6g}" if 1e-4 <= abs(value) < 1e5 or not value else f"{value:.0e}".replace("e+0", "e")
    return text.replace("e-0", f"e{MINUS}").replace("-", MINUS)


def key(figure: Figure, names: Sequence[str], *, others: Sequence[Line2D | Patch], phone: bool) -> None:
    """Name the models above all panels, and what else there is to tell apart; one model alone goes without a name.

    Args:
        figure: Of the panels.
        names: Of the models, in the order of their looks.
        others: Handles with their own labels.
        phone: Whether the figure is as narrow as a phone.
    """
    handles: list[Line2D | Patch] = []
    texts: list[str] = []
    if 1 < len(names) <= NAMED:
        short = short_names(names, _LONGEST)
        for name, look in zip(names, looks(len(names)), strict=True):
            handles.append(Line2D([], [], color=look.colour, lw=1.3, marker=look.marker, ms=4, mec=PAPER, mew=0.3))
            texts.append(short[name])
    handles += others
    texts += [str(one.get_label()) for one in others]
    if not handles:
        return
    legend = figure.legend(
        handles,
        # Set afterwards: matplotlib leaves out a label that begins with "_", as a model's name may.
        [str(place) for place in range(len(texts))],
        loc="outside upper left",
        ncols=1 if phone and any(len(text) > 18 for text in texts) else 2 if phone else min(4, len(texts)),
        handlelength=1.8,
        handletextpad=0.5,
        columnspacing=1.4,
        labelspacing=0.3,
    )
    for text, words in zip(legend.get_texts(), texts, strict=True):
        text.set_parse_math(False)
        text.set_text(words)


def dashed(words: str, models: int, dashes: Any = DASHES) -> Line2D:
    """The key to what is drawn dashed, or dotted."""
    colour = LINE if models == 1 or models > NAMED else MUTED
    return Line2D([], [], color=colour, lw=0.9, ls=dashes, label=words)


def random_bases() -> Patch:
    """The key to what is shaded."""
    return Patch(color=MUTED, alpha=SHADE, lw=0, label="95% of random bases")

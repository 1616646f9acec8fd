"""The effect of shape against none and against the predicted one, with what the data could have shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from nil_audit.report.plots.palette import INK, LINE, MUTED, PAPER
from nil_audit.report.plots.points import figure_of, text_size
from nil_audit.report.plots.style import PHONE, PREDICTED, WIDTH, Drawing, new_figure, plot_style, row_text
from nil_audit.report.render.characters import clean
from nil_audit.report.render.text import interval_text
from nil_audit.stats.estimate import Estimate

_SIZE, _LARGE = 7.0, 8.5
_NAMES, _GAP = 7.5, 8.0
"""Type size of the names of the lines, and what is left between two of them."""
_PITCH, _MAIN = 13.0, 20.0
"""Points from a row to the next, and of the primary's row."""
_REACH = 1.0
"""How far beyond the primary's own axis another row may stretch it; what lies beyond ends in an arrow."""


@dataclass(frozen=True, kw_only=True)
class EffectRow:
    """One estimate of the effect.

    Attributes:
        label: What it is for.
        estimate: In units of the predicted effect, with its 95% interval; n counts models.
        narrow: Its 90% interval, drawn thicker; None draws none.
    """

    label: str
    estimate: Estimate
    narrow: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line of the figure: its middle in points below the upper edge, and what it holds."""

    y: float
    label: str
    number: str
    row: EffectRow | None = None
    main: bool = False
    found: float | None = None
    title: bool = False


def effect_plot(
    primary: EffectRow,
    groups: Sequence[tuple[str, Sequence[EffectRow]]],
    *,
    predicted: str,
    detectable: float | None = None,
    phone: bool = False,
) -> Drawing:
    """The primary estimate on one axis between no effect (0) and the predicted one (1), other rows small below it.

    Args:
        primary: The one that the answer rests on.
        groups: Title and rows of the others; a group without rows is left out.
        predicted: What an effect of 1 is: "as the law predicts".
        detectable: The smallest effect that the data would have shown with 80% power; None draws none.
        phone: Whether it is drawn as narrow as a phone, labels above their intervals.

    Returns:
        The figure; its height grows with the rows.
    """
    lines = tuple(_lines(primary, groups, detectable, phone=phone))
    low, high = _limits(primary, [row for _, rows in groups for row in rows], detectable)
    with plot_style():
        width = 72.0 * (PHONE if phone else WIDTH)
        left, right = (8.0, 8.0) if phone else (_widest(lines, "label") + 12.0, _widest(lines, "number") + 16.0)
        body, head, foot = lines[-1].y + 0.8 * _PITCH, 18.0, 34.0
        height = head + body + foot
        figure = new_figure(height / 72.0, PHONE if phone else WIDTH)
        figure.set_layout_engine("none")
        axes = figure.add_axes((left / width, foot / height, 1 - (left + right) / width, body / height))
        axes.set_xlim(low, high)
        axes.set_ylim(body, 0.0)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5 if phone else 8, steps=[1, 2, 5, 10]))
        axes.set_xlabel("effect of shape (1: what is predicted; 95% interval, thick: 90%)")
        for place, dashes in ((0.0, "-"), (1.0, PREDICTED)):
            axes.axvline(place, color=INK, lw=0.9, ls=dashes, zorder=1)
        _name_lines(axes, predicted, (-left + 3.0, width - left - 3.0))
        for line in lines:
            _draw(axes, line, phone=phone)
        return figure


def _lines(
    primary: EffectRow, groups: Sequence[tuple[str, Sequence[EffectRow]]], detectable: float | None, *, phone: bool
) -> Iterator[_Line]:
    below = 11.0 if phone else 0.0  # on a phone an interval stands below its label
    y = 0.5 * _MAIN + 2.0
    yield _Line(y=y, label=primary.label, number=interval_text(primary.estimate), row=primary, main=True)
    y += below + 0.5 * _MAIN
    if detectable is not None:
        y += 0.5 * _PITCH
        yield _Line(y=y, label="too small to be seen here", number=f"below {detectable:.2f}", found=detectable)
        y += 0.5 * _PITCH + 0.9 * below
    for title, rows in groups:
        if rows:
            y += 1.35 * _PITCH
            yield _Line(y=y, label=title, number="", title=True)
        for row in rows:
            y += _PITCH
            yield _Line(y=y, label=row.label, number=interval_text(row.estimate), row=row)
            y += 0.75 * below
    if phone:
        # Room for the last interval, which stands below its label.
        yield _Line(y=y + 2.0, label="", number="")


def _limits(primary: EffectRow, rows: Sequence[EffectRow], detectable: float | None) -> tuple[float, float]:
    """Ends of the axis: around the primary, 0, 1 and what is detectable; others stretch it a little."""
    own = [0.0, 1.0, primary.estimate.value, *(primary.estimate.interval or ()), detectable or 0.0]
    others = [end for row in rows for end in (row.estimate.value, *(row.estimate.interval or ()))]
    low = max(min(own + others), min(own) - _REACH)
    high = min(max(own + others), max(own) + _REACH)
    room = 0.04 * (high - low)
    return low - room, high + room


def _name_lines(axes: Axes, predicted: str, room: tuple[float, float]) -> None:
    """Name the lines at 0 and 1 above them: one name ends at its line, the other begins there, if there is room.

    Args:
        axes: With its limits set.
        predicted: The name of the line at 1.
        room: Where names may begin and end, in points right of the axes' left edge.
    """
    (low, high), inches = axes.get_xlim(), axes.get_position().width * figure_of(axes).get_size_inches()[0]
    none, one = ((place - low) / (high - low) * 72.0 * inches for place in (0.0, 1.0))
    widths = [text_size(words, _NAMES)[0] for words in ("no effect", predicted)]
    end, start = max(none, room[0] + widths[0]), min(one, room[1] - widths[1])
    if start < end + _GAP:
        end, start = (start - _GAP, start) if start < one else (end, end + _GAP)
    for words, side, shift in (("no effect", "right", end), (predicted, "left", start)):
        row_text(axes, 0.0, -9.0, words, side, shift=shift, size=_NAMES)


def _widest(lines: Sequence[_Line], part: str) -> float:
    texts = [(clean(getattr(line, part)), line.main, line.title) for line in lines]
    return max(text_size(text, _LARGE if main else _SIZE, bold=main or title)[0] for text, main, title in texts)


def _draw(axes: Axes, line: _Line, *, phone: bool) -> None:
    size, weight = (_LARGE if line.main else _SIZE), ("bold" if line.main or line.title else "normal")
    colour = MUTED if line.found is not None else INK
    ends = ((0.0, "left", 0.0), (1.0, "right", 0.0)) if phone else ((0.0, "right", -6.0), (1.0, "left", 8.0))
    for (where, side, shift), words in zip(ends, (line.label, line.number), strict=True):
        row_text(
            axes, where, line.y, clean(words), side, size=size, weight=weight, color=colour, shift=shift, halo=phone
        )
    y = line.y + (11.0 if line.main else 9.0) * phone
    if line.found is not None:
        # The part of the axis where an effect would go unseen.
        axes.plot([0.0, line.found], [y, y], color=MUTED, alpha=0.3, lw=5.0, solid_capstyle="butt", zorder=0.5)
        axes.plot([line.found], [y], marker="|", ms=8.0, mew=1.4, color=MUTED)
    elif line.row is not None:
        _interval(axes, line.row, y, main=line.main)


def _interval(axes: Axes, row: EffectRow, y: float, *, main: bool) -> None:
    colour = LINE if main else MUTED
    thin, thick = (2.2, 6.0) if main else (1.1, 2.6)
    low, high = axes.get_xlim()
    for ends, width in ((row.estimate.interval, thin), (row.narrow, thick)):
        if ends is None:
            continue
        axes.plot(ends, [y, y], color=colour, lw=width, solid_capstyle="butt", zorder=2)
        for end, beyond, marker in ((low, ends[0] < low, "<"), (high, ends[1] > high, ">")):
            if beyond and width == thin:
                axes.plot([end], [y], marker=marker, ms=4.5, color=colour, mec="none", clip_on=False)
    if low <= row.estimate.value <= high:
        marker, size = ("D", 8.0) if main else ("o", 4.6)
        edge = PAPER if main else "none"
        axes.plot(
            [row.estimate.value], [y], marker=marker, ms=size, color=INK if main else LINE, mec=edge, mew=0.9, zorder=3
        )

"""The strip: one number of many models with its interval, row under row, the highest on top."""

from collections.abc import Sequence
from dataclasses import dataclass

from nil_audit.report.plots.palette import LINE, MUTED
from nil_audit.report.plots.points import text_size
from nil_audit.report.plots.style import Drawing, new_figure, plot_style, row_text
from nil_audit.report.render.text import interval_text, short_names
from nil_audit.stats.estimate import Estimate

_SIZE = 7.0
_LONGEST = 34
"""Characters of a model's name at most."""


@dataclass(frozen=True, kw_only=True)
class StripRow:
    """One model.

    Attributes:
        name: Its name, no other's.
        estimate: Its number.
        reference: Whether it is there to be compared with, and is drawn in grey.
    """

    name: str
    estimate: Estimate
    reference: bool = False


def strip(rows: Sequence[StripRow], *, axis: str) -> Drawing:
    """Estimates with their 95% intervals; an estimate without an interval is a point alone.

    Args:
        rows: At least one, from top to bottom.
        axis: What the estimates are.

    Returns:
        The figure; its height grows with the rows.
    """
    names = short_names((row.name for row in rows), _LONGEST)
    numbers = [interval_text(row.estimate) for row in rows]
    with plot_style():
        figure = new_figure(0.62 + 0.185 * len(rows))
        inches, height = figure.get_size_inches()
        left, right = (
            (max(text_size(text, _SIZE, bold=bold)[0] for text, bold in texts) + 12.0) / 72.0 / inches
            for texts in (
                [(names[row.name], not row.reference) for row in rows],
                [(number, False) for number in numbers],
            )
        )
        bottom, top = 0.46 / height, 0.10 / height
        figure.set_layout_engine("none")
        axes = figure.add_axes((left, bottom, 1 - left - right, 1 - bottom - top))
        for place, (row, number) in enumerate(zip(rows, numbers, strict=True)):
            colour, weight = (MUTED, "normal") if row.reference else (LINE, "bold")
            if ends := row.estimate.interval:
                axes.plot(ends, [-place, -place], color=colour, lw=1.5, solid_capstyle="butt")
            axes.plot([row.estimate.value], [-place], marker="o", ms=4.6, color=colour, mec="none")
            for where, text, side, look in ((0.0, names[row.name], "right", weight), (1.0, number, "left", "normal")):
                shift = -6.0 if side == "right" else 6.0
                row_text(axes, where, -place, text, side, shift=shift, size=_SIZE, weight=look)
        ends_of = [end for row in rows for end in (row.estimate.value, *(row.estimate.interval or ()))]
        room = 0.05 * max(max(ends_of) - min(ends_of), 0.1)
        axes.set_xlim(min(ends_of) - room, max(ends_of) + room)
        axes.set_ylim(-len(rows) + 0.4, 0.6)
        axes.grid(axis="x")
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(axis)
        return figure

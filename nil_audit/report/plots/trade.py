"""Expected regret against the time of a decoded token: which shapes of a budget are worth a look."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import FuncFormatter

from nil_audit.report.plots.palette import INTERVAL
from nil_audit.report.plots.points import label_points
from nil_audit.report.plots.regret import MARKERS
from nil_audit.report.plots.style import PHONE, WIDTH, Drawing, new_figure, plot_style


@dataclass(frozen=True, kw_only=True)
class TradePoint:
    """One shape of the budget.

    Attributes:
        name: Its label.
        time: Of a decoded token, in milliseconds.
        regret: Expected, in per cent of loss.
        role: "candidate", "advised" or "alternatives": the marker.
        dominated: Whether another shape is no worse in either, and better in one.
    """

    name: str
    time: float
    regret: float
    role: str
    dominated: bool


def regret_against_time(points: Sequence[TradePoint], *, device: str, phone: bool = False) -> Drawing:
    """Expected regret against time a token, undominated shapes joined by a line and named first.

    Args:
        points: At least one.
        device: The machine that the times are of.
        phone: For a narrow screen.
    """
    with plot_style():
        figure = new_figure(3.2, PHONE if phone else WIDTH)
        axes = figure.add_subplot()
        best = sorted((one for one in points if not one.dominated), key=lambda one: one.time)
        axes.plot(
            [one.time for one in best],
            [one.regret for one in best],
            color=INTERVAL,
            lw=1.2,
            zorder=2,
            label="undominated",
        )
        order = [*best, *(one for one in points if one.dominated and one.role == "candidate")]
        order += [one for one in points if one not in order]
        time, regret = (np.array([getattr(one, key) for one in order]) for key in ("time", "regret"))
        for role, look in MARKERS.items():
            for dominated in (False, True):
                chosen = [n for n, one in enumerate(order) if (one.role, one.dominated) == (role, dominated)]
                if chosen:
                    faint = 0.45 if dominated and role != "candidate" else 1.0
                    label = role if not dominated or not any(one.role == role for one in best) else None
                    axes.scatter(time[chosen], regret[chosen], alpha=faint, label=label, **look)
        axes.margins(0.12, 0.12)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        axes.grid(axis="y")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
        axes.set_xlabel(f"milliseconds of a decoded token, {device}")
        axes.set_ylabel("expected regret, of the loss")
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.01),
            ncols=2 if phone else 4,
            handlelength=1.4,
            handletextpad=0.4,
            columnspacing=1.1,
        )
        label_points(axes, [one.name for one in order], time, regret, range(len(order)), radius=5.0, most=len(order))
        return figure

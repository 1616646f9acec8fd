"""Expected regret over depth at one budget, with its predictive band and the shapes that stand on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from nil_audit.report.plots.palette import ALERT, INK, INTERVAL, LINE, MUTED, PAPER
from nil_audit.report.plots.points import label_points
from nil_audit.report.plots.style import PHONE, WIDTH, Drawing, new_figure, plot_style

_DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
_ROOM = 1.35
"""How far the axes go beyond the outermost shape, as a factor."""
MARKERS: dict[str, dict[str, Any]] = {
    "real models": {"marker": "o", "s": 14, "color": MUTED, "zorder": 3, "edgecolors": PAPER, "linewidths": 0.4},
    "alternatives": {"marker": "o", "s": 22, "color": LINE, "zorder": 5, "edgecolors": INK, "linewidths": 0.6},
    "advised": {"marker": "D", "s": 40, "color": LINE, "zorder": 5.5, "edgecolors": INK, "linewidths": 0.6},
    "candidate": {"marker": "*", "s": 150, "color": ALERT, "zorder": 6, "edgecolors": INK, "linewidths": 0.6},
}
"""How a shape looks by its role, also where regret is drawn against time."""


@dataclass(frozen=True, kw_only=True)
class RegretCurve:
    """The regret of the shapes of one budget, each (points,), regret in per cent of loss.

    Attributes:
        depth: Blocks.
        expected: Mean of the predictive distribution.
        low: Lower end of its 95% interval.
        high: Upper end.
    """

    depth: NDArray[np.float64]
    expected: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RegretPoint:
    """One shape: its name, its depth (that of its ratio at this budget), its regret in per cent of loss, its role."""

    name: str
    depth: float
    regret: float
    role: str


def regret_over_depth(curve: RegretCurve, points: Sequence[RegretPoint], *, phone: bool = False) -> Drawing:
    """Expected regret against depth on a logarithmic axis, with its 95% predictive band.

    Args:
        curve: Of the budget.
        points: The candidate, its alternatives and real models (roles: "candidate", "advised", "alternatives", "real
            models"), the most notable first; labelled where there is room.
        phone: For a narrow screen: fewer labels.
    """
    depth, regret = (np.array([getattr(one, key) for one in points], dtype=float) for key in ("depth", "regret"))
    with plot_style():
        figure = new_figure(3.4, PHONE if phone else WIDTH)
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.set_xlim(depth.min() / _ROOM, depth.max() * _ROOM)
        band = np.interp(np.log(depth), np.log(curve.depth), curve.high)
        own = [one.role != "real models" for one in points]
        axes.set_ylim(0, max(1.5, 1.15 * band[own].max()))
        axes.fill_between(curve.depth, curve.low, curve.high, color=INTERVAL, alpha=0.15, lw=0, label="95% predictive")
        axes.plot(curve.depth, curve.expected, color=INTERVAL, label="expected regret")
        axes.axhline(1.0, color=MUTED, lw=0.8, ls=(0, (4, 2.5)), zorder=1)
        for role, look in MARKERS.items():
            chosen = [place for place, one in enumerate(points) if one.role == role]
            if chosen:
                axes.scatter(depth[chosen], regret[chosen], label=role, clip_on=False, **look)
        axes.xaxis.set_major_locator(FixedLocator(_DEPTHS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
        axes.set_xlabel("blocks, at this budget")
        axes.set_ylabel("regret, of the loss")
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.01),
            ncols=3 if phone else 6,
            handlelength=1.4,
            handletextpad=0.4,
            columnspacing=1.1,
            labelspacing=0.3,
        )
        most = 6 if phone else 16
        label_points(axes, [one.name for one in points], depth, regret, range(len(points)), radius=5.0, most=most)
        return figure

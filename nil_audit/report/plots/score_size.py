"""Score against size: models among the published scores of others, with the chance of guessing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from nil_audit.report.plots.palette import LINE, MUTED, PAPER
from nil_audit.report.plots.points import label_points
from nil_audit.report.plots.style import Drawing, chance_line, new_figure, plot_style
from nil_audit.report.render.text import count

_SIZES = tuple(step * 10.0**power for power in range(5, 13) for step in (1, 3))


@dataclass(frozen=True, kw_only=True)
class ScorePoint:
    """One model.

    Attributes:
        name: Its name, no other's.
        parameters: Total.
        accuracy: Raw, 0 to 1.
        interval: Its 95% interval, where it is known.
    """

    name: str
    parameters: float
    accuracy: float
    interval: tuple[float, float] | None = None


def score_against_size(points: Sequence[ScorePoint], cloud: Sequence[tuple[float, float]], *, chance: float) -> Drawing:
    """Accuracy against parameters on a logarithmic axis.

    Args:
        points: The models to show, at least one, labelled where there is room.
        cloud: Parameters and accuracy of others.
        chance: Accuracy of guessing.
    """
    with plot_style():
        figure = new_figure(4.0)
        axes = figure.add_subplot()
        axes.set_xscale("log")
        others = np.array(cloud, dtype=float).reshape(-1, 2)
        sizes, scores = others.T
        axes.scatter(sizes, scores, s=18, color=MUTED, edgecolors=PAPER, linewidths=0.4, alpha=0.6, zorder=2)
        for one in points:
            bars = one.interval and [[one.accuracy - one.interval[0]], [one.interval[1] - one.accuracy]]
            axes.errorbar(
                one.parameters,
                one.accuracy,
                yerr=bars,
                fmt="o",
                ms=5.5,
                mec=PAPER,
                mew=0.5,
                color=LINE,
                elinewidth=1.2,
                zorder=3,
            )
        size = np.array([*(one.parameters for one in points), *others[:, 0]])
        axes.set_xlim(size.min() / 1.5, size.max() * 1.5)
        axes.xaxis.set_major_locator(FixedLocator(_SIZES))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: count(value).replace(".00", "").replace(".0", ""))
        )
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        axes.grid(axis="y")
        chance_line(axes, chance)
        ends = [chance, *others[:, 1], *(end for one in points for end in (one.accuracy, *(one.interval or ())))]
        low, high = min(ends), max(ends)
        axes.set_ylim(low - 0.06 * (high - low) - 0.01, high + 0.08 * (high - low) + 0.01)
        axes.set_xlabel("parameters")
        axes.set_ylabel("MMLU-Pro accuracy")
        label_points(
            axes,
            [*(one.name for one in points), *("" for _ in others)],
            size,
            np.array([*(one.accuracy for one in points), *others[:, 1]]),
            range(len(points)),
            radius=3.2,
            most=26,
        )
        return figure

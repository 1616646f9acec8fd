"""The depth-width plane: where shapes stand between contours of equal size and the studies' intervals."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from nil_audit.law.pooled import Pool
from nil_audit.law.studies import Study
from nil_audit.report.plots.palette import ALERT, INK, INTERVAL, LINE, MUTED, PAPER
from nil_audit.report.plots.points import RASTER_FROM, crowding, label_points
from nil_audit.report.plots.style import HALO, Drawing, new_figure, plot_style
from nil_audit.report.render.text import count

_WIDTHS = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
_DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
_DASHES = ((0, (5, 2.5)), (0, (1.5, 1.5)))
_GOLDEN = math.pi * (3 - math.sqrt(5))


@dataclass(frozen=True, kw_only=True)
class PlanePoint:
    """A shape on the plane.

    Attributes:
        name: Its label.
        depth: Decoder blocks.
        width: Channels.
        adjusted: Size-adjusted score in fractions of 1: the sign is the colour, the size the area; None is grey.
        role: "model", "candidate", "alternative", "recommended", "audited" or "one of many": the marker.
    """

    name: str
    depth: int
    width: int
    adjusted: float | None = None
    role: str = "model"


_MARKERS: dict[str, dict[str, Any]] = {
    "candidate": {"marker": "*", "s": 150, "color": ALERT, "zorder": 6},
    "audited": {"marker": "*", "s": 150, "color": ALERT, "zorder": 6},
    "one of many": {"marker": "o", "s": 26, "color": LINE, "zorder": 5, "label": "audited"},
    "recommended": {"marker": "D", "s": 42, "color": LINE, "zorder": 5.5},
    "alternative": {"marker": "o", "s": 22, "color": LINE, "zorder": 5},
}


def depth_width_plane(
    models: Sequence[PlanePoint],
    *,
    intervals: Sequence[Study | Pool],
    highlights: Sequence[PlanePoint] = (),
    budgets: Sequence[float] = (),
    notable: Sequence[str] = (),
) -> Drawing:
    """Shapes on logarithmic axes of width and depth.

    Contours of equal size are N = 12 L d², the parameters of the blocks of a standard transformer (Kaplan et al.
    2020, arXiv 2001.08361, equation 2.1). An interval is the wedge between L = low d and L = high d, its ends
    taken at the size of each point of the contour.

    Args:
        models: Real models.
        intervals: Of studies or a pool of them; the first is shaded, the others outlined.
        highlights: Shapes drawn over the models and labelled first: candidates and alternatives.
        budgets: Parameters of the contours; empty: powers of ten across the plane, and three times each.
        notable: Names of models to label, the most notable first.

    Returns:
        The figure. Models of the very same depth and width are fanned out around it.
    """
    points = [*highlights, *models]
    width, depth = (np.array([getattr(point, key) for point in points], dtype=float) for key in ("width", "depth"))
    with plot_style():
        figure = new_figure(5.0)
        axes = figure.add_subplot()
        axes.set(xscale="log", yscale="log", xlabel="width d (channels)", ylabel="depth L (blocks)")
        axes.set_xlim(width.min() * 0.72, width.max() * 1.4)
        axes.set_ylim(depth.min() * 0.72, depth.max() * 1.4)
        for axis, ticks in ((axes.xaxis, _WIDTHS), (axes.yaxis, _DEPTHS)):
            axis.set_major_locator(FixedLocator(ticks))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        _contours(axes, budgets)
        _wedges(axes, intervals)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        x, y = _fan(axes, width, depth)
        _draw(axes, points, x, y)
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.01),
            ncols=3,
            columnspacing=1.2,
            labelspacing=0.3,
            handlelength=1.8,
        )
        figure.set_layout_engine("constrained")
        rank = {name: place for place, name in enumerate(notable)}
        order = [
            *range(len(highlights)),
            *sorted(
                (i for i in range(len(highlights), len(points)) if points[i].name in rank),
                key=lambda i: rank[points[i].name],
            ),
        ]
        label_points(axes, [point.name for point in points], x, y, order, radius=3.2, most=28)
        return figure


def _contours(axes: Axes, budgets: Sequence[float]) -> None:
    """Lines of equal 12 L d², each named where it leaves the plane."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    smallest, largest = 12 * bottom * left**2, 12 * top * right**2
    if not budgets:
        powers = range(math.floor(math.log10(smallest)), math.ceil(math.log10(largest)) + 1)
        budgets = [m * 10.0**power for power in powers for m in (1, 3)]
    for budget in budgets:
        if not 1.4 * smallest < budget < largest / 1.4:
            continue
        ends = np.array([left, right])
        axes.plot(ends, budget / (12 * ends**2), color=MUTED, lw=0.5, alpha=0.55, zorder=0.6)
        # A contour falls from left to right: it leaves by the lower edge or by the right one.
        across = min(math.sqrt(budget / (12 * bottom)), right)
        axes.annotate(
            count(budget).replace(".00", "").replace(".0", ""),
            (across, budget / (12 * across**2)),
            xytext=(-3, 4) if across < right else (-3, 2),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=6.5,
            color=MUTED,
            label=HALO,
            zorder=1,
        )


def _wedges(axes: Axes, intervals: Sequence[Study | Pool]) -> None:
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    sizes = np.geomspace(12 * bottom * left**2 / 1e3, 12 * top * right**2 * 1e3, 160)
    for rank, study in enumerate(intervals):
        bounds = [study.interval(float(size)) for size in sizes]
        low, best, high = (_edge([getattr(b, key) for b in bounds], sizes) for key in ("low", "optimum", "high"))
        if rank == 0:
            outline = np.vstack([low, high[::-1]])
            axes.fill(*outline.T, color=INTERVAL, alpha=0.14, lw=0, zorder=0.3, label=f"{study.name}: within 1%")
            axes.plot(*best.T, color=INTERVAL, lw=1.1, zorder=0.8, label=f"{study.name}: optimum")
        else:
            dashes = _DASHES[(rank - 1) % len(_DASHES)]
            for edge, label in ((low, f"{study.name}: within 1%"), (high, None)):
                axes.plot(*edge.T, color=MUTED, lw=0.9, ls=dashes, zorder=0.7, label=label)


def _edge(ratios: Sequence[float], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(len(sizes), 2) width and depth at each size: N = 12 L d² and L = R d give d = (N / 12 R)^(1/3)."""
    ratio = np.array(ratios)
    width = np.cbrt(sizes / (12 * ratio))
    return np.column_stack([width, ratio * width])


def _fan(
    axes: Axes, width: NDArray[np.float64], depth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shapes that coincide, spread along a sunflower's spiral around their common place, in data coordinates."""
    pixels = axes.transData.transform(np.column_stack([width, depth]))
    apart = 3.4 * axes.figure.dpi / 72.0 * math.sqrt(crowding(len(width)))
    seen: dict[tuple[float, float], int] = defaultdict(int)
    for index, shape in enumerate(zip(width.tolist(), depth.tolist(), strict=True)):
        turn = seen[shape]
        seen[shape] += 1
        pixels[index] += apart * math.sqrt(turn) * np.array([math.cos(turn * _GOLDEN), math.sin(turn * _GOLDEN)])
    data = axes.transData.inverted().transform(pixels)
    return data[:, 0], data[:, 1]


def _draw(axes: Axes, points: Sequence[PlanePoint], x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    where = np.array([index for index, point in enumerate(points) if point.role == "model"], dtype=int)
    adjusted = [points[index].adjusted for index in where]
    colours = [MUTED if value is None else LINE if value >= 0 else ALERT for value in adjusted]
    if len(where):
        axes.scatter(
            x[where],
            y[where],
            s=_areas(adjusted),
            facecolors=colours,
            edgecolors=PAPER,
            linewidths=0.4,
            alpha=0.85,
            rasterized=len(where) >= RASTER_FROM,
            zorder=3,
        )
    for colour, label in ((LINE, "above its size's score"), (ALERT, "below"), (MUTED, "real models")):
        if colour in colours:
            axes.scatter([], [], s=20, facecolors=colour, edgecolors="none", label=label)
    for role, look in _MARKERS.items():
        chosen = [index for index, point in enumerate(points) if point.role == role]
        if chosen:
            axes.scatter(x[chosen], y[chosen], edgecolors=INK, linewidths=0.6, **{"label": role, **look})


def _areas(adjusted: Sequence[float | None]) -> NDArray[np.float64]:
    """Marker areas in square points: larger the further a score is from its size's, up to three typical distances."""
    far = np.array([abs(value or 0.0) for value in adjusted])
    typical = float(np.sqrt(np.mean(far[far > 0] ** 2))) if (far > 0).any() else 1.0
    return (10 + 16 * np.minimum(far / typical, 3.0)) * crowding(len(far))

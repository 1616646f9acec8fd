"""Models as points: coloured by size, labelled by name, with a legend of sizes."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from nil_audit.comparison.findings import Band
from nil_audit.comparison.result import ModelRow
from nil_audit.report.plots.labels import Box, place_labels
from nil_audit.report.plots.palette import INK, MUTED, PAPER
from nil_audit.report.plots.style import HALO, RASTER_FROM, steps
from nil_audit.report.render.text import short_name

LABEL_SIZE = 6.6


def draw_models(
    axes: Axes, models: Sequence[ModelRow], x: NDArray[np.float64], y: NDArray[np.float64], bands: Sequence[Band]
) -> float:
    """Draw each model at (x, y), its colour its size band; hollow where its score is at the chance floor.

    Returns:
        The radius of a marker, in points.
    """
    colours = dict(zip((band.key for band in bands), steps(len(bands)), strict=True))
    many = len(models) >= RASTER_FROM
    area = 26.0 if len(models) <= 250 else 14.0 if not many else 6.0
    colour = np.array([colours.get(model.band or "", MUTED) for model in models], dtype=object)
    hollow = np.array([model.at_floor for model in models], dtype=bool)
    for chosen in (hollow, ~hollow):
        if chosen.any():
            axes.scatter(
                x[chosen],
                y[chosen],
                s=area,
                facecolors=PAPER if chosen is hollow else list(colour[chosen]),
                edgecolors=list(colour[chosen]) if chosen is hollow else PAPER,
                linewidths=0.9 if chosen is hollow else 0.5,
                rasterized=many,
                zorder=3,
            )
    return math.sqrt(area / math.pi)


def size_legend(axes: Axes, bands: Sequence[Band], models: Sequence[ModelRow], *, columns: int) -> None:
    """Name the size bands above the axes, and the hollow marker where any model is at the chance floor."""
    handles = [
        Line2D([], [], marker="o", ls="", ms=5, mfc=colour, mec=PAPER, mew=0.5, label=band.label)
        for band, colour in zip(bands, steps(len(bands)), strict=True)
    ]
    if any(model.band is None for model in models):
        handles.append(Line2D([], [], marker="o", ls="", ms=5, mfc=MUTED, mec=PAPER, mew=0.5, label="size unknown"))
    if any(model.at_floor for model in models):
        handles.append(Line2D([], [], marker="o", ls="", ms=4.6, mfc=PAPER, mec=MUTED, mew=0.9, label="at chance"))
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.01),
        ncols=columns,
        handletextpad=0.1,
        columnspacing=1.1,
        labelspacing=0.3,
    )


def label_points(
    axes: Axes,
    names: Sequence[str],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    notable: Sequence[int],
    *,
    radius: float,
    most: int,
    size: float = LABEL_SIZE,
    headroom: float = 2.0,
) -> tuple[Box, ...]:
    """Write names beside points, the most notable first, where there is room (see `place_labels`).

    Freezes the figure's layout: call it last.

    Args:
        axes: Where the points are.
        names: The name of each point.
        x: Horizontal data coordinates of all points.
        y: Vertical ones.
        notable: Indices of the points to label, the most notable first.
        radius: Of a marker, in points.
        most: Greatest number of labels.
        size: Type size in points.
        headroom: Points below the upper edge that labels keep clear of.

    Returns:
        The boxes of the labels placed, in points from the figure's lower left.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    to_points = figure.dpi_scale_trans.inverted()
    pixels = axes.transData.transform(np.column_stack([x, y]))
    points = to_points.transform(pixels) * 72.0
    area = Bbox(to_points.transform(axes.get_window_extent().get_points()) * 72.0)
    bounds = (area.x0 + 2, area.y0 + 2, area.x1 - 1, area.y1 - headroom)
    texts = {index: short_name(names[index]) for index in notable}
    sizes = {index: text_size(text, size) for index, text in texts.items()}
    placed = place_labels(points, sizes, bounds, radius=radius, most=most)
    unit = figure.dpi_scale_trans
    for label in placed:
        x0, y0, _, y1 = label.box
        if label.leader:
            start, end = points[label.index], np.array(label.leader)
            start = start + (end - start) * min(1.0, radius / max(float(np.hypot(*(end - start))), 1e-9))
            line = np.array([start, end]) / 72.0
            axes.add_line(Line2D(line[:, 0], line[:, 1], transform=unit, color=MUTED, lw=0.5, zorder=3.5))
        axes.text(
            x0 / 72.0,
            (y0 + y1) / 144.0,
            texts[label.index],
            transform=unit,
            va="center_baseline",
            fontsize=size,
            color=INK,
            parse_math=False,
            label=HALO,
            zorder=4,
        )
    return tuple(label.box for label in placed)


@lru_cache(maxsize=4096)
def text_size(text: str, size: float) -> tuple[float, float]:
    """Width and height in points of a line of text at a type size."""
    font = FontProperties(family="DejaVu Sans", size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) + 1.0, 1.16 * size

"""Models as points: coloured by size, labelled by name, with a legend of sizes."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from nil_audit.report.plots.fan import fan_out
from nil_audit.report.plots.labels import place_labels
from nil_audit.report.plots.palette import INK, MUTED, PAPER
from nil_audit.report.plots.style import HALO, PHONE, steps
from nil_audit.report.render.text import short_names

if TYPE_CHECKING:
    import pandas as pd

LABEL_SIZE = 6.6
LONGEST = 44
"""Characters of a label at most: of the names of real models none is cut."""
RASTER_FROM = 1500
"""Number of points from which they are an image inside the SVG, which would be megabytes otherwise."""


def crowding(points: int) -> float:
    """By how much smaller the area of each marker is where there are many: 1 up to 250, then falling to a fifth."""
    return min(1.0, max(0.2, 250 / max(points, 1)))


def draw_models(
    axes: Axes,
    models: "pd.DataFrame",
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    bands: Mapping[str, str],
    notable: Sequence[str],
    most: int,
) -> None:
    """Draw each model at (x, y), its colour its size band, hollow where its score is at the chance floor.

    Names the bands above the axes and the notable models beside their points; models of one x are fanned out around
    it. Freezes the layout: call it last.

    Args:
        axes: Where, its limits set.
        models: Columns ``model``, ``band`` and ``at_floor``.
        x: Horizontal data coordinates.
        y: Vertical ones.
        bands: What each size band is called, by key, smallest first.
        notable: Names of models to label, the most notable first.
        most: Greatest number of labels.
    """
    colours = dict(zip(bands, steps(len(bands)), strict=True))
    colour = np.array([colours.get(band, MUTED) for band in models["band"]], dtype=object)
    hollow = models["at_floor"].to_numpy(dtype=bool)
    handles = [_handle(label, mfc=colours[band]) for band, label in bands.items()]
    if (colour == MUTED).any():
        handles.append(_handle("size unknown", mfc=MUTED))
    if hollow.any():
        handles.append(_handle("at chance", ms=4.6, mfc=PAPER, mec=MUTED, mew=0.9))
    narrow = figure_of(axes).get_size_inches()[0] <= PHONE
    axes.legend(
        handles=[*handles, *axes.get_legend_handles_labels()[0]],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.01),
        ncols=3 if narrow else 7,
        handlelength=1.4,
        handletextpad=0.1,
        columnspacing=1.1,
        labelspacing=0.3,
    )
    area = (15.0 if narrow else 26.0) * crowding(len(models))
    radius = math.sqrt(area / math.pi)
    x = _fanned(axes, x, y, radius)
    common: dict[str, Any] = {"s": area, "rasterized": len(models) >= RASTER_FROM, "zorder": 3}
    for chosen, face, edge, line in ((hollow, PAPER, None, 0.9), (~hollow, None, PAPER, 0.5)):
        if chosen.any():
            own = list(colour[chosen])
            axes.scatter(
                x[chosen], y[chosen], facecolors=face or own, edgecolors=edge or own, linewidths=line, **common
            )
    names = models["model"].tolist()
    place = {name: index for index, name in enumerate(names)}
    order = [place[name] for name in notable if name in place]
    label_points(axes, names, x, y, order, radius=radius, most=most)


def _fanned(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Horizontal data coordinates of `fan_out`; those of points that stay are the very same."""
    scale = _freeze(axes) / 72.0
    there = axes.transData.transform(np.column_stack([x, y])) / scale
    moved = fan_out(there, radius=radius)
    back = axes.transData.inverted().transform(moved * scale)[:, 0]
    return np.where(moved[:, 0] == there[:, 0], x, back)


def figure_of(axes: Axes) -> Figure:
    """The whole figure that the axes are in."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def _freeze(axes: Axes) -> float:
    """Lay the figure out once and for all; its dots per inch."""
    figure = figure_of(axes)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return float(figure.dpi)


def _handle(label: str, *, ms: float = 5, mec: str = PAPER, mew: float = 0.5, **look: Any) -> Line2D:
    return Line2D([], [], marker="o", ls="", label=label, ms=ms, mec=mec, mew=mew, **look)


def label_points(
    axes: Axes,
    names: Sequence[str],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    notable: Sequence[int],
    *,
    radius: float,
    most: int,
) -> None:
    """Write names beside points, the most notable first, where there is room for the whole of one (`place_labels`).

    No label is written over what the axes already say.

    Freezes the figure's layout: call it last.

    Args:
        axes: Where the points are.
        names: The name of each point.
        x: Horizontal data coordinates of all points.
        y: Vertical ones.
        notable: Indices of the points to label, the most notable first.
        radius: Of a marker, in points.
        most: Greatest number of labels.
    """
    scale = _freeze(axes) / 72.0
    points = axes.transData.transform(np.column_stack([x, y])) / scale
    area = Bbox(axes.get_window_extent().get_points() / scale)
    bounds = (area.x0 + 2, area.y0 + 2, area.x1 - 1, area.y1 - 2)
    said = (text.get_window_extent() for text in axes.texts if text.get_text())
    avoid = [(box.x0 / scale, box.y0 / scale, box.x1 / scale, box.y1 / scale) for box in said]
    short = short_names((names[index] for index in notable), LONGEST)
    texts = {index: short[names[index]] for index in notable}
    sizes = {index: text_size(text, LABEL_SIZE) for index, text in texts.items()}
    placed = place_labels(points, sizes, bounds, radius=radius, most=most, avoid=avoid)
    unit = figure_of(axes).dpi_scale_trans
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
            fontsize=LABEL_SIZE,
            color=INK,
            parse_math=False,
            label=HALO,
            zorder=4,
        )


@lru_cache(maxsize=4096)
def text_size(text: str, size: float, *, bold: bool = False) -> tuple[float, float]:
    """Width and height in points of a line of text at a type size."""
    font = FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) + 1.0, 1.16 * size

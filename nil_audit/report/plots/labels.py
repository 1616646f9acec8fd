"""Where labels go so that they can be read: a greedy placement that leaves labels out rather than overlap.

Legend: N points, lengths in typographic points (1/72 inch), y upwards; a box is (x0, y0, x1, y1).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
Point = tuple[float, float]
Line = tuple[Point, Point]
Try = tuple[Box, Point | None]

# Directions in the order of preference: beside the point reads best, then above and below, then the corners.
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_GAP = 1.0  # between two labels
_REACH = (0.0, 8.0, 16.0, 26.0)  # how far from its point a label may go; beyond the first it gets a line


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A label that found its place.

    Attributes:
        index: Its point.
        box: The place of its text.
        leader: (x, y) on the box's edge that a line from the point ends at; None where the label touches it.
    """

    index: int
    box: Box
    leader: Point | None


def place_labels(
    points: NDArray[np.float64],
    sizes: Mapping[int, tuple[float, float]],
    bounds: Box,
    *,
    radius: float,
    most: int,
    avoid: Sequence[Box] = (),
) -> tuple[Placed, ...]:
    """Place labels one after the other, each at its first place that is free.

    A place is free when it lies within the bounds, overlaps no label placed before and nothing to avoid, covers no
    point beyond the rim of its marker, and its line, where it needs one, crosses no label, no other line and no
    other point. A label tries eight directions around its point, then the same further out with a line to its
    point; the first label, the most notable, then tries a grid over the whole area, nearest first.

    Args:
        points: (N, 2) centres of all points drawn, labelled or not.
        sizes: Width and height of each label by its point's index, the most notable first.
        bounds: The area that labels must stay in.
        radius: Of a point's marker.
        most: Greatest number of labels.
        avoid: Other writing.

    Returns:
        The labels placed, in the order of ``sizes``.
    """
    placed: list[Placed] = []
    boxes: list[Box] = list(avoid)
    lines: list[Line] = []
    for index, (width, height) in sizes.items():
        if len(placed) >= most:
            break
        x, y = (float(value) for value in points[index])
        tries: Iterable[Try] = _around(x, y, width, height, radius)
        if not placed:
            tries = chain(tries, _everywhere(x, y, width, height, bounds))
        for box, leader in tries:
            if not _inside(box, bounds) or not _clear(box, boxes) or _covers(box, points, radius / 2):
                continue
            if any(_meets(line, box) for line in lines):
                continue
            if leader:
                line = ((x, y), leader)
                if any(_meets(line, other) for other in boxes) or any(_cut(line, other) for other in lines):
                    continue
                # The first label must find a place, so its line may pass over other points.
                if placed and _passes(line, points, radius):
                    continue
                lines.append(line)
            placed.append(Placed(index=index, box=box, leader=leader))
            boxes.append(box)
            break
    return tuple(placed)


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share any area."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _around(x: float, y: float, width: float, height: float, radius: float) -> list[Try]:
    tries: list[Try] = []
    for reach in _REACH:
        for across, up in _DIRECTIONS:
            # The corner of a diagonal label sits on the marker's rim, not on its bounding square.
            shift = (radius + 1.5 + reach) * (0.75 if across and up else 1.0)
            x0 = x + across * shift - (width if across < 0 else width / 2 if not across else 0)
            y0 = y + up * shift - (height if up < 0 else height / 2 if not up else 0)
            box = (x0, y0, x0 + width, y0 + height)
            tries.append((box, _nearest(x, y, box) if reach else None))
    return tries


def _everywhere(x: float, y: float, width: float, height: float, bounds: Box) -> Iterator[Try]:
    lefts = np.arange(bounds[0], bounds[2] - width, max(width / 4, 4.0))
    bottoms = np.arange(bounds[1], bounds[3] - height, max(height / 2, 3.0))
    boxes = [(left, bottom, left + width, bottom + height) for left in lefts for bottom in bottoms]
    ends = [_nearest(x, y, box) for box in boxes]
    for one in sorted(range(len(boxes)), key=lambda one: (ends[one][0] - x) ** 2 + (ends[one][1] - y) ** 2):
        yield boxes[one], ends[one]


def _nearest(x: float, y: float, box: Box) -> tuple[float, float]:
    return min(max(x, float(box[0])), float(box[2])), min(max(y, float(box[1])), float(box[3]))


def _inside(box: Box, bounds: Box) -> bool:
    return box[0] >= bounds[0] and box[1] >= bounds[1] and box[2] <= bounds[2] and box[3] <= bounds[3]


def _clear(box: Box, boxes: Sequence[Box]) -> bool:
    wide = (box[0] - _GAP, box[1] - _GAP, box[2] + _GAP, box[3] + _GAP)
    return not any(overlap(wide, other) for other in boxes)


def _covers(box: Box, points: NDArray[np.float64], rim: float = 0.0) -> bool:
    x, y = points[:, 0], points[:, 1]
    across = (x >= box[0] - rim) & (x <= box[2] + rim)
    return bool((across & (y >= box[1] - rim) & (y <= box[3] + rim)).any())


def _meets(line: Line, box: Box) -> bool:
    return _covers(box, _along(line))


def _passes(line: Line, points: NDArray[np.float64], radius: float) -> bool:
    """Whether a line from a point runs over the marker of another one, markers on its own place not counted."""
    own = np.hypot(*(points - line[0]).T) < 1.5 * radius
    gaps = np.hypot(*(points[~own][:, None] - _along(line)[None]).transpose(2, 0, 1))
    return bool((gaps < radius).any())


def _cut(line: Line, other: Line) -> bool:
    """Whether two segments cross: each one's ends lie on different sides of the other."""

    def side(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    (a, b), (c, d) = line, other
    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def _along(line: Line) -> NDArray[np.float64]:
    share = np.linspace(0.0, 1.0, 24)[:, None]
    return np.array(line[0]) * (1 - share) + np.array(line[1]) * share

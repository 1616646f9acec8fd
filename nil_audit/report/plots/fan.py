"""Points of one and the same abscissa, fanned out sideways so that each is seen."""

import numpy as np
from numpy.typing import NDArray

_REACH = 5.2
"""Greatest shift, in radii of a marker: a column stays a column, and apart from its neighbours."""
_SAME = 0.05
"""Points of paper within which two abscissas are the same."""


def fan_out(points: NDArray[np.float64], *, radius: float) -> NDArray[np.float64]:
    """A beeswarm: points that share their abscissa are moved sideways as little as keeps their markers apart.

    From below upwards each takes the free place nearest to its column's middle; where none is free, the one that is
    furthest from its neighbours. A point that shares its abscissa with no other stays where it is, and nothing moves
    up or down.

    Args:
        points: (N, 2) centres, in points of paper.
        radius: Of a marker.

    Returns:
        (N, 2) centres; the same for the same points.
    """
    columns = np.round(points[:, 0] / _SAME).astype(int)
    _, column, members = np.unique(columns, return_inverse=True, return_counts=True)
    shared = members[column] > 1
    moved = points.copy()
    done = ~shared
    steps = np.arange(1, int(_REACH * 2) + 1) * radius / 2
    shifts = np.concatenate([[0.0], np.column_stack([steps, -steps]).ravel()])
    for index in np.lexsort((np.arange(len(points)), points[:, 1], column)):
        if done[index]:
            continue
        x, y = points[index]
        near = done & (np.abs(moved[:, 1] - y) < 2 * radius) & (np.abs(moved[:, 0] - x) < (_REACH + 2) * radius)
        there = moved[near]
        gaps = np.hypot(x + shifts[:, None] - there[:, 0], y - there[:, 1]).min(axis=1, initial=np.inf)
        free = np.flatnonzero(gaps >= 2 * radius)
        moved[index, 0] = x + shifts[free[0] if len(free) else int(np.argmax(gaps))]
        done[index] = True
    return moved

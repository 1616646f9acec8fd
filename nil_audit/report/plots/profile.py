"""The depth profile: the numbers of the input of each decoder block over relative depth, models overlaid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nil_audit.report.plots.over_depth import (
    SHADE,
    Series,
    Z,
    dashed,
    draw,
    draw_dashed,
    entitle,
    fit_axis,
    grid,
    key,
    looks,
    random_bases,
)
from nil_audit.report.plots.palette import MUTED
from nil_audit.report.plots.style import Drawing, plot_style
from nil_audit.stats.estimate import Estimate

PANELS: Mapping[str, str] = {
    "typical_efficiency": "typical efficiency, nats",
    "interaction_efficiency": "efficiency of the mean",
    "typical_rank": "typical rank r(U)",
    "effective_rank": "rank r of the mean",
    "tail": "tail, nats",
    "trace": "trace, nats²",
    "aofe_ratio": "AOFE-ratio",
    "excess": "AOFE-ratio minus null",
}
"""What is drawn, and what it is called: where a number is of a typical token and of the mean, both have one axis."""
NULL = "rotation_null"
_SHARED = (("typical_efficiency", "interaction_efficiency"), ("typical_rank", "effective_rank"))
_LOGARITHMIC = ("typical_rank", "trace")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The depth profile of one model.

    Attributes:
        name: Of the model, no other's.
        depth: l / L of each block measured, rising.
        numbers: Of each of `PANELS`, and of `NULL`, the estimates at these; None where one is undefined.
        scatter: Standard deviation of the AOFE-ratio between random bases; NaN where it is undefined.
    """

    name: str
    depth: Sequence[float]
    numbers: Mapping[str, Sequence[Estimate | None]]
    scatter: Sequence[float]

    def series(self, name: str) -> Series:
        """One of its numbers."""
        return Series(depth=self.depth, estimates=self.numbers[name])


def depth_profile(profiles: Sequence[Profile], *, phone: bool = False) -> Drawing:
    """Eight panels over relative depth, ranks and trace on logarithmic axes.

    Args:
        profiles: At least one model; up to six are named and have the bands of their 95% intervals.
        phone: Whether it is drawn as narrow as a phone.
    """
    with plot_style():
        figure, panels = grid(len(PANELS), 2 if phone else 4, phone=phone)
        axes = dict(zip(PANELS, panels, strict=True))
        own = looks(len(profiles))
        for name, words in PANELS.items():
            entitle(axes[name], words)
            for one, look in zip(profiles, own, strict=True):
                draw(axes[name], one.series(name), look)
        for one, look in zip(profiles, own, strict=True):
            draw_dashed(axes["aofe_ratio"], one.series(NULL), look)
        places, half = _scatter(profiles)
        axes["excess"].axhline(0.0, color=MUTED, lw=0.8, ls=(0, (3, 2)), zorder=1)
        axes["excess"].fill_between(places, -half, half, color=MUTED, alpha=SHADE, lw=0, zorder=0)
        alone = [(name,) for name in PANELS if not any(name in pair for pair in _SHARED)]
        for group in (*_SHARED, *alone):
            drawn = [one.series(name) for one in profiles for name in (*group, *((NULL,) * (group == ("aofe_ratio",))))]
            also = {"tail": (0.0,), "excess": (-half.max(), half.max())}.get(group[0], ())
            fit_axis([axes[name] for name in group], drawn, log=group[0] in _LOGARITHMIC, also=also)
        key(
            figure,
            [one.name for one in profiles],
            others=[dashed("rotation null of the AOFE-ratio", len(profiles)), random_bases()],
            phone=phone,
        )
        return figure


def _scatter(profiles: Sequence[Profile]) -> tuple[list[float], NDArray[np.float64]]:
    """How far about the null 95% of random bases lie, where they scatter most: depths, and the half of it at each."""
    places = sorted({place for one in profiles for place in one.depth})
    halves = [Z * np.interp(places, one.depth, one.scatter, left=np.nan, right=np.nan) for one in profiles]
    return places, np.nanmax(np.vstack(halves), axis=0, initial=0.0)

"""The ansatz check over relative depth: how much WᵀW of each map is like the AGOP of its input, a panel a role."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nil_audit.report.plots.over_depth import (
    DASHES,
    DOTS,
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

CONTROLLED = 2
"""Models up to which what they are held against is drawn too: the lines of more cannot be told apart."""


@dataclass(frozen=True, kw_only=True)
class Correlations:
    """What was found of the maps of one model.

    Attributes:
        name: Of the model, no other's.
        own: By role the correlation of each block's map with the AGOP of its input.
        others: By role the same of other blocks' maps with this block's AGOP.
        path: By role what the gradient's path through the map alone gives.
        null_sd: Standard deviation of a matrix of the same spectrum in a random basis.
    """

    name: str
    own: Mapping[str, Series]
    others: Mapping[str, Series]
    path: Mapping[str, Series]
    null_sd: float


def ansatz_over_depth(models: Sequence[Correlations], roles: Mapping[str, str], *, phone: bool = False) -> Drawing:
    """A panel a role, all with one axis of ρ, a line a model, and shaded what a random basis gives.

    Args:
        models: At least one; up to six are named and have the bands of their 95% intervals.
        roles: What each role is called, in the order of the panels; at least one.
        phone: Whether it is drawn as narrow as a phone.
    """
    with plot_style():
        columns = 2 if phone else len(roles) if len(roles) <= 5 else math.ceil(len(roles) / 2)
        figure, panels = grid(len(roles), columns, phone=phone)
        controlled = len(models) <= CONTROLLED
        null = Z * max(one.null_sd for one in models)
        for axes, (role, words) in zip(panels, roles.items(), strict=True):
            entitle(axes, words)
            axes.axhspan(-null, null, color=MUTED, alpha=SHADE, lw=0, zorder=0)
            for one, look in zip(models, looks(len(models)), strict=True):
                if role in one.own:
                    draw(axes, one.own[role], look)
                for held, dashes in ((one.others, DASHES), (one.path, DOTS)) if controlled else ():
                    if role in held:
                        draw_dashed(axes, held[role], look, dashes)
        drawn = [
            series
            for one in models
            for held in (one.own, *((one.others, one.path) if controlled else ()))
            for series in held.values()
        ]
        for start in range(0, len(panels), columns):
            fit_axis(panels[start : start + columns], drawn, also=(-null, null))
        panels[0].set_ylabel("correlation ρ")
        key(
            figure,
            [one.name for one in models],
            others=[
                *([dashed("other blocks' maps", len(models))] if controlled else []),
                *([dashed("path through the map alone", len(models), DOTS)] if controlled else []),
                random_bases(),
            ],
            phone=phone,
        )
        return figure

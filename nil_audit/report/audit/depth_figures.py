"""The figures over the depth of a model: the depth profile and the ansatz check, several models overlaid."""

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any

from nil_audit.interaction.metrics import rotation_scatter
from nil_audit.report.audit.ansatz import checked, correlation, role_name, roles
from nil_audit.report.audit.profile import profiled, row_estimate
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.plots.ansatz import CONTROLLED, Correlations, ansatz_over_depth
from nil_audit.report.plots.over_depth import NAMED, Series
from nil_audit.report.plots.profile import NULL, PANELS, Profile, depth_profile
from nil_audit.report.plots.style import Drawing, page_figure
from nil_audit.report.render.page import Figure
from nil_audit.stats.estimate import Estimate

_BANDS = "Bands: 95% intervals, cut where they would flatten a panel."


def profile_plot(entries: Sequence[Entry], *, phone: bool = False) -> Drawing:
    """The depth profiles of models, at least one of which has one."""
    return depth_profile([_profile(entry) for entry in profiled(entries)], phone=phone)


def ansatz_plot(entries: Sequence[Entry], *, phone: bool = False) -> Drawing:
    """The ansatz checks of models, at least one of which has one."""
    found = checked(entries)
    maps = [one for entry in found for one in (entry.record.ansatz or {})["maps"]]
    names = {role: role_name(role) for role in roles(maps)}
    return ansatz_over_depth([_correlations(entry) for entry in found], names, phone=phone)


def profile_figure(entries: Sequence[Entry]) -> Figure | None:
    """The depth profiles as a block of a page; None where no model has one."""
    found = profiled(entries)
    if not found:
        return None
    which, many = _which(found)
    bands = "" if many else f" {_BANDS}"
    return page_figure(
        "depth-profile",
        profile_plot(found),
        caption=f"The gradient at the input of each decoder block of {which}: the numbers of a typical token and of the"
        f" mean, whose efficiency and rank share an axis. Ranks and trace are on logarithmic axes.{bands} Dashed: the"
        " rotation null, the mean AOFE-ratio of the same spectrum in random bases; shaded: 95% of these"
        f"{' (where they scatter most)' if len(found) > 1 else ''}.",
        description=f"Eight panels of lines over relative depth: efficiency, rank, tail, trace and AOFE-ratio of"
        f" {which}.",
        narrow=profile_plot(found, phone=True),
    )


def ansatz_figure(entries: Sequence[Entry]) -> Figure | None:
    """The ansatz checks as a block of a page; None where no model has one."""
    found = checked(entries)
    if not found:
        return None
    which, many = _which(found)
    bands = "" if many else f" {_BANDS}"
    if len(found) <= CONTROLLED:
        bands += (
            " Dashed: the median of other blocks' maps of the same role, in place of its own. Dotted: what a gradient"
            " that is random at the map's output gives."
        )
    widest = " (of the narrowest model)" if len(found) > 1 else ""
    return page_figure(
        "ansatz",
        ansatz_plot(found),
        caption="Correlation ρ, beyond the isotropic part, of WᵀW of the maps that read the residual stream with the"
        f" direction AGOP of their input, block by block, of {which}. Shaded: where 95% of random bases lie{widest}."
        f"{bands}",
        description=f"A panel a role, lines over relative depth: correlation of weights with gradients of {which}.",
        narrow=ansatz_plot(found, phone=True),
    )


def _which(entries: Sequence[Entry]) -> tuple[str, bool]:
    """What the models of a figure are called, and whether they are too many to be told apart."""
    return (entries[0].name if len(entries) == 1 else f"{len(entries)} models"), len(entries) > NAMED


def _profile(entry: Entry) -> Profile:
    rows = (entry.record.profile or {})["rows"]
    numbers = {name: [row_estimate(row, name) for row in rows] for name in (*PANELS, NULL)}
    return Profile(
        name=entry.name,
        depth=[row["relative"] for row in rows],
        numbers=numbers,
        scatter=[
            rotation_scatter(rank.value, row["products"]["width"]) if rank else math.nan
            for rank, row in zip(numbers["effective_rank"], rows, strict=True)
        ],
    )


def _correlations(entry: Entry) -> Correlations:
    ansatz = entry.record.ansatz or {}
    found: dict[str, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for one in ansatz["maps"]:
        found[one["role"]][one["depth"]].append(one)
    own: dict[str, Series] = {}
    held: dict[str, dict[str, Series]] = {"other_blocks": {}, "through_map": {}}
    for role, by_depth in found.items():
        depths = sorted(by_depth)
        places = [depth / ansatz["blocks"] for depth in depths]
        own[role] = Series(depth=places, estimates=[_own(by_depth[depth]) for depth in depths])
        for control, by_role in held.items():
            estimates = [_control(by_depth[depth], control) for depth in depths]
            if any(estimates):
                by_role[role] = Series(depth=places, estimates=estimates)
    return Correlations(
        name=entry.name,
        own=own,
        others=held["other_blocks"],
        path=held["through_map"],
        null_sd=max((one["null_sd"] for one in ansatz["maps"] if one["null_sd"] is not None), default=math.nan),
    )


def _own(maps: Sequence[Any]) -> Estimate | None:
    """A block's own correlation; of several maps of one role their median."""
    if len(maps) == 1:
        return correlation(maps[0])
    known = [found.value for one in maps if (found := correlation(one))]
    return Estimate(value=median(known)) if known else None


def _control(maps: Sequence[Any], control: str) -> Estimate | None:
    """What that is held against."""
    known = [value for one in maps if (value := one[control]["typical"]) is not None]
    return Estimate(value=median(known)) if known else None

"""Inside a study's interval against outside it, with size held fixed, and everything that such a difference hangs on.

The contrast is the coefficient of "inside" in a least-squares fit of response on it and the size control. It says less
than the effect of the dose (a model just outside counts as much as one far outside), and more depends on where exactly
the interval ends, so none is shown without these checks.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nil_audit.comparison.effect.dose import dose
from nil_audit.comparison.effect.estimate import SPARE_MODELS, design
from nil_audit.comparison.effect.sample import Sample, coded
from nil_audit.comparison.effect.size import BANDS
from nil_audit.comparison.findings import Contrast, SizeFit
from nil_audit.comparison.scrutiny.edges import Mask, edges, inside_of_draws
from nil_audit.comparison.scrutiny.matching import matched
from nil_audit.comparison.studies_tested import Tested
from nil_audit.stats.estimate import LEVEL, Array, Estimate, holm
from nil_audit.stats.jackknife import over_groups
from nil_audit.stats.least_squares import Codes, left_out_moments, less_group_means
from nil_audit.stats.moments import residual_covariance

EACH_SIDE = 3
"""Models that must lie inside and outside for a contrast; and groups, for it to have an interval."""

EACH_SIDE_OF_BAND = 2
"""Models of one size band that must lie inside and outside."""


def contrasts(sample: Sample, studies: Sequence[Tested], fits: Sequence[SizeFit], control: str) -> tuple[Contrast, ...]:
    """The contrast of each study's interval.

    Args:
        sample: The models.
        studies: Whose intervals, each with a column ``excess_STUDY`` in the sample's table.
        fits: The size controls to show side by side.
        control: The chosen one.

    Returns:
        In the order of the studies; absent where fewer than `EACH_SIDE` models lie inside or outside, or being inside
        follows from size alone.
    """
    made = [_contrast(sample, study, fits, control) for study in studies]
    found = [one for one in made if one is not None]
    tested = [number for number, one in enumerate(found) if one.estimate.p is not None]
    for number, adjusted in zip(tested, holm([found[one].estimate.p or 0.0 for one in tested]), strict=True):
        found[number] = replace(found[number], p_adjusted=adjusted)
    return tuple(found)


def difference(held: Array, inside: Array, response: Array, group: Codes) -> Array:
    """Coefficient of ``inside`` in the fit of response on it and the held columns: of all, then without each group.

    Args:
        held: Shape (n, p), the constant among them.
        inside: 1 inside, 0 outside, shape (n,).
        response: Shape (n,).
        group: Codes 0 .. G - 1, shape (n,).

    Returns:
        Shape (1 + G,); NaN where the held columns leave nothing of ``inside``.
    """
    last = held.shape[1]
    moment = left_out_moments(np.column_stack([held, inside, response]), group)
    covariance = residual_covariance(moment, range(last), [last, last + 1])
    left = covariance[:, 0, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(left > 1e-9 * moment[:, last, last], covariance[:, 0, 1] / left, np.nan)


def _contrast(sample: Sample, study: Tested, fits: Sequence[SizeFit], control: str) -> Contrast | None:
    ends = edges(sample, study)
    inside = ends.inside
    held = design(sample, control)
    fewest = min(inside.sum(), (~inside).sum())
    if fewest < EACH_SIDE or sample.models < SPARE_MODELS + held.shape[1]:
        return None
    estimate = _estimate(sample, held, inside)
    if estimate is None:
        return None
    predicted = difference(held, inside.astype(float), -dose(sample, study.name), sample.group)[0]
    controls = {fit.control: _estimate(sample, design(sample, fit.control), inside) for fit in fits}
    return Contrast(
        study=study.name,
        inside=int(inside.sum()),
        outside=int((~inside).sum()),
        estimate=estimate,
        p_adjusted=None,
        predicted=float(predicted),
        controls={key: one for key, one in controls.items() if one is not None},
        bands=_bands(sample, inside),
        organisations=_organisations(sample, held, inside),
        draws=_over_draws(sample, study, held),
        near_edge=ends.near,
        same_ratio=ends.most_shared,
        within_families=_within_families(sample, held, inside),
        matched=matched(sample, inside),
        size_gap=float(sample.size[inside].mean() - sample.size[~inside].mean()),
    )


def _estimate(sample: Sample, held: Array, inside: Mask) -> Estimate | None:
    """The contrast, with an interval where enough groups lie on each side; None where it is undefined."""
    found = difference(held, inside.astype(float), sample.response, sample.group)
    if not np.isfinite(found[0]):
        return None
    sides = min(len(np.unique(sample.group[side])) for side in (inside, ~inside))
    if sides < EACH_SIDE:
        return Estimate(value=float(found[0]), n=sample.models)
    return over_groups(float(found[0]), found[1:], n=sample.models)


def _bands(sample: Sample, inside: Mask) -> dict[str, Estimate]:
    """The contrast in each band with models on both sides, size held fixed by a line."""
    band = sample.table["band"].to_numpy()
    found = {}
    for key in BANDS:
        here = band == key
        fewest = min((here & inside).sum(), (here & ~inside).sum())
        if fewest < EACH_SIDE_OF_BAND or here.sum() <= SPARE_MODELS:
            continue
        part = sample.part(here)
        held = np.column_stack([np.ones(part.models), part.size - part.size.mean()])
        one = _estimate(part, held, inside[here])
        if one is not None:
            found[key] = one
    return found


def _organisations(sample: Sample, held: Array, inside: Mask) -> tuple[tuple[str, float], tuple[str, float]] | None:
    """The lowest and the highest contrast with an organisation left out, each with its name."""
    codes, names = coded(sample.table["organisation"])
    without = difference(held, inside.astype(float), sample.response, codes)[1:]
    found = [(name, float(value)) for name, value in zip(names, without, strict=True) if np.isfinite(value)]
    if len(names) < 2 or not found:
        return None
    return min(found, key=lambda one: one[1]), max(found, key=lambda one: one[1])


def _over_draws(sample: Sample, study: Tested, held: Array) -> tuple[float, float, float] | None:
    """Mean and 95% range of the contrast over the bootstrap draws of a study's interval; None where it has none."""
    inside = inside_of_draws(sample, study)
    count = inside.sum(axis=1)
    inside = inside[(count >= EACH_SIDE) & (count <= sample.models - EACH_SIDE)].astype(float)
    basis = np.linalg.svd(held / np.maximum(np.abs(held).max(axis=0), 1e-300), full_matrices=False)
    kept = basis.U[:, 1e-9 * basis.S.max() < basis.S]
    left = inside - (inside @ kept) @ kept.T
    spread = (left**2).sum(axis=1)
    varies = spread > 1e-9 * inside.sum(axis=1)
    if not varies.any():
        return None
    values = (left @ sample.response)[varies] / spread[varies]
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(values.mean()), float(low), float(high)


def _within_families(sample: Sample, held: Array, inside: Mask) -> Estimate | None:
    """The contrast with an intercept a family; None where no family has models on both sides, or there is but one."""
    if len(np.unique(sample.family)) < 2:
        return None
    columns = less_group_means(np.column_stack([held, inside, sample.response]), sample.family)
    found = difference(columns[:, :-2], columns[:, -2], columns[:, -1], sample.group)
    return over_groups(float(found[0]), found[1:], n=sample.models) if np.isfinite(found[0]) else None

"""One permutation test of a whole specification curve (Simonsohn, Simmons and Nelson 2020), families moved whole.

Under the hypothesis that shape does not matter, what size does not explain of a score is exchangeable between families
of one size. A response less what its size predicts is its unit's mean and a deviation from it, a unit being the models
of a family (a group) in one size band. In a permutation the means change places among the units of a band, the
deviations among the models of their unit, and what size predicts is added back; then every specification is estimated
again, its slopes and size curve too. Shape, release, lineage and domain stay where they are.

The statistic is the median over the specifications of the effect over its clustered standard error (CR1: Cameron and
Miller 2015). Specifications whose models or likelihood go by which scores are at the floor (the subset above it,
censored ones) are not among them: a permutation moves the floor too, and the same models would no longer be above it.
The random intercept's share is kept. A score that is flagged as wrong stays where it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.effect.dose import Terms
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.effect.size_fit import expected_response
from nil_audit.stats.estimate import Array
from nil_audit.stats.least_squares import Codes, less_group_means, orthogonal

FEWEST_UNITS = 10
"""With fewer units that share a band with another, no test is made."""

MOVED_BY_SCORE = ("above_floor",)
"""Subsets that the scores themselves decide."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A specification, as far as it does not depend on the responses.

    Attributes:
        subset: Key of its models.
        sample: These n models.
        terms: Their dose.
        held: What is held fixed, the constant among them, shape (n, p).
        share: Share of the family's mean that is taken from every number, shape (n,).
    """

    subset: str
    sample: Sample
    terms: Terms
    held: Array
    share: Array


def joint_p(
    samples: Mapping[str, Sample], fits: Sequence[Fit], control: str, *, permutations: int, seed: int
) -> float | None:
    """Two-sided p-value of the median of effect over error, with no effect of shape.

    Args:
        samples: By subset, "all" among them.
        fits: Specifications, of which those of `MOVED_BY_SCORE` are passed over.
        control: Size control whose prediction the response is adjusted by.
        permutations: P, how many are drawn.
        seed: Of the draws.

    Returns:
        (1 + permutations at least as far from zero) / (1 + P); None where nothing can be tested.
    """
    whole = samples["all"]
    fits = [one for one in fits if one.subset not in MOVED_BY_SCORE]
    if not permutations or not fits or _units_that_share(whole) < FEWEST_UNITS:
        return None
    moved = permuted_responses(whole, control, permutations, np.random.default_rng(seed))
    place = {model: row for row, model in enumerate(whole.table.index)}
    ratios, sample, responses, curve = [], None, moved, moved
    for one in fits:
        if one.sample is not sample:  # fits of the same models come one after another
            sample = one.sample
            rows = np.array([place.get(model, -1) for model in sample.table.index])
            responses = np.where(rows[:, None] < 0, sample.response[:, None], moved[rows])
            curve = np.asarray(np.linalg.lstsq(one.terms.curve, responses, rcond=None)[0])
        ratios.append(effect_over_error(one, responses, curve))
    medians = np.abs(np.nanmedian(np.array(ratios), axis=0))
    extreme = int((medians[1:] >= medians[0] * (1 - 1e-9)).sum())
    return (1 + extreme) / (1 + permutations)


def permuted_responses(whole: Sample, control: str, permutations: int, rng: np.random.Generator) -> Array:
    """The responses as they are, then permuted as the module says, shape (n, 1 + P).

    Args:
        whole: The models.
        control: Size control.
        permutations: P.
        rng: Of the draws.
    """
    expected = expected_response(whole, control)
    left = whole.response - expected
    unit, band = _units(whole)
    mean = np.bincount(unit, weights=left) / np.bincount(unit)
    deviation = left - mean[unit]
    means = _shuffled(mean, band, permutations, rng)
    deviations = _shuffled(deviation, unit, permutations, rng)
    return np.column_stack([whole.response, expected[:, None] + means[unit] + deviations])


def effect_over_error(fit: Fit, responses: Array, curve: Array) -> Array:
    """Effect over its CR1 standard error for many responses at once, shape (B,).

    Args:
        fit: The specification.
        responses: Shape (n, B).
        curve: Coefficients of its dose's curve fitted to each, shape (q, B).
    """
    sample, share = fit.sample, fit.share
    costs = fit.terms.fixed[:, None]
    held = fit.held
    terms = fit.terms.terms
    if share.any():
        responses = less_group_means(responses, sample.family, share)
        held, terms = less_group_means(held, sample.family, share), less_group_means(terms, sample.family, share)
        costs = less_group_means(costs, sample.family, share)
    basis = orthogonal(held) / np.sqrt(sample.models)
    responses = responses - basis @ (basis.T @ responses)
    dose = (terms - basis @ (basis.T @ terms)) @ curve + (costs - basis @ (basis.T @ costs))
    square = (dose**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        effect = -(dose * responses).sum(axis=0) / square
        scores = dose * (responses + effect * dose)
        order = np.argsort(sample.group, kind="stable")
        starts = np.searchsorted(sample.group[order], np.arange(sample.groups))
        sums = np.add.reduceat(scores[order], starts, axis=0)
        spare = sample.models - basis.shape[1] - 1
        factor = sample.groups / (sample.groups - 1) * (sample.models - 1) / max(spare, 1)
        return np.asarray(effect * square / np.sqrt(factor * (sums**2).sum(axis=0)))


def _units(whole: Sample) -> tuple[Codes, Codes]:
    """The unit of each model, shape (n,), and the band of each unit."""
    band = np.unique(whole.table["band"].to_numpy(dtype=str), return_inverse=True)[1]
    cells, unit = np.unique(np.column_stack([band, whole.group]), axis=0, return_inverse=True)
    return unit.reshape(-1), cells[:, 0]


def _units_that_share(whole: Sample) -> int:
    """Units that can change places: those whose band holds another."""
    _, band = _units(whole)
    count = np.bincount(band)
    return int(count[count > 1].sum())


def _shuffled(values: Array, stratum: NDArray[np.int64], permutations: int, rng: np.random.Generator) -> Array:
    """Values in random order within their strata, shape (n, P)."""
    order = np.argsort(stratum, kind="stable")
    keys = stratum[order, None] + rng.random((len(values), permutations))
    shuffled = np.empty((len(values), permutations))
    shuffled[order] = values[order][np.argsort(keys, axis=0)]
    return shuffled

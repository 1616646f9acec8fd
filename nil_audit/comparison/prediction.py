"""Out of sample: fit on some families, predict the scores of others, and see whether shape helps.

Both fits are least squares on the size curve; the second adds the predictor. Families are never split, so what
is predicted comes from people, data and recipes that the fit has not seen.
"""

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.findings import Prediction
from nil_audit.comparison.sample import Array, Sample
from nil_audit.comparison.sizes import size_basis
from nil_audit.stats import jackknife as resampling
from nil_audit.stats.moments import moments

FEWEST_FAMILIES = 4
"""Families that must lie on each side of a split."""

FEWEST_MODELS = 12
"""Models that must be fitted on."""


def release_cutoff(release: Array, family: NDArray[np.int64]) -> float:
    """The month that splits families by first release so that about half of the models come before it.

    Args:
        release: Months since year 0, NaN where unknown, shape (n,).
        family: Codes, shape (n,).

    Returns:
        The month; NaN where fewer than `FEWEST_FAMILIES` families lie on either side of every month.
    """
    first = first_release(release, family)[family]
    best, miss = float("nan"), np.inf
    for month in np.unique(first[np.isfinite(first)]):
        before, after = first < month, first >= month
        sides = [len(np.unique(family[side])) for side in (before, after)]
        if min(sides) >= FEWEST_FAMILIES and abs(before.sum() - after.sum()) < miss:
            best, miss = float(month), abs(int(before.sum()) - int(after.sum()))
    return best


def first_release(release: Array, family: NDArray[np.int64]) -> Array:
    """The earliest known release of each family, NaN where none is known, shape (families,)."""
    first = np.full(int(family.max()) + 1, np.inf)
    np.fmin.at(first, family, release)
    return np.where(np.isfinite(first), first, np.nan)


def predict_by_release(sample: Sample, key: str, *, cutoff: float, cutoff_name: str, seed: int) -> Prediction | None:
    """Fit on families first released before a month, predict the others; None where either side is too small."""
    part = sample.take(sample.complete("size", (key,)))
    if len(part) == 0:
        return None
    first = first_release(part.release, part.family)
    part = part.take(np.isfinite(first)[part.family])
    if len(part) == 0:
        return None
    train = first_release(part.release, part.family) < cutoff
    return _predict(part, key, train[None, :], split="release", cutoff=cutoff_name, seed=seed)


def predict_by_halves(sample: Sample, key: str, *, splits: int, seed: int) -> Prediction | None:
    """Fit on random halves of families, predict the other halves; None where they are too small."""
    part = sample.take(sample.complete("size", (key,)))
    if len(part) == 0:
        return None
    families = part.families
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.broadcast_to(np.arange(families), (splits, families)), axis=1)
    return _predict(part, key, order < (families + 1) // 2, split="halves", cutoff=None, seed=seed)


def _predict(
    sample: Sample, key: str, train: NDArray[np.bool_], *, split: str, cutoff: str | None, seed: int
) -> Prediction | None:
    """Errors of both fits on the families not in ``train``, shape (splits, families)."""
    sides = np.minimum(train.sum(axis=1), (~train).sum(axis=1))
    fitted_on = train[:, sample.family]
    basis = size_basis(sample.size)
    usable = (sides >= FEWEST_FAMILIES) & (fitted_on.sum(axis=1) >= FEWEST_MODELS + basis.shape[1])
    if not usable.any():
        return None
    fitted_on = fitted_on[usable]
    predictor = sample.predictors[key]
    columns = np.column_stack(
        [_standardised(sample.size), basis, _standardised(predictor), sample.score - sample.score.mean()]
    )
    moment = moments(columns, fitted_on.astype(float))
    last = columns.shape[1]
    with_constant = np.column_stack([np.ones(len(sample)), columns])
    squared = []
    for used in (last - 1, last):
        inner, cross = moment[:, :used, :used], moment[:, :used, last]
        slopes = np.linalg.pinv(inner, rcond=1e-10, hermitian=True) @ cross[:, :, None]
        error = columns[:, -1] - slopes[:, :, 0] @ with_constant[:, :used].T
        squared.append(np.where(fitted_on, 0.0, error**2).sum(axis=0))
    by_size, by_both = squared
    if by_size.sum() <= 0:
        return None
    groups = resampling.groups(sample.family, seed)
    total_size, total_both = (np.bincount(groups, weights=errors) for errors in squared)
    skill = 1 - total_both.sum() / total_size.sum()
    left_out = 1 - (total_both.sum() - total_both) / (total_size.sum() - total_size)
    predicted = total_size > 0
    estimate = resampling.jackknife(float(skill), left_out[predicted])
    tested = float((~fitted_on).sum())
    return Prediction(
        predictor=key,
        split=split,
        cutoff=cutoff,
        splits=len(fitted_on),
        train=round(float(fitted_on.sum()) / len(fitted_on)),
        test=round(tested / len(fitted_on)),
        error_size=float(np.sqrt(by_size.sum() / tested)),
        error_with=float(np.sqrt(by_both.sum() / tested)),
        skill=float(skill),
        low=estimate.low,
        high=estimate.high,
    )


def _standardised(values: Array) -> Array:
    spread = values.std()
    return (values - values.mean()) / (spread if spread > 0 else 1.0)

"""Out of sample: fit on some families, predict the scores of others, and see whether shape helps.

Both fits are least squares on the size curve; the second adds the predictor. Families are never split, so what
is predicted comes from people, data and recipes that the fit has not seen.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.predictors import known, predictor_values
from nil_audit.comparison.result import Skill
from nil_audit.comparison.size import size_columns, standardised
from nil_audit.comparison.table import month_name
from nil_audit.stats.jackknife import over_groups
from nil_audit.stats.moments import moments, residual_covariance
from nil_audit.stats.spline import spline_basis

if TYPE_CHECKING:
    import pandas as pd

FAMILIES_EACH_SIDE = 4
"""Families that must lie on each side of a split."""

FEWEST_TRAINED_ON = 12
"""Models that must be fitted on, beside one a column of the spline."""


def skills(table: "pd.DataFrame", keys: Sequence[str], *, splits: int, seed: int) -> list[Skill]:
    """How much better each predictor and size together predict other families' scores than size alone.

    Args:
        table: The models; columns as in `nil_audit.comparison.table`.
        keys: Predictors.
        splits: Random halves of families.
        seed: Of the halves.

    Returns:
        For each predictor first by release, then by random halves; absent where either side would be too small.
    """
    cutoff = release_cutoff(table)
    found = []
    for key in keys:
        part = table[known(table, "score", key, "parameters")]
        if part.empty:
            continue
        if np.isfinite(cutoff):
            found.append(skill_by_release(part, key, cutoff=cutoff))
        found.append(skill_by_halves(part, key, splits=splits, seed=seed))
    return [one for one in found if one is not None]


def first_release(table: "pd.DataFrame") -> "pd.Series[float]":
    """The earliest known release of each row's family, in months; NaN where none is known."""
    return table.groupby("family")["month"].transform("min")


def release_cutoff(table: "pd.DataFrame") -> float:
    """The month that splits families by first release so that about half of the models come before it.

    NaN where fewer than `FAMILIES_EACH_SIDE` families lie on either side of every month.
    """
    first = first_release(table)
    best, miss = float("nan"), np.inf
    for month in np.unique(first.dropna()):
        before, after = first < month, first >= month
        sides = [table["family"][side].nunique() for side in (before, after)]
        if min(sides) >= FAMILIES_EACH_SIDE and abs(before.sum() - after.sum()) < miss:
            best, miss = float(month), abs(int(before.sum()) - int(after.sum()))
    return best


def skill_by_release(table: "pd.DataFrame", key: str, *, cutoff: float) -> Skill | None:
    """Fit on families first released before a month, predict the others; None where either side is too small.

    Args:
        table: Models that all have parameters and the predictor; of families without a release none is used.
        key: The predictor.
        cutoff: Months since year 0.
    """
    first = first_release(table)
    dated = table[first.notna()]
    early = first[first.notna()].groupby(dated["family"]).first().sort_index() < cutoff
    return _skill(dated, key, early.to_numpy()[None, :], split="release", cutoff=month_name(cutoff))


def fewest_fitted(table: "pd.DataFrame") -> int:
    """Models that the fit on one side of a split needs: `FEWEST_TRAINED_ON` and one a column of the spline.

    Args:
        table: Models that all have parameters.
    """
    return FEWEST_TRAINED_ON + spline_basis(predictor_values(table, "parameters")).shape[1]


def skill_by_halves(table: "pd.DataFrame", key: str, *, splits: int, seed: int) -> Skill | None:
    """Fit on random halves of families, predict the other halves; None where they are too small.

    Args:
        table: Models that all have parameters and the predictor.
        key: The predictor.
        splits: Number of halvings.
        seed: Of the halvings.
    """
    families = table["family"].nunique()
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.broadcast_to(np.arange(families), (splits, families)), axis=1)
    return _skill(table, key, order < (families + 1) // 2, split="halves", cutoff=None)


def _skill(
    table: "pd.DataFrame", key: str, train: NDArray[np.bool_], *, split: str, cutoff: str | None
) -> Skill | None:
    """Errors of both fits on the families not in ``train``, shape (splits, families in the order of their names)."""
    family = np.unique(table["family"].to_numpy(dtype=str), return_inverse=True)[1]
    size, predictor = predictor_values(table, "parameters"), predictor_values(table, key)
    score = predictor_values(table, "score")
    fitted_on = train[:, family]
    fewest = fewest_fitted(table)
    sides = np.minimum(train.sum(axis=1), (~train).sum(axis=1))
    usable = (sides >= FAMILIES_EACH_SIDE) & (fitted_on.sum(axis=1) >= fewest)
    if not usable.any():
        return None
    fitted_on = fitted_on[usable]
    columns = np.column_stack([size_columns(size), standardised(predictor), score - score.mean()])
    moment = moments(columns, fitted_on.astype(float))
    last = columns.shape[1]
    with_constant = np.column_stack([np.ones(len(table)), columns])
    errors = []
    for used in (last - 1, last):
        inner, cross = moment[:, :used, :used], moment[:, :used, last]
        slopes = np.linalg.pinv(inner, rcond=1e-10, hermitian=True) @ cross[:, :, None]
        errors.append(columns[:, -1] - slopes[:, :, 0] @ with_constant[:, :used].T)
    # Among some families a predictor may be constant; the fit on those learns nothing of it.
    varies = residual_covariance(moment, range(last - 1), [last - 1])[:, 0, 0] > 1e-9 * fitted_on.sum(axis=1)
    errors[1] = np.where(varies[:, None], errors[1], errors[0])
    squared = [np.where(fitted_on, 0.0, error**2).sum(axis=0) for error in errors]
    by_size, by_both = (np.bincount(family, weights=one) for one in squared)
    if by_size.sum() <= 0:
        return None
    value = 1 - by_both.sum() / by_size.sum()
    predicted = by_size > 0
    without = 1 - (by_both.sum() - by_both[predicted]) / (by_size.sum() - by_size[predicted])
    tested = float((~fitted_on).sum())
    return Skill(
        predictor=key,
        split=split,
        cutoff=cutoff,
        splits=len(fitted_on),
        train=round(float(fitted_on.sum()) / len(fitted_on)),
        test=round(tested / len(fitted_on)),
        error_size=float(np.sqrt(by_size.sum() / tested)),
        error_with=float(np.sqrt(by_both.sum() / tested)),
        estimate=over_groups(float(value), without),
    )

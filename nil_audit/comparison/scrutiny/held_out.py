"""Out of sample: fit on some families, predict the scores of others, and see whether the dose helps.

The size control's knots, ranks and bands, the curve that the dose is taken from and every coefficient come from the
families fitted on. Families are never split, so what is predicted comes from people, data and recipes that the fit has
not seen. Which size control it is was chosen on all models.

Shapes: n models in G groups, of which a split fits on some; B fits: on all of these, then without each in turn.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.effect.dose import dose_terms
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.effect.size import flexible_columns, size_columns
from nil_audit.comparison.findings import Skill
from nil_audit.comparison.table import month_name
from nil_audit.stats.estimate import Array
from nil_audit.stats.jackknife import over_groups
from nil_audit.stats.least_squares import group_moments, orthogonal, solve_each

if TYPE_CHECKING:
    import pandas as pd

GROUPS_EACH_SIDE = 4
"""Groups that must lie on each side of a split."""

FEWEST_TRAINED_ON = 12
"""Models that must be fitted on, beside one a column of the size control."""

Train = NDArray[np.bool_]
"""Which groups are fitted on, shape (G,)."""


def skills(sample: Sample, *, study: str, control: str, splits: int, seed: int) -> tuple[Skill, ...]:
    """How much better size and dose together predict the response of other families than size alone.

    Args:
        sample: The models.
        study: Whose dose.
        control: The size control.
        splits: Random halves of groups.
        seed: Of the halves.

    Returns:
        First by release (groups first released before a month are fitted on; those of unknown release take no part),
        then by random halves; absent where either side would be too small, or all models are of one shape.
    """
    found: list[Skill | None] = []
    if sample.table["ratio"].nunique() == 1:
        return ()
    cutoff = release_cutoff(sample.table)
    if np.isfinite(cutoff):
        dated = sample.part(first_release(sample.table).notna().to_numpy())
        first = first_release(dated.table).to_numpy()
        early = np.zeros(dated.groups, dtype=np.bool_)
        early[dated.group[first < cutoff]] = True
        found.append(_skill(dated, study, control, early[None], split="release", cutoff=month_name(cutoff)))
    if sample.groups >= 2 * GROUPS_EACH_SIDE:
        order = np.random.default_rng(seed).permuted(np.tile(np.arange(sample.groups), (splits, 1)), axis=1)
        halves = order < (sample.groups + 1) // 2
        found.append(_skill(sample, study, control, halves, split="halves", cutoff=None))
    return tuple(one for one in found if one is not None)


def first_release(table: "pd.DataFrame") -> "pd.Series[float]":
    """The earliest known release of each row's group, in months; NaN where none is known."""
    return table.groupby("group")["month"].transform("min")


def release_cutoff(table: "pd.DataFrame") -> float:
    """The month that splits groups by first release so that about half of the models come before it.

    NaN where fewer than `GROUPS_EACH_SIDE` groups lie on either side of every month.
    """
    first = first_release(table)
    best, miss = float("nan"), np.inf
    for month in np.unique(first.dropna()):
        before, after = first < month, first >= month
        sides = [table["group"][side].nunique() for side in (before, after)]
        if min(sides) >= GROUPS_EACH_SIDE and abs(before.sum() - after.sum()) < miss:
            best, miss = float(month), abs(int(before.sum()) - int(after.sum()))
    return best


@dataclass(frozen=True, kw_only=True)
class _Errors:
    """Sums of squared errors on the groups that are predicted, shape (1 + G, 3): of all, then without each group.

    Columns: from size alone, with the dose, and with the dose as predicted.
    """

    squared: Array
    train: int
    test: int


def _skill(
    sample: Sample, study: str, control: str, trains: NDArray[np.bool_], *, split: str, cutoff: str | None
) -> Skill | None:
    """Skill over splits, each a row of ``trains``, shape (splits, G)."""
    excess = sample.excess(study)
    made = [_split(sample, excess, control, train) for train in trains]
    errors = [one for one in made if one is not None]
    squared = sum((one.squared for one in errors), np.zeros((sample.groups + 1, 3)))
    if not errors or squared[0, 0] <= 0:
        return None
    tested = sum(one.test for one in errors)
    size, with_dose, predicted = np.sqrt(squared[0] / tested).tolist()
    with np.errstate(invalid="ignore", divide="ignore"):
        value, *without = (1 - squared[:, 1] / squared[:, 0]).tolist()
    return Skill(
        split=split,
        cutoff=cutoff,
        splits=len(errors),
        train=round(sum(one.train for one in errors) / len(errors)),
        test=round(tested / len(errors)),
        error_size=size,
        error_with=with_dose,
        error_predicted=predicted,
        estimate=over_groups(value, np.array(without), n=sample.models),
    )


def _split(sample: Sample, excess: Array, control: str, train: Train) -> _Errors | None:
    """Errors of one split, None where either side is too small.

    With the numbers of a model z = (held columns, terms of the dose, response), every prediction error is v·z for a v
    that follows from the second moments of the models fitted on, and the sum of squares over others is v·Mv, M theirs.
    """
    fitted = train[sample.group]
    size, response = sample.size[fitted], sample.response[fitted]
    if min(train.sum(), (~train).sum()) < GROUPS_EACH_SIDE or len(size) <= FEWEST_TRAINED_ON:
        return None
    flexible = flexible_columns(size, response) if control == "flexible" else 0
    columns = size_columns(sample.size, control, like=size, flexible=flexible)
    if len(size) < FEWEST_TRAINED_ON + columns.shape[1]:
        return None
    held, _ = _scaled(np.column_stack([np.ones(sample.models), columns]), fitted)
    terms = dose_terms(sample, excess, like=size)
    curve, change = _scaled(terms.curve, fitted)
    numbers = np.column_stack([held, terms.terms @ change, terms.fixed, curve, sample.response - response.mean()])
    own = group_moments(numbers, sample.group)
    width, ends = held.shape[1], held.shape[1] + curve.shape[1] + 1
    total = own[train].sum(axis=0)
    moment = np.concatenate([total[None], total - own[train]])
    errors = _predictors(moment, width, curve.shape[1])
    used = [*range(ends), numbers.shape[1] - 1]
    own = own[np.ix_(range(sample.groups), used, used)]
    test = own[~train].sum(axis=0)
    over_test = np.einsum("kbi,ij,kbj->bk", errors, test, errors, optimize=True)
    of_group = np.einsum("ki,gij,kj->gk", errors[:, 0], own[~train], errors[:, 0], optimize=True)
    squared = np.empty((sample.groups + 1, 3))
    squared[0] = over_test[0]
    squared[1:][train] = over_test[1:]
    squared[1:][~train] = over_test[0] - of_group
    return _Errors(squared=np.maximum(squared, 0.0), train=len(size), test=sample.models - len(size))


def _predictors(moment: Array, width: int, curves: int) -> Array:
    """The error of prediction as coefficients of (held, terms, fixed, response), for each of three ways and B fits.

    Args:
        moment: Second moments of (held, terms, fixed, curve, response) of the models fitted on, shape (B, z, z).
        width: Held columns.
        curves: Columns of the curve, and as many terms.

    Returns:
        Shape (3, B, held + terms + 2).
    """
    last = moment.shape[1] - 1
    held, parts, curve = slice(0, width), slice(width, width + curves + 1), slice(width + curves + 1, last)
    fit = solve_each(moment[:, curve, curve], moment[:, curve, last])
    mix = np.concatenate([fit, np.ones((len(fit), 1))], axis=1)
    inner, with_response = moment[:, held, held], moment[:, held, last]
    with_dose = np.einsum("bij,bj->bi", moment[:, held, parts], mix)
    square = np.einsum("bi,bij,bj->b", mix, moment[:, parts, parts], mix, optimize=True)
    shared = np.einsum("bi,bi->b", mix, moment[:, parts, last])
    by_size, of_dose = solve_each(inner, with_response), solve_each(inner, with_dose)
    left = square - np.einsum("bi,bi->b", of_dose, with_dose)
    # where the dose does not vary beside size among these models, nothing is learnt of it
    varies = left > 1e-9 * np.maximum(square, 1e-300)
    slope = np.where(varies, shared - np.einsum("bi,bi->b", of_dose, with_response), 0.0) / np.where(varies, left, 1.0)
    errors = []
    for coefficient in (np.zeros_like(slope), slope, -np.ones_like(slope)):
        fitted = by_size - coefficient[:, None] * of_dose
        errors.append(np.concatenate([-fitted, -coefficient[:, None] * mix, np.ones((len(mix), 1))], axis=1))
    return np.array(errors)


def _scaled(columns: Array, fitted: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Columns turned so that they are orthogonal and of mean square 1 among the models fitted on, and the turn."""
    if not columns.shape[1]:
        return columns, np.zeros((0, 0))
    turn = np.asarray(np.linalg.lstsq(columns[fitted], orthogonal(columns[fitted]), rcond=None)[0], dtype=np.float64)
    return columns @ turn, turn

"""Kendall's tau-b with families resampled whole, from sums over pairs of families.

With s_ij the product of the signs of two differences, summed over the pairs of models of two families into a
matrix S (families x families), tau-b of a resample that takes family f with weight w_f is
w'S_xy w / sqrt(w'S_xx w · w'S_yy w): exact, and independent of the number of models once S is there.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nil_audit.study import resampling
from nil_audit.study.correlation import FEWEST_MODELS, Resamples
from nil_audit.study.findings import Association
from nil_audit.study.sample import Array, Sample

_ROWS_OF_PAIRS = 4_000_000


def kendall(
    sample: Sample, keys: Sequence[str], *, given: Sequence[str], subset: str, resamples: Resamples
) -> list[Association]:
    """Kendall's tau-b of predictors with score, plain and (``given`` "size") partial.

    The partial coefficient is Kendall's own, (t_xy - t_xz t_yz) / sqrt((1 - t_xz²)(1 - t_yz²)).

    Args:
        sample: The models.
        keys: Predictors.
        given: "nothing", "size" or both.
        subset: Name of the set, for the findings.
        resamples: How families are resampled.
    """
    return [
        association
        for key in keys
        for name in given
        if (association := _one(sample, key, name, subset, resamples)) is not None
    ]


def _one(sample: Sample, key: str, given: str, subset: str, resamples: Resamples) -> Association | None:
    keep = sample.complete(given, (key,))
    if keep.sum() < FEWEST_MODELS + (given == "size"):
        return None
    part = sample.take(keep)
    variables = [part.predictors[key], part.score] + ([part.size] if given == "size" else [])
    groups = resampling.groups(part.family, resamples.seed)
    weights = np.vstack(
        [
            np.ones((1, len(part))),
            resampling.leave_out(groups),
            resampling.bootstrap(part.family, resamples.affordable(len(part)), resamples.seed),
        ]
    )
    first_of_family = np.unique(part.family, return_index=True)[1]
    taus = _taus(variables, part.family, weights[:, first_of_family])
    value = float(taus[0])
    if not np.isfinite(value):
        return None
    count = int(groups.max()) + 1
    estimate = resampling.jackknife(value, taus[1 : 1 + count], correlation=True)
    ends = resampling.percentile(taus[1 + count :]) if estimate.low is not None else None
    return Association(
        predictor=key,
        method="kendall",
        given=given,
        subset=subset,
        models=len(part),
        families=part.families,
        estimate=value,
        low=estimate.low,
        high=estimate.high,
        p_value=estimate.p_value,
        p_adjusted=None,
        bootstrap_low=ends[0] if ends else None,
        bootstrap_high=ends[1] if ends else None,
    )


def _taus(variables: Sequence[Array], family: NDArray[np.int64], weights: Array) -> Array:
    """tau-b of the first two variables, given the third where there is one, shape (B,)."""
    pairs = [(0, 1)] if len(variables) == 2 else [(0, 1), (0, 2), (1, 2)]
    wanted = [(i, i) for i in range(len(variables))] + pairs
    forms = {
        pair: ((weights @ matrix) * weights).sum(axis=1)
        for pair, matrix in zip(wanted, _pair_sums(variables, wanted, family), strict=True)
    }
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = {(i, j): forms[i, j] / np.sqrt(forms[i, i] * forms[j, j]) for i, j in pairs}
        if len(variables) == 2:
            return tau[0, 1]
        spread = (1 - tau[0, 2] ** 2) * (1 - tau[1, 2] ** 2)
        return (tau[0, 1] - tau[0, 2] * tau[1, 2]) / np.sqrt(spread)


def _pair_sums(variables: Sequence[Array], wanted: Sequence[tuple[int, int]], family: NDArray[np.int64]) -> list[Array]:
    """For each wanted pair of variables the sum over model pairs of sign products, by pair of families."""
    order = np.argsort(family, kind="stable")
    starts = np.unique(family[order], return_index=True)[1]
    ranks = [np.unique(values[order], return_inverse=True)[1].astype(np.float32) for values in variables]
    sums = [np.zeros((len(starts), len(starts))) for _ in wanted]
    step = max(1, _ROWS_OF_PAIRS // len(order))
    for start in range(0, len(order), step):
        rows = slice(start, start + step)
        signs = [np.sign(rank[rows, None] - rank[None, :]) for rank in ranks]
        which = family[order][rows]
        for total, (i, j) in zip(sums, wanted, strict=True):
            by_family = np.add.reduceat(signs[i] * signs[j], starts, axis=1)
            np.add.at(total, which, by_family)
    return sums

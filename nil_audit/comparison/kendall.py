"""Kendall's tau-b with families resampled whole, from sums over pairs of families.

With s_ij the product of the signs of two differences, summed over the pairs of models of two families into a
matrix S (families x families), tau-b of a resample that takes family f with weight w_f is
w'S_xy w / sqrt(w'S_xx w · w'S_yy w): exact, and independent of the number of models once S is there.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.correlation import FEWEST_MODELS, Resamples, association
from nil_audit.comparison.findings import Association
from nil_audit.comparison.sample import Array, Sample
from nil_audit.stats import jackknife as resampling

_PAIRS_AT_ONCE = 4_000_000
_FEWER = 4
"""Kendall's bootstrap draws this many times fewer resamples where families are too many for the jackknife."""

_SCORE, _SIZE = "score", "size"
Forms = dict[tuple[str, str], Array]


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

    Returns:
        Findings in the order of ``keys``, then ``given``; those that cannot be made are absent.
    """
    found: dict[tuple[str, str], Association] = {}
    by_mask: dict[bytes, list[tuple[str, str]]] = {}
    for key in keys:
        for name in given:
            by_mask.setdefault(sample.complete(name, (key,)).tobytes(), []).append((key, name))
    for mask, pairs in by_mask.items():
        part = sample.take(np.frombuffer(mask, dtype=np.bool_))
        if len(part) < FEWEST_MODELS:
            continue
        groups = resampling.groups(part.family, resamples.seed)
        count = int(groups.max()) + 1
        weights = _weights(part, groups, resamples)
        forms = _forms(part, list(dict.fromkeys(key for key, _ in pairs)), weights)
        for key, name in pairs:
            if len(part) < FEWEST_MODELS + (name == "size"):
                continue
            taus = _tau(forms, key, name)
            if np.isfinite(taus[0]):
                found[key, name] = association(
                    part,
                    key,
                    method="kendall",
                    given=name,
                    subset=subset,
                    value=float(taus[0]),
                    left_out=taus[1 : 1 + count],
                    resampled=taus[1 + count :],
                )
    return [found[key, name] for key in keys for name in given if (key, name) in found]


def _weights(sample: Sample, groups: NDArray[np.int64], resamples: Resamples) -> Array:
    """Family weights of everything, of each group left out, and of the bootstrap, shape (B, families)."""
    drawn = resamples.affordable(len(sample))
    if sample.families > resampling.MOST_GROUPS:
        drawn //= _FEWER
    rows = [
        np.ones((1, len(sample))),
        resampling.leave_out(groups),
        resampling.bootstrap(sample.family, drawn, resamples.seed),
    ]
    first_of_family = np.unique(sample.family, return_index=True)[1]
    return np.vstack([row[:, first_of_family] for row in rows])


def _tau(forms: Forms, key: str, given: str) -> Array:
    """tau-b of a predictor with score, given size where asked for, shape (B,)."""

    def tau(one: str, other: str) -> Array:
        return forms[one, other] / np.sqrt(forms[one, one] * forms[other, other])

    with np.errstate(invalid="ignore", divide="ignore"):
        plain = tau(key, _SCORE)
        if given == "nothing":
            return plain
        of_key, of_score = tau(key, _SIZE), tau(_SCORE, _SIZE)
        return (plain - of_key * of_score) / np.sqrt((1 - of_key**2) * (1 - of_score**2))


def _forms(sample: Sample, keys: Sequence[str], weights: Array) -> Forms:
    """The form w'Sw of every pair of variables that a coefficient needs, shape (B,) each."""
    values = {_SCORE: sample.score, **{key: sample.predictors[key] for key in keys}}
    others = [_SCORE]
    if np.isfinite(sample.size).all():
        values[_SIZE] = sample.size
        others.append(_SIZE)
    wanted = [(one, one) for one in values] + [(key, other) for key in keys for other in others]
    if _SIZE in values:
        wanted.append((_SCORE, _SIZE))
    sums = _pair_sums(values, wanted, sample.family)
    return {pair: ((weights @ matrix.astype(np.float64)) * weights).sum(axis=1) for pair, matrix in sums.items()}


def _pair_sums(
    values: dict[str, Array], wanted: Sequence[tuple[str, str]], family: NDArray[np.int64]
) -> dict[tuple[str, str], NDArray[np.float32]]:
    """For each wanted pair of variables the sum over model pairs of sign products, by pair of families.

    Exact in float32 as long as two families have fewer than 2^24 pairs of models.
    """
    order = np.argsort(family, kind="stable")
    starts = np.unique(family[order], return_index=True)[1]
    ranks = {
        name: np.unique(column[order], return_inverse=True)[1].astype(np.float32) for name, column in values.items()
    }
    sums = {pair: np.zeros((len(starts), len(starts)), dtype=np.float32) for pair in wanted}
    for families, rows in _chunks(starts, len(order)):
        signs = {name: np.sign(rank[rows, None] - rank[None, :]) for name, rank in ranks.items()}
        for one, other in wanted:
            by_column = np.add.reduceat(signs[one] * signs[other], starts, axis=1)
            sums[one, other][families] = np.add.reduceat(by_column, starts[families] - rows.start, axis=0)
    return sums


def _chunks(starts: NDArray[np.int64], models: int) -> Iterator[tuple[slice, slice]]:
    """Runs of whole families with at most `_PAIRS_AT_ONCE` pairs (or one family): families, and their rows."""
    ends = np.append(starts[1:], models)
    first = 0
    while first < len(starts):
        rows = max(1, _PAIRS_AT_ONCE // models)
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + rows, side="right")))
        yield slice(first, last), slice(int(starts[first]), int(ends[last - 1]))
        first = last

"""Correlations of predictors with score, plain and partial, with intervals that resample families whole.

Spearman's is Pearson's on ranks, and the partial one holds ranks (and, where asked for, a spline of log
parameters) fixed. Ranks are computed anew in every resample. Kendall's is in `nil_audit.comparison.kendall`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.findings import Association
from nil_audit.comparison.sample import GIVEN, Array, Sample
from nil_audit.comparison.sizes import size_basis
from nil_audit.stats import jackknife as resampling
from nil_audit.stats.moments import moments, partial_correlation, rank_moments

FEWEST_MODELS = 4
"""Models a correlation needs beyond the columns that it holds fixed."""

_MOST_ELEMENTS = 2_500_000


@dataclass(frozen=True, kw_only=True)
class Resamples:
    """How families are resampled: the seed, and how many bootstrap resamples (0: only the jackknife)."""

    seed: int
    bootstrap: int

    def affordable(self, models: int) -> int:
        """Bootstrap resamples for a number of models: fewer above 1,250 models, never under 200 where any."""
        return min(self.bootstrap, max(200, _MOST_ELEMENTS // models))


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Second moments of one set of models: with all families, without each group, and bootstrapped.

    Attributes:
        columns: Which columns of the moments each name has.
        full: Shape (1, q, q).
        left_out: Shape (G, q, q).
        resampled: Shape (B, q, q); B is 0 where no bootstrap was asked for.
        models: Models in the set.
        families: Families in it.
    """

    columns: dict[str, tuple[int, ...]]
    full: Array
    left_out: Array
    resampled: Array
    models: int
    families: int

    def controls(self, given: str) -> list[int] | None:
        """Columns that ``given`` holds fixed; None where some are not there."""
        names = GIVEN[given]
        if any(name not in self.columns for name in names):
            return None
        return [column for name in names for column in self.columns[name]]


def sample_moments(
    sample: Sample, keys: Sequence[str], *, ranks: bool, resamples: Resamples, groups: NDArray[np.int64] | None = None
) -> Moments:
    """Moments of score, predictors and whichever controls every model of the sample has.

    Args:
        sample: Models that all have the predictors ``keys``.
        keys: Predictors.
        ranks: Ranks (Spearman) or values (Pearson).
        resamples: How families are resampled.
        groups: Jackknife group of each model; by default `resampling.groups`.
    """
    values = {"score": sample.score, **{key: sample.predictors[key] for key in keys}}
    for name in ("size", "tokens", "release"):
        column = getattr(sample, name)
        if np.isfinite(column).all():
            values[name] = column
    curve = size_basis(sample.size) if "size" in values else np.zeros((len(sample), 0))
    groups = resampling.groups(sample.family, resamples.seed) if groups is None else groups
    weights = {
        "full": np.ones((1, len(sample))),
        "left_out": resampling.leave_out(groups),
        "resampled": resampling.bootstrap(sample.family, resamples.affordable(len(sample)), resamples.seed)
        if resamples.bootstrap
        else np.zeros((0, len(sample))),
    }
    if ranks:
        parts = {name: rank_moments(list(values.values()), curve, rows) for name, rows in weights.items()}
    else:
        matrix = np.column_stack([curve, *(_standardised(column) for column in values.values())])
        parts = {name: moments(matrix, rows) for name, rows in weights.items()}
    first = 1 + curve.shape[1]
    columns: dict[str, tuple[int, ...]] = {name: (first + offset,) for offset, name in enumerate(values)}
    if "size" in values:
        columns["curve"] = tuple(range(1, first))
    return Moments(columns=columns, models=len(sample), families=sample.families, **parts)


def associate(found: Moments, key: str, *, method: str, given: str, subset: str) -> Association | None:
    """One correlation from moments; None where there are too few models or a column does not vary."""
    controls = found.controls(given)
    if controls is None or found.models < FEWEST_MODELS + len(controls):
        return None
    pair = found.columns[key][0], found.columns["score"][0]
    value = float(partial_correlation(found.full, controls, *pair)[0])
    if not np.isfinite(value):
        return None
    return association(
        found,
        key,
        method=method,
        given=given,
        subset=subset,
        value=value,
        left_out=partial_correlation(found.left_out, controls, *pair),
        resampled=partial_correlation(found.resampled, controls, *pair),
    )


def association(
    of: "Moments | Sample",
    key: str,
    *,
    method: str,
    given: str,
    subset: str,
    value: float,
    left_out: Array,
    resampled: Array,
) -> Association:
    """A finding from a correlation, its values without each group of families, and its bootstrap."""
    estimate = resampling.jackknife(value, left_out, correlation=True)
    enough = len(resampled) > 0 and estimate.low is not None
    ends = resampling.percentile(resampled) if enough else None
    return Association(
        predictor=key,
        method=method,
        given=given,
        subset=subset,
        models=of.models,
        families=of.families,
        estimate=value,
        low=estimate.low,
        high=estimate.high,
        p_value=estimate.p_value,
        p_adjusted=None,
        bootstrap_low=ends[0] if ends else None,
        bootstrap_high=ends[1] if ends else None,
    )


def correlate(
    sample: Sample,
    keys: Sequence[str],
    *,
    method: str,
    given: Iterable[str],
    subset: str,
    resamples: Resamples,
) -> list[Association]:
    """Correlations of predictors with score in one set of models.

    Each predictor and control uses every model that has it, so ``models`` may differ from row to row.

    Args:
        sample: The models.
        keys: Predictors, keys of ``sample.predictors``.
        method: "spearman" or "pearson".
        given: Keys of `GIVEN`.
        subset: Name of the set, for the findings.
        resamples: How families are resampled.

    Returns:
        Findings in the order of ``keys``, then ``given``; those that cannot be made are absent.
    """
    wanted = tuple(given)
    found: dict[tuple[str, str], Association] = {}
    by_mask: dict[bytes, list[tuple[str, str]]] = {}
    for key in keys:
        for name in wanted:
            by_mask.setdefault(sample.complete(name, (key,)).tobytes(), []).append((key, name))
    for mask, pairs in by_mask.items():
        keep = np.frombuffer(mask, dtype=np.bool_)
        if keep.sum() < FEWEST_MODELS:
            continue
        chosen = list(dict.fromkeys(key for key, _ in pairs))
        made = sample_moments(sample.take(keep), chosen, ranks=method == "spearman", resamples=resamples)
        for key, name in pairs:
            one = associate(made, key, method=method, given=name, subset=subset)
            if one is not None:
                found[key, name] = one
    return [found[key, name] for key in keys for name in wanted if (key, name) in found]


def _standardised(values: Array) -> Array:
    spread = values.std()
    return (values - values.mean()) / (spread if spread > 0 else 1.0)

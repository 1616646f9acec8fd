"""Permutation tests within size bands.

Under the hypothesis that shape does not matter, models of one size are exchangeable: which of them got which
score. Bands of size are wide, so size is first taken out of both (ranks of predictor and score, residuals after
the size curve), and the score residuals change places within bands (Freedman and Lane 1983).

Models of a family are not exchangeable with others one by one. So the test that counts moves families: within a
band each family is one unit, its mean residual. The test that moves single models is shown beside it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.findings import PermutationTest
from nil_audit.comparison.sample import Array, Sample
from nil_audit.comparison.sizes import EDGES, size_basis
from nil_audit.stats.moments import weighted_ranks

FEWEST_UNITS = 5
"""With fewer units in all bands together no test is made: the smallest p-value would be above 1 in 100."""

_ELEMENTS_AT_ONCE = 4_000_000


def permutation_tests(
    sample: Sample, keys: Sequence[str], *, unit: str, permutations: int, seed: int
) -> list[PermutationTest]:
    """Test each predictor by moving size-adjusted scores within size bands.

    Args:
        sample: The models; those without parameters are left out.
        keys: Predictors.
        unit: "family" or "model".
        permutations: Number drawn; predictors that the same models have share them.
        seed: Of the draws.

    Returns:
        One test a predictor; absent where fewer than `FEWEST_UNITS` units share a band with another.
    """
    made: dict[str, PermutationTest] = {}
    by_mask: dict[bytes, list[str]] = {}
    for key in keys:
        by_mask.setdefault(sample.complete("size", (key,)).tobytes(), []).append(key)
    for mask, chosen in by_mask.items():
        part = sample.take(np.frombuffer(mask, dtype=np.bool_))
        if len(part) >= FEWEST_UNITS:
            made |= {test.predictor: test for test in _tests(part, chosen, unit, permutations, seed)}
    return [made[key] for key in keys if key in made]


def _tests(sample: Sample, keys: Sequence[str], unit: str, permutations: int, seed: int) -> list[PermutationTest]:
    variables = [sample.score, *(sample.predictors[key] for key in keys)]
    adjusted = _adjust(np.column_stack([_ranks(values) for values in variables]), sample.size)
    band = np.searchsorted(EDGES, np.exp(sample.size) * (1 + 1e-12), side="right")
    if unit == "family":
        adjusted, band = _family_means(adjusted, sample.family, band)
    adjusted, band = _shared_bands(adjusted, band)
    if len(band) < FEWEST_UNITS:
        return []
    for level in np.unique(band):
        adjusted[band == level] -= adjusted[band == level].mean(axis=0)
    score, predictors = adjusted[:, 0], adjusted[:, 1:]
    observed = score @ predictors
    extreme = _count_extreme(score, predictors, band, permutations, seed)
    spread = np.sqrt((score**2).sum() * (predictors**2).sum(axis=0))
    return [
        PermutationTest(
            predictor=key,
            unit=unit,
            estimate=float(observed[index] / spread[index]),
            p_value=float((1 + extreme[index]) / (1 + permutations)),
            p_adjusted=None,
            units=len(band),
            bands=len(np.unique(band)),
            permutations=permutations,
        )
        for index, key in enumerate(keys)
        if spread[index] > 0
    ]


def _ranks(values: Array) -> Array:
    """Average ranks as fractions, shape (n,)."""
    return weighted_ranks(values, np.ones((1, len(values))))[0]


def _adjust(columns: Array, size: Array) -> Array:
    """Residuals of columns after the size curve (constant, rank of size, spline of log size)."""
    controls = np.column_stack([np.ones(len(size)), _ranks(size), size_basis(size)])
    return columns - controls @ np.linalg.lstsq(controls, columns, rcond=None)[0]


def _family_means(
    columns: Array, family: NDArray[np.int64], band: NDArray[np.int64]
) -> tuple[Array, NDArray[np.int64]]:
    """Mean of each family within each band, and the band of each mean."""
    cells, cell = np.unique(np.column_stack([band, family]), axis=0, return_inverse=True)
    count = np.bincount(cell)
    means = np.column_stack([np.bincount(cell, weights=column) / count for column in columns.T])
    return means, cells[:, 0]


def _shared_bands(columns: Array, band: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
    """Only units that share their band with another: alone, a unit cannot change places."""
    _, level, count = np.unique(band, return_inverse=True, return_counts=True)
    keep = count[level] > 1
    return columns[keep].copy(), band[keep]


def _count_extreme(
    score: Array, predictors: Array, band: NDArray[np.int64], permutations: int, seed: int
) -> NDArray[np.int64]:
    """How many permutations give a statistic at least as far from zero, for each predictor."""
    rng = np.random.default_rng(seed)
    bound = np.abs(score @ predictors) * (1 - 1e-9)
    members = [np.flatnonzero(band == level) for level in np.unique(band)]
    extreme = np.zeros(predictors.shape[1], dtype=np.int64)
    step = max(1, _ELEMENTS_AT_ONCE // len(score))
    for start in range(0, permutations, step):
        moved = np.empty((min(step, permutations - start), len(score)))
        for where in members:
            moved[:, where] = rng.permuted(np.broadcast_to(score[where], (len(moved), len(where))), axis=1)
        extreme += (np.abs(moved @ predictors) >= bound).sum(axis=0)
    return extreme

"""Permutation tests within size bands.

Under the hypothesis that shape does not matter, models of one size are exchangeable: which of them got which
score. Bands of size are wide, so size is first taken out of both (ranks of predictor and score, residuals after
the size curve), and the score residuals change places within bands (Freedman and Lane 1983).

Models of a family are not exchangeable with others one by one, so the test moves families: within a band each
family is one unit, its mean residual.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.correlation import same_models
from nil_audit.comparison.predictors import known, predictor_values
from nil_audit.comparison.result import PermutationTest
from nil_audit.comparison.size import band_number
from nil_audit.stats.estimate import Array, Estimate, holm
from nil_audit.stats.moments import weighted_ranks
from nil_audit.stats.spline import spline_basis

if TYPE_CHECKING:
    import pandas as pd

FEWEST_UNITS = 5
"""With fewer units in all bands together no test is made: the smallest p-value would be above 1 in 100."""

_ELEMENTS_AT_ONCE = 4_000_000


def permutation_tests(
    table: "pd.DataFrame", keys: Sequence[str], *, permutations: int, seed: int
) -> list[PermutationTest]:
    """Test each predictor by moving families' size-adjusted scores within size bands.

    Args:
        table: The models; those without parameters are left out.
        keys: Predictors.
        permutations: Number drawn; predictors that the same models have share them.
        seed: Of the draws.

    Returns:
        One test a predictor; absent where fewer than `FEWEST_UNITS` units share a band with another.
    """
    made: dict[str, tuple[int, Estimate]] = {}
    for mask, chosen in same_models({key: known(table, "score", key, "parameters") for key in keys}):
        if units_that_share(table[mask]) >= FEWEST_UNITS:
            made |= _tests(table[mask], chosen, permutations, seed)
    tested = [key for key in keys if key in made]
    adjusted = holm([made[key][1].p or 0.0 for key in tested])
    return [
        PermutationTest(predictor=key, bands=made[key][0], estimate=made[key][1], p_adjusted=p)
        for key, p in zip(tested, adjusted, strict=True)
    ]


def units_that_share(sized: "pd.DataFrame") -> int:
    """Units that can change places: families within a band that holds more than one, counted once a band.

    Args:
        sized: Models that all have parameters.
    """
    cells = set(zip(band_number(sized["parameters"].to_numpy(dtype=float)), sized["family"], strict=True))
    count = Counter(band for band, _ in cells)
    return sum(units for units in count.values() if units > 1)


def _tests(table: "pd.DataFrame", keys: Sequence[str], permutations: int, seed: int) -> dict[str, tuple[int, Estimate]]:
    """Number of bands and statistic of each predictor that varies."""
    ranks = np.column_stack([_ranks(predictor_values(table, key)) for key in ("score", *keys)])
    adjusted = _adjust(ranks, predictor_values(table, "parameters"))
    family = np.unique(table["family"].to_numpy(dtype=str), return_inverse=True)[1]
    adjusted, band = _family_means(adjusted, family, band_number(table["parameters"].to_numpy(dtype=float)))
    adjusted, band = _shared_bands(adjusted, band)
    bands = np.unique(band)
    for level in bands:
        adjusted[band == level] -= adjusted[band == level].mean(axis=0)
    score, predictors = adjusted[:, 0], adjusted[:, 1:]
    observed = score @ predictors
    p = (1 + _count_extreme(score, predictors, band, permutations, seed)) / (1 + permutations)
    spread = np.sqrt((score**2).sum() * (predictors**2).sum(axis=0))
    return {
        key: (len(bands), Estimate(value=float(observed[i] / spread[i]), p=float(p[i]), n=len(band)))
        for i, key in enumerate(keys)
        if spread[i] > 0
    }


def _ranks(values: Array) -> Array:
    """Average ranks as fractions, shape (n,)."""
    return weighted_ranks(values, np.ones((1, len(values))))[0]


def _adjust(columns: Array, size: Array) -> Array:
    """Residuals of columns after the size curve (constant, rank of size, spline of log size)."""
    controls = np.column_stack([np.ones(len(size)), _ranks(size), spline_basis(size)])
    return np.asarray(columns - controls @ np.linalg.lstsq(controls, columns, rcond=None)[0])


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
    return columns[keep], band[keep]


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

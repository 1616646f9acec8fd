"""Correction for the number of tests made."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nil_audit.comparison.findings import Association, PermutationTest


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values: valid whatever the dependence between the tests (Holm 1979)."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()


def adjust_associations(associations: Sequence[Association]) -> list[Association]:
    """Fill ``p_adjusted`` over the study's main table: Spearman, every predictor and control, subset "all"."""

    def counted(a: Association) -> bool:
        return a.method == "spearman" and a.subset == "all" and a.p_value is not None

    adjusted = iter(holm([a.p_value for a in associations if counted(a) and a.p_value is not None]))
    return [replace(a, p_adjusted=next(adjusted)) if counted(a) else a for a in associations]


def adjust_permutations(tests: Sequence[PermutationTest]) -> list[PermutationTest]:
    """Fill ``p_adjusted`` over predictors, for each unit of permutation by itself."""
    adjusted = {unit: iter(holm([test.p_value for test in tests if test.unit == unit])) for unit in ("family", "model")}
    return [replace(test, p_adjusted=next(adjusted[test.unit])) for test in tests]

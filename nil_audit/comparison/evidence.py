"""The evidence that the conclusion rests on, and no more: fast enough to simulate thousands of studies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.correlation import Resamples, correlate
from nil_audit.comparison.findings import Association
from nil_audit.comparison.permutation import permutation_tests
from nil_audit.comparison.prediction import predict_by_halves
from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.robustness import leave_one_family_out
from nil_audit.comparison.rules import Evidence
from nil_audit.comparison.sample import Sample

GIVEN = ("size_curve", "size_curve_release", "size_curve_tokens")


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is drawn: bootstrap resamples, permutations, splits, and the seed of all."""

    resamples: int = 2000
    permutations: int = 9999
    splits: int = 200
    seed: int = 0


def gather(sample: Sample, at_floor: NDArray[np.bool_], effort: Effort, *, key: str = PRIMARY) -> Evidence:
    """Everything that the rules of `nil_audit.comparison.rules` look at, for one predictor.

    Args:
        sample: Models that are not flagged.
        at_floor: Which of them are at the chance floor, shape (n,).
        effort: How much is drawn; no bootstrap is made here.
        key: The predictor.
    """
    resamples = Resamples(seed=effort.seed, bootstrap=0)

    def spearman(part: Sample, given: tuple[str, ...], subset: str) -> dict[str, Association]:
        made = correlate(part, [key], method="spearman", given=given, subset=subset, resamples=resamples)
        return {association.given: association for association in made}

    if len(sample) == 0 or key not in sample.predictors:
        return _nothing(sample)
    everything = spearman(sample, GIVEN, "all")
    above = spearman(sample.take(~at_floor), ("size_curve",), "above_floor") if (~at_floor).any() else {}
    moved = permutation_tests(sample, [key], unit="family", permutations=effort.permutations, seed=effort.seed)
    ranges = leave_one_family_out(sample, [key], [str(code) for code in range(sample.families)], primary=key)
    return Evidence(
        models=len(sample),
        sized=int(np.isfinite(sample.size).sum()),
        families=sample.families,
        primary=everything.get("size_curve"),
        permutation=moved[0] if moved else None,
        left_out=ranges[0] if ranges else None,
        above_floor=above.get("size_curve"),
        given_release=everything.get("size_curve_release"),
        given_tokens=everything.get("size_curve_tokens"),
        prediction=predict_by_halves(sample, key, splits=effort.splits, seed=effort.seed),
    )


def _nothing(sample: Sample) -> Evidence:
    return Evidence(
        models=len(sample),
        sized=int(np.isfinite(sample.size).sum()),
        families=sample.families,
        primary=None,
        permutation=None,
        left_out=None,
        above_floor=None,
        given_release=None,
        given_tokens=None,
        prediction=None,
    )

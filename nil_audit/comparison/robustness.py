"""Does the answer hang on one family, on the models at the floor, on flagged rows, on one size band?"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.correlation import FEWEST_MODELS, Resamples, correlate, sample_moments
from nil_audit.comparison.findings import Association, FamilyLeftOut, LeaveOneFamilyOut
from nil_audit.comparison.sample import Sample
from nil_audit.stats.moments import partial_correlation

MOST_FAMILIES = 200
"""In a larger study the families with the most models are left out in turn, and the others are not."""

FEWEST_FAMILIES = 3
"""With fewer families there is no range."""

GIVEN_IN_SUBSETS = ("nothing", "size", "size_curve")


def leave_one_family_out(
    sample: Sample, keys: Sequence[str], names: Sequence[str], *, primary: str
) -> list[LeaveOneFamilyOut]:
    """Range of each predictor's partial Spearman correlation when families are left out one by one.

    Args:
        sample: The models.
        keys: Predictors.
        names: Names of the sample's families, by code.
        primary: The predictor whose every family is listed.

    Returns:
        One range a predictor; absent where the correlation cannot be made, or there are fewer than 3 families.
    """
    made: dict[str, LeaveOneFamilyOut] = {}
    by_mask: dict[bytes, list[str]] = {}
    for key in keys:
        by_mask.setdefault(sample.complete("size_curve", (key,)).tobytes(), []).append(key)
    for mask, chosen in by_mask.items():
        keep = np.frombuffer(mask, dtype=np.bool_)
        own = [names[code] for code in np.unique(sample.family[keep])]
        if len(own) >= FEWEST_FAMILIES:
            made |= {found.predictor: found for found in _ranges(sample.take(keep), chosen, own, primary)}
    return [made[key] for key in keys if key in made]


def _ranges(sample: Sample, keys: Sequence[str], names: Sequence[str], primary: str) -> list[LeaveOneFamilyOut]:
    """Ranges of predictors that every model of the sample has."""
    counts = np.bincount(sample.family)
    chosen = np.argsort(-counts, kind="stable")[:MOST_FAMILIES]
    # A group for each family chosen; the rest share one more, whose replicate is not used.
    group = np.full(len(counts), len(chosen))
    group[chosen] = np.arange(len(chosen))
    alone = Resamples(seed=0, bootstrap=0)
    made = sample_moments(sample, keys, ranks=True, resamples=alone, groups=group[sample.family])
    controls = made.controls("size_curve")
    if controls is None or made.models < FEWEST_MODELS + len(controls):
        return []
    ranges = []
    for key in keys:
        pair = made.columns[key][0], made.columns["score"][0]
        value = float(partial_correlation(made.full, controls, *pair)[0])
        without = partial_correlation(made.left_out, controls, *pair)[: len(chosen)]
        found = [
            FamilyLeftOut(family=names[family], models=int(counts[family]), estimate=float(estimate))
            for family, estimate in zip(chosen, without, strict=True)
            if np.isfinite(estimate)
        ]
        if not np.isfinite(value) or not found:
            continue
        found.sort(key=lambda one: (one.estimate, one.family))
        ranges.append(
            LeaveOneFamilyOut(
                predictor=key,
                estimate=value,
                lowest=found[0],
                highest=found[-1],
                sign_changes=found[0].estimate * found[-1].estimate <= 0,
                families=tuple(found) if key == primary else (),
            )
        )
    return ranges


def subset_associations(
    samples: Mapping[str, Sample], keys: Sequence[str], *, resamples: Resamples
) -> list[Association]:
    """Spearman correlations in each subset (floor out, flagged in, from scratch, size bands), by its name."""
    return [
        association
        for name, sample in samples.items()
        for association in correlate(
            sample, keys, method="spearman", given=GIVEN_IN_SUBSETS, subset=name, resamples=resamples
        )
    ]


def subsets(
    everything: Sample,
    *,
    flagged: NDArray[np.bool_],
    at_floor: NDArray[np.bool_],
    from_scratch: NDArray[np.bool_],
    certain: NDArray[np.bool_],
    band: NDArray[np.object_],
    bands: Sequence[str],
) -> dict[str, Sample]:
    """The sets of models beside "all" (which is every model that is not flagged), by name."""
    usable = ~flagged
    chosen = {
        "above_floor": usable & ~at_floor,
        "with_flagged": np.ones(len(everything), dtype=np.bool_),
        "certain_shape": usable & certain,
        "from_scratch": usable & from_scratch,
        **{f"band:{key}": usable & (band == key) for key in bands},
    }
    return {name: everything.take(keep) for name, keep in chosen.items() if keep.any()}

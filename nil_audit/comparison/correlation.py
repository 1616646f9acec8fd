"""Correlations of predictors with score, plain and partial, with intervals that leave families out whole.

Spearman's is Pearson's on ranks, and the partial one holds ranks (and, where asked for, a spline of log
parameters) fixed. Ranks are computed anew when a family is left out.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.predictors import CONFOUNDERS, known, predictor_values
from nil_audit.comparison.result import Association, FamiliesLeftOut
from nil_audit.comparison.size import BANDS, standardised
from nil_audit.stats.estimate import Array, Estimate, holm
from nil_audit.stats.jackknife import leave_out, over_groups
from nil_audit.stats.moments import moments, partial_correlations, rank_moments
from nil_audit.stats.spline import spline_basis

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]
Key = TypeVar("Key", bound=Hashable)

GIVEN: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "size": ("parameters",),
    "size_tokens": ("parameters", "tokens"),
    "size_curve": ("parameters", "curve"),
    "size_curve_tokens": ("parameters", "curve", "tokens"),
    "size_curve_release": ("parameters", "curve", "release"),
}
"""What each kind of partial correlation holds fixed: the ranks of parameters, training tokens and release month, and
the natural cubic spline of ln parameters ("curve"). Pearson's takes logarithms instead of ranks. The answer rests on
"size_curve"."""

SPARE_MODELS = 4
"""Models that a correlation needs beyond the columns that it holds fixed."""

FEWEST_LEFT_OUT = 3
"""Families without which there is no range over families left out."""


@dataclass(frozen=True, kw_only=True)
class FamilyMoments:
    """Second moments of some models' numbers, with all families and without each of them.

    Attributes:
        columns: Columns of the moments that each name has.
        moments: Shape (1 + G, q, q): of all G families, then without each.
        models: Number of models.
        families: Names of the families, G.
    """

    columns: dict[str, tuple[int, ...]]
    moments: Array
    models: int
    families: tuple[str, ...]

    def correlations(self, outcome: str, keys: Sequence[str], given: str) -> dict[str, tuple[float, Array]]:
        """Partial correlations by key, each with all families, and without each, shape (G,).

        Absent where there are too few models, a control is missing, or one of the two does not vary.
        """
        names = GIVEN[given]
        if any(name not in self.columns for name in names):
            return {}
        controls = [column for name in names for column in self.columns[name]]
        if self.models < SPARE_MODELS + len(controls):
            return {}
        others = [self.columns[key][0] for key in keys]
        found = partial_correlations(self.moments, controls, self.columns[outcome][0], others).T
        return {key: (float(row[0]), row[1:]) for key, row in zip(keys, found, strict=True) if np.isfinite(row[0])}


def models_needed(models: "pd.DataFrame", given: str) -> int:
    """Models that a partial correlation needs, by what it holds fixed and how fine a spline of their sizes is.

    Args:
        models: Those that have every number that it takes.
        given: A key of `GIVEN`.
    """
    names = GIVEN[given]
    ranks = sum(name != "curve" for name in names)
    curve = "curve" in names and len(models) > 0
    return SPARE_MODELS + ranks + (spline_basis(predictor_values(models, "parameters")).shape[1] if curve else 0)


def same_models(masks: Mapping[Key, Mask]) -> list[tuple[Mask, list[Key]]]:
    """Keys that the same models have, with those models, so that what is made of the models is made once."""
    groups: dict[bytes, list[Key]] = {}
    for key, mask in masks.items():
        groups.setdefault(mask.tobytes(), []).append(key)
    return [(masks[keys[0]], keys) for keys in groups.values()]


def family_moments(table: "pd.DataFrame", keys: Iterable[str], *, ranks: bool = True) -> FamilyMoments:
    """Moments of the numbers named, and of whichever controls every model has.

    Args:
        table: Models that all have the numbers named.
        keys: What `predictor_values` takes.
        ranks: Of ranks (Spearman), or of values (Pearson).
    """
    named = dict.fromkeys([*keys, *(name for name in CONFOUNDERS if known(table, name).all())])
    values = {name: predictor_values(table, name) for name in named}
    families, family = np.unique(table["family"].to_numpy(dtype=str), return_inverse=True)
    weights = np.vstack([np.ones(len(table)), leave_out(family)])
    curve = spline_basis(values["parameters"]) if "parameters" in values else np.zeros((len(table), 0))
    if ranks:
        made = rank_moments(list(values.values()), curve, weights)
    else:
        made = moments(np.column_stack([curve, *map(standardised, values.values())]), weights)
    first = 1 + curve.shape[1]
    columns: dict[str, tuple[int, ...]] = {name: (first + offset,) for offset, name in enumerate(values)}
    if "parameters" in values:
        columns["curve"] = tuple(range(1, first))
    return FamilyMoments(columns=columns, moments=made, models=len(table), families=tuple(map(str, families)))


def correlate(
    table: "pd.DataFrame",
    keys: Sequence[str],
    *,
    given: Iterable[str],
    outcome: str = "score",
    method: str = "spearman",
    subset: str = "all",
    corrected: bool = False,
) -> list[Association]:
    """Correlations of predictors with score in one set of models.

    Each predictor and control uses every model that has it, so the number of models may differ from row to row.

    Args:
        table: The models; columns as in `nil_audit.comparison.table`.
        keys: Predictors.
        given: Keys of `GIVEN`.
        outcome: What they are held against.
        method: "spearman" or "pearson".
        subset: Name of the set.
        corrected: Also correct the p-values for the number of tests made here (Holm).

    Returns:
        Correlations in the order of ``keys``, then ``given``; those that cannot be made are absent.
    """
    wanted = tuple(given)
    needed = {name: [control for control in controls if control != "curve"] for name, controls in GIVEN.items()}
    have = {name: known(table, name) for name in (outcome, *keys, *CONFOUNDERS)}
    masks = {
        (key, name): np.all([have[one] for one in (outcome, key, *needed[name])], axis=0)
        for key in keys
        for name in wanted
    }
    found: dict[tuple[str, str], tuple[int, Estimate]] = {}
    for mask, pairs in same_models(masks):
        if mask.sum() < SPARE_MODELS:
            continue
        made = family_moments(table[mask], [outcome, *(key for key, _ in pairs)], ranks=method == "spearman")
        for name in dict.fromkeys(name for _, name in pairs):
            chosen = [key for key, own in pairs if own == name]
            for key, values in made.correlations(outcome, chosen, name).items():
                found[key, name] = len(made.families), over_groups(*values, correlation=True, n=made.models)
    tested = [pair for pair, (_, estimate) in found.items() if corrected and estimate.p is not None]
    adjusted = dict(zip(tested, holm([found[pair][1].p or 0.0 for pair in tested]), strict=True))
    return [
        Association(
            predictor=key,
            outcome=outcome,
            method=method,
            given=name,
            subset=subset,
            families=found[key, name][0],
            estimate=found[key, name][1],
            p_adjusted=adjusted.get((key, name)),
        )
        for key, name in masks
        if (key, name) in found
    ]


def families_left_out(table: "pd.DataFrame", keys: Sequence[str]) -> list[FamiliesLeftOut]:
    """The partial Spearman correlation with score given the size curve when families are left out one by one.

    Args:
        table: The models; columns as in `nil_audit.comparison.table`.
        keys: Predictors.

    Returns:
        One range a predictor; absent where the correlation cannot be made, or there are fewer than
        `FEWEST_LEFT_OUT` families.
    """
    ranges: dict[str, FamiliesLeftOut] = {}
    for mask, chosen in same_models({key: known(table, "score", key, "parameters") for key in keys}):
        if table["family"][mask].nunique() < FEWEST_LEFT_OUT:
            continue
        made = family_moments(table[mask], ["score", *chosen])
        for key, (value, without) in made.correlations("score", chosen, "size_curve").items():
            pairs = zip(made.families, without.tolist(), strict=True)
            found = sorted((pair for pair in pairs if np.isfinite(pair[1])), key=lambda pair: (pair[1], pair[0]))
            if found:
                ranges[key] = FamiliesLeftOut(predictor=key, value=value, without=dict(found))
    return [ranges[key] for key in keys if key in ranges]


def subsets(table: "pd.DataFrame") -> dict[str, Mask]:
    """The sets of models beside "all" (which is every model that is not flagged), by name; none is empty."""
    usable = (table["flag"] == "").to_numpy()
    sets = {
        "above_floor": usable & ~table["at_floor"].to_numpy(),
        "with_flagged": np.ones(len(table), dtype=np.bool_),
        "certain_shape": usable & (table["uncertain"] == "").to_numpy(),
        "from_scratch": usable & (table["lineage"] == "from_scratch").to_numpy(),
    }
    sets |= {f"band:{band}": usable & (table["band"] == band).to_numpy() for band in BANDS}
    return {name: mask for name, mask in sets.items() if mask.any()}

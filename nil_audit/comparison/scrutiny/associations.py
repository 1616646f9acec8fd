"""Rank correlations of single numbers with the response: secondary, since they hold no prediction against the data.

Spearman's correlation is Pearson's on ranks; a partial one is of what least squares on the held-fixed columns leaves of
both ranks. Ranks are taken anew without each group. Of a measured metric, the correlation with size and R held fixed is
the question of its own: does it say anything that the shape does not?
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.effect.dose import dose_terms, predicted_terms
from nil_audit.comparison.effect.estimate import SPARE_MODELS, coefficients, design, effect, made
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.findings import Association, Effect
from nil_audit.comparison.predictors import CONFOUNDERS, METRICS, predictor_values
from nil_audit.stats.estimate import Array, holm
from nil_audit.stats.jackknife import leave_out, over_groups
from nil_audit.stats.moments import partial_correlations, rank_moments
from nil_audit.stats.spline import degrees, natural_spline, spline_knots

if TYPE_CHECKING:
    import pandas as pd

GIVEN = ("nothing", "size", "size_tokens", "size_release", "size_ratio")
"""What is held fixed: nothing; the columns of the chosen size control; these and the rank of training tokens, or of the
month of release; these and a natural cubic spline of ln R, of measured metrics alone (other predictors are the shape).
A parabola in ln R would not do for ranks: where the response is one, a metric that says nothing but R would keep a
correlation of 0.1 to 0.25."""

_WITH_PARENT = ("pruned", "pruned+distilled", "depth_upscaled", "continued")
"""Lineages of models that began as another one."""

_RANKED = {"size_tokens": "tokens", "size_release": "release"}


def associations(sample: Sample, keys: Sequence[str], *, control: str) -> tuple[Association, ...]:
    """Spearman's correlation of every predictor with the response, and of the confounders with response and ratio.

    Each uses every model that has the numbers that it takes. Intervals are jackknifed over groups on Fisher's z scale;
    Holm's correction is over all predictors and everything that is held fixed.

    Args:
        sample: The models.
        keys: Predictors.
        control: The size control.

    Returns:
        Predictors in the order of ``keys``, then of `GIVEN`, and the confounders last; absent where there are too few
        models, tokens or months of release are all the same, or numbers do not vary beside what is held fixed.
    """
    names = dict.fromkeys([*keys, *CONFOUNDERS, "ratio"])
    values = {name: _values(sample.table, name) for name in names}
    wanted = [(key, given) for key in keys for given in GIVEN if given != "size_ratio" or key in METRICS]
    main = _correlated(sample, values, wanted, "response", control)
    tested = [number for number, one in enumerate(main) if one.estimate.p is not None]
    for number, adjusted in zip(tested, holm([main[one].estimate.p or 0.0 for one in tested]), strict=True):
        main[number] = replace(main[number], p_adjusted=adjusted)
    plain = [(name, "nothing") for name in CONFOUNDERS]
    return (
        *main,
        *(one for outcome in ("response", "ratio") for one in _correlated(sample, values, plain, outcome, "")),
    )


def seen_tokens(table: "pd.DataFrame") -> Array:
    """Training tokens that a model has seen: its own and, where it was made from another model, those of its parent.

    Returns:
        Shape (n,), NaN where its own are unknown, or its parent's where its lineage says that it had one.
    """
    parent = table["parent_tokens"].where(table["parent_tokens"].notna() | table["lineage"].isin(_WITH_PARENT), 0.0)
    return np.asarray((table["tokens"] + parent).to_numpy(dtype=float))


def token_rows(sample: Sample, *, study: str, control: str) -> list[Effect]:
    """The effect in models of known training tokens, with ln tokens held fixed too, and the same models' without that.

    Args:
        sample: The models.
        study: Whose dose.
        control: The size control.

    Returns:
        Both, or none where there are too few models or their tokens do not differ.
    """
    tokens = seen_tokens(sample.table)
    known = tokens > 0
    part = sample.part(known)
    if part.models <= SPARE_MODELS or np.ptp(tokens[known]) == 0:
        return []
    held = np.column_stack([design(part, control), np.log(tokens[known] / tokens[known].mean())])
    baseline = effect(part, row="tokens_baseline", study=study, control=control)
    if baseline is None or part.models < SPARE_MODELS + held.shape[1]:
        return []
    excess = part.excess(study)
    found = coefficients(part, dose_terms(part, excess), held)
    if not np.isfinite(found[0]):
        return []
    return [
        made(
            row="tokens",
            study=study,
            control=control,
            models=part.models,
            found=found,
            predicted=coefficients(part, predicted_terms(part, excess), held),
        ),
        baseline,
    ]


def _values(table: "pd.DataFrame", name: str) -> Array:
    return seen_tokens(table) if name == "tokens" else predictor_values(table, name)


def _correlated(
    sample: Sample, values: dict[str, Array], wanted: Sequence[tuple[str, str]], outcome: str, control: str
) -> list[Association]:
    """Correlations of pairs of a key and what is held fixed, in that order; those that cannot be made are absent."""
    target = sample.response if outcome == "response" else values[outcome]
    same: dict[bytes, list[tuple[str, str]]] = {}
    for key, given in wanted:
        needed = [target, values[key], *([values[_RANKED[given]]] if given in _RANKED else [])]
        same.setdefault(np.isfinite(needed).all(axis=0).tobytes(), []).append((key, given))
    found: dict[tuple[str, str], Association] = {}
    for kept, pairs in same.items():
        mask = np.frombuffer(kept, dtype=np.bool_)
        if mask.sum() < SPARE_MODELS:
            continue
        part = sample.part(mask)
        ranked = dict.fromkeys(
            [*(key for key, _ in pairs), *(_RANKED[given] for _, given in pairs if given in _RANKED)]
        )
        numbers = {name: values[name][mask] for name in ranked}
        found |= _of_same_models(part, target[mask], numbers, pairs, outcome, control)
    return [found[pair] for pair in wanted if pair in found]


def _of_same_models(
    sample: Sample,
    target: Array,
    numbers: dict[str, Array],
    pairs: Sequence[tuple[str, str]],
    outcome: str,
    control: str,
) -> dict[tuple[str, str], Association]:
    """Correlations that rest on the same models, from one set of second moments."""
    fixed: dict[str, Array] = {}
    if any(given != "nothing" for _, given in pairs):
        fixed["size"] = design(sample, control)[:, 1:]
    if any(given == "size_ratio" for _, given in pairs):
        ratio = np.log(sample.table["ratio"].to_numpy(dtype=float))
        fixed["ratio"] = natural_spline(ratio, spline_knots(ratio, max(degrees(len(ratio)), 2)))
    weights = np.vstack([np.ones(sample.models), leave_out(sample.group)])
    columns = np.column_stack([np.zeros((sample.models, 0)), *fixed.values()])
    moment = rank_moments([target, *numbers.values()], columns, weights)
    places: dict[str, NDArray[np.int64]] = {}
    first = 1
    for name, block in fixed.items():
        places[name] = np.arange(first, first + block.shape[1])
        first += block.shape[1]
    response = first
    place = {name: number for number, name in enumerate(numbers, start=response + 1)}
    found = {}
    for given in dict.fromkeys(given for _, given in pairs):
        held = [*(places["size"] if given != "nothing" else ()), *(places["ratio"] if given == "size_ratio" else ())]
        held += [place[_RANKED[given]]] if given in _RANKED else []
        keys = [key for key, own in pairs if own == given]
        alike = given in _RANKED and np.ptp(numbers[_RANKED[given]]) == 0  # one recipe: nothing more is held fixed
        if alike or sample.models < SPARE_MODELS + len(held):
            continue
        made_of = partial_correlations(moment, held, response, [place[key] for key in keys])
        for key, (value, *without) in zip(keys, made_of.T.tolist(), strict=True):
            if np.isfinite(value):
                found[key, given] = Association(
                    predictor=key,
                    outcome=outcome,
                    given=given,
                    groups=sample.groups,
                    estimate=over_groups(value, np.array(without), correlation=True, n=sample.models),
                )
    return found

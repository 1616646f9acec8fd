"""The effect under every choice that is shown by name: which rows there are, and on which models each rests."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.effect.dose import LOSS_PER_SIZE_RANGE, SLOPES, Terms, dose, dose_terms, predicted_terms
from nil_audit.comparison.effect.estimate import RELEASES, SPARE_MODELS, coefficients, design, effect, made
from nil_audit.comparison.effect.sample import Sample, sample
from nil_audit.comparison.effect.size_fit import beyond_size
from nil_audit.comparison.findings import Effect, Mapping, Prediction, SizeFit
from nil_audit.comparison.outcome import Outcome
from nil_audit.comparison.studies_tested import Tested
from nil_audit.law.studies import Study
from nil_audit.stats.estimate import LEVEL

if TYPE_CHECKING:
    import pandas as pd

SUBSETS = ("all", "above_floor", "from_scratch", "certain_shape", "general", "with_flagged")
"""Every model that is not flagged; those of them above the chance floor; trained from scratch; whose shape is not
doubtful; not of one domain (code, mathematics); and all, the flagged ones too."""

ROWS = (
    "primary",
    "own_world",
    "control",
    "release",
    "covariates",
    "subset",
    "censored",
    "random_intercept",
    "within_family",
    "organisations",
    "tokens",
    "tokens_baseline",
)
"""What an effect is for: the answer; the dose of a world in which the prediction holds; another size control; the month
of release, or lineage and domain, held fixed too; a subset of the models; censored regression at the floor; a random or
fixed intercept a family; organisations left out whole; training tokens held fixed too, and the same models without."""

FEWEST_IN_SUBSET = 20
"""Models without which a subset is not shown."""


def subset_samples(table: "pd.DataFrame", outcome: Outcome) -> dict[str, Sample]:
    """The samples by subset, in the order of `SUBSETS`; absent where a subset is too small or is every model.

    Args:
        table: From `nil_audit.comparison.table.derive`, flagged rows too.
        outcome: What is held against shape.
    """
    usable = (table["flag"] == "").to_numpy()
    masks: dict[str, NDArray[np.bool_]] = {
        "all": usable,
        "above_floor": usable & ~table["at_floor"].to_numpy(dtype=bool),
        "from_scratch": usable & table["lineage"].isin(["from_scratch", ""]).to_numpy(),
        "certain_shape": usable & (table["uncertain"] == "").to_numpy(),
        "general": usable & table["domain"].isin(["general", ""]).to_numpy(),
        "with_flagged": np.ones(len(table), dtype=np.bool_),
    }
    samples = {name: sample(table[mask], outcome) for name, mask in masks.items()}
    whole = samples["all"].models
    return {
        name: one
        for name, one in samples.items()
        if name == "all" or (one.models >= FEWEST_IN_SUBSET and one.models != whole)
    }


def effect_rows(samples: dict[str, Sample], study: str, fits: tuple[SizeFit, ...], control: str) -> list[Effect]:
    """The primary effect first, then under each other size control, release, covariates and subset.

    Args:
        samples: From `subset_samples`.
        study: Whose dose.
        fits: The size controls.
        control: The chosen one.
    """
    whole = samples["all"]
    dates = whole.table["month"].nunique()
    kinds = max(whole.table[name].nunique() for name in ("lineage", "domain"))
    made_of = [
        effect(whole, row="primary", study=study, control=control),
        _own_world(whole, study, control),
        *(effect(whole, row="control", study=study, control=one.control) for one in fits if not one.chosen),
        *(effect(whole, row="release", study=study, control=control, release=one) for one in RELEASES[1:] if dates > 1),
        *(
            [effect(whole, row="covariates", study=study, control=control, covariates="lineage_domain")]
            if kinds > 1
            else []
        ),
        *(
            effect(one, row="subset", study=study, control=control, subset=name)
            for name, one in samples.items()
            if name != "all"
        ),
    ]
    return [one for one in made_of if one is not None]


def predictions(whole: Sample, shown: tuple[Tested, ...], control: str) -> tuple[Prediction, ...]:
    """What each study predicts for these models at all, and the effect in units of that.

    Args:
        whole: The models.
        shown: The studies, each with a column ``excess_STUDY`` in the sample's table.
        control: The size control.
    """
    if not whole.models:
        return ()
    found = []
    for one in shown:
        costs = dose(whole, one.name)
        found.append(
            Prediction(
                study=one.name,
                mean=float(costs.mean()),
                largest=float(costs.max()),
                spread=float(beyond_size(whole, costs, control).std()),
                effect=effect(whole, row="primary", study=one.name, control=control),
            )
        )
    return tuple(found)


def mappings(whole: Sample, study: Tested, control: str) -> tuple[Mapping, ...]:
    """The primary effect under other ways of turning a shape into a cost.

    Args:
        whole: The models.
        study: Whose dose.
        control: The size control.
    """
    held = design(whole, control)
    if whole.models < held.shape[1] + SPARE_MODELS:
        return ()
    found = []
    for what, label, value, terms, predicted in _ways(whole, study):
        one = coefficients(whole, terms, held)
        if np.isfinite(one[0]):
            named = made(
                row="primary",
                study=study.name,
                control=control,
                models=whole.models,
                found=one,
                predicted=coefficients(whole, predicted, held),
            )
            found.append(Mapping(what=what, value=value, label=label, effect=named))
    return tuple(found)


def _ways(whole: Sample, study: Tested) -> Iterator[tuple[str, str, float, Terms, Terms]]:
    """What is changed, to which end, the number, the dose, and the dose of a world in which the prediction holds."""
    excess = whole.excess(study.name)
    predicted = predicted_terms(whole, excess)
    if isinstance(study, Study) and study.form == "quadratic":
        tail = 50 * (1 - LEVEL)
        ends = np.percentile([draw[1] for draw in study.draws], [tail, 100 - tail])
        for label, value in zip(("low", "high"), map(float, ends), strict=True):
            changed = np.expm1(np.log1p(excess) * value / study.coefficients[1])
            yield "curvature", label, value, dose_terms(whole, changed), predicted_terms(whole, changed)
    if whole.outcome.lower_is_better:
        return
    for label, value in zip(("low", "high"), LOSS_PER_SIZE_RANGE, strict=True):
        changed_world = predicted_terms(whole, excess, loss_per_size=value)
        yield "loss_per_size", label, value, dose_terms(whole, excess, loss_per_size=value), changed_world
    for slope in SLOPES[1:]:
        yield "slope", slope, float("nan"), dose_terms(whole, excess, slope=slope), predicted


def _own_world(whole: Sample, study: str, control: str) -> Effect | None:
    """The effect with the dose of a world in which the prediction holds; None for a loss, whose dose has no slope."""
    if whole.outcome.lower_is_better:
        return None
    held = design(whole, control)
    if whole.models < held.shape[1] + SPARE_MODELS:
        return None
    found = coefficients(whole, predicted_terms(whole, whole.excess(study)), held)
    if not np.isfinite(found).all():
        return None
    return made(
        row="own_world",
        study=study,
        control=control,
        models=whole.models,
        found=found,
    )


def trend(whole: Sample, study: str, control: str) -> "pd.DataFrame | None":
    """Size-adjusted response against the dose beyond what models of each one's size pay, see `beyond_size`.

    Both are what is left of least squares on the size control, so the line is that of a plain fit through the points
    (Frisch, Waugh and Lovell), and goes through the origin.

    Args:
        whole: The models.
        study: Whose dose.
        control: The size control.

    Returns:
        60 points: x the dose, y the line, low and high its pointwise 95% band over groups (y where there is none). None
        without an effect.
    """
    import pandas as pd

    found = effect(whole, row="primary", study=study, control=control)
    if found is None:
        return None
    costs = beyond_size(whole, dose(whole, study), control)
    grid = np.linspace(costs.min(), costs.max(), 60)
    estimate = found.estimate
    low, high = estimate.interval or (estimate.value, estimate.value)
    ends = np.sort([-low * grid, -high * grid], axis=0)
    return pd.DataFrame({"x": grid, "y": -estimate.value * grid, "low": ends[0], "high": ends[1]})

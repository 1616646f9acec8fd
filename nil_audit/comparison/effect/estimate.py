"""The effect of shape: the coefficient of a dose in a least-squares fit, left out group by group.

Shapes: n models, G groups, p held-fixed columns, q columns of the curve that the dose is taken from. Everything is
least squares on fixed columns, so a fit without a group needs no more than the second moments without it: the total
less the group's own. Slopes and size curve are thereby refitted in every jackknife sample (CV3: MacKinnon, Nielsen
and Webb 2023).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nil_audit.comparison.effect.dose import Terms, dose_terms, predicted_terms
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.findings import Effect
from nil_audit.comparison.rules import verdict
from nil_audit.stats.estimate import Array, Estimate
from nil_audit.stats.jackknife import over_groups, quantile
from nil_audit.stats.least_squares import left_out_moments, less_group_means, orthogonal, solve_each
from nil_audit.stats.spline import degrees, natural_spline, spline_knots

if TYPE_CHECKING:
    import pandas as pd

POWER = 0.8
"""Of 100 samples in which an effect is there, how many have to find it for it to count as detectable."""

RELEASES = ("none", "linear", "spline")
"""How the month of release is held fixed: not at all, as a line, as a natural cubic spline."""

SPARE_MODELS = 4
"""Models that a fit needs beyond its columns."""

_RARE = 3
_ANYTHING = (-np.inf, np.inf)
"""What is known of an effect whose dose could not be made: the prediction cannot be contradicted by it."""


def design(sample: Sample, control: str, *, release: str = "none", covariates: str = "none") -> Array:
    """Columns that are held fixed, the constant first, shape (n, p).

    Args:
        sample: Models, all of known release where it is held fixed.
        control: One of `nil_audit.comparison.effect.size.CONTROLS`.
        release: One of `RELEASES`.
        covariates: "none", or "lineage_domain": an indicator of each lineage and domain but the most frequent, those of
            under three models taken together.
    """
    columns = [np.ones((sample.models, 1)), sample.size_columns(control)]
    if release != "none":
        month = sample.table["month"].to_numpy(dtype=float)
        knots = spline_knots(month, degrees(len(month)))
        columns.append(natural_spline(month, knots) if release == "spline" and len(knots) > 1 else month[:, None])
    if covariates == "lineage_domain":
        columns += [indicators(sample.table[name]) for name in ("lineage", "domain")]
    return np.column_stack(columns)


def indicators(labels: "pd.Series[str]") -> Array:
    """A column for each label but the most frequent, labels of under three models taken together, shape (n, k)."""
    counts = labels.value_counts()
    common = labels.where(labels.map(counts) >= _RARE, "other")
    names = common.value_counts().index[1:]
    return np.column_stack([np.zeros((len(labels), 0)), *((common == name).to_numpy(dtype=float) for name in names)])


def coefficients(sample: Sample, terms: Terms, held: Array, *, demean: Array | float = 0.0) -> Array:
    """Coefficient of minus the dose given held columns: with all models, then without each group, shape (1 + G,).

    Args:
        sample: The models.
        terms: Their dose.
        held: Shape (n, p), the constant among them.
        demean: Share of the family's mean that is taken from response, dose and held columns, see `less_group_means`.

    Returns:
        NaN where the dose does not vary beside what is held fixed, or with size alone (all models are of one shape), or
        where the response does not vary.
    """
    alike = np.ptp(sample.response) <= 1e-9 * max(1.0, float(np.abs(sample.response).max()))
    if alike or sample.table["ratio"].nunique() == 1:
        return np.full(1 + sample.groups, np.nan)
    made_of = regressors(sample, terms, held, demean=demean)
    return from_moments(
        left_out_moments(made_of.curve, sample.group), left_out_moments(made_of.numbers, sample.group), made_of.width
    )


@dataclass(frozen=True, kw_only=True)
class Regressors:
    """Columns whose second moments are all that the effect of shape is made of, see `from_moments`.

    Attributes:
        curve: An orthogonal basis of the curve that the dose is taken from, and the response, shape (n, q + 1).
        numbers: An orthogonal basis of what is held fixed; the dose's terms in that of the curve; what of the dose is
            fixed; the response. Shape (n, width + q + 2).
        width: Number of held columns.
    """

    curve: Array
    numbers: Array
    width: int


def regressors(sample: Sample, terms: Terms, held: Array, *, demean: Array | float = 0.0) -> Regressors:
    """The columns of `coefficients`, which see."""
    basis = orthogonal(terms.curve)
    change = np.linalg.lstsq(terms.curve, basis, rcond=None)[0] if basis.shape[1] else np.zeros((0, 0))
    numbers = np.column_stack([held, terms.terms @ change, terms.fixed, sample.response])
    if np.any(demean):
        numbers = less_group_means(numbers, sample.family, demean)
    held = orthogonal(numbers[:, : held.shape[1]])
    numbers = np.column_stack([held, numbers[:, -basis.shape[1] - 2 :]])
    return Regressors(curve=np.column_stack([basis, sample.response]), numbers=numbers, width=held.shape[1])


def from_moments(curve: Array, moment: Array, width: int) -> Array:
    """Coefficient of minus the dose in B samples, shape (B,); NaN as in `coefficients`.

    Args:
        curve: Second moments of `Regressors.curve`, shape (B, q + 1, q + 1).
        moment: Of `Regressors.numbers`, shape (B, width + q + 2, width + q + 2).
        width: Number of held columns.
    """
    fit = solve_each(curve[:, :-1, :-1], curve[:, :-1, -1])
    # from (held, terms, fixed, response) to (held, dose, response), the dose being terms @ fit + fixed
    mix = np.concatenate([fit, np.ones((len(fit), 1))], axis=1)
    dose = slice(width, width + mix.shape[1])
    cross = np.einsum("bij,bj->bi", moment[:, :, dose], mix)
    with_held, with_response = cross[:, :width], cross[:, -1]
    own_square = np.einsum("bi,bi->b", cross[:, dose], mix)
    slopes = solve_each(moment[:, :width, :width], with_held)
    spread = own_square - np.einsum("bi,bi->b", slopes, with_held)
    shared = with_response - np.einsum("bi,bi->b", slopes, moment[:, :width, -1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 1e-9 * np.maximum(own_square, 1e-300), -shared / spread, np.nan)


def effect(
    sample: Sample,
    *,
    row: str,
    study: str,
    control: str,
    release: str = "none",
    covariates: str = "none",
    subset: str = "all",
    estimator: str = "least_squares",
    demean: Array | float = 0.0,
) -> Effect | None:
    """The effect of shape in one sample of models.

    Args:
        sample: The models; those of unknown release are left out where it is held fixed.
        row: What the estimate is for, a key of `nil_audit.comparison.effect.rows.ROWS`.
        study: Whose dose.
        control: How size is held fixed.
        release: How the month of release is.
        covariates: See `design`.
        subset: What these models are called.
        estimator: What ``demean`` makes of it.
        demean: See `coefficients`.

    Returns:
        None where there are too few models, or the dose does not vary beside what is held fixed.
    """
    if release != "none":
        known = sample.table["month"].notna().to_numpy()
        if not known.all():
            sample = sample.part(known)
    if sample.models <= SPARE_MODELS:
        return None
    held = design(sample, control, release=release, covariates=covariates)
    if held.shape[1] == 1 or sample.models < SPARE_MODELS + held.shape[1]:
        return None
    excess = sample.excess(study)
    found = coefficients(sample, dose_terms(sample, excess), held, demean=demean)
    if not np.isfinite(found[0]):
        return None
    return made(
        row=row,
        study=study,
        control=control,
        release=release,
        estimator=estimator,
        subset=subset,
        models=sample.models,
        found=found,
        predicted=coefficients(sample, predicted_terms(sample, excess), held, demean=demean),
    )


def made(
    *,
    row: str,
    study: str,
    control: str,
    release: str = "none",
    estimator: str = "least_squares",
    subset: str = "all",
    models: int,
    found: Array,
    predicted: Array | None = None,
) -> Effect:
    """An effect from its value with all models and without each group.

    Args:
        row: See `effect`, as all of the following but these:
        study: Likewise.
        control: Likewise.
        release: Likewise.
        estimator: Likewise.
        subset: Likewise.
        models: Number of models.
        found: Shape (1 + G,).
        predicted: The same with the dose of a world in which the prediction holds, NaN where it cannot be made; None:
            the test against 1 is that of ``found``.
    """
    groups = len(found) - 1
    estimate = over_groups(float(found[0]), found[1:], n=models)
    as_predicted = None if predicted is None else over_groups(float(predicted[0]), predicted[1:], n=models)
    own_world = None if as_predicted is None else as_predicted.interval or _ANYTHING
    detectable = None
    if estimate.se is not None:
        detectable = (quantile(groups, 0.975) + quantile(groups, POWER)) * estimate.se
    return Effect(
        row=row,
        study=study,
        control=control,
        release=release,
        estimator=estimator,
        subset=subset,
        groups=groups,
        estimate=estimate,
        narrow=narrow_interval(estimate, groups),
        as_predicted=as_predicted,
        detectable=detectable,
        verdict=verdict(
            estimate.interval,
            narrow_interval(estimate, groups),
            own_world,
        ),
    )


def narrow_interval(estimate: Estimate, groups: int) -> tuple[float, float] | None:
    """The 90% interval of an estimate over groups; None without an error."""
    if estimate.se is None:
        return None
    half = quantile(groups, 0.95) * estimate.se
    return estimate.value - half, estimate.value + half

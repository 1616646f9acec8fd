"""The specification curve: the effect of shape under every defensible choice (Simonsohn, Simmons and Nelson 2020).

| choice | options |
| --- | --- |
| control | the size controls that fit, see `defensible_controls` |
| release | the month of release not held fixed, as a line, as a spline |
| covariates | none; lineage and domain, as indicator columns |
| estimator | least squares; an intercept a family, random or fixed; censored at the floor |
| subset | those of `nil_audit.comparison.effect.rows.subset_samples` |

A straight line in ln size is never held fixed alone, because scores do not rise along one (they are flat at chance and
steep above), and what it misses of size falls to shape; nor is a parabola, unless the outcome is a loss, because the
slope that the dose takes is of a finer curve. A specification that cannot be made, or is another's double, is absent;
models of unknown release are not in those that hold it fixed. Each has its interval over groups, everything refitted;
the random intercept's share is that of the fit without a dose, and is kept in the jackknife.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from nil_audit.comparison.effect.dose import Terms, dose_terms
from nil_audit.comparison.effect.estimate import RELEASES, SPARE_MODELS, coefficients, design
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.effect.size_fit import ELIGIBLE
from nil_audit.comparison.findings import Choice, SizeFit, Specification, SpecificationCurve
from nil_audit.comparison.scrutiny.censored import censored_coefficients
from nil_audit.comparison.scrutiny.joint_test import Fit, joint_p
from nil_audit.progress import Progress, silent
from nil_audit.stats.estimate import Array
from nil_audit.stats.jackknife import over_groups
from nil_audit.stats.least_squares import orthogonal
from nil_audit.stats.random_intercept import share_between, shrinkage

LARGEST_ERROR = 1.15
"""Held-out error of a size control over the chosen one's, above which it does not fit."""

COVARIATES = ("none", "lineage_domain")

ESTIMATORS = ("least_squares", "random_intercept", "within_family", "censored")

CHOICES = ("control", "release", "covariates", "estimator", "subset")

_FEWEST_FAMILIES = 2
"""Families of two models or more without which no estimate is made within families."""


@dataclass(frozen=True, kw_only=True)
class _Design:
    """What all estimators of a specification share."""

    choices: dict[str, str]
    sample: Sample
    terms: Terms
    held: Array


def specification_curve(
    samples: Mapping[str, Sample],
    *,
    study: str,
    fits: Sequence[SizeFit],
    control: str,
    permutations: int = 199,
    seed: int = 0,
    progress: Progress = silent,
) -> SpecificationCurve | None:
    """The effect of shape under every defensible choice, and one test of them all.

    Args:
        samples: From `nil_audit.comparison.effect.rows.subset_samples`.
        study: Whose dose.
        fits: How well each size control fits.
        control: The chosen one: the primary specification's.
        permutations: Of the test (`nil_audit.comparison.scrutiny.joint_test`); with 0 there is none.
        seed: Of the permutations.
        progress: Opens a progress display.

    Returns:
        None where no specification can be made.
    """
    found: list[Specification] = []
    tested: list[Fit] = []
    controls = defensible_controls(fits, loss=samples["all"].outcome.lower_is_better)
    designs = list(_designs(samples, study, controls))
    with progress("Specification curve", len(designs) * len(ESTIMATORS), "specifications") as task:
        for one, estimator in product(designs, ESTIMATORS):
            specification, fit = _estimated(one, estimator)
            found += [specification] if specification else []
            tested += [fit] if fit else []
            task.advance(1)
    if not found:
        return None
    found.sort(key=lambda one: one.value)
    values, lows, highs = (np.array([getattr(one, name) for one in found]) for name in ("value", "low", "high"))
    primary = {"control": control, "release": "none", "covariates": "none", "estimator": ESTIMATORS[0], "subset": "all"}
    return SpecificationCurve(
        specifications=tuple(replace(one, primary=_options(one) == primary) for one in found),
        median=float(np.median(values)),
        positive=float((values > 0).mean()),
        significant_positive=float((lows > 0).mean()),
        significant_negative=float((highs < 0).mean()),
        p=joint_p(samples, tested, control, permutations=permutations, seed=seed),
        permutations=permutations,
        choices=_choices(found),
    )


def defensible_controls(fits: Sequence[SizeFit], *, loss: bool = False) -> tuple[str, ...]:
    """The size controls that a specification may hold fixed, in the order given.

    Args:
        fits: How well each fits, one of them chosen.
        loss: The outcome is a loss, whose dose takes no slope from a curve: then a parabola may be among them.

    Returns:
        The chosen one, and of those that could be (`nil_audit.comparison.effect.size_fit.ELIGIBLE`) those whose
        held-out error is at most `LARGEST_ERROR` times its own.
    """
    least = next((one.held_out for one in fits if one.chosen), 0.0)
    able = (*ELIGIBLE, "quadratic") if loss else ELIGIBLE
    return tuple(
        one.control for one in fits if one.chosen or (one.control in able and one.held_out <= LARGEST_ERROR * least)
    )


def _designs(samples: Mapping[str, Sample], study: str, controls: Sequence[str]) -> Iterator[_Design]:
    for subset, whole in samples.items():
        known = whole.table["month"].notna().to_numpy()
        dated = whole if known.all() else whole.part(known)
        terms = {id(one): dose_terms(one, one.excess(study)) for one in (whole, dated) if one.models > SPARE_MODELS}
        for control in controls:
            rank: dict[tuple[str, str, int], int] = {}
            for release, covariates in product(RELEASES, COVARIATES):
                sample = whole if release == "none" else dated
                if id(sample) not in terms:
                    continue
                held = design(sample, control, release=release, covariates=covariates)
                own = int(np.linalg.matrix_rank(held))
                rank[release, covariates, sample.models] = own
                simpler = [(one, covariates) for one in RELEASES[: RELEASES.index(release)]]
                simpler += [(release, "none")] if covariates != "none" else []
                # A choice that adds no column to a simpler one of the same models is that one's double.
                double = any(rank.get((*one, sample.models)) == own for one in simpler)
                if double or own == 1 or sample.models < SPARE_MODELS + held.shape[1]:
                    continue
                choices = {"control": control, "release": release, "covariates": covariates, "subset": subset}
                yield _Design(choices=choices, sample=sample, terms=terms[id(sample)], held=held)


def _estimated(one: _Design, estimator: str) -> tuple[Specification | None, Fit | None]:
    """A specification with its interval, and what the test needs to make it again; None where it cannot be made."""
    sample = one.sample
    share = _share(one, estimator)
    if share is None:
        return None, None
    found = (
        censored_coefficients(sample, one.terms, one.held)
        if estimator == "censored"
        else coefficients(sample, one.terms, one.held, demean=share)
    )
    if found is None:
        return None, None
    interval = over_groups(float(found[0]), found[1:]).interval
    if interval is None:
        return None, None
    specification = Specification(
        control=one.choices["control"],
        release=one.choices["release"],
        covariates=one.choices["covariates"],
        subset=one.choices["subset"],
        estimator=estimator,
        value=float(found[0]),
        low=interval[0],
        high=interval[1],
        models=sample.models,
    )
    fit = Fit(subset=one.choices["subset"], sample=sample, terms=one.terms, held=one.held, share=share)
    return specification, None if estimator == "censored" else fit


def _share(one: _Design, estimator: str) -> Array | None:
    """Share of its family's mean that is taken from each model's numbers, shape (n,); None: not to be estimated so."""
    sample = one.sample
    nothing = np.zeros(sample.models)
    if estimator in ("least_squares", "censored"):
        return nothing
    members = np.bincount(sample.family)
    if (members > 1).sum() < _FEWEST_FAMILIES:
        return None
    if estimator == "within_family":
        return nothing + 1
    share = share_between(orthogonal(one.held), sample.response, sample.family)
    return None if not share else shrinkage(share, sample.family)


def _options(one: Specification) -> dict[str, str]:
    return {name: str(getattr(one, name)) for name in CHOICES}


def _choices(found: Sequence[Specification]) -> tuple[Choice, ...]:
    """How far each kind of choice moves the effect, those with one option left out, the largest span first."""
    choices = []
    for name in CHOICES:
        options: dict[str, list[float]] = {}
        for one in found:
            options.setdefault(_options(one)[name], []).append(one.value)
        medians = sorted(((option, float(np.median(values))) for option, values in options.items()), key=lambda m: m[1])
        if len(medians) > 1:
            choices.append(Choice(choice=name, medians=dict(medians), span=medians[-1][1] - medians[0][1]))
    return tuple(sorted(choices, key=lambda one: -one.span))

"""Families: models that share data, recipe and people, whose scores therefore go together.

The primary estimate is made of all models alike, and only its interval knows of families. Beside it stand the estimates
that hold families fixed: a random intercept a family weighs differences between and within families by what each is
worth, an intercept of its own leaves only those within; and organisations, left out whole, stand for families that are
not as independent as their names.
"""

import numpy as np

from nil_audit.comparison.effect.dose import Terms, dose_terms, predicted_terms
from nil_audit.comparison.effect.estimate import SPARE_MODELS, coefficients, design, effect, made
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.findings import Effect, Families
from nil_audit.stats.estimate import Array
from nil_audit.stats.least_squares import less_group_means, orthogonal
from nil_audit.stats.random_intercept import share_between, shrinkage

VARYING = 1.05
"""Ratios that differ by more than this factor differ in shape."""

MOST_REFITTED = 200
"""With more groups the share of variance between families is not fitted anew without each, which hardly moves it."""


def families(sample: Sample, control: str) -> Families:
    """How much of the comparison lies between families.

    Args:
        sample: The models.
        control: The size control that the intraclass correlation is given, by restricted maximum likelihood.
    """
    family, ratio = sample.family, np.log(sample.table["ratio"].to_numpy(dtype=float))
    number = int(family.max()) + 1 if sample.models else 0
    low, high = np.full(number, np.inf), np.full(number, -np.inf)
    np.minimum.at(low, family, ratio)
    np.maximum.at(high, family, ratio)
    return Families(
        families=number,
        several=int((np.bincount(family, minlength=number) > 1).sum()),
        varying=int((high - low > np.log(VARYING)).sum()),
        organisations=int(sample.organisation.max()) + 1 if sample.models else 0,
        share=share_between(orthogonal(design(sample, control)), sample.response, family) if sample.models else None,
    )


def family_rows(sample: Sample, *, study: str, control: str) -> list[Effect]:
    """The effect with a random intercept a family, within families, and with organisations left out whole.

    Args:
        sample: The models.
        study: Whose dose.
        control: The size control.

    Returns:
        Those that can be made: the first two need several families, one of them of several models; the last several
        organisations.
    """
    found: list[Effect | None] = []
    if sample.models and 1 < len(np.unique(sample.family)) < sample.models:
        found += [
            random_intercept(sample, study=study, control=control),
            effect(sample, row="within_family", study=study, control=control, estimator="within_family", demean=1.0),
        ]
    if sample.models and sample.organisation.max() > 0:
        found.append(effect(sample.grouped_by("organisation"), row="organisations", study=study, control=control))
    return [one for one in found if one is not None]


def random_intercept(sample: Sample, *, study: str, control: str) -> Effect | None:
    """The effect with a random intercept a family, by restricted maximum likelihood.

    The curve that the dose is taken from, the share of variance between families and all coefficients are fitted anew
    without each group (the share, where there are at most `MOST_REFITTED` groups).

    Args:
        sample: The models, of several families.
        study: Whose dose.
        control: The size control.

    Returns:
        None where there are too few models, or the dose does not vary beside what is held fixed.
    """
    excess = sample.excess(study)
    held, terms = orthogonal(design(sample, control)), dose_terms(sample, excess)
    enough = sample.models >= SPARE_MODELS + held.shape[1]
    if not enough or not np.isfinite(coefficients(sample, terms, held)[0]):
        return None

    def fitted(terms: Terms) -> Array:
        if sample.groups > MOST_REFITTED:
            costs = terms.dose(sample.response)
            share = share_between(np.column_stack([held, costs]), sample.response, sample.family) or 0.0
            return coefficients(sample, terms, held, demean=shrinkage(share, sample.family))
        return np.array([_without(sample, held, terms, one) for one in range(-1, sample.groups)])

    return made(
        row="random_intercept",
        study=study,
        control=control,
        estimator="random_intercept",
        models=sample.models,
        found=fitted(terms),
        predicted=fitted(predicted_terms(sample, excess)),
    )


def _without(sample: Sample, held: Array, terms: Terms, group: int) -> float:
    """The coefficient fitted without one group (-1: with all)."""
    kept = sample.group != group
    response, family = sample.response[kept], np.unique(sample.family[kept], return_inverse=True)[1]
    here = Terms(curve=terms.curve[kept], terms=terms.terms[kept], fixed=terms.fixed[kept])
    columns = np.column_stack([held[kept], -here.dose(response)])
    theta = shrinkage(share_between(columns, response, family) or 0.0, family)
    numbers = less_group_means(np.column_stack([columns, response]), family, theta)
    return float(np.linalg.lstsq(numbers[:, :-1], numbers[:, -1], rcond=None)[0][-1])

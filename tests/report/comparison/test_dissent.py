"""The results that do not go with the answer are found by rule, whichever way the answer goes."""

from dataclasses import replace

import pytest

from nil_audit.comparison.findings import Association, Contrast
from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.dissent import dissent
from nil_audit.report.render.text import bracketed


def _with(
    study: Comparison, strength: str, *, pearson: tuple[float, float], contrast: tuple[float, float]
) -> Comparison:
    """The study with one Pearson correlation and one contrast of its own, nothing else, and this conclusion."""
    (primary,) = [one for one in study.predictors if one.primary]
    template = study.association(primary.key)
    assert template
    correlation = replace(template, method="pearson", estimate=sum(pearson) / 2, low=pearson[0], high=pearson[1])
    difference = replace(
        study.contrasts[0], study="law", difference=sum(contrast) / 2, low=contrast[0], high=contrast[1]
    )
    return replace(
        study,
        conclusion=replace(study.conclusion, strength=strength),
        associations=(template, correlation),
        contrasts=(difference,),
        predictions=(),
    )


@pytest.mark.parametrize("strength", ["none", "contradicts"])
def test_without_support_it_names_what_sides_with_the_law(study, strength):
    found = dissent(_with(study, strength, pearson=(-0.4, -0.1), contrast=(-0.01, 0.02)))
    assert found and "do side" in found.title
    assert len(found.items) == 2 and bracketed(-0.25, -0.4, -0.1) in found.items[0]


@pytest.mark.parametrize("strength", ["weak", "moderate", "strong"])
def test_with_support_it_names_what_does_not(study, strength):
    found = dissent(_with(study, strength, pearson=(-0.4, -0.1), contrast=(-0.01, 0.02)))
    assert found and "do not side" in found.title
    assert len(found.items) == 2 and "against those outside: +0.5 [−1.0, +2.0] points" in found.items[0]


def test_results_against_the_law_are_no_dissent_from_no_support(study):
    assert dissent(_with(study, "none", pearson=(0.1, 0.4), contrast=(-0.05, -0.01))) is None


def test_full_agreement_and_too_little_data_have_no_dissent(study):
    assert dissent(_with(study, "strong", pearson=(-0.6, -0.3), contrast=(0.01, 0.05))) is None
    assert dissent(_with(study, "insufficient", pearson=(-0.4, -0.1), contrast=(0.01, 0.02))) is None


def test_raw_correlations_and_single_bands_do_not_count(study):
    (primary,) = [one for one in study.predictors if one.primary]
    template = study.association(primary.key)
    assert isinstance(template, Association)
    low = {"estimate": -0.5, "low": -0.7, "high": -0.3}
    raw = replace(template, method="pearson", given="nothing", **low)
    band = replace(template, subset="band:1b_5b", **low)
    only = replace(
        study,
        conclusion=replace(study.conclusion, strength="none"),
        associations=(template, raw, band),
        contrasts=(),
        predictions=(),
    )
    assert dissent(only) is None
    other: Contrast = replace(study.contrasts[0], study="morph", difference=0.06, low=0.03, high=0.09)
    assert dissent(replace(only, contrasts=(other,))) is None

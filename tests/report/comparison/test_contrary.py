"""The results that do not go with the answer are found by rule, whichever way the answer goes."""

from dataclasses import replace

import pytest

from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.result import Association, Comparison, Contrast, Findings
from nil_audit.report.comparison.contrary import contrary_results
from nil_audit.report.render.text import estimate_text
from nil_audit.stats.estimate import Estimate


def _estimate(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high, p=0.01, n=40)


def _with(comparison: Comparison, strength: str, *associations: Association, contrast: Contrast | None) -> Comparison:
    """The comparison with the primary correlation, these results and nothing else, and this answer."""
    template = comparison.findings.association(PRIMARY)
    assert template
    findings = Findings(associations=(template, *associations), contrasts=(contrast,) if contrast else ())
    return replace(comparison, answer=replace(comparison.answer, strength=strength), findings=findings)


def _case(
    comparison: Comparison, strength: str, *, pearson: tuple[float, float], contrast: tuple[float, float]
) -> Comparison:
    correlation = Association(
        predictor=PRIMARY, method="pearson", given="size_curve", families=9, estimate=_estimate(*pearson)
    )
    difference = Contrast(study="law", inside=9, outside=31, estimate=_estimate(*contrast))
    return _with(comparison, strength, correlation, contrast=difference)


@pytest.mark.parametrize("strength", ["none", "contradicts"])
def test_without_support_it_names_what_sides_with_the_law(comparison, strength):
    found = contrary_results(_case(comparison, strength, pearson=(-0.4, -0.1), contrast=(-0.01, 0.02)))
    assert found and "do side" in found.title
    assert len(found.items) == 2 and estimate_text(_estimate(-0.4, -0.1)) in found.items[0]


@pytest.mark.parametrize("strength", ["weak", "moderate", "strong"])
def test_with_support_it_names_what_does_not(comparison, strength):
    found = contrary_results(_case(comparison, strength, pearson=(-0.4, -0.1), contrast=(-0.01, 0.02)))
    assert found and "do not side" in found.title
    assert len(found.items) == 2 and "against those outside: +0.5 [−1.0, +2.0] points" in found.items[0]


def test_results_against_the_law_are_not_contrary_to_no_support(comparison):
    assert contrary_results(_case(comparison, "none", pearson=(0.1, 0.4), contrast=(-0.05, -0.01))) is None


def test_nothing_is_contrary_to_full_agreement_or_to_too_little_data(comparison):
    assert contrary_results(_case(comparison, "strong", pearson=(-0.6, -0.3), contrast=(0.01, 0.05))) is None
    assert contrary_results(_case(comparison, "insufficient", pearson=(-0.4, -0.1), contrast=(0.01, 0.02))) is None


def test_raw_correlations_and_single_bands_do_not_count(comparison):
    common = {"predictor": PRIMARY, "families": 9, "estimate": _estimate(-0.7, -0.3)}
    raw = Association(method="pearson", given="nothing", **common)
    band = Association(given="size_curve", subset="band:1b_5b", **common)
    assert contrary_results(_with(comparison, "none", raw, band, contrast=None)) is None
    other = Contrast(study="morph", inside=9, outside=31, estimate=_estimate(0.03, 0.09))
    assert contrary_results(_with(comparison, "none", raw, band, contrast=other)) is None

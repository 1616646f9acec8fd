"""Results that do not go with the answer: what a reader who doubts it would point at."""

from collections.abc import Iterator

from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.result import Comparison
from nil_audit.law.studies import DEFAULT
from nil_audit.report.comparison.words import GIVEN, predictor_label, subset_label
from nil_audit.report.render.page import Aside
from nil_audit.report.render.text import estimate_text, p_value


def contrary_results(comparison: Comparison) -> Aside | None:
    """The results on the law's interval or its primary measure that point elsewhere than the answer does.

    All hold size fixed. Where the answer is no support, or against the law, these are the results whose interval
    lies on the law's side of zero; where it is support, those whose interval does not. None where there is none.
    """
    results = list(_results(comparison))
    strength = comparison.answer.strength
    if strength == "insufficient":
        return None
    if strength in ("none", "contradicts"):
        title = "Single results that do side with the law"
        found = [words for words, worst in results if worst > 0]
        close = "These are single results out of many, not corrected for their number."
    else:
        title = "Single results that do not side with the law"
        found = [words for words, worst in results if worst <= 0]
        close = "These are single results out of many; their intervals reach zero or lie beyond it."
    return Aside(title=title, items=(*found, close)) if found else None


def _results(comparison: Comparison) -> Iterator[tuple[str, float]]:
    """Each result's words, and the end of its interval that is worst for the law, above zero where it is for it."""
    findings = comparison.findings
    for one in findings.associations:
        if one.predictor != PRIMARY or one.given == "nothing" or one.subset.startswith("band:"):
            continue
        if (one.method, one.given, one.subset) == ("spearman", "size_curve", "all"):
            continue  # the answer's own
        if one.estimate.interval:
            words = (
                f"{one.method.capitalize()} correlation of score with {predictor_label(PRIMARY)}, given"
                f" {GIVEN[one.given]}, {subset_label(comparison, one.subset)}: {estimate_text(one.estimate)}, p"
                f" {p_value(one.estimate.p)}."
            )
            yield words, -one.estimate.interval[1]
    for skill in findings.skills:
        if skill.predictor == PRIMARY and skill.estimate.interval:
            which = "over random halves of families" if skill.split == "halves" else "for later families"
            found = estimate_text(skill.estimate, 1, factor=100)
            yield f"Skill out of sample {which}: {found}%.", skill.estimate.interval[0]
    law = findings.contrast(DEFAULT)
    if law and law.estimate.interval:
        found = estimate_text(law.estimate, 1, factor=100)
        words = f"Models inside the law's interval against those outside: {found} points, p {p_value(law.estimate.p)}."
        yield words, law.estimate.interval[0]

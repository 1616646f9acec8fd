"""Results that do not go with the answer: what a reader who doubts it would point at."""

from collections.abc import Iterator
from dataclasses import dataclass

from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.words import given_words, predictor_label, primary, subset_words
from nil_audit.report.render.page import Aside
from nil_audit.report.render.text import bracketed, p_value

_NO_SUPPORT = ("none", "contradicts")
_SUPPORT = ("weak", "moderate", "strong")


@dataclass(frozen=True, kw_only=True)
class _Result:
    """A result with size held fixed: its words, and its interval turned so that the law says above zero."""

    words: str
    low: float
    high: float


def dissent(comparison: Comparison) -> Aside | None:
    """The results on the law's interval or its primary measure that point elsewhere than the conclusion does.

    All hold size fixed. Where the conclusion is no support, or against the law, these are the results whose interval
    lies on the law's side of zero; where it is support, those whose interval does not. None where there is none.
    """
    results = list(_results(comparison))
    strength = comparison.conclusion.strength
    if strength in _NO_SUPPORT:
        title = "Single results that do side with the law"
        found = [one.words for one in results if one.low > 0]
        close = "These are single results out of many, not corrected for their number."
    elif strength in _SUPPORT:
        title = "Single results that do not side with the law"
        found = [one.words for one in results if one.low <= 0]
        close = "These are single results out of many; their intervals reach zero or lie beyond it."
    else:
        return None
    return Aside(title=title, items=(*found, close)) if found else None


def _results(comparison: Comparison) -> Iterator[_Result]:
    chosen = primary(comparison)
    if chosen is not None and chosen.expected_sign:
        label = predictor_label(comparison, chosen.key)
        for one in comparison.associations:
            if one.predictor != chosen.key or one.given == "nothing" or one.subset.startswith("band:"):
                continue
            if (one.method, one.given, one.subset) == ("spearman", "size_curve", "all"):
                continue  # the conclusion's own
            if one.low is None or one.high is None:
                continue
            ends = (one.low, one.high) if chosen.expected_sign > 0 else (-one.high, -one.low)
            yield _Result(
                words=f"{one.method.capitalize()} correlation of score with {label}, given {given_words(one.given)}, "
                f"{subset_words(comparison, one.subset)}: {bracketed(one.estimate, one.low, one.high)}, "
                f"p {p_value(one.p_value)}.",
                low=ends[0],
                high=ends[1],
            )
        for guess in comparison.predictions:
            if guess.predictor == chosen.key and guess.low is not None and guess.high is not None:
                which = "over random halves of families" if guess.split == "halves" else "for later families"
                figures = bracketed(100 * guess.skill, 100 * guess.low, 100 * guess.high, 1)
                yield _Result(
                    words=f"Skill out of sample {which}: {figures}%.",
                    low=guess.low,
                    high=guess.high,
                )
    for contrast in comparison.contrasts:
        if contrast.study == "law" and contrast.low is not None and contrast.high is not None:
            figures = bracketed(100 * contrast.difference, 100 * contrast.low, 100 * contrast.high, 1)
            yield _Result(
                words=f"Models inside the law's interval against those outside: {figures} points, "
                f"p {p_value(contrast.p_value)}.",
                low=contrast.low,
                high=contrast.high,
            )

"""Which shape of a budget to train, by a stated rule, and whether the gain can be told from none.

The rule: of the alternatives that all three studies put within 1% of the best (of all of them where none is), those
whose worst-case predicted excess loss is the smallest or no further from it than two runs of one shape differ by; of
these the shallowest, which decodes fastest. It is recommended only where the 95% bootstrap interval of what it takes
off the candidate's worst case lies above zero, and where that is more than two runs of one shape differ by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nil_audit.law.studies import studies, verdict


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What a shape takes off the worst-case predicted excess loss of another.

    Attributes:
        value: Share of the loss; above zero is better.
        low: 2.5th percentile over the studies' bootstrap draws.
        high: 97.5th percentile.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to do about a candidate.

    Attributes:
        action: "change" to the alternative, "keep" the candidate, or "none" where there is no alternative.
        best: Position of the best alternative by the rule, whatever the action; None where there is none.
        gain: What the best alternative takes off the candidate's worst case; None where there is none.
        noise: Spread of ln loss between runs about the tightest study's fit: no smaller gain is recommended.
        words: The reason, in sentences.
    """

    action: Literal["change", "keep", "none"]
    best: int | None
    gain: Gain | None
    noise: float
    words: str


def worst_case(ratio: float, parameters: float) -> float:
    """The largest excess loss that any of the studies predicts for a ratio at a budget."""
    return max(study.curve.excess(ratio, parameters) for study in studies())


def gain(ratio: float, other: float, parameters: float) -> Gain:
    """What going from ``ratio`` to ``other`` takes off the worst case, with its 95% bootstrap interval.

    The studies' draws are independent of each other; the k-th draws of all of them make one draw of the worst case.
    """
    before, after = (
        np.max([study.excess_draws(one, parameters) for study in studies()], axis=0) for one in (ratio, other)
    )
    low, high = np.percentile(before - after, [2.5, 97.5])
    value = worst_case(ratio, parameters) - worst_case(other, parameters)
    return Gain(value=value, low=min(float(low), value), high=max(float(high), value))


def recommend(ratio: float, alternatives: Sequence[tuple[int, int]], parameters: float) -> Recommendation:
    """Apply the rule of this module.

    Args:
        ratio: The candidate's depth / width.
        alternatives: Depth and width of the shapes of its budget.
        parameters: The candidate's total parameters.
    """
    noise = min(study.residual for study in studies())
    if not alternatives:
        words = (
            "No alternative: no shape of this architecture with three blocks or more and a width that hardware likes"
            " comes within the tolerance of this budget; a wider --tolerance may find some."
        )
        return Recommendation(action="none", best=None, gain=None, noise=noise, words=words)
    ratios = [depth / width for depth, width in alternatives]
    inside = [index for index, other in enumerate(ratios) if verdict(other, parameters).label == "inside"]
    worst = {index: worst_case(ratios[index], parameters) for index in inside or range(len(ratios))}
    level = [index for index, excess in worst.items() if excess <= min(worst.values()) + noise]
    best = min(level, key=lambda index: (alternatives[index][0], worst[index]))
    name = "{} x {}".format(*alternatives[best])
    found = gain(ratio, ratios[best], parameters)
    size = f"{abs(found.value):.2%} [{found.low:+.2%}, {found.high:+.2%}]"
    action: Literal["change", "keep"] = "keep"
    if found.value <= 0:
        words = (
            f"Keep it: none of the alternatives {'inside all three studies ' if inside else ''}has a smaller worst-case"
            f" predicted excess loss than its own {worst_case(ratio, parameters):.2%}."
        )
    elif found.low <= 0:
        words = f"Keep it: the best alternative, {name}, is not distinguishable from it; its predicted gain is {size}."
    elif found.value < noise:
        words = (
            f"Keep it: the predicted gain of the best alternative, {name}, is {size}: less than the {noise:.1%}"
            " that two runs of one shape differ by."
        )
    else:
        action = "change"
        words = f"Change it: {name} takes {size} off the worst-case predicted loss. "
        words += _by_study(ratio, ratios[best], parameters)
    caveat = "" if inside else " No alternative lies inside the interval of all three studies."
    return Recommendation(action=action, best=best, gain=found, noise=noise, words=words + caveat)


def _by_study(ratio: float, other: float, parameters: float) -> str:
    """What each study says of a change, and how far the one that makes the worst case is extrapolated."""
    parts = []
    for study in studies():
        change = study.change(ratio, other, parameters)
        unsure = ", not distinguishable from none" if change.low <= 0 <= change.high else ""
        parts.append(f"{study.name} {change.value:+.2%} [{change.low:+.2%}, {change.high:+.2%}]{unsure}")
    worst = max(studies(), key=lambda study: study.curve.excess(ratio, parameters))
    return f"By study: {'; '.join(parts)}. The worst case is {worst.name}'s: {worst.reach(ratio, parameters)}."

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
from nil_audit.stats.estimate import Estimate

Action = Literal["change", "keep", "none"]
Reason = Literal["better", "none_better", "not_distinguishable", "below_noise", "no_alternative", "uncounted"]


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to do about a candidate.

    Attributes:
        action: "change" to the alternative, "keep" the candidate, or "none" where there is no alternative.
        reason: "better" (change to it); "none_better", "not_distinguishable" or "below_noise" (keep the candidate);
            "no_alternative", or "uncounted" where the type's parameters cannot be counted (none).
        best: Position of the best alternative by the rule, whatever the action; None where there is none.
        gain: What the best alternative takes off the candidate's worst-case excess loss, as a share of the loss:
            above zero is better; None where there is none.
        noise: Spread of ln loss between runs about the tightest study's fit: no smaller gain is recommended.
        inside: Whether any alternative lies inside the intervals of all studies.
    """

    action: Action
    reason: Reason
    best: int | None
    gain: Estimate | None
    noise: float
    inside: bool


def worst_case(ratio: float, parameters: float) -> float:
    """The largest excess loss that any of the studies predicts for a ratio at a budget."""
    return max(study.curve.excess(ratio, parameters) for study in studies())


def gain(ratio: float, other: float, parameters: float) -> Estimate:
    """What going from ``ratio`` to ``other`` takes off the worst case, with its 95% bootstrap interval.

    The studies' draws are independent of each other; the k-th draws of all of them make one draw of the worst case.
    """
    before, after = (
        np.max([study.excess_draws(one, parameters) for study in studies()], axis=0) for one in (ratio, other)
    )
    return Estimate.from_draws(worst_case(ratio, parameters) - worst_case(other, parameters), before - after)


def recommend(ratio: float, alternatives: Sequence[tuple[int, int]], parameters: float | None) -> Recommendation:
    """Apply the rule of this module.

    Args:
        ratio: The candidate's depth / width.
        alternatives: Depth and width of the shapes of its budget.
        parameters: The candidate's total parameters; None where they cannot be counted.
    """
    noise = min(study.residual for study in studies())
    if parameters is None or not alternatives:
        reason: Reason = "uncounted" if parameters is None else "no_alternative"
        return Recommendation(action="none", reason=reason, best=None, gain=None, noise=noise, inside=False)
    ratios = [depth / width for depth, width in alternatives]
    inside = [index for index, other in enumerate(ratios) if verdict(other, parameters).label == "inside"]
    worst = {index: worst_case(ratios[index], parameters) for index in inside or range(len(ratios))}
    level = [index for index, excess in worst.items() if excess <= min(worst.values()) + noise]
    best = min(level, key=lambda index: (alternatives[index][0], worst[index]))
    found = gain(ratio, ratios[best], parameters)
    if found.value <= 0:
        reason = "none_better"
    elif not found.excludes_zero:
        reason = "not_distinguishable"
    else:
        reason = "below_noise" if found.value < noise else "better"
    return Recommendation(
        action="change" if reason == "better" else "keep",
        reason=reason,
        best=best,
        gain=found,
        noise=noise,
        inside=bool(inside),
    )

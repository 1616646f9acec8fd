"""When a benchmark score says nothing: models at the floor of MMLU-Pro."""

import numpy as np
from numpy.typing import NDArray

MMLU_PRO_CHANCE = 0.1112
"""Mean of 1 / options over the 12,032 test questions: they offer 3 to 10 options each, mostly 10."""

MMLU_PRO_FLOOR = 0.1243
"""Share of questions answered right by naming, in each subject, the one letter that is right most often there.

Nothing of the question has to be understood for it, so a score is above the floor only when it is above this.
"""

MMLU_PRO_QUESTIONS = 12_032

RULE = (
    "at the floor: the 95% interval of the score reaches down to 12.43%, which is what naming each subject's most"
    " frequent letter gets"
)


def at_floor(
    score: NDArray[np.float64], stderr: NDArray[np.float64], threshold: float | None = None
) -> NDArray[np.bool_]:
    """Which scores cannot be told from ones that need no understanding of the question.

    Args:
        score: Raw accuracies, shape (n,).
        stderr: Their standard errors, shape (n,); where missing, that of the full test set.
        threshold: A score at or below it is at the floor, whatever its error; None applies `RULE`.
    """
    if threshold is not None:
        return score <= threshold
    full = np.sqrt(score * (1 - score) / MMLU_PRO_QUESTIONS)
    return score - 1.96 * np.where(np.isfinite(stderr), stderr, full) <= MMLU_PRO_FLOOR


def rule_in_words(threshold: float | None) -> str:
    """The rule that `at_floor` applied, as a phrase."""
    return RULE if threshold is None else f"at the floor: a score of {100 * threshold:.4g}% or less, as asked for"

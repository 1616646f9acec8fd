"""Accuracy with its error, and what it is worth above guessing. Pure functions of answers.

Shapes: n answers, each 1 (right) or 0, in categories c = 1..C with n_c answers; k_i options offered by question i.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """A share of right answers with its uncertainty, and the same above chance.

    Attributes:
        questions: n.
        correct: Right answers.
        accuracy: correct / n, the mean that lm-eval reports.
        stderr: Standard error of ``accuracy``; None with one question.
        low: Lower end of the 95% interval of ``accuracy``.
        high: Its upper end.
        chance: Expected accuracy of guessing, the mean of 1 / k_i over the questions asked.
    """

    questions: int
    correct: int
    accuracy: float
    stderr: float | None
    low: float
    high: float
    chance: float

    @property
    def above_chance(self) -> tuple[float, float, float]:
        """Accuracy - chance, and the ends of its 95% interval (chance is exact: the options are known)."""
        return self.accuracy - self.chance, self.low - self.chance, self.high - self.chance

    @property
    def at_chance(self) -> bool:
        """Whether the interval of the accuracy covers chance."""
        return self.low <= self.chance <= self.high

    @property
    def words(self) -> str:
        """'at chance', 'above chance' or 'below chance', at 95%."""
        if self.at_chance:
            return "at chance"
        return "above chance" if self.low > self.chance else "below chance"


def accuracy_of(correct: Sequence[bool], options: Sequence[int], categories: Sequence[str]) -> Accuracy:
    """Accuracy over questions of one or several categories, with its error and chance.

    The standard error is that of a sample stratified by category, sqrt(Σ_c n_c s_c²) / n, s_c² the sample
    variance within category c (n_c - 1 in the denominator): the categories and their shares are given, the
    questions within them are drawn. With one category it is lm-eval's sqrt(p(1-p)/(n-1)). A category with a
    single question has no variance of its own; the unstratified formula is used then, which is not smaller in
    expectation. The interval is Wilson's (1927) at the effective size p(1-p)/stderr², so it stays within 0 and
    1 and does not collapse when all answers are right or wrong.

    Args:
        correct: n answers.
        options: n numbers of options offered, each at least 1.
        categories: n category names.

    Returns:
        The accuracy; see ``Accuracy``.

    Raises:
        ValueError: No answers, or sequences of different length.
    """
    n = len(correct)
    if not n or not n == len(options) == len(categories):
        raise ValueError("An accuracy needs answers, and as many options and categories as answers.")
    right = sum(correct)
    p = right / n
    stderr = _stratified_stderr(correct, categories) if n > 1 else None
    effective = p * (1 - p) / stderr**2 if stderr and 0 < p < 1 else n
    low, high = wilson(p, effective)
    chance = sum(1 / k for k in options) / n
    return Accuracy(questions=n, correct=right, accuracy=p, stderr=stderr, low=low, high=high, chance=chance)


def wilson(p: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a proportion: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)."""
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _stratified_stderr(correct: Sequence[bool], categories: Sequence[str]) -> float:
    """sqrt(Σ_c n_c s_c²) / n, or sqrt(p(1-p)/(n-1)) where some category has one question only."""
    groups: dict[str, list[bool]] = {}
    for answer, category in zip(correct, categories, strict=True):
        groups.setdefault(category, []).append(answer)
    n = len(correct)
    if any(len(group) < 2 for group in groups.values()):
        p = sum(correct) / n
        return math.sqrt(p * (1 - p) / (n - 1))
    total = 0.0
    for group in groups.values():
        m = len(group)
        p = sum(group) / m
        total += m * (m * p * (1 - p) / (m - 1))
    return math.sqrt(total) / n

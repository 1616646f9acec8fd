"""Two models on the same questions: what one gets right more often than the other, with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nil_audit.score.answers import Answer
from nil_audit.stats.estimate import Estimate
from nil_audit.stats.proportion import paired_difference


@dataclass(frozen=True, kw_only=True)
class Paired:
    """A model held against another on the questions that both were asked.

    Attributes:
        model: The model's name.
        against: The other's.
        difference: Accuracy of the model less that of the other on those questions, with its 95% interval (see
            ``nil_audit.stats.proportion.paired_difference``, stratified by category); ``n`` is their number.
        accuracy: The model's on those questions.
        accuracy_against: The other's.
        only_model: Questions that the model alone got right.
        only_against: Questions that the other alone got right.
    """

    model: str
    against: str
    difference: Estimate
    accuracy: float
    accuracy_against: float
    only_model: int
    only_against: int

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and names."""
        return {
            "model": self.model,
            "against": self.against,
            "questions": self.difference.n,
            "accuracy": self.accuracy,
            "accuracy_against": self.accuracy_against,
            "difference": {name: getattr(self.difference, name) for name in ("value", "low", "high")},
            "only_model": self.only_model,
            "only_against": self.only_against,
        }


def against_the_first(answers: Mapping[str, Sequence[Answer]]) -> tuple[Paired, ...]:
    """Every further model against the first, where they have questions in common.

    Args:
        answers: Of each model by its name, all to one protocol.
    """
    first, *others = answers
    pairs = (compare_answers(name, answers[name], first, answers[first]) for name in others)
    return tuple(pair for pair in pairs if pair is not None)


def compare_answers(model: str, own: Sequence[Answer], against: str, others: Sequence[Answer]) -> Paired | None:
    """A model held against another, None where they were asked no question in common.

    Args:
        model: The model's name.
        own: Its answers.
        against: The other's name.
        others: The other's answers, by the same protocol to the same edition of the questions.
    """
    known = {(answer.category, answer.question_id): answer.correct for answer in others}
    shared = [answer for answer in own if (answer.category, answer.question_id) in known]
    if not shared:
        return None
    right = [answer.correct for answer in shared]
    other = [known[answer.category, answer.question_id] for answer in shared]
    return Paired(
        model=model,
        against=against,
        difference=paired_difference(right, other, [answer.category for answer in shared]),
        accuracy=sum(right) / len(right),
        accuracy_against=sum(other) / len(other),
        only_model=sum(one and not two for one, two in zip(right, other, strict=True)),
        only_against=sum(two and not one for one, two in zip(right, other, strict=True)),
    )

"""A model's measured MMLU-Pro score with everything that is needed to read it and to repeat it."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from nil_audit import __version__
from nil_audit.catalog.scores import NORMALISED_FLOOR, normalised
from nil_audit.score.answers import Answer
from nil_audit.score.plan import Plan
from nil_audit.score.protocols import generation_length
from nil_audit.stats.proportion import proportion, share_of_all


@dataclass(frozen=True, kw_only=True)
class ScoreResult:
    """One model's answers under one protocol.

    Attributes:
        plan: What was asked, and how.
        name: The model's name as asked for.
        identity: Hash of the checkpoint.
        dtype: Of the weights.
        answers: By category and question id.
        reused: Answers that were kept from an earlier run.
        processes: Processes of the run that finished it.
        said: What the run has to say of how it went, in sentences: an engine that was given up, a smaller batch.
        unkept: Why the answers could not be kept, in a sentence; None where they are.
        shape: Depth, width and parameters, by which a comparison places the score; None where they are not known.
    """

    plan: Plan
    name: str
    identity: str
    dtype: str
    answers: tuple[Answer, ...]
    reused: int = 0
    processes: int = 1
    said: tuple[str, ...] = ()
    unkept: str | None = None
    shape: Mapping[str, int | None] | None = None

    @property
    def categories(self) -> dict[str, tuple[Answer, ...]]:
        """The answers by category."""
        return {
            category: tuple(answer for answer in self.answers if answer.category == category)
            for category in self.plan.questions
        }

    @property
    def created(self) -> str:
        """When the last question was answered, ISO 8601 in UTC."""
        return max(answer.created for answer in self.answers)

    @property
    def kept(self) -> bool:
        """Whether every answer was found rather than given just now."""
        return self.reused == len(self.answers)

    @property
    def kept_until(self) -> str | None:
        """When the last of the answers that an earlier run had given was given; None where there are none."""
        return sorted(answer.created for answer in self.answers)[self.reused - 1] if self.reused else None

    @property
    def letters(self) -> dict[str, int]:
        """How often each letter was chosen, most often first."""
        chosen = Counter(answer.chosen for answer in self.answers if answer.chosen is not None)
        return dict(chosen.most_common())

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences without which the accuracy would be misread: cut prompts, one letter for all, unread answers."""
        n, context = len(self.answers), self.answers[0].context
        cut, lost = (sum(getattr(answer, name) for answer in self.answers) for name in ("cut", "question_cut"))
        unread = sum(answer.chosen is None for answer in self.answers)
        sentences = [*self.plan.notes, *self.said]
        if cut:
            sentences.append(
                f"{cut:,} of {n:,} prompts were longer than the context of {context:,} tokens and lost their beginning"
                + (f"; {lost:,} of them lost part of the question itself." if lost else " (worked examples).")
            )
        if self.letters and (share := max(self.letters.values()) / n) > 0.5:
            sentences.append(
                f"The answer was {next(iter(self.letters))} to {share:.0%} of the questions: it hardly depends on them."
            )
        if unread:
            sentences.append(f"In {unread:,} of {n:,} generated texts no answer was found; they count as wrong.")
        return tuple(sentences)

    def to_dict(self) -> dict[str, Any]:
        """The score row of a record: plain numbers, texts, lists and None."""
        plan, protocol, context = self.plan, self.plan.protocol, self.answers[0].context
        whole = answer_numbers(self.answers, generated=protocol.generates)
        normal = protocol.name == "leaderboard"
        error = whole["stderr"]
        available = {category: len(plan.benchmark.of(category)) for category in plan.questions}
        sizes = {answer.batch_size for answer in self.answers}
        versions = {package: version(package) for package in ("lm_eval", "transformers", "torch")}
        return {
            "benchmark": "mmlu_pro",
            "protocol": protocol.name,
            **whole,
            "normalised": normalised(whole["accuracy"]) if normal else None,
            "normalised_stderr": error / (1 - NORMALISED_FLOOR) if normal and error is not None else None,
            "origin": "measured",
            "source": f"nil-audit {__version__} with lm-eval {versions['lm_eval']}",
            "created": self.created,
            "model": self.name,
            "checkpoint": self.identity,
            "dtype": self.dtype,
            "shape": self.shape and dict(self.shape),
            "questions_available": sum(available.values()),
            "sample": self._sample(),
            "full_set": self._full_set(available),
            "context": context,
            "generated": generation_length(context) if protocol.generates else None,
            "letters": self.letters,
            "said": list(self.said),
            "notes": list(self.notes),
            "task": {
                "title": protocol.title,
                "group": protocol.group,
                "version": protocol.version,
                "differences": list(protocol.differences),
            },
            "data": {
                "source": plan.benchmark.source,
                "revision": plan.benchmark.revision,
                "sha256": plan.benchmark.digest,
                "edition": plan.benchmark.edition,
            },
            "engines": dict(Counter(answer.engine for answer in self.answers)),
            "batch_size": sizes.pop() if len(sizes) == 1 else None,
            "versions": {"nil_audit": __version__, **versions},
            "processes": self.processes,
            "seconds": round(sum(answer.seconds for answer in self.answers), 3),
            "answers_reused": self.reused,
            "categories": [
                {
                    "category": category,
                    "questions_available": available[category],
                    **answer_numbers(answers, generated=protocol.generates),
                    "seconds": round(sum(answer.seconds for answer in answers), 3),
                }
                for category, answers in self.categories.items()
            ],
        }

    def _sample(self) -> dict[str, Any] | None:
        """Which questions were asked; None where it was all of them."""
        if len(self.answers) == len(self.plan.benchmark.questions):
            return None
        ids = sorted(answer.question_id for answer in self.answers)
        return {
            "stratified_by": "category",
            "seed": self.plan.seed,
            "precision": self.plan.precision,
            "sha256": hashlib.sha256(json.dumps(ids).encode()).hexdigest(),
            "question_ids": ids,
        }

    def _full_set(self, available: Mapping[str, int]) -> dict[str, float | None] | None:
        """How far the accuracy of a sample may be from that over all questions; None where those were asked."""
        if len(self.answers) == sum(available.values()):
            return None
        correct, categories = zip(*((answer.correct, answer.category) for answer in self.answers), strict=True)
        found = share_of_all(correct, categories, available)
        return {"stderr": found.se, "low": found.low, "high": found.high}


def answer_numbers(answers: Sequence[Answer], *, generated: bool = False) -> dict[str, Any]:
    """Accuracy with its error and its distance from chance, and what was cut or could not be read.

    Args:
        answers: n answers, to questions of one or several categories, by which the error is stratified.
        generated: Whether the answers were read from generated texts, some of which may hold none.

    Returns:
        accuracy, stderr (None with one answer), low and high (its 95% interval), chance (the expected accuracy of
        guessing, the mean of 1 / options), above_chance (value, low, high: the same less chance, which is exact),
        against_chance ("above", "at" or "below": where the interval lies), at_chance, questions, correct,
        prompts_cut, questions_cut, unparsed (count and share, or None).

    Raises:
        ValueError: No answers.
    """
    n = len(answers)
    accuracy = proportion([answer.correct for answer in answers], [answer.category for answer in answers])
    chance = sum(1 / answer.options for answer in answers) / n
    above = accuracy.minus(chance)
    against = ("above" if above.value > 0 else "below") if above.excludes_zero else "at"
    unread = sum(answer.chosen is None for answer in answers)
    return {
        "accuracy": accuracy.value,
        "stderr": accuracy.se,
        "low": accuracy.low,
        "high": accuracy.high,
        "chance": chance,
        "above_chance": {"value": above.value, "low": above.low, "high": above.high},
        "against_chance": against,
        "at_chance": against == "at",
        "questions": n,
        "correct": sum(answer.correct for answer in answers),
        "prompts_cut": sum(answer.cut for answer in answers),
        "questions_cut": sum(answer.question_cut for answer in answers),
        "unparsed": {"count": unread, "share": unread / n} if generated else None,
    }

"""A model's measured MMLU-Pro score with everything that is needed to read it and to repeat it."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nil_audit.score.answers import Answer, CategoryResult
from nil_audit.score.protocols import Protocol
from nil_audit.stats.proportion import Accuracy, accuracy_of


@dataclass(frozen=True, kw_only=True)
class ScoreResult:
    """One model's answers under one protocol.

    Attributes:
        name: The model's name as asked for.
        identity: Hash of the checkpoint.
        protocol: How it was asked.
        categories: The answers by category, in MMLU-Pro's order.
        available: Questions in the full set, by category.
        seed: Of the sample; None where every question was asked.
        data_source: Where the questions came from.
        data_digest: sha256 of all questions and worked examples.
        dtype: Of the weights.
        backend: "hf" or "vllm".
        batch_size: Questions a forward pass; None with vLLM, which schedules its own.
        versions: Versions of nil-audit, lm-eval and the libraries under it.
        reused: Categories whose answers were kept from an earlier run.
        processes: Processes of the run that finished it.
    """

    name: str
    identity: str
    protocol: Protocol
    categories: tuple[CategoryResult, ...]
    available: Mapping[str, int]
    seed: int | None
    data_source: str
    data_digest: str
    dtype: str
    backend: str
    batch_size: int | None
    versions: Mapping[str, str]
    reused: int = 0
    processes: int = 1

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every answer, by category and question id."""
        return tuple(answer for category in self.categories for answer in category.answers)

    @property
    def accuracy(self) -> Accuracy:
        """The accuracy over all questions asked, stratified by category."""
        names = [category.category for category in self.categories for _ in category.answers]
        return _accuracy(self.answers, names)

    @property
    def seconds(self) -> float:
        """Wall time of asking, summed over categories, those reused included."""
        return sum(category.seconds for category in self.categories)

    @property
    def letters(self) -> dict[str, int]:
        """How often each letter was chosen, most often first."""
        chosen = Counter(answer.chosen for answer in self.answers if answer.chosen is not None)
        return dict(chosen.most_common())

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences without which the accuracy would be misread: cut prompts, one letter for all, unread answers."""
        n, context = len(self.answers), self.categories[0].context
        cut, lost = (sum(getattr(answer, name) for answer in self.answers) for name in ("cut", "question_cut"))
        unread = sum(answer.chosen is None for answer in self.answers)
        sentences = []
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
        first = self.categories[0]
        whole = self.accuracy
        normal = self.protocol.name == "leaderboard"
        return {
            "benchmark": "mmlu_pro",
            "protocol": self.protocol.name,
            **_row(whole),
            "normalised": (whole.accuracy - 0.1) / 0.9 if normal else None,
            "normalised_stderr": None if not normal or whole.stderr is None else whole.stderr / 0.9,
            "origin": "measured",
            "source": f"nil-audit {self.versions['nil_audit']} with lm-eval {self.versions['lm_eval']}",
            "model": self.name,
            "checkpoint": self.identity,
            "dtype": self.dtype,
            "questions_available": sum(self.available.values()),
            "sample": self._sample(),
            "prompts_cut": sum(answer.cut for answer in self.answers),
            "questions_cut": sum(answer.question_cut for answer in self.answers),
            "context": first.context,
            "generated": first.generated,
            "unparsed": _unparsed(self.protocol, self.answers),
            "letters": self.letters,
            "notes": list(self.notes),
            "task": {
                "title": self.protocol.title,
                "group": self.protocol.group,
                "version": self.protocol.version,
                "differences": list(self.protocol.differences),
            },
            "data": {"source": self.data_source, "sha256": self.data_digest},
            "backend": self.backend,
            "batch_size": self.batch_size,
            "versions": dict(self.versions),
            "processes": self.processes,
            "seconds": round(self.seconds, 3),
            "categories_reused": self.reused,
            "categories": [
                {
                    "category": category.category,
                    "questions_available": self.available[category.category],
                    **_row(_accuracy(category.answers, [category.category] * len(category.answers))),
                    "prompts_cut": sum(answer.cut for answer in category.answers),
                    "questions_cut": sum(answer.question_cut for answer in category.answers),
                    "unparsed": _unparsed(self.protocol, category.answers),
                    "seconds": round(category.seconds, 3),
                }
                for category in self.categories
            ],
        }

    def _sample(self) -> dict[str, Any] | None:
        """Which questions were asked; None where it was all of them."""
        if self.seed is None:
            return None
        ids = sorted(answer.question_id for answer in self.answers)
        return {
            "stratified_by": "category",
            "seed": self.seed,
            "sha256": hashlib.sha256(json.dumps(ids).encode()).hexdigest(),
            "question_ids": ids,
        }


def _accuracy(answers: Sequence[Answer], categories: Sequence[str]) -> Accuracy:
    return accuracy_of([answer.correct for answer in answers], [answer.options for answer in answers], categories)


def _row(accuracy: Accuracy) -> dict[str, Any]:
    """The numbers of an accuracy, as records hold them."""
    value, low, high = accuracy.above_chance
    return {
        "accuracy": accuracy.accuracy,
        "stderr": accuracy.stderr,
        "low": accuracy.low,
        "high": accuracy.high,
        "chance": accuracy.chance,
        "above_chance": {"value": value, "low": low, "high": high},
        "at_chance": accuracy.at_chance,
        "words": accuracy.words,
        "questions": accuracy.questions,
        "correct": accuracy.correct,
    }


def _unparsed(protocol: Protocol, answers: Sequence[Answer]) -> dict[str, Any] | None:
    """Generated texts in which no answer was found; None where nothing is generated."""
    if not protocol.generates:
        return None
    count = sum(answer.chosen is None for answer in answers)
    return {"count": count, "share": count / len(answers)}

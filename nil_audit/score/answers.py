"""Answers kept on disk as they come, one line a question, so that a run that was killed goes on where it stopped.

A file holds the answers of one checkpoint in one dtype by one protocol; a line is found by the hash of all that the
model is shown and of what its answer is held against, so it does not matter which engine gave it, in which batch or
sample, or where the questions were read from. A line is written at once, and half a line, the last that a killed run
leaves, is no answer. A file that cannot be written costs a sentence, never a run.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from nil_audit.files import cache_folder, safe_name

FORMAT = 3
"""Of the lines; those of another are not read."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One question's outcome.

    Attributes:
        question_id: MMLU-Pro's number of the question.
        category: Of the question.
        options: Options that it offers.
        target: Letter of the right one.
        chosen: Letter chosen; None where no answer could be read from the generated text.
        correct: What lm-eval's metric says.
        likelihoods: Log-probability of each option's letter, in nats; empty where text is generated.
        text: What was generated, up to the answer; None where nothing is.
        cut: Whether the prompt was longer than the context, so that its beginning was lost.
        question_cut: Whether even the question alone was, so that part of it was lost.
        context: The model's context in tokens, as lm-eval sees it.
        engine: "shared", "plain" or "vllm".
        batch_size: Questions a forward pass; None with vLLM.
        seconds: Its share of the wall time of asking.
        created: When it was given, ISO 8601 in UTC.
    """

    question_id: int
    category: str
    options: int
    target: str
    chosen: str | None
    correct: bool
    likelihoods: tuple[float, ...]
    text: str | None
    cut: bool
    question_cut: bool
    context: int
    engine: str
    batch_size: int | None
    seconds: float
    created: str


@dataclass(frozen=True, kw_only=True)
class Journal:
    """The file of one model's answers by one protocol.

    Attributes:
        identity: Hash of the checkpoint: weights, configuration and tokenizer.
        dtype: Of the weights in memory.
        protocol: Name of the protocol.
        version: Of its task.
    """

    identity: str
    dtype: str
    protocol: str
    version: str

    @property
    def path(self) -> Path:
        """Where the answers are kept."""
        key = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return scores_folder(self.identity) / f"{safe_name(self.protocol)}-{safe_name(self.dtype)}-{key[:16]}.jsonl"

    def read(self) -> dict[str, Answer]:
        """The answers kept, by the hash of what was asked; where a question was asked again, the latest."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except OSError:
            return {}
        found: dict[str, Answer] = {}
        for line in lines:
            try:
                document = json.loads(line)
                if document["format"] == FORMAT:
                    answer = dict(document["answer"])
                    answer["likelihoods"] = tuple(answer["likelihoods"])
                    found[document["asked"]] = Answer(**answer)
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
        return found

    def append(self, answers: Mapping[str, Answer]) -> str | None:
        """Add answers by the hash of what was asked, all in one write; why they are not kept, where they cannot be."""
        lines = (
            json.dumps({"format": FORMAT, "asked": asked, "answer": asdict(answer)})
            for asked, answer in answers.items()
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # whatever stood before, the first line begins a new one: what a killed run left may be half a line
            data = "".join(f"\n{line}" for line in lines).encode() + b"\n"
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                _write_all(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError as error:
            return f"Answers are not kept: cannot write to {self.path.parent} ({error.strerror or error})."
        return None


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def in_order(answers: Iterable[Answer]) -> tuple[Answer, ...]:
    """Answers by category and question id: the order of every result."""
    return tuple(sorted(answers, key=lambda answer: (answer.category, answer.question_id)))


def scores_folder(identity: str) -> Path:
    """Where everything that is kept of a checkpoint's scores is."""
    return cache_folder() / "scores" / safe_name(identity)[:40]

"""Ask a model batch by batch: every answer is kept as it comes, and what a batch costs is known after the first."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nil_audit.errors import MeasurementError
from nil_audit.progress import quiet_libraries
from nil_audit.score.answers import Answer
from nil_audit.score.protocols import Protocol
from nil_audit.score.questions import Question, Response, judged

if TYPE_CHECKING:
    from nil_audit.score.engines.engine import Engine

_SOON = 10.0
"""Seconds that are not worth an estimate."""
Answers = dict[str, Answer]
"""By the hash of what was asked."""

_VLLM_BATCH = 512
"""Questions that vLLM is handed at once; it schedules its own batches within them."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Questions whose prompts begin alike, longest first, as lm-eval orders them.

    Attributes:
        questions: Of the group.
        lengths: Tokens of each prompt.
    """

    questions: tuple[Question, ...]
    lengths: tuple[int, ...]


def groups(protocol: Protocol, questions: Sequence[Question], engine: "Engine") -> list[Group]:
    """Questions grouped by the worked examples that they are asked with, where the engine makes use of that.

    Without, they are in one group, and in the batches that lm-eval's own run has.
    """
    by_name: dict[str, list[tuple[int, Question]]] = {}
    with quiet_libraries():  # a prompt longer than the context is counted, and said of the score
        encoded = engine.encode([question.prompt for question in questions])
        for question, tokens in zip(questions, encoded, strict=True):
            name = question.category if protocol.own_shots and engine.shares else "all"
            by_name.setdefault(name, []).append((len(tokens), question))
    found = []
    for members in by_name.values():
        members.sort(key=lambda member: (-member[0], member[1].digest))
        found.append(
            Group(questions=tuple(question for _, question in members), lengths=tuple(length for length, _ in members))
        )
    return found


class Asking:
    """One model being asked.

    Attributes:
        notes: What a reader of the answers must know, in sentences.
    """

    def __init__(self, engine: "Engine", protocol: Protocol, *, batch_size: int | None) -> None:
        """Nothing is asked yet.

        Args:
            engine: The model.
            protocol: How it is asked.
            batch_size: Questions a batch; None with vLLM.
        """
        self._engine, self._protocol, self._batch_size = engine, protocol, batch_size
        self._limit = batch_size or _VLLM_BATCH
        self._halved = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the answers must know, in sentences."""
        shrunk = f"Memory ran out at a batch size of {self._batch_size}; {self._limit} was used from there on."
        return (*self._engine.notes, *([shrunk] if self._halved else []))

    def batches(self, group: Group, rank: int, size: int) -> Iterator[Sequence[Question]]:
        """This process's batches of a group, the first of ``size`` processes' first, one a round for each process.

        A process without a batch in the last round gets an empty one, so that all take as many.
        """
        step = self._batch_size or _VLLM_BATCH
        for start in range(0, len(group.questions), step * size):
            yield group.questions[start + rank * step : start + (rank + 1) * step]

    def ask(self, batch: Sequence[Question]) -> Answers:
        """The answers to one batch.

        Raises:
            MeasurementError: Memory ran out even for one question, or a likelihood is not finite.
            CheckpointError: The tokenizer gives ids that the embedding does not have.
        """
        answers: Answers = {}
        rest = list(batch)
        while rest:
            asked = rest[: self._limit]
            start = time.perf_counter()
            try:
                responses = self._engine.respond(asked)
            except Exception as error:
                self._halve(error, len(asked))
                continue
            seconds = (time.perf_counter() - start) / len(asked)
            for question, response in zip(asked, responses, strict=True):
                answers[question.digest] = self._answer(question, response, seconds)
            rest = rest[len(asked) :]
        return answers

    def _halve(self, error: Exception, size: int) -> None:
        """Half the batch where memory ran out; any other error goes on."""
        from accelerate.utils.memory import clear_device_cache

        from nil_audit.weights.memory import ran_out

        if not ran_out(error):
            raise error
        if size == 1:
            raise MeasurementError(
                "Memory ran out with a single question at a time; use --dtype bfloat16, or a device with more memory "
                "(answers so far are kept)."
            ) from error
        error.__traceback__ = None  # its frames hold the tensors that did not fit
        clear_device_cache(garbage_collection=True)
        self._limit, self._halved = size // 2, True

    def _answer(self, question: Question, responses: Sequence[Response], seconds: float) -> Answer:
        from nil_audit.score.engines.engine import not_finite

        chosen, correct = judged(self._protocol, question, responses)
        engine, room = self._engine, self._engine.room(self._protocol)
        cut = self._longest(question.prompt, question, room) > room
        generated = isinstance(responses[0], str)
        likelihoods = () if generated else tuple(float(response[0]) for response in responses)
        if not all(map(math.isfinite, likelihoods)):
            raise not_finite()
        return Answer(
            question_id=question.row["question_id"],
            category=question.category,
            options=len(question.row["options"]),
            target=question.row["answer"],
            chosen=chosen,
            correct=correct,
            likelihoods=likelihoods,
            text=str(responses[0]) if generated else None,
            cut=cut,
            question_cut=cut and self._longest(question.alone, question, room) > room,
            context=engine.max_length,
            engine="plain" if cut and engine.engine == "shared" else engine.engine,  # without what it had in common
            batch_size=None if self._batch_size is None else min(self._batch_size, self._limit),
            seconds=round(seconds, 4),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _longest(self, text: str, question: Question, room: int) -> int:
        """Tokens of a text with its longest ending; endings are only looked at where they can matter."""
        length = len(self._engine.tok_encode(text))
        if length < room - 16 or not question.endings:
            return length
        return max(len(self._engine.tok_encode(text + ending)) for ending in question.endings)


def require_room(engine: "Engine", protocol: Protocol, questions: Sequence[Question], name: str) -> None:
    """Check that at least one question, alone with its options and no worked example, fits the context.

    Raises:
        MeasurementError: None does, so that no answer would be an answer to the question.
    """
    room = engine.room(protocol)
    for question in questions:
        ending = question.endings[0] if question.endings else ""
        if len(engine.tok_encode(question.alone + ending)) <= room:
            return
    raise MeasurementError(
        f"The context of {name} ({engine.max_length:,} tokens) is shorter than one question of MMLU-Pro with its "
        "options, so its answers would mean nothing; score a model with a context of some hundred tokens or more."
    )


def costs(asked: Sequence[Group], common: int, batch: int, seconds: float, *, processes: int = 1) -> str | None:
    """What a run will cost, in a sentence, once its first batch is done; None where it is about to end.

    Args:
        asked: Every group, the first of which has begun.
        common: Tokens that the first group's prompts have in common and that are read once.
        batch: Questions of the first batch of one process.
        seconds: Wall time of it.
        processes: That share the questions.
    """
    first, total = asked[0].lengths, sum(sum(group.lengths) for group in asked)
    questions = sum(len(group.lengths) for group in asked)
    share = common * (len(first) - 1) / sum(first)  # of the other groups too: their worked examples are as long
    own = (1 - share) * total
    done = sum(length - common for length in first[: batch * processes])
    left = seconds / max(done, 1) * max(own - done, 0)
    if left < _SOON:
        return None
    saved = f", {share:.0%} of them read only once" if common else ""
    return f"{questions:,} questions, {total:,} tokens{saved}: about {_words(left)} left."


def _words(seconds: float) -> str:
    """A time in words."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"

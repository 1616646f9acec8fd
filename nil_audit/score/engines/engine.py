"""What every engine is: a language model as lm-eval takes it, that is given a group of questions batch by batch."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

from nil_audit.errors import MeasurementError
from nil_audit.score import protocols
from nil_audit.score.questions import Question, Response


class Engine(Protocol):
    """A loaded model that answers.

    Attributes:
        engine: By which way it answers now: "shared", "plain" or "vllm".
        shares: Whether it makes use of what the prompts of a group have in common.
        notes: What a reader of the answers must know, in sentences: a way that was given up, and why.
    """

    engine: str
    shares: bool
    notes: list[str]

    @property
    def max_length(self) -> int:
        """The model's context in tokens, as lm-eval sees it."""

    def tok_encode(self, string: str) -> list[int]:
        """The tokens of a text."""

    def encode(self, texts: Sequence[str]) -> Sequence[Sequence[int]]:
        """The tokens of prompts, encoded together and kept for when they are asked."""

    def room(self, protocol: protocols.Protocol) -> int:
        """Tokens that a prompt, with the answer where that is read, may have before its beginning is cut off."""

    def begin(self, questions: Sequence[Question]) -> int:
        """Make ready for a group of questions whose prompts begin alike.

        Returns:
            Tokens that they have in common and that are read once for all of them; 0 where each reads its own.
        """

    def respond(self, questions: Sequence[Question]) -> list[list[Response]]:
        """One batch: the responses to each question's requests, in their order."""


def requests_of(questions: Sequence[Question], context: int) -> list[Any]:
    """The requests of a batch for lm-eval; what is generated is fitted to the context.

    Args:
        questions: One protocol's.
        context: Of the model, in tokens.
    """
    if questions[0].endings:
        return [request for question in questions for request in question.requests]
    length = {"max_gen_toks": protocols.generation_length(context)}
    return [
        dataclasses.replace(request, arguments=(request.args[0], {**request.args[1], **length}))
        for question in questions
        for request in question.requests
    ]


def by_question(questions: Sequence[Question], responses: Sequence[Response]) -> list[list[Response]]:
    """The responses to all requests of a batch, split by question."""
    rest = iter(responses)
    return [[next(rest) for _ in question.requests] for question in questions]


def not_finite(dtype: Any = None) -> MeasurementError:
    """The error of a model whose scores are not numbers, so that no answer is its own.

    Args:
        dtype: Of its weights, where known.
    """
    wider = "" if str(dtype) in ("torch.float32", "torch.float64") else "try --dtype float32, and "
    return MeasurementError(
        f"The scores of the answers are not finite on this text; {wider}check that the weights are not damaged."
    )

"""The plain engine: a loaded model of transformers behind lm-eval's wrapper, every prompt read whole."""

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from transformers import LogitsProcessor, LogitsProcessorList

from nil_audit.errors import CheckpointError
from nil_audit.progress import quiet_libraries
from nil_audit.score.engines.engine import by_question, not_finite, requests_of
from nil_audit.score.protocols import Protocol, generation_length
from nil_audit.score.questions import Question, Response


class PlainHFLM(HFLM):
    """lm-eval's wrapper of a loaded model, that encodes a prompt once.

    It refuses what lm-eval makes an answer of, or fails at with an IndexError: scores that are not numbers, and tokens
    that the embedding does not have.
    """

    engine = "plain"
    shares = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # lm-eval encodes the prompt anew for every option; the four last texts hold it until the question is done
        self._encoded = lru_cache(maxsize=4)(self._checked_encode)
        self._vocabulary = _vocabulary(self.model)
        self.notes: list[str] = []

    def room(self, protocol: Protocol) -> int:
        """Tokens that a prompt may have before lm-eval cuts it from the left.

        For a log-likelihood the last token of prompt and answer is only predicted, never read, so one more token than
        the context fits; for a generation the room that is generated into is taken off.
        """
        return self.max_length - generation_length(self.max_length) if protocol.generates else self.max_length + 1

    def begin(self, questions: Sequence[Question]) -> int:
        """Nothing: each prompt is read whole."""
        return 0

    def respond(self, questions: Sequence[Question]) -> list[list[Response]]:
        """One batch, by lm-eval's own forward passes."""
        requests = requests_of(questions, self.max_length)
        with quiet_libraries():
            ask = self.loglikelihood if questions[0].endings else self.generate_until
            return by_question(questions, ask(requests, disable_tqdm=True))

    def _checked_encode(self, *arguments: Any, **options: Any) -> list[int]:
        """The tokens of a text, each of them one that the model has."""
        tokens = super().tok_encode(*arguments, **options)
        if (largest := max(tokens, default=0)) >= self._vocabulary:
            raise CheckpointError(
                f"The tokenizer gives token {largest}, but the model's vocabulary ends at {self._vocabulary - 1}: they "
                "do not belong together; put the model's own tokenizer beside its weights."
            )
        return tokens

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **options: Any) -> list[int]:
        """The tokens of a text, as lm-eval encodes it."""
        return list(self._encoded(string, add_special_tokens, **options))

    def _select_cont_toks(self, logits: Any, *arguments: Any, **kwargs: Any) -> Any:
        """The log-probabilities of the positions that are scored, of one question."""
        chosen = super()._select_cont_toks(logits, *arguments, **kwargs)
        if torch.isnan(chosen).any():
            raise not_finite(self.model.dtype)
        return chosen

    def _model_generate(self, context: Any, *arguments: Any, **kwargs: Any) -> Any:
        """One batch of generations."""
        checked = LogitsProcessorList([_RefuseNaN(self.model.dtype)])
        return super()._model_generate(context, *arguments, logits_processor=checked, **kwargs)


class _RefuseNaN(LogitsProcessor):
    """Looks at the scores of every token that is generated, and leaves them as they are."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores of the next token, shape (B, V)."""
        if torch.isnan(scores).any():
            raise not_finite(self.dtype)
        return scores


def _vocabulary(model: Any) -> int:
    return int(model.get_input_embeddings().weight.shape[0])


def wrapping(model: Any, tokenizer: Any, *, batch_size: int) -> dict[str, Any]:
    """What lm-eval's wrapper is given to take a loaded model on the device where it is.

    lm-eval may give the tokenizer a padding token; it gets a copy, so that the caller's stays as it was.

    Raises:
        CheckpointError: The tokenizer names neither a beginning nor an end of text.
    """
    if tokenizer.bos_token_id is None and tokenizer.eos_token_id is None:
        raise CheckpointError(
            "The tokenizer names neither a beginning nor an end of text, and lm-eval needs one; set eos_token in its "
            "tokenizer_config.json."
        )
    tokenizer = copy.deepcopy(tokenizer)
    if (tokenizer.pad_token_id or 0) >= _vocabulary(model):
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.bos_token  # padding is masked, so any token does
    return {"pretrained": model, "tokenizer": tokenizer, "batch_size": batch_size}

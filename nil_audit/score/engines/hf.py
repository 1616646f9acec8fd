"""The engine of transformers: a loaded model behind lm-eval's wrapper."""

import copy
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from transformers import LogitsProcessor, LogitsProcessorList

from nil_audit.errors import CheckpointError
from nil_audit.progress import quiet_libraries
from nil_audit.score.harness import not_finite


class QuietHFLM(HFLM):
    """lm-eval's wrapper of a loaded model, that shows progress by question and encodes a prompt once.

    It refuses what lm-eval makes an answer of, or fails at with an IndexError: scores that are not numbers, and tokens
    that the embedding does not have.
    """

    advance: Callable[[int], object] | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # lm-eval encodes the prompt anew for every option; the four last texts hold it until the question is done
        self._encoded = lru_cache(maxsize=4)(self._checked_encode)
        self._vocabulary = _vocabulary(self.model)

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

    def _model_call(self, inps: Any, **kwargs: Any) -> Any:
        """One forward pass; a row is one question, since its options share a context."""
        logits = super()._model_call(inps, **kwargs)
        if self.advance:
            self.advance(inps.shape[0])
        return logits

    def _select_cont_toks(self, logits: Any, *arguments: Any, **kwargs: Any) -> Any:
        """The log-probabilities of the positions that are scored, of one question."""
        chosen = super()._select_cont_toks(logits, *arguments, **kwargs)
        if torch.isnan(chosen).any():
            raise not_finite(self.model.dtype)
        return chosen

    def _model_generate(self, context: Any, *arguments: Any, **kwargs: Any) -> Any:
        """One batch of generations; a row is one question."""
        checked = LogitsProcessorList([_RefuseNaN(self.model.dtype)])
        tokens = super()._model_generate(context, *arguments, logits_processor=checked, **kwargs)
        if self.advance:
            self.advance(context.shape[0])
        return tokens


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


def wrap_model(model: Any, tokenizer: Any, *, batch_size: int) -> QuietHFLM:
    """A loaded model as lm-eval takes it, on the device where it is.

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
    with quiet_libraries():
        return QuietHFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)

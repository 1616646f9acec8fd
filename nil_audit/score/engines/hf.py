"""The engine of transformers: a loaded model behind lm-eval's wrapper."""

import copy
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lm_eval.models.huggingface import HFLM

from nil_audit.errors import CheckpointError
from nil_audit.progress import quiet_libraries


class QuietHFLM(HFLM):
    """lm-eval's wrapper of a loaded model, that shows progress by question and encodes a prompt once."""

    advance: Callable[[int], object] | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # lm-eval encodes the prompt anew for every option; the four last texts hold it until the question is done
        self._encoded = lru_cache(maxsize=4)(super().tok_encode)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **options: Any) -> list[int]:
        """The tokens of a text, as lm-eval encodes it."""
        return list(self._encoded(string, add_special_tokens, **options))

    def _model_call(self, inps: Any, **kwargs: Any) -> Any:
        """One forward pass; a row is one question, since its options share a context."""
        logits = super()._model_call(inps, **kwargs)
        if self.advance:
            self.advance(inps.shape[0])
        return logits

    def _model_generate(self, context: Any, *arguments: Any, **kwargs: Any) -> Any:
        """One batch of generations; a row is one question."""
        tokens = super()._model_generate(context, *arguments, **kwargs)
        if self.advance:
            self.advance(context.shape[0])
        return tokens


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
    with quiet_libraries():
        return QuietHFLM(pretrained=model, tokenizer=copy.deepcopy(tokenizer), batch_size=batch_size)

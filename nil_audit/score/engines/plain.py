"""The plain engine: a loaded model of transformers behind lm-eval's wrapper, every prompt read whole."""

import copy
from array import array
from collections.abc import Sequence
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from transformers import LogitsProcessor, LogitsProcessorList

from nil_audit.errors import CheckpointError
from nil_audit.progress import quiet_libraries
from nil_audit.score.engines.engine import by_question, not_finite, requests_of
from nil_audit.score.protocols import Protocol, generation_length
from nil_audit.score.questions import Question, Response

_AT_ONCE = 256
"""Texts that are encoded in one call: enough for every core, and few enough for what a tokenizer keeps of each."""


class PlainHFLM(HFLM):
    """lm-eval's wrapper of a loaded model, that encodes a prompt once, and the texts of a batch together.

    It refuses what lm-eval makes an answer of, or fails at with an IndexError: scores that are not numbers, and tokens
    that the embedding does not have.
    """

    engine = "plain"
    shares = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._prompts: dict[str, array[int]] = {}  # tokens of a full run: 12,032 texts of some 1,000, 4 bytes each
        self._wholes: dict[str, list[int]] = {}  # of the batch that is being asked
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
        with quiet_libraries():
            if questions[0].endings:
                return self._likelihoods(questions)
            if self.tokenizer.eos_token_id is None:
                raise CheckpointError(
                    "The tokenizer names no end of text, and what is generated needs one; set eos_token in its "
                    "tokenizer_config.json, or ask by --protocol mc."
                )
            requests = requests_of(questions, self.max_length)
            return by_question(questions, self.generate_until(requests, disable_tqdm=True))

    def _likelihoods(self, questions: Sequence[Question]) -> list[list[Response]]:
        """lm-eval's log-likelihoods, every text encoded before it asks for it."""
        requests = requests_of(questions, self.max_length)
        texts = ["".join(request.args) for request in requests]
        self._wholes = dict(zip(texts, self._tokens(texts), strict=True))
        prompt, ending = requests[0].args
        if len(self.tok_encode(prompt + ending)) <= len(self.tok_encode(prompt)):
            raise CheckpointError(
                "The tokenizer joins an option's letter to the end of the prompt, so that it has no likelihood of its "
                "own; ask by --protocol cot."
            )
        return by_question(questions, self.loglikelihood(requests, disable_tqdm=True))

    def encode(self, texts: Sequence[str]) -> "list[array[int]]":
        """The tokens of prompts, encoded together; they are kept, since lm-eval asks for them once an ending."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._prompts]
        with quiet_libraries():
            for start in range(0, len(missing), _AT_ONCE):
                some = missing[start : start + _AT_ONCE]
                self._prompts |= {
                    text: array("i", tokens) for text, tokens in zip(some, self._tokens(some), strict=True)
                }
        return [self._prompts[text] for text in texts]

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **options: Any) -> list[int]:
        """The tokens of a text, as lm-eval encodes it."""
        if add_special_tokens is None and not options:
            found = self._prompts.get(string) or self._wholes.get(string)
            if found is not None:
                return list(found)
        return self._valid(super().tok_encode(string, add_special_tokens, **options))

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of texts, encoded in one call where that takes all cores, to those of lm-eval's ``tok_encode``.

        As there, special tokens are the tokenizer's own or the user's choice, and none where the text itself begins
        with that of a beginning.
        """
        if not getattr(self.tokenizer, "is_fast", False):
            return [self.tok_encode(text) for text in texts]
        beginning = self.tokenizer.decode(self.prefix_token_id)
        usual = {} if self.add_bos_token is None else {"add_special_tokens": self.add_bos_token}
        found: dict[str, list[int]] = {}
        for begun, special in ((False, usual), (True, {"add_special_tokens": False})):
            some = [text for text in dict.fromkeys(texts) if text.startswith(beginning) == begun]
            if some:
                encoded = self.tokenizer(some, return_attention_mask=False, return_token_type_ids=False, **special)
                found |= dict(zip(some, map(self._valid, encoded["input_ids"]), strict=True))
        return [found[text] for text in texts]

    def _valid(self, tokens: list[int]) -> list[int]:
        """Tokens, each of them one that the model has."""
        if (largest := max(tokens, default=0)) >= self._vocabulary:
            raise CheckpointError(
                f"The tokenizer gives token {largest}, but the model's vocabulary ends at {self._vocabulary - 1}: they "
                "do not belong together; put the model's own tokenizer beside its weights."
            )
        return tokens

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

"""Greedy decoding of a batch of answers after a shared prefix, each up to the token that decides it.

Shapes: B answers that are not at their end, P tokens of the prefix, S of the longest suffix, V vocabulary.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from lm_eval.filters.extraction import RegexFilter
from lm_eval.filters.selection import TakeFirstFilter
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text

from nil_audit.score.engines.engine import not_finite
from nil_audit.score.engines.layers import SharingError
from nil_audit.score.engines.prefix import Prefix, Tokens
from nil_audit.weights.logits import logits_at

_TAIL = 32
"""Last tokens of an answer whose text is looked at after every step."""

_FOLLOWED = 256
"""Tokens of an answer that are checked against a plain forward pass, so that their logits take little memory."""

_IRRELEVANT = {
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "max_length", "max_new_tokens"),
    *("do_sample", "temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"),
    *("renormalize_logits", "length_penalty", "early_stopping", "use_cache", "cache_implementation", "cache_config"),
    *("output_attentions", "output_hidden_states", "output_scores", "output_logits", "return_dict_in_generate"),
    *("disable_compile", "compile_config", "transformers_version", "_from_model_config"),
}
"""What a generation_config may hold without changing which token greedy decoding takes, or is read here."""

_NEUTRAL = {
    *("repetition_penalty", "encoder_repetition_penalty", "guidance_scale"),
    *("num_beams", "num_beam_groups", "num_return_sequences"),
}
"""What changes nothing at 1; anything else changes nothing at 0, false or empty."""


def changes_choice(generation_config: Any) -> str | None:
    """What of a model's generation_config makes lm-eval's generation take other tokens than the likeliest, by name."""
    given: Mapping[str, Any] = generation_config.to_diff_dict()
    changing = [
        name
        for name, value in given.items()
        if name not in _IRRELEVANT and value and not (name in _NEUTRAL and value == 1)
    ]
    return ", ".join(sorted(changing)) or None


def answer_pattern(task: Any) -> re.Pattern[str] | None:
    """The pattern whose first match in an answer is all that lm-eval's task looks at; None where it looks at more.

    Args:
        task: lm-eval's, whose first filters give the answer.
    """
    made = [make() for make in task._filters[0].filters]
    if len(made) == 2 and type(made[0]) is RegexFilter and type(made[1]) is TakeFirstFilter:
        return made[0].regex if made[0].group_select == 0 else None
    return None


class Stop:
    """When an answer is at its end, and which text it then is.

    Attributes:
        limit: Tokens of the longest answer.
    """

    def __init__(self, engine: Any, options: Mapping[str, Any], pattern: re.Pattern[str] | None) -> None:
        """Read lm-eval's options of a request and the model's own.

        Args:
            engine: lm-eval's wrapper of a model.
            options: The request's, with lm-eval's names ("until", "max_gen_toks").
            pattern: What decides an answer when it first occurs.
        """
        self._decode = engine.tok_decode
        self._pattern = pattern
        chosen = normalize_gen_kwargs(dict(options), engine.max_gen_toks)
        end = engine.tok_decode(engine.eot_token_id, skip_special_tokens=False)
        self._until = handle_stop_sequences(chosen["until"], eos=end)
        config = engine.model.generation_config
        own = config.eos_token_id
        # the tokenizer's own end, where the model's generation_config does not name it, ends lm-eval's answers only
        # when all of a batch have come to it; so it ends an answer here, as it does in lm-eval's batches of one
        self._ends = {engine.eot_token_id, *(own if isinstance(own, (list, tuple)) else [own])}
        # of the two lengths transformers takes the model's own
        self.limit = int(config.max_new_tokens or chosen["max_gen_toks"])

    def reached(self, tokens: list[int]) -> bool:
        """Whether nothing that would follow these tokens can change what lm-eval reads in the answer."""
        if tokens[-1] in self._ends or len(tokens) >= self.limit:
            return True
        # the tail may begin in the middle of a character, so what it seems to say is looked up in the whole
        return self._says_end(self._decode(tokens[-_TAIL:])) and self._says_end(self._decode(tokens))

    def _says_end(self, text: str) -> bool:
        kept = self._cut(text)
        return len(kept) < len(text) or (self._pattern is not None and self._pattern.search(kept) is not None)

    def text(self, tokens: list[int]) -> str:
        """The answer, as lm-eval would have it from these tokens."""
        return self._cut(self._decode(tokens))

    def _cut(self, text: str) -> str:
        return postprocess_generated_text(text, stop=self._until, think_end_token=None)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model wrote.

    Attributes:
        tokens: Of the answer, the one that ended it included.
        likelihoods: Log-probability of each token when it was written, in nats.
    """

    tokens: list[int]
    likelihoods: list[float]


def greedy(prefix: Prefix, suffixes: Sequence[Tokens], reached: Callable[[list[int]], bool]) -> list[Answer]:
    """The likeliest next token, again and again, of a batch of prompts.

    An answer at its end leaves the batch, so the last and longest ones do not carry the others along.

    Args:
        prefix: What all prompts begin with.
        suffixes: What follows in each of them, none empty.
        reached: Whether an answer is at its end with these tokens.

    Returns:
        The answer to each prompt.

    Raises:
        MeasurementError: The scores of the next token are not finite.
    """
    written = [Answer(tokens=[], likelihoods=[]) for _ in suffixes]
    rows = list(range(len(suffixes)))
    lengths = [len(prefix.tokens) + len(suffix) for suffix in suffixes]
    cache = prefix.cache(len(suffixes), max(map(len, suffixes)))
    last = torch.tensor([[len(suffix) - 1] for suffix in suffixes])
    scores = prefix.follow(suffixes, cache, last)[:, 0]
    while True:
        likeliest = scores.argmax(dim=-1, keepdim=True)
        likelihoods = F.log_softmax(scores, dim=-1, dtype=torch.float32).gather(1, likeliest)
        if torch.isnan(likelihoods).any():
            raise not_finite(scores.dtype)
        for row, token, likelihood in zip(rows, likeliest[:, 0].tolist(), likelihoods[:, 0].tolist(), strict=True):
            written[row].tokens.append(token)
            written[row].likelihoods.append(likelihood)
        going = [place for place, row in enumerate(rows) if not reached(written[row].tokens)]
        if not going:
            return written
        if len(going) < len(rows):
            kept = torch.tensor(going, device=likeliest.device)
            cache.batch_select_indices(kept)
            likeliest, rows, lengths = likeliest[kept], [rows[n] for n in going], [lengths[n] for n in going]
        at = torch.tensor(lengths, device=likeliest.device)[:, None]
        lengths = [length + 1 for length in lengths]
        scores = prefix.step(
            likeliest,
            cache,
            mask=(torch.arange(max(lengths), device=at.device)[None] <= at).long(),
            positions=at,
            scored=torch.zeros_like(at),
        )[:, 0]


def require_same(model: Any, prompt: Tokens, answer: Answer, tolerance: float) -> None:
    """Read a prompt with its answer whole, in one plain forward pass, and find each token as likely as it was written.

    Args:
        model: A causal language model of transformers.
        prompt: Its tokens.
        answer: That was generated after it.
        tolerance: By how much, in nats, rounding may move a log-probability.

    Raises:
        SharingError: A token is more or less likely.
        MeasurementError: The scores are not finite.
    """
    checked = answer.tokens[:_FOLLOWED]
    device = model.get_input_embeddings().weight.device
    read = torch.tensor([[*prompt, *checked[:-1]]], device=device)
    positions = torch.arange(len(prompt) - 1, read.shape[1], device=device)[None]
    with torch.no_grad(), logits_at(model, positions) as was_asked:
        logits = model(read, use_cache=False).logits
    scores = logits[0] if was_asked() else logits[0, len(prompt) - 1 :]
    if torch.isnan(scores).any():
        raise not_finite(scores.dtype)
    plain = F.log_softmax(scores, dim=-1, dtype=torch.float32)
    tokens = torch.tensor(checked, device=plain.device)[:, None]
    written = torch.tensor(answer.likelihoods[:_FOLLOWED], device=plain.device)
    moved = float((plain.gather(1, tokens)[:, 0] - written).abs().max())
    if not moved <= tolerance:
        raise SharingError(f"reading them once moves the log-probability of a token that it writes by {moved:.2g}")

"""The shared engine: what the prompts of a group have in common is read once, and only what differs goes on from it.

Tasks, prompts, encoding, metrics and answers stay lm-eval's. Whether it is right for a model is checked on the first
questions of each run against the plain way, and where it is not the plain way is taken.
"""

import re
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from accelerate.utils.memory import should_reduce_batch_size

from nil_audit.errors import NilAuditError
from nil_audit.progress import quiet_libraries
from nil_audit.score.engines.decoding import Stop, answer_pattern, changes_choice, greedy, require_likeliest
from nil_audit.score.engines.engine import not_finite, requests_of
from nil_audit.score.engines.plain import PlainHFLM
from nil_audit.score.engines.prefix import Prefix, SharingError, common_prefix
from nil_audit.score.protocols import generation_length
from nil_audit.score.questions import Question

Request = tuple[tuple[str, str], list[int], list[int]]
"""lm-eval's: prompt and ending as texts, and their tokens."""

_FEWEST = 16
"""Tokens in common below which sharing is not worth a forward pass of its own."""

_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3, torch.float16: 0.1, torch.bfloat16: 0.5}
"""Largest difference of a log-probability, in nats, that rounding explains."""


class SharedHFLM(PlainHFLM):
    """lm-eval's wrapper of a loaded model, that reads a group's common prefix once."""

    shares = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._prefix: Prefix | None = None
        self._checked = False
        self._pattern: re.Pattern[str] | None = None
        self._given_up = False

    @property
    def engine(self) -> str:  # type: ignore[override]
        """By which way it answers now: "shared", or "plain" where sharing is not possible or was given up."""
        return "shared" if self._prefix is not None else "plain"

    def begin(self, questions: Sequence[Question]) -> int:
        """Read what a group's prompts have in common, and check on two of them, once a run, that it changes nothing."""
        self._prefix = None
        generates = not questions[0].endings
        # one question alone is worth it where text is generated: it ends with the answer
        fewest = 1 if generates else 2
        if self._given_up or len(questions) < fewest:
            return 0
        ahead = generation_length(self.max_length) if generates else 1
        prompts = [self.tok_encode(question.prompt) for question in questions]
        fitting = [prompt for prompt in prompts if len(prompt) + ahead <= self.max_length]
        if len(fitting) < fewest or (length := common_prefix(fitting)) < _FEWEST:
            return 0
        if generates:
            self._pattern = answer_pattern(questions[0].task)
            if changing := changes_choice(self.model.generation_config):
                self._give_up(f"its generation_config lets another than the likeliest token follow ({changing})")
                return 0
        try:
            self._prefix = Prefix(self.model, fitting[0][:length], longest=max(map(len, fitting)) + ahead)
        except SharingError as reason:
            self._give_up(str(reason))
            return 0
        if not self._checked and not generates:
            self._checked = True
            self._check(questions, prompts)
        return length if self._prefix is not None else 0

    def _check(self, questions: Sequence[Question], prompts: Sequence[Sequence[int]]) -> None:
        """Ask the longest and the shortest prompt both ways, and give up where they differ."""
        by_length = sorted(range(len(questions)), key=lambda number: len(prompts[number]))
        pair = [questions[by_length[-1]], questions[by_length[0]]]
        requests = requests_of(pair, self.max_length)
        with quiet_libraries():
            shared = self.loglikelihood(requests, disable_tqdm=True)
            prefix, self._prefix = self._prefix, None
            plain = self.loglikelihood(requests, disable_tqdm=True)
        self._prefix = prefix
        moved = max(abs(one[0] - other[0]) for one, other in zip(shared, plain, strict=True))
        if not moved <= _TOLERANCE.get(self.model.dtype, 1e-3):
            self._give_up(f"reading them once moves a log-probability by {moved:.2g}")

    def _give_up(self, reason: str) -> None:
        self._prefix, self._given_up = None, True
        self.notes.append(f"The worked examples are read anew for every question, because {reason}.")

    def _loglikelihood_tokens(
        self, requests: list[Request], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        """Log-probability of each ending, and whether it is the likeliest, as lm-eval's own method returns them."""
        prefix = self._prefix
        if prefix is None:
            return super()._loglikelihood_tokens(requests, disable_tqdm, override_bs)
        found: dict[int, tuple[float, bool]] = {}
        rows: dict[tuple[int, ...], list[int]] = {}
        whole: list[int] = []
        length = len(prefix.tokens)
        for number, (_, context, ending) in enumerate(requests):
            read = (*context, *ending[:-1])
            if read[:length] == prefix.tokens and len(context) > length and len(read) <= self.max_length:
                rows.setdefault(read[length:], []).append(number)
            else:
                whole.append(number)
        ordered = sorted(rows, key=len, reverse=True)
        for start in range(0, len(ordered), self.batch_size):
            batch = ordered[start : start + self.batch_size]
            endings = [[requests[number][2] for number in rows[row]] for row in batch]
            found |= self._scored(prefix, batch, endings, [rows[row] for row in batch])
        if whole:
            rest = super()._loglikelihood_tokens([requests[number] for number in whole], disable_tqdm, override_bs)
            found |= dict(zip(whole, rest, strict=True))
        return [found[number] for number in range(len(requests))]

    def _scored(
        self,
        prefix: Prefix,
        suffixes: Sequence[Sequence[int]],
        endings: Sequence[Sequence[list[int]]],
        numbers: Sequence[Sequence[int]],
    ) -> dict[int, tuple[float, bool]]:
        """One forward pass over a batch of suffixes: the log-probabilities of what ends each of them."""
        most = max(len(ending) for group in endings for ending in group)
        # of each row the last positions, as many as its longest ending has tokens; a shorter row repeats its first
        scored = torch.tensor([[max(len(row) - most + n, 0) for n in range(most)] for row in suffixes])
        cache = prefix.cache(len(suffixes), max(map(len, suffixes)))
        logits = F.log_softmax(prefix.follow(suffixes, cache, scored), dim=-1, dtype=self.softmax_dtype)
        if torch.isnan(logits).any():
            raise not_finite(self.model.dtype)
        likeliest = logits.argmax(dim=-1)
        found: dict[int, tuple[float, bool]] = {}
        for row, (group, places) in enumerate(zip(endings, numbers, strict=True)):
            for ending, place in zip(group, places, strict=True):
                tokens = torch.tensor(ending, device=logits.device)
                chosen = logits[row, -len(ending) :].gather(1, tokens[:, None]).sum()
                found[place] = float(chosen), bool((likeliest[row, -len(ending) :] == tokens).all())
        return found

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """What follows each prompt, as lm-eval's own method returns it, but ended by the token that decides the answer.

        Args:
            requests: lm-eval's, of one protocol.
            disable_tqdm: Show no progress.
        """
        found: dict[int, str] = {}
        if self._prefix is not None:
            try:
                found = self._generated(self._prefix, requests)
            except SharingError as reason:
                self._give_up(str(reason))
            except Exception as error:
                if isinstance(error, NilAuditError | MemoryError) or should_reduce_batch_size(error):
                    raise
                self._give_up(f"the model cannot go on from what it has read ({type(error).__name__})")
        whole = [number for number in range(len(requests)) if number not in found]
        if whole:
            rest = super().generate_until([requests[number] for number in whole], disable_tqdm)
            found |= dict(zip(whole, rest, strict=True))
        return [found[number] for number in range(len(requests))]

    def _generated(self, prefix: Prefix, requests: Sequence[Any]) -> dict[int, str]:
        """The answers to those prompts that begin with the prefix and fit the context with the longest answer."""
        stop = Stop(self, requests[0].args[1], self._pattern)
        prompts = dict(enumerate(self.tok_encode(request.args[0]) for request in requests))
        length, longest = len(prefix.tokens), self.max_length - stop.limit
        numbers = [
            n for n, one in prompts.items() if tuple(one[:length]) == prefix.tokens and length < len(one) <= longest
        ]
        numbers.sort(key=lambda number: len(prompts[number]), reverse=True)
        found: dict[int, str] = {}
        for start in range(0, len(numbers), self.batch_size):
            batch = numbers[start : start + self.batch_size]
            answers = greedy(prefix, [prompts[number][length:] for number in batch], stop)
            if not self._checked:
                for number in {0, len(batch) - 1}:  # the longest prompt, and that with most padding
                    require_likeliest(
                        self.model, prompts[batch[number]], answers[number], _TOLERANCE.get(self.model.dtype, 1e-3)
                    )
                self._checked = True
            found |= {number: stop.text(answer) for number, answer in zip(batch, answers, strict=True)}
        return found

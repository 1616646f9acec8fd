"""The shared engine: what the prompts of a group have in common is read once, and only what differs goes on from it.

Tasks, prompts, encoding, metrics and answers stay lm-eval's. Whether it is right for a model is checked on the first
questions of each run against the plain way, and where it is not the plain way is taken.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from nil_audit.progress import quiet_libraries
from nil_audit.score.engines.engine import not_finite, requests_of
from nil_audit.score.engines.plain import PlainHFLM
from nil_audit.score.engines.prefix import Prefix, SharingError, common_prefix
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
        self._given_up = False

    @property
    def engine(self) -> str:  # type: ignore[override]
        """By which way it answers now: "shared", or "plain" where sharing is not possible or was given up."""
        return "shared" if self._prefix is not None else "plain"

    def begin(self, questions: Sequence[Question]) -> int:
        """Read what a group's prompts have in common, and check on two of them, once a run, that it changes nothing."""
        self._prefix = None
        if self._given_up or len(questions) < 2:
            return 0
        prompts = [self.tok_encode(question.prompt) for question in questions]
        fitting = [prompt for prompt in prompts if len(prompt) < self.max_length]
        if len(fitting) < 2 or (length := common_prefix(fitting)) < _FEWEST:
            return 0
        try:
            self._prefix = Prefix(self.model, fitting[0][:length], longest=max(map(len, fitting)) + 1)
        except SharingError as reason:
            self._give_up(str(reason))
            return 0
        if not self._checked:
            self._checked = True
            self._check(questions, prompts)
        return length if self._prefix is not None else 0

    def _check(self, questions: Sequence[Question], prompts: Sequence[Sequence[int]]) -> None:
        """Ask the longest and the shortest prompt both ways, and give up where they differ."""
        by_length = sorted(range(len(questions)), key=lambda number: len(prompts[number]))
        pair = [questions[by_length[-1]], questions[by_length[0]]]
        if not pair[0].endings:
            return
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

"""The shared engine: what the prompts of a group have in common is read once, and only what differs goes on from it.

Tasks, prompts, encoding, metrics and answers stay lm-eval's. Whether it is right for a model is checked on the first
questions of each run against the plain way, and where it is not the plain way is taken.
"""

import re
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from accelerate.utils.memory import clear_device_cache

from nil_audit.errors import MeasurementError, NilAuditError
from nil_audit.progress import quiet_libraries
from nil_audit.score.engines.checking import HALF, Difference, as_float32, difference, tolerance
from nil_audit.score.engines.decoding import Answer, Stop, answer_pattern, changes_choice, greedy, require_same
from nil_audit.score.engines.engine import not_finite
from nil_audit.score.engines.layers import SharingError
from nil_audit.score.engines.plain import PlainHFLM
from nil_audit.score.engines.prefix import Prefix, common_prefix
from nil_audit.score.protocols import generation_length
from nil_audit.score.questions import Question, Response
from nil_audit.weights.memory import ran_out

Request = tuple[tuple[str, str], list[int], list[int]]
"""lm-eval's: prompt and ending as texts, and their tokens."""

_EXACT = 8
"""Tokens that a model of half precision writes as float32 where it is checked."""
_FEWEST = 16
"""Tokens in common below which sharing is not worth a forward pass of its own."""


class SharedHFLM(PlainHFLM):
    """lm-eval's wrapper of a loaded model, that reads a group's common prefix once.

    Attributes:
        difference: From the plain way, on the questions that it was checked on; None before.
    """

    shares = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._prefix: Prefix | None = None
        self._checked = self._checked_padding = False
        self._pattern: re.Pattern[str] | None = None
        self._given_up = False
        self.difference: Difference | None = None

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
        prompts = self.encode([question.prompt for question in questions])
        fitting = [number for number, prompt in enumerate(prompts) if len(prompt) + ahead <= self.max_length]
        if len(fitting) < fewest or (length := common_prefix([prompts[number] for number in fitting])) < _FEWEST:
            return 0
        fitting.sort(key=lambda number: len(prompts[number]))
        longest = prompts[fitting[-1]]
        try:
            with quiet_libraries():
                self._prefix = Prefix(self.model, longest[:length])
                self._prefix.require_same_rotation(len(longest) + ahead)
                if generates:
                    self._require_greedy(questions[0], self._prefix, len(longest) + ahead)
                elif not self._checked:
                    self._check([questions[fitting[-1]], questions[fitting[0]]])
                    self._checked = True
        except NilAuditError:
            raise
        except Exception as error:
            self._fall_back(error)
        return length if self._prefix is not None else 0

    def _require_greedy(self, question: Question, prefix: Prefix, longest: int) -> None:
        """Find out how answers end, and that greedy decoding after a prefix is the model's own generation.

        Raises:
            SharingError: It is not, for a text of so many tokens.
        """
        self._pattern = answer_pattern(question.task)
        if changing := changes_choice(self.model.generation_config):
            raise SharingError(f"its generation_config lets another than the likeliest token follow ({changing})")
        # the rows of a batch are at different places of their texts, but a window is laid over all of them alike
        if prefix.window is not None and prefix.window < longest:
            raise SharingError(
                f"its sliding window of {prefix.window:,} tokens is shorter than a prompt with its answer, {longest:,}"
            )

    def respond(self, questions: Sequence[Question]) -> list[list[Response]]:
        """One batch; what fails after the shared prefix, unless memory ran out, is asked in the plain way."""
        try:
            return super().respond(questions)
        except Exception as error:
            if self._prefix is None or ran_out(error):
                raise
            self._fall_back(error)
        return super().respond(questions)

    def _check(self, pair: Sequence[Question]) -> None:
        """Ask questions both ways, and hold the difference against what rounding explains.

        Weights of half precision round so coarsely that little can be told, so they are taken as float32 too.

        Raises:
            SharingError: The answers differ.
            MeasurementError: The scores of the plain way are not finite.
        """
        dtype = self.model.dtype
        self.difference = found = self._difference(pair)
        if not found.largest <= tolerance(dtype):
            raise SharingError(f"reading them once moves a log-probability by {found.largest:.2g}")
        if dtype in HALF:
            exact = self._exact_difference(pair)
            if exact is not None and not exact.largest <= tolerance(torch.float32):
                raise SharingError(f"reading them once moves a log-probability by {exact.largest:.2g} even in float32")
            if found.letters:
                self.notes.append(
                    f"Reading the worked examples once moved the letter of {found.letters} of {len(pair)} questions "
                    f"that it was checked on, and log-probabilities by up to {found.largest:.2g}: no more than "
                    f"rounding to {str(dtype).removeprefix('torch.')} does, as batches of another size do too."
                )
        elif found.letters:
            raise SharingError(f"reading them once moves an answer, by {found.largest:.2g} in log-probability")

    def _exact_difference(self, pair: Sequence[Question]) -> Difference | None:
        """The difference with the weights taken as float32; None for a model that cannot be taken so."""
        given = self._prefix
        assert given is not None
        try:
            with as_float32(self.model):
                self._prefix = Prefix(self.model, given.tokens)
                return self._difference(pair)
        except SharingError:
            raise
        except Exception as error:
            _release(error)
            return None
        finally:
            self._prefix = given

    def _difference(self, pair: Sequence[Question]) -> Difference:
        """Between the plain way, one by one, and after the prefix in one batch."""
        prefix, self._prefix = self._prefix, None
        try:
            plain = [self._likelihoods([question])[0] for question in pair]
        finally:
            self._prefix = prefix
        try:
            return difference(plain, self._likelihoods(pair))
        except MeasurementError as error:
            raise SharingError("the scores after them are not finite where they are read once") from error

    def _fall_back(self, error: Exception) -> None:
        """Go on in the plain way: with this group where memory ran out, else for good, and say why."""
        self._prefix = None
        _release(error)
        if ran_out(error):
            return
        reason = (
            str(error)
            if isinstance(error, SharingError)
            else f"the model cannot go on from them ({type(error).__name__})"
        )
        self._given_up = True
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
        # every ending's tokens, padded on the left, are looked up at once, and two tensors leave the device
        places = [(row, ending) for row, group in enumerate(endings) for ending in group]
        rows = torch.tensor([row for row, _ in places], device=logits.device)
        tokens = torch.tensor([[0] * (most - len(ending)) + ending for _, ending in places], device=logits.device)
        chosen = logits[rows].gather(2, tokens[:, :, None])[:, :, 0].cpu()
        likeliest = (logits.argmax(dim=-1)[rows] == tokens).cpu()
        found: dict[int, tuple[float, bool]] = {}
        flat = [number for group in numbers for number in group]
        for number, (_, ending), value, same in zip(flat, places, chosen, likeliest, strict=True):
            found[number] = float(value[-len(ending) :].sum()), bool(same[-len(ending) :].all())
        return found

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """What follows each prompt, as lm-eval's own method returns it, but ended by the token that decides the answer.

        Args:
            requests: lm-eval's, of one protocol.
            disable_tqdm: Show no progress.
        """
        found = {} if self._prefix is None else self._generated(self._prefix, requests)
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
            suffixes = [prompts[number][length:] for number in batch]
            answers = greedy(prefix, suffixes, stop.reached)
            padded = len(suffixes[0]) > len(suffixes[-1])
            if not self._checked or (padded and not self._checked_padding):
                ends = sorted({0, len(batch) - 1})  # the longest prompt, and that with most padding
                self._check_writing(prefix, [prompts[batch[n]] for n in ends], [answers[n] for n in ends])
                self._checked, self._checked_padding = True, self._checked_padding or padded
            found |= {number: stop.text(answer.tokens) for number, answer in zip(batch, answers, strict=True)}
        return found

    def _check_writing(self, prefix: Prefix, prompts: Sequence[list[int]], answers: Sequence[Answer]) -> None:
        """Hold what was written after the prefix against plain forward passes; in half precision also in float32.

        Raises:
            SharingError: They differ.
        """
        dtype = self.model.dtype
        for prompt, answer in zip(prompts, answers, strict=True):
            require_same(self.model, prompt, answer, tolerance(dtype))
        if dtype not in HALF:
            return
        try:
            with as_float32(self.model):
                exact = Prefix(self.model, prefix.tokens)
                suffixes = [prompt[len(prefix.tokens) :] for prompt in prompts]
                written = greedy(exact, suffixes, lambda tokens: len(tokens) >= _EXACT)
                for prompt, answer in zip(prompts, written, strict=True):
                    require_same(self.model, prompt, answer, tolerance(torch.float32))
        except (SharingError, MeasurementError):
            raise
        except Exception as error:
            _release(error)


def _release(error: Exception) -> None:
    """Free what the frames of an error hold of a device's memory."""
    error.__traceback__ = error.__context__ = None
    clear_device_cache(garbage_collection=True)

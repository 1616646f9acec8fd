"""The engine of vLLM, where it is installed (the extra ``nil-audit[vllm]``): a file of its own, like every engine.

vLLM keeps what it has read of a prompt for the next that begins alike, but not where the log-probabilities of a prompt
are asked for, which is how lm-eval takes a log-likelihood. So where every ending of a question is one token, that token
is generated instead, and the log-probabilities of the endings are asked for: the same numbers, after a prompt whose
worked examples are read once.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from nil_audit.errors import UsageError
from nil_audit.progress import quiet_libraries
from nil_audit.score.engines.checking import tolerance
from nil_audit.score.engines.engine import by_question, not_finite, requests_of
from nil_audit.score.engines.prefix import common_prefix
from nil_audit.score.protocols import Protocol, generation_length
from nil_audit.score.questions import Question, Response
from nil_audit.source import Source


def load_vllm(source: Source, *, dtype: str, trust_remote_code: bool) -> "SharedVLLM":
    """An engine of vLLM; it loads the checkpoint itself and schedules its own batches.

    Args:
        source: The checkpoint.
        dtype: Of the weights.
        trust_remote_code: Run the repository's own model code.

    Raises:
        UsageError: This is one of several processes, or a GGUF file.
    """
    if source.gguf is not None:
        raise UsageError(
            f"{source.name} is a GGUF file, which vLLM would run as it is quantised; leave --engine vllm out, and its"
            " weights are turned back into numbers."
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("vLLM starts its own processes; run --engine vllm without accelerate launch or torchrun.")
    from lm_eval.models.vllm_causallms import VLLM

    # without token ids to ask for, only the log-probabilities among the tokens allowed hold all of the letters
    mode = {} if _takes_token_ids() else {"logprobs_mode": "processed_logprobs"}
    with quiet_libraries():
        return SharedVLLM(
            VLLM(
                pretrained=source.reference,
                revision=source.revision,
                tokenizer_revision=source.revision,
                dtype=dtype,
                batch_size="auto",
                trust_remote_code=trust_remote_code,
                enable_prefix_caching=True,
                **mode,
            ),
            dtype=dtype,
        )


def _takes_token_ids() -> bool:
    """Whether vLLM gives the log-probabilities of the tokens that one names; version 0.18 does not."""
    from vllm import SamplingParams

    return hasattr(SamplingParams, "logprob_token_ids")


class SharedVLLM:
    """lm-eval's wrapper of vLLM, that generates one token where an ending is one.

    Attributes:
        notes: What a reader of the answers must know, in sentences.
    """

    engine = "vllm"

    def __init__(self, model: Any, *, dtype: str) -> None:
        """Nothing is asked yet.

        Args:
            model: lm-eval's wrapper, which encodes, generates and takes log-likelihoods in its own way.
            dtype: Of the weights.
        """
        self._model, self._dtype = model, dtype
        self._checked = False
        self.shares = True
        self.notes: list[str] = []

    @property
    def max_length(self) -> int:
        """The model's context in tokens, as lm-eval sees it."""
        return int(self._model.max_length)

    def tok_encode(self, string: str) -> list[int]:
        """The tokens of a text, as lm-eval encodes it."""
        return list(self._model.tok_encode(string))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of prompts, encoded together."""
        return [list(tokens) for tokens in self._model.tok_encode(list(texts))]

    def room(self, protocol: Protocol) -> int:
        """Tokens that a prompt may have before lm-eval cuts it from the left.

        vLLM always generates a token, for which lm-eval leaves room behind prompt and answer.
        """
        return self.max_length - (generation_length(self.max_length) if protocol.generates else 1)

    def begin(self, questions: Sequence[Question]) -> int:
        """Tokens that the prompts have in common, which vLLM finds by itself."""
        if questions[0].endings and not self._checked:
            self._checked = True
            self._check(questions[0])
        if not self.shares or len(questions) < 2:
            return 0
        texts = [question.prompt for question in questions]
        return common_prefix(self.encode([min(texts), max(texts)]))

    def respond(self, questions: Sequence[Question]) -> list[list[Response]]:
        """One batch; vLLM schedules its own batches within it."""
        if not questions:
            return []
        with quiet_libraries():
            if not questions[0].endings:
                requests = requests_of(questions, self.max_length)
                return by_question(questions, self._model.generate_until(requests, disable_tqdm=True))
            found = self._in_one_token(questions) if self.shares else {}
            rest = [question for question in questions if question.digest not in found]
            found |= dict(zip((question.digest for question in rest), self._in_own_way(rest), strict=True))
        return [found[question.digest] for question in questions]

    def _in_own_way(self, questions: Sequence[Question]) -> list[list[Response]]:
        """By lm-eval's own passes over prompt and ending."""
        requests = requests_of(questions, self.max_length) if questions else []
        return by_question(questions, self._model.loglikelihood(requests, disable_tqdm=True) if requests else [])

    def _in_one_token(self, questions: Sequence[Question]) -> dict[str, list[Response]]:
        """The responses to those questions whose endings are one token each, by the question's hash.

        Where vLLM gives the log-probabilities of any token, they are lm-eval's. Else they are those among the endings
        alone, as if nothing else could follow: all of a question are moved by the same amount, so the letter is the
        same, and no ending is called the likeliest of all tokens, since it is not known.
        """
        from vllm import SamplingParams, TokensPrompt

        named = _takes_token_ids()
        asked, prompts, settings = [], [], []
        for question in questions:
            pairs = [self._model._encode_pair(question.prompt, ending) for ending in question.endings]
            context, letters = pairs[0][0], [ending[0] for _, ending in pairs if len(ending) == 1]
            if len(set(letters)) < len(pairs):
                continue
            which = {"logprob_token_ids" if named else "allowed_token_ids": letters}
            asked.append((question.digest, letters))
            # one token less than fits, so that lm-eval's own way reads the same prompt
            prompts.append(TokensPrompt(prompt_token_ids=context[-(self.max_length - 2) :]))
            settings.append(
                SamplingParams(temperature=0, max_tokens=1, logprobs=len(letters), detokenize=False, **which)
            )
        outputs = self._model.model.generate(prompts, sampling_params=settings, use_tqdm=False) if prompts else []
        found: dict[str, list[Response]] = {}
        for (digest, letters), output in zip(asked, outputs, strict=True):
            first = output.outputs[0]
            values = self._values(first.logprobs[0], letters)
            if values is not None:
                likeliest = first.token_ids[0] if named else None
                found[digest] = [(value, token == likeliest) for value, token in zip(values, letters, strict=True)]
        return found

    def _values(self, given: Mapping[int, Any], letters: Sequence[int]) -> list[float] | None:
        """The log-probabilities of the letters; None where vLLM left one out."""
        if any(letter not in given for letter in letters):
            return None
        values = [float(given[letter].logprob) for letter in letters]
        if any(value != value for value in values):
            raise not_finite(f"torch.{self._dtype}")
        return values

    def _check(self, question: Question) -> None:
        """Ask a question both ways, and give the one token up where the letters lie otherwise apart.

        lm-eval's way comes first: it leaves the prompt in vLLM's cache, and the other way is checked as it will be.
        """
        with quiet_libraries():
            own = [float(response[0]) for response in self._in_own_way([question])[0]]
            found = self._in_one_token([question]).get(question.digest)
        if found is None:
            return
        best = own.index(max(own))
        moved = max(
            abs((float(one[0]) - float(found[best][0])) - (other - own[best]))
            for one, other in zip(found, own, strict=True)
        )
        if not moved <= tolerance(getattr(torch, self._dtype)):
            self.shares = False
            self.notes.append(
                "The worked examples are read anew for every question, because generating the answer moves a"
                f" log-probability by {moved:.2g}."
            )

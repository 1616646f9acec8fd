"""The engine of vLLM: where it is missing, and over a stand-in that computes with the plain engine's own model."""

import importlib
import importlib.metadata
import importlib.util
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from nil_audit.errors import MeasurementError, UsageError
from nil_audit.score.engines.plain import PlainHFLM, wrapping
from nil_audit.score.engines.vllm import SharedVLLM, load_vllm
from nil_audit.score.plan import Plan, plan_score
from nil_audit.score.protocols import generation_length
from nil_audit.score.questions import Question, as_asked, judged
from nil_audit.score.run import run_plan
from nil_audit.source import Source, resolve

missing = pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")


@missing
def test_without_vllm_the_sentence_names_the_extra(data: Path) -> None:
    with pytest.raises(UsageError, match=r"pip install 'nil-audit\[vllm\]', or leave --engine out"):
        plan_score(data=data, engine="vllm")


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    source = Source(name="any", kind="hub", reference="any", revision=None, folder=None, config={})
    with pytest.raises(UsageError, match="vLLM starts its own processes"):
        load_vllm(source, dtype="bfloat16", trust_remote_code=False)


def test_vllm_records_no_batch_size(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nil_audit.score.plan.find_spec", lambda _: True)
    assert plan_score(data=data, engine="vllm").batch_size is None


@dataclass
class SamplingParams:
    """Arguments of vLLM 0.18.0, as far as anything here may use them, with its defaults."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: list[str] = field(default_factory=list)
    max_tokens: int = 16
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True
    allowed_token_ids: list[int] | None = None
    skip_reading_prefix_cache: bool | None = None

    @property
    def named(self) -> list[int]:
        return getattr(self, "logprob_token_ids", None) or []


@dataclass
class NewerSamplingParams(SamplingParams):
    """What vLLM 0.33.0 adds."""

    logprob_token_ids: list[int] | None = None

    def __post_init__(self) -> None:
        # 0.33.0 refuses another number of both
        assert not self.named or self.logprobs == len(self.named)


@dataclass
class LLM:
    """Computes with transformers what vLLM is asked; the arguments are those of vLLM 0.18.0 and 0.33.0."""

    model: str
    tokenizer: str | None = None
    tokenizer_mode: str = "auto"
    tokenizer_revision: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    tensor_parallel_size: int = 1
    dtype: str = "auto"
    quantization: str | None = None
    seed: int = 0
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    enable_lora: bool = False
    max_lora_rank: int = 16
    enable_prefix_caching: bool | None = None
    logprobs_mode: str = "raw_logprobs"

    def __post_init__(self) -> None:
        self.net = AutoModelForCausalLM.from_pretrained(self.model).eval()
        self.words = AutoTokenizer.from_pretrained(self.model)
        context = self.net.config.max_position_embeddings
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=context))
        self.asked: list[tuple[list[int], SamplingParams]] = []

    def generate(
        self,
        prompts: list[dict[str, Any]],
        sampling_params: list[SamplingParams],
        use_tqdm: bool,
        lora_request: Any = None,
    ) -> list[Any]:
        """One output a prompt."""
        return [self._one(p["prompt_token_ids"], how) for p, how in zip(prompts, sampling_params, strict=True)]

    def _one(self, prompt: list[int], how: SamplingParams) -> Any:
        assert len(prompt) < self.llm_engine.model_config.max_model_len, "vLLM refuses a prompt that leaves no token"
        self.asked.append((prompt, how))
        read, text = list(prompt), ""
        given: list[dict[int, Any]] = []
        while len(given) < how.max_tokens and not any(stop in text for stop in how.stop):
            with torch.no_grad():
                logits = self.net(torch.tensor([read])).logits[0].float()
            given.append(self._step(logits[-1], how))
            read.append(next(iter(given[-1])))
            text = str(self.words.decode(read[len(prompt) :]))
        before = [
            None,
            *(self._seen(row, token) for row, token in zip(logits.log_softmax(-1), prompt[1:], strict=False)),
        ]
        first = SimpleNamespace(text=text, token_ids=read[len(prompt) :], logprobs=given if how.logprobs else None)
        return SimpleNamespace(outputs=[first], prompt_logprobs=before if how.prompt_logprobs else None)

    def _step(self, logits: torch.Tensor, how: SamplingParams) -> dict[int, Any]:
        """The token generated first, then those whose log-probabilities are asked for."""
        masked = logits.clone()
        if how.allowed_token_ids:
            masked[[token for token in range(len(logits)) if token not in how.allowed_token_ids]] = -math.inf
        values = (masked if self.logprobs_mode == "processed_logprobs" else logits).log_softmax(-1)
        tokens = [int(masked.argmax()), *(how.named or values.topk(how.logprobs or 0).indices.tolist())]
        return {token: SimpleNamespace(logprob=float(values[token])) for token in tokens}

    @staticmethod
    def _seen(values: torch.Tensor, token: int) -> dict[int, Any]:
        both = {token, int(values.argmax())}
        return {one: SimpleNamespace(logprob=float(values[one])) for one in both}


def _module(name: str, **content: Any) -> ModuleType:
    module = ModuleType(name)
    module.__spec__, module.__path__ = ModuleSpec(name, None), []
    module.__dict__.update(content)
    return module


@pytest.fixture(params=[SamplingParams, NewerSamplingParams], ids=["0.18", "0.33"], scope="module")
def stand_in(request: pytest.FixtureRequest) -> Iterator[None]:
    """A package vllm of either kind."""
    real = importlib.metadata.version
    modules = {
        "vllm": _module("vllm", LLM=LLM, SamplingParams=request.param, TokensPrompt=dict),
        "vllm.lora": _module("vllm.lora"),
        "vllm.lora.request": _module("vllm.lora.request", LoRARequest=object),
        "vllm.renderers": _module("vllm.renderers"),
        "vllm.renderers.hf": _module("vllm.renderers.hf", resolve_chat_template=lambda **_: None),
        "vllm.tokenizers": _module(
            "vllm.tokenizers",
            get_tokenizer=lambda name, tokenizer_mode, trust_remote_code, revision: AutoTokenizer.from_pretrained(name),
        ),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "version", lambda name: "0.18.0" if name == "vllm" else real(name))
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        # imported once a session, since lm-eval registers it under its name
        patch.setattr("lm_eval.models.vllm_causallms.SamplingParams", request.param)
        yield


@pytest.fixture(scope="module")
def engine(stand_in: None, checkpoint: Path) -> SharedVLLM:
    engine = load_vllm(resolve(str(checkpoint)), dtype="float32", trust_remote_code=False)
    encode = engine._model._encode_pair

    def one_token(prompt: str, ending: str) -> tuple[list[int], list[int]]:
        """With a token a byte " A" is two; as in most vocabularies the answer is the last one here."""
        context, letter = encode(prompt, ending)
        return [*context, *letter[:-1]], letter[-1:]

    engine._model._encode_pair = one_token
    return engine


@pytest.fixture(scope="module")
def plain(loaded: tuple[Any, Any]) -> PlainHFLM:
    return PlainHFLM(**wrapping(*loaded, batch_size=8))


@cache
def _asked(data: Path, protocol: str) -> tuple[Plan, list[Question]]:
    """Two questions a category."""
    plan = plan_score(protocol, data=data, questions=28)
    return plan, as_asked(plan.protocol, plan.questions, plan.examples())


@pytest.mark.parametrize("protocol", ["leaderboard", "mc"])
def test_letters_are_those_of_the_plain_engine(protocol: str, engine: SharedVLLM, plain: PlainHFLM, data: Path) -> None:
    plan, questions = _asked(data, protocol)
    questions = questions[:2]
    llm = engine._model.model
    prompts = [question.prompt for question in questions]
    assert engine.encode(prompts) == [engine.tok_encode(prompt) for prompt in prompts]
    assert llm.enable_prefix_caching and engine.begin(questions) > 16
    llm.asked.clear()
    ours = engine.respond(questions)
    assert len(llm.asked) == len(questions)  # one prompt a question, not one an option
    assert all(how.prompt_logprobs is None and how.max_tokens == 1 for _, how in llm.asked)
    named = bool(llm.asked[0][1].named)
    own, theirs = engine._in_own_way(questions), plain.respond(questions)
    for question, one, other, plainly in zip(questions, ours, own, theirs, strict=True):
        assert judged(plan.protocol, question, one) == judged(plan.protocol, question, plainly)
        moved = [float(a[0]) - float(b[0]) for a, b in zip(one, other, strict=True)]
        if named:
            assert moved == pytest.approx([0] * len(moved), abs=1e-4)
            assert [a[1] for a in one] == [b[1] for b in other]
        else:  # all by the log-probability that a letter follows at all
            assert moved == pytest.approx([moved[0]] * len(moved), abs=1e-4)
            assert sum(math.exp(float(a[0])) for a in one) == pytest.approx(1, abs=1e-5)
            assert not any(a[1] for a in one)
    assert engine.shares and engine.notes == []


def test_a_run_through_it(engine: SharedVLLM, plain: PlainHFLM, data: Path) -> None:
    plan = plan_score("leaderboard", data=data, questions=14)
    same: dict[str, Any] = {"identity": "sha256:0", "name": "m", "dtype": "float32", "fresh": True}
    one = run_plan(replace(plan, engine="vllm", batch_size=None), lambda: engine, **same)
    other = run_plan(plan, lambda: plain, **same)
    assert [answer.chosen for answer in one.answers] == [answer.chosen for answer in other.answers]
    assert {(answer.engine, answer.batch_size, answer.cut) for answer in one.answers} == {("vllm", None, False)}


def test_texts_are_those_of_the_plain_engine(engine: SharedVLLM, plain: PlainHFLM, data: Path) -> None:
    plan, (question, *_) = _asked(data, "cot")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nil_audit.score.protocols.generation_length", lambda _: 4)
        ((one,),) = engine.respond([question])
        ((other,),) = plain.respond([question])
    assert one == other
    assert engine.room(plan.protocol) == 1024 - generation_length(1024) == plain.room(plan.protocol)


def test_an_ending_of_two_tokens_is_asked_in_lm_evals_own_way(
    engine: SharedVLLM, plain: PlainHFLM, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (question, *_) = _asked(data, "mc")
    monkeypatch.delattr(engine._model, "_encode_pair")  # back to " A" as two tokens
    (one,), (other,) = engine.respond([question]), plain.respond([question])
    assert all(how.prompt_logprobs for _, how in engine._model.model.asked[-len(one) :])
    best = [max(range(len(found)), key=lambda n: float(found[n][0])) for found in (one, other)]
    assert best[0] == best[1]


def test_what_does_not_fit_is_cut_from_the_left_as_by_lm_eval(engine: SharedVLLM, data: Path) -> None:
    plan, (question, *_) = _asked(data, "leaderboard")
    longer = replace(question, prompt="x" * 2000 + question.prompt)
    llm = engine._model.model
    llm.asked.clear()
    engine._in_one_token([longer])
    cut = llm.asked[0][0]
    assert len(cut) + 1 == engine.room(plan.protocol) == 1023
    assert cut == [*engine.tok_encode(longer.prompt), engine.tok_encode(" ")[0]][-1022:]


def test_letters_that_lie_otherwise_apart_end_it(stand_in: None, engine: SharedVLLM, data: Path) -> None:
    questions = _asked(data, "leaderboard")[1][:2]
    other = SharedVLLM(engine._model, dtype="float32")
    with pytest.MonkeyPatch.context() as patch:
        step = LLM._step

        def moved(self: LLM, logits: torch.Tensor, how: SamplingParams) -> dict[int, Any]:
            shift = torch.zeros_like(logits)
            shift[engine.tok_encode("A")[0]] = 0.5
            return step(self, logits + shift, how)

        patch.setattr(LLM, "_step", moved)
        assert other.begin(questions) == 0
    assert not other.shares
    assert other.notes == [
        "The worked examples are read anew for every question, because generating the answer moves a log-probability"
        " by 0.5."
    ]
    engine._model.model.asked.clear()
    other.respond(questions)
    assert all(how.prompt_logprobs for _, how in engine._model.model.asked)


def test_scores_that_are_no_numbers_are_refused(engine: SharedVLLM, data: Path) -> None:
    _, (question, *_) = _asked(data, "leaderboard")
    with pytest.MonkeyPatch.context() as patch:
        step = LLM._step

        def damaged(self: LLM, logits: torch.Tensor, how: SamplingParams) -> dict[int, Any]:
            return {token: SimpleNamespace(logprob=math.nan) for token in step(self, logits, how)}

        patch.setattr(LLM, "_step", damaged)
        with pytest.raises(MeasurementError, match="not finite on this text; check that"):
            engine.respond([question])

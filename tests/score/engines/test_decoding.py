"""Generated answers after a shared prefix: lm-eval's own texts, up to what decides them."""

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers
from lm_eval.models.huggingface import HFLM
from transformers import AutoModelForCausalLM, GenerationConfig, GPT2Config

from nil_audit.errors import MeasurementError
from nil_audit.progress import quiet_libraries
from nil_audit.score.engines import checking, decoding, layers, prefix
from nil_audit.score.engines.decoding import Stop, answer_pattern, changes_choice
from nil_audit.score.engines.plain import wrapping
from nil_audit.score.engines.shared import SharedHFLM
from nil_audit.score.protocols import PROTOCOLS
from nil_audit.score.questions import Question, as_asked, judged
from tests.mmlu import mmlu_rows
from tests.tiny import ARCHITECTURES, NUL, byte_tokenizer

CONTEXT, LENGTH = 2048, 14
(END,) = byte_tokenizer().encode("\0")
LETTER = re.compile("[a-z]")


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    """Six questions of one category, as ``cot`` asks them, their prompts of several lengths."""
    test, validation = mmlu_rows(6)
    rows, examples = ([row for row in split if row["category"] == "math"] for split in (test, validation))
    asked = as_asked(PROTOCOLS["cot"], {"math": rows}, {"math": examples})
    assert len({len(question.prompt) for question in asked}) > 3
    return [_of_length(question, LENGTH) for question in asked]


def _of_length(question: Question, tokens: int) -> Question:
    request = question.requests[0]
    arguments = (request.args[0], {**request.args[1], "max_gen_toks": tokens})
    return replace(question, requests=(replace(request, arguments=arguments),))


def _model(name: str) -> Any:
    """A random model whose window and positions hold every prompt."""
    kind, values = ARCHITECTURES[name]
    wide = {key: CONTEXT for key in ("max_position_embeddings", "sliding_window", "max_seq_len") if key in values}
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(
        getattr(transformers, kind)(**{**values, **wide, "eos_token_id": END, "tie_word_embeddings": False})
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.copy_(torch.randn(parameter.shape) * 0.4)
    return model.eval()


@pytest.fixture(scope="module")
def llama() -> Any:
    """A random Llama."""
    return _model("llama")


def _engine(model: Any, *, batch_size: int = 4) -> SharedHFLM:
    with quiet_libraries():
        return SharedHFLM(**wrapping(model, byte_tokenizer(eos_token=NUL), batch_size=batch_size))


def _asked(engine: Any, questions: Sequence[Question]) -> list[str]:
    requests = [copy.deepcopy(question.requests[0]) for question in questions]
    with quiet_libraries():
        return list(engine.generate_until(requests, disable_tqdm=True))


def _by_lm_eval(model: Any, questions: Sequence[Question], *, batch_size: int = 4) -> list[str]:
    """The texts of lm-eval's own wrapper."""
    with quiet_libraries():
        plain = HFLM(pretrained=model, tokenizer=byte_tokenizer(eos_token=NUL), batch_size=batch_size)
    return _asked(plain, questions)


@pytest.mark.parametrize("name", ["llama", "gpt2", "bloom", "mpt", "gemma2", "opt_projected"])
def test_texts_are_those_of_lm_eval_up_to_the_pattern(name: str, questions: list[Question], llama: Any) -> None:
    model = llama if name == "llama" else _model(name)
    theirs = _by_lm_eval(model, questions)
    assert len(set(theirs)) > 1
    engine = _engine(model)
    assert engine.begin(questions) > 500
    engine._pattern = None
    assert _asked(engine, questions) == theirs
    assert engine.engine == "shared"
    assert engine.notes == []
    engine._pattern = LETTER
    up_to = [text[: found.end()] if (found := LETTER.search(text)) else text for text in theirs]
    assert _asked(engine, questions) == up_to
    if name == "llama":
        assert up_to != theirs
        assert _asked(_begun(_engine(model, batch_size=1), questions, LETTER), questions) == up_to


def _begun(engine: SharedHFLM, questions: Sequence[Question], pattern: re.Pattern[str] | None = None) -> SharedHFLM:
    engine.begin(questions)
    engine._pattern = pattern
    return engine


def test_of_a_prompt_that_does_not_fit_the_plain_way_is_taken_and_the_order_kept(
    questions: list[Question], llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = sorted(len(question.prompt) for question in questions)
    engine = _begun(_engine(llama), questions)
    monkeypatch.setattr(engine, "_max_length", lengths[3] + LENGTH)  # two of six are cut from the left
    plain = _engine(llama, batch_size=1)
    plain._max_length = engine.max_length
    theirs = _asked(plain, questions)
    read: list[list[Any]] = []
    monkeypatch.setattr(decoding, "greedy", _noting(read, decoding.greedy))
    monkeypatch.setattr("nil_audit.score.engines.shared.greedy", decoding.greedy)
    assert _asked(engine, questions) == theirs
    assert sum(map(len, read)) == 4
    other = replace(questions[0].requests[0], arguments=("Question: 1 and 1?", questions[0].requests[0].args[1]))
    asked = [replace(questions[1], requests=(other,)), questions[0]]
    assert _asked(engine, asked) == _asked(plain, asked)


def _tokens(engine: SharedHFLM, questions: Sequence[Question]) -> list[list[int]]:
    prefix = engine._prefix
    assert prefix is not None
    stop = Stop(engine, questions[0].requests[0].args[1], None)
    prompts = [engine.tok_encode(question.prompt) for question in questions]
    suffixes = [prompt[len(prefix.tokens) :] for prompt in prompts]
    return [answer.tokens for answer in decoding.greedy(prefix, suffixes, stop.reached)]


def _noting(seen: list[Any], function: Callable[..., Any]) -> Callable[..., Any]:
    def noted(prefix: Any, suffixes: Any, stop: Any) -> Any:
        seen.append(suffixes)
        return function(prefix, suffixes, stop)

    return noted


def test_a_finished_answer_leaves_the_batch_and_only_the_last_position_has_logits(
    questions: list[Question], llama: Any
) -> None:
    engine = _begun(_engine(llama, batch_size=6), questions, LETTER)
    engine._checked = engine._checked_padding = True
    seen: list[tuple[int, int]] = []
    handle = llama.lm_head.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape[:2])))
    try:
        texts = _asked(engine, questions)
    finally:
        handle.remove()
    lengths = [len(engine.tok_encode(text)) for text in _by_lm_eval(llama, questions, batch_size=1)]
    assert seen[0] == (6, 1)
    assert {positions for _, positions in seen} == {1}
    assert [rows for rows, _ in seen] == sorted((rows for rows, _ in seen), reverse=True)
    assert sum(rows for rows, _ in seen) < sum(lengths)
    assert len(set(map(len, texts))) > 2


def test_room_for_keys_grows_as_answers_do(
    questions: list[Question], llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    with_room = layers.RoomyLayer._with_room

    def noted(*arguments: Any) -> torch.Tensor:
        room = with_room(*arguments)
        made.append(room.shape[2])
        return room

    monkeypatch.setattr(layers, "_BLOCK", 8)
    monkeypatch.setattr(layers.RoomyLayer, "_with_room", staticmethod(noted))
    texts = _asked(_begun(_engine(llama), questions), questions)
    assert texts == _by_lm_eval(llama, questions, batch_size=1)
    assert min(made) <= max(len(question.prompt) for question in questions)  # nothing ahead of what is written
    assert max(made) <= max(len(question.prompt) for question in questions) + LENGTH + 8


def _script(text: str) -> Any:
    """A model that says a text over and over, whatever it is told: each position knows the byte that follows it."""
    tokenizer = byte_tokenizer()
    model = AutoModelForCausalLM.from_config(
        GPT2Config(
            vocab_size=256, n_embd=256, n_layer=1, n_head=2, n_positions=CONTEXT, eos_token_id=END, bos_token_id=END
        )
    )
    said = torch.tensor(tokenizer.encode(text))
    with torch.no_grad():
        model.transformer.wpe.weight.copy_(torch.eye(256)[said[torch.arange(CONTEXT) % len(said)]])
        model.transformer.wte.weight.copy_(torch.eye(256) * 1e-3)  # the output embedding too
        model.lm_head.weight = torch.nn.Parameter(torch.eye(256))
    return model.eval()


def test_letters_are_those_of_lm_eval_where_answers_are_given_and_where_they_are_not(
    questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [_of_length(question, 120) for question in questions]
    model = _script("Surely the answer is (B). Or so. Question: 1 and 2? Perhaps the answer is G. The answer is (A)")
    theirs = _by_lm_eval(model, asked, batch_size=1)
    engine = _engine(model)
    engine.begin(asked)
    ours = _asked(engine, asked)
    assert engine.notes == []
    protocol = PROTOCOLS["cot"]
    outcomes = [judged(protocol, question, [text]) for question, text in zip(asked, ours, strict=True)]
    assert outcomes == [judged(protocol, question, [text]) for question, text in zip(asked, theirs, strict=True)]
    letters = [letter for letter, _ in outcomes]
    assert None in letters
    assert len(set(letters)) > 2
    assert all(
        text.startswith(own) and len(own) < len(text) for own, text in zip(ours, theirs, strict=True) if "is" in own
    )


def test_stop_reads_what_lm_eval_reads(questions: list[Question], llama: Any) -> None:
    engine = _engine(llama)
    options = questions[0].requests[0].args[1]
    stop = Stop(engine, {**options, "max_gen_toks": 100}, answer_pattern(questions[0].task))
    encode = byte_tokenizer().encode

    def ends(text: str) -> int | None:
        """Bytes after which an answer is at its end."""
        tokens = encode(text)
        return next((n for n in range(1, len(tokens) + 1) if stop.reached(tokens[:n])), None)

    assert ends("The answer is (C). No, the answer is (D).") == len("The answer is (C")
    assert ends("é" * 30 + " answer is J") == 60 + len(" answer is J")
    assert ends("answer is (K). Answer is B. The answer is: B") is None
    assert ends("Thus. Question: the answer is (A)") == len("Thus. Question:")
    assert stop.text(encode("Thus. Question: the answer is (A)")) == "Thus. "
    assert ends("x" * 200) == stop.limit == 100
    assert stop.reached([*encode("answer"), END])
    assert stop.text([*encode("answer"), END]) == "answer"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"eos_token_id": [1, 2], "do_sample": True, "temperature": 0.6, "top_k": 20, "max_new_tokens": 9}, None),
        ({"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "num_beams": 1}, None),
        ({"repetition_penalty": 1.05, "no_repeat_ngram_size": 3}, "no_repeat_ngram_size, repetition_penalty"),
        ({"suppress_tokens": [4]}, "suppress_tokens"),
        ({"num_beams": 2}, "num_beams"),
    ],
)
def test_what_of_a_generation_config_changes_greedy_decoding(given: dict[str, Any], named: str | None) -> None:
    assert changes_choice(GenerationConfig(**given)) == named


def test_a_models_own_ends_and_length_are_kept_and_other_rules_of_it_are_left_to_the_plain_way(
    questions: list[Question], llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _by_lm_eval(llama, questions, batch_size=1)
    engine = _begun(_engine(llama), questions)
    first = [tokens[2] for tokens in _tokens(engine, questions)]
    monkeypatch.setattr(llama, "generation_config", GenerationConfig())  # the tokenizer's end is the only one
    assert _asked(engine, questions) == plain
    own = GenerationConfig(eos_token_id=[END, first[0]], max_new_tokens=7)
    llama.generation_config = own
    theirs = _by_lm_eval(llama, questions, batch_size=1)
    assert theirs != plain
    assert _asked(engine, questions) == theirs
    own.repetition_penalty = 1.5
    penalised = _by_lm_eval(llama, questions, batch_size=4)
    assert penalised != theirs
    engine = _engine(llama)
    assert engine.begin(questions) == 0
    assert engine.engine == "plain"
    assert engine.notes == [
        "The worked examples are read anew for every question, because its generation_config lets another than the "
        "likeliest token follow (repetition_penalty)."
    ]
    assert _asked(engine, questions) == penalised


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of ``respond`` are short."""
    monkeypatch.setattr("nil_audit.score.protocols.generation_length", lambda _: LENGTH)


@pytest.mark.usefixtures("short")
def test_where_decoding_goes_wrong_the_plain_way_is_taken_with_a_note(
    questions: list[Question], llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = [[text] for text in _by_lm_eval(llama, questions)]
    step = prefix.Prefix.step

    def shifted(self: Any, *arguments: Any, positions: torch.Tensor, **options: Any) -> torch.Tensor:
        return step(self, *arguments, positions=positions + (positions.shape[1] == 1), **options)

    def failing(self: Any, *_: Any, **__: Any) -> torch.Tensor:
        raise RuntimeError("Expected all tensors to be alike.")

    for wrong, reason in ((shifted, "moves the log-probability of a token"), (failing, "RuntimeError")):
        monkeypatch.setattr(prefix.Prefix, "step", wrong)
        engine = _engine(llama)
        engine.begin(questions)
        assert engine.engine == "shared"
        assert engine.respond(questions) == theirs
        assert engine.engine == "plain"
        assert len(engine.notes) == 1
        assert reason in engine.notes[0]


@pytest.mark.usefixtures("short")
def test_half_precision_that_hides_a_mistake_in_writing_is_looked_through(
    questions: list[Question], llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = prefix.Prefix.step

    def shifted(self: Any, *arguments: Any, positions: torch.Tensor, **options: Any) -> torch.Tensor:
        return step(self, *arguments, positions=positions + (positions.shape[1] == 1), **options)

    half = copy.deepcopy(llama).to(torch.bfloat16)
    monkeypatch.setattr(checking, "_TOLERANCE", {**checking._TOLERANCE, torch.bfloat16: 1e9})
    ways = []
    for change in (step, shifted):
        monkeypatch.setattr(prefix.Prefix, "step", change)
        engine = _begun(_engine(half), questions)
        engine.respond(questions)
        ways.append(engine.engine)
    assert ways == ["shared", "plain"]


@pytest.mark.usefixtures("short")
def test_padding_is_checked_in_the_first_batch_that_has_some(
    questions: list[Question], llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = prefix.Prefix.follow

    def misplaced(self: Any, suffixes: Any, cache: Any, scored: torch.Tensor) -> torch.Tensor:
        longest = max(map(len, suffixes)) - 1
        return follow(self, suffixes, cache, torch.full_like(scored, longest))  # the padding's in a shorter row

    monkeypatch.setattr(prefix.Prefix, "follow", misplaced)
    engine = _begun(_engine(llama), questions)
    engine.respond(questions[:1])
    assert engine.engine == "shared"
    theirs = [[text] for text in _by_lm_eval(llama, questions)]
    assert engine.respond(questions) == theirs
    assert engine.engine == "plain"


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), KeyboardInterrupt()])
def test_memory_that_runs_out_and_an_interrupt_go_on(
    error: BaseException, questions: list[Question], llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> torch.Tensor:
        raise error

    engine = _begun(_engine(llama), questions)
    monkeypatch.setattr(prefix.Prefix, "step", failing)
    with pytest.raises(type(error)):
        engine.respond(questions)
    assert engine.engine == "shared"
    assert engine.notes == []


@pytest.mark.usefixtures("short")
def test_scores_that_are_no_numbers_are_refused(questions: list[Question]) -> None:
    model = _model("llama")
    engine = _begun(_engine(model), questions)
    with torch.no_grad():
        model.lm_head.weight[7] = float("nan")
    with pytest.raises(MeasurementError, match="not finite"):
        engine.respond(questions)

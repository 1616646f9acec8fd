"""Log-likelihoods after a shared prefix: the plain way's on every architecture, or the plain way and a note."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from nil_audit.errors import CheckpointError, MeasurementError
from nil_audit.progress import quiet_libraries
from nil_audit.score.engines import checking
from nil_audit.score.engines import shared as module
from nil_audit.score.engines.checking import Difference
from nil_audit.score.engines.plain import PlainHFLM, wrapping
from nil_audit.score.engines.prefix import Prefix
from nil_audit.score.engines.shared import SharedHFLM
from nil_audit.score.plan import plan_score
from nil_audit.score.questions import Question, Response, as_asked
from tests.tiny import NUL, byte_tokenizer

COMMON = {
    "vocab_size": 256,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 1024,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
GATED = {**COMMON, "num_key_value_heads": 2, "intermediate_size": 48}
NARROW = {**GATED, "head_dim": 8}
MIXED = ["sliding_attention", "full_attention"]
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}

SHARED: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen3": ("Qwen3Config", NARROW),
    "gemma2": ("Gemma2Config", {**NARROW, "sliding_window": 1024}),
    "gemma2, short window": ("Gemma2Config", {**NARROW, "sliding_window": 100}),
    "gemma3, short window": ("Gemma3TextConfig", {**NARROW, "sliding_window": 100, "layer_types": MIXED}),
    "gemma3, eager": (
        "Gemma3TextConfig",
        {**NARROW, "sliding_window": 100, "layer_types": MIXED, "attn_implementation": "eager"},
    ),
    "gpt-oss": ("GptOssConfig", {**NARROW, "sliding_window": 128, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "mistral, short window": ("MistralConfig", {**NARROW, "sliding_window": 100}),
    "gpt2": ("GPT2Config", COMMON),
    "neox": ("GPTNeoXConfig", {**COMMON, "intermediate_size": 48}),
    "opt": ("OPTConfig", {**COMMON, "ffn_dim": 48, "word_embed_proj_dim": 16}),
    "bloom": ("BloomConfig", COMMON),
    "mpt": ("MptConfig", {"vocab_size": 256, "d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 1024}),
    "falcon": ("FalconConfig", {**COMMON, "alibi": True}),
    "phi3": ("Phi3Config", {**GATED, "sliding_window": 100}),
    "stablelm": ("StableLmConfig", GATED),
    "olmo2": ("Olmo2Config", GATED),
    "granite": ("GraniteConfig", {**GATED, "logits_scaling": 4.0, "embedding_multiplier": 3.0}),
    "cohere": ("CohereConfig", {**GATED, "logit_scale": 0.25}),
    "experts": ("Qwen3MoeConfig", {**NARROW, **EXPERTS}),
    "borrowed keys": (
        "Gemma3nTextConfig",
        {
            **NARROW,
            "num_hidden_layers": 4,
            "num_kv_shared_layers": 2,
            "sliding_window": 100,
            "layer_types": MIXED * 2,
            "laurel_rank": 4,
            "hidden_size_per_layer_input": 8,
            "vocab_size_per_layer_input": 256,
            "activation_sparsity_pattern": [0.0] * 4,
            "intermediate_size": [48] * 4,
        },
    ),
}

GIVEN_UP: dict[str, tuple[str, dict[str, Any]]] = {
    "mamba": ("MambaConfig", COMMON),
    "jamba": (
        "JambaConfig",
        {**GATED, "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2, "use_mamba_kernels": False},
    ),
    "lfm2": ("Lfm2Config", {**GATED, "layer_types": ["conv", "full_attention"]}),
    "qwen3-next": (
        "Qwen3NextConfig",
        {
            **NARROW,
            **EXPERTS,
            "layer_types": ["linear_attention", "full_attention"],
            "shared_expert_intermediate_size": 16,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
        },
    ),
}


@pytest.fixture(scope="module")
def questions(data: Path) -> list[Question]:
    """14 questions, longest first."""
    plan = plan_score(data=data, questions=14)
    asked = as_asked(plan.protocol, plan.questions, plan.examples())
    return sorted(asked, key=lambda question: -len(question.prompt))


def _model(kind: str, values: dict[str, Any], *, dtype: torch.dtype = torch.float32) -> Any:
    """A random model with weights so large that its answers differ."""
    torch.manual_seed(0)
    values = dict(values)
    how = {"attn_implementation": values.pop("attn_implementation")} if "attn_implementation" in values else {}
    model = AutoModelForCausalLM.from_config(getattr(transformers, kind)(**values), dtype=dtype, **how)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.copy_(torch.randn(parameter.shape) * (0.5 if parameter.ndim == 2 else 0.2))
    return model.eval()


@pytest.fixture
def llama() -> Any:
    """A model of its own for every test, which some of them break."""
    return _model("LlamaConfig", GATED)


def _engine(kind: type[PlainHFLM], model: Any, *, batch_size: int = 8, **options: Any) -> Any:
    with quiet_libraries():
        return kind(**wrapping(model, byte_tokenizer(eos_token=NUL), batch_size=batch_size), **options)


def _asked(engine: Any, questions: Sequence[Question], *, batch_size: int = 8) -> list[list[Response]]:
    batches = [questions[start : start + batch_size] for start in range(0, len(questions), batch_size)]
    return [responses for batch in batches for responses in engine.respond(batch)]


def _plain(model: Any, questions: Sequence[Question], **options: Any) -> list[list[Response]]:
    return _asked(_engine(PlainHFLM, model, **options), questions)


def _assert_alike(one: list[list[Response]], other: list[list[Response]], *, within: float = 1e-4) -> None:
    for first, second in zip(one, other, strict=True):
        values = [[float(response[0]) for response in way] for way in (first, second)]
        assert values[0] == pytest.approx(values[1], abs=within)
        assert [response[1] for response in first] == [response[1] for response in second]
        assert len({way.index(max(way)) for way in values}) == 1


@pytest.mark.parametrize("name", SHARED)
def test_answers_after_a_shared_prefix_are_those_of_the_plain_way(name: str, questions: list[Question]) -> None:
    questions = questions[::2]
    model = _model(*SHARED[name])
    engine = _engine(SharedHFLM, model)
    assert engine.begin(questions) > 250
    assert (engine.engine, engine.notes) == ("shared", [])
    assert engine.difference.letters == 0
    read = _tokens_read(model)
    _assert_alike(_asked(engine, questions), _plain(model, questions))
    after, before = read
    assert after < 0.5 * before


def _tokens_read(model: Any) -> list[int]:
    """Tokens of each forward pass from here on."""
    read: list[int] = []

    def count(_module: Any, inputs: Any, named: dict[str, Any]) -> None:
        read.append((inputs[0] if inputs else named["input_ids"]).numel())

    model.register_forward_pre_hook(count, with_kwargs=True)
    return read


@pytest.mark.parametrize("name", GIVEN_UP)
def test_what_cannot_be_shared_is_asked_the_plain_way_and_said(name: str, questions: list[Question]) -> None:
    asked = questions[:2]
    model = _model(*GIVEN_UP[name])
    engine = _engine(SharedHFLM, model)
    assert engine.begin(asked) == 0
    assert engine.engine == "plain"
    (note,) = engine.notes
    assert note.startswith("The worked examples are read anew for every question, because it ")
    _assert_alike(_asked(engine, asked), _plain(model, asked))
    assert (engine.begin(asked), len(engine.notes)) == (0, 1)  # it is not tried again


@pytest.mark.parametrize(("longest", "way"), [(4096, "shared"), (350, "plain")])
def test_a_rotation_that_depends_on_the_length_is_shared_only_below_it(
    longest: int, way: str, questions: list[Question]
) -> None:
    rope = {"rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": longest}
    rope |= {"short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    values = {**GATED, "rope_parameters": rope, "original_max_position_embeddings": longest, "pad_token_id": 0}
    engine = _engine(SharedHFLM, _model("Phi3Config", values))
    assert longest == 4096 or min(len(question.prompt) for question in questions) < 350
    engine.begin(questions)
    assert engine.engine == way
    assert [note for note in engine.notes if "rotary embedding turns texts of more than 350 tokens" in note] == (
        engine.notes
    )


def test_batch_size_moves_nothing(llama: Any, questions: list[Question]) -> None:
    plain = _plain(llama, questions, batch_size=1)
    for size in (1, 3):
        engine = _engine(SharedHFLM, llama, batch_size=size)
        engine.begin(questions)
        _assert_alike(_asked(engine, questions, batch_size=size), plain)
    assert len({max(range(len(one)), key=lambda n: one[n][0]) for one in plain}) > 2  # else equality would say little


def test_prompts_longer_than_the_context_are_asked_whole(llama: Any, questions: list[Question]) -> None:
    lengths = sorted(len(question.prompt) for question in questions)
    context = lengths[7]
    engine = _engine(SharedHFLM, llama, max_length=context)
    assert engine.begin(questions) > 250
    _assert_alike(_asked(engine, questions), _plain(llama, questions, max_length=context))
    assert engine.notes == []
    assert _engine(SharedHFLM, llama, max_length=lengths[0] - 1).begin(questions) == 0


def _off_by_one(prefix: Prefix, named: dict[str, Any]) -> None:
    named["positions"] = named["positions"] + 1


def _dropped(prefix: Prefix, named: dict[str, Any]) -> None:
    named["mask"][:, : len(prefix.tokens)] = 0


def _one_hidden(prefix: Prefix, named: dict[str, Any]) -> None:
    named["mask"][:, len(prefix.tokens) - 1] = 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("mistake", [_off_by_one, _dropped, _one_hidden])
def test_a_mistake_is_found_in_every_dtype(
    mistake: Callable[..., None], dtype: torch.dtype, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _model("LlamaConfig", GATED, dtype=dtype)
    weights = [parameter.clone() for parameter in model.parameters()]
    sound = _engine(SharedHFLM, model)
    assert sound.begin(questions) > 250
    assert all(torch.equal(*pair) for pair in zip(weights, model.parameters(), strict=True))
    step = Prefix.step

    def wrong(self: Prefix, inputs: Any, cache: Any, **named: Any) -> Any:
        mistake(self, named)
        return step(self, inputs, cache, **named)

    monkeypatch.setattr(Prefix, "step", wrong)
    engine = _engine(SharedHFLM, model)
    assert engine.begin(questions) == 0
    assert "because reading them once moves a" in engine.notes[0]
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    if dtype == torch.float32:
        _assert_alike(_asked(engine, questions[:2]), _plain(model, questions[:2]))


def test_half_precision_that_hides_a_mistake_is_looked_through(
    questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever bfloat16 itself would let pass, the same weights as float32 do not."""
    monkeypatch.setitem(checking._TOLERANCE, torch.bfloat16, 1e9)
    step = Prefix.step
    monkeypatch.setattr(
        Prefix, "step", lambda self, inputs, cache, **named: step(self, inputs, cache, **named) + torch.arange(256) / 99
    )
    engine = _engine(SharedHFLM, _model("LlamaConfig", GATED, dtype=torch.bfloat16))
    assert engine.begin(questions) == 0
    assert engine.notes[0].endswith("even in float32.")


def test_a_letter_that_rounding_moves_is_said_in_half_precision_and_gives_sharing_up_in_float32(
    llama: Any, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Difference(largest=0.3, letters=1), Difference(largest=1e-5, letters=0)]
    monkeypatch.setattr(SharedHFLM, "_difference", lambda _self, _pair: found[0] if len(found) == 1 else found.pop(0))
    engine = _engine(SharedHFLM, _model("LlamaConfig", GATED, dtype=torch.bfloat16))
    assert engine.begin(questions) > 250
    assert engine.difference.largest == 0.3
    (note,) = engine.notes
    assert note.startswith("Reading the worked examples once moved the letter of 1 of 2 questions")
    assert "by up to 0.3: no more than rounding to bfloat16 does" in note
    found[:] = [Difference(largest=1e-5, letters=1)]
    engine = _engine(SharedHFLM, llama)
    assert engine.begin(questions) == 0
    assert engine.notes[0].endswith("because reading them once moves an answer, by 1e-05 in log-probability.")


def test_a_model_that_cannot_be_taken_as_float32_is_checked_as_far_as_it_can_be(questions: list[Question]) -> None:
    model = _model("LlamaConfig", GATED, dtype=torch.bfloat16)

    def only_half(_module: Any, inputs: tuple[Any, ...]) -> None:
        if inputs[0].dtype != torch.bfloat16:
            raise TypeError("expected bfloat16")

    model.model.layers[1].mlp.down_proj.register_forward_pre_hook(only_half)
    engine = _engine(SharedHFLM, model)
    assert engine.begin(questions) > 250
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.model.layers[1].mlp.down_proj._forward_hooks == {}
    _asked(engine, questions[:2])


def test_the_check_is_made_once_with_the_first_group_that_can_share(
    llama: Any, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[list[Question]] = []
    check = SharedHFLM._check

    def watched(self: SharedHFLM, pair: list[Question]) -> None:
        checked.append(pair)
        check(self, pair)

    monkeypatch.setattr(SharedHFLM, "_check", watched)
    engine = _engine(SharedHFLM, llama)
    assert engine.begin(questions[:1]) == 0
    for group in (questions[:7], questions[7:]):
        assert engine.begin(group) > 250
    assert checked == [[questions[0], questions[6]]]  # the longest and the shortest, so that one is padded


def test_the_prefix_of_the_last_group_is_gone_before_the_next_is_read(
    llama: Any, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[Prefix]] = []

    class Watched(Prefix):
        def __init__(self, *arguments: Any) -> None:
            assert all(one() is None for one in alive)
            alive.append(weakref.ref(self))
            super().__init__(*arguments)

    monkeypatch.setattr(module, "Prefix", Watched)
    engine = _engine(SharedHFLM, llama)
    for group in (questions[:7], questions[7:]):
        assert engine.begin(group) > 250
        engine.respond(group)
    with _raising(llama, ValueError("strange")), pytest.raises(ValueError, match="strange"):
        engine.respond(questions[7:8])
    assert len(alive) == 2
    assert alive[-1]() is None  # given up, and freed


@contextmanager
def _raising(model: Any, error: Exception, *, shared_only: bool = False) -> Iterator[None]:
    """Forward passes that fail: those after a prefix, or every one."""

    def fail(_module: Any, _inputs: Any, named: dict[str, Any]) -> None:
        if not shared_only or named.get("past_key_values") is not None:
            raise error

    handle = model.register_forward_pre_hook(fail, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def test_a_strange_model_is_asked_the_plain_way(llama: Any, questions: list[Question]) -> None:
    plain = _plain(llama, questions[:4])
    engine = _engine(SharedHFLM, llama)
    with _raising(llama, TypeError("forward() takes no attention mask"), shared_only=True):
        assert engine.begin(questions[:4]) == 0
        _assert_alike(_asked(engine, questions[:4]), plain)
    assert engine.notes[0].endswith("because the model cannot go on from them (TypeError).")
    later = _engine(SharedHFLM, llama)
    assert later.begin(questions[:4]) > 250
    with _raising(llama, TypeError("only now"), shared_only=True):
        _assert_alike(_asked(later, questions[:4]), plain)
    assert (later.engine, len(later.notes)) == ("plain", 1)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("out of memory"), MemoryError()])
def test_want_of_memory_goes_on_to_a_smaller_batch_and_gives_nothing_up(
    error: Exception, llama: Any, questions: list[Question]
) -> None:
    engine = _engine(SharedHFLM, llama)
    with _raising(llama, error, shared_only=True):
        assert engine.begin(questions) == 0  # this group is asked the plain way
    assert engine.notes == []
    assert engine.begin(questions) > 250
    with _raising(llama, error, shared_only=True), pytest.raises(type(error)):
        engine.respond(questions[:8])
    assert (engine.engine, engine.notes) == ("shared", [])
    _assert_alike(engine.respond(questions[:4]), _plain(llama, questions[:4]))


def test_scores_that_are_not_numbers_are_refused_in_either_way(llama: Any, questions: list[Question]) -> None:
    engine = _engine(SharedHFLM, llama)
    assert engine.begin(questions[:4]) > 250
    with torch.no_grad():
        llama.lm_head.weight[65] = float("nan")
    with pytest.raises(MeasurementError, match="not finite"):
        engine.respond(questions[:4])
    with pytest.raises(MeasurementError, match="not finite"):
        _engine(SharedHFLM, llama).begin(questions[:4])


def test_no_tensor_of_prompt_by_vocabulary_is_made(llama: Any, questions: list[Question]) -> None:
    made: list[int] = []
    engine = _engine(SharedHFLM, llama)
    engine.begin(questions)
    llama.lm_head.register_forward_hook(lambda _module, _inputs, output: made.append(output.numel()))
    engine.begin(questions)
    engine.respond(questions[:8])
    assert made == [
        256,
        8 * 2 * 256,
    ]  # the last position of the prefix; two of each prompt, whose letter follows a space


@pytest.mark.parametrize("missing", [lambda: None, lambda: "not a module"])
def test_a_model_without_an_output_embedding_is_read_from_all_its_logits(
    missing: Callable[[], Any], llama: Any, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _plain(llama, questions[:4])
    monkeypatch.setattr(llama, "get_output_embeddings", missing)
    engine = _engine(SharedHFLM, llama)
    assert engine.begin(questions[:4]) > 250
    _assert_alike(_asked(engine, questions[:4]), plain)


def test_endings_of_several_tokens_are_scored_as_lm_eval_scores_them(llama: Any, questions: list[Question]) -> None:
    """With one token a byte, " A" is two tokens, the first of which all endings have in common."""
    engine = _engine(SharedHFLM, llama)
    engine.begin(questions)
    assert {len(engine._encode_pair(questions[0].prompt, ending)[1]) for ending in questions[0].endings} == {2}
    batches = _tokens_read(llama)
    engine.respond(questions[:1])
    assert len(batches) == 1  # of the space only: one row for all endings


def test_tokens_outside_the_embedding_are_refused(llama: Any, questions: list[Question]) -> None:
    llama.set_input_embeddings(torch.nn.Embedding(100, 32))
    for kind in (PlainHFLM, SharedHFLM):
        with pytest.raises(CheckpointError, match="do not belong together"):
            _engine(kind, llama).encode([question.prompt for question in questions])

"""Texts encoded together, and kept: the same tokens as lm-eval's, fewer times."""

from typing import Any

import pytest
from lm_eval.models.huggingface import HFLM
from tokenizers.processors import TemplateProcessing

from nil_audit.progress import quiet_libraries
from nil_audit.score.engines.plain import PlainHFLM, wrapping
from nil_audit.score.plan import plan_score
from nil_audit.score.questions import as_asked
from tests.tiny import NUL, SOH, byte_tokenizer, tiny_model

TEXTS = ("one", "two words ", "ümlaut\n\n x", "one", "", "\x01with a beginning", "\x01")


def _tokenizer(*, begins: bool) -> Any:
    """One token a byte; where asked it puts the byte 1 before every text."""
    tokenizer = byte_tokenizer(eos_token=NUL, bos_token=SOH)
    if begins:
        special = [(SOH, tokenizer.bos_token_id)]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"{SOH} $A", special_tokens=special)
    return tokenizer


@pytest.mark.parametrize("begins", [True, False])
@pytest.mark.parametrize("add_bos_token", [None, True, False])
def test_tokens_are_those_of_lm_eval(begins: bool, add_bos_token: bool | None) -> None:
    given = wrapping(tiny_model("llama"), _tokenizer(begins=begins), batch_size=1) | {"add_bos_token": add_bos_token}
    with quiet_libraries():
        own, theirs = PlainHFLM(**given), HFLM(**given)
    texts = [*TEXTS, f"{own.tokenizer.decode(own.prefix_token_id)} begun already"]
    expected = [theirs.tok_encode(text) for text in texts]
    assert [own.tok_encode(text) for text in texts] == expected
    assert [list(tokens) for tokens in own.encode(texts)] == expected
    assert [own.tok_encode(text) for text in texts] == expected  # now from what was kept
    for special in (True, False):
        assert own.tok_encode("one", add_special_tokens=special) == theirs.tok_encode("one", special)
    assert own.tok_encode("two words", left_truncate_len=3) == theirs.tok_encode("two words", left_truncate_len=3)


def test_a_tokenizer_that_encodes_one_text_at_a_time_is_asked_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with quiet_libraries():
        engine = PlainHFLM(**wrapping(tiny_model("llama"), _tokenizer(begins=False), batch_size=1))
    expected = [engine.tok_encode(text) for text in TEXTS]
    monkeypatch.setattr(type(engine.tokenizer), "is_fast", False)
    monkeypatch.setattr(type(engine.tokenizer), "__call__", None)
    assert [list(tokens) for tokens in engine.encode(TEXTS)] == expected


def test_a_prompt_is_encoded_once_and_a_batch_in_one_call(data: Any, loaded: Any, monkeypatch: Any) -> None:
    plan = plan_score(data=data, questions=14)
    questions = as_asked(plan.protocol, plan.questions, plan.examples())[:4]
    with quiet_libraries():
        engine = PlainHFLM(**wrapping(*loaded, batch_size=4))
    calls: list[list[str]] = []
    encode, one_by_one = type(engine.tokenizer).__call__, []

    def counted(self: Any, texts: list[str], **options: Any) -> Any:
        calls.append(texts)
        return encode(self, texts, **options)

    monkeypatch.setattr(type(engine.tokenizer), "__call__", counted)
    monkeypatch.setattr(HFLM, "tok_encode", lambda _self, text, *_: one_by_one.append(text))
    prompts = [question.prompt for question in questions]
    engine.encode(prompts)
    engine.encode(prompts)
    engine.respond(questions)
    wholes = [question.prompt + ending for question in questions for ending in question.endings]
    assert calls == [prompts, wholes]
    assert one_by_one == []

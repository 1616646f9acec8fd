"""Text to windows in blocks, for every kind of probe."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, ByT5Tokenizer, PreTrainedTokenizerFast

from nil_audit.errors import ProbeError
from nil_audit.interaction import probe as probe_module
from nil_audit.interaction.probe import BLOCKS, Probe, Windows, block_of, document_start, load_probe, make_windows
from tests.conftest import SHARED
from tests.tiny import NUL, SOH, byte_tokenizer, english

TOKENIZER = byte_tokenizer()


class Counting:
    """A tokenizer that adds up the characters it is given."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.is_fast, self.decode, self.characters = inner, inner.is_fast, inner.decode, 0

    def __call__(self, text: str, **options: Any) -> Any:
        self.characters += len(text)
        return self.inner(text, **options)


def _sentencepiece(model: str) -> PreTrainedTokenizerFast:
    """A tokenizer like SentencePiece's, trained on the shipped text: the whole text is one word to it."""
    lines = load_probe("builtin").text.splitlines()
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    if model == "bpe":
        inner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
        inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        trainer: Any = trainers.BpeTrainer(vocab_size=800, special_tokens=special, show_progress=False)
    else:
        inner = Tokenizer(models.Unigram())
        inner.normalizer = normalizers.NFKC()
        trainer = trainers.UnigramTrainer(
            vocab_size=600, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
        )
    inner.pre_tokenizer = pre_tokenizers.Metaspace(split=True)
    inner.train_from_iterator(lines[:60], trainer)
    inner.pre_tokenizer = None if model == "bpe" else pre_tokenizers.Metaspace(split=False)
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")


@cache
def tokenizer_of(kind: str) -> Any:
    if kind == "bytes":
        return TOKENIZER
    if kind == "slow":
        return ByT5Tokenizer()
    if kind in ("bpe", "unigram"):
        return _sentencepiece(kind)
    if not (folder := SHARED / "checkpoints" / kind).is_dir():
        pytest.skip("needs the real checkpoints beside the repository")
    return AutoTokenizer.from_pretrained(folder)


KINDS = ("bytes", "slow", "bpe", "unigram", "gpt2-4x176", "llama-6x144", "neox-2x256", "qwen3-12x96")


def windows_of_the_whole(probe: Probe, tokenizer: Any, **asked: int) -> Windows:
    """What ``make_windows`` gives where all of the text is tokenised."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe_module, "_encode_beginning", lambda text, inner, _: probe_module._encode(text, inner))
        return make_windows(probe, tokenizer, **asked)


def assert_same(found: Windows, expected: Windows) -> None:
    assert np.array_equal(found.tokens, expected.tokens)
    assert np.array_equal(found.bytes, expected.bytes)


PASSAGES = st.sampled_from(
    (
        load_probe("builtin").text,
        "aaaa" * 2000,
        " " * 3000,
        "\n" * 1500,
        "\t\t\r\n" * 500,
        "the cat " * 1000,
        "0123456789" * 500,
        "中文字符没有空格한국어é́ﬁ" * 300,
        "🙂\u200d👩\u200d👧" * 400,
        "<|endoftext|>" * 50,
    )
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    parts=st.lists(st.tuples(PASSAGES, st.integers(0, 5000), st.integers(100, 15_000)), min_size=2, max_size=7),
    window=st.integers(1, 40),
    share=st.floats(0, 0.99),
)
def test_tokens_of_the_beginning_are_those_of_the_whole_text(
    kind: str, parts: list[tuple[str, int, int]], window: int, share: float
) -> None:
    context = int(share * window)
    text = "".join(passage[start : start + length] for passage, start, length in parts)
    tokenizer, tokens = tokenizer_of(kind), BLOCKS * window * 2
    try:
        expected = windows_of_the_whole(probe_of(text), tokenizer, tokens=tokens, window=window, context=context)
    except ProbeError:
        return
    assert_same(make_windows(probe_of(text), tokenizer, tokens=tokens, window=window, context=context), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_text_is_tokenised_than_the_tokens_need(kind: str) -> None:
    tokenizer = Counting(tokenizer_of(kind))
    probe = probe_of(load_probe("builtin").text * 6)
    found = make_windows(probe, tokenizer, tokens=2048, window=128, context=16)
    assert tokenizer.characters < len(probe.text) / 5
    assert_same(found, windows_of_the_whole(probe, tokenizer.inner, tokens=2048, window=128, context=16))


def test_a_tokenizer_that_looks_at_the_end_of_the_text_is_given_all_of_it() -> None:
    class Odd(Counting):
        def __call__(self, text: str, **options: Any) -> Any:
            return {"input_ids": [(ord(letter) + len(text)) % 256 for letter in text]}

    text = english(200_001)
    odd = Odd(TOKENIZER)
    odd.is_fast = False
    found = make_windows(probe_of(text), odd, tokens=512, window=16, context=0)
    assert found.tokens[0, 0] == (ord(text[0]) + len(text)) % 256


def probe_of(text: str) -> Probe:
    return Probe(name="text", text=text, sha256="0")


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(200, 3000),
    window=st.integers(1, 12),
    tokens=st.integers(200, 4000),
    share=st.floats(0, 0.99),
)
def test_windows_and_blocks_follow_the_definition(length: int, window: int, tokens: int, share: float) -> None:
    text, context = english(length), int(share * window)
    found = make_windows(probe_of(text), TOKENIZER, tokens=tokens, window=window, context=context)
    ids = TOKENIZER(text)["input_ids"]
    count = min(tokens // window, (len(ids) - 1) // window)
    assert (found.count, found.length, found.counted) == (count, window, window - context)
    assert found.text_ended == (count < tokens // window)
    for w in (0, count // 2, count - 1):
        assert list(found.tokens[w]) == ids[w * window : w * window + window + 1]
    # one byte a token: the counted targets cover as many bytes as there are
    assert list(found.bytes) == [window - context] * count


@given(windows=st.integers(BLOCKS, 5000))
def test_blocks_follow_the_definition(windows: int) -> None:
    found = block_of(windows)
    assert list(found) == [i * BLOCKS // windows for i in range(windows)]
    assert set(found) == set(range(BLOCKS))


def test_bytes_are_counted_in_utf8_across_characters_cut_by_tokens() -> None:
    text = "naïve façade, größer Ωmega — " * 40
    found = make_windows(probe_of(text), TOKENIZER, tokens=10_000, window=8, context=0)
    covered = found.count * 8
    assert abs(int(found.bytes.sum()) - covered) <= 4  # a window may end inside a character
    assert len(text.encode()) > covered - 8


def test_a_slow_tokenizer_without_offsets_counts_the_same_bytes() -> None:
    class Slow:
        is_fast = False

        def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
            return {"input_ids": TOKENIZER(text)["input_ids"]}

        def decode(self, ids: list[int], **_: object) -> str:
            return TOKENIZER.decode(ids)

    text = english(900)
    fast = make_windows(probe_of(text), TOKENIZER, tokens=800, window=8, context=3)
    slow = make_windows(probe_of(text), Slow(), tokens=800, window=8, context=3)
    assert list(slow.bytes) == list(fast.bytes)


@pytest.mark.parametrize("context", [0, 5])
def test_a_slow_tokenizer_counts_characters_that_an_edge_cuts_once(context: int) -> None:
    """ByT5 has a token a byte, and leaves out of a text what is no whole character."""
    text = "Le café coûte 300 € à Besançon, 日本語の文章は空白がない。" * 40
    found = make_windows(probe_of(text), ByT5Tokenizer(), tokens=640, window=40, context=context)
    for w, size in enumerate(found.bytes):
        assert abs(int(size) - (40 - context)) <= 2, w
    whole = make_windows(probe_of(text), ByT5Tokenizer(), tokens=640, window=40, context=0)
    assert abs(int(whole.bytes.sum()) - 640) <= 2


@pytest.mark.parametrize(
    ("special", "expected"),
    [
        ({"bos_token": NUL, "eos_token": SOH}, NUL),
        ({"eos_token": SOH}, SOH),
        ({}, None),
    ],
)
def test_a_document_starts_with_bos_else_eos(special: dict[str, str], expected: str | None) -> None:
    tokenizer = byte_tokenizer(**special)
    found = document_start(tokenizer)
    assert found == (None if expected is None else tokenizer.convert_tokens_to_ids(expected))


def test_too_few_tokens_asked_for_says_how_many_are_needed() -> None:
    with pytest.raises(ProbeError, match="use --tokens 256 or more"):
        make_windows(probe_of(english(2000)), TOKENIZER, tokens=100, window=16, context=0)


def test_short_text_says_what_window_would_fit() -> None:
    with pytest.raises(ProbeError, match="need 1,025; use a longer text, or --window 31 or less"):
        make_windows(probe_of(english(500)), TOKENIZER, tokens=4096, window=64, context=16)


def test_builtin_probe_ships_and_is_long_enough_for_the_default_window() -> None:
    found = load_probe("builtin")
    assert len(found.text.encode()) >= 60_000
    assert len(found.sha256) == 64


def test_rows_of_a_data_set_are_joined_as_lines(tmp_path: Path) -> None:
    """WikiText's rows end in a newline or are empty; other data sets' rows do not."""
    rows = [{"text": ""}, {"text": " = Title = \n"}, {"text": ""}, {"text": "A row without its newline"}]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert load_probe(f"hf:{tmp_path}").text == "\n = Title = \n\nA row without its newline\n"


def test_missing_column_of_a_data_set_is_named(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text('{"body": "words"}\n')
    with pytest.raises(ProbeError, match="has no column 'text'"):
        load_probe(f"hf:{tmp_path}")
    assert load_probe(f"hf:{tmp_path}::test:body").text == "words\n"

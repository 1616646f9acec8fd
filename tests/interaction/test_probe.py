"""Text to windows in blocks, for every kind of probe."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.errors import ProbeError
from nil_audit.interaction.probe import BLOCKS, Probe, load_probe, make_windows
from tests.tiny import byte_tokenizer, english

TOKENIZER = byte_tokenizer()


def probe_of(text: str) -> Probe:
    return Probe(name="text", text=text, sha256="0")


@settings(max_examples=40, deadline=None)
@given(length=st.integers(200, 3000), window=st.integers(1, 12), tokens=st.integers(200, 4000))
def test_windows_and_blocks_follow_the_definition(length: int, window: int, tokens: int) -> None:
    text = english(length)
    found = make_windows(probe_of(text), TOKENIZER, tokens=tokens, window=window)
    ids = TOKENIZER(text)["input_ids"]
    count = min(tokens // window, (len(ids) - 1) // window)
    assert found.count == count
    for w in (0, count // 2, count - 1):
        assert list(found.tokens[w]) == ids[w * window : w * window + window + 1]
    assert list(found.block_of) == [i * BLOCKS // count for i in range(count)]
    assert set(found.block_of) == set(range(BLOCKS))
    # one byte a token: a block's targets cover as many bytes as it has tokens
    assert list(found.block_bytes) == list(np.bincount(found.block_of) * window)


def test_bytes_are_counted_in_utf8_across_characters_cut_by_tokens() -> None:
    text = "naïve façade, größer Ωmega — " * 40
    found = make_windows(probe_of(text), TOKENIZER, tokens=10_000, window=8)
    covered = found.count * 8
    assert abs(int(found.block_bytes.sum()) - covered) <= 4  # a window may end inside a character
    assert len(text.encode()) > covered - 8


def test_a_slow_tokenizer_without_offsets_counts_the_same_bytes() -> None:
    class Slow:
        is_fast = False

        def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
            return {"input_ids": TOKENIZER(text)["input_ids"]}

        def decode(self, ids: list[int]) -> str:
            return TOKENIZER.decode(ids)

    text = english(900)
    fast = make_windows(probe_of(text), TOKENIZER, tokens=800, window=8)
    slow = make_windows(probe_of(text), Slow(), tokens=800, window=8)
    assert list(slow.block_bytes) == list(fast.block_bytes)


def test_too_few_tokens_asked_for_says_how_many_are_needed() -> None:
    with pytest.raises(ProbeError, match="use --tokens 256 or more"):
        make_windows(probe_of(english(2000)), TOKENIZER, tokens=100, window=16)


def test_short_text_says_what_window_would_fit() -> None:
    with pytest.raises(ProbeError, match="need 1,025; use a longer text, or --window 31 or less"):
        make_windows(probe_of(english(500)), TOKENIZER, tokens=4096, window=64)


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

"""Characters that an encoding lacks, written in ASCII; and none that commands a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.report.render.characters import clean, fitted, printable, visible


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("−0.3 – ±2 × σ Σ μ, …", "ascii", "-0.3 - +-2 x sigma Sigma mu, ..."),
        ("−0.3 – ±2 × σ", "cp1252", "-0.3 – ±2 × sigma"),
        ("−0.3 – ±2 × σ", "utf-8", "−0.3 – ±2 × σ"),
        ("模型 é", "ascii", "\\u6a21\\u578b \\xe9"),
        ("\udcff", "utf-8", "\\udcff"),
    ],
)
def test_what_an_encoding_lacks_is_written_in_ascii(text: str, encoding: str, shown: str) -> None:
    assert fitted(text, encoding) == shown


@given(st.text(), st.sampled_from(["ascii", "cp1252", "latin-1", "cp437", "utf-8", "utf-16"]))
def test_every_text_fits_every_encoding(text: str, encoding: str) -> None:
    shown = fitted(text, encoding)
    assert shown.encode(encoding).decode(encoding) == shown == fitted(shown, encoding)


@pytest.mark.parametrize(
    "text", ["a\x1b[2J", "a\x9bm", "a\u202eb", "a\u2066", "a\x07", "a\ue000", "a\udc80", "a\u2028b"]
)
def test_nothing_commands_a_terminal(text: str) -> None:
    assert printable(text).isprintable() and clean(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" from", " from"),
        ("a\r\nb\nc\td", "a↵b↵c⇥d"),
        ("a  b    c d", "a␣␣b␣␣␣␣c d"),
        ("\x1b[31m\x00\xa0", "\\x1b[31m\\x00\\xa0"),
        ("\u200b\u202e\U000e0001\ud800", "\\u200b\\u202e\\U000e0001\\ud800"),
        ("模型 é <b>|`", "模型 é <b>|`"),
    ],
)
def test_every_character_of_a_token_is_to_be_seen(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_what_is_visible_is_printable_on_one_line_and_left_alone_by_the_renderers(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable() and clean(f"'{shown}'") == f"'{shown}'"
    assert fitted(shown, "ascii").isprintable()

"""Characters that an encoding lacks, written in ASCII; and none that commands a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.report.render.characters import clean, fitted, printable


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

"""Numbers and names as they are printed."""

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.report.render.text import clean, count, interval, p_value, percent, points, short_name, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.194, "+0.19"),
        (-0.031, "−0.03"),
        (0.0, "0.00"),
        (-0.004, "0.00"),
        (0.004, "0.00"),
        (None, "–"),
        (1.0, "+1.00"),
    ],
)
def test_signed(value, text):
    assert signed(value) == text


def test_intervals_fractions_and_points():
    assert interval(-0.03, 0.36) == "−0.03 to +0.36"
    assert interval(None, 0.36) == "–"
    assert percent(0.3144) == "31.4%"
    assert percent(-0.012) == "−1.2%"
    assert points(0.0213) == "+2.1"
    assert points(None) == "–"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (494_032_768, "494M"),
        (1_235_814_400, "1.24B"),
        (14.77e9, "14.8B"),
        (999_600_000, "1.00B"),
        (18e12, "18.0T"),
        (68_000, "68.0k"),
        (12, "12"),
        (None, "–"),
    ],
)
def test_counts_have_three_figures(number, text):
    assert count(number) == text


@pytest.mark.parametrize(("p", "text"), [(0.00004, "under 0.001"), (0.0312, "0.031"), (0.4, "0.40"), (None, "–")])
def test_p_values(p, text):
    assert p_value(p) == text


@given(st.text())
def test_clean_text_is_one_line_that_xml_allows(text):
    shown = clean(text)
    assert "\n" not in shown and shown == shown.strip()
    escaped = shown.replace("&", "&amp;").replace("<", "&lt;")
    assert (ElementTree.fromstring(f"<t>{escaped}</t>").text or "") == shown


def test_short_names_lose_their_organisation_and_their_tail():
    assert short_name("Qwen/Qwen2.5-0.5B") == "Qwen2.5-0.5B"
    assert short_name("folder/checkpoint/") == "checkpoint"
    assert len(short_name("x" * 99)) == 26
    assert short_name("a/b\u202eevil\x00") == "bevil"

"""Numbers and names as they are printed."""

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.report.render.characters import clean
from nil_audit.report.render.text import (
    count,
    display_name,
    display_names,
    error_text,
    estimate_text,
    interval,
    interval_text,
    p_value,
    percent,
    points,
    short_names,
    signed,
    with_minus_signs,
)
from nil_audit.stats.estimate import Estimate


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
        (4.21005e21, "4.21e21"),
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


@pytest.mark.parametrize("missing", [None, math.nan])
def test_what_is_missing_is_a_dash_whatever_the_form(missing):
    for form in (signed, percent, points, count, p_value):
        assert form(missing) == "–"
    assert interval(missing, 0.1) == interval(0.1, missing) == "–"
    unknown = None if missing is None else Estimate(value=missing, low=missing, high=missing)
    assert estimate_text(unknown) == interval_text(unknown) == "–"
    assert error_text(None if missing is None else Estimate(value=missing, se=0.1)) == "–"


def test_an_estimate_has_its_interval_where_it_has_one():
    found = Estimate(value=-0.114, low=-0.301, high=0.0903)
    assert estimate_text(found) == "−0.11 [−0.30, +0.09]"
    assert interval_text(found) == "−0.11 [−0.30, 0.09]"
    assert interval_text(Estimate(value=0.5), 1) == "0.5"
    assert estimate_text(found, 1, factor=100) == "−11.4 [−30.1, +9.0]"
    assert estimate_text(Estimate(value=0.5)) == "+0.50"


@pytest.mark.parametrize(
    ("value", "se", "text"),
    [
        (1.94632, 0.0128, "1.946 ± 0.013"),
        (-0.010277, 0.000398, "−0.01028 ± 0.00040"),
        (424.4, 27.6, "424 ± 28"),
        (88193.0, 13677.0, "88,193 ± 13,677"),
        (1.5e7, 2e5, "(1.500 ± 0.020)e7"),
        (0.0000123, 0.0000021, "(1.23 ± 0.21)e-5"),
        (-0.0000123, 0.0000021, "(−1.23 ± 0.21)e-5"),
        (-2.5, None, "−2.5"),
        (3.0, 0.0, "3"),
        (math.pi, math.nan, "3.142"),
        (math.pi, None, "3.142"),
    ],
)
def test_a_number_is_shown_to_the_digits_of_its_error(value, se, text):
    assert error_text(Estimate(value=value, se=se, low=0, high=0, bias=0)) == text


def test_a_folder_is_called_by_its_own_name_and_a_model_by_its_hub_id(tmp_path: Path, monkeypatch):
    folder = tmp_path / "models" / "one"
    folder.mkdir(parents=True)
    (folder / "config.json").touch()
    assert display_name(str(folder)) == display_name(f"{folder}/") == "one"
    assert display_name(str(folder / "config.json"), parts=2) == "one/config.json"
    assert display_name("Qwen/Qwen2.5-0.5B") == "Qwen/Qwen2.5-0.5B"
    monkeypatch.chdir(folder)
    assert display_name("..", parts=2).endswith("/models") and display_name(".") == "one"


def test_hyphens_that_mean_minus_become_minus_signs():
    assert with_minus_signs("from -0.3 (-2) to [-1, 4], a - b, top-1 and 2024-05") == (
        "from −0.3 (−2) to [−1, 4], a − b, top-1 and 2024-05"
    )


def test_names_are_as_short_as_tells_them_apart(tmp_path: Path):
    for folder in ("a/x/model", "b/x/model", "other"):
        (tmp_path / folder).mkdir(parents=True)
    names = [str(tmp_path / "a/x/model"), str(tmp_path / "b/x/model"), str(tmp_path / "other"), "org/model", "model"]
    assert list(display_names(names).values()) == ["a/x/model", "b/x/model", "other", "org/model", "model"]
    assert display_names(["a\u202eb", "ab", "a\x1bb"]) == {"a\u202eb": "a\\u202eb", "ab": "ab", "a\x1bb": "a\\x1bb"}
    assert display_names(["a b", "a  b", "a \t b"]) == {"a b": "a b", "a  b": "a b (2)", "a \t b": "a \\t b"}


@pytest.mark.parametrize("name", ["~no_such_user/x", "x" * 300, "x/" * 3000, "\x00", "\udcff", "a\x00/b"])
def test_what_can_be_no_path_has_a_name_all_the_same(name):
    assert display_name(name)


def test_short_names_lose_their_organisation_where_that_is_enough():
    assert short_names(["Qwen/Qwen2.5-0.5B", "folder/checkpoint/", "a/b\u202eevil\x00"]) == {
        "Qwen/Qwen2.5-0.5B": "Qwen2.5-0.5B",
        "folder/checkpoint/": "checkpoint",
        "a/b\u202eevil\x00": "bevil",
    }
    assert list(short_names(["one/model", "two/model", "base"]).values()) == ["one/model", "two/model", "base"]
    long = ["x" * 99 + end for end in ("-step1", "-step2")]
    assert [text[-6:] for text in short_names(long).values()] == ["-step1", "-step2"]
    assert all(len(text) == 26 for text in short_names(long).values())

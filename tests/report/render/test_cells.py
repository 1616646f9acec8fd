"""Cells that several tables share: what they show, sort by and colour."""

import math

import pytest

from nil_audit.report.render.cells import count_cell, error_cell, estimate_cell, verdict_cell
from nil_audit.report.render.page import Cell
from nil_audit.stats.estimate import Estimate


def test_a_count_shows_thousands_and_sorts_by_its_value():
    assert count_cell(12_032) == Cell(text="12,032", value=12032.0)
    assert count_cell(0) == Cell(text="0", value=0.0)
    assert count_cell(None) == Cell(text="–")


def test_an_estimate_sorts_by_the_value_that_is_shown():
    found = Estimate(value=-0.114, low=-0.301, high=0.0903)
    assert estimate_cell(found, strong=True) == Cell(text="−0.11 [−0.30, +0.09]", value=-0.114, strong=True)
    scaled = estimate_cell(found, digits=1, factor=100)
    assert scaled.text == "−11.4 [−30.1, +9.0]" and scaled.value == pytest.approx(-11.4)
    assert estimate_cell(None) == Cell(text="–")
    assert estimate_cell(Estimate(value=math.nan)) == Cell(text="–")


def test_an_error_stands_beside_the_value_that_sorts():
    assert error_cell(Estimate(value=-1.946, se=0.0134)) == Cell(text="−1.946 ± 0.013", value=-1.946)
    assert error_cell(None) == error_cell(Estimate(value=math.nan, se=1.0)) == Cell(text="–")


def test_a_verdict_has_its_colour_and_another_word_none():
    assert [verdict_cell(label).tone for label in ("inside", "disputed", "outside", "unknown")] == [
        "good",
        "doubtful",
        "bad",
        None,
    ]

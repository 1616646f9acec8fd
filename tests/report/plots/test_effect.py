"""The figure of the effect: its interval against 0 and 1, what could be seen, and the rows below."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.report.plots.effect import EffectRow, effect_plot
from nil_audit.report.plots.style import PHONE, PREDICTED, WIDTH, Drawing
from nil_audit.stats.estimate import Estimate
from tests.report.plots.measured import assert_readable


def row(label: str, value: float, half: float = 1.0) -> EffectRow:
    estimate = Estimate(value=value, low=value - half, high=value + half, n=100)
    return EffectRow(label=label, estimate=estimate, narrow=(value - 0.8 * half, value + 0.8 * half))


def spans(figure: Drawing) -> list[tuple[float, float]]:
    """The horizontal lines of two points, from top to bottom."""
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2 and len(set(line.get_ydata())) == 1]
    return [tuple(line.get_xdata()) for line in lines]


def draw(primary: EffectRow, rows: list[EffectRow], **choices) -> Drawing:
    groups = [("Size held fixed by", rows), ("Empty", [])]
    return effect_plot(primary, groups, predicted="as the law predicts", **choices)


@pytest.mark.parametrize("phone", [False, True])
def test_the_interval_stands_between_no_effect_and_the_predicted_one(phone: bool):
    figure = draw(row("the answer", 0.54, 1.14), [row("a parabola", 0.99)], detectable=1.62, phone=phone)
    axes = figure.axes[0]
    upright = {line.get_xdata()[0]: line.get_linestyle() for line in axes.lines if len(set(line.get_xdata())) == 1}
    assert upright[0.0] == "-" and upright[1.0] == "--"
    assert PREDICTED[1] and upright.keys() >= {0.0, 1.0, 0.54, 0.99, 1.62}
    np.testing.assert_allclose(
        spans(figure), [(-0.60, 1.68), (-0.372, 1.452), (0, 1.62), (-0.01, 1.99), (0.19, 1.79)], atol=1e-9
    )
    words = [text.get_text() for text in axes.texts]
    assert {"no effect", "as the law predicts", "the answer", "0.54 [−0.60, 1.68]", "below 1.62"} <= set(words)
    assert "Size held fixed by" in words and "Empty" not in words
    (bar,) = [line for line in axes.lines if line.get_alpha()]
    assert tuple(bar.get_xdata()) == (0.0, 1.62)
    assert figure.get_size_inches()[0] == (PHONE if phone else WIDTH)


def test_the_primary_is_drawn_thicker_than_the_others_and_90_per_cent_thicker_than_95():
    figure = draw(row("the answer", 0.5), [row("other", 0.7)])
    widths = [line.get_linewidth() for line in figure.axes[0].lines if len(set(line.get_xdata())) == 2]
    thin, thick, other_thin, other_thick = widths
    assert thick > thin and other_thick > other_thin and thick > other_thick and thin > other_thin


def test_an_interval_beyond_the_axis_ends_in_an_arrow_and_its_numbers_are_said():
    figure = draw(row("the answer", 0.5), [row("wild", 3.0, 90.0), row("far", -40.0, 1.0)])
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    assert -2.1 < low < -1.0 and 2.0 < high < 3.1
    arrows = sorted(line.get_marker() for line in axes.lines if line.get_marker() in ("<", ">"))
    assert arrows == ["<", "<", ">"]
    assert "3.00 [−87.00, 93.00]" in [text.get_text() for text in axes.texts]


def test_an_estimate_without_an_interval_is_a_point():
    alone = EffectRow(label="the answer", estimate=Estimate(value=0.4, n=12))
    figure = draw(alone, [])
    assert spans(figure) == []
    assert [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "D"] == [0.4]


@given(
    value=st.floats(-3, 4),
    half=st.floats(0.05, 5),
    others=st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 20)), max_size=9),
    detectable=st.none() | st.floats(0.1, 8),
    phone=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_whatever_the_numbers_all_can_be_read(value, half, others, detectable, phone):
    rows = [row(f"each family its own level {place}", *one) for place, one in enumerate(others)]
    figure = draw(row("the answer, 113 models", value, half), rows, detectable=detectable, phone=phone)
    assert_readable(figure)
    low, high = figure.axes[0].get_xlim()
    assert low < min(0.0, value - half) and high > max(1.0, value + half) and math.isfinite(high - low)


@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize(("value", "half"), [(0.34, 0.33), (-9.0, 2.0), (9.0, 2.0)])
def test_the_names_of_the_lines_stay_inside_and_apart_wherever_the_lines_are(value: float, half: float, phone: bool):
    assert_readable(draw(row("the answer, 22 models", value, half), [], detectable=0.46, phone=phone))

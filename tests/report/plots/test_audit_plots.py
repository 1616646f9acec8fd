"""The plots of an audit: every model at its numbers, nothing clipped, no label across a bar."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from nil_audit.report.plots.palette import LINE, MUTED
from nil_audit.report.plots.score_size import ScorePoint, score_against_size
from nil_audit.report.plots.spread import SpreadPoint, spread_against_sensitivity
from nil_audit.report.plots.strip import StripRow, strip
from nil_audit.stats.estimate import Estimate


def estimate(value: float, half: float = 0.1) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, se=half / 2)


def texts_inside(figure: Figure) -> bool:
    """Whether no text that is shown reaches over the edge of the figure."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    width, height = figure.get_size_inches() * figure.dpi
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts if text.get_text()]
    labels = [axis.label.get_window_extent(renderer) for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis)]
    return all(box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1 for box in boxes + labels)


@pytest.mark.parametrize("rows", [1, 2, 50])
def test_the_strip_has_a_row_a_model_from_top_to_bottom_and_nothing_is_clipped(rows: int) -> None:
    found = [
        StripRow(name=f"organisation/WWW-a-long-name-MMM-{place}-of-many-WWW", estimate=estimate(-4.0 - place / 7))
        for place in range(rows)
    ]
    found[-1] = StripRow(name="reference", estimate=Estimate(value=-12.3), reference=True)
    figure = strip(found, axis="typical efficiency (nats)")
    lines = figure.axes[0].lines
    points = [line for line in lines if line.get_marker() == "o"]
    bars = [line for line in lines if line.get_marker() != "o"]
    assert [line.get_xdata()[0] for line in points] == [row.estimate.value for row in found]
    assert [line.get_ydata()[0] for line in points] == [-place for place in range(rows)]
    assert [tuple(line.get_xdata()) for line in bars] == [row.estimate.interval for row in found[:-1]]
    assert [to_hex(line.get_color()) for line in points] == [LINE] * (rows - 1) + [MUTED]
    words = [text.get_text() for text in figure.axes[0].texts]
    assert "−12.30" in words and "reference" in words and len(words) == 2 * rows
    assert texts_inside(figure)
    assert figure.get_size_inches()[1] == pytest.approx(0.62 + 0.185 * rows)


def test_a_bold_name_has_the_margin_that_a_normal_one_has() -> None:
    # letters that are a fifth wider in bold, drawn so finely that none is moved to a whole dot
    figure = strip([StripRow(name="fill-fill-jill-till-rill-irl", estimate=estimate(4.0))], axis="nats")
    figure.set_dpi(800)
    figure.canvas.draw()
    (name, _) = figure.axes[0].texts
    assert name.get_fontweight() == "bold"
    left = name.get_window_extent(figure.canvas.get_renderer()).x0 / figure.dpi * 72
    assert 5.0 < left < 9.0


@given(
    ranks=st.lists(st.floats(1, 5000), min_size=1, max_size=8),
    sensitivity=st.floats(1e-4, 1e4),
    step=st.floats(1.0, 3.0),
)
@settings(max_examples=15, deadline=None)
def test_lines_of_equal_efficiency_are_where_the_numbers_say(
    ranks: list[float], sensitivity: float, step: float
) -> None:
    points = [
        SpreadPoint(name=f"m{place}", rank=Estimate(value=rank), sensitivity=Estimate(value=sensitivity * step**place))
        for place, rank in enumerate(ranks)
    ]
    axes = spread_against_sensitivity(points).axes[0]
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert all(left < one.rank.value < right and bottom < one.sensitivity.value < top for one in points)
    named = [text for text in axes.texts if text.get_color() == MUTED]
    assert 1 <= len(named) <= 8
    for text in named:
        rank, size = text.xy
        said = float(text.get_text().replace("−", "-"))
        assert 0.5 * math.log(rank) - math.log(size) == pytest.approx(said, abs=1e-6)


def test_spread_points_have_bars_colours_and_labels_off_the_bars() -> None:
    points = [
        SpreadPoint(name=f"model-{place}", rank=estimate(100 + 9 * place, 30), sensitivity=estimate(1 + place, 0.4))
        for place in range(6)
    ] + [SpreadPoint(name="grey", rank=estimate(80, 100), sensitivity=estimate(9, 1), reference=True)]
    figure = spread_against_sensitivity(points)
    axes = figure.axes[0]
    figure.canvas.draw()
    centres = [line for line in axes.lines if line.get_marker() == "o"]
    assert sorted((line.get_xdata()[0], line.get_ydata()[0]) for line in centres) == sorted(
        (one.rank.value, one.sensitivity.value) for one in points
    )
    assert sorted(to_hex(line.get_color()) for line in centres) == sorted([LINE] * 6 + [MUTED])
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text().startswith("model-")]
    assert len(boxes) == 6
    for one in points:
        low, high = max(one.rank.low, one.rank.value / 100), one.rank.high
        bar = axes.transData.transform([(x, one.sensitivity.value) for x in np.geomspace(low, high, 200)])
        for box in boxes:
            inside = (bar > (box.x0 + 2, box.y0 + 2)) & (bar < (box.x1 - 2, box.y1 - 2))
            assert not inside.all(axis=1).any(), one.name
    assert axes.get_xlim()[0] > 0 and texts_inside(figure)


def test_scores_stand_among_the_published_ones_above_the_line_of_chance() -> None:
    cloud = [(1e8, 0.11), (7e9, 0.3), (3e9, 0.2)]
    point = ScorePoint(name="org/smol", parameters=1.35e8, accuracy=0.12, interval=(0.115, 0.125))
    figure = score_against_size([point], cloud, chance=0.111)
    axes = figure.axes[0]
    assert np.asarray(axes.collections[0].get_offsets()).tolist() == [list(one) for one in cloud]
    (centre,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert (centre.get_xdata()[0], centre.get_ydata()[0]) == (1.35e8, 0.12)
    assert any(set(line.get_ydata()) == {0.111} for line in axes.lines)
    assert {"chance", "smol"} <= {text.get_text() for text in axes.texts} and texts_inside(figure)
    alone = score_against_size([point], [], chance=0.111).axes[0]
    assert alone.get_xlim()[0] < 1.35e8 < alone.get_xlim()[1]

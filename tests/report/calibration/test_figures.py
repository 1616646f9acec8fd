"""The figures of a calibration show its numbers: read back from what is drawn."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from nil_audit.report.calibration.figures import draw_figures, main_plot
from nil_audit.report.plots.metrics import metric_plot
from nil_audit.report.plots.optimum import OptimumPoint, optimum_plot
from nil_audit.report.plots.palette import LINE
from nil_audit.report.plots.style import PHONE, WIDTH
from nil_audit.report.plots.valley import Curve, Valley, valley_plot
from nil_audit.stats.estimate import Estimate
from tests.report.calibration.conftest import BUDGETS
from tests.report.plots.measured import assert_readable


def words(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def lines(figure: Figure, **look: object) -> list[np.ndarray]:
    """(N, 2) points of every line that looks so."""
    kept = [one for one in figure.axes[0].lines if all(getattr(one, f"get_{key}")() == v for key, v in look.items())]
    return [np.column_stack([one.get_xdata(), one.get_ydata()]).astype(float) for one in kept]


def curve(label: str, factor: float = 1.0) -> Curve:
    ratio = np.geomspace(0.005, 0.3, 6)
    return Curve(label=label, ratio=ratio.tolist(), value=(factor * 0.01 * np.log(ratio / 0.03) ** 2).tolist())


def valley(low: Estimate | None, high: Estimate | None) -> Valley:
    def excess(ratio: np.ndarray) -> np.ndarray:
        return 0.01 * np.log(ratio / 0.03) ** 2

    return Valley(
        excess=excess,
        band=lambda ratio: (0.8 * excess(ratio), 1.3 * excess(ratio)),
        optimum=Estimate(value=0.03, low=0.025, high=0.035),
        low=low,
        high=high,
        tolerance=0.01,
    )


LOW, HIGH = Estimate(value=0.011, low=0.009, high=0.013), Estimate(value=0.0815, low=0.07, high=0.1)


def test_the_valley_shows_every_run_the_fit_and_the_interval(found):
    figure = main_plot(found)
    runs = found.runs
    drawn = np.concatenate(lines(figure, marker="o", linestyle="-"))
    expected = np.column_stack([runs["ratio"], np.expm1(runs["excess"])])
    np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)], rtol=1e-9)
    (fitted,) = lines(figure, label="fitted")
    np.testing.assert_allclose(
        fitted[:, 1],
        np.expm1(found.curvature.value * np.log(fitted[:, 0] / found.optimum.value) ** 2),
        rtol=1e-3,
        atol=1e-8,
    )
    ends = {float(points[0, 0]) for points in lines(figure, marker="D")}
    assert ends == {found.low.value, found.high.value}
    assert f"optimum R* {found.optimum.value:.2g}" in words(figure)
    assert {"60M", "120M", "240M"} <= set(words(figure)) and "\u202e" not in "".join(words(figure))
    assert_readable(figure)


def test_the_fit_is_dashed_where_no_shape_was_tried():
    figure = valley_plot([curve("1M")], valley(Estimate(value=0.003), HIGH))
    assert figure.axes[0].get_xlim()[0] < 0.003
    (inside,) = lines(figure, label="fitted")
    assert inside[0, 0] >= 0.005 and inside[-1, 0] <= 0.3
    dashed = [one for one in figure.axes[0].lines if one.get_color() == LINE and one.get_linestyle() == "--"]
    assert min(float(one.get_xdata()[0]) for one in dashed) == pytest.approx(figure.axes[0].get_xlim()[0])


def test_runs_left_out_are_hollow_and_an_arrow_where_they_are_far_above():
    figure = valley_plot([curve("1M")], valley(LOW, HIGH), left_out=[(0.01, 0.02), (0.02, 3.0)])
    top = figure.axes[0].get_ylim()[1]
    np.testing.assert_allclose(lines(figure, marker="^"), [[(0.02, top)]])
    assert any(points.tolist() == [[0.01, 0.02]] for points in lines(figure, marker="o"))


def test_an_optimum_that_is_a_bound_has_one_end_and_says_so(bounded):
    for side, sign in (("deeper", "≥"), ("wider", "≤")):
        found = bounded(side)
        figure = main_plot(found)
        (end,) = lines(figure, marker="D")
        assert end[0, 0] == found.optimum.value
        assert f"optimum R* {sign} {found.optimum.value:.2g}" in words(figure)


@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize("budgets", [1, 3, 12, 40])
def test_names_of_curves_never_collide(budgets: int, phone: bool):
    curves = [curve(f"{place} million", 1 + 0.03 * place) for place in range(budgets)]
    figure = valley_plot(curves, valley(LOW, HIGH), phone=phone)
    assert_readable(figure)
    assert figure.get_size_inches()[0] == (PHONE if phone else WIDTH)
    named = [text for text in words(figure) if text.endswith("million")]
    assert named[0] == "0 million" or budgets > 1
    assert len(named) == budgets or budgets == 40


def test_runs_that_share_no_budget_are_not_joined_and_named_by_size(scattered):
    figure = main_plot(scattered)
    assert lines(figure, marker="o", linestyle="-") == []
    assert len([text for text in words(figure) if " to " in text]) == 4
    assert list(draw_figures(scattered)) == ["valley"]


def test_each_budgets_optimum_stands_at_its_size_with_its_interval():
    points = [
        OptimumPoint(label="1M", size=1e6, optimum=Estimate(value=0.03, low=0.025, high=0.036)),
        OptimumPoint(label="open", size=3e6, optimum=Estimate(value=0.04, low=0.03)),
        OptimumPoint(label="9M", size=9e6, optimum=None, bound=0.05, deeper=True),
    ]
    pooled = Estimate(value=0.033, low=0.03, high=0.037)
    figure = optimum_plot(points, pooled, drift=(0.1, 3e6))
    axes = figure.axes[0]
    bars = [one for one in lines(figure, marker="None", color=LINE) if len(set(one[:, 0])) == 1]
    assert [bar[0, 0] for bar in bars] == pytest.approx([1e6, 3e6])
    np.testing.assert_allclose([bar[:, 1] for bar in bars], [(0.025, 0.036), (0.03, axes.get_ylim()[1])])
    assert [one[0].tolist() for one in lines(figure, marker="o")] == [
        pytest.approx([1e6, 0.03]),
        pytest.approx([3e6, 0.04]),
    ]
    ((place, bound),) = [one[0] for one in lines(figure, marker="_")]
    assert (place, bound) == pytest.approx((9e6, 0.05))
    (arrow,) = [text for text in axes.texts if getattr(text, "arrow_patch", None) is not None]
    assert arrow.xy[1] > bound
    assert {"1M", "open", "9M", "all together 0.033"} <= set(words(figure))
    (line,) = [one for one in axes.lines if one.get_linestyle() == "--"]
    np.testing.assert_allclose(line.get_ydata(), 0.033 * (np.array(axes.get_xlim()) / 3e6) ** 0.1)
    assert_readable(figure)


def test_budgets_of_one_size_stand_side_by_side():
    same = [OptimumPoint(label=f"at {n}", size=8e7, optimum=Estimate(value=0.03 + n / 1e4)) for n in (20, 40, 160)]
    figure = optimum_plot(same, Estimate(value=0.03))
    places = [one[0, 0] for one in lines(figure, marker="o")]
    assert len(set(places)) == 3 and np.exp(np.mean(np.log(places))) == pytest.approx(8e7, rel=1e-6)


def test_a_metric_over_decades_is_drawn_on_a_logarithmic_axis():
    wide = Curve(label="1M", ratio=[0.01, 0.1], value=[1e9, 1e11])
    narrow = Curve(label="1M", ratio=[0.01, 0.1], value=[0.93, 0.94])
    for one, scale in ((wide, "log"), (narrow, "linear")):
        figure = metric_plot("a_b", [one], low=LOW, high=HIGH, optimum=Estimate(value=0.03))
        assert figure.axes[0].get_yscale() == scale
        assert figure.axes[0].get_ylabel() == "a b"
        np.testing.assert_allclose(lines(figure, marker="o")[0], np.column_stack([one.ratio, one.value]))
        assert_readable(figure)


@pytest.mark.usefixtures("whole_figures")
def test_a_calibration_has_its_figures_for_paper_screen_and_phone(found):
    figures = draw_figures(found)
    assert list(figures) == ["valley", "optimum", "metric-aofe", "metric-aofe-ratio"]
    assert len(BUDGETS) == 4
    for name, figure in figures.items():
        assert figure.name == name and figure.caption.endswith(".") and figure.description.endswith(".")
        assert figure.png.startswith(b"\x89PNG") and figure.pdf.startswith(b"%PDF")
        assert figure.narrow and figure.narrow != figure.svg and "<b>30M" not in figure.svg
        assert "None" not in figure.caption and "nan" not in figure.caption

"""What the plots draw: points where the models are, intervals where the studies put them, sizes where they are."""

import io

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.result import Comparison
from nil_audit.law.studies import studies
from nil_audit.report.plots.forest import forest
from nil_audit.report.plots.palette import ALERT, INTERVAL, LINE, RAMP
from nil_audit.report.plots.plane import PlanePoint, depth_width_plane
from nil_audit.report.plots.points import RASTER_FROM
from nil_audit.report.plots.scatter import adjusted_against_distance, score_against_ratio
from nil_audit.report.plots.style import WIDTH, page_figure, png_bytes, steps, svg_text
from nil_audit.stats.estimate import Estimate

LAW = studies()[0]


def _points(figure: Figure) -> np.ndarray:
    axes = figure.axes[0]
    parts = [one.get_offsets() for one in axes.collections if isinstance(one, PathCollection)]
    return np.concatenate([np.asarray(part) for part in parts])


def _bands(comparison: Comparison) -> dict[str, str]:
    return {band.key: band.key.upper() for band in comparison.bands}


def _words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_model_stands_at_its_ratio_and_score(comparison: Comparison):
    figure = score_against_ratio(
        comparison.models, bands=_bands(comparison), interval=LAW.interval(), notable=["org/model-9"]
    )
    expected = sorted(zip(comparison.models["ratio"], comparison.models["score"], strict=True))
    np.testing.assert_allclose(sorted(map(tuple, _points(figure))), expected)
    assert "model-9" in _words(figure)


def test_the_interval_is_shaded_from_end_to_end(comparison: Comparison):
    interval = LAW.interval()
    figure = score_against_ratio(comparison.models, bands=_bands(comparison), interval=interval)
    (span,) = [patch for patch in figure.axes[0].patches if to_hex(patch.get_facecolor()) == INTERVAL]
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx((interval.low, interval.high))


def test_colour_is_the_size_band_and_hollow_is_the_floor(comparison: Comparison):
    figure = score_against_ratio(comparison.models, bands=_bands(comparison), interval=LAW.interval())
    colours = dict(zip([band.key for band in comparison.bands], steps(len(comparison.bands)), strict=True))
    drawn = {}
    for one in figure.axes[0].collections:
        edges, faces = one.get_edgecolors(), one.get_facecolors()
        hollow = len(faces) == 1
        for place, at in enumerate(np.asarray(one.get_offsets())):
            drawn[tuple(at)] = (to_hex((edges if hollow else faces)[place]), hollow)
    for _, model in comparison.models.iterrows():
        assert drawn[model["ratio"], model["score"]] == (colours[model["band"]], model["at_floor"])


def test_size_adjusted_scores_are_in_percentage_points(comparison: Comparison):
    models, trend = comparison.models[comparison.models["residual"].notna()], comparison.trend
    assert trend is not None
    values = models[PRIMARY].abs().to_numpy()
    figure = adjusted_against_distance(
        models, values, bands=_bands(comparison), axis="deviation", trend=trend, inside=0.8
    )
    expected = sorted(zip(values, 100 * models["residual"], strict=True))
    np.testing.assert_allclose(sorted(map(tuple, _points(figure))), expected)
    line = next(line for line in figure.axes[0].lines if line.get_color() == LINE)
    np.testing.assert_allclose(line.get_ydata(), 100 * np.array(trend["y"]))


def test_the_forest_has_a_row_an_effect_in_order():
    rows = [(f"row {n}", Estimate(value=0.1 * n, low=0.1 * n - 0.2, high=0.1 * n + 0.1, n=n)) for n in range(3)]
    alone = ("no interval", Estimate(value=-0.3, n=7))
    figure = forest([("One", rows), ("Empty", []), ("Two", [alone])], axis="effect", ends=("left", "right"))
    words = _words(figure)
    assert [word for word in words if word in ("One", "row 0", "row 1", "row 2", "Empty", "Two", "no interval")] == [
        "One", "row 0", "row 1", "row 2", "Two", "no interval",
    ]  # fmt: skip
    assert "+0.20 [0.00, +0.30]" in words and "−0.30" in words and "7" in words
    bars = [line.get_xdata() for line in figure.axes[0].lines if len(line.get_xdata()) == 2][:3]
    np.testing.assert_allclose(bars, [[-0.2, 0.1], [-0.1, 0.2], [0.0, 0.3]], atol=1e-12)
    low, high = figure.axes[0].get_xlim()
    assert low == -high and high >= 0.3


def test_a_block_of_a_page_has_both_forms_of_the_drawing():
    block = page_figure(
        "plane",
        depth_width_plane([PlanePoint(name="a", depth=24, width=1024)], intervals=studies()),
        caption="What it shows.",
        description="A plane.",
    )
    assert block.name == "plane" and block.svg.count("<svg") == 1
    assert Image.open(io.BytesIO(block.png)).width == round(200 * WIDTH)


def test_the_plane_draws_intervals_as_the_studies_give_them():
    figure = depth_width_plane([PlanePoint(name="a", depth=24, width=1024)], intervals=studies(), budgets=[1e8, 1e9])
    axes = figure.axes[0]
    (wedge,) = [patch for patch in axes.patches if to_hex(patch.get_facecolor()) == INTERVAL]
    ratios = wedge.get_path().vertices[:-1, 1] / wedge.get_path().vertices[:-1, 0]
    assert {round(ratio, 4) for ratio in ratios} == {round(LAW.interval().low, 4), round(LAW.interval().high, 4)}
    # An edge of the size-dependent study satisfies L / d = low(12 L d²) all along.
    label = f"{studies()[2].name}: within 1%"
    (edge,) = [line for line in axes.lines if line.get_label() == label]
    for width, depth in list(zip(*edge.get_data(), strict=True))[::20]:
        assert depth / width == pytest.approx(studies()[2].interval(12 * depth * width**2).low, rel=1e-6)


def test_contours_of_the_plane_hold_parameters_equal():
    figure = depth_width_plane(
        [PlanePoint(name="a", depth=24, width=1024)], intervals=studies()[:1], budgets=[2e8, 5e8]
    )
    for budget in (2e8, 5e8):
        lines = [
            line
            for line in figure.axes[0].lines
            if np.allclose(12 * np.asarray(line.get_ydata()) * np.asarray(line.get_xdata()) ** 2, budget)
        ]
        assert len(lines) == 1


def test_models_of_one_shape_are_fanned_out_and_the_first_stays_in_place():
    figure = depth_width_plane([PlanePoint(name=f"m{n}", depth=32, width=4096) for n in range(9)], intervals=studies())
    points = _points(figure)
    assert len({(round(x, 3), round(y, 4)) for x, y in points}) == 9
    np.testing.assert_allclose(points[0], (4096, 32))
    assert np.abs(np.log(points / [4096, 32])).max() < 0.25


def test_the_plane_names_candidates_first_and_colours_models_by_their_score():
    models = [
        PlanePoint(name="up", depth=12, width=768, adjusted=0.1),
        PlanePoint(name="down", depth=8, width=512, adjusted=-0.1),
    ]
    shapes = [
        PlanePoint(name="mine", depth=24, width=1024, role="candidate"),
        PlanePoint(name="better", depth=18, width=1152, role="recommended"),
    ]
    figure = depth_width_plane(models, intervals=studies(), highlights=shapes, notable=["up"])
    assert {"mine", "better", "up"} <= set(_words(figure)) and "down" not in _words(figure)
    colours = {one.get_label(): to_hex(one.get_facecolor()[0]) for one in figure.axes[0].collections}
    assert colours["above its size's score"] == LINE and colours["below"] == ALERT
    assert {"candidate", "recommended"} <= set(colours)


@pytest.mark.parametrize("name", ["$\\frac{1}{2}$ $x", "模型", "<b>&amp;", "a\nb\x00\u202e", "", "/", "x" * 300])
def test_any_name_can_be_drawn(name):
    figure = depth_width_plane([PlanePoint(name=name, depth=12, width=768)], intervals=studies()[:1], notable=[name])
    assert svg_text(figure).count("<svg") == 1
    assert png_bytes(figure, dots=50).startswith(b"\x89PNG")


def test_the_same_plot_is_the_same_bytes_and_carries_no_date(comparison: Comparison):
    def draw() -> Figure:
        return score_against_ratio(
            comparison.models, bands=_bands(comparison), interval=LAW.interval(), notable=["org/model-9"]
        )

    text = svg_text(draw())
    assert text == svg_text(draw())
    assert png_bytes(draw()) == png_bytes(draw())
    assert "dc:date" not in text and "Matplotlib v" not in text
    assert ">model-9</text>" in text


def test_thousands_of_points_become_an_image_in_the_drawing():
    rng = np.random.default_rng(0)
    points = [
        PlanePoint(name=f"m{n}", depth=int(rng.integers(2, 64)), width=64 * int(rng.integers(4, 64)), adjusted=0.0)
        for n in range(RASTER_FROM)
    ]
    text = svg_text(depth_width_plane(points, intervals=studies()))
    assert "data:image/png" in text and len(text) < 600_000


def test_sizes_share_one_ramp_from_light_to_dark():
    lightness = [
        sum(int(colour[place : place + 2], 16) * weight for place, weight in ((1, 3), (3, 6), (5, 1)))
        for colour in RAMP
    ]
    assert lightness == sorted(lightness, reverse=True)
    assert steps(0) == () and steps(2) == (RAMP[0], RAMP[-1]) and steps(6) == RAMP


def test_models_that_share_a_short_name_are_labelled_apart():
    names = ["one/model", "two/model", "three/" + "x" * 40 + "-step1", "three/" + "x" * 40 + "-step2"]
    models = [PlanePoint(name=name, depth=12 * (place + 1), width=768) for place, name in enumerate(names)]
    text = svg_text(depth_width_plane(models, intervals=studies()[:1], notable=names))
    for label in ("one/model", "two/model", "xxx-step1", "xxx-step2"):
        assert text.count(f"{label}<") == 1

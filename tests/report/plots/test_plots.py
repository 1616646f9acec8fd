"""How plots look and are written; where the plane puts shapes, intervals and sizes."""

import io
import re
import zlib

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from nil_audit.law.studies import studies
from nil_audit.report.plots.palette import ALERT, INTERVAL, LINE, RAMP
from nil_audit.report.plots.plane import PlanePoint, depth_width_plane
from nil_audit.report.plots.points import RASTER_FROM
from nil_audit.report.plots.style import WIDTH, Drawing, page_figure, pdf_bytes, png_bytes, steps, svg_text

LAW = studies()[0]


def _points(figure: Figure) -> np.ndarray:
    axes = figure.axes[0]
    parts = [one.get_offsets() for one in axes.collections if isinstance(one, PathCollection)]
    return np.concatenate([np.asarray(part) for part in parts])


def _words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def _plane() -> Drawing:
    return depth_width_plane(
        [PlanePoint(name="org/model-9", depth=24, width=1024)], intervals=studies(), notable=["org/model-9"]
    )


@pytest.mark.usefixtures("whole_figures")
def test_a_block_of_a_page_has_every_form_of_the_drawing():
    block = page_figure("plane", _plane(), caption="What it shows.", description="A plane.", narrow=_plane())
    assert block.name == "plane" and block.svg.count("<svg") == 1 and block.narrow == block.svg
    assert block.pdf.startswith(b"%PDF")
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
    assert svg_text(figure).count("<svg") == 1 and pdf_bytes(figure).startswith(b"%PDF")
    assert png_bytes(figure, dots=50).startswith(b"\x89PNG")


def test_the_same_plot_is_the_same_bytes_and_carries_no_date():
    text, page = svg_text(_plane()), pdf_bytes(_plane())
    assert text == svg_text(_plane()) and png_bytes(_plane()) == png_bytes(_plane()) and page == pdf_bytes(_plane())
    assert "dc:date" not in text and "Matplotlib v" not in text
    assert b"CreationDate" not in page and b"Matplotlib" not in page
    assert ">model-9</text>" in text


def test_numbers_of_a_drawing_have_two_decimals_and_its_paths_stay_where_they_were():
    figure = _plane()
    text = svg_text(figure)
    paths = re.findall(r'\bd="([^"]*)"', text)
    assert paths and not any(re.search(r"\.\d{3}", path) for path in paths)
    width, height = 72 * figure.get_size_inches()
    numbers = [[float(number) for number in re.findall(r"-?[\d.]+", path)] for path in paths]
    assert max(map(max, numbers)) > 0.5 * width and max(map(max, numbers)) < 20 * max(width, height)


def test_a_pdf_holds_its_font_and_its_text_as_text():
    page = pdf_bytes(_plane())
    assert b"/FontFile2" in page and b"/Type3" not in page and b"DejaVuSans" in page
    streams = [
        zlib.decompressobj().decompress(part)
        for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", page, re.DOTALL)
        if part[:1] == b"x"
    ]
    shown = b"".join(stream for stream in streams if b" Tf" in stream)
    assert shown.count(b"BT") == shown.count(b"ET") >= 10
    # two bytes a letter, with the kerning between
    assert b"model-9" in re.sub(rb"\)\s+[-.\de]+\s+\(", b"", shown).replace(b"\0", b"") and b"/ToUnicode" in page


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


def test_the_names_of_real_models_are_never_cut():
    name = "org/TinyLlama-1.1B-intermediate-step-1431k-3T"
    figure = depth_width_plane([PlanePoint(name=name, depth=12, width=768)], intervals=studies()[:1], notable=[name])
    assert name.split("/")[1] in _words(figure)

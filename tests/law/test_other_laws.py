"""Other published laws: their formulas by hand."""

import math

import pytest

from nil_audit.law.other_laws import LAWS, Reading, readings
from nil_audit.law.studies import study


def by_name(depth: int, width: int, parameters: float) -> dict[str, Reading]:
    return {reading.name: reading for reading in readings(depth, width, parameters)}


def test_every_law_has_formula_source_and_range() -> None:
    assert len({law.name for law in LAWS}) == len(LAWS) == 13
    for reading in readings(24, 1024, 3e8):
        assert reading.formula and reading.validity and reading.words and reading.grounds
        assert "arXiv" in reading.source
        assert reading.confidence in ("high", "medium", "low")


def test_levine_fit_gives_the_published_sizes() -> None:
    """About 80 layers at 175B parameters and a width of 30k at 10^12, as the paper says."""
    for parameters, depth, width in ((175e9, 80, 13_000), (1e12, 95, 30_000)):
        optimum = by_name(10, 1000, parameters)["Levine fit"].optimum
        assert optimum == pytest.approx(depth / width, rel=0.06)


def test_optima_lie_on_the_budget() -> None:
    parameters = 1e9
    optimum = by_name(24, 2048, parameters)["Depth Delusion"].optimum
    assert optimum is not None
    width = (parameters / (12 * optimum)) ** (1 / 3)
    assert optimum * width == pytest.approx(16 * (width / 512) ** 0.44, rel=1e-6)
    assert by_name(24, 2048, parameters)["Inverse depth"].optimum == pytest.approx(2 * 4.14 / 301)


def test_thresholds() -> None:
    assert by_name(5, 1024, 1e8)["Levine threshold"].direction == "deeper"
    assert by_name(7, 1024, 1e8)["Levine threshold"].direction == "wider"
    assert "6.3" in by_name(7, 1024, 1e8)["Levine threshold"].words
    assert math.log(1024, 3) == pytest.approx(6.31, abs=0.01)
    assert [by_name(depth, 512, 1e8)["Tay"].direction for depth in (31, 32, 36, 37)] == [
        "deeper",
        "agrees",
        "agrees",
        "wider",
    ]
    assert by_name(12, 768, 8.5e7)["MobileLLM"].direction == "deeper"
    assert by_name(30, 576, 1.06e8)["MobileLLM"].direction == "agrees"
    assert by_name(16, 2048, 2e9)["MobileLLM"].direction == "silent"


def test_range_of_validity_is_told() -> None:
    assert by_name(24, 1024, 3e8)["MobileLLM"].in_range
    assert not by_name(80, 8192, 7e10)["MobileLLM"].in_range
    assert not by_name(80, 8192, 7e10)["Kaplan"].in_range


def test_the_gemstones_agree_within_what_they_can_tell() -> None:
    """The file's own numbers: R* = exp(ln R*) and 1% at sqrt(ln 1.01 / c) on either side, whatever the size."""
    ln_optimum, curvature = study("gemstones").coefficients
    half = math.sqrt(math.log(1.01) / curvature)
    for away, direction in ((-1.01, "deeper"), (-0.99, "agrees"), (0.99, "agrees"), (1.01, "wider")):
        width = 100_000
        found = by_name(round(width * math.exp(ln_optimum + away * half)), width, 5e8)["Gemstones"]
        assert found.direction == direction and found.optimum == pytest.approx(math.exp(ln_optimum))


def test_the_minitron_pair_speaks_of_shapes_wider_than_the_better_one() -> None:
    assert by_name(16, 4096, 3.7e9)["Minitron"].direction == "deeper"
    assert by_name(31, 3072, 3.7e9)["Minitron"].direction == "deeper"
    assert by_name(32, 3072, 3.7e9)["Minitron"].direction == "silent"
    assert by_name(32, 3072, 3.7e9)["Minitron"].in_range and not by_name(32, 3072, 1e9)["Minitron"].in_range


@pytest.mark.parametrize(
    ("parameters", "ratio"), [(1e8, 30 / 576), (3e8, 32 / 960), (5.5e8, 40 / 1152), (9e8, 54 / 1280)]
)
def test_the_shapes_of_mobilellm_are_those_of_the_nearest_size(parameters: float, ratio: float) -> None:
    assert by_name(24, 1024, parameters)["MobileLLM shapes"].optimum == pytest.approx(ratio)
    assert by_name(10, 2048, parameters)["MobileLLM shapes"].direction == "deeper"
    assert by_name(90, 512, parameters)["MobileLLM shapes"].direction == "wider"


def test_step_law_is_silent_on_shape() -> None:
    for shape in ((2, 4096), (90, 512)):
        found = by_name(*shape, 5e8)["Step Law"]
        assert (found.direction, found.optimum) == ("silent", None)
        assert "1.05%" in found.words and "0.35%" in found.words

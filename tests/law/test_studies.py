"""The four studies: their numbers, the rule against brute force, distance."""

import json
import math
import subprocess
import sys
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.errors import DataError
from nil_audit.law.interval_file import FEWEST_DRAWS
from nil_audit.law.loss_curves import DepthWidthCurve, QuadraticCurve
from nil_audit.law.studies import Extrapolation, Interval, Study, distance, studies, study
from nil_audit.stats.estimate import Estimate

LAW, MORPH, CHINCHILLA, GEMSTONES = studies()
BUDGETS = st.floats(5.0, 11.0).map(lambda power: 10.0**power)
RATIOS = st.floats(-3.0, -0.3).map(lambda power: 10.0**power)


@pytest.mark.parametrize(
    ("study", "parameters", "optimum", "low", "high"),
    [
        (LAW, None, 0.0389, 0.0171, 0.0885),
        (MORPH, None, 0.0278, 0.0083, 0.0933),
        (CHINCHILLA, 1e8, 0.0196, 0.0116, 0.0358),
        (CHINCHILLA, 1e9, 0.0157, 0.0077, 0.0357),
        (GEMSTONES, None, 0.0218, 0.0046, 0.1026),
    ],
)
def test_interval_is_the_published_one(
    study: Study, parameters: float | None, optimum: float, low: float, high: float
) -> None:
    found = study.interval(parameters)
    assert (found.optimum, found.low, found.high) == pytest.approx((optimum, low, high), rel=0.006)


def test_uncertainty_of_the_optimum() -> None:
    assert LAW.optimum().interval == pytest.approx((0.0348, 0.0416), rel=0.02)
    assert MORPH.optimum().interval == pytest.approx((0.020, 0.047), rel=0.08)
    assert CHINCHILLA.optimum(1e9).interval == pytest.approx((0.0135, 0.0187), rel=0.10)
    assert GEMSTONES.optimum().interval == pytest.approx((0.020, 0.025), rel=0.02)
    for one in studies():
        assert one.optimum(1e9).value == one.interval(1e9).optimum


@pytest.mark.parametrize("parameters", [1e8, 1e9, 7e9])
def test_depth_width_curve_against_a_search_of_all_shapes(parameters: float) -> None:
    depth = np.linspace(2.5, 400, 400_000)
    width = np.sqrt(parameters / (12 * depth))
    tokens = 20 * parameters
    loss = 1.744 + 301 / width**0.960 + 414 / (100 * (depth - 2)) ** 1.066 + 8.49 / (tokens / 1e6) ** 0.299
    ratio = depth / width
    within = ratio[loss <= 1.01 * loss.min()]
    found = CHINCHILLA.interval(parameters)
    assert found.optimum == pytest.approx(ratio[loss.argmin()], rel=1e-3)
    assert (found.low, found.high) == pytest.approx((within.min(), within.max()), rel=1e-3)


@given(parameters=BUDGETS)
def test_excess_at_the_ends_is_the_tolerance(parameters: float) -> None:
    for one in studies():
        interval = one.interval(parameters)
        for end in (interval.low, interval.high):
            assert one.curve.excess(end, parameters) == pytest.approx(one.tolerance, rel=2e-3)
        assert one.curve.excess(interval.optimum, parameters) == pytest.approx(0.0, abs=1e-6)


@given(parameters=BUDGETS, ratio=RATIOS)
def test_excess_is_finite_and_its_interval_holds_it(parameters: float, ratio: float) -> None:
    for one in studies():
        found = one.excess(ratio, parameters)
        assert found.low is not None and found.high is not None
        assert 0 <= found.low <= found.value <= found.high < math.inf


@given(parameters=BUDGETS, ratio=RATIOS, factor=st.floats(1.05, 5.0))
def test_excess_grows_away_from_the_optimum(parameters: float, ratio: float, factor: float) -> None:
    for one in studies():
        further = ratio * factor if ratio > one.interval(parameters).optimum else ratio / factor
        assert one.curve.excess(further, parameters) >= one.curve.excess(ratio, parameters) - 1e-6


def test_change_is_the_difference_of_two_excesses_on_the_same_draws() -> None:
    there, back = LAW.change(0.008, 0.03, 1e9), LAW.change(0.03, 0.008, 1e9)
    assert (1 + there.value) * (1 + back.value) == pytest.approx(1)
    assert there.excludes_zero and there.value < 0 < back.value and back.excludes_zero
    assert LAW.change(0.03, 0.03, 1e9).value == 0
    # far narrower than the two intervals would be if they were independent
    independent = length(LAW.excess(0.008, 1e9)) + length(LAW.excess(0.009, 1e9))
    assert length(LAW.change(0.008, 0.009, 1e9)) < 0.3 * independent


def length(estimate: Estimate) -> float:
    """From one end of an interval to the other."""
    assert estimate.low is not None and estimate.high is not None
    return estimate.high - estimate.low


@pytest.mark.parametrize("ratio", [0.0, -0.1, math.nan])
def test_ratio_must_be_above_zero(ratio: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        LAW.excess(ratio, 1e9)


def test_distance_is_signed_and_zero_inside() -> None:
    interval = Interval(low=0.02, high=0.08, optimum=0.04)
    assert distance(0.02, interval) == distance(0.05, interval) == distance(0.08, interval) == 0
    assert distance(0.16, interval) == pytest.approx(math.log(2))
    assert distance(0.005, interval) == pytest.approx(-math.log(4))


def test_extrapolation_is_the_factor_beyond_the_fitted_runs() -> None:
    inside = Extrapolation(parameters=1.0, ratio=1.0, under_three_blocks=False)
    assert LAW.extrapolation(0.03, 2e6) == inside
    assert LAW.extrapolation(0.03, 2.978e9).parameters == pytest.approx(1000, rel=1e-3)
    assert LAW.extrapolation(0.03, LAW.parameters_range[0] / 4).parameters == pytest.approx(0.25)
    assert MORPH.extrapolation(0.03, 5e8).parameters == pytest.approx(1.6, abs=0.05)
    assert CHINCHILLA.extrapolation(0.05, 1e9).ratio == pytest.approx(2.0, abs=0.05)
    assert CHINCHILLA.extrapolation(CHINCHILLA.ratio_range[0] / 2, 1e9).ratio == pytest.approx(0.5)
    assert LAW.extrapolation(0.03).parameters is None
    assert CHINCHILLA.extrapolation(0.0005, 1e7).under_three_blocks
    assert not LAW.extrapolation(0.0005, 1e7).under_three_blocks


def test_curves_are_those_of_their_formulas() -> None:
    curve = QuadraticCurve(math.log(0.04), 0.02)
    assert curve.excess(0.04 * math.e, 1.0) == pytest.approx(math.expm1(0.02))
    assert curve.bounds(1.0, 0.01) == pytest.approx(
        tuple(0.04 * math.exp(sign * math.sqrt(math.log(1.01) / 0.02)) for sign in (-1, 1))
    )
    form = DepthWidthCurve(1.0, 2.0, 1.0, 300.0, 1.0, 4.0, 0.5)
    assert form.loss(np.array(5.0), np.array(10.0), np.array(4e6)) == pytest.approx(1 + 0.2 + 1 + 2)


def test_files_carry_their_source_history_and_draws() -> None:
    for one in studies():
        kept = json.loads(file_of(one.name).read_text(encoding="utf-8"))
        assert kept["history"] and kept["rule"] and kept["runs"] > 20
        assert one.source.count("arXiv") >= 1
        assert len(one.draws) == 200
        assert one.tolerance == 0.01
        assert one.parameters_range[0] < one.parameters_range[1]


def file_of(name: str) -> Path:
    """The file that a shipped study is read from."""
    return Path(str(resources.files("nil_audit.law"))) / "intervals" / f"{name}.json"


@pytest.mark.parametrize("one", studies(), ids=lambda one: one.name)
def test_a_study_is_found_by_name_and_by_file(one: Study) -> None:
    assert study(one.name) is one
    assert study(file_of(one.name)) == study(str(file_of(one.name))) == one


def document(**changes: Any) -> dict[str, Any]:
    """Gemstones' file under another name, and changed; a field given as `...` is left out."""
    kept = json.loads(file_of("gemstones").read_text(encoding="utf-8")) | {"name": "mine"} | changes
    return {key: value for key, value in kept.items() if value is not ...}


def test_a_study_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    needed = {one.name for one in fields(Study)}
    path.write_text(json.dumps({key: document(coefficients=[-3, 0.01])[key] for key in needed}), encoding="utf-8")
    mine = study(path)
    assert (mine.name, mine.interval().optimum) == ("mine", pytest.approx(math.exp(-3)))
    assert mine.excess(math.exp(-2)).value == pytest.approx(math.expm1(0.01))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "law"}, "is named 'law' as a shipped study is"),
        ({"name": "a name"}, "needs 'name' to be a name of at most 40 letters"),
        ({"title": ""}, "needs 'title' to be a line of text"),
        ({"source": "two\nlines"}, "needs 'source' to be a line of text"),
        ({"tolerance": 0}, "needs 'tolerance' to be a number between 0 and 1"),
        ({"tolerance": True}, "needs 'tolerance' to be a number between 0 and 1"),
        ({"form": "cubic"}, "needs 'form' to be quadratic or depth-width"),
        ({"form": ["quadratic"]}, "needs 'form' to be quadratic or depth-width"),
        ({"form": "depth-width"}, "has other 'coefficients' than its form has: floor, width_scale"),
        ({"coefficients": ...}, "lacks 'coefficients'"),
        ({"coefficients": "both"}, "needs 'coefficients' to be a list"),
        ({"coefficients": [-3.0]}, "has other 'coefficients' than its form has: ln_optimum, curvature"),
        ({"coefficients": [-3.0, -0.01]}, "has other 'coefficients' than its form has: ln_optimum, curvature"),
        ({"coefficients": [math.nan, 0.01]}, "has other 'coefficients' than its form has: ln_optimum, curvature"),
        ({"parameters_range": [1e9, 1e6]}, "needs 'parameters_range' to be two numbers above 0, the smaller first"),
        ({"ratio_range": [0, 1]}, "needs 'ratio_range' to be two numbers above 0, the smaller first"),
        ({"residual": -1}, "needs 'residual' to be a number above 0"),
        ({"draws": [[-3.0, 0.01]] * (FEWEST_DRAWS - 1)}, "needs 'draws' to be a list of 20 or more"),
        ({"draws": [[-3.0, 0.01]] * FEWEST_DRAWS + [[-3.0, "x"]]}, "has 'draws' that are not coefficients"),
    ],
)
def test_every_field_of_a_file_is_checked(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document(**changes)), encoding="utf-8")
    with pytest.raises(DataError) as refused:
        study(path)
    sentence = str(refused.value)
    assert words in sentence and "law, morph, chinchilla, gemstones" in sentence
    assert sentence.endswith(".") and "\n" not in sentence


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no study or file"),
        (b"{", "cannot be read as JSON"),
        (b"\xff\xfe\xff", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b"[]", "is not a JSON object"),
    ],
)
def test_what_is_no_interval_file_is_refused(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "mine.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=words) as refused:
        study(path)
    assert "law, morph, chinchilla, gemstones" in str(refused.value)
    with pytest.raises(DataError, match="cannot be read as JSON"):
        study(tmp_path)


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from nil_audit.law.pooled import verdict; verdict(0.03, 1e9);"
        "print([m for m in ('torch', 'transformers', 'pandas', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

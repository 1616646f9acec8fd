"""From runs to an interval: recovery of a known law, the rule's errors, and the published numbers."""

import importlib.util
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.calibration import depth_width
from nil_audit.calibration.calibrate import calibrate
from nil_audit.calibration.comparable import Match, choose, held_equal
from nil_audit.calibration.quadratic import comparable_runs, fit_quadratic, fit_scattered
from nil_audit.calibration.sweep import read_sweep
from nil_audit.errors import DataError
from nil_audit.files import plain
from nil_audit.stats.estimate import Estimate
from tests.calibration.sweeps import sweep

ROOT = Path(__file__).resolve().parents[2]


@settings(max_examples=20, deadline=None)
@given(optimum=st.floats(0.01, 0.2), curvature=st.floats(0.003, 0.05))
def test_recovers_the_law_that_made_the_runs(optimum: float, curvature: float) -> None:
    fit = fit_quadratic(sweep(optimum, curvature), draws=4)
    assert fit.curve.optimum(1.0) == pytest.approx(optimum, rel=1e-6)
    assert fit.curve.curvature == pytest.approx(curvature, rel=1e-6)
    assert fit.residual == pytest.approx(0.0, abs=1e-9)


def test_fit_is_that_of_a_regression_with_dummies() -> None:
    runs = sweep(0.04, 0.015, noise=0.01, seed=3)
    x, y = np.log(runs["depth"] / runs["width"]), np.log(runs["loss"])
    dummies = pd.get_dummies(runs["budget"], dtype=float)
    design = np.column_stack([dummies, x, x**2])
    solution, squares, *_ = np.linalg.lstsq(design, y, rcond=None)
    fit = fit_quadratic(runs, draws=4)
    assert fit.curve.curvature == pytest.approx(solution[-1], rel=1e-9)
    assert fit.curve.ln_optimum == pytest.approx(-solution[-2] / (2 * solution[-1]), rel=1e-9)
    assert fit.residual == pytest.approx(math.sqrt(squares[0] / (len(y) - design.shape[1])), rel=1e-9)


def limits(estimate: Estimate) -> tuple[float, float]:
    """Both ends of an interval that is there."""
    assert estimate.interval is not None
    return estimate.interval


def test_bootstrap_covers_the_truth() -> None:
    covered = 0
    for seed in range(60):
        fit = fit_quadratic(sweep(0.04, 0.015, noise=0.008, budgets=7, seed=seed), draws=120, seed=seed)
        low, high = limits(fit.estimate("optimum"))
        covered += low <= 0.04 <= high
    # a binomial of 60 at 0.95 has standard deviation 1.7
    assert covered >= 51


def test_leaves_out_what_says_nothing_about_shape() -> None:
    runs = sweep(0.04, 0.015)
    shallow = runs.iloc[:1].assign(depth=2)
    few = runs.iloc[:3].assign(budget="few")
    unequal = runs.iloc[:5].assign(budget="unequal", parameters=np.linspace(1e6, 1.3e6, 5))
    kept = comparable_runs(pd.concat([runs, shallow, few, unequal]))
    pd.testing.assert_frame_equal(kept, runs, check_dtype=False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda runs: runs.drop(columns="loss"), "lacks the column 'loss'"),
        (lambda runs: runs.assign(loss=-1.0), "not above zero"),
        (lambda runs: runs.assign(width=math.nan), "not above zero"),
        (lambda runs: runs.assign(depth=2), "No budget of the sweep"),
    ],
)
def test_bad_sweeps_are_refused_in_a_sentence(change: object, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        comparable_runs(change(sweep(0.04, 0.015)))  # type: ignore[operator]


def test_a_sweep_without_an_optimum_is_refused() -> None:
    runs = sweep(0.04, 0.015)
    flat = runs.assign(loss=1 / runs["loss"])
    with pytest.raises(DataError, match="no optimum"):
        fit_quadratic(flat)


def scattered(optimum: float, curvature: float, *, noise: float = 0.0, shapes: int = 22, seed: int = 0) -> pd.DataFrame:
    """Runs of which no two share a budget; what they lose to size is a parabola in its logarithm."""
    random = np.random.default_rng(seed)
    parameters = 10 ** random.uniform(7.5, 9.3, shapes)
    depth = random.integers(3, 80, shapes)
    width = np.sqrt(parameters / (12 * depth))
    size = np.log(parameters)
    loss = 30 * np.exp(-0.25 * size + 0.004 * size**2 + curvature * np.log(depth / width / optimum) ** 2)
    loss *= np.exp(noise * random.standard_normal(shapes))
    return pd.DataFrame(
        {"depth": depth, "width": width, "parameters": 1.3 * parameters, "loss": loss, "held_equal": parameters}
    )


@settings(max_examples=20, deadline=None)
@given(optimum=st.floats(0.01, 0.1), curvature=st.floats(0.003, 0.05), unit=st.floats(1e-3, 1e12))
def test_scattered_runs_recover_the_law_whatever_the_unit_of_size(
    optimum: float, curvature: float, unit: float
) -> None:
    runs = scattered(optimum, curvature)
    fit = fit_scattered(runs.assign(held_equal=unit * runs["held_equal"]), draws=4)
    assert fit.curve.optimum(1.0) == pytest.approx(optimum, rel=1e-5)
    assert fit.curve.curvature == pytest.approx(curvature, rel=1e-5)
    assert fit.residual == pytest.approx(0.0, abs=1e-9)
    assert fit.budgets is None
    assert fit.parameters_range == (runs["parameters"].min(), runs["parameters"].max())


def test_scattered_fit_is_an_ordinary_regression() -> None:
    import statsmodels.formula.api as smf

    runs = scattered(0.03, 0.01, noise=0.01, seed=2)
    frame = runs.assign(y=np.log(runs["loss"]), s=np.log(runs["held_equal"] / 1e8), r=np.log(runs.depth / runs.width))
    expected = smf.ols("y ~ s + I(s**2) + r + I(r**2)", frame).fit()
    shallow = runs.iloc[:3].assign(depth=2, loss=9.0)
    fit = fit_scattered(pd.concat([runs, shallow]), draws=4)
    curvature = expected.params["I(r ** 2)"]
    assert fit.runs == 22
    assert fit.curve.curvature == pytest.approx(curvature, rel=1e-8)
    assert fit.curve.ln_optimum == pytest.approx(-expected.params["r"] / (2 * curvature), rel=1e-8)
    assert fit.residual == pytest.approx(math.sqrt(expected.scale), rel=1e-8)


def test_bootstrap_of_scattered_runs_covers_the_truth() -> None:
    covered = 0
    for seed in range(60):
        runs = scattered(0.03, 0.01, noise=0.004, shapes=40, seed=seed)
        low, high = limits(fit_scattered(runs, draws=120, seed=seed).estimate("curvature"))
        covered += low <= 0.01 <= high
    assert covered >= 51


def test_bad_scattered_sweeps_are_refused_in_a_sentence() -> None:
    runs = scattered(0.03, 0.01)
    with pytest.raises(DataError, match="lacks the column 'held_equal'"):
        fit_scattered(runs.drop(columns="held_equal"))
    with pytest.raises(DataError, match="has 9 runs of depth 3 or more where 10 are needed"):
        fit_scattered(runs[:9])
    with pytest.raises(DataError, match="not above zero"):
        fit_scattered(runs.assign(held_equal=0.0))
    with pytest.raises(DataError, match="no optimum"):
        fit_scattered(runs.assign(loss=1 / runs["loss"]))


def test_depth_width_form_recovers_itself() -> None:
    random = np.random.default_rng(0)
    runs = pd.DataFrame({"depth": random.integers(4, 60, 300), "width": random.integers(256, 6000, 300)})
    runs["tokens"] = 10 ** random.uniform(9, 12, 300)
    truth = depth_width.PUBLISHED
    runs["loss"] = truth.loss(runs["depth"].to_numpy(), runs["width"].to_numpy(), runs["tokens"].to_numpy())
    assert depth_width.residual(runs, truth) == pytest.approx(0.0, abs=1e-12)
    start = depth_width.DepthWidthCurve(1.6, 200.0, 0.9, 300.0, 1.0, 10.0, 0.33)
    found = depth_width.refit(runs, start)
    for parameters in (1e8, 1e9, 7e9):
        assert found.optimum(parameters) == pytest.approx(truth.optimum(parameters), rel=0.01)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/fit_intervals.py as a module."""
    specification = importlib.util.spec_from_file_location("fit_intervals", ROOT / "scripts" / "fit_intervals.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


FILES = {
    "law": "byte_lm_shape_sweep.csv",
    "morph": "open_lm_morph_runs.csv",
    "chinchilla": "chinchilla_runs.csv",
    "gemstones": "gemstones.csv",
}


@pytest.mark.parametrize("name", ["law", "morph", "gemstones"])
def test_shipped_files_are_what_the_script_makes(script: ModuleType, shared: Path, name: str) -> None:
    path = shared / "data" / "sweeps" / FILES[name]
    made = calibrate(path, name=name, words=script.WORDS[name], **script.CALLS[name]).interval_document()
    kept = json.loads((ROOT / "nil_audit" / "law" / "intervals" / f"{name}.json").read_text(encoding="utf-8"))
    words = ("name", "title", "source", "history", "rule", "match", "form", "runs")
    assert {key: made[key] for key in words} == {key: kept[key] for key in words}
    # the last rounded digit may differ between linear algebra libraries
    assert list(numbers(kept)) == pytest.approx(list(numbers(plain(made))), rel=1e-3)


def test_published_numbers_of_the_law(script: ModuleType, shared: Path) -> None:
    found = calibrate(shared / "data/sweeps/byte_lm_shape_sweep.csv", **script.CALLS["law"])
    assert len(found.budgets) == 7 and found.runs["used"].sum() == 70
    assert found.optimum.value == pytest.approx(0.0389, abs=5e-5)
    assert found.curvature is not None and found.curvature.value == pytest.approx(0.0147, abs=6e-5)
    assert limits(found.optimum) == pytest.approx((0.0348, 0.0416), abs=8e-4)
    assert limits(found.curvature) == pytest.approx((0.0102, 0.0184), abs=1e-3)
    assert (found.low.value, found.high.value) == pytest.approx((0.0171, 0.0885), abs=5e-5)
    assert found.low.high == pytest.approx(0.0195, abs=5e-4)
    assert found.high.low == pytest.approx(0.080, abs=2e-3)


def test_published_numbers_of_morph(script: ModuleType, shared: Path) -> None:
    found = calibrate(shared / "data/sweeps/open_lm_morph_runs.csv", **script.CALLS["morph"])
    assert found.optimum.value == pytest.approx(0.028, abs=5e-4)
    assert (found.low.value, found.high.value) == pytest.approx((0.0084, 0.093), rel=0.02)
    low, high = limits(found.optimum)
    assert low == pytest.approx(0.020, abs=2e-3)
    assert 0.040 < high < 0.06


def test_published_numbers_of_chinchilla(shared: Path) -> None:
    runs = pd.read_csv(shared / "data/sweeps/chinchilla_runs.csv")
    runs = runs[runs["tokens"] >= 2 * runs["parameters"]]
    draws = depth_width.bootstrap(runs, draws=60)
    low, high = np.percentile([draw.optimum(1e9) for draw in draws], [2.5, 97.5])
    assert (low, high) == pytest.approx((0.014, 0.018), abs=1.6e-3)
    assert depth_width.refit(runs).optimum(1e9) == pytest.approx(0.0155, rel=0.05)


MAIN = "run == 'main'"


@pytest.mark.parametrize(
    ("match", "loss", "where", "optimum", "interval", "low", "high"),
    [
        ("body", "fineweb_edu_loss", [MAIN, "tokens < 5.5e10"], 0.0212, (0.0177, 0.0241), 0.0051, 0.089),
        ("body", "fineweb_edu_loss", [MAIN, "tokens < 1.05e11"], 0.0215, (0.017, 0.026), 0.0048, 0.097),
        ("body", "fineweb_edu_loss", [MAIN], 0.0218, (0.020, 0.025), 0.0046, 0.103),
        ("body", "train_loss", ["run != 'main'"], 0.0217, (0.0156, 0.0269), 0.0046, 0.103),
        ("flops", "fineweb_edu_loss", [MAIN, "tokens < 1.05e11"], 0.0276, (0.023, 0.031), 0.0072, 0.105),
        ("flops", "fineweb_edu_loss", [MAIN], 0.0285, (0.023, 0.037), 0.0073, 0.112),
        ("total", "fineweb_edu_loss", [MAIN], 0.145, (0.097, math.inf), 0.026, 0.80),
    ],
)
def test_published_numbers_of_gemstones(
    shared: Path,
    match: Match,
    loss: str,
    where: list[str],
    optimum: float,
    interval: tuple[float, float],
    low: float,
    high: float,
) -> None:
    """Before the report: what is fitted to the runs that a calibration chooses."""
    sweep = read_sweep(shared / "data/sweeps/gemstones.csv", columns={"loss": loss}, where=where)
    runs = choose(sweep).runs
    fit = fit_scattered(runs.assign(held_equal=held_equal(runs, match, context=2048, vocabulary=50304)), draws=1000)
    assert fit.runs == (20 if loss == "train_loss" else 22)
    assert fit.curve.optimum(1.0) == pytest.approx(optimum, rel=0.006)
    assert fit.curve.bounds(1.0, 0.01) == pytest.approx((low, high), rel=0.012)
    found = limits(fit.estimate("optimum"))
    assert found[0] == pytest.approx(interval[0], rel=0.04)
    assert found[1] == pytest.approx(interval[1], rel=0.04) or (math.isinf(interval[1]) and found[1] > 1)


def numbers(value: Any) -> Iterator[float]:
    """Every number of nested JSON values, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif not isinstance(value, str):
        yield float(value)

"""A calibration end to end: a known law recovered, what changes nothing, and the published numbers."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nil_audit
from nil_audit.calibration import depth_width
from nil_audit.calibration.budgets import random_effects
from nil_audit.calibration.result import Calibration
from nil_audit.errors import DataError, NilAuditError
from nil_audit.files import json_text
from nil_audit.law.studies import study
from nil_audit.stats.estimate import Estimate
from tests.calibration.sweeps import sweep


def ends(estimate: Estimate) -> tuple[float, float]:
    assert estimate.interval is not None
    return estimate.interval


@pytest.fixture(scope="module")
def noisy() -> Calibration:
    return nil_audit.calibrate(sweep(noise=0.004, seed=1), name="mine", draws=400)


def test_a_law_without_noise_is_recovered_and_its_interval_is_the_formula() -> None:
    found = nil_audit.calibrate(sweep(0.04, 0.015), within=0.02, draws=200)
    half = math.sqrt(math.log(1.02) / 0.015)
    assert (found.optimum.value, found.curvature and found.curvature.value) == pytest.approx((0.04, 0.015))
    assert (found.low.value, found.high.value) == pytest.approx((0.04 * math.exp(-half), 0.04 * math.exp(half)))
    assert [one.optimum and one.optimum.value for one in found.budgets] == pytest.approx([0.04] * 6)
    (drift,) = found.drifts
    assert drift.slope.value == pytest.approx(0, abs=1e-6)
    assert found.held_out is not None and found.held_out.right == found.held_out.shapes == 21
    assert all(one.forgone >= 0 for one in found.held_out.budgets)
    assert found.runs["excess"].to_numpy() == pytest.approx(found.runs["fitted"].to_numpy(), abs=1e-9)
    assert not found.edge and found.flat_draws == 0


def test_the_file_is_a_study_that_every_command_takes(noisy: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json_text(noisy.interval_document()), encoding="utf-8")
    assert study(path) == noisy.study and len(noisy.study.draws) == 200
    assert study(path).interval().low == pytest.approx(noisy.low.value, rel=1e-3)
    assert json.loads(path.read_text())["history"] == list(noisy.history)


@settings(max_examples=8, deadline=None)
@given(unit=st.floats(0.1, 10), channels=st.floats(0.5, 2), seed=st.integers(0, 9))
def test_unit_of_loss_and_order_of_rows_change_nothing_and_ratios_scale(
    noisy: Calibration, unit: float, channels: float, seed: int
) -> None:
    runs = sweep(noise=0.004, seed=1).sample(frac=1, random_state=seed)
    runs = runs.assign(loss=unit * runs["loss"], width=runs["width"] / channels)
    found = nil_audit.calibrate(runs, draws=200)
    assert found.optimum.value == pytest.approx(channels * noisy.optimum.value)
    assert found.curvature is not None and noisy.curvature is not None
    assert found.curvature.value == pytest.approx(noisy.curvature.value)
    assert [one.error for one in found.forms[:1]] == pytest.approx([one.error for one in noisy.forms[:1]])


def test_an_additive_law_is_told_from_a_quadratic_one() -> None:
    runs = sweep(budgets=4)
    runs["loss"] = np.exp(1 + 8 / runs["width"] + 0.16 / runs["depth"])
    quadratic, additive = nil_audit.calibrate(runs, draws=200).forms
    assert additive.optimum is not None and additive.optimum.value == pytest.approx(2 * 0.16 / 8)
    assert additive.error < 1e-9 < quadratic.error and additive.aic < quadratic.aic


@pytest.mark.parametrize(("optimum", "edge"), [(3.0, "deeper"), (0.0005, "wider")])
def test_an_optimum_beyond_the_shapes_is_a_bound(optimum: float, edge: str) -> None:
    found = nil_audit.calibrate(sweep(optimum, 0.01, noise=0.001), draws=200)
    ratio = found.runs["ratio"]
    assert found.edge == edge and found.curvature is None
    assert found.optimum.value == pytest.approx(ratio.max() if edge == "deeper" else ratio.min())
    assert (found.optimum.low is None) == (edge == "wider") and (found.optimum.high is None) == (edge == "deeper")
    assert all(one.optimum is None and one.bound == edge for one in found.budgets)
    assert all((one.high if edge == "deeper" else one.low) is None for one in found.variants)


def test_losses_that_fall_to_both_ends_have_no_answer() -> None:
    runs = sweep()
    with pytest.raises(DataError, match="falls towards both"):
        nil_audit.calibrate(runs.assign(loss=9 / runs["loss"]))


def test_one_budget_is_enough_for_an_interval_and_too_few_for_more() -> None:
    found = nil_audit.calibrate(sweep(budgets=1, noise=0.002), draws=200)
    assert found.drifts == () and found.held_out is None
    assert any("One budget" in note for note in found.notes)


def test_checkpoints_give_a_drift_and_the_last_is_the_fit() -> None:
    later = [
        sweep(0.04 * tokens**0.1, noise=0.001).assign(tokens=1e9 * tokens, body=lambda runs: runs["parameters"])
        for tokens in (1.0, 2.0, 4.0, 8.0)
    ]
    found = nil_audit.calibrate(pd.concat(later, ignore_index=True), draws=200)
    assert found.optimum.value == pytest.approx(0.04 * 8**0.1, rel=0.03)
    (drift,) = (one for one in found.drifts if one.along == "tokens")
    assert ends(drift.slope)[0] < 0.1 < ends(drift.slope)[1] or drift.slope.value == pytest.approx(0.1, abs=0.01)
    assert [one.what for one in found.variants if one.kind == "match"] == ["body", "total", "flops"]
    assert len([one for one in found.variants if one.kind == "tokens"]) == 4


def test_of_several_rates_each_shape_takes_its_best() -> None:
    good = sweep().assign(lr=1e-3)
    bad = sweep().assign(lr=3e-3, loss=lambda runs: 1.02 * runs["loss"])
    found = nil_audit.calibrate(pd.concat([bad, good], ignore_index=True), draws=200)
    assert found.optimum.value == pytest.approx(0.04)
    assert [one.what for one in found.variants if one.kind == "rate"] == ["at 0.003", "at 0.001"]
    assert found.runs["loss"].sum() == pytest.approx(good["loss"].sum())


def test_random_effects_without_heterogeneity_are_weighted_least_squares() -> None:
    import statsmodels.api as sm

    random = np.random.default_rng(0)
    x, variance = np.arange(8.0), random.uniform(0.5, 2, 8)
    y = 1 + 0.3 * x + 0.3 * np.sqrt(variance) * random.standard_normal(8)
    (slope,) = random_effects(y, variance, x[:, None])
    expected = sm.WLS(y, sm.add_constant(x), weights=1 / variance).fit()
    assert slope.value == pytest.approx(expected.params[1])
    assert slope.se == pytest.approx(expected.bse[1] / math.sqrt(expected.scale))  # never below the errors given


def test_published_numbers_of_the_law(shared: Path) -> None:
    file = shared / "data/sweeps/byte_lm_shape_sweep.csv"
    found = nil_audit.calibrate(file, where=["1e6 <= target_n <= 3e6"])
    assert found.match == "total" and found.runs["used"].sum() == 70 and found.metrics[0] == "aofe"
    assert found.optimum.value == pytest.approx(0.0389, abs=5e-5)
    assert ends(found.optimum) == pytest.approx((0.0348, 0.0416), abs=8e-4)
    assert found.curvature is not None and ends(found.curvature) == pytest.approx((0.0102, 0.0184), abs=6e-4)
    assert (found.low.value, found.high.value) == pytest.approx((0.0171, 0.0885), abs=5e-5)
    assert (found.low.high, found.high.low) == pytest.approx((0.0195, 0.080), rel=0.02)
    assert (found.low.low, found.high.high) == pytest.approx((0.013, 0.100), rel=0.03)
    own = [0.033, 0.042, 0.037, 0.034, 0.034, 0.039, 0.041]
    assert [one.optimum and one.optimum.value for one in found.budgets] == pytest.approx(own, abs=6e-4)
    kept = next(one for one in found.variants if one.what == "depths under 3 kept")
    assert kept.optimum is not None and 0.042 < kept.optimum.value < 0.050
    assert found.forms[1].aic < found.forms[0].aic


def test_published_numbers_of_morph(shared: Path) -> None:
    found = nil_audit.calibrate(shared / "data/sweeps/open_lm_morph_runs.csv")
    assert found.optimum.value == pytest.approx(0.028, abs=5e-4)
    assert ends(found.optimum) == pytest.approx((0.020, 0.044), rel=0.08)
    assert (found.low.value, found.high.value) == pytest.approx((0.0084, 0.093), rel=0.02)


def test_published_numbers_of_the_gemstones(shared: Path) -> None:
    file = shared / "data/sweeps/gemstones.csv"
    found = nil_audit.calibrate(file, where=["run == 'main'"], match="body")
    assert found.optimum.value == pytest.approx(0.0218, abs=5e-5)
    assert ends(found.optimum) == pytest.approx((0.020, 0.025), rel=0.03)
    assert (found.low.value, found.high.value) == pytest.approx((0.0046, 0.103), rel=0.01)
    held = {one.what: one.optimum and one.optimum.value for one in found.variants if one.kind == "match"}
    assert held == pytest.approx({"body": 0.0218, "total": 0.145, "flops": 0.0285}, rel=0.006)
    with pytest.raises(NilAuditError, match="run == 'main'"):
        nil_audit.calibrate(file, columns={"loss": "train_loss"})


def test_published_numbers_of_chinchilla(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refits = depth_width.bootstrap  # each takes 20 ms: a few of them, again and again
    monkeypatch.setattr(depth_width, "bootstrap", lambda runs, draws, seed: 10 * refits(runs, draws=20, seed=seed))
    found = nil_audit.calibrate(
        shared / "data/sweeps/chinchilla_runs.csv",
        where=["tokens >= 2 * parameters"],
        form="depth-width",
        coefficients=(1.744, 301.0, 0.960, 414.0, 1.066, 8.49, 0.299),
        draws=200,
    )
    assert found.optimum.value == pytest.approx(0.0157, abs=5e-5)
    assert (found.low.value, found.high.value) == pytest.approx((0.0077, 0.0357), abs=5e-5)
    assert len(found.study.draws) == 200 and found.study.form == "depth-width"
    assert found.drifts[0].slope.value == pytest.approx(-0.09, abs=0.03)

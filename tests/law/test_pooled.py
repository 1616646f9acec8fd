"""The pooled regret: its four numbers against brute force, the verdict's label, the gain, files."""

import json
import math
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.errors import DataError
from nil_audit.law.pooled import LOSS_PER_SIZE, Pool, Regret, pool, reference, verdict
from nil_audit.law.studies import distance, studies, study

SHIPPED = Path(str(resources.files("nil_audit.law"))) / "intervals" / "pooled.json"
BUDGETS = st.floats(5.5, 11.0).map(lambda power: 10.0**power)
RATIOS = st.floats(-3.0, -0.3).map(lambda power: 10.0**power)


@given(ratio=RATIOS, parameters=BUDGETS)
def test_the_regret_is_that_of_its_draws(ratio: float, parameters: float) -> None:
    found = pool().regret(ratio, parameters)
    draws = []
    for location, curvature, location_drift, curvature_drift in pool().draws:
        away = math.log(parameters / 1e8)
        valley = location + location_drift * away
        draws.append(math.exp(curvature + curvature_drift * away) * (math.log(ratio) - valley) ** 2)
    assert found.expected == pytest.approx(np.mean(draws))
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])))
    assert found.within == pytest.approx(np.mean(np.array(draws) <= 0.01))
    assert 0 <= found.low <= found.expected


@given(parameters=BUDGETS)
def test_no_ratio_has_a_smaller_expected_regret_than_the_best(parameters: float) -> None:
    best = pool().best(parameters)
    least = pool().regret(best, parameters).expected
    for factor in (0.5, 0.98, 1.02, 2.0):
        assert pool().regret(best * factor, parameters).expected >= least


@given(parameters=BUDGETS)
def test_the_interval_is_where_a_verdict_is_inside(parameters: float) -> None:
    found = pool().interval(parameters)
    assert found.low <= found.optimum <= found.high
    for inner in (found.low * 1.001, found.optimum, found.high / 1.001):
        assert verdict(inner, parameters).label == "inside"
    for outer in (found.low / 1.02, found.high * 1.02):
        assert verdict(outer, parameters).label != "inside"


@given(one=RATIOS, other=RATIOS, parameters=BUDGETS)
def test_the_gain_there_is_the_loss_back(one: float, other: float, parameters: float) -> None:
    there, back = pool().gain(one, other, parameters), pool().gain(other, one, parameters)
    assert there.value == pytest.approx(-back.value, abs=1e-12)
    assert there.interval == pytest.approx((-back.high, -back.low), abs=1e-12)  # type: ignore[operator]
    expected = pool().regret(one, parameters).expected - pool().regret(other, parameters).expected
    assert there.value == pytest.approx(expected, abs=1e-12)


def test_more_parameters_are_worth_what_size_is_worth() -> None:
    even, larger = pool().gain(0.03, 0.03, 1e9), pool().gain(0.03, 0.03, 1e9, growth=math.log(1.02))
    assert (even.value, even.p) == (0, 0)
    assert larger.value == pytest.approx(LOSS_PER_SIZE * math.log(1.02))
    assert larger.low == larger.high == pytest.approx(larger.value)


def test_the_excess_of_a_comparison_is_the_regret_beyond_the_best() -> None:
    for ratio in (0.004, 0.03, 0.2):
        least = pool().regret(pool().best(1e9), 1e9).expected
        assert pool().excess(ratio, 1e9) == pytest.approx(pool().regret(ratio, 1e9).expected - least)


@pytest.mark.parametrize(
    ("within", "label"), [(1.0, "inside"), (0.8, "inside"), (0.79, "disputed"), (0.21, "disputed"), (0.2, "outside")]
)
def test_the_label_follows_from_the_probability(within: float, label: str) -> None:
    assert Regret(expected=0.01, low=0.0, high=0.1, within=within).label == label


def test_a_verdict_holds_the_distance_to_the_law_and_reads_an_unknown_budget_at_1b() -> None:
    found = verdict(0.2)
    assert found == verdict(0.2, 1e9)
    assert found.distance == distance(0.2, study("law").interval(1e9)) > 0
    assert found.regret == pool().regret(0.2, 1e9) and found.label == found.regret.label


def test_what_the_four_studies_say_together() -> None:
    """Sections of the published sweeps: the optimum drifts little, the curvature falls with size."""
    assert pool().studies == ("law", "morph", "chinchilla", "gemstones")
    assert 0.018 < pool().best(1e9) < 0.033
    curvature = [float(np.median(pool().valleys(size)[1])) for size in (2e6, 1e8, 1e9)]
    assert curvature[0] == pytest.approx(0.0147, rel=0.3)  # of the law's own sweep, at its own size
    assert -0.35 < math.log(curvature[2] / curvature[0]) / math.log(500) < -0.1
    # the real Gemstone 7 x 1792: 1.3 to 2.1% measured, 7.5% by the law's curve alone
    assert 0.01 < pool().regret(7 / 1792, 5e8).expected < 0.025
    assert study("law").curve.excess(7 / 1792, 5e8) == pytest.approx(0.08, abs=0.01)


@pytest.mark.parametrize("ratio", [0.0, -1.0, math.nan])
def test_ratio_must_be_above_zero(ratio: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        pool().regret(ratio, 1e9)


def test_what_shapes_are_held_against(tmp_path: Path) -> None:
    assert reference() == reference("pooled") == reference(SHIPPED)
    assert reference().studies == studies()
    morph = reference("morph")
    assert morph.verdict(0.2, 1e9).distance == distance(0.2, study("morph").interval())
    assert morph.verdict(0.2, 1e9).regret == verdict(0.2, 1e9).regret
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(document(name="mine", draws=[[-3.0, -4.0, 0.0, 0.0]] * 40)), encoding="utf-8")
    assert reference(mine).verdict(math.exp(-2), 1e9).regret.expected == pytest.approx(math.exp(-4))
    own = tmp_path / "own.json"
    own.write_text(SHIPPED.with_name("law.json").read_text().replace('"law"', '"own"'), encoding="utf-8")
    assert [one.name for one in reference(own).studies] == ["law", "morph", "chinchilla", "gemstones", "own"]


def test_a_file_is_read_anew_and_none_takes_the_place_of_a_shipped_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for optimum in (-3.0, -4.0):
        Path("law").write_text(json.dumps(document(draws=[[optimum, -4.0, 0.0, 0.0]] * 40)), encoding="utf-8")
        assert pool("law").best(1e8) == pytest.approx(math.exp(optimum))
    assert reference("law") == reference()


def document(**changes: Any) -> dict[str, Any]:
    """The fields of the shipped pool, changed; a field given as `...` is left out."""
    kept = {one.name: json.loads(SHIPPED.read_text(encoding="utf-8"))[one.name] for one in fields(Pool)} | changes
    return {key: value for key, value in kept.items() if value is not ...}


@pytest.mark.parametrize(
    "changes",
    [
        {"draws": ...},
        {"draws": []},
        {"draws": [[1.0, 2.0, 3.0]] * 40},
        {"draws": [[-3.0, 1e4, 0.0, 0.0]] * 40},
        {"draws": [[-3.0, math.nan, 0.0, 0.0]] * 40},
        {"draws": "none"},
        {"reference": 0},
        {"parameters_range": [1.0]},
        {"residual": "small"},
        {"title": ""},
        {"studies": [1, 2]},
    ],
)
def test_a_pool_that_says_nothing_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document(**changes)), encoding="utf-8")
    with pytest.raises(DataError, match="does not hold a pool of studies; write it again"):
        pool(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        pool(tmp_path / "none.json")
    with pytest.raises(DataError, match="There is no study or file"):
        reference(tmp_path / "none.json")


def test_a_sharper_pool_is_surer() -> None:
    location, curvature = np.median(np.array(pool().draws)[:, :2], axis=0).tolist()
    sure = replace(pool(), draws=((location, curvature, 0.0, 0.0),) * 40)
    found = sure.regret(0.1, 1e8)
    assert found.low == found.high == pytest.approx(found.expected)
    assert found.within in (0.0, 1.0)

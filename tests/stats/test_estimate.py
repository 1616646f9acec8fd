"""An estimate in other units and forms, and Holm's correction."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.stats.estimate import Estimate, holm

FULL = Estimate(value=0.2, low=0.1, high=0.3, se=0.05, p=0.01, n=40, bias=-0.02)


def test_what_is_not_known_has_no_interval() -> None:
    alone = Estimate(value=0.2)
    assert (alone.interval, alone.excludes_zero, alone.to_dict()) == (None, False, {"value": 0.2})
    assert FULL.interval == (0.1, 0.3)
    half = Estimate(value=0.2, low=0.1, high=math.nan)
    assert half.interval is None and not half.excludes_zero


@pytest.mark.parametrize(("ends", "excludes"), [((0.1, 0.3), True), ((-0.3, -0.1), True), ((-0.1, 0.3), False)])
def test_an_interval_excludes_zero_on_either_side(ends: tuple[float, float], excludes: bool) -> None:
    assert Estimate(value=sum(ends) / 2, low=ends[0], high=ends[1]).excludes_zero is excludes


def test_another_unit_scales_all_but_the_p_value() -> None:
    points = FULL.scaled(100)
    assert points == Estimate(value=20, low=10, high=30, se=5, p=0.01, n=40, bias=-2)
    assert Estimate(value=0.2).scaled(100) == Estimate(value=20)


def test_a_difference_from_a_constant_keeps_the_error_and_has_another_hypothesis() -> None:
    above = FULL.minus(0.1)
    assert (above.value, above.low, above.high) == pytest.approx((0.1, 0.0, 0.2))
    assert (above.se, above.p, above.n, above.bias) == (0.05, None, 40, -0.02)


def test_json_and_back() -> None:
    assert Estimate.from_dict(json.loads(json.dumps(FULL.to_dict()))) == FULL
    undefined = Estimate.from_dict({"value": None, "se": 0.1})
    assert math.isnan(undefined.value) and undefined.se == 0.1
    alone = Estimate.from_dict({"value": 1.5, **dict.fromkeys(("low", "high", "se", "p", "n", "bias"))})
    assert alone == Estimate(value=1.5) and alone.interval is None
    with pytest.raises(KeyError):
        Estimate.from_dict({"se": 0.1})


def test_the_interval_of_draws_holds_the_value() -> None:
    draws = np.linspace(-1, 1, 1001)
    found = Estimate.from_draws(0.0, draws)
    assert found.interval == pytest.approx((-0.95, 0.95))
    assert Estimate.from_draws(3.0, draws).interval == pytest.approx((-0.95, 3.0))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_the_p_value_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    for raw, new in zip(p, adjusted, strict=True):
        assert raw <= new <= min(1, raw * len(p)) + 1e-12
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def test_holm_keeps_the_error_rate_of_many_true_hypotheses() -> None:
    rng = np.random.default_rng(0)
    wrong = [min(holm(rng.random(20).tolist())) < 0.05 for _ in range(2000)]
    assert 0.035 < np.mean(wrong) < 0.065

"""Size held fixed: bands, the controls, and the test by which one is chosen."""

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.effect.size import (
    BANDS,
    CONTROLS,
    band_number,
    flexible_columns,
    size_columns,
    summarise_bands,
)
from nil_audit.comparison.effect.size_fit import chosen_control, expected_response, fit_sizes
from tests.comparison.models import made_sample, real_sample


@pytest.mark.parametrize(
    ("parameters", "band"),
    [(1e6, "under_1b"), (9.9e8, "under_1b"), (1e9, "1b_5b"), (7e9, "5b_9.5b"), (9.5e9, "9.5b_20b"), (2e12, "over_80b")],
)
def test_band_of_a_parameter_count(parameters: float, band: str) -> None:
    assert BANDS[band_number(np.array([parameters]))[0]] == band
    row = {"band": band, "group": "a", "at_floor": True}
    (found,) = summarise_bands(pd.DataFrame([row, {**row, "at_floor": False}]))
    assert found.low <= parameters < (found.high or np.inf)
    assert (found.key, found.models, found.groups, found.at_floor) == (band, 2, 1, 1)


def test_models_of_unknown_size_are_in_no_band() -> None:
    assert summarise_bands(pd.DataFrame({"band": [""], "group": ["a"], "at_floor": [False]})) == ()


@pytest.mark.parametrize("control", CONTROLS)
def test_columns_of_new_sizes_continue_those_of_the_old(control: str) -> None:
    rng = np.random.default_rng(0)
    old = np.sort(rng.uniform(18, 23, 60))
    both = size_columns(np.concatenate([old, [17.0, 20.5, 24.0]]), control, like=old, flexible=5)
    assert np.allclose(both[:60], size_columns(old, control, flexible=5))
    assert np.isfinite(both).all()


def test_what_each_control_can_follow() -> None:
    size = np.sort(np.random.default_rng(1).uniform(18, 23, 90))

    def left(control: str, response: np.ndarray) -> float:
        columns = np.column_stack([np.ones(90), size_columns(size, control, flexible=8)])
        return float(np.abs(response - columns @ np.linalg.lstsq(columns, response, rcond=None)[0]).max())

    rank = np.argsort(np.argsort(size)).astype(float)
    steps = np.where(size < np.log(1e9), 3.0 - size, 2 * size)
    for control in CONTROLS:
        assert left(control, 2 - 3 * size) < 1e-8
    assert left("quadratic", size**2) < 1e-8 < left("linear", size**2)
    assert left("spline_rank", rank) < 1e-8 < left("spline", rank)
    assert left("bands", steps) < 1e-8 < left("spline", steps)


def test_few_models_afford_few_columns() -> None:
    assert [size_columns(np.arange(14.0), one).shape[1] for one in ("linear", "spline", "spline_rank", "bands")] == [
        1, 0, 0, 0
    ]  # fmt: skip
    assert size_columns(np.full(14, 21.0), "linear").tolist() == [[0.0]] * 14
    assert fit_sizes(made_sample(5, 5)) == ()
    assert [one.control for one in fit_sizes(made_sample(8, 6))] == ["linear"]


def test_akaike_chooses_the_columns_of_the_flexible_spline() -> None:
    size = np.sort(np.random.default_rng(2).uniform(18, 23, 100))
    knots = np.quantile(size, np.linspace(0, 1, 7))
    kinked = np.interp(size, knots, [0, 5, 0, 5, 0, 5, 0])
    noise = 0.1 * np.random.default_rng(3).normal(size=100)
    assert flexible_columns(size, size + noise) == 4
    assert flexible_columns(size, kinked + noise) >= 6
    assert flexible_columns(size[:19], size[:19]) == 0


def test_the_control_is_chosen_by_predicting_each_group_from_the_others() -> None:
    whole = real_sample()
    fits = {one.control: one for one in fit_sizes(whole)}
    assert tuple(fits) == CONTROLS
    squared = 0.0
    for group in range(whole.groups):
        rest = whole.group != group
        line = np.polyfit(whole.size[rest], whole.response[rest], 2)
        squared += ((whole.response[~rest] - np.polyval(line, whole.size[~rest])) ** 2).sum()
    assert fits["quadratic"].held_out == pytest.approx(np.sqrt(squared / whole.models))
    line = np.polyfit(whole.size, whole.response, 2)
    squares = ((whole.response - np.polyval(line, whole.size)) ** 2).sum()
    assert fits["quadratic"].aic == pytest.approx(113 * np.log(squares / 113) + 2 * 3)
    chosen = chosen_control(tuple(fits.values()))
    assert [one.control for one in fits.values() if one.chosen] == [chosen] == ["spline_rank"]


def test_expected_response_is_least_squares_on_the_control() -> None:
    whole = made_sample(40, 10)
    columns = np.column_stack([np.ones(40), whole.size, whole.size**2])
    expected = columns @ np.linalg.lstsq(columns, whole.response, rcond=None)[0]
    assert np.allclose(expected_response(whole, "quadratic"), expected)
    assert np.isnan(expected_response(made_sample(5, 5), "linear")).all()

"""Size bands and the size curve."""

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.size import BANDS, band_number, expected_score, size_columns, summarise_bands
from nil_audit.stats.spline import spline_basis
from tests.comparison.models import make_table


@pytest.mark.parametrize(
    ("parameters", "band"),
    [(1e6, "under_1b"), (9.9e8, "under_1b"), (1e9, "1b_5b"), (7e9, "5b_9.5b"), (9.5e9, "9.5b_20b"), (2e12, "over_80b")],
)
def test_band_of_a_parameter_count(parameters: float, band: str) -> None:
    assert BANDS[band_number(np.array([parameters]))[0]] == band
    row = {"band": band, "family": "a", "at_floor": True}
    (found,) = summarise_bands(pd.DataFrame([row, {**row, "at_floor": False}]))
    assert found.low <= parameters < (found.high or np.inf)
    assert (found.key, found.models, found.families, found.at_floor) == (band, 2, 1, 1)


def test_models_of_unknown_size_are_in_no_band() -> None:
    assert summarise_bands(pd.DataFrame({"band": [""], "family": ["a"], "at_floor": [False]})) == ()


@pytest.mark.parametrize("models", [6, 12, 20, 80])
def test_expected_score_is_the_least_squares_fit_on_the_size_curve(models: int) -> None:
    table = make_table(models, 6)
    size, score = np.log(table["parameters"].to_numpy()), table["score"].to_numpy()
    columns = np.column_stack([np.ones(models), size - 21, spline_basis(size)])
    expected = columns @ np.linalg.lstsq(columns, score, rcond=None)[0]
    assert np.allclose(expected_score(size, score), expected)
    assert np.isnan(expected_score(size[:5], score[:5])).all()


def test_the_size_curve_of_few_models_is_a_straight_line() -> None:
    assert size_columns(np.arange(14.0)).shape == (14, 1)
    assert size_columns(np.full(14, 21.0)).tolist() == [[0.0]] * 14

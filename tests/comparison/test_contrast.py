"""Inside against outside, and the trend: each against written-out least squares."""

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.contrast import contrast, trend
from nil_audit.stats.spline import spline_basis
from tests.comparison.models import make_table


def compared(table: pd.DataFrame, inside: np.ndarray) -> pd.DataFrame:
    return table.assign(distance_law=np.where(inside, 0.0, -0.3), verdict=np.where(inside, "inside", "disputed"))


def curve(table: pd.DataFrame) -> np.ndarray:
    return np.column_stack([np.ones(len(table)), spline_basis(np.log(table["parameters"].to_numpy()))])


@pytest.mark.parametrize("study", ["law", "all"])
def test_contrast_is_the_coefficient_of_the_least_squares_fit(study: str) -> None:
    table = make_table(100)
    inside = (table["x"] > 0.4).to_numpy()
    raised = compared(table.assign(score=table["score"] + 0.05 * inside), inside)
    found = contrast(raised, study)
    assert found is not None and found.estimate.low is not None and found.estimate.high is not None
    columns = np.column_stack([curve(table), inside])
    assert found.estimate.value == pytest.approx(np.linalg.lstsq(columns, raised["score"], rcond=None)[0][-1])
    assert found.estimate.low < 0.05 < found.estimate.high
    assert found.estimate.low > 0
    assert (found.inside, found.outside) == (inside.sum(), (~inside).sum())


@pytest.mark.parametrize("inside", [0, 2, 79, 80])
def test_no_contrast_without_three_models_on_each_side(inside: int) -> None:
    assert contrast(compared(make_table(), np.arange(80) < inside), "law") is None


def test_a_contrast_that_rests_on_one_family_has_no_interval() -> None:
    table = make_table()
    found = contrast(compared(table, (table["family"] == "family 01").to_numpy()), "law")
    assert found is not None and found.estimate.interval is None


def test_trend_has_the_slope_of_the_fit_with_size_held_fixed() -> None:
    table = make_table(effect=0.03).assign(deviation_law=lambda made: made["x"])
    line = trend(table)
    assert line is not None
    deviation = table["x"].abs()
    slope = np.linalg.lstsq(np.column_stack([curve(table), deviation]), table["score"], rcond=None)[0][-1]
    rise, run = np.ptp(line["y"]), np.ptp(line["x"])
    assert np.sign(slope) * rise / run == pytest.approx(slope)
    assert np.interp(deviation.mean(), line["x"], line["y"]) == pytest.approx(0, abs=1e-12)
    assert (line["low"] <= line["y"]).all() and (line["y"] <= line["high"]).all()
    assert trend(table.assign(deviation_law=1.0)) is None


@pytest.mark.parametrize("models", [6, 12, 20, 40])
def test_the_trend_of_few_models_uses_fewer_columns(models: int) -> None:
    table = make_table(models, 6).assign(deviation_law=lambda made: made["x"])
    line = trend(table)
    assert line is not None and np.isfinite(line.to_numpy()).all()
    assert trend(table[:5]) is None

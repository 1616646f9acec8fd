"""Reliability below and above the chance floor, against simulated truth and written-out least squares."""

from dataclasses import replace

import numpy as np
import pytest

from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.outcome import Outcome
from nil_audit.comparison.scrutiny.floor import floor, reliability
from nil_audit.stats.spline import spline_basis
from tests.comparison.models import made_sample, real_sample


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_share_of_variance_that_is_not_sampling_error(share: float) -> None:
    whole, rng = made_sample(1500, 300), np.random.default_rng(0)
    error = 0.004
    left = error * np.sqrt(share / (1 - share)) * rng.normal(size=1500) + error * rng.normal(size=1500)
    table = whole.table.assign(stderr=error)
    found = reliability(replace(whole, table=table, response=3 * whole.size + 100 * left), "spline")
    assert found == pytest.approx(share, abs=0.03)


def test_missing_errors_are_those_of_the_full_test_set() -> None:
    whole = made_sample(60, 20)
    score = whole.table["score"].to_numpy()
    full = np.sqrt(score * (1 - score) / MMLU_PRO_QUESTIONS)
    given = replace(whole, table=whole.table.assign(stderr=full))
    missing = replace(whole, table=whole.table.assign(stderr=np.nan))
    assert reliability(missing, "spline") == pytest.approx(reliability(given, "spline"))
    other = replace(missing, outcome=Outcome(name="score", column="score"))
    assert reliability(other, "spline") is None
    assert reliability(replace(given, outcome=other.outcome), "spline") is not None


def test_nothing_of_too_few_models_or_where_nothing_is_left() -> None:
    whole = made_sample(60, 20)
    few = np.arange(60) < 5
    assert reliability(whole.part(few), "linear") is None
    assert reliability(whole.part(np.arange(60) < 6), "linear") is not None
    assert reliability(whole.part(few & False), "linear") is None
    constant = replace(whole, response=np.zeros(60))
    assert reliability(constant, "linear") is None


def test_there_is_no_floor_without_models_at_it() -> None:
    whole = made_sample(60, 20)
    below = np.arange(60) < 25

    def at(mask: np.ndarray, outcome: Outcome) -> Sample:
        return replace(whole, table=whole.table.assign(at_floor=mask), outcome=outcome)

    assert floor(at(below & False, whole.outcome), "linear") is None
    found = floor(at(below, replace(whole.outcome, floor=0.25)), "linear")
    assert found is not None
    assert (found.level, found.below, found.above) == (0.25, 25, 35)
    assert floor(at(below, Outcome(name="bits", column="bits", lower_is_better=True, floor=3.0)), "linear") is None


def test_the_real_models() -> None:
    whole = real_sample()
    found = floor(whole, "spline")
    assert found is not None
    assert (found.level, found.below, found.above) == (0.1243, 48, 65)
    # Published as 0.51 and 0.997; 0.52 under spline and rank, and 0.57 with n - p below the sum of squares.
    assert found.reliability_below == pytest.approx(0.51, abs=0.03)
    assert found.reliability_above == pytest.approx(0.997, abs=0.001)
    below = whole.table["at_floor"].to_numpy()
    columns = np.column_stack([np.ones(48), spline_basis(whole.size[below])])
    left = whole.response[below] - columns @ np.linalg.lstsq(columns, whole.response[below], rcond=None)[0]
    score = whole.response[below] / 100
    error = whole.table["stderr"].to_numpy()[below]
    error = np.where(np.isfinite(error), error, np.sqrt(score * (1 - score) / MMLU_PRO_QUESTIONS))
    assert found.reliability_below == pytest.approx(1 - 1e4 * (error**2).mean() / (left**2).mean())

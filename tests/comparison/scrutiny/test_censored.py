"""The censored fit against scipy's optimum of the likelihood written out, closed forms, and a jackknife by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import norm
from scipy.stats import t as student

from nil_audit.comparison.effect.dose import dose_terms
from nil_audit.comparison.effect.estimate import design
from nil_audit.comparison.effect.sample import Sample, sample
from nil_audit.comparison.outcome import LOSS
from nil_audit.comparison.scrutiny import censored
from nil_audit.comparison.scrutiny.censored import censored_effect, censored_fit
from tests.comparison.models import derived, made_frame, real_sample


def best(columns: np.ndarray, response: np.ndarray, below: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficients and sigma where the weighted Tobit likelihood is largest, in its ordinary parameters."""

    def cost(point: np.ndarray) -> float:
        mean, sigma = columns @ point[:-1], np.exp(point[-1])
        seen, hidden = norm.logpdf(response, mean, sigma), norm.logcdf(response, mean, sigma)
        return -float(weights @ np.where(below, hidden, seen))

    start = np.append(np.linalg.lstsq(columns, response, rcond=None)[0], np.log(response.std()))
    found = minimize(cost, start, method="Nelder-Mead", options={"maxiter": 200_000, "maxfev": 200_000, "fatol": 1e-13})
    found = minimize(cost, found.x, method="BFGS", options={"gtol": 1e-9})
    return np.append(found.x[:-1], np.exp(found.x[-1]))


def drawn(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, responses censored at 1, and which are."""
    rng = np.random.default_rng(seed)
    columns = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    latent = columns @ [2.0, 3.0, -1.0] + 2 * rng.normal(size=n)
    return columns, np.maximum(latent, 1.0), latent <= 1


def floored(models: int = 70, families: int = 16, **choices: float) -> Sample:
    """Made-up models whose scores are at least 0.25, their floor."""
    frame = made_frame(models, families, effect=1.0, seed=5)
    table, outcome = derived(frame.assign(score=frame["score"].clip(lower=0.25)), **({"floor": 0.25} | choices))
    return sample(table, outcome)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fit_is_the_maximum_of_the_likelihood(seed: int) -> None:
    columns, response, below = drawn(seed)
    weights = np.random.default_rng(seed).integers(0, 3, size=(4, 60)).astype(float)
    found = censored_fit(columns, response, below, weights)
    for row, own in zip(found, weights, strict=True):
        assert row == pytest.approx(best(columns, response, below, own), rel=2e-4, abs=2e-4)


def test_without_censoring_it_is_least_squares() -> None:
    columns, response, _ = drawn(3)
    found = censored_fit(columns, response, np.zeros(60, dtype=bool), np.ones((1, 60)))[0]
    fit, squares = np.linalg.lstsq(columns, response, rcond=None)[:2]
    assert found[:-1] == pytest.approx(fit, rel=1e-8)
    assert found[-1] == pytest.approx(np.sqrt(squares[0] / 60), rel=1e-8)


def test_a_group_wholly_at_the_floor_with_a_constant_of_its_own_says_nothing() -> None:
    columns, response, below = drawn(4)
    own = np.arange(60) < 12
    response, below = np.where(own, 1.0, response), below | own
    with_group = np.column_stack([columns, own])
    rest = censored_fit(columns[~own], response[~own], below[~own], np.ones((1, 48)))[0]
    found = censored_fit(with_group, response, below, np.ones((1, 60)))[0]
    assert np.delete(found, 3) == pytest.approx(rest, rel=1e-4, abs=1e-4)
    assert found[3] < -3 * found[-1]


def test_mixing_is_a_fit_on_the_mixed_columns_and_a_start_only_saves_time() -> None:
    columns, response, below = drawn(5)
    rng = np.random.default_rng(5)
    weights, mixing = rng.uniform(0.5, 2, (3, 60)), rng.normal(size=(3, 3, 2))
    mixing[:, :, 0] = [1, 0, 0]
    found = censored_fit(columns, response, below, weights, mixing=mixing)
    again = censored_fit(columns, response, below, weights, mixing=mixing, start=found[0])
    assert again == pytest.approx(found, rel=1e-5, abs=1e-5)
    for row, own, mix in zip(found, weights, mixing, strict=True):
        assert row == pytest.approx(censored_fit(columns @ mix, response, below, own[None])[0], rel=1e-6, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-50, 50))
def test_fit_goes_with_the_unit_of_the_response(seed: int, scale: float, shift: float) -> None:
    columns, response, below = drawn(seed)
    plain = censored_fit(columns, response, below, np.ones((1, 60)))[0]
    moved = censored_fit(columns, scale * response + shift, below, np.ones((1, 60)))[0]
    expected = scale * plain + shift * np.array([1, 0, 0, 0])
    assert np.abs(moved - expected).max() < 1e-4 * scale * np.abs(plain).max()


def test_effect_is_that_of_fits_anew_without_each_family() -> None:
    whole = floored()
    below = whole.table["at_floor"].to_numpy()
    assert 10 < below.sum() < 50
    held, terms = design(whole, "spline"), dose_terms(whole, whole.excess("law"))
    values = []
    for group in range(-1, whole.groups):
        rows, ones = whole.group != group, np.ones((whole.group != group).sum())
        curve = best(terms.curve[rows], whole.response[rows], below[rows], ones)[:-1]
        columns = np.column_stack([held, -terms.terms @ curve])[rows]
        values.append(best(columns, whole.response[rows], below[rows], ones)[-2])
    value, *without = values
    error = np.sqrt((len(without) - 1) / len(without) * ((np.array(without) - value) ** 2).sum())
    found = censored_effect(whole, study="law", control="spline")
    assert found is not None
    assert (found.row, found.estimator, found.groups, found.estimate.n) == ("censored", "censored", 16, 70)
    assert found.estimate.value == pytest.approx(value, abs=2e-3)
    assert found.estimate.interval == pytest.approx(value + error * student.ppf([0.025, 0.975], 15), abs=1e-2)


def test_many_families_are_left_out_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = floored(260, 120)
    every = censored_effect(whole, study="law", control="spline")
    monkeypatch.setattr(censored, "MOST_GROUPS", 100)
    parts = censored_effect(whole, study="law", control="spline")
    assert every is not None
    assert parts is not None
    assert parts.groups == every.groups == 120
    assert parts.estimate.value == every.estimate.value
    assert parts.estimate.se != every.estimate.se
    assert parts.estimate.se == pytest.approx(every.estimate.se, rel=0.5)


@pytest.mark.parametrize("choices", [{"floor": None, "column": "other"}, {"floor": 0.1}, {"floor": 0.37}])
def test_nothing_without_a_floor_or_models_on_both_sides_of_it(choices: dict[str, float]) -> None:
    assert censored_effect(floored(**choices), study="law", control="spline") is None


def test_nothing_of_a_loss_or_of_too_few_models() -> None:
    whole = floored()
    loss = replace(whole, outcome=replace(whole.outcome, lower_is_better=True, unit=LOSS))
    assert censored_effect(whole, study="law", control="spline") is not None
    assert censored_effect(loss, study="law", control="spline") is None
    assert censored_effect(floored().part(np.arange(70) < 4), study="law", control="spline") is None


def test_nothing_where_one_family_holds_all_that_is_above_the_floor() -> None:
    whole = floored()
    above = np.arange(70) < 20
    table = whole.table.assign(group=np.where(above, "one", whole.table["group"]), at_floor=~above)
    one = replace(whole, table=table).part(np.ones(70, dtype=bool))
    assert censored_effect(one, study="law", control="spline") is None


def test_real_models() -> None:
    found = censored_effect(real_sample(), study="law", control="spline")
    assert found is not None
    assert (found.estimate.value, *found.estimate.interval) == pytest.approx((1.14, -0.15, 2.44), abs=0.01)
    assert found.verdict == "cannot_tell"

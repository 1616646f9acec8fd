"""Correlations against scipy, family by family left out; subsets."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nil_audit.comparison.correlation import correlate, families_left_out, same_models, subsets
from nil_audit.stats.estimate import holm
from nil_audit.stats.jackknife import over_groups
from nil_audit.stats.spline import spline_basis
from tests.comparison.models import clustered_table, make_table


def residual(y: np.ndarray, *controls: np.ndarray) -> np.ndarray:
    columns = np.column_stack([np.ones(len(y)), *controls])
    return y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]


def partial(x: np.ndarray, y: np.ndarray, *controls: np.ndarray) -> float:
    return float(np.corrcoef(residual(x, *controls), residual(y, *controls))[0, 1])


def test_spearman_plain_and_partial_are_scipys() -> None:
    table = clustered_table()
    size = np.log(table["parameters"].to_numpy())
    x, y, n, month = (stats.rankdata(table[name]) for name in ("x", "score", "parameters", "month"))
    told = table["tokens"].notna().to_numpy()
    xt, yt, nt, t = (stats.rankdata(table[name][told]) for name in ("x", "score", "parameters", "tokens"))
    expected = {
        "nothing": stats.spearmanr(table["x"], table["score"]).statistic,
        "size": partial(x, y, n),
        "size_tokens": partial(xt, yt, nt, t),
        "size_curve": partial(x, y, n, spline_basis(size)),
        "size_curve_release": partial(x, y, n, spline_basis(size), month),
        "size_curve_tokens": partial(xt, yt, nt, spline_basis(size[told]), t),
    }
    found = correlate(table, ["x"], given=expected)
    assert {one.given: one.estimate.value for one in found} == pytest.approx(expected)
    assert {one.given: one.estimate.n for one in found}["size_tokens"] == told.sum()


def test_pearson_plain_and_partial_are_scipys() -> None:
    table = clustered_table(seed=1)
    found = correlate(table, ["x"], given=("nothing", "size"), method="pearson")
    x, y = table["x"].to_numpy(), table["score"].to_numpy()
    assert found[0].estimate.value == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found[1].estimate.value == pytest.approx(partial(x, y, np.log(table["parameters"].to_numpy())))


def test_another_outcome_than_score() -> None:
    table = clustered_table().assign(ratio=np.random.default_rng(8).uniform(0.001, 0.1, 60))
    found = correlate(table, ["parameters", "tokens", "release"], given=("nothing",), outcome="ratio")
    for one, name in zip(found, ("parameters", "tokens", "month"), strict=True):
        expected = stats.spearmanr(table[name], table["ratio"], nan_policy="omit").statistic
        assert (one.outcome, one.estimate.value) == ("ratio", pytest.approx(expected))


def test_every_predictor_uses_the_models_that_have_it() -> None:
    table = clustered_table()
    found = correlate(table, ["x", "half"], given=("nothing",))
    assert [(one.predictor, one.estimate.n) for one in found] == [("x", 60), ("half", 30)]
    have = table["half"].notna()
    expected = stats.spearmanr(table["half"][have], table["score"][have]).statistic
    assert found[1].estimate.value == pytest.approx(expected)


def test_predictors_that_the_same_models_have_are_made_together() -> None:
    some, others = np.array([True, False, True]), np.array([True, True, True])
    groups = same_models({"a": some, "b": others, "c": some.copy()})
    assert [(mask.tolist(), keys) for mask, keys in groups] == [(some.tolist(), ["a", "c"]), (others.tolist(), ["b"])]


def test_intervals_are_those_of_families_left_out_in_turn() -> None:
    table = clustered_table(seed=2)
    (found,) = correlate(table, ["x"], given=("nothing",))

    def spearman(rows: pd.DataFrame) -> float:
        return float(stats.spearmanr(rows["x"], rows["score"]).statistic)

    left_out = np.array([spearman(table[table["family"] != name]) for name in sorted(set(table["family"]))])
    expected = over_groups(spearman(table), left_out, correlation=True)
    assert found.estimate.interval == pytest.approx(expected.interval)
    assert found.estimate.p == pytest.approx(expected.p)
    assert found.families == 17


def test_p_values_are_corrected_over_the_tests_of_one_call() -> None:
    table = clustered_table()
    found = correlate(table, ["x", "half"], given=("nothing", "size"), corrected=True)
    assert [one.p_adjusted for one in found] == pytest.approx(holm([one.estimate.p or 0.0 for one in found]))
    assert [one.p_adjusted for one in correlate(table, ["x"], given=("nothing",))] == [None]


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_ranks_do_not_notice_order_scale_or_sign(seed: int) -> None:
    table = clustered_table(models=30, families=8, seed=seed)
    order = np.random.default_rng(seed).permutation(30)
    moved = table.iloc[order].assign(score=np.exp(5 * table["score"]), x=-(table["x"] ** 3))
    for given_ in ("nothing", "size_curve"):
        one, other = (correlate(rows, ["x"], given=(given_,))[0].estimate for rows in (table, moved))
        assert other.value == pytest.approx(-one.value, abs=1e-9)
        assert one.low is not None and one.high is not None
        assert other.interval == pytest.approx((-one.high, -one.low), abs=1e-7)
        assert -1 <= one.low <= one.value <= one.high <= 1


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_three_models_have_no_correlation_and_a_constant_none(method: str) -> None:
    table = clustered_table()
    for rows in (table[:3], table.assign(x=1.0)):
        assert correlate(rows, ["x"], given=("nothing", "size"), method=method) == []


@pytest.mark.parametrize("families", [1, 3])
def test_few_families_have_an_estimate_and_no_interval(families: int) -> None:
    (found,) = correlate(clustered_table(models=30, families=families), ["x"], given=("size",))
    assert (found.estimate.low, found.estimate.high, found.estimate.p) == (None, None, None)
    assert found.families == families


def test_leaving_out_a_family_is_dropping_its_models() -> None:
    table = make_table(effect=0.02)
    whole, gap = families_left_out(table, ["x", "gap"])
    keep = (table["family"] != "family 07").to_numpy()
    size = np.log(table["parameters"].to_numpy())
    ranks = [stats.rankdata(table[name][keep]) for name in ("x", "score", "parameters")]
    expected = partial(*ranks, spline_basis(size)[keep])
    assert whole.without["family 07"] == pytest.approx(expected)
    values = list(whole.without.values())
    assert values == sorted(values)
    assert (whole.lowest[1], whole.highest[1]) == (values[0], values[-1])
    assert whole.value == pytest.approx(correlate(table, ["x"], given=("size_curve",))[0].estimate.value)
    assert set(whole.without) == set(table["family"])
    assert set(gap.without) == set(table["family"]) - {"family 03"}


def test_one_family_can_carry_the_sign() -> None:
    table = make_table(60, 10, noise=0.001)
    first = np.arange(60) % 3 == 0
    x = table["x"] * np.where(first | (table["family"] == "family 00"), 3.0, 1.0)
    family = table["family"].mask(first, "family 00")
    score = table["score"] + np.where(family == "family 00", 0.1, -0.02) * x
    (found,) = families_left_out(table.assign(family=family, x=x, score=score), ["x"])
    assert found.value > 0.1
    assert found.sign_changes
    assert found.lowest[0] == "family 00"
    assert found.lowest[1] < -0.5
    assert families_left_out(table[table["family"] < "family 02"], ["x"]) == []


def test_subsets_are_what_their_names_say() -> None:
    table = make_table()
    number = np.arange(80)
    flagged, floor = number < 3, number % 4 == 0
    table = table.assign(
        flag=np.where(flagged, "broken run", ""),
        at_floor=floor,
        uncertain=np.where(floor, "", "no config"),
        lineage=np.where(floor, "distilled", "from_scratch"),
        band=np.where(table["parameters"] < 1e9, "under_1b", "1b_5b"),
    )
    assert {name: mask.sum() for name, mask in subsets(table).items()} == {
        "above_floor": (~flagged & ~floor).sum(),
        "with_flagged": 80,
        "certain_shape": (~flagged & floor).sum(),
        "from_scratch": (~flagged & ~floor).sum(),
        "band:under_1b": (~flagged & (table["band"] == "under_1b")).sum(),
        "band:1b_5b": (~flagged & (table["band"] == "1b_5b")).sum(),
    }

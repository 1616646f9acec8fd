"""Correlations against scipy, resample by resample."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nil_audit.comparison.correlation import Resamples, correlate
from nil_audit.comparison.kendall import kendall
from nil_audit.comparison.sample import Sample
from nil_audit.comparison.sizes import size_basis
from nil_audit.stats import jackknife as resampling

NONE = Resamples(seed=0, bootstrap=0)


def make(models: int = 60, families: int = 17, seed: int = 0) -> Sample:
    """Clustered, confounded models with ties; tokens of some are unknown."""
    rng = np.random.default_rng(seed)
    family = np.concatenate([np.arange(families), rng.integers(families, size=models - families)])
    size = rng.normal(21, 1.5, models).round(1)
    x = (rng.normal(size=families)[family] - 0.5 * size + rng.normal(size=models)).round(1)
    tokens = np.where(rng.random(models) < 0.4, np.nan, rng.normal(27, 1, models))
    score = (0.02 * size + 0.03 * rng.normal(size=families)[family] + 0.03 * rng.normal(size=models)).round(2)
    return Sample(
        score=score,
        family=family,
        size=size,
        tokens=tokens,
        release=rng.integers(24_000, 24_060, models).astype(float),
        predictors={"x": x, "half": np.where(np.arange(models) % 2 == 0, x, np.nan)},
    )


def residual(y: np.ndarray, *controls: np.ndarray) -> np.ndarray:
    columns = np.column_stack([np.ones(len(y)), *controls])
    return y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]


def partial(x: np.ndarray, y: np.ndarray, *controls: np.ndarray) -> float:
    return float(np.corrcoef(residual(x, *controls), residual(y, *controls))[0, 1])


def test_spearman_plain_and_partial_are_scipys() -> None:
    s = make()
    x, y, n = (stats.rankdata(v) for v in (s.predictors["x"], s.score, s.size))
    told = np.isfinite(s.tokens)
    xt, yt, nt, t = (stats.rankdata(v[told]) for v in (s.predictors["x"], s.score, s.size, s.tokens))
    expected = {
        "nothing": stats.spearmanr(s.predictors["x"], s.score).statistic,
        "size": partial(x, y, n),
        "size_tokens": partial(xt, yt, nt, t),
        "size_curve": partial(x, y, n, size_basis(s.size)),
        "size_curve_release": partial(x, y, n, size_basis(s.size), stats.rankdata(s.release)),
        "size_curve_tokens": partial(xt, yt, nt, size_basis(s.size[told]), t),
    }
    found = correlate(s, ["x"], method="spearman", given=tuple(expected), subset="all", resamples=NONE)
    assert {one.given: one.estimate for one in found} == pytest.approx(expected)
    assert {one.given: one.models for one in found}["size_tokens"] == told.sum()


def test_pearson_plain_and_partial_are_scipys() -> None:
    s = make(seed=1)
    found = correlate(s, ["x"], method="pearson", given=("nothing", "size"), subset="all", resamples=NONE)
    assert found[0].estimate == pytest.approx(stats.pearsonr(s.predictors["x"], s.score).statistic)
    assert found[1].estimate == pytest.approx(partial(s.predictors["x"], s.score, s.size))


def test_every_predictor_uses_the_models_that_have_it() -> None:
    s = make()
    found = correlate(s, ["x", "half"], method="spearman", given=("nothing",), subset="all", resamples=NONE)
    assert [(one.predictor, one.models) for one in found] == [("x", 60), ("half", 30)]
    have = np.isfinite(s.predictors["half"])
    expected = stats.spearmanr(s.predictors["half"][have], s.score[have]).statistic
    assert found[1].estimate == pytest.approx(expected)


def test_intervals_are_those_of_written_out_resamples() -> None:
    s = make(seed=2)
    drawn_anew = Resamples(seed=5, bootstrap=200)
    (found,) = correlate(s, ["x"], method="spearman", given=("nothing",), subset="all", resamples=drawn_anew)

    def spearman(where: np.ndarray) -> float:
        return float(stats.spearmanr(s.predictors["x"][where], s.score[where]).statistic)

    weights = resampling.bootstrap(s.family, 200, 5).astype(int)
    drawn = [spearman(np.repeat(np.arange(len(s)), row)) for row in weights]
    assert (found.bootstrap_low, found.bootstrap_high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    left_out = np.array([spearman(np.flatnonzero(s.family != code)) for code in range(s.families)])
    expected = resampling.jackknife(found.estimate, left_out, correlation=True)
    assert (found.low, found.high, found.p_value) == pytest.approx((expected.low, expected.high, expected.p_value))


def test_kendall_is_scipys_in_the_sample_and_in_every_resample() -> None:
    s = make(seed=3)
    drawn_anew = Resamples(seed=5, bootstrap=200)
    plain, given_size = kendall(s, ["x"], given=("nothing", "size"), subset="all", resamples=drawn_anew)

    def tau(where: np.ndarray) -> float:
        return float(stats.kendalltau(s.predictors["x"][where], s.score[where]).statistic)

    assert plain.estimate == pytest.approx(tau(np.arange(len(s))))
    weights = resampling.bootstrap(s.family, 200, 5).astype(int)
    drawn = [tau(np.repeat(np.arange(len(s)), row)) for row in weights]
    assert (plain.bootstrap_low, plain.bootstrap_high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    xy, xz, yz = (
        stats.kendalltau(a, b).statistic
        for a, b in ((s.predictors["x"], s.score), (s.predictors["x"], s.size), (s.score, s.size))
    )
    assert given_size.estimate == pytest.approx((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))


def test_kendall_is_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    s = make(seed=4)
    whole = kendall(s, ["x", "half"], given=("nothing", "size"), subset="all", resamples=NONE)
    monkeypatch.setattr("nil_audit.comparison.kendall._PAIRS_AT_ONCE", 500)
    assert kendall(s, ["x", "half"], given=("nothing", "size"), subset="all", resamples=NONE) == whole


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_ranks_do_not_notice_order_scale_or_sign(seed: int) -> None:
    s = make(models=30, families=8, seed=seed)
    order = np.random.default_rng(seed).permutation(30)
    moved = replace(
        s.take(np.ones(30, dtype=bool)),
        **{name: getattr(s, name)[order] for name in ("family", "tokens", "release")},
        score=np.exp(5 * s.score)[order],
        size=s.size[order],
        predictors={"x": -(s.predictors["x"] ** 3)[order]},
    )
    for given_ in ("nothing", "size_curve"):
        one, other = (
            correlate(sample, ["x"], method="spearman", given=(given_,), subset="all", resamples=NONE)[0]
            for sample in (s, moved)
        )
        assert other.estimate == pytest.approx(-one.estimate, abs=1e-9)
        assert one.low is not None and one.high is not None
        assert (other.low, other.high) == pytest.approx((-one.high, -one.low), abs=1e-7)
        assert -1 <= one.low <= one.estimate <= one.high <= 1


@pytest.mark.parametrize("method", ["spearman", "pearson", "kendall"])
def test_three_models_have_no_correlation_and_a_constant_none(method: str) -> None:
    s = make()
    few = s.take(np.arange(60) < 3)
    constant = Sample(
        score=s.score,
        family=s.family,
        size=s.size,
        tokens=s.tokens,
        release=s.release,
        predictors={"x": np.ones(60)},
    )
    for sample in (few, constant):
        if method == "kendall":
            found = kendall(sample, ["x"], given=("nothing", "size"), subset="all", resamples=NONE)
        else:
            found = correlate(sample, ["x"], method=method, given=("nothing", "size"), subset="all", resamples=NONE)
        assert found == []


@pytest.mark.parametrize("families", [1, 3])
def test_few_families_have_an_estimate_and_no_interval(families: int) -> None:
    s = make(models=30, families=families)
    (found,) = correlate(
        s, ["x"], method="spearman", given=("size",), subset="all", resamples=Resamples(seed=0, bootstrap=200)
    )
    assert (found.low, found.high, found.p_value, found.bootstrap_low) == (None, None, None, None)
    assert found.families == families

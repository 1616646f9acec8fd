"""The hierarchical model against importance sampling, evidence against least squares, the shipped pool against both."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nil_audit.calibration.evidence import CENTRE, Evidence, StudyEvidence, study_evidence
from nil_audit.calibration.left_out import leave_one_out
from nil_audit.calibration.pool_file import shipped_evidence, with_sweep
from nil_audit.calibration.pooling import PRIOR, REFERENCE, Posterior, predictive_pool, sample
from nil_audit.errors import DataError
from nil_audit.law.pooled import Pool, pool
from nil_audit.law.studies import study

SWEEPS = Path(__file__).resolve().parents[3] / "shared" / "data" / "sweeps"


def known(study: str, location: float, curvature: float, parameters: float = REFERENCE) -> Evidence:
    """A budget whose valley is known all but exactly: ln R* and ln c."""
    c, m = math.exp(curvature), location - CENTRE
    return Evidence(
        study=study,
        budget="only",
        parameters=parameters,
        coefficients=(-2 * c * m, c),
        covariance=((1e-9 * c**2, 0.0), (0.0, 1e-9 * c**2)),
    )


VALLEYS = [("a", -3.2, -4.3, 1e6), ("b", -3.6, -5.0, 2e8), ("c", -3.9, -5.4, 2e9)]


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nil_audit.calibration.pooling.WARM_UP", 500)
        patch.setattr("nil_audit.calibration.pooling.EVERY", 60)
        return sample([known(*one) for one in VALLEYS])


@pytest.mark.parametrize("which", [0, 1])
def test_the_sampler_agrees_with_importance_sampling(posterior: Posterior, which: int) -> None:
    """Where valleys are known, they are jointly normal given τ and ω, and the mean and the drift integrate out."""
    random = np.random.default_rng(5)
    tau = np.abs(random.normal(0, PRIOR.studies[which], 400_000))
    omega = np.abs(random.normal(0, PRIOR.budgets[which], 400_000))
    centre, spread = ((CENTRE, 1.0), (math.log(0.01), 1.5))[which]
    valleys = np.array([one[1 + which] for one in VALLEYS]) - centre
    away = np.log([one[3] / REFERENCE for one in VALLEYS])
    shared = spread**2 + PRIOR.drift[which] ** 2 * np.outer(away, away)
    covariance = shared + (tau**2 + omega**2)[:, None, None] * np.eye(3)
    solved = np.linalg.solve(covariance, np.broadcast_to(valleys, (len(tau), 3))[..., None])[..., 0]
    density = np.exp(-0.5 * (solved @ valleys)) / np.sqrt(np.linalg.det(covariance))
    weight = density / density.sum()
    mean = centre + np.sum(weight * (solved.sum(axis=1) * spread**2))
    drift = np.sum(weight * (solved @ away)) * PRIOR.drift[which] ** 2
    assert posterior.mean[:, which].mean() == pytest.approx(mean, abs=0.03)
    assert posterior.drift[:, which].mean() == pytest.approx(drift, abs=0.006)
    assert posterior.studies[:, which].mean() == pytest.approx(np.sum(weight * tau), rel=0.08)
    assert posterior.budgets[:, which].mean() == pytest.approx(np.sum(weight * omega), rel=0.08)


def test_the_chains_agree_with_each_other_and_the_predictive_spread_is_wider_than_the_mean_s(
    posterior: Posterior,
) -> None:
    assert posterior.convergence < 1.05
    drawn = posterior.predictive()
    assert drawn.shape == (2000, 4)
    spread = np.hypot(posterior.studies, posterior.budgets)
    expected = np.sqrt(posterior.mean.var(axis=0) + (spread**2).mean(axis=0))
    assert drawn[:, :2].std(axis=0) == pytest.approx(expected, rel=0.08)


def budget(name: str, parameters: float, *, noise: float, seed: int, shapes: int = 9) -> pd.DataFrame:
    """Runs of one budget about a valley at 0.03 with curvature 0.01."""
    random = np.random.default_rng(seed)
    ratio = np.geomspace(0.004, 0.2, shapes)
    width = (parameters / (12 * ratio)) ** (1 / 3)
    loss = np.exp(1 + 0.01 * (np.log(ratio) - math.log(0.03)) ** 2 + noise * random.standard_normal(shapes))
    return pd.DataFrame(
        {"depth": ratio * width, "width": width, "parameters": parameters, "loss": loss, "budget": name}
    )


def test_evidence_is_the_least_squares_of_each_budget() -> None:
    runs = pd.concat([budget(f"b{i}", 10.0 ** (8 + i), noise=0.003, seed=i) for i in range(3)])
    found, regrets = study_evidence("mine", runs)
    squares = 0.0
    for one, (_, group) in zip(found.evidence, runs.groupby("budget"), strict=True):
        x = np.log(group["depth"] / group["width"]) - CENTRE
        (quadratic, slope, _), left, *_ = np.polyfit(x, np.log(group["loss"]), 2, full=True)
        squares += float(left[0])
        assert one.coefficients == pytest.approx((slope, quadratic))
        assert one.parameters == pytest.approx(group["parameters"].iloc[0])
    assert found.residual == pytest.approx(math.sqrt(squares / (27 - 9)))
    _, covariance = np.polyfit(x, np.log(group["loss"]), 2, cov="unscaled")
    wanted = found.residual**2 * covariance[:2, :2][::-1, ::-1]
    assert np.array(found.evidence[-1].covariance) == pytest.approx(wanted)
    truth = 0.01 * (np.log(regrets.ratio) - math.log(0.03)) ** 2
    assert regrets.regret == pytest.approx(truth, abs=0.012)


def test_evidence_without_noise_gives_the_regret_exactly_where_budgets_do_not_repeat() -> None:
    sizes = np.geomspace(5e7, 2e9, 14)
    ratio = np.tile([0.004, 0.02, 0.05, 0.1, 0.01, 0.2, 0.03], 2)
    width = (sizes / (12 * ratio)) ** (1 / 3)
    ln_loss = 5 - 0.2 * np.log(sizes) + 0.004 * np.log(sizes) ** 2 + 0.006 * (np.log(ratio) - math.log(0.02)) ** 2
    runs = pd.DataFrame(
        {"depth": ratio * width, "width": width, "parameters": sizes, "loss": np.exp(ln_loss), "held_equal": sizes}
    )
    found, regrets = study_evidence("mine", runs)
    (slope, curvature), (one,) = found.evidence[0].coefficients, found.evidence
    assert curvature == pytest.approx(0.006)
    assert math.exp(CENTRE - slope / (2 * curvature)) == pytest.approx(0.02)
    assert one.parameters == pytest.approx(math.exp(np.log(sizes).mean()))
    deep = runs["depth"] >= 3
    assert regrets.regret == pytest.approx(0.006 * (np.log(ratio[deep]) - math.log(0.02)) ** 2, abs=1e-9)


def test_too_little_and_the_same_again_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="at least two studies"):
        sample([known("a", -3.2, -4.3)])
    with pytest.raises(DataError, match="another name"):
        with_sweep("law", budget("b", 1e8, noise=0.001, seed=0))
    twice = pd.concat([budget(f"b{i}", 10.0 ** (8 + i), noise=0.003, seed=i) for i in range(2)])
    monkeypatch.setattr("nil_audit.calibration.pool_file.shipped_evidence", lambda: (study_evidence("a", twice)[0],))
    with pytest.raises(DataError, match="The budget 'b1' of the sweep is in the pool already"):
        with_sweep("again", twice[twice["budget"] == "b1"])
    with pytest.raises(DataError, match="too few"):
        study_evidence("mine", budget("b", 1e8, noise=0.001, seed=0).drop(columns="budget").assign(held_equal=1e8))


def test_the_shipped_pool_is_that_of_its_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nil_audit.calibration.pooling.WARM_UP", 500)
    monkeypatch.setattr("nil_audit.calibration.pooling.EVERY", 40)
    made = predictive_pool(shipped_evidence())
    assert made.studies == pool().studies
    assert (made.parameters_range, made.ratio_range, made.residual) == (
        pool().parameters_range,
        pool().ratio_range,
        pool().residual,
    )
    for size in (2e6, 1e9, 3e10):
        for ratio in (0.004, 0.025, 0.1):
            again, kept = made.regret(ratio, size), pool().regret(ratio, size)
            # two samplings of 2,000 draws, where another machine's arithmetic takes another path
            assert again.expected == pytest.approx(kept.expected, rel=0.15, abs=5e-4)
            assert again.within == pytest.approx(kept.within, abs=0.05)


@pytest.mark.skipif(not SWEEPS.is_dir(), reason="the published sweeps are not beside this checkout")
def test_the_shipped_evidence_is_that_of_the_published_runs() -> None:
    raw = pd.read_csv(SWEEPS / "byte_lm_shape_sweep.csv")
    columns = {"depth": "depth", "d_model": "width", "active_n": "parameters", "test_ce": "loss", "target_n": "budget"}
    found, _ = study_evidence("law", raw[list(columns)].rename(columns=columns))
    shipped = shipped_evidence()[0]
    assert [float(one.budget) for one in found.evidence] == [float(one.budget) for one in shipped.evidence]
    for one, kept in zip(found.evidence, shipped.evidence, strict=True):
        assert one.coefficients == pytest.approx(kept.coefficients, rel=1e-4)
        assert np.array(one.covariance) == pytest.approx(np.array(kept.covariance), rel=1e-4)


def test_how_well_a_left_out_study_is_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a pool that knows the valley: no bias, an error that is the noise, and intervals that hold 95%."""
    pairs = [
        study_evidence(name, pd.concat([budget(f"b{i}", 1e8, noise=0.004, seed=seed + i) for i in range(30)]))
        for seed, name in enumerate(("law", "morph", "mine"))
    ]
    sure = replace(pool(), draws=((math.log(0.03), math.log(0.01), 0.0, 0.0),) * 400)
    asked = []

    def without(others: Sequence[StudyEvidence], **_: object) -> Pool:
        asked.append([one.study for one in others])
        return sure

    monkeypatch.setattr("nil_audit.calibration.left_out.predictive_pool", without)
    rows = leave_one_out(pairs)
    assert asked == [["morph", "mine"], ["law", "mine"], ["law", "morph"]]
    assert [one.by for one in rows] == ["pooled", "morph", "pooled", "law", "pooled", "law", "morph"]
    pooled = rows[0]
    assert pooled.shapes == 270
    assert pooled.error == pytest.approx(0.004, rel=0.25)
    assert 0.9 < pooled.coverage < 0.99
    assert pooled.bias == pytest.approx(0.0, abs=0.0015)
    truth = 0.01 * (np.log(pairs[0][1].ratio) - math.log(0.03)) ** 2
    assert pooled.measured == pytest.approx(truth.mean(), abs=0.0015)
    alone = np.log1p([study("morph").curve.excess(one, 1e8) for one in pairs[0][1].ratio]) - pairs[0][1].regret
    assert rows[1].error == pytest.approx(math.sqrt(np.mean(alone**2)))

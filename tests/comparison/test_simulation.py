"""Simulated comparisons of the real models: a short version of docs/simulation.md, and that its shortcuts are none."""

import importlib.util
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.optimize import curve_fit

from nil_audit.comparison.effect.estimate import effect
from nil_audit.comparison.effect.rows import effect_rows
from nil_audit.comparison.effect.size_fit import chosen_control, fit_sizes
from nil_audit.law.pooled import LOSS_PER_SIZE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    """scripts/simulate_claims.py as a module."""
    spec = importlib.util.spec_from_file_location("simulate_claims", ROOT / "scripts" / "simulate_claims.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("protocol", "models"), [("olmes", 15), ("leaderboard", 20), ("leaderboard", 60), ("leaderboard", 113)]
)
def test_shortcuts_give_what_a_comparison_does(simulation: ModuleType, protocol: str, models: int) -> None:
    rng = np.random.default_rng(models)
    real = simulation.real_models(protocol=protocol)
    part = real.part(simulation.some_families(real, models, rng)) if models < real.models else real
    assert part.models == models or (protocol == "leaderboard" and models <= part.models < models + 20)
    law = simulation.scenario(1.0, "parameters")
    responses = 100 * np.column_stack([simulation.draw(part, law, rng) for _ in range(6)])
    effects = simulation.Effects(part)
    for response, control in zip(responses.T, simulation.chosen_controls(part, responses), strict=True):
        drawn = replace(part, response=response)
        fits = fit_sizes(drawn)
        assert control == chosen_control(fits)
        found = effects.of(response, control)
        assert found == effect(drawn, row="primary", study="law", control=control)
        # what the page calls the effect in the prediction's own world is that row of a report
        (own_world,) = (one for one in effect_rows({"all": drawn}, "law", fits, control) if one.row == "own_world")
        assert found.as_predicted == own_world.estimate


def test_what_a_shape_costs_is_what_the_scenario_says(simulation: ModuleType) -> None:
    real = simulation.real_models()
    law, none = simulation.scenario(1.0, "points"), simulation.scenario(0.0, "points")
    draws = [
        simulation.draw(real, none, np.random.default_rng(seed))
        - simulation.draw(real, law, np.random.default_rng(seed))
        for seed in range(20)
    ]
    worth = real.excess("law") / LOSS_PER_SIZE
    # the slope of the mean score, by finite differences of a simulated mean
    rng = np.random.default_rng(1)
    noise = 0.9 * rng.standard_t(5, 200_000) / np.sqrt(5 / 3) + 0.6 * rng.standard_normal(200_000)
    mean = {
        step: [simulation._score(size - np.log(3e9) + step + noise).mean() for size in real.size]
        for step in (-0.01, 0.01)
    }
    cost = worth * (np.array(mean[0.01]) - np.array(mean[-0.01])) / 0.02
    np.testing.assert_allclose(np.mean(draws, axis=0), cost - cost.mean(), atol=0.004)


def test_an_effect_of_parameters_costs_nothing_at_the_floor(simulation: ModuleType) -> None:
    real = simulation.real_models()
    law, none = simulation.scenario(1.0, "parameters"), simulation.scenario(0.0, "parameters")
    scores = [simulation.draw(real, one, np.random.default_rng(3)) for one in (none, law)]
    worse = real.excess("law") > real.excess("law").mean()
    cost = scores[0] - scores[1]
    at_floor = scores[0] < 0.12
    assert at_floor.sum() > 30
    assert np.median(np.abs(cost[at_floor])) < 0.005 < 0.02 < np.median(np.abs(cost[~at_floor]))
    assert cost[worse].mean() > 0.01 > cost[~worse].mean()


def test_the_fitted_curve_is_the_best_one_if_the_law_holds(simulation: ModuleType) -> None:
    real = simulation.real_models()
    size = real.size - real.excess("law") / LOSS_PER_SIZE

    def curve(at: np.ndarray, floor: float, rise: float, middle: float, width: float) -> np.ndarray:
        return floor + rise / (1 + np.exp(-(at - middle) / width))

    best, _ = curve_fit(curve, size, real.response, p0=[12, 30, np.log(4e9), 0.5])
    np.testing.assert_allclose([*best[:2], np.exp(best[2]) / 1e9, best[3]], [12.9, 27.8, 3.05, 0.40], rtol=0.02)
    quiet = replace(simulation.scenario(1.0, "fitted"), family=0.0, model=0.0)
    drawn = 100 * simulation.draw(real, quiet, np.random.default_rng(0))
    np.testing.assert_allclose(drawn, curve(size, *best), atol=0.2)
    assert np.std(real.response - drawn) == pytest.approx(np.hypot(5.3, 4.4), rel=0.1)


def test_models_of_a_family_share_its_effect_on_the_fitted_curve(simulation: ModuleType) -> None:
    real = simulation.real_models()
    alike = replace(simulation.scenario(1.0, "fitted"), model=0.0)
    quiet = replace(alike, family=0.0)
    off = 100 * (
        simulation.draw(real, alike, np.random.default_rng(5)) - simulation.draw(real, quiet, np.random.default_rng(5))
    )
    means = np.bincount(real.family, weights=off) / np.bincount(real.family)
    np.testing.assert_allclose(off, means[real.family], atol=1e-9)
    assert 4.0 < means.std() < 6.6


def test_without_noise_the_true_curve_gives_the_effect_that_was_put_in(simulation: ModuleType) -> None:
    found = simulation.without_noise()
    assert found["both"] == pytest.approx(1.0)
    assert found["nothing"] < found["dose"] < 0.95
    # by the package itself: the coefficient with the dose of the prediction's own world
    real = simulation.real_models()
    quiet = replace(simulation.scenario(1.0, "fitted"), family=0.0, model=0.0)
    response = 100 * simulation.draw(real, quiet, np.random.default_rng(0))
    assert found["nothing"] == pytest.approx(simulation.Effects(real).of(response, "spline").as_predicted.value)


def test_simulated_comparisons_rarely_answer_wrongly(simulation: ModuleType) -> None:
    """The full table is docs/simulation.md; here few, with bounds that 5% passes 99 times in 100."""
    for times, wrong in ((0.0, "supported"), (1.0, "contradicted")):
        row = simulation.simulate(simulation.Job(scenario=simulation.scenario(times, "parameters"), models=60), 60)
        found = row.answered
        assert sum(found.verdicts.values()) == len(found.answers) == len(found.own_world) == 60
        assert sum(row.chosen.values()) == 60
        assert found.verdicts[wrong] <= 7
        for effects in (found.answers, found.own_world):
            assert simulation.holds(effects, times) >= 0.85
            assert abs(simulation.middle(effects)[0] - times) < 0.5


def test_no_effect_is_told_from_the_laws_own(simulation: ModuleType) -> None:
    none, law, opposite = (
        simulation.simulate(simulation.Job(scenario=simulation.scenario(times, "parameters")), 40).answered
        for times in (0.0, 1.0, -1.0)
    )
    assert opposite.share("contradicted") > 0.7 > 0.15 < none.share("contradicted") > law.share("contradicted")
    assert law.share("supported") > none.share("supported")
    for which in ("answers", "own_world"):
        medians = [simulation.middle(getattr(one, which))[0] for one in (opposite, none, law)]
        assert medians[0] < -0.3 < medians[1] < 0.4 < medians[2]
    # the own world's interval is the narrower one where the prediction holds
    assert simulation.above_zero(law.own_world) > simulation.above_zero(law.answers)


def test_shares_are_counted_by_hand(simulation: ModuleType) -> None:
    effects = np.array([[0.5, 0.1, 1.2], [0.9, -0.1, 2.0], [0.2, -1.0, 0.9], [np.nan] * 3, [1.6, 1.1, 2.5]])
    assert simulation.holds(effects, 1.0) == 2 / 4  # of those that have an interval
    assert simulation.holds(effects, 0.0) == 2 / 4
    assert simulation.above_zero(effects) == 2 / 5  # of all: one without an interval shows nothing
    assert simulation.middle(effects)[0] == pytest.approx(0.7)


def test_the_page_says_what_the_rows_found(simulation: ModuleType) -> None:
    def row(job: Any) -> object:
        answers = np.array([[0.5, 0.1, 1.2], [0.9, -0.1, 2.0], [0.2, -1.0, 0.9], [1.6, 1.1, 2.5]])
        own_world = np.array([[0.8, 0.3, 1.3], [0.9, 0.1, 1.7], [0.7, 0.1, 1.3], [1.0, 0.5, 1.5]])
        verdicts = Counter({"supported": 1, "cannot_tell": 3})
        found = {
            name: simulation.Found(verdicts=verdicts, answers=answers, own_world=own_world)
            for name in (simulation.CHOSEN, *job.fixed)
        }
        return simulation.Row(job=job, found=found, chosen=Counter({"spline": 3, "bands": 1}))

    text = simulation.page(*([row(job) for job in some] for some in simulation.jobs()), comparisons=4)
    assert "| no effect of shape | 20 | 25.0% | 0.0% | 75.0% | 50.0% / 0.0% | 50.0% / 100.0% | 0.70 ± " in text
    assert "spline in 75.0%, bands in 25.0%" in text
    assert "| the answer's, in parameters | none | 50.0% at 0.5 times |" in text
    assert "| the own world's, on the fitted curve | 0.5 times the law's | 100.0% at 0.5 times |" in text
    assert "| supported | no effect, all rows | at most 2.5% | 25.0% | **no** |" in text
    assert "| contradicted | the law's own effect, 20 or 60 | at most 5% | 0.0% | yes |" in text
    assert (
        "| interval holds 1 | the law's own effect, in points, 113 | 93 to 97% | 50.0% / 100.0% | **no** / too wide |"
        in text
    )
    assert "even with 904 the law's own effect is supported in 25.0%" in text
    assert "{" not in text
    for line in text.splitlines():
        assert not line.startswith("|") or line.count("|") in (4, 6, 9)

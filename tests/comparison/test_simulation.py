"""Simulated comparisons of the real models: a short version of docs/simulation.md, and that its shortcuts are none."""

import importlib.util
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from nil_audit.comparison.effect.dose import LOSS_PER_SIZE
from nil_audit.comparison.effect.estimate import effect
from nil_audit.comparison.effect.size_fit import chosen_control, fit_sizes

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


def scenario(simulation: ModuleType, name: str) -> object:
    """The scenario of a name in the table."""
    return next(one for one in (*simulation.NULL, *simulation.EFFECT) if one.name == name)


@pytest.mark.parametrize("models", [20, 60, 113])
def test_shortcuts_give_what_a_comparison_does(simulation: ModuleType, models: int) -> None:
    rng = np.random.default_rng(models)
    real = simulation.real_models()
    part = real.part(simulation.some_families(real, models, rng)) if models < real.models else real
    law = scenario(simulation, "the law's own effect, in parameters")
    responses = 100 * np.column_stack([simulation.draw(part, law, rng) for _ in range(6)])
    effects = simulation.Effects(part)
    for response, control in zip(responses.T, simulation.chosen_controls(part, responses), strict=True):
        drawn = replace(part, response=response)
        assert control == chosen_control(fit_sizes(drawn))
        assert effects.of(response, control) == effect(drawn, row="primary", study="law", control=control)


def test_what_a_shape_costs_is_what_the_scenario_says(simulation: ModuleType) -> None:
    real = simulation.real_models()
    law, none = scenario(simulation, "the law's own effect, in points"), scenario(simulation, "no effect of shape")
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
    law, none = scenario(simulation, "the law's own effect, in parameters"), scenario(simulation, "no effect of shape")
    scores = [simulation.draw(real, one, np.random.default_rng(3)) for one in (none, law)]
    worse = real.excess("law") > real.excess("law").mean()
    cost = scores[0] - scores[1]
    at_floor = scores[0] < 0.12
    assert at_floor.sum() > 30
    assert np.median(np.abs(cost[at_floor])) < 0.005 < 0.02 < np.median(np.abs(cost[~at_floor]))
    assert cost[worse].mean() > 0.01 > cost[~worse].mean()


def test_simulated_comparisons_rarely_answer_wrongly(simulation: ModuleType) -> None:
    """The full table is docs/simulation.md; here few, with bounds that 5% passes 99 times in 100."""
    for name, wrong in (("no effect of shape", "supported"), ("the law's own effect, in parameters", "contradicted")):
        row = simulation.simulate(scenario(simulation, name), 60, 60, fixed=())
        found = row.found[simulation.CHOSEN]
        assert sum(found.verdicts.values()) == len(found.effects) == sum(row.chosen.values()) == 60
        assert found.verdicts[wrong] <= 7
        assert found.excludes(row.scenario.times) <= 0.15
        assert abs(found.middle()[0] - row.scenario.times) < 0.5


def test_no_effect_is_told_from_the_laws_own(simulation: ModuleType) -> None:
    none, law, opposite = (
        simulation.simulate(scenario(simulation, name), 113, 40, fixed=()).found[simulation.CHOSEN]
        for name in (
            "no effect of shape",
            "the law's own effect, in parameters",
            "the law's effect, the other way round, in parameters",
        )
    )
    assert opposite.share("contradicted") > 0.7 > none.share("contradicted") > 0.15 > law.share("contradicted")
    assert law.share("supported") > none.share("supported")
    assert opposite.middle()[0] < -0.3 < none.middle()[0] < 0.4 < law.middle()[0]


def test_the_page_says_what_the_rows_found(simulation: ModuleType) -> None:
    def row(scenario: object, models: int, names: tuple[str, ...]) -> object:
        effects = np.array([[0.5, 0.1, 1.2], [0.9, -0.1, 2.0], [0.2, -1.0, 0.9], [1.6, 1.1, 2.5]])
        verdicts = Counter({"supported": 1, "cannot_tell": 3})
        found = {name: simulation.Found(verdicts=verdicts, effects=effects) for name in names}
        return simulation.Row(scenario=scenario, models=models, found=found, chosen=Counter({"spline": 3, "bands": 1}))

    made = [
        [row(one, models, (simulation.CHOSEN, *fixed)) for one, models, _, fixed in some] for some in simulation.jobs()
    ]
    text = simulation.page(*made, comparisons=4)
    assert "| no effect of shape | 20 | 25.0% | 0.0% | 75.0% | 0.0% | 50.0% | 0.70 ± " in text
    assert "spline in 75.0%, bands in 25.0%" in text
    assert "none is found in 80% of comparisons; the most is 50.0%, at 0.5 times the law's in parameters" in text
    assert "even with 904 the law's own effect is supported in 25.0%" in text
    assert "{" not in text
    for line in text.splitlines():
        assert not line.startswith("|") or line.count("|") in (9, 10)

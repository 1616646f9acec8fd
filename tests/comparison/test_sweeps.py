"""A sweep of one's own: records of one recipe, their losses, and whether efficiency goes with loss given the shape."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_audit.comparison.compare import compare
from nil_audit.comparison.findings import Association
from nil_audit.comparison.result import Comparison
from nil_audit.law.studies import study
from tests.comparison.files import put, record

RATIOS = (0.006, 0.012, 0.02, 0.035, 0.05, 0.08, 0.15, 0.3)
BODIES = (2e7, 4e7, 8e7, 1.6e8)
FAST: dict[str, Any] = {"permutations": 99, "splits": 10}


def metric(value: float, se: float) -> dict[str, Any]:
    return {"value": value, "se": se, "low": value - 2 * se, "high": value + 2 * se, "bias": 0.0}


def sweep(folder: Path, *, of_law: float = 1.0, of_efficiency: float = 0.0, seed: int = 0) -> Path:
    """Records of a sweep at four budgets.

    ln loss falls with size, rises by ``of_law`` times what the law says that the shape costs, and falls by
    ``of_efficiency`` for a standard deviation of what in typical efficiency is not the shape's.
    """
    rng = np.random.default_rng(seed)
    curve = study("law").curve
    for number, (body, ratio) in enumerate((body, ratio) for body in BODIES for ratio in RATIOS):
        width = max(64, round((body / 12 / ratio) ** (1 / 3) / 64) * 64)
        depth = max(2, round(ratio * width))
        exact = curve.excess(depth / width, body)
        chance = rng.normal()
        loss = 3.0 * (body / 1e8) ** -0.06 * (1 + exact) ** of_law
        loss *= np.exp(-of_efficiency * chance + 0.002 * rng.normal())
        document = record(
            f"runs/{number:02d}",
            depth=depth,
            width=width,
            digest=f"sha256:{number}",
            loss={"loss_per_token": metric(loss, 0.01), "loss_per_byte": metric(loss / 4, 0.0025)},
        )
        document["shape"]["parameters"] = {"total": int(1.2 * body), "embedding": int(0.2 * body), "body": int(body)}
        efficiency = -3.0 - 0.3 * abs(np.log(depth / width / 0.04)) + 0.2 * chance
        document["interaction"]["estimates"]["unbiased"]["typical_efficiency"] = metric(efficiency, 0.02)
        put(folder / f"{number:02d}.json", document)
    return folder


def compared(folder: Path, **choices: Any) -> Comparison:
    usual = {"outcome": "loss_per_byte", "lower_is_better": True, "size": "body_parameters"}
    return compare(folder, **{**FAST, **usual, **choices})


def efficiency(found: Comparison, given: str) -> Association:
    (one,) = [
        one
        for one in found.findings.associations
        if (one.predictor, one.outcome, one.given) == ("typical_efficiency", "response", given)
    ]
    return one


def test_a_folder_of_records_is_a_study_and_the_effect_put_in_comes_out(tmp_path: Path) -> None:
    found = compared(sweep(tmp_path))
    assert (found.outcome.unit, found.grouped, found.answer.models) == ("% of loss", "model", 32)
    primary = found.findings.effect("primary")
    assert primary is not None and primary.estimate.interval is not None and primary.groups == 32
    assert primary.estimate.value == pytest.approx(1, abs=0.1)
    assert primary.estimate.low is not None and primary.estimate.low > 0.8
    assert found.answer.verdict == "supported"
    assert found.models["size"].nunique() == len(BODIES)
    # Nothing of MMLU-Pro is joined, and none is at a floor that there is not.
    assert found.options.protocol == "loss_per_byte" and not found.models["at_floor"].any()
    assert set(found.models["origin"]) == {"measured"}


@pytest.mark.parametrize(("of_law", "verdict"), [(0.0, "contradicted"), (0.3, "contradicted"), (-1.0, "contradicted")])
def test_another_effect_than_the_law_s_contradicts_it(tmp_path: Path, of_law: float, verdict: str) -> None:
    found = compared(sweep(tmp_path, of_law=of_law), quick=True)
    primary = found.findings.effect("primary")
    assert primary is not None and primary.estimate.value == pytest.approx(of_law, abs=0.1)
    assert found.answer.verdict == verdict


def test_the_loss_a_token_gives_the_same_effect_as_the_loss_a_byte(tmp_path: Path) -> None:
    folder = sweep(tmp_path)
    a_byte = compared(folder, quick=True).findings.effect("primary")
    a_token = compared(folder, quick=True, outcome="loss_per_token").findings.effect("primary")
    assert a_byte is not None and a_token is not None
    assert a_token.estimate.value == pytest.approx(a_byte.estimate.value, rel=1e-6)


def test_efficiency_that_goes_with_loss_given_the_shape_is_found(tmp_path: Path) -> None:
    found = compared(sweep(tmp_path, of_efficiency=0.02), quick=True)
    given_shape = efficiency(found, "size_ratio")
    assert given_shape.estimate.value > 0.5
    assert given_shape.estimate.low is not None and given_shape.estimate.low > 0
    assert given_shape.p_adjusted is not None and given_shape.p_adjusted < 0.05


@pytest.mark.parametrize("seed", range(3))
def test_efficiency_that_goes_with_loss_by_the_shape_alone_is_not(tmp_path: Path, seed: int) -> None:
    found = compared(sweep(tmp_path, seed=seed), quick=True)
    # With size alone held fixed it does go with loss: both follow the shape.
    assert efficiency(found, "size").estimate.value > 0.3
    given_shape = efficiency(found, "size_ratio")
    assert given_shape.estimate.interval is not None
    assert given_shape.estimate.interval[0] < 0 < given_shape.estimate.interval[1]


def test_the_outcome_of_a_list_is_held_against_the_metrics_of_records(tmp_path: Path) -> None:
    folder = sweep(tmp_path / "audit", of_efficiency=0.02)
    rng = np.random.default_rng(5)
    rows = [f"runs/{number:02d},mine,{0.3 + 0.01 * number + 0.001 * rng.normal():.4f}" for number in range(32)]
    listed = put(tmp_path / "mine.csv", "\n".join(["model,family,gsm8k", *rows, "runs/99,mine,0.5"]))
    found = compare(folder, listed, outcome="gsm8k", size="body_parameters", quick=True, **FAST)
    assert (len(found.models), found.outcome.unit, found.models["family"].unique().tolist()) == (32, "points", ["mine"])
    assert found.models["typical_efficiency"].notna().all()
    assert [one.what for one in found.excluded] == ["runs/99"]
    assert set(found.models["origin"]) == {"table"}

"""The Gemstones as a study of their own: what docs/gemstones.md says, against fits that share no code."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from nil_audit.catalog.lists import shipped_list
from nil_audit.comparison.compare import compare
from nil_audit.comparison.findings import Effect
from nil_audit.law.studies import study

ROOT = Path(__file__).resolve().parents[2]
LOSS: dict[str, Any] = {"outcome": "fineweb_edu_loss", "lower_is_better": True}


def models() -> pd.DataFrame:
    numbers = ["body_parameters", "flops", "accuracy", "fineweb_edu_loss"]
    return shipped_list("gemstones").astype(dict.fromkeys(numbers, float))


def effect(**choices: Any) -> Effect:
    found = compare("model_lists/gemstones.csv", quick=True, **choices).findings.effect("primary")
    assert found is not None and found.estimate.interval is not None and found.groups == 22
    return found


def test_accuracy_falls_by_two_fifths_of_a_point_an_e_fold_away_from_the_optimum_of_the_law() -> None:
    table = models()
    size = np.log(table["body_parameters"])
    away = np.abs(np.log(table["depth"] / table["width"] / study("law").optimum().value))
    held = sm.add_constant(np.column_stack([away, size - size.mean(), (size - size.mean()) ** 2]))
    fit = sm.OLS(100 * table["accuracy"].to_numpy(), held).fit()
    assert fit.params[1] == pytest.approx(-0.40, abs=0.01)
    assert fit.bse[1] == pytest.approx(0.11, abs=0.01)


@pytest.mark.parametrize("size", ["body_parameters", "flops"])
@pytest.mark.parametrize("name", ["law", "morph", "chinchilla", "gemstones"])
def test_the_share_of_each_study_s_prediction_that_the_losses_show(size: str, name: str) -> None:
    """A parabola of ln size by another library gives the effect to within its standard error, whatever was chosen."""
    table = models()
    curve = study(name).curve
    costs = [
        100 * np.log1p(curve.excess(depth / width, parameters))
        for depth, width, parameters in table[["depth", "width", "parameters"]].itertuples(index=False)
    ]
    logarithm = np.log(table[size])
    held = sm.add_constant(np.column_stack([costs, logarithm - logarithm.mean(), (logarithm - logarithm.mean()) ** 2]))
    fit = sm.OLS(100 * np.log(table["fineweb_edu_loss"].to_numpy()), held).fit()
    found = effect(size=size, interval=name, **LOSS)
    assert found.estimate.se is not None
    assert found.estimate.value == pytest.approx(fit.params[1], abs=found.estimate.se)


def test_the_losses_show_a_third_of_the_law_s_prediction_at_most_and_its_own_in_full() -> None:
    for size, share in (("body_parameters", 0.58), ("flops", 0.82)):
        assert effect(size=size, interval="morph", **LOSS).estimate.value == pytest.approx(share, abs=0.04)
    law = [effect(size=size, **LOSS) for size in ("body_parameters", "flops")]
    assert [one.verdict for one in law] == ["contradicted", "contradicted"]
    assert 0.17 < law[0].estimate.value < law[1].estimate.value < 0.35
    own = effect(size="body_parameters", interval="gemstones", **LOSS)
    assert own.verdict == "supported" and own.estimate.value == pytest.approx(1, abs=0.1)


def test_accuracy_shows_less_than_predicted_at_three_billion_and_as_much_by_their_own_slope() -> None:
    """Loss falls by 7% an e-fold of these sizes, not by the 3.9% of 3B and 1T tokens that the dose takes."""
    table = models()
    size = np.log(table["body_parameters"])
    square = np.log(table["depth"] / table["width"] / 0.0218) ** 2
    held = sm.add_constant(np.column_stack([size - size.mean(), square]))
    slope = -sm.OLS(np.log(table["fineweb_edu_loss"].to_numpy()), held).fit().params[1]
    assert slope == pytest.approx(0.071, abs=0.002)
    by_accuracy = effect(outcome="accuracy", size="body_parameters")
    assert by_accuracy.verdict == "contradicted" and by_accuracy.estimate.value == pytest.approx(0.12, abs=0.02)
    by_loss = effect(size="body_parameters", **LOSS)
    assert by_accuracy.estimate.value * slope / 0.039 == pytest.approx(by_loss.estimate.value, abs=0.05)


def test_the_page_says_what_the_command_prints() -> None:
    page = (ROOT / "docs" / "gemstones.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| (\w+) \| (\w+) \| (\w+) \| ([\d.]+) \[([\d.]+), ([\d.]+)\] \| (\w+) \|", page)
    assert len(rows) == 16
    for outcome, size, name, *numbers, verdict in rows:
        choices = LOSS if outcome == "fineweb_edu_loss" else {"outcome": outcome}
        found = effect(size=size, interval=name, **choices)
        said = [f"{number:.2f}" for number in (found.estimate.value, found.estimate.low, found.estimate.high)]
        assert (numbers, verdict) == (said, found.verdict), (outcome, size, name)

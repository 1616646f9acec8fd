"""The committed report on the full list says what the tool says today."""

import html
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from nil_audit.comparison.compare import compare_paths
from nil_audit.comparison.result import Comparison
from nil_audit.report.render.text import typeset

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "reports" / "small_dense_llms"
LIST = "model_lists/small_dense_llms.csv"


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    return json.loads((FOLDER / "study.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def fresh() -> Comparison:
    # Estimates and their intervals draw nothing at random; what does is not compared, so few draws do.
    return compare_paths([ROOT / LIST], resamples=200, permutations=199, splits=10)


def test_it_names_the_command_that_made_it(committed):
    assert committed["command"] == "nil-audit compare model_lists/small_dense_llms.csv --out reports/small_dense_llms"
    assert shlex.split(committed["command"])[2] == LIST
    assert committed["settings"]["inputs"] == [LIST]


def test_the_headline_is_todays(committed, fresh):
    assert committed["conclusion"]["headline"] == fresh.conclusion.headline
    assert committed["conclusion"]["strength"] == fresh.conclusion.strength
    text = html.unescape((FOLDER / "report.html").read_text(encoding="utf-8"))
    assert typeset(fresh.conclusion.headline) in text


def test_every_correlation_is_todays(committed, fresh):
    now = {(a.predictor, a.method, a.given, a.subset): a for a in fresh.associations}
    then = {(a["predictor"], a["method"], a["given"], a["subset"]): a for a in committed["associations"]}
    assert set(now) == set(then)
    for key, old in then.items():
        for name in ("estimate", "low", "high", "models", "families"):
            assert getattr(now[key], name) == pytest.approx(old[name], abs=1e-6), (key, name)


def test_models_contrasts_and_counterexamples_are_todays(committed, fresh):
    assert [model["model"] for model in committed["models"]] == [model.model for model in fresh.models]
    for old, new in zip(committed["models"], fresh.models, strict=True):
        assert old["score"] == new.score and old["residual"] == pytest.approx(new.residual, abs=1e-9)
    for old, new in zip(committed["contrasts"], fresh.contrasts, strict=True):
        found = (new.inside, new.outside, new.difference, new.low, new.high)
        assert found == pytest.approx([old[name] for name in ("inside", "outside", "difference", "low", "high")])
    assert [one["model"] for one in committed["counterexamples"]] == [one.model for one in fresh.counterexamples]


def test_it_is_whole_and_of_moderate_size():
    names = ("score-against-ratio", "adjusted-score", "effect-by-group", "depth-width-plane")
    for name in names:
        assert (FOLDER / "plots" / f"{name}.png").stat().st_size < 200_000
        assert (FOLDER / "plots" / f"{name}.svg").stat().st_size < 200_000
    assert (FOLDER / "report.html").stat().st_size < 1_500_000
    assert (FOLDER / "report.md").exists() and (FOLDER / "table.csv").exists()

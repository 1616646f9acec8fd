"""The committed report on the full list says what the tool says today."""

import html
import json
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nil_audit.comparison.compare import compare
from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.answer import headline

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "reports" / "small_dense_llms"
LIST = "model_lists/small_dense_llms.csv"


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    return json.loads((FOLDER / "comparison.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def fresh() -> Comparison:
    # Estimates and their intervals draw nothing at random; what does is not compared, so few draws do.
    return compare(ROOT / LIST, permutations=199, splits=10)


def test_it_names_the_command_that_made_it(committed):
    assert committed["command"] == "nil-audit compare model_lists/small_dense_llms.csv --out reports/small_dense_llms"
    assert shlex.split(committed["command"])[2] == LIST
    assert committed["inputs"] == [LIST]


def test_the_headline_is_todays(committed, fresh):
    assert committed["answer"]["strength"] == fresh.answer.strength
    text = html.unescape((FOLDER / "report.html").read_text(encoding="utf-8"))
    assert headline(fresh.answer) in text


def test_every_correlation_is_todays(committed, fresh):
    def key(one: dict[str, Any]) -> tuple[str, ...]:
        return tuple(one[name] for name in ("predictor", "outcome", "method", "given", "subset"))

    now = {key(vars(one)): one for one in fresh.findings.associations}
    then = {key(one): one for one in committed["findings"]["associations"]}
    assert set(now) == set(then)
    for which, old in then.items():
        assert now[which].families == old["families"]
        assert now[which].estimate.to_dict() == pytest.approx(old["estimate"], abs=1e-6), which


def test_models_contrasts_and_counterexamples_are_todays(committed, fresh):
    models = pd.DataFrame(committed["models"])
    assert models["model"].tolist() == fresh.models["model"].tolist()
    assert models["score"].tolist() == fresh.models["score"].tolist()
    assert models["residual"].tolist() == pytest.approx(fresh.models["residual"].tolist(), abs=1e-9, nan_ok=True)
    assert models["counterexample"].fillna("").tolist() == fresh.models["counterexample"].tolist()
    for old, new in zip(committed["findings"]["contrasts"], fresh.findings.contrasts, strict=True):
        assert (new.study, new.inside, new.outside) == (old["study"], old["inside"], old["outside"])
        assert new.estimate.to_dict() == pytest.approx(old["estimate"])


def test_it_is_whole_and_of_moderate_size():
    names = ("score-against-ratio", "adjusted-score", "effect-by-group", "depth-width-plane")
    for name in names:
        assert (FOLDER / "plots" / f"{name}.png").stat().st_size < 200_000
        assert (FOLDER / "plots" / f"{name}.svg").stat().st_size < 200_000
    assert (FOLDER / "report.html").stat().st_size < 1_500_000
    assert (FOLDER / "report.md").exists() and (FOLDER / "table.csv").exists()

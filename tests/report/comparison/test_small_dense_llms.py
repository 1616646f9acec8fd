"""The committed report on the full list says what the tool says today, and is short enough to be read."""

import html
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nil_audit.comparison.compare import compare
from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.answer import claim, headline, sentences

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "reports" / "small_dense_llms"
LIST = "model_lists/small_dense_llms.csv"
PLOTS = ("effect", "score-against-ratio", "adjusted-score", "specification-curve")
MOST_WORDS = 5000


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    return json.loads((FOLDER / "study.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page() -> str:
    return html.unescape((FOLDER / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def fresh() -> Comparison:
    # What draws at random, and what takes long, is not compared.
    return compare(ROOT / LIST, quick=True, splits=10)


def _numbers(estimate: dict[str, Any]) -> dict[str, Any]:
    return {name: number for name, number in estimate.items() if number is not None}


def test_it_names_the_command_that_made_it(committed):
    assert committed["command"] == "nil-audit compare model_lists/small_dense_llms.csv --out reports/small_dense_llms"
    assert shlex.split(committed["command"])[2] == LIST
    assert committed["inputs"] == [LIST] and not committed["options"]["quick"]


def test_claim_and_answer_are_todays(committed, page, fresh):
    assert committed["answer"]["verdict"] == fresh.answer.verdict
    for sentence in (claim(fresh), headline(fresh), *sentences(fresh)):
        assert sentence in page


def test_every_effect_is_todays(committed, fresh):
    old, new = committed["findings"]["effects"], fresh.findings.effects
    names = ("row", "control", "release", "estimator", "subset", "verdict", "groups")
    assert [[one[name] for name in names] for one in old] == [[getattr(one, name) for name in names] for one in new]
    for then, now in zip(old, new, strict=True):
        assert now.estimate.to_dict() == pytest.approx(_numbers(then["estimate"]), abs=1e-5), then["row"]


def test_every_correlation_and_contrast_is_todays(committed, fresh):
    for kind in ("associations", "contrasts"):
        old, new = committed["findings"][kind], getattr(fresh.findings, kind)
        assert len(old) == len(new) > 2
        for then, now in zip(old, new, strict=True):
            assert now.estimate.to_dict() == pytest.approx(_numbers(then["estimate"]), abs=1e-5)


def test_models_and_counterexamples_are_todays(committed, fresh):
    models = pd.DataFrame(committed["models"])
    assert models["model"].tolist() == fresh.models["model"].tolist()
    for name in ("score", "residual", "dose"):
        assert models[name].tolist() == pytest.approx(fresh.models[name].tolist(), abs=1e-6, nan_ok=True)
    assert models["counterexample"].fillna("").tolist() == fresh.models["counterexample"].tolist()


def test_it_has_what_only_a_full_run_makes(committed):
    curve = committed["findings"]["specifications"]
    assert len(curve["specifications"]) >= 200 and [one["primary"] for one in curve["specifications"]].count(True) == 1
    assert {one["unit"] for one in committed["findings"]["influence"]["removals"]} == {"model", "organisation"}
    assert {one["split"] for one in committed["findings"]["skills"]} == {"release", "halves"}


def test_it_is_short_with_everything_that_is_folded(page):
    text = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.DOTALL)
    words = re.sub(r"<[^>]*>", " ", text).split()
    # The wide drawing and the one for a phone: a reader sees one of the two.
    drawn = re.findall(r'<div class="drawing narrow">(.*?)</svg>', text, flags=re.DOTALL)
    narrow = re.sub(r"<[^>]*>", " ", " ".join(drawn)).split()
    assert len(drawn) == len(PLOTS) and len(words) - len(narrow) < MOST_WORDS
    assert len((FOLDER / "report.md").read_text(encoding="utf-8").split()) < MOST_WORDS


def test_it_is_whole_and_of_moderate_size():
    for name in PLOTS:
        assert (FOLDER / "plots" / f"{name}.png").stat().st_size < 200_000
        assert (FOLDER / "plots" / f"{name}.svg").stat().st_size < 300_000
        assert (FOLDER / "plots" / f"{name}.pdf").stat().st_size < 200_000
    assert {path.name for path in (FOLDER / "plots").iterdir()} == {
        f"{name}.{kind}" for name in PLOTS for kind in ("svg", "png", "pdf")
    }
    assert (FOLDER / "report.html").stat().st_size < 1_500_000
    assert {path.name for path in FOLDER.iterdir()} == {"report.html", "report.md", "table.csv", "study.json", "plots"}

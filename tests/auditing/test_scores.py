"""The scores of an audit: measured ones that are kept come first, and published ones are of the Hub's own models."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nil_audit.auditing.audit import audit, score_subject
from nil_audit.auditing.passes import shape_record
from nil_audit.auditing.subject import Settings, Subject
from nil_audit.score.kept import keep_score
from nil_audit.shape.architecture import read_shape
from nil_audit.source import resolve
from tests.tiny import checkpoint_folder, english

PUBLISHED = "EleutherAI/pythia-410m"


def row(protocol: str, questions: int, **further: Any) -> dict[str, Any]:
    """A measured score in its essentials."""
    fields = {"engines": {"shared": 700}, "batch_size": 8, "task": {}, "data": {}, "sample": None, "versions": {}}
    said = {"protocol": protocol, "dtype": "float32", "questions": questions, "origin": "measured", "model": "old"}
    return {**fields, **said, "created": "2026-01-01T00:00:00+00:00", **further}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A local checkpoint in a folder that is named like a model of the Hub, of which scores are published."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))
    checkpoint_folder(tmp_path / PUBLISHED)
    (tmp_path / "probe.txt").write_text(english(2000))
    return PUBLISHED


def test_a_folder_named_like_a_model_of_the_hub_has_no_published_score(model: str) -> None:
    shape = read_shape(model)
    assert shape_record(model, shape).scores == ()
    assert shape_record(model, replace(shape, source="hub")).scores


def test_an_audit_shows_what_was_measured_before_and_says_what_it_found(model: str) -> None:
    settings: dict[str, Any] = {"probe": "probe.txt", "window": 16, "context": 4, "tokens": 512, "device": "cpu"}
    first = audit(model, **settings)
    assert (first.scores, first.kept) == ((), False)
    assert keep_score(resolve(model).digest, row("mc", 1400)) is None
    second = audit("./" + model, **settings)
    assert [(one["protocol"], one["model"]) for one in second.scores] == [("mc", "./" + model)]
    assert (second.kept, second.created) == (True, first.created)
    assert "kept" not in second.to_dict()
    assert not audit(model, fresh=True, **settings).kept


@pytest.mark.parametrize(
    ("questions", "shown"), [(1400, [("mc", 1400), ("cot", 700)]), (70, [("mc", 70), ("mc", 1400), ("cot", 700)])]
)
def test_a_new_score_comes_first_and_replaces_one_that_says_no_more(
    questions: int, shown: list[tuple[str, int]], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = row("mc", questions, model=model)
    result = SimpleNamespace(to_dict=lambda: new, unkept="Answers are not kept: no room.")
    monkeypatch.setattr("nil_audit.score.run.run_plan", lambda *_, **__: result)
    before = replace(shape_record(model, read_shape(model)), scores=(row("mc", 1400), row("cot", 700)))
    record = score_subject(Subject(model, Settings()), before, None)  # type: ignore[arg-type]
    assert [(one["protocol"], one["questions"]) for one in record.scores] == shown
    assert record.notes[-1] == "Answers are not kept: no room."
    assert json.loads(record.to_json())["scores"][0] == new

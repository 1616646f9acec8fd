"""Scores as the Hub's evaluation results: by huggingface_hub's own reader, and back into what they state."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResultEntry, parse_eval_result_entries

from nil_audit.score.eval_results import eval_results_text, sample_note, stated, upload_words
from nil_audit.score.protocols import REVISIONS


def score(**changes: Any) -> dict[str, Any]:
    """A score row, as far as the file needs it."""
    row: dict[str, Any] = {
        "protocol": "leaderboard", "accuracy": 0.31441156914893614, "stderr": 0.00423281, "questions": 12032,
        "questions_available": 12032, "created": "2026-11-28T07:32:30+00:00", "model": "Qwen/Qwen2.5-0.5B@main",
        "checkpoint": "git:" + "ab" * 20, "dtype": "float32", "prompts_cut": 0, "engines": {"shared": 12032},
        "source": "nil-audit 0.1.0 with lm-eval 0.4.13", "versions": {"nil_audit": "0.1.0", "lm_eval": "0.4.13"},
        "data": {"revision": REVISIONS["2024"], "edition": "2024"},
        "shape": {"depth": 24, "width": 896, "parameters": 494032768},
    }  # fmt: skip
    return row | changes


def entry(text: str) -> EvalResultEntry:
    """The one entry of a file, as huggingface_hub reads it."""
    (found,) = parse_eval_result_entries(yaml.safe_load(text))
    return found


def test_the_hub_reads_what_is_written() -> None:
    found = entry(eval_results_text(score()))
    assert (found.dataset_id, found.task_id, found.value) == ("TIGER-Lab/MMLU-Pro", "mmlu_pro", 31.44)
    assert (found.dataset_revision, found.date) == (REVISIONS["2024"], "2026-11-28T07:32:30+00:00")
    assert found.source_url == "https://github.com/EleutherAI/lm-evaluation-harness"
    assert found.source_name == "nil-audit 0.1.0 with lm-eval 0.4.13"
    assert found.notes == (
        "protocol=leaderboard; shots=5; questions=12032 of 12032; stderr=0.423; edition=2024; engine=shared; "
        f"dtype=float32; model=Qwen/Qwen2.5-0.5B@main; checkpoint=git:{'ab' * 20}; depth=24; width=896; "
        "parameters=494032768; nil_audit=0.1.0; lm_eval=0.4.13"
    )


def test_a_folder_gives_neither_its_path_nor_a_commit_of_the_questions() -> None:
    local = {"model": "/home/me/run-3", "checkpoint": "sha256:" + "0" * 64, "data": {"revision": None, "edition": "x"}}
    text = eval_results_text(score(**local, engines={"shared": 40, "plain": 2}, prompts_cut=3))
    assert "/home/me" not in text and "run-3" not in text
    assert entry(text).dataset_revision is None
    assert "; prompts_cut=3; engine=shared+plain; " in str(entry(text).notes)


@pytest.mark.parametrize("protocol", ["leaderboard", "leaderboard-2026", "mc", "cot"])
@pytest.mark.parametrize("stderr", [0.0712345, 0.1, 0.5, 0.00001234, 0.0, None])
def test_notes_are_read_back(protocol: str, stderr: float | None) -> None:
    text = eval_results_text(score(protocol=protocol, stderr=stderr, questions=42))
    assert "questions=42 of 12032 (a sample)" in text
    found = stated(entry(text).notes)
    assert found is not None
    assert (found.protocol, found.questions, found.model) == (protocol, 42, "Qwen/Qwen2.5-0.5B@main")
    assert found.checkpoint == "git:" + "ab" * 20
    assert found.shape == {"depth": 24, "width": 896, "parameters": 494032768}
    assert found.stderr == (None if stderr is None else pytest.approx(stderr, rel=5e-3))


@pytest.mark.parametrize(
    "notes",
    [
        *(None, "", 3, [1], "0-shot, CoT", "protocol=mc; questions=3 of 5", "nil_audit=0.1.0"),
        *("protocol=other; questions=3 of 5; nil_audit=1", "protocol=mc; questions=many; nil_audit=1"),
    ],
)
def test_notes_of_others_state_nothing(notes: Any) -> None:
    assert stated(notes) is None


def test_what_a_leaderboard_does_not_show_is_said() -> None:
    assert sample_note([score()]) is None
    assert sample_note([score(questions=280), score(), score(questions=280)]) == (
        "The evaluation results are of 280 of 12,032 questions: their notes say so, but a leaderboard shows the value"
        " without them."
    )
    other = sample_note([score(questions=56, questions_available=56)])
    assert other == (
        "The questions are 56 where MMLU-Pro has 12,032: the evaluation results are of other data than they name; do "
        "not upload them."
    )


@pytest.mark.parametrize("shape", [None, {"depth": 24, "width": 896, "parameters": None}])
def test_a_shape_that_is_not_known_is_not_stated(shape: Any) -> None:
    found = stated(entry(eval_results_text(score(shape=shape))).notes)
    assert found is not None and found.shape is None


def test_the_upload_goes_to_the_models_own_repository_and_revision() -> None:
    folder = Path("my out/hub/a--b")
    assert upload_words("a/b", folder, on_hub=True) == "hf upload a/b 'my out/hub/a--b'"
    assert upload_words("a/b@step1", folder, on_hub=True).endswith(" --revision step1")
    assert upload_words("./run", Path("out/hub/run"), on_hub=False) == "hf upload ORG/NAME out/hub/run"

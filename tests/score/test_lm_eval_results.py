"""lm-eval's result files, old and new, whole and by category, as scores."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from nil_audit.catalog.scores import MMLU_PRO_CHANCE
from nil_audit.errors import DataError, SourceError
from nil_audit.score.lm_eval_results import is_lm_eval_result, read_lm_eval_results
from nil_audit.score.protocols import CATEGORIES, REVISIONS

LEADERBOARD: dict[str, Any] = {
    "results": {
        "leaderboard_ifeval": {"inst_level_strict_acc,none": 0.3},
        "leaderboard_mmlu_pro": {
            "alias": " - leaderboard_mmlu_pro",
            "acc,none": 0.31441156914893614,
            "acc_stderr,none": 0.004232813,
        },
    },
    "versions": {"leaderboard_mmlu_pro": 0.1},
    "n-shot": {"leaderboard_mmlu_pro": 5},
    "n-samples": {"leaderboard_mmlu_pro": {"original": 12032, "effective": 12032}},
    "config": {"model": "hf", "model_args": "pretrained=01-ai/Yi-1.5-6B,revision=abc123,dtype=bfloat16"},
    "lm_eval_version": "0.4.13",
}


def _write(folder: Path, document: Any, name: str = "results_2025-01-01T00-00-00.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(json.dumps(document))
    return file


def test_a_leaderboard_run(tmp_path: Path) -> None:
    (row,) = read_lm_eval_results(_write(tmp_path, LEADERBOARD))
    assert (row["model"], row["protocol"], row["origin"]) == ("01-ai/Yi-1.5-6B@abc123", "leaderboard", "lm-eval")
    assert row["accuracy"] == 0.31441156914893614
    assert row["stderr"] == 0.004232813
    assert row["normalised"] == pytest.approx((row["accuracy"] - 0.1) / 0.9)
    assert (row["questions"], row["chance"], row["notes"]) == (12032, MMLU_PRO_CHANCE, [])
    assert row["source"] == "results_2025-01-01T00-00-00.json"


def _cot(*, whole: bool, stderr: Any = 0.01, categories: tuple[str, ...] = CATEGORIES) -> dict[str, Any]:
    tasks = {f"mmlu_pro_{category.replace(' ', '_')}": place for place, category in enumerate(categories)}
    entry: dict[str, Any] = {"exact_match,custom-extract": 0.4, "exact_match_stderr,custom-extract": stderr}
    results = {task: {**entry, "exact_match,custom-extract": place / 100} for task, place in tasks.items()}
    if whole:
        results["mmlu_pro"] = entry
    return {
        "results": results,
        "groups": {"mmlu_pro": entry} if whole else {},
        "n-samples": {task: {"original": 100, "effective": 10 + place} for task, place in tasks.items()},
        "n-shot": dict.fromkeys(tasks, 5),
        "versions": {"mmlu_pro": 2.0},
        "config": {"model": "hf", "model_args": {"pretrained": "Qwen/Qwen2.5-0.5B"}},
        "chat_template": "{{ messages }}",
    }


def test_a_group_of_chain_of_thought_tasks(tmp_path: Path) -> None:
    (row,) = read_lm_eval_results(_write(tmp_path, _cot(whole=True)))
    assert (row["model"], row["protocol"], row["accuracy"], row["stderr"]) == ("Qwen/Qwen2.5-0.5B", "cot", 0.4, 0.01)
    assert row["task"] == {"group": "mmlu_pro", "version": "2.0", "shots": 5}
    assert (row["questions"], row["questions_available"], row["chance"]) == (231, 1400, None)
    assert row["categories"][3] == {
        "category": "computer science",
        "accuracy": 0.03,
        "stderr": 0.01,
        "questions": 13,
        "questions_available": 100,
    }
    assert row["notes"] == ["231 of 1,400 questions were asked.", "Prompts were put into the model's chat template."]


def test_a_group_that_stands_beside_the_results_of_its_tasks(tmp_path: Path) -> None:
    document = _cot(whole=True)
    document["groups"] = {"mmlu_pro": document["results"].pop("mmlu_pro") | {"name": "mmlu_pro", "sample_len": 231}}
    (row,) = read_lm_eval_results(_write(tmp_path, document))
    assert (row["accuracy"], row["stderr"], row["questions"], len(row["categories"])) == (0.4, 0.01, 231, 14)


def test_categories_without_their_group_are_put_together(tmp_path: Path) -> None:
    (row,) = read_lm_eval_results(_write(tmp_path, _cot(whole=False)))
    sizes = [10 + place for place in range(14)]
    assert row["accuracy"] == pytest.approx(sum(n * place / 100 for place, n in enumerate(sizes)) / 231)
    assert row["stderr"] == pytest.approx(math.sqrt(sum((n * 0.01) ** 2 for n in sizes)) / 231)


def test_na_errors_are_none(tmp_path: Path) -> None:
    for whole in (True, False):
        (row,) = read_lm_eval_results(_write(tmp_path, _cot(whole=whole, stderr="N/A")))
        assert row["stderr"] is None


def test_metrics_without_filters_as_older_versions_wrote_them(tmp_path: Path) -> None:
    old = {
        "results": {"leaderboard_mmlu_pro": {"acc": 0.2, "acc_stderr": 0.004}},
        "config": {"model": "hf-causal", "model_args": "pretrained=EleutherAI/pythia-1b"},
    }
    (row,) = read_lm_eval_results(_write(tmp_path, old))
    assert (row["model"], row["accuracy"], row["stderr"], row["questions"]) == (
        "EleutherAI/pythia-1b",
        0.2,
        0.004,
        None,
    )


OF_0_3: dict[str, Any] = {
    "results": {"leaderboard_mmlu_pro": {"acc": 0.2, "acc_stderr": 0.004}},
    "versions": {"leaderboard_mmlu_pro": 0},
    "config": {"model": "hf-causal", "model_args": "pretrained=a/b,dtype=float16", "num_fewshot": 5, "limit": None},
}
OF_0_4_0 = LEADERBOARD | {
    "configs": {"leaderboard_mmlu_pro": {"task": "leaderboard_mmlu_pro", "num_fewshot": 2}},
    "config": LEADERBOARD["config"] | {"limit": 100},
    "n-shot": None,
    "n-samples": None,
}


@pytest.mark.parametrize(
    ("document", "protocol", "shots", "notes"),
    [
        (OF_0_3, "leaderboard", 5, []),
        (OF_0_3 | {"config": OF_0_3["config"] | {"num_fewshot": 0}}, "leaderboard-0shot", 0, []),
        (OF_0_4_0, "leaderboard-2shot", 2, ["The run was limited to 100 questions a task, or that share of them."]),
    ],
)
def test_shots_and_limits_stand_elsewhere_in_older_versions(
    document: Any, protocol: str, shots: int, notes: list[str], tmp_path: Path
) -> None:
    (row,) = read_lm_eval_results(_write(tmp_path, document))
    assert (row["protocol"], row["task"]["shots"], row["notes"]) == (protocol, shots, notes)


def test_a_model_with_an_adapter_is_another_model(tmp_path: Path) -> None:
    over = LEADERBOARD | {"config": {"model": "hf", "model_args": "pretrained=a/b,peft=c/d"}}
    (row,) = read_lm_eval_results(_write(tmp_path, over))
    assert row["model"] == "a/b + c/d"


def test_a_byte_order_mark_and_a_time_beyond_reason_are_no_errors(tmp_path: Path) -> None:
    file = _write(tmp_path, LEADERBOARD | {"date": 1e18})
    file.write_text(file.read_text(), encoding="utf-8-sig")
    (row,) = read_lm_eval_results(file)
    assert (row["accuracy"], row["created"]) == (0.31441156914893614, None)


def test_other_numbers_of_shots_are_another_protocol(tmp_path: Path) -> None:
    (row,) = read_lm_eval_results(_write(tmp_path, LEADERBOARD | {"n-shot": {"leaderboard_mmlu_pro": 0}}))
    assert (row["protocol"], row["normalised"]) == ("leaderboard-0shot", None)


def _leaderboard(kwargs: Any = None, **changes: Any) -> dict[str, Any]:
    task = {"task": "leaderboard_mmlu_pro", "dataset_path": "TIGER-Lab/MMLU-Pro", "dataset_kwargs": kwargs}
    return LEADERBOARD | {"configs": {"leaderboard_mmlu_pro": task}} | changes


JANUARY, FEBRUARY = 1768000000.0, 1770000000.0  # 2026-01-09 and 2026-02-02


@pytest.mark.parametrize(
    ("document", "file", "protocol", "edition"),
    [
        (_leaderboard(date=JANUARY), "results.json", "leaderboard", "2024"),
        (_leaderboard(date=FEBRUARY), "results.json", "leaderboard-2026", "2026"),
        (_leaderboard({"revision": REVISIONS["2024"]}, date=FEBRUARY), "results.json", "leaderboard", "2024"),
        (_leaderboard({"revision": REVISIONS["2026"]}), "results.json", "leaderboard-2026", "2026"),
        (_leaderboard({"revision": "main"}, date=FEBRUARY), "results.json", "leaderboard-2026", "2026"),
        (LEADERBOARD, "results_2026-01-31T23-59-59.json", "leaderboard", "2024"),
        (LEADERBOARD, "results_2026-02-01T00-00-00.json", "leaderboard-2026", "2026"),
        (LEADERBOARD, "results_2026-99-99.json", "leaderboard", None),
        (LEADERBOARD, "results.json", "leaderboard", None),
        (
            _leaderboard(date=FEBRUARY) | {"n-shot": {"leaderboard_mmlu_pro": 0}},
            "results.json",
            "leaderboard-2026-0shot",
            "2026",
        ),
    ],
)
def test_the_questions_of_a_leaderboard_run_are_told_by_its_revision_or_else_its_date(
    document: Any, file: str, protocol: str, edition: str | None, tmp_path: Path
) -> None:
    (row,) = read_lm_eval_results(_write(tmp_path, document, file))
    assert (row["protocol"], row["data"]["edition"]) == (protocol, edition)
    assert (row["normalised"] is not None) == (protocol == "leaderboard")


def test_the_edition_renames_no_protocol_that_strips_its_options(tmp_path: Path) -> None:
    (row,) = read_lm_eval_results(_write(tmp_path, _cot(whole=True) | {"date": FEBRUARY}))
    assert (row["protocol"], row["data"]["edition"]) == ("cot", "2026")
    assert row["created"] == "2026-02-02T02:40:00+00:00"


@pytest.mark.parametrize(
    ("document", "is_one"),
    [
        (LEADERBOARD, True),
        ({"results": {"hendrycksTest-law": {"acc": 0.3, "acc_stderr": 0.02}}, "versions": {}, "config": {}}, True),
        ({"results": {"arc": {"acc": 0.3}}, "configs": {}}, True),
        ({"results": {"arc": {"acc": 0.3}}}, False),
        ({"results": {"arc": 0.3}, "config": {}}, False),
        ({"results": [], "config": {}}, False),
        ({"results": {}, "config": {}}, False),
        ([LEADERBOARD], False),
        (None, False),
    ],
)
def test_result_files_of_any_version_are_told_from_other_documents(document: Any, is_one: bool) -> None:
    assert is_lm_eval_result(document) is is_one


def test_a_folder_is_searched(tmp_path: Path) -> None:
    _write(tmp_path / "a__b", LEADERBOARD, "results_2025-02-01.json")
    _write(tmp_path / "c__d", _cot(whole=True), "results_2025-01-01.json")
    _write(tmp_path / "c__d", {"x": 1}, "samples.json")
    assert [row["protocol"] for row in read_lm_eval_results(tmp_path)] == ["cot", "leaderboard"]


def test_a_file_that_lm_eval_itself_wrote(tmp_path: Path) -> None:
    from lm_eval.loggers import EvaluationTracker

    document = LEADERBOARD | {"configs": {}, "date": JANUARY}
    tracker = EvaluationTracker(output_path=str(tmp_path))
    tracker.general_config_tracker.log_experiment_args("hf", "pretrained=01-ai/Yi-1.5-6B", "", "", False)
    tracker.save_results_aggregated(results=document, samples={})
    (row,) = read_lm_eval_results(tmp_path)
    assert (row["protocol"], row["accuracy"]) == ("leaderboard", 0.31441156914893614)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "not a result file of lm-eval"),
        ({"results": {"arc": 0.5}}, "not a result file of lm-eval"),
        ({"results": {"arc": {"acc,none": 0.5}}}, "has no MMLU-Pro score .* it has arc"),
        (_cot(whole=False, categories=CATEGORIES[:3]), "3 of the 14 categories of mmlu_pro"),
        (LEADERBOARD | {"config": {}}, "does not say which model"),
        (LEADERBOARD | {"results": {"leaderboard_mmlu_pro": {"acc,none": 31.4}}}, "not between 0 and 1"),
        (LEADERBOARD | {"results": {"leaderboard_mmlu_pro": {"acc,none": math.nan}}}, "has nan as acc,none"),
        (LEADERBOARD | {"results": {"leaderboard_mmlu_pro": {"acc,none": 10**400}}}, "not laid out as lm-eval writes"),
        (_cot(whole=False) | {"n-samples": {}}, "does not say how many questions"),
        (LEADERBOARD | {"n-samples": {"leaderboard_mmlu_pro": {}}}, "not laid out as lm-eval writes"),
        (LEADERBOARD | {"groups": [1]}, "not laid out as lm-eval writes"),
        (LEADERBOARD | {"configs": {"leaderboard_mmlu_pro": 1}}, "not laid out as lm-eval writes"),
        (LEADERBOARD | {"config": "x"}, "not laid out as lm-eval writes"),
    ],
)
def test_what_is_not_a_score_is_said(document: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence):
        read_lm_eval_results(_write(tmp_path, document))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no file"):
        read_lm_eval_results(tmp_path / "results_none.json")
    with pytest.raises(SourceError, match="no result file of lm-eval"):
        read_lm_eval_results(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read as JSON"):
        read_lm_eval_results(tmp_path)

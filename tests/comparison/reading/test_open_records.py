"""EvalEval's records: which of their scores are MMLU-Pro's, what protocol they are of, and what is refused.

The documents are built to the published schema (versions 0.0.1 and 0.2.1) and have the layout of records of the Open
LLM Leaderboard v2.
"""

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from nil_audit.catalog.scores import PROTOCOL_TITLES, published_for
from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.reading.inputs import read_inputs
from nil_audit.comparison.reading.join import read_frame
from nil_audit.comparison.reading.open_records import OpenScore, evaluation_record_scores, is_evaluation_record
from nil_audit.errors import DataError
from nil_audit.score.protocols import PROTOCOLS, REVISIONS
from tests.comparison.files import put

ODD = (None, True, -1, 0, 1e308, float("nan"), 10**400, "", "x", "\ud800", [], {}, [[]], {"a": {}}, ["x"])


def result(name: str = "MMLU-PRO", score: Any = 0.1123, *, highest: float = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "evaluation_name": name,
        "source_data": {"dataset_name": name, "source_type": "hf_dataset", "hf_repo": "TIGER-Lab/MMLU-Pro"},
        "metric_config": {
            "evaluation_description": f"Accuracy on {name}", "lower_is_better": False, "score_type": "continuous",
            "min_score": 0.0, "max_score": highest,
        },
        "score_details": {"score": score},
        **more,
    }  # fmt: skip


def document(*results: dict[str, Any], model: str = "EleutherAI/pythia-1.4b", **more: Any) -> dict[str, Any]:
    return {
        "schema_version": "0.2.1",
        "evaluation_id": f"source/{model.replace('/', '_')}/1770682486.6",
        "retrieved_timestamp": "1770682486.623709",
        "source_metadata": {
            "source_name": "HF Open LLM v2", "source_type": "documentation",
            "source_organization_name": "Hugging Face", "evaluator_relationship": "third_party",
        },
        "eval_library": {"name": "unknown", "version": "unknown"},
        "model_info": {"name": model.split("/")[-1], "id": model, "developer": model.split("/")[0]},
        "evaluation_results": list(results or [result()]),
        **more,
    }  # fmt: skip


def scores(given: dict[str, Any]) -> list[OpenScore]:
    return evaluation_record_scores(given, Path("record.json"))


def other_source(name: str | None, organisation: str, **more: Any) -> dict[str, Any]:
    metadata = {"source_type": "evaluation_run", "source_organization_name": organisation}
    return document(source_metadata=metadata | ({"source_name": name} if name else {}), **more)


def test_a_record_of_the_leaderboard_is_of_the_leaderboards_protocol() -> None:
    given = document(result("IFEval", 0.2371), result())
    assert is_evaluation_record(given)
    (found,) = scores(given)
    published = published_for("EleutherAI/pythia-1.4b")[0]
    assert (found.model, found.place, found.protocol) == ("EleutherAI/pythia-1.4b", "hub", "leaderboard")
    assert found.accuracy == pytest.approx(published["accuracy"], abs=5e-5)
    assert (found.created, found.percent) == ("2026-02-10T00:14:46+00:00", False)
    assert found.source == "HF Open LLM v2, Hugging Face, by record.json"


def test_the_first_version_of_the_schema_is_read() -> None:
    given = document(schema_version="0.0.1", source_data=["https://example.org"])
    given["evaluation_source"] = {"evaluation_source_name": "HF Open LLM v2", "evaluation_source_type": "leaderboard"}
    given["source_metadata"] = {"source_organization_name": "Hugging Face", "evaluator_relationship": "third_party"}
    del given["evaluation_results"][0]["source_data"]
    assert [(one.protocol, one.accuracy) for one in scores(given)] == [("leaderboard", 0.1123)]


def test_protocols_say_what_the_file_states_and_are_never_ones_of_nil_audit() -> None:
    run = {"eval_library": {"name": "lm_eval", "version": "0.4.9"}}
    shots = {"generation_config": {"additional_details": {"num_fewshot": "5"}}}
    thought = {"generation_config": {"generation_args": {"reasoning": True}}}
    revised = copy.deepcopy(result())
    revised["source_data"]["additional_details"] = {"revision": REVISIONS["2026"]}
    found = [
        scores(given)[0].protocol
        for given in (
            other_source("Vals Index", "Vals AI"),
            other_source(None, "Vals AI"),
            other_source(None, "Vals AI", **run),
            other_source(None, "Vals AI", evaluation_results=[result(**shots)], **run),
            other_source(None, "Vals AI", evaluation_results=[result(**thought)]),
            other_source(None, "Vals AI", evaluation_results=[result("leaderboard_mmlu_pro")], **run),
            other_source(None, "Vals AI", evaluation_results=[revised]),
            other_source("HF Open LLM v2", "somebody else"),
            other_source("leaderboard", "leaderboard"),
            other_source("评测", "实验室"),
            document(source_metadata={}),
        )
    ]
    assert found == [
        "eee-vals-index-vals-ai",
        "eee-vals-ai",
        "eee-vals-ai-lm-eval-0-4-9",
        "eee-vals-ai-lm-eval-0-4-9-5-shot",
        "eee-vals-ai-reasoning",
        "eee-vals-ai-lm-eval-0-4-9-leaderboard-task",
        "eee-vals-ai-2026",
        "eee-hf-open-llm-v2-somebody-else",
        "eee-leaderboard",
        "eee-评测-实验室",
        "eee-an-unnamed-source-of-eleutherai-pythia-1-4b",
    ]
    assert len(set(found)) == len(found)
    assert not set(found) & {*PROTOCOLS, *PROTOCOL_TITLES}


def test_per_cent_is_told_by_the_limits_and_else_by_the_value_and_said(tmp_path: Path) -> None:
    unlimited = result(score=45.3)
    del unlimited["metric_config"]["max_score"]
    error = {"uncertainty": {"standard_error": {"value": 0.5}, "num_samples": 12032}}
    low = result(score=0.9, highest=100.0)
    low["score_details"] |= error
    for name, one in (("a", result(score=41.5, highest=100)), ("b", unlimited), ("c", low), ("d", result(score=0.3))):
        put(tmp_path / f"{name}.json", document(one, model=f"org/{name}"))
    read = read_inputs([tmp_path])
    assert [one.values["score"] for one in read.scores] == pytest.approx([0.415, 0.453, 0.009, 0.3])
    assert (read.scores[2].values["stderr"], read.scores[2].questions) == (0.005, 12032)
    assert {one.origin for one in read.scores} == {"published"}
    assert read.notes == ("Open records give scores in per cent, which were divided by 100: org/a, org/b, org/c.",)


def test_parts_and_other_benchmarks_are_no_score_of_the_whole() -> None:
    overall = result("Overall")
    overall["source_data"]["dataset_name"] = "MMLU-Pro"
    other = result("Overall")
    other["source_data"] = {"dataset_name": "MMLU", "source_type": "hf_dataset", "hf_repo": "cais/mmlu"}
    rows = [overall, other, result("MMLU-Pro (biology)"), result("mmlu_pro_math"), result("MMLU"), result("MMLU-ProX")]
    assert len(scores(document(*rows))) == 1
    assert scores(document(result("MMLU"))) == []


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (document(result(score="high")), "a score of MMLU-Pro that is 'high', no number"),
        (document(result(score=None)), "no number"),
        (document(result(score=float("nan"))), "no number"),
        (document(result(score=45.3)), "the score 45.3 of MMLU-Pro, which is no accuracy"),
        (document(result(score=-0.1)), "no accuracy"),
        (document(result(score=101, highest=100)), "no accuracy"),
        (document(result(metric_config={"lower_is_better": True})), "lower is better"),
        (document(model_info={"developer": "x"}), "does not say which model it evaluates"),
    ],
)
def test_a_damaged_record_is_a_note_in_a_folder_and_a_sentence_where_named(
    tmp_path: Path, broken: dict[str, Any], words: str
) -> None:
    bad = put(tmp_path / "bad.json", broken)
    put(tmp_path / "good.json", document())
    read = read_inputs([tmp_path])
    assert [one.model for one in read.scores] == ["EleutherAI/pythia-1.4b"]
    assert len(read.notes) == 1 and read.notes[0].startswith("Passed over: ") and words in read.notes[0]
    with pytest.raises(DataError, match=r"bad\.json") as caught:
        read_inputs([bad])
    assert words in str(caught.value)


def test_a_named_record_of_other_benchmarks_says_so(tmp_path: Path) -> None:
    file = put(tmp_path / "other.json", document(result("MMLU")))
    with pytest.raises(DataError, match="holds no score of MMLU-Pro as a whole"):
        read_inputs([file])


def test_records_are_compared_with_the_shapes_of_the_shipped_list(tmp_path: Path) -> None:
    for name, score in (("EleutherAI/pythia-1.4b", 0.2), ("Qwen/Qwen2-7B", 0.4), ("nobody/knows", 0.3)):
        given = other_source(None, "Vals AI", evaluation_results=[result(score=score)])
        put(tmp_path / f"{score}.json", given | {"model_info": {"name": name, "id": name}})
    frame, excluded, _ = read_frame([tmp_path])
    clean = checked(frame[frame["protocol"] == "eee-vals-ai"])[0].set_index("model")
    assert clean["score"].to_dict() == {"EleutherAI/pythia-1.4b": 0.2, "Qwen/Qwen2-7B": 0.4}
    assert clean.loc["Qwen/Qwen2-7B", ["depth", "organisation"]].tolist() == [28, "Alibaba"]
    assert [one.what for one in excluded] == ["nobody/knows"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inner for found in places(one, (*path, key)))]


def test_any_value_anywhere_is_a_sentence_and_never_a_traceback(tmp_path: Path) -> None:
    put(tmp_path / "good.json", document(model="Qwen/Qwen2-7B"))
    details = {"uncertainty": {"standard_error": {"value": 0.5}, "num_samples": 3}, "score": 0.3}
    whole = document(result(score_details=details, evaluation_timestamp="2025-01-01"))
    rng = random.Random(0)
    for _ in range(60):
        given = copy.deepcopy(whole)
        *path, last = rng.choice(places(given)[1:])
        inner = given
        for key in path:
            inner = inner[key]
        inner[last] = rng.choice(ODD)
        put(tmp_path / "bad.json", json.dumps(given))
        frame, excluded, notes = read_frame([tmp_path])
        clean, _, _ = checked(frame)
        assert "Qwen/Qwen2-7B" in set(clean["model"])
        "".join((clean.to_csv(), *notes, *(one.what + one.reason for one in excluded))).encode()

"""From lists, records, folders and lm-eval results to one table, and what is left out of it by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.clean import checked
from nil_audit.comparison.inputs import read_inputs
from nil_audit.comparison.join import read_frame
from nil_audit.errors import DataError


def record(
    name: str, *, depth: int = 24, width: int = 896, probe: str = "p", score: float | None = None
) -> dict[str, Any]:
    """A record as the audit writes it, cut to what a comparison reads."""
    metric = {"value": 0.5, "se": 0.01, "low": 0.48, "high": 0.52, "bias": 0.0}
    estimates = {"unbiased": {"spread": metric, "aofe": {**metric, "value": None}}, "plugin": {}}
    scores = [
        {"benchmark": "mmlu_pro", "protocol": "leaderboard", "accuracy": 0.9, "stderr": 0.1, "origin": "published"},
    ]
    if score is not None:
        scores.append(
            {"benchmark": "mmlu_pro", "protocol": "mc", "accuracy": score, "stderr": 0.02, "chance": 0.11,
             "questions": 280, "origin": "measured"}
        )  # fmt: skip
    return {
        "schema": 1,
        "created": "2026-01-01T00:00:00+00:00",
        "nil_audit": "0.1.0",
        "model": {"name": name},
        "shape": {
            "name": name, "source": "local", "revision": None, "model_type": "llama", "text_tower_of": None,
            "depth": depth, "width": width, "heads": 14, "kv_heads": 2, "head_size": 64, "mlp_width": 4864,
            "vocab_size": 1000, "tied": True, "context": 2048, "ratio": depth / width, "notes": [],
            "parameters": {"total": 494_000_000, "embedding": 1, "body": 493_999_999},
        },
        "verdict": {"label": "inside"},
        "interaction": {
            "probe": {"sha256": probe}, "window": 512, "tokens": 131_072, "estimates": estimates, "loss": {},
        },
        "scores": scores,
    }  # fmt: skip


def lm_eval(model: str, accuracy: float) -> dict[str, Any]:
    """A result file of lm-eval, cut to what is read."""
    return {
        "results": {"leaderboard_mmlu_pro": {"alias": "mmlu_pro", "acc,none": accuracy, "acc_stderr,none": 0.004}},
        "configs": {"leaderboard_mmlu_pro": {"num_fewshot": 5}},
        "n-shot": {"leaderboard_mmlu_pro": 5},
        "versions": {"leaderboard_mmlu_pro": 0.1},
        "n-samples": {"leaderboard_mmlu_pro": {"original": 12032, "effective": 12032}},
        "config": {"model": "hf", "model_args": f"pretrained={model}"},
        "model_name": model,
    }


def put(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def row(frame: pd.DataFrame, model: str, protocol: str) -> pd.Series:
    (found,) = frame[(frame["model"] == model) & (frame["protocol"] == protocol)].to_dict("records")
    return pd.Series(found)


def test_without_paths_the_shipped_list_is_joined_with_published_scores() -> None:
    frame, excluded, _ = read_frame()
    found = row(frame, "Qwen/Qwen2.5-0.5B", "leaderboard")
    assert (found["depth"], found["width"], found["family"], found["origin"]) == (24, 896, "Qwen2.5", "published")
    assert found["score"] == pytest.approx(0.1906, abs=1e-4)
    usable = frame[(frame["protocol"] == "leaderboard") & (frame["flag"].fillna("") == "") & (frame["kind"] == "base")]
    assert len(usable) == 113
    assert not frame.duplicated(["model", "protocol"]).any()
    assert "EleutherAI/pythia-70m" in {one.what for one in excluded}


def test_everything_together(tmp_path: Path) -> None:
    put(tmp_path / "audit" / "records" / "a.json", record("./mine", score=0.15))
    put(tmp_path / "audit" / "settings.json", {"neither": 1})
    put(tmp_path / "results.json", lm_eval("Qwen/Qwen2.5-0.5B", 0.2))
    mine = put(
        tmp_path / "mine.csv",
        "model,family,depth,width,parameters_b,score,protocol\nmy/a,my,24,1024,0.5,0.21,leaderboard\nmy/b,my,,,,,\n",
    )
    frame, excluded, notes = read_frame([tmp_path / "audit", tmp_path / "results.json", mine])
    measured = row(frame, "./mine", "mc")
    assert (measured["score"], measured["origin"], measured["depth"], measured["spread"]) == (0.15, "measured", 24, 0.5)
    assert np.isnan(measured.get("aofe", np.nan))
    own = row(frame, "Qwen/Qwen2.5-0.5B", "leaderboard")
    assert (own["score"], own["origin"], own["depth"]) == (0.2, "lm-eval", 24)
    assert row(frame, "my/a", "leaderboard")["origin"] == "table"
    assert {one.what: one.reason for one in excluded}["my/b"].startswith("Depth and width are not known")
    assert any("1 score of a model and protocol" in note for note in notes)
    # A record repeats published scores; they are read from the published table instead, by Hub id.
    assert "leaderboard" not in set(frame.loc[frame["model"] == "./mine", "protocol"])


def test_a_list_of_ids_alone_gets_shapes_from_the_shipped_list(tmp_path: Path) -> None:
    frame, excluded, _ = read_frame([put(tmp_path / "ids.csv", "model\nqwen/qwen2-7b\nnobody/knows\n")])
    assert set(frame["model"]) == {"qwen/qwen2-7b"}
    assert set(frame["family"]) == {"Qwen2"}
    assert [one.what for one in excluded] == ["nobody/knows"]


def test_metrics_of_another_probe_are_not_mixed_in(tmp_path: Path) -> None:
    for name, probe in (("a", "p"), ("b", "p"), ("c", "other")):
        put(tmp_path / f"{name}.json", record(name, probe=probe))
    read = read_inputs([tmp_path])
    assert read.shapes.set_index("model")["spread"].to_dict() == pytest.approx(
        {"a": 0.5, "b": 0.5, "c": np.nan}, nan_ok=True
    )
    assert "2 that share one setting are used, and 1 are not" in read.notes[0]


def test_a_folder_may_hold_lm_eval_results_of_other_benchmarks(tmp_path: Path) -> None:
    put(tmp_path / "results_1.json", lm_eval("a", 0.2))
    put(tmp_path / "results_2.json", {"results": {"hellaswag": {"acc,none": 0.5}}, "configs": {}})
    read = read_inputs([tmp_path])
    assert len(read.scores) == 1
    assert read.notes[0].startswith("Passed over")
    with pytest.raises(DataError, match="no MMLU-Pro score"):
        read_inputs([tmp_path / "results_2.json"])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("none.json", None, "There is no file or folder"),
        ("broken.json", "{", "is not JSON"),
        ("other.json", "[1]", "neither a record nor an lm-eval result"),
        ("empty/readme.txt", "hello", "holds no record and no lm-eval result"),
    ],
)
def test_bad_paths_are_refused_in_a_sentence(tmp_path: Path, name: str, text: str | None, words: str) -> None:
    path = tmp_path / name
    if text is not None:
        put(path, text)
    with pytest.raises(DataError, match=words):
        read_inputs([path.parent if path.suffix == ".txt" else path])


def table(**changes: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "model": ["a/1", "a/2", "b/1"], "depth": [12, 24, 24], "width": [768, 1024, 2048], "score": [0.12, 0.2, 0.3],
        "family": ["a", "a", "b"], "parameters": [1e8, 4e8, 1.5e9],
    }  # fmt: skip
    return pd.DataFrame(columns | changes)


def test_a_good_table_is_kept_whole_with_defaults() -> None:
    clean, excluded, notes = checked(table())
    assert (len(clean), excluded, notes) == (3, [], [])
    assert (clean["protocol"] == "table").all() and (clean["kind"] == "base").all()
    assert clean["chance"].tolist() == [0.111243] * 3


@pytest.mark.parametrize(
    ("changes", "left", "words"),
    [
        ({"score": [0.12, 0.2, 30.0]}, 2, "looks like per cent"),
        ({"score": [0.12, -0.2, 0.3]}, 2, "score -0.2 is not between 0 and 1"),
        ({"score": [0.12, 250.0, 0.3]}, 2, "score 250 is not between 0 and 1"),
        ({"score": [0.12, None, 0.3]}, 2, "It has no score"),
        ({"depth": [12, 0, 24]}, 2, "missing or not above zero"),
        ({"width": [768, None, 2048]}, 2, "missing or not above zero"),
        ({"depth": [12.5, 24, 24]}, 2, "Its depth (12.5) is not a whole number of blocks"),
        ({"width": [768, 1024, 2048.25]}, 2, "Its width (2048.25) is not a whole number of channels"),
        ({"model": ["a/1", "A/1", "b/1"]}, 2, "Named twice under protocol table, with scores 0.12 and 0.2"),
        ({"model": ["a/1", "a/1", "b/1"], "score": [0.2, 0.2, 0.3]}, 2, "with the same score"),
        ({"model": ["a/1", "", "b/1"]}, 2, "names no model"),
        ({"kind": ["base", "instruct", "base"]}, 2, "It is instruct, not a base model"),
    ],
)
def test_unusable_rows_are_left_out_by_name(changes: dict[str, Any], left: int, words: str) -> None:
    clean, excluded, _ = checked(table(**changes))
    assert len(clean) == left
    assert len(excluded) == 3 - left
    assert words in excluded[0].reason


def test_missing_parameters_and_families_are_no_error() -> None:
    clean, excluded, notes = checked(table(parameters=[None, -1, 1.5e9]).drop(columns="family"))
    assert excluded == []
    assert clean["parameters"].isna().tolist() == [True, True, False]
    assert clean["family"].tolist() == ["a", "a", "b"]
    assert "3 models name no family" in notes[0]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (table(score=[12.0, 20.0, 30.0]), "3 of 3 scores lie between 1 and 100, so they look like per cent"),
        (table().drop(columns="width"), "no column 'width'"),
        (table(score=["low", 0.2, 0.3]), "a/1: score is 'low', which is not a number"),
        (table(kind=["chat"] * 3), "No model with a depth, a width and a usable score is left: a/1: It is chat"),
        (table().iloc[:0], "No model with a depth"),
    ],
)
def test_hopeless_tables_are_refused_in_a_sentence(frame: pd.DataFrame, words: str) -> None:
    with pytest.raises(DataError) as caught:
        checked(frame)
    assert words in str(caught.value)

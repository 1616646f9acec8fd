"""From lists, records, folders and lm-eval results to one table, and what is left out of it by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.reading.join import read_frame
from nil_audit.errors import DataError
from tests.comparison.files import lm_eval, put, record


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
    assert (
        "Of Qwen/Qwen2.5-0.5B there are 2 scores of protocol leaderboard: 20.0% by lm-eval on 12,032 questions"
        f" ({tmp_path / 'results.json'}) counts, not 19.1% as published."
    ) in notes
    # A record repeats published scores; they are read from the published table instead, by Hub id.
    assert "leaderboard" not in set(frame.loc[frame["model"] == "./mine", "protocol"])


def test_a_list_of_ids_alone_gets_shapes_from_the_shipped_list(tmp_path: Path) -> None:
    frame, excluded, _ = read_frame([put(tmp_path / "ids.csv", "model\nqwen/qwen2-7b\nnobody/knows\n")])
    assert set(frame["model"]) == {"qwen/qwen2-7b"}
    assert set(frame["family"]) == {"Qwen2"}
    assert [one.what for one in excluded] == ["nobody/knows"]


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

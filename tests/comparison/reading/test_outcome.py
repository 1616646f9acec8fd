"""Any column in the place of MMLU-Pro: of a list, of a data frame, of records, of both; and any size."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nil_audit.catalog.lists import listed_shape, shipped_list
from nil_audit.comparison.compare import compare
from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.reading.join import read_frame
from nil_audit.comparison.result import Omission
from nil_audit.errors import DataError
from tests.comparison.files import lm_eval, put, record

Read = tuple[pd.DataFrame, list[Omission], list[str]]
HEAD = "model,family,depth,width,parameters,gsm8k,val_loss,flops\n"


def read(paths: list[Path], outcome: str, **choices: Any) -> Read:
    frame, excluded, notes = read_frame(paths, outcome=outcome)
    clean, unusable, more = checked(frame, outcome=outcome, **choices)
    return clean, [*excluded, *unusable], [*notes, *more]


def loss(value: float, se: float = 0.01) -> dict[str, Any]:
    """What a record says of its loss, as an argument of the helper that makes one."""
    one = {"value": value, "se": se, "low": value - 2 * se, "high": value + 2 * se, "bias": 0.0}
    return {"loss": {"loss_per_byte": one, "loss_per_token": {**one, "value": 4 * value, "se": 4 * se}}}


def test_a_column_of_a_list_takes_the_place_of_the_published_scores(tmp_path: Path) -> None:
    text = HEAD + "Qwen/Qwen2.5-0.5B,Q,24,896,494000000,0.35,2.9,1e21\nme/b,M,12,768,1e8,,3.1,2e20\n"
    clean, excluded, notes = read([put(tmp_path / "list.csv", text)], "gsm8k")
    (row,) = clean.to_dict("records")
    assert (row["model"], row["score"], row["protocol"]) == ("Qwen/Qwen2.5-0.5B", 0.35, "gsm8k")
    assert (row["origin"], row["source"], np.isnan(row["chance"]), np.isnan(row["stderr"])) == (
        "table", "list.csv", True, True,
    )  # fmt: skip
    assert excluded == [Omission(what="me/b", reason="It has no gsm8k.")]
    assert notes == []


def test_the_score_of_a_list_can_be_named_and_then_has_no_chance(tmp_path: Path) -> None:
    text = "model,depth,width,score,stderr,protocol,flag\na,12,768,0.4,0.01,mine,\nb,6,512,0.3,0.02,mine,broken\n"
    clean, _, _ = read([put(tmp_path / "list.csv", text)], "score")
    assert clean["score"].tolist() == [0.4, 0.3] and clean["stderr"].tolist() == [0.01, 0.02]
    assert clean["protocol"].unique().tolist() == ["score"] and clean["flag"].tolist() == ["", "broken"]
    assert clean["chance"].isna().all()
    # Without a name it stays a score of MMLU-Pro of its protocol.
    usual, _, _ = checked(read_frame([tmp_path / "list.csv"])[0])
    assert usual["protocol"].tolist() == ["mine", "mine"] and usual["chance"].notna().all()


def test_losses_of_records_are_enough_and_those_of_another_setting_are_left_out(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / f"{number}.json", record(f"./m{number}", depth=6 + number, **loss(1.0 + number / 10)))
    put(tmp_path / "other.json", record("./other", probe="q", **loss(0.5)))
    put(tmp_path / "shape.json", {**record("./bare"), "interaction": None})
    clean, excluded, notes = read([tmp_path], "loss_per_byte", lower_is_better=True, size="body_parameters")
    assert clean["model"].tolist() == ["./m0", "./m1", "./m2"]
    assert clean["score"].tolist() == pytest.approx([1.0, 1.1, 1.2])
    assert clean["stderr"].tolist() == [0.01] * 3 and set(clean["origin"]) == {"measured"}
    assert clean["body_parameters"].tolist() == [493_999_999.0] * 3
    assert clean["spread"].notna().all() and clean["family"].nunique() == 1
    assert {one.what for one in excluded} == {"./other", "./bare"}
    assert [note.partition(" ")[0] for note in notes] == ["Records", "No"], notes
    assert "Records differ in probe" in notes[0] and "No family is named of ./m0, ./m1 and ./m2" in notes[1]
    tokens, _, _ = read([tmp_path], "loss_per_token", lower_is_better=True)
    assert tokens["score"].tolist() == pytest.approx([4.0, 4.4, 4.8])


def test_metrics_of_records_and_the_outcome_of_a_list_are_joined_by_name(tmp_path: Path) -> None:
    put(tmp_path / "a.json", record("runs/a", depth=6, **loss(1.0)))
    put(tmp_path / "b.json", record("runs/b", depth=8, **loss(1.1)))
    put(tmp_path / "list.csv", "model,depth,width,val_loss\nruns/a,6,896,2.5\nruns/b,8,896,2.25\nruns/c,9,896,2.0\n")
    put(tmp_path / "results.json", lm_eval("runs/d", 0.3))
    clean, excluded, _ = read([tmp_path], "val_loss", lower_is_better=True)
    assert clean["model"].tolist() == ["runs/a", "runs/b", "runs/c"]
    assert clean["score"].tolist() == [2.5, 2.25, 2.0]
    assert clean["spread"].notna().tolist() == [True, True, False]
    assert {one.what: one.reason for one in excluded}["runs/d"].startswith("Depth and width are not known")


def test_a_list_that_gives_another_loss_than_the_record_is_named(tmp_path: Path) -> None:
    put(tmp_path / "a.json", record("./a", digest="sha256:a", **loss(1.0)))
    put(tmp_path / "list.csv", "model,loss_per_byte,family\n./a,1.5,mine\n")
    clean, _, notes = read([tmp_path], "loss_per_byte", lower_is_better=True)
    assert clean["score"].tolist() == [1.0]
    assert "list.csv gives ./a the loss_per_byte 1.5; 1 counts." in notes
    put(tmp_path / "list.csv", "model,loss_per_byte,family\n./a,1.0001,mine\n")
    assert not any("counts" in note for note in read([tmp_path], "loss_per_byte", lower_is_better=True)[2])


def frame(**changes: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "model": ["a/1", "a/2", "b/1"], "depth": [12, 24, 24], "width": [768, 1024, 2048], "note": ["x", "y", "z"],
        "parameters": [1e8, 4e8, 1e9], "acc": [0.12, 0.2, 0.3], "nll": [3.0, 2.8, 2.5], "body": [5e7, 3e8, 9e8],
    }  # fmt: skip
    return pd.DataFrame(columns | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"acc": [12.0, 20.0, 30.0]}, ["acc lies between 12 and 30: the numbers are taken as per cent, as they are."]),
        (
            {"acc": [900.0, 1020.0, 1100.0]},
            ["acc lies between 900 and 1100: the numbers are taken as a scale of their"],
        ),
        ({"acc": [-1.0, 0.5, 30.0]}, ["acc lies between -1 and 30: the numbers are taken as a scale of their own"]),
        ({"acc": [0.0, 0.5, 1.0]}, []),
        ({"acc": [0.0, 1.0, 30.0]}, ["acc lies between 0 and 30: the numbers are taken as per cent, as they are."]),
    ],
)
def test_the_scale_of_a_data_frame_is_said_once(changes: dict[str, Any], words: list[str]) -> None:
    clean, excluded, notes = checked(frame(family="f", **changes), outcome="acc")
    assert (len(clean), excluded, len(notes)) == (3, [], len(words))
    assert all(note.startswith(word) for note, word in zip(notes, words, strict=True))
    assert clean["score"].tolist() == changes["acc"]


def test_a_loss_that_is_not_above_zero_is_left_out_by_name() -> None:
    clean, excluded, _ = checked(frame(nll=[3.0, 0.0, -2.5]), outcome="nll", lower_is_better=True)
    assert clean["model"].tolist() == ["a/1"]
    assert [one.reason for one in excluded] == [
        "Its nll 0 is not above zero, as a loss is.", "Its nll -2.5 is not above zero, as a loss is.",
    ]  # fmt: skip


def test_a_model_named_twice_counts_once(tmp_path: Path) -> None:
    twice = pd.concat([frame(), frame(acc=[0.5, 0.2, 0.3])], ignore_index=True)
    clean, excluded, _ = checked(twice, outcome="acc")
    assert clean["score"].tolist() == [0.12, 0.2, 0.3]
    assert excluded[0].reason == "Named twice, with acc 0.12 and 0.5; the first row is used."
    assert excluded[1].reason == "Named twice, with the same score; the first row is used."


def test_a_standard_error_stands_beside_its_outcome() -> None:
    clean, _, _ = checked(frame(acc_stderr=[0.01, 0.02, 0.03], stderr=[1.0, 1.0, 1.0]), outcome="acc")
    assert clean["stderr"].tolist() == [0.01, 0.02, 0.03]


@pytest.mark.parametrize(
    ("changes", "choices", "words"),
    [
        ({}, {"outcome": "accuracy"}, r"No model has a number 'accuracy'; the columns of numbers are acc, body, nll\."),
        ({}, {"outcome": "note"}, "a/1: note is 'x', which is not a number"),
        ({"acc": [None] * 3}, {"outcome": "acc"}, "No model has a number 'acc'; the columns of numbers are body, nll"),
        ({"acc": [0.3, 31.0, 40.0]}, {"outcome": "acc"}, r"mixes fractions of 1 \(1; a/1: 0.3\) .* \(2; a/2: 31\)"),
        ({}, {"outcome": "depth"}, "'depth' says what a model is"),
        ({}, {"outcome": "loss_per_byte"}, "loss_per_byte is a loss; add --lower-is-better"),
        ({}, {"outcome": "acc", "size": "flops"}, "No model has a size 'flops'; the columns of numbers are acc, body"),
        ({}, {"outcome": "acc", "size": "note"}, "a/1: note is 'x', which is not a number"),
        ({"body": [1.0, 0.0, 2.0]}, {"outcome": "acc", "size": "body"}, "a/2: body is 0, and a size is above zero"),
        ({}, {"outcome": "acc", "size": "width"}, "'width' is no size of a model"),
        ({"kind": ["chat"] * 3}, {"outcome": "acc"}, "No model with a depth, a width and a usable acc is left: a/1"),
    ],
)
def test_a_bad_column_is_one_sentence(changes: dict[str, Any], choices: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        checked(frame(**changes), **choices)


def test_a_list_without_scores_says_which_columns_could_be_compared() -> None:
    with pytest.raises(DataError, match=r"or compare another column by --outcome \(.* accuracy, .* fineweb_edu_loss"):
        checked(read_frame(["model_lists/gemstones.csv"])[0])


def test_the_body_of_a_listed_shape_is_a_size() -> None:
    clean, _, _ = checked(read_frame()[0], size="body_parameters")
    listed = {row["model"]: row for row in shipped_list().to_dict("records")}
    assert clean["body_parameters"].notna().all()
    for row in clean.to_dict("records"):
        shape = listed_shape(listed[row["model"]])
        assert shape is not None and shape.parameters is not None
        assert row["body_parameters"] == shape.parameters.body < row["parameters"]


def test_the_outcome_is_not_the_size_that_is_held_fixed() -> None:
    frame = pd.DataFrame({"model": ["a"], "depth": [8], "width": [512], "parameters": [1e8], "loss": [3.0]})
    with pytest.raises(DataError, match="'loss' cannot be the outcome and the size"):
        compare(frame, outcome="loss", lower_is_better=True, size="loss")

"""What is read of files and folders: everything that the commands write, and what is said of everything else."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.reading.documents import read_material
from nil_audit.comparison.reading.inputs import read_inputs
from nil_audit.comparison.reading.join import read_frame
from nil_audit.errors import DataError
from tests.comparison.files import lm_eval, put, record, score_row


def test_a_folder_of_everything_is_read_at_any_depth(tmp_path: Path) -> None:
    put(tmp_path / "audit" / "records" / "a.json", record("./a", digest="sha256:a"))
    put(tmp_path / "audit" / "audit.csv", "model,depth,width,verdict,tokens\n./a,24,896,inside,131072\n")
    put(tmp_path / "printed.json", {"records": [record("./b", digest="sha256:b")], "failed": []})
    put(tmp_path / "sc" / "deep" / "scores.json", {"scores": [score_row("./c")], "published": {}, "failed": []})
    put(tmp_path / "sc" / "deep" / "scores.csv", "model,protocol,category\n./c,mc,all\n./c,mc,law\n")
    put(tmp_path / "lm" / "results_1.json", lm_eval("org/d", 0.3))
    for name in ("samples_leaderboard_mmlu_pro_1.json", "samples_leaderboard_mmlu_pro_1.jsonl"):
        put(tmp_path / "lm" / name, '{"doc_id": 0}\n{"doc_id": 1}\n')
    put(tmp_path / "lists" / "mine.csv", "model,depth,width\norg/e,3,64\n")
    put(tmp_path / "lists" / "other.csv", "name,age\nx,3\n")
    put(tmp_path / "settings.json", {"neither": 1})
    put(tmp_path / "old" / "table.csv", "model,score,verdict,distance_law\norg/f,0.3,inside,0\n")
    read = read_inputs([tmp_path])
    assert {one.model for one in read.facts} == {"./a", "./b", "./c", "org/e"}
    assert {(one.model, one.origin) for one in read.scores} == {("./c", "measured"), ("org/d", "lm-eval")}
    assert read.notes == ()


def test_printed_documents_are_read_whatever_their_file_is_called(tmp_path: Path) -> None:
    put(tmp_path / "audit.txt", {"records": [record("./a"), record("./b")], "failed": []})
    (tmp_path / "scores.out").write_bytes(json.dumps({"scores": [score_row("./a")]}).encode("utf-16"))
    read = read_inputs([tmp_path / "audit.txt", tmp_path / "scores.out"])
    assert [one.model for one in read.facts if one.record] == ["./a", "./b"]
    assert [one.values["score"] for one in read.scores] == [0.2]


def test_a_file_that_two_paths_lead_to_is_read_once(tmp_path: Path) -> None:
    file = put(tmp_path / "records" / "a.json", record("./a"))
    assert len(read_material([tmp_path, file, tmp_path / "records"]).records) == 1


DAMAGED = {
    "half.json": '{"schema": 1, "model"',
    "digits.json": '{"schema": ' + "9" * 5000 + "}",
    "deep.json": "[" * 100_000,
    "bytes.json": b"\xff\xfe\xfa\x00{",
    "record.json": json.dumps({"schema": 1, "model": {}, "shape": {}}),
    "newer.json": json.dumps({**record("./n"), "schema": 99}),
    "list.csv": "model,depth\na,deep\n",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_one_damaged_file_in_a_folder_fails_nothing_but_itself(tmp_path: Path, name: str) -> None:
    put(tmp_path / "good.json", record("./good"))
    text = DAMAGED[name]
    bad = tmp_path / name
    bad.write_bytes(text if isinstance(text, bytes) else text.encode())
    read = read_inputs([tmp_path])
    assert [one.model for one in read.facts] == ["./good"]
    (note,) = read.notes
    assert note.startswith("Passed over: ") and name in note
    with pytest.raises(DataError) as caught:
        read_inputs([bad])
    assert name in str(caught.value) and str(caught.value).endswith(".") and "delete" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("none.json", None, "There is no file or folder .*none.json; check the path"),
        ("broken.json", "{", "is not JSON .*; write it again with the command that made it"),
        ("text.txt", "hello", "is neither JSON nor a model list .*compare reads records and scores"),
        ("other.json", "[1]", "holds a JSON array and no record and no score; compare reads records"),
        ("comparison.json", '{"kind": "comparison"}', "holds a comparison; give what it was made from"),
        ("pub.json", '{"published": []}', "published scores alone, which compare adds by itself"),
        ("results.json", '{"results": {"hellaswag": {"acc,none": 0.5}}, "configs": {}}', "no MMLU-Pro score"),
        ("empty.json", '{"records": [], "failed": []}', "holds no record and no score; compare reads"),
        ("audit.csv", "model,depth,verdict\na,3,inside\n", "a table that nil-audit wrote for people, not a model list"),
        ("sc.csv", "model,category\na,law\na,math\n", "give the folder that it lies in, whose JSON holds all of it"),
    ],
)
def test_a_file_of_another_kind_is_told_what_is_read(tmp_path: Path, name: str, text: str | None, words: str) -> None:
    if text is not None:
        put(tmp_path / name, text)
    with pytest.raises(DataError, match=words):
        read_inputs([tmp_path / name])


def test_a_folder_without_anything_says_what_was_looked_for(tmp_path: Path) -> None:
    put(tmp_path / "empty" / "readme.txt", "hello")
    with pytest.raises(DataError, match="holds nothing to compare; compare looks in it, at any depth, for records and"):
        read_inputs([tmp_path / "empty"])
    put(tmp_path / "model" / "config.json", {"model_type": "llama"})
    with pytest.raises(DataError, match=r"is a model, and compare reads what was measured: 'nil-audit .*model --out"):
        read_inputs([tmp_path / "model"])
    put(tmp_path / "damaged" / "a.json", "{")
    with pytest.raises(DataError, match=r"holds nothing to compare.* Passed over: .*a.json is not JSON"):
        read_inputs([tmp_path / "damaged"])


def test_models_of_the_hub_are_told_to_be_audited_first() -> None:
    with pytest.raises(DataError) as caught:
        read_inputs(["Qwen/A", "Qwen/B@v2"])
    assert str(caught.value) == (
        "There is no file or folder Qwen/A, and compare reads files, not models; 'nil-audit Qwen/A Qwen/B@v2 --out"
        " audit/' audits models of the Hub, and 'nil-audit compare audit/' compares them."
    )
    with pytest.raises(DataError, match="check the path"):
        read_inputs(["x" * 400])


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a document has a value."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(found for key, value in inner for found in places(value, (*path, key)))]


ODD = (None, True, -1, 0, 1e308, float("nan"), 10**400, "", "x", "\ud800", [], {}, [[]], {"a": {}}, ["x"])


@pytest.mark.parametrize("kind", ["record", "printed", "scores", "lm-eval"])
def test_any_value_anywhere_is_a_sentence_and_never_a_traceback(tmp_path: Path, kind: str) -> None:
    """Beside a good file the damaged one gives its numbers or a note; what is written of it can be written."""
    put(tmp_path / "good.json", record("./good", score=0.3))
    documents = {
        "record": record("./a", score=0.2, digest="sha256:a"),
        "printed": {"records": [record("./a", score=0.2)], "failed": []},
        "scores": {"scores": [score_row("./a")]},
        "lm-eval": lm_eval("org/a", 0.3),
    }
    rng = random.Random(kind)
    for _ in range(60):
        document = json.loads(json.dumps(documents[kind]))
        *path, last = rng.choice(places(document)[1:])
        inner = document
        for key in path:
            inner = inner[key]
        inner[last] = rng.choice(ODD)
        put(tmp_path / "bad.json", json.dumps(document))
        frame, _, notes = read_frame([tmp_path])
        clean, excluded, _ = checked(frame)
        assert "./good" in set(clean["model"])
        "".join((clean.to_csv(), *notes, *(one.what + one.reason for one in excluded))).encode()

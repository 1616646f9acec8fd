"""Records as files: the schema, older ones, damaged ones, and that a record holds enough to compute it again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nil_audit.auditing.record import (
    SCHEMA,
    find_record,
    keep_record,
    read_record,
    recompute,
    record_from,
    verdict_document,
)
from nil_audit.errors import DataError
from nil_audit.interaction.metrics import LOSSES, MEAN_METRICS

SCHEMA_1 = Path(__file__).parent / "schema_1.json"


def test_a_record_of_schema_1_is_read_and_written_as_the_newest() -> None:
    old = json.loads(SCHEMA_1.read_text())
    assert old["schema"] == 1 and "within" in old["verdict"]
    record = read_record(SCHEMA_1)
    assert (record.name, record.shape.depth) == ("org/gpt2-4x176", 4)
    assert record.verdict == verdict_document(record.shape)  # a count of studies then, the pooled regret now
    kept = old["interaction"]["estimates"]["unbiased"]["aofe_ratio"]
    assert record.interaction is not None
    found = record.metric("aofe_ratio")
    assert found is not None
    assert found.to_dict() == kept
    loss = record.metric("loss_per_byte")
    assert loss is not None and loss.value == old["interaction"]["loss"]["loss_per_byte"]["value"]
    with pytest.raises(
        DataError, match=r"There is no metric 'nothing'; choose one of trace, .*aofe_ratio.*loss_per_byte"
    ):
        record.metric("nothing")
    assert replace(record, interaction=None).metric("aofe_ratio") is None
    measured = {*record.interaction["estimates"]["unbiased"], *record.interaction["loss"]}
    assert measured == {*MEAN_METRICS, *LOSSES}
    assert record.metric("typical_efficiency") is None  # the first estimator had none

    new = record.to_dict()
    assert new["schema"] == SCHEMA
    assert record_from(json.loads(json.dumps(new))).to_dict() == new
    for section in ("interaction", "shape", "environment", "model"):
        assert new[section] == old[section], section
    assert new["superposition"] == {"embedding": old["superposition"], "unembedding": None, "alignment": None}


def test_numbers_of_a_record_follow_from_its_block_products() -> None:
    record = read_record(SCHEMA_1)
    assert record.interaction is not None
    found = recompute(record)
    for kind in ("plugin", "unbiased"):
        for name, kept in record.interaction["estimates"][kind].items():
            assert found[kind][name].to_dict() == pytest.approx(kept, rel=1e-9, abs=1e-9), name
    assert found["loss"]["loss_per_byte"].to_dict() == pytest.approx(record.interaction["loss"]["loss_per_byte"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": SCHEMA + 1}, f"has record schema {SCHEMA + 1}, not {SCHEMA}; update nil-audit"),
        ({"schema": "3"}, "has record schema 3, not"),
        ({"shape": {}}, "is a damaged record"),
        ({"shape": None}, "is a damaged record"),
        ({"model": None}, None),
    ],
)
def test_documents_that_are_no_records(change: dict, words: str | None) -> None:
    document = json.loads(SCHEMA_1.read_text()) | change
    if words is None:
        del document["model"]
        words = "is not a nil-audit record"
    with pytest.raises(DataError, match=words):
        record_from(document, "it")


def test_files_that_are_no_records(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_record(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        read_record(tmp_path / "text.json")


def test_a_kept_record_of_an_older_schema_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path))
    record, key = read_record(SCHEMA_1), {"digest": "git:0", "window": 128}
    assert find_record(key) is None
    keep_record(record, key)
    (kept,) = (tmp_path / "records").iterdir()
    kept.write_text(SCHEMA_1.read_text())
    assert find_record(key) == record
    assert find_record(key | {"window": 64}) is None
    kept.write_text('{"schema": 2')
    assert find_record(key) is None


def test_a_record_that_cannot_be_kept_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "file"))
    said = keep_record(read_record(SCHEMA_1), {"digest": "git:0"})
    assert said is not None
    assert said.startswith("The record of org/gpt2-4x176 is not kept for another time: Cannot write to ")
    assert find_record({"digest": "git:0"}) is None

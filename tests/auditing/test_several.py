"""Several audits as one: what is audited, what is read, what is refused."""

from pathlib import Path
from typing import Any

import pytest

import nil_audit
from nil_audit.auditing import several
from nil_audit.auditing.record import Record
from nil_audit.auditing.several import Audits, audit_many, read_records
from nil_audit.errors import CheckpointError, DataError, UsageError
from tests.report.records import bare_record


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What was audited, and with which settings; "broken" fails, "stopped" is interrupted, "wrong" is refused."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def audit(name: str, *, progress: Any, **settings: Any) -> Record:
        calls.append((name, settings))
        if name == "broken":
            raise CheckpointError("The weights of broken are damaged; fetch them again.")
        if name == "stopped":
            raise KeyboardInterrupt
        if name == "wrong":
            raise UsageError("--tokens is 1; give more.")
        return bare_record(name)

    monkeypatch.setattr(several, "audit", audit)
    return calls


def test_a_failure_does_not_stop_the_others(asked: list[tuple[str, dict[str, Any]]]) -> None:
    audits = audit_many(["a", "broken", "b"], probe="builtin", tokens=64)
    assert [record.name for record in audits] == ["a", "b"]
    assert audits.notes == ("The weights of broken are damaged; fetch them again.",)
    assert asked == [(name, {"probe": "builtin", "tokens": 64}) for name in ("a", "broken", "b")]


def test_an_interrupt_keeps_what_is_done(asked: list[tuple[str, dict[str, Any]]]) -> None:
    audits = audit_many(["a", "stopped", "b"])
    assert [record.name for record in audits] == ["a"]
    assert audits.notes == ("Interrupted: 1 of 3 models are audited.",)


def test_a_list_stands_for_its_models(asked: list[tuple[str, dict[str, Any]]], tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("model\norg/a\norg/b\n")
    assert [record.name for record in audit_many(str(tmp_path / "mine.csv"))] == ["org/a", "org/b"]


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        (["broken"], DataError, "There is no record to show: The weights of broken are damaged"),
        (["wrong", "a"], UsageError, "--tokens is 1"),
        ([], DataError, "There is no record to show; give some"),
    ],
)
def test_nothing_to_show_is_an_error(asked: object, names: list[str], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        audit_many(names)


def test_only_records_are_taken() -> None:
    with pytest.raises(DataError, match="A str is not a record"):
        Audits(["org/model"])  # type: ignore[list-item]


def test_it_is_a_sequence_of_its_records() -> None:
    records = [bare_record("a"), bare_record("b")]
    audits = Audits(iter(records))
    assert (len(audits), audits[1], audits[:1], list(audits)) == (2, records[1], (records[0],), records)


def test_kept_records_are_read_from_folders_and_damage_is_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(bare_record(name).to_json())
    (tmp_path / "c.json").write_text("{")
    audits = read_records(tmp_path)
    assert [record.name for record in audits] == ["a", "b"]
    assert len(audits.notes) == 1 and "c.json is not JSON" in audits.notes[0]
    with pytest.raises(DataError, match="There is no file or folder"):
        read_records(tmp_path / "nothing")


def test_the_demo_model_is_where_it_is_said_to_be() -> None:
    assert (Path(nil_audit.demo_model()) / "config.json").is_file()

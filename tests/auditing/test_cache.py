"""The cache of records: one checkpoint has one record, whatever it is called; what cannot be kept is still told."""

import errno
import os
from pathlib import Path

import pytest

from nil_audit.auditing.audit import audit
from nil_audit.source import Source
from tests.tiny import checkpoint_folder, english


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Of a quick audit, in a folder of its own with the checkpoint ``m``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))
    checkpoint_folder(tmp_path / "m")
    (tmp_path / "probe.txt").write_text(english(2000))
    return {"probe": "probe.txt", "window": 16, "context": 4, "tokens": 512, "device": "cpu"}


def test_every_spelling_of_a_folder_finds_one_record(
    settings: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = audit("m", **settings)
    Path("link").symlink_to("m")
    Path("m").rename("renamed")
    Path("link").unlink()
    Path("link").symlink_to("renamed")

    def measured_again(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("nil_audit.interaction.measure.measure", measured_again)
    for name in ("renamed", "./renamed", "renamed/", "link", str(tmp_path / "renamed")):
        found = audit(name, **settings)
        assert found.name == name
        assert (found.created, found.interaction) == (first.created, first.interaction)
    assert len(list((tmp_path / "cache" / "records").iterdir())) == 1


def test_one_commit_has_one_digest_whatever_the_spelling_of_its_id() -> None:
    sources = [
        Source(name=name, kind="hub", reference=name, revision="0" * 40, folder=None, config={})
        for name in ("Org/Name", "org/name")
    ]
    assert {source.digest for source in sources} == {"git:" + "0" * 40}


def test_a_disk_that_fills_up_while_measuring_loses_nothing_but_the_cache(
    settings: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    record = audit("m", **settings)
    assert record.metric("sensitivity") is not None
    assert record.notes[-1].startswith("The record of m is not kept for another time: Cannot write ")
    assert "(No space left on device)" in record.notes[-1]
    assert list((tmp_path / "cache" / "records").iterdir()) == []

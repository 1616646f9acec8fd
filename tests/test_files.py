"""Files that are whole or not there, names of files, and the folder where results are kept."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nil_audit.errors import UsageError
from nil_audit.files import cache_trouble, check_writable, distinct_names, json_text, safe_name, write_atomically

STOPPED_WHILE_WRITING = """
import os, sys, time
from pathlib import Path
from nil_audit.files import write_atomically

def stop(handle):
    print(flush=True)
    time.sleep(60)

os.fsync = stop
write_atomically(Path(sys.argv[1]), "new")
"""


@given(st.text(max_size=300))
def test_a_safe_name_is_one_file_name(name: str) -> None:
    flat = safe_name(name)
    assert 1 <= len(flat.encode()) <= 120
    assert "/" not in flat and not flat.startswith(".")


def test_a_name_that_is_cut_keeps_what_tells_it_from_others() -> None:
    first, second = "a" * 300, "a" * 299 + "b"
    assert safe_name(first) != safe_name(second)
    assert len(safe_name(first)) == 120
    assert safe_name("org/model") == "org--model"


@given(st.lists(st.text(alphabet="aAbB/._-", max_size=4), unique=True, max_size=12))
def test_distinct_names_are_distinct_whatever_the_file_system(names: list[str]) -> None:
    files = distinct_names(names)
    assert list(files) == names
    assert len({file.lower() for file in files.values()}) == len(names)
    assert all(len(file) <= 120 for file in files.values())


def test_only_names_that_would_be_one_file_carry_a_hash() -> None:
    files = distinct_names(["org/model", "ORG/model", "other"])
    assert files["other"] == "other"
    assert files["org/model"].startswith("org--model-") and files["ORG/model"].startswith("ORG--model-")


def test_a_killed_run_leaves_the_old_file_and_the_next_write_sweeps_up(tmp_path: Path) -> None:
    target = tmp_path / "record.json"
    write_atomically(target, "old")
    writer = subprocess.Popen(
        [sys.executable, "-c", STOPPED_WHILE_WRITING, str(target)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "\n"
    write_atomically(tmp_path / "another.json", "{}")
    assert len(list(tmp_path.glob(".nil-audit-*.tmp"))) == 1, "the writer is alive: its file is not swept"
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert target.read_text() == "old"
    write_atomically(tmp_path / "another.json", "{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another.json", "record.json"]


def test_temporary_files_of_another_machine_are_swept_after_a_day(tmp_path: Path) -> None:
    fresh, old = tmp_path / ".nil-audit-elsewhere-1-x.tmp", tmp_path / ".nil-audit-elsewhere-2-x.tmp"
    for path in (fresh, old):
        path.write_text("")
    os.utime(old, (0, 0))
    write_atomically(tmp_path / "file", "text")
    assert fresh.exists() and not old.exists()


def test_a_name_too_long_for_the_file_system_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot write .*name too long.*name another folder"):
        write_atomically(tmp_path / ("x" * 300), "text")
    with pytest.raises(UsageError, match=r"Cannot write to .*name too long.*; name a folder that can be written to"):
        check_writable(tmp_path / ("x" * 300) / "out")
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_not_utf_8_are_written_and_read_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"model-\xff")
    path = write_atomically(tmp_path / "record.json", json_text({"name": name}))
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": name}
    write_atomically(tmp_path / "page.md", f"# {name}")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "# model-\\udcff"
    assert safe_name(name * 50)


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    check_writable(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_trouble_with_the_cache_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))
    assert cache_trouble() is None
    (tmp_path / "cache" / "records").write_text("a file where the folder should be")
    assert cache_trouble() == (
        f"The cache {tmp_path / 'cache'} cannot be written (File exists), so results of this run are not kept; set "
        "NIL_AUDIT_CACHE to a folder that can be written to."
    )
    monkeypatch.setenv("NIL_AUDIT_CACHE", "~no_such_user/cache")
    assert "cannot be written" in str(cache_trouble())


def test_a_full_disk_is_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "fsync", full)
    assert "(No space left on device)" in str(cache_trouble())
    assert list(tmp_path.iterdir()) == []

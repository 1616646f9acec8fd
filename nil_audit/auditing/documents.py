"""Records in files: one a file, several in a document of ``--json``, or folders of these."""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nil_audit.auditing.record import SECTIONS, Record, record_from
from nil_audit.errors import DataError, first_line

AGAIN = "write it again with the command that made it"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*(@[\w./-]+)?")
_WANTED = "records that 'nil-audit MODEL --out DIR' wrote or --json printed (.json)"


Found = list[tuple[Path, Record]]
"""Records, each with its file."""


def read_records(paths: Sequence[Path | str]) -> tuple[Found, list[str]]:
    """The records in files and folders, in their order.

    Args:
        paths: Records, documents ``{"records": [...]}``, or folders that hold such files at any depth.

    Returns:
        The records with their files, each measurement once, and a sentence for each file, or part of one, that was
        passed over: in a folder a damaged file is; a file of another kind is passed over without a word.

    Raises:
        DataError: A path does not exist, holds no record, or is a file that is damaged.
    """
    found: dict[Any, tuple[Path, Record]] = {}
    notes: list[str] = []
    for path in map(Path, paths):
        records, passed = _in_folder(path) if _is_folder(path) else _in_file(path)
        if not records:
            raise DataError(_nothing_in(path, passed))
        for file, record in records:
            mark = _measurement(record)
            first, same = found.get(mark, (file, record))
            found[mark] = first, _with_sections(same, record)
        notes += passed
    return list(found.values()), notes


def records_in(document: Any, source: str) -> tuple[list[Record], list[str]]:
    """The records of a document, and a sentence for each that is damaged; nothing of a document of another kind.

    Args:
        document: A record, or ``{"records": [...]}``.
        source: Its file, for people.

    Raises:
        DataError: It is a record, and damaged.
    """
    if not isinstance(document, dict):
        return [], []
    if {"schema", "model", "shape"} <= document.keys():
        return [record_from(document, source)], []
    records, notes = [], []
    parts = document.get("records")
    for number, part in enumerate(parts if isinstance(parts, list) else []):
        try:
            records.append(record_from(part, f"{source}, record {number + 1},"))
        except DataError as error:
            notes.append(f"Passed over: {error}")
    return records, notes


def read_json(file: Path, otherwise: str) -> Any:
    """A file's document.

    Args:
        file: The file.
        otherwise: What is wrong with a file that is not called ``.json`` and is not JSON, and what to do.

    Raises:
        DataError: It cannot be read, is not JSON, or holds numbers or nesting beyond reason.
    """
    try:
        content = file.read_bytes()
        document = json.loads(content)
        return _whole(document) if b"\\ud" in content.lower() else document
    except OSError as error:
        raise DataError(f"{shown(file)} cannot be read ({error.strerror}); check the path.") from error
    except RecursionError as error:
        raise DataError(f"{shown(file)} is nested too deeply to be a result; {AGAIN}.") from error
    except ValueError as error:
        if file.suffix.lower() == ".json":
            raise DataError(f"{shown(file)} is not JSON ({first_line(error)}); {AGAIN}.") from error
        raise DataError(f"{shown(file)} {otherwise}") from error


def shown(path: Path | str) -> str:
    """A path, or another text, as every file can hold it, also where it is not UTF-8."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def _whole(value: Any) -> Any:
    """A document without half characters, which JSON can name and no file can hold."""
    if isinstance(value, dict):
        return {shown(key): _whole(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return shown(value) if isinstance(value, str) else value


def _is_folder(path: Path) -> bool:
    """Whether a path is a folder.

    Raises:
        DataError: There is nothing there.
    """
    try:
        if path.exists():
            return path.is_dir()
    except OSError:  # longer than file names may be
        pass
    name = shown(path)
    if HUB_ID.fullmatch(name) and path.suffix != ".json":
        quoted = shlex.quote(name)
        raise DataError(
            f"There is no file or folder {name}; of a model of the Hub 'nil-audit {quoted}' prints what is kept, or"
            " measures it."
        )
    raise DataError(f"There is no file or folder {name}; give {_WANTED}, or a folder of these.")


def _measurement(record: Record) -> tuple[str, str, str]:
    """What no other measurement has, by whatever name and in whatever file: when it was, and how long it took."""
    took = (record.interaction or {}).get("cost")
    return str(record.model.get("digest") or record.name), record.created, json.dumps(took)


def _with_sections(record: Record, same: Record) -> Record:
    """A record with the sections of another one of the same measurement that it has not itself."""
    parts: dict[str, Any] = {name: getattr(record, name) or getattr(same, name) for name in SECTIONS}
    return replace(record, **parts)


def _in_file(file: Path) -> tuple[Found, list[str]]:
    records, notes = records_in(read_json(file, f"is no record; give {_WANTED}."), shown(file))
    return [(file, record) for record in records], notes


def _in_folder(folder: Path) -> tuple[Found, list[str]]:
    records, notes = Found(), list[str]()
    for file in sorted(file for file in folder.rglob("*.json") if file.is_file()):
        try:
            found, passed = _in_file(file)
        except DataError as error:
            found, passed = [], [f"Passed over: {error}"]
        records += found
        notes += passed
    return records, notes


def _nothing_in(path: Path, passed: Sequence[str]) -> str:
    """Why there is no record in what exists, and what to do."""
    name, why = shown(path), f" {passed[-1]}" if passed else ""
    if path.is_dir() and (path / "config.json").is_file():
        return f"The folder {name} is a model, not a record; 'nil-audit {shlex.quote(name)}' measures it."
    if path.is_dir():
        return f"The folder {name} holds no record; give one with {_WANTED}.{why}"
    return f"{name} holds no record; give {_WANTED}.{why}"

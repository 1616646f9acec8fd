"""Files that are either whole or not there, JSON as it is written everywhere, and where results are kept."""

import hashlib
import json
import math
import os
import platform
import re
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from nil_audit.errors import UsageError

_FORMULA = re.compile("'*[=+\\-@\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_LONGEST_NAME = 120
_TEMPORARY = ".nil-audit-"
_LONGEST_WRITE = 24 * 3600  # seconds; an older temporary file is nobody's, whoever made it


def cache_folder() -> Path:
    """The folder that keeps results: ``$NIL_AUDIT_CACHE``, or ``nil-audit`` in the user's cache folder.

    A user without a home has no such folder; the one returned then can be neither read nor written.
    """
    try:
        if chosen := os.environ.get("NIL_AUDIT_CACHE"):
            return Path(chosen).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "nil-audit"
    except RuntimeError:
        return Path(os.devnull) / "nil-audit"


def cache_trouble() -> str | None:
    """Why the results of this run cannot be kept, or None where they can; asked before anything is measured."""
    folder = cache_folder()
    try:
        for place in (folder, *(place for name in ("records", "scores") if (place := folder / name).exists())):
            check_writable(place)
    except (UsageError, OSError) as error:
        reason = error.__cause__ or error
        return (
            f"The cache {folder} cannot be written ({_why(reason)}), so results of this run are not kept; set "
            "NIL_AUDIT_CACHE to a folder that can be written to."
        )
    return None


def safe_name(name: str) -> str:
    """A model's name as one file name: no separators, no leading dots, so it cannot leave its folder.

    At most 120 characters, all of them ASCII; a name that had to be cut ends in a hash of the whole.
    """
    flat = re.sub(r"[^A-Za-z0-9._-]+", "--", name.strip().strip("/")).lstrip(".-") or "model"
    return flat if len(flat) <= _LONGEST_NAME else _with_hash(flat, name)


def _with_hash(flat: str, name: str) -> str:
    digest = hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:8]
    return f"{flat[: _LONGEST_NAME - 9]}-{digest}"


def distinct_names(names: Iterable[str]) -> dict[str, str]:
    """A file name for each of several models, distinct also where a file system ignores case.

    Each is ``safe_name`` of the model's name, with a hash of the name behind it where two would be one file.
    """
    flat = {name: safe_name(name) for name in names}
    shared = Counter(file.lower() for file in flat.values())
    return {name: file if shared[file.lower()] == 1 else _with_hash(file, name) for name, file in flat.items()}


def plain(value: Any) -> Any:
    """Plain JSON values all the way down; what is not finite or not there is None.

    A dataclass becomes its fields, an object with a method ``to_dict`` what that says, a data frame its columns, and
    NumPy's arrays and numbers become Python's.
    """
    if value is None or type(value) in (str, int, bool):  # most of every document, so first
        return value
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "iloc"):
        return {str(name): plain(column.tolist()) for name, column in value.items()}
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_text(document: Any) -> str:
    """A document as every file and ``--json`` show it: in UTF-8, what cannot be seen as JSON's escapes."""
    text = json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return "\n".join(_spelt_out(line, json.dumps) for line in text.split("\n"))


def csv_text(table: Any) -> str:
    r"""A data frame as every CSV file shows it, without its index: no spreadsheet runs what a cell says.

    A text that would be taken for a formula gets an apostrophe in front, which `from_csv` takes off again; numbers,
    negative ones too, stay as they are. What cannot be seen is spelt out ("\x1b").
    """
    safe = table.copy()
    for name, column in table.items():
        values = column.tolist()
        if any(isinstance(value, str) for value in values):
            safe[name] = [_csv_cell(value) if isinstance(value, str) else value for value in values]
    safe.columns = [_csv_cell(str(name)) for name in table.columns]
    return str(safe.to_csv(index=False, lineterminator="\n"))


def from_csv(text: str) -> str:
    """The text that a cell of `csv_text` stands for."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _csv_cell(text: str) -> str:
    seen = _spelt_out(text, ascii)
    return f"'{seen}" if _FORMULA.match(seen) and not _NUMBER.fullmatch(seen) else seen


def _spelt_out(text: str, quote: Callable[[str], str]) -> str:
    """A text in which what cannot be seen, or commands a terminal, is escaped as ``quote`` does; line ends stay."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one == "\n" or unicodedata.category(one) == "Zs" else quote(one)[1:-1]
        for one in text
    )


def _whole(text: str) -> bytes:
    """Text in UTF-8. Half a surrogate pair, as a file name that is not UTF-8 has, becomes what JSON writes for it."""
    return text.encode(errors="backslashreplace")


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write a file so that a killed run leaves the old one or the new one, never half of either.

    What killed runs left behind in the folder is removed.

    Raises:
        UsageError: The folder cannot be made or written to.
    """
    try:
        with _temporary_file(path.parent, _whole(content) if isinstance(content, str) else content) as temporary:
            temporary.replace(path)
    except OSError as error:
        raise UsageError(f"Cannot write {path} ({_why(error)}); free some space or name another folder.") from error
    return path


def check_writable(folder: Path) -> None:
    """Find out before hours of work whether results can be written.

    Raises:
        UsageError: They cannot.
    """
    try:
        with _temporary_file(folder, bytes(4096)):
            pass
    except OSError as error:
        raise UsageError(
            f"Cannot write to {folder} ({_why(error)}); free some space or name another folder."
        ) from error


def _why(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


@contextmanager
def _temporary_file(folder: Path, data: bytes) -> Iterator[Path]:
    """A written file of this process in a folder, made where it is missing; gone afterwards unless it was renamed.

    Raises:
        UsageError: The folder cannot be made, or no file in it.
        OSError: The data cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        handle, name = tempfile.mkstemp(dir=folder, prefix=f"{_TEMPORARY}{_machine()}-{os.getpid()}-", suffix=".tmp")
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot write to {folder} ({_why(error)}); name a folder that can be written to.") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove temporary files whose process is gone: those of killed runs of this machine, and any a day old."""
    import psutil

    for path in folder.glob(f"{_TEMPORARY}*.tmp"):
        machine, _, process = path.name.removeprefix(_TEMPORARY).partition("-")
        number = process.partition("-")[0]
        with suppress(OSError):  # another process may sweep too
            gone = machine == _machine() and number.isdigit() and not psutil.pid_exists(int(number))
            if gone or time.time() - path.stat().st_mtime > _LONGEST_WRITE:
                path.unlink()


def _machine() -> str:
    """What tells apart the processes of two machines or containers, whose numbers may be the same."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]

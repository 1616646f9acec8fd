"""Files that are either whole or not there, JSON as it is written everywhere, and where results are kept."""

import json
import math
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from nil_audit.errors import UsageError


def cache_folder() -> Path:
    """The folder that keeps results: ``$NIL_AUDIT_CACHE``, or ``nil-audit`` in the user's cache folder."""
    if chosen := os.environ.get("NIL_AUDIT_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "nil-audit"


def safe_name(name: str) -> str:
    """A model's name as one file name: no separators, no leading dots, so it cannot leave its folder."""
    flat = re.sub(r"[^A-Za-z0-9._-]+", "--", name.strip().strip("/")).lstrip(".-")
    return flat[:120] or "model"


def plain(value: Any) -> Any:
    """Plain JSON values all the way down; what is not finite or not there is None.

    A dataclass becomes its fields, an object with a method ``to_dict`` what that says, a data frame its columns, and
    NumPy's arrays and numbers become Python's.
    """
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
    """A document as every file and ``--json`` show it."""
    return json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write a file so that a killed run leaves the old one or the new one, never half of either.

    Raises:
        UsageError: The folder cannot be made or written to.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageError(
            f"Cannot write to {path.parent} ({error.strerror}); name a folder that can be written to."
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise UsageError(f"Cannot write {path} ({error.strerror}); free some space or name another folder.") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def check_writable(folder: Path) -> None:
    """Find out before hours of work whether results can be written.

    Raises:
        UsageError: They cannot.
    """
    probe = folder / ".nil-audit"
    write_atomically(probe, "")
    probe.unlink()

"""Files that are either whole or not there: atomic writes, and where results are kept."""

import os
import re
import tempfile
from pathlib import Path

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

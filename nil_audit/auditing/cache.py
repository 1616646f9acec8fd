"""Records that are kept: found again only when everything that decides their numbers is the same."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nil_audit.auditing.record import Record, read_record
from nil_audit.errors import DataError
from nil_audit.files import cache_folder, safe_name, write_atomically
from nil_audit.processes import is_first


def _record_path(name: str, key: Mapping[str, Any]) -> Path:
    """Where the record of a model under a key is kept; the name is only there for people."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return cache_folder() / "records" / f"{safe_name(name)}-{digest[:20]}.json"


def find_record(name: str, key: Mapping[str, Any]) -> Record | None:
    """The kept record of a key (everything that decides its numbers), or None; a damaged file counts as none."""
    path = _record_path(name, key)
    if not path.is_file():
        return None
    try:
        return read_record(path)
    except DataError:
        return None


def keep_record(record: Record, key: Mapping[str, Any]) -> None:
    """Keep a record for its key. Under several processes only the first writes."""
    if is_first():
        write_atomically(_record_path(record.name, key), record.to_json())

"""Finished scores kept on disk, found by the checkpoint alone: whoever looks at a model later sees what is known."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from nil_audit.errors import UsageError
from nil_audit.files import write_atomically
from nil_audit.score.answers import FORMAT, scores_folder

_ROW_KEY = ("protocol", "dtype", "task", "data", "sample", "versions")
"""Fields of a score row of which every combination is kept in a file of its own."""
_ROW = "score-"


def keep_score(identity: str, row: Mapping[str, Any]) -> str | None:
    """Write a finished score, and say in a sentence why it is not kept where it cannot be.

    Args:
        identity: Hash of the checkpoint.
        row: From ``ScoreResult.to_dict``; an older one of the same questions, asked in the same way, is replaced.
    """
    key = json.dumps({name: row[name] for name in _ROW_KEY}, sort_keys=True)
    name = f"{_ROW}{row['protocol']}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
    try:
        document = {"format": FORMAT, "identity": identity, "row": row}
        write_atomically(scores_folder(identity) / name, json.dumps(document))
    except UsageError as error:
        return f"Answers are not kept: {error}"
    return None


def said_before(identity: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """What an earlier run that gave answers of a row had to say of how it went, whatever sample it asked.

    Args:
        identity: Hash of the checkpoint.
        row: From ``ScoreResult.to_dict``.
    """
    same = ("protocol", "dtype")
    rows = (one for one in _rows(identity) if all(one[name] == row[name] for name in same))
    return tuple(dict.fromkeys(sentence for one in rows for sentence in one.get("said", ())))


def kept_scores(identity: str) -> list[dict[str, Any]]:
    """The scores that are known of a checkpoint: of each protocol and dtype the one of most questions, then the latest.

    Args:
        identity: Hash of the checkpoint.

    Returns:
        Score rows as ``ScoreResult.to_dict`` gave them, by protocol and those of most questions first. Their ``model``
        is the name by which the checkpoint was asked for then.
    """
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in _rows(identity):
        setting = (str(row["protocol"]), str(row["dtype"]))
        if setting not in best or _worth(row) > _worth(best[setting]):
            best[setting] = row
    return sorted(best.values(), key=lambda row: (str(row["protocol"]), -row["questions"], str(row["dtype"])))


def _rows(identity: str) -> Iterator[dict[str, Any]]:
    """The score rows that are kept of a checkpoint; what is no such row is passed over."""
    for file in sorted(scores_folder(identity).glob(f"{_ROW}*.json")):
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            if document["format"] == FORMAT and document["identity"] == identity:
                row = dict(document["row"])
                if {"protocol", "dtype", "questions", "created"} <= row.keys():
                    yield row
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _worth(row: Mapping[str, Any]) -> tuple[int, str]:
    return row["questions"], row["created"]

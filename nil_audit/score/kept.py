"""Finished scores kept on disk, found by the checkpoint alone: whoever looks at a model later sees what is known."""

import hashlib
import json
from collections.abc import Mapping
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


def kept_scores(identity: str) -> list[dict[str, Any]]:
    """The scores that are known of a checkpoint: of each protocol and dtype the one of most questions, then the latest.

    Args:
        identity: Hash of the checkpoint.

    Returns:
        Score rows as ``ScoreResult.to_dict`` gave them, ordered by protocol and dtype. Their ``model`` is the name by
        which the checkpoint was asked for then.
    """
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for file in sorted(scores_folder(identity).glob(f"{_ROW}*.json")):
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            if document["format"] != FORMAT or document["identity"] != identity:
                continue
            row = dict(document["row"])
            setting = (str(row["protocol"]), str(row["dtype"]))
            if setting not in best or _worth(row) > _worth(best[setting]):
                best[setting] = row
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return [best[setting] for setting in sorted(best)]


def _worth(row: Mapping[str, Any]) -> tuple[int, str]:
    return row["questions"], row["created"]

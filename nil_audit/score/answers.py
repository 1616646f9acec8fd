"""Answers kept on disk by model and category, so that a killed run goes on where it stopped; and finished scores.

A category's file is found again only when everything that can move an answer is the same: its name is the hash of
the key, and the key itself stands in the file and is compared. A finished score is found by the checkpoint alone,
so that whoever looks at a model later sees what was measured before. Files are written whole or not at all, and one
that cannot be written costs a sentence, never a run.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nil_audit.errors import UsageError
from nil_audit.files import cache_folder, safe_name, write_atomically

FORMAT = 2
"""Of a kept file. Format 1 could hold answers of likelihoods that were not numbers, so it is not read any more."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One question's outcome.

    Attributes:
        question_id: MMLU-Pro's number of the question.
        options: Options that it offers.
        target: Letter of the right one.
        chosen: Letter chosen; None where no answer could be read from the generated text.
        correct: What lm-eval's metric says.
        cut: Whether the prompt was longer than the context, so that its beginning was lost.
        question_cut: Whether even the question alone was, so that part of it was lost.
    """

    question_id: int
    options: int
    target: str
    chosen: str | None
    correct: bool
    cut: bool
    question_cut: bool


@dataclass(frozen=True, kw_only=True)
class CategoryResult:
    """The answers of one category.

    Attributes:
        category: Its name.
        answers: One a question, ordered by question id.
        context: The model's context in tokens, as lm-eval sees it.
        generated: Longest generation in tokens; None where nothing is generated.
        seconds: Wall time of asking.
        created: When the last was answered, ISO 8601 in UTC.
    """

    category: str
    answers: tuple[Answer, ...]
    context: int
    generated: int | None
    seconds: float
    created: str


@dataclass(frozen=True, kw_only=True)
class CategoryKey:
    """Everything that can move an answer.

    Attributes:
        identity: Hash of the checkpoint: weights, configuration and tokenizer.
        dtype: Of the weights in memory.
        protocol: Name of the protocol.
        version: Of its task.
        category: Name of the category.
        questions: sha256 of the questions asked, and of the worked examples they are asked with.
        lm_eval: Version of lm-eval.
        backend: "hf" or "vllm".
        batch_size: Questions a forward pass, which moves the last bits; None with vLLM.
    """

    identity: str
    dtype: str
    protocol: str
    version: str
    category: str
    questions: str
    lm_eval: str
    backend: str
    batch_size: int | None

    @property
    def path(self) -> Path:
        """Where the category's answers are kept."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return _folder(self.identity) / f"{self.protocol}-{safe_name(self.category)}-{digest[:24]}.json"


def keep(key: CategoryKey, result: CategoryResult) -> str | None:
    """Write one category's answers, and say in a sentence why they are not kept where they cannot be."""
    return _write(key.path, {"format": FORMAT, "key": asdict(key), "result": asdict(result)})


def find(key: CategoryKey) -> CategoryResult | None:
    """The answers kept under a key; None where there are none or the file is not what was written."""
    try:
        document: Mapping[str, Any] = json.loads(key.path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT or document["key"] != asdict(key):
            return None
        found = dict(document["result"])
        return CategoryResult(**found | {"answers": tuple(Answer(**answer) for answer in found["answers"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


_ROW_KEY = ("protocol", "dtype", "backend", "batch_size", "task", "data", "sample", "versions")
"""Fields of a score row of which every combination is kept in a file of its own."""


def keep_score(identity: str, row: Mapping[str, Any]) -> str | None:
    """Write a finished score, and say in a sentence why it is not kept where it cannot be.

    Args:
        identity: Hash of the checkpoint.
        row: From ``ScoreResult.to_dict``; an older one of the same questions, asked in the same way, is replaced.
    """
    key = json.dumps({name: row[name] for name in _ROW_KEY}, sort_keys=True)
    name = f"{_ROW}{row['protocol']}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
    return _write(_folder(identity) / name, {"format": FORMAT, "identity": identity, "row": row})


def kept_scores(identity: str) -> list[dict[str, Any]]:
    """The scores that are known of a checkpoint: of each protocol and dtype the one of most questions, then the latest.

    Args:
        identity: Hash of the checkpoint.

    Returns:
        Score rows as ``ScoreResult.to_dict`` gave them, ordered by protocol and dtype. Their ``model`` is the name by
        which the checkpoint was asked for then.
    """
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for file in sorted(_folder(identity).glob(f"{_ROW}*.json")):
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


_ROW = "score-"


def _worth(row: Mapping[str, Any]) -> tuple[int, str]:
    return row["questions"], row["created"]


def _folder(identity: str) -> Path:
    """Where everything that is kept of a checkpoint's scores is."""
    return cache_folder() / "scores" / safe_name(identity)[:40]


def _write(path: Path, document: Mapping[str, Any]) -> str | None:
    try:
        write_atomically(path, json.dumps(document))
    except UsageError as error:
        return f"Answers are not kept: {error}"
    return None

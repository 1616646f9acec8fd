"""Answers kept on disk by model and category, so that a killed run goes on where it stopped.

A file is found again only when everything that can move an answer is the same: its name is the hash of the key,
and the key itself stands in the file and is compared. Files are written whole or not at all.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nil_audit.files import cache_folder, safe_name, write_atomically

FORMAT = 1


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
    """

    category: str
    answers: tuple[Answer, ...]
    context: int
    generated: int | None
    seconds: float


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
        name = f"{self.protocol}-{safe_name(self.category)}-{digest[:24]}.json"
        return cache_folder() / "scores" / safe_name(self.identity)[:40] / name


def keep(key: CategoryKey, result: CategoryResult) -> Path:
    """Write one category's answers; the file is whole or not there."""
    document = {"format": FORMAT, "key": asdict(key), "result": asdict(result)}
    return write_atomically(key.path, json.dumps(document))


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

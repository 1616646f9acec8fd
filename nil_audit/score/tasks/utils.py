"""Prompt of the ``mc`` protocol, in the form of lm-eval's task files: one function a field."""

from functools import partial
from typing import Any

from nil_audit.score.protocols import CATEGORIES, LETTERS


def doc_to_text(doc: dict[str, Any]) -> str:
    """The question, its options one a line with the white space around them stripped, and 'Answer:'."""
    options = [f"{letter}. {option.strip()}\n" for letter, option in zip(LETTERS, doc["options"], strict=False)]
    return f"{doc['question']}\n{''.join(options)}Answer:"


def doc_to_choice(doc: dict[str, Any]) -> list[str]:
    """The letters of the options that the question offers."""
    return list(LETTERS[: len(doc["options"])])


def _of_category(dataset: Any, category: str) -> Any:
    """The rows of one category, of the questions and of the worked examples alike."""
    return dataset.filter(lambda row: row["category"] == category)


_BY_CATEGORY = {
    f"process_{category.replace(' ', '_')}": partial(_of_category, category=category) for category in CATEGORIES
}
globals().update(_BY_CATEGORY)

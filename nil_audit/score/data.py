"""MMLU-Pro's questions and worked examples: from the Hub or from a folder, checked before anything is asked."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nil_audit.errors import DataError, SourceError, first_line
from nil_audit.score.protocols import CATEGORIES, LETTERS, SHOTS

HUB_ID = "TIGER-Lab/MMLU-Pro"
COLUMNS = ("question_id", "question", "options", "answer", "category", "cot_content")

_COMMIT = "[0-9a-f]{40}"

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """MMLU-Pro as it was read: every row has passed the checks of ``load_benchmark``.

    Attributes:
        source: The Hub id, or the folder.
        revision: The commit of the Hub's data set; None for a folder.
        questions: The test split, ordered by question id.
        examples: The validation split in the file's own order, which ``leaderboard`` depends on.
    """

    source: str
    revision: str | None = None
    questions: tuple[Row, ...]
    examples: tuple[Row, ...]

    @cached_property
    def edition(self) -> str:
        """By the content alone: "2024" where some option of a question begins with a space, else "2026"."""
        spaced = any(option.startswith(" ") for row in self.questions for option in row["options"])
        return "2024" if spaced else "2026"

    @cached_property
    def digest(self) -> str:
        """sha256 of the content; file format, order of questions and further columns make no difference."""
        return content_digest((*self.questions, *self.examples))

    def of(self, category: str) -> tuple[Row, ...]:
        """The questions of one category."""
        return tuple(row for row in self.questions if row["category"] == category)

    def examples_of(self, category: str) -> tuple[Row, ...]:
        """The worked examples of one category."""
        return tuple(row for row in self.examples if row["category"] == category)


def content_digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """sha256 of the rows' columns that lm-eval's tasks read, in the order given."""
    canonical = [[row[column] for column in COLUMNS] for row in rows]
    return hashlib.sha256(json.dumps(canonical, ensure_ascii=False).encode()).hexdigest()


def load_benchmark(folder: Path | None = None, *, revision: str | None = None) -> Benchmark:
    """MMLU-Pro from the Hub (or the data sets' cache), or from a folder.

    Args:
        revision: Of the Hub's data set: a commit, or a branch, which is resolved to one. Not read with a folder.
        folder: Holds the test and the validation split as ``test*`` and ``validation*``, parquet, JSON (a list of
            objects) or JSON lines, also one level down in ``data/`` as on the Hub.

    Returns:
        All questions and worked examples, checked.

    Raises:
        SourceError: No such folder, no such files in it, or the Hub cannot be reached.
        DataError: A column is missing, an answer is not one of the options, a question id comes twice, a
            category has no question or fewer than five worked examples.
    """
    source, commit = (HUB_ID, revision) if folder is None else (str(folder), None)
    splits: list[list[Row]] = []
    for split in ("test", "validation"):
        where = f"{split} split of {source}"
        if folder is None:
            rows, commit = _from_hub(split, commit)
        else:
            rows = _from_folder(folder, split)
        splits.append([_checked(row, number, where) for number, row in enumerate(rows, 1)])
        twice = [str(key) for key, count in Counter(row["question_id"] for row in splits[-1]).items() if count > 1]
        if twice:
            raise DataError(
                f"The {where} has {len(twice)} question ids more than once (first: {twice[0]}); "
                "each question must have an id of its own."
            )
    questions, examples = splits
    for category in CATEGORIES:
        if not any(row["category"] == category for row in questions):
            raise DataError(
                f"The test split of {source} has no question of the category '{category}'; MMLU-Pro has "
                f"{len(CATEGORIES)} categories and a score needs all of them: fetch the data set again."
            )
        found = sum(row["category"] == category for row in examples)
        if found < SHOTS:
            raise DataError(
                f"The validation split of {source} has {found} worked examples of the category '{category}'; "
                f"{SHOTS} are needed: fetch the data set again."
            )
    return Benchmark(
        source=source,
        revision=commit,
        questions=tuple(sorted(questions, key=lambda row: row["question_id"])),
        examples=tuple(examples),
    )


def _checked(row: Mapping[str, Any], number: int, where: str) -> Row:
    """One row with the types that lm-eval's tasks expect, or a sentence about what is wrong with it."""
    missing = [column for column in COLUMNS if column not in row]
    if missing:
        raise DataError(
            f"The {where} lacks {'the column' if len(missing) == 1 else 'the columns'} {', '.join(missing)}; "
            f"MMLU-Pro has {', '.join(COLUMNS)}."
        )
    name = f"Question {row['question_id']!r} (row {number} of the {where})"
    options = row["options"]
    if isinstance(row["question_id"], bool) or not isinstance(row["question_id"], int):
        raise DataError(f"{name} has an id that is not a whole number; MMLU-Pro numbers its questions.")
    if not isinstance(row["question"], str) or not row["question"].strip():
        raise DataError(f"{name} has no text; fetch the data set again.")
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise DataError(f"{name} has options that are not a list of texts; fetch the data set again.")
    if not 1 <= len(options) <= len(LETTERS):
        raise DataError(f"{name} has {len(options)} options; MMLU-Pro offers 1 to {len(LETTERS)}.")
    letters = LETTERS[: len(options)]
    if not isinstance(row["answer"], str) or len(row["answer"]) != 1 or row["answer"] not in letters:
        raise DataError(
            f"{name} has the answer {row['answer']!r}, which is out of the range of its {len(options)} options "
            f"({letters[0]} to {letters[-1]}); fetch the data set again."
        )
    index = row.get("answer_index")
    if index is not None and index != letters.index(row["answer"]):
        raise DataError(
            f"{name} has the answer {row['answer']} but answer_index {index!r}, which does not name it; "
            "fetch the data set again."
        )
    if row["category"] not in CATEGORIES:
        raise DataError(f"{name} has the category {row['category']!r}, which MMLU-Pro does not have.")
    return {column: row[column] for column in COLUMNS}


def _from_folder(folder: Path, split: str) -> list[Row]:
    """The rows of a split's files in a folder or in its ``data`` folder."""
    if not folder.is_dir():
        raise SourceError(f"There is no folder {folder}; name the folder that holds MMLU-Pro's test and validation.")
    for place in (folder, folder / "data"):
        files = sorted(file for kind in ("parquet", "jsonl", "json") for file in place.glob(f"{split}*.{kind}"))
        if files:
            return [row for file in files for row in _read(file)]
    raise SourceError(
        f"{folder} holds no {split} split of MMLU-Pro: put {split}.parquet, {split}.json or {split}.jsonl there, "
        f"for example with 'hf download {HUB_ID} --repo-type dataset --local-dir {folder}'."
    )


def _read(file: Path) -> list[Row]:
    """The rows of one parquet, JSON or JSON lines file."""
    try:
        if file.suffix == ".parquet":
            import pyarrow.parquet

            rows = pyarrow.parquet.ParquetFile(file).read().to_pylist()
        elif file.suffix == ".jsonl":
            rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        else:
            rows = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataError(
            f"{file} cannot be read as {file.suffix[1:]} ({first_line(error)}); fetch the data set again."
        ) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{file} is not a list of objects, one a question; write one object a question.")
    return rows


def _from_hub(split: str, revision: str | None) -> tuple[list[Row], str | None]:
    """The rows of a split of the Hub's data set at a revision, from its cache where that has them; and their commit."""
    import datasets

    try:
        table = datasets.load_dataset(HUB_ID, split=split, revision=revision)
    except Exception as error:  # the libraries below raise a dozen kinds; each means: not here, not reachable
        at = f" at revision {revision}" if revision else ""
        raise SourceError(
            f"MMLU-Pro ({HUB_ID}{at}) is not on this machine and cannot be fetched from the Hub "
            f"({type(error).__name__}); connect to the network, or name a local copy with --data DIR that holds "
            "test and validation as parquet or JSON."
        ) from error
    # without a network the library gives whatever revision it has, so what was read is asked
    commits = {match[1] for name in table.info.download_checksums or () if (match := re.search(f"@({_COMMIT})/", name))}
    if revision and re.fullmatch(_COMMIT, revision) and commits - {revision}:
        raise SourceError(
            f"MMLU-Pro is on this machine at revision {min(commits)}, not at {revision}; connect to the network to "
            "fetch that, or choose the one that is here with --data-revision."
        )
    return table.to_list(), min(commits, default=revision)

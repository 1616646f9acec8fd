"""The files that a comparison is given: which they are, what each of them is, and which are passed over."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.documents import HUB_ID, read_json, records_in, shown
from nil_audit.auditing.record import Record
from nil_audit.catalog.lists import list_path, read_model_list
from nil_audit.comparison.reading.hub_results import FOLDER, SUFFIXES, hub_result_scores
from nil_audit.comparison.reading.open_records import OpenScore, evaluation_record_scores, is_evaluation_record
from nil_audit.errors import DataError, NilAuditError
from nil_audit.score.lm_eval_results import is_lm_eval_result, read_lm_eval_results

if TYPE_CHECKING:
    import pandas as pd

_WANTED = (
    "records and scores that 'nil-audit MODEL --out DIR' and 'nil-audit score MODEL --out DIR' wrote or --json printed"
    " (.json), lm-eval results (.json), model lists (.csv with a column 'model'), EvalEval's records (.json) and the"
    " Hub's evaluation results (.eval_results/*.yaml)"
)


@dataclass(frozen=True, kw_only=True)
class Material:
    """What the files hold, in their order, each with the name of its file.

    Attributes:
        lists: Model lists.
        records: Records of audits.
        scores: Score rows that ``nil-audit score`` wrote.
        lm_eval: Score rows of lm-eval's result files.
        open_scores: Of EvalEval's records and the Hub's evaluation results.
        notes: A sentence for each file, or part of one, that could not be read.
    """

    lists: "list[tuple[Path, pd.DataFrame]]" = field(default_factory=list)
    records: list[tuple[Path, Record]] = field(default_factory=list)
    scores: list[tuple[Path, Mapping[str, Any]]] = field(default_factory=list)
    lm_eval: list[tuple[Path, Mapping[str, Any]]] = field(default_factory=list)
    open_scores: list[tuple[Path, OpenScore]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        rows = len(self.records) + len(self.scores) + len(self.lm_eval) + len(self.open_scores)
        return len(self.lists) + rows


def read_material(paths: Sequence[Path | str]) -> Material:
    """Read every file that the paths name; a file that two of them lead to is read once.

    Args:
        paths: Model lists (``.csv``; also "model_lists/NAME.csv" of those that ship), records, documents of records or
            scores, lm-eval results and EvalEval's records (JSON in a file of any name), the Hub's evaluation results
            (YAML), or folders that hold such files, ``.csv``, ``.json`` and ``.eval_results/*.yaml``, at any depth.

    Raises:
        DataError: A path does not exist, holds nothing of the kind, or is a file that is damaged. In a folder a damaged
            file is passed over with a note.
    """
    named = [list_path(path) for path in paths]
    missing = [path for path in named if not _exists(path)]
    if missing:
        raise DataError(_not_there(missing))
    material, held = Material(), dict[Path, int]()
    for path in named:
        files = _in_folder(path) if path.is_dir() else [path]
        for file in files:
            if file.resolve() in held:
                continue
            before = len(material)
            try:
                _read_file(file, material, alone=not path.is_dir())
            except NilAuditError as error:
                if not path.is_dir():
                    raise
                material.notes.append(f"Passed over: {error}")
            held[file.resolve()] = len(material) - before
        if not any(held[file.resolve()] for file in files):
            raise DataError(_nothing_in(path, material.notes))
    return material


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # longer than file names may be
        return False


def _not_there(missing: Sequence[Path]) -> str:
    """Why paths that do not exist cannot be compared, and what to do where they look like models of the Hub."""
    ids = [str(path) for path in missing if HUB_ID.fullmatch(str(path)) and path.suffix not in (".json", ".csv")]
    first = shown(missing[0])
    if not ids:
        return f"There is no file or folder {first}; check the path."
    models = shown(shlex.join(ids))
    return (
        f"There is no file or folder {first}, and compare reads files, not models; 'nil-audit {models} --out audit/'"
        " audits models of the Hub, and 'nil-audit compare audit/' compares them."
    )


def _in_folder(folder: Path) -> list[Path]:
    """The files in a folder that may hold something, by name."""
    return sorted(
        file
        for file in folder.rglob("*")
        if (
            file.suffix.lower() in (".json", ".csv") or (file.suffix.lower() in SUFFIXES and file.parent.name == FOLDER)
        )
        and file.is_file()
        and not _is_of_samples(file)
    )


def _is_of_samples(file: Path) -> bool:
    """Whether a file holds the answers of lm-eval beside its results, which 0.4.3 called ``.json`` too."""
    return file.name.startswith("samples_") and any(file.parent.glob("results*.json"))


def _nothing_in(path: Path, notes: Sequence[str]) -> str:
    place, passed = shown(path), f" {notes[-1]}" if notes else ""
    if (path / "config.json").is_file():
        return (
            f"The folder {place} is a model, and compare reads what was measured: 'nil-audit {shlex.quote(place)} --out"
            " audit/' audits it, and 'nil-audit compare audit/' compares."
        )
    if path.is_dir():
        return f"The folder {place} holds nothing to compare; compare looks in it, at any depth, for {_WANTED}.{passed}"
    return f"{place} holds no record and no score; compare reads {_WANTED}.{passed}"


def _read_file(file: Path, material: Material, *, alone: bool) -> None:
    """Add what a file holds; of files that were found in a folder those of another kind add nothing.

    Raises:
        NilAuditError: The file is damaged, or was named and is of another kind.
    """
    if file.suffix.lower() == ".csv":
        _read_table(file, material, alone=alone)
        return
    if file.suffix.lower() in SUFFIXES:
        _add_open(file, hub_result_scores(file), material, alone=alone)
        return
    document = read_json(
        file,
        f"is neither JSON nor a model list (.csv), so there is nothing in it to compare; compare reads {_WANTED}.",
    )
    known = document if isinstance(document, dict) else {}
    is_record = {"schema", "model", "shape"} <= known.keys()
    if is_record or isinstance(known.get("records"), list) or isinstance(known.get("scores"), list):
        records, notes = records_in(document, shown(file))
        material.records.extend((file, record) for record in records)
        material.notes.extend(notes)
        if not is_record:
            _read_scores(file, known, material)
    elif is_lm_eval_result(document):
        try:
            material.lm_eval.extend((file, row) for row in read_lm_eval_results(file))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"{shown(file)} is a damaged result of lm-eval ({error!r}); run it again.") from error
    elif is_evaluation_record(document):
        _add_open(file, evaluation_record_scores(document, file), material, alone=alone)
    elif alone:
        raise DataError(f"{shown(file)} holds {_what(document)}; compare reads {_WANTED}.")


def _add_open(file: Path, scores: Sequence[OpenScore], material: Material, *, alone: bool) -> None:
    """Add the scores of a file in an open format, which may hold none: such files are of every benchmark."""
    if alone and not scores:
        raise DataError(f"{shown(file)} holds no score of MMLU-Pro as a whole; give evaluations that have one.")
    material.open_scores.extend((file, score) for score in scores)


def _read_scores(file: Path, document: Mapping[str, Any], material: Material) -> None:
    """The score rows of a document; one that is damaged is passed over with a note."""
    rows = document.get("scores")
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("model"), str):
            material.scores.append((file, row))
        else:
            material.notes.append(f"Passed over: {shown(file)} has a score that names no model; score it again.")


def _read_table(file: Path, material: Material, *, alone: bool) -> None:
    """Add a model list. The tables that nil-audit writes beside its JSON are none."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace") as opened:
            columns = [name.strip(' "\n') for name in opened.readline(100_000).split(",")]
    except OSError as error:
        raise DataError(f"The model list {shown(file)} cannot be read ({error.strerror}); check the path.") from error
    kept_for_people = "category" in columns or ("verdict" in columns and "distance_law" not in columns)
    if not alone and ("model" not in columns or kept_for_people or "distance_law" in columns):
        return
    if kept_for_people:
        raise DataError(
            f"{shown(file)} is a table that nil-audit wrote for people, not a model list; give the folder that it lies"
            " in, whose JSON holds all of it."
        )
    material.lists.append((file, read_model_list(file)))


def _what(document: Any) -> str:
    """What a document is that is nothing to compare."""
    if not isinstance(document, dict):
        return f"a JSON {_JSON_NAMES[type(document)]} and no record and no score"
    if document.get("kind") == "comparison":
        return "a comparison; give what it was made from"
    if "published" in document:
        return "published scores alone, which compare adds by itself to the models of the Hub that it is given"
    return "no record, no score and no lm-eval result"


_JSON_NAMES = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}

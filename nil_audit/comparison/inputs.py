"""What a comparison is given: model lists, records, report folders and lm-eval results, read into two tables."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.record import Record, record_from
from nil_audit.catalog.lists import read_model_list
from nil_audit.comparison.predictors import METRICS
from nil_audit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SHAPE_COLUMNS = ("family", "depth", "width", "parameters", "tokens", "release", "lineage", "uncertain", "kind")
SCORE_COLUMNS = ("protocol", "score", "stderr", "chance", "origin", "source", "flag", "kind")
OWN_PROTOCOL = "table"
"""Protocol of scores in a list that does not name one."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What was read.

    Attributes:
        shapes: A row a model and source: model, whichever of `SHAPE_COLUMNS` it gives, measured metrics.
        scores: A row a score: model and `SCORE_COLUMNS`.
        notes: Sentences about what was read and what was passed over.
    """

    shapes: "pd.DataFrame"
    scores: "pd.DataFrame"
    notes: tuple[str, ...]


def read_inputs(paths: Sequence[Path | str]) -> Inputs:
    """Read everything that a comparison is given.

    Args:
        paths: Model lists (``.csv``), records and lm-eval results (``.json``), or folders that hold such JSON files
            at any depth.

    Raises:
        DataError: A path does not exist or holds nothing of the kind, or a file is damaged.
    """
    import pandas as pd

    shapes: list[pd.DataFrame] = []
    scores: list[pd.DataFrame] = []
    records: list[Record] = []
    notes: list[str] = []
    for path in map(Path, paths):
        if path.suffix.lower() == ".csv":
            listed = read_model_list(path)
            shapes.append(listed[["model", *(name for name in (*SHAPE_COLUMNS, *METRICS) if name in listed)]])
            if "score" in listed:
                scores.append(_own_scores(listed, path))
            continue
        for file, document in _documents(path):
            if _is_record(document):
                records.append(record_from(document, str(file)))
            else:
                found, remark = _lm_eval_scores(file, alone=path.is_file())
                scores.append(found)
                notes += remark
    if records:
        of_records, own, remark = _from_records(records)
        shapes.append(of_records)
        scores.append(own)
        notes += remark
    empty = pd.DataFrame({"model": pd.Series(dtype=str)})
    scores = [table for table in scores if len(table)]
    return Inputs(
        shapes=pd.concat(shapes, ignore_index=True) if shapes else empty,
        scores=pd.concat(scores, ignore_index=True) if scores else empty.reindex(columns=["model", *SCORE_COLUMNS]),
        notes=tuple(notes),
    )


def _documents(path: Path) -> list[tuple[Path, Any]]:
    """Every record and lm-eval result that a path names: a file, or a folder that may hold other JSON too."""
    if not path.exists():
        raise DataError(f"There is no file or folder {path}; check the path.")
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    found = [(file, document) for file in files if _is_record(document := _read(file)) or _is_lm_eval(document)]
    if not found and path.is_dir():
        raise DataError(
            f"The folder {path} holds no record and no lm-eval result; give one that 'nil-audit MODEL --out' or lm-eval"
            " wrote, or a model list (.csv)."
        )
    if not found:
        raise DataError(
            f"{path} is neither a record nor an lm-eval result; give a file that 'nil-audit MODEL --out' or lm-eval"
            " wrote."
        )
    return found


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}); check the path.") from error
    except ValueError as error:
        raise DataError(f"{file} is not JSON ({error}); delete it or write it again.") from error


def _is_record(document: Any) -> bool:
    return isinstance(document, dict) and {"schema", "model", "shape"} <= document.keys()


def _is_lm_eval(document: Any) -> bool:
    return isinstance(document, dict) and {"results", "configs"} <= document.keys()


def _own_scores(listed: "pd.DataFrame", path: Path) -> "pd.DataFrame":
    """Scores that a list carries in its column ``score``."""
    given = listed[listed["score"].notna()]
    own = given[["model", *(name for name in SCORE_COLUMNS if name in given)]].copy()
    if "protocol" not in own:
        own["protocol"] = OWN_PROTOCOL
    own["protocol"] = own["protocol"].replace("", OWN_PROTOCOL)
    if "origin" not in own:
        own["origin"] = "table"
    if "source" not in own:
        own["source"] = path.name
    return own


def _from_records(records: Sequence[Record]) -> tuple["pd.DataFrame", "pd.DataFrame", list[str]]:
    """Shapes with metrics, measured scores, and remarks.

    Metrics of different probes, windows or token counts are not comparable: those of the commonest setting stay.
    """
    import pandas as pd

    asked = Counter(_setting(record) for record in records if record.interaction is not None)
    common = asked.most_common(1)[0][0] if asked else None
    shapes, scores, remarks = [], [], []
    for record in records:
        same = record.interaction is not None and _setting(record) == common
        metrics = {key: record.metric(key) for key in METRICS} if same else {}
        total = record.shape.parameters.total if record.shape.parameters else None
        shapes.append(
            {"model": record.name, "depth": record.shape.depth, "width": record.shape.width, "parameters": total}
            | {key: found.value for key, found in metrics.items() if found is not None}
        )
        scores += [_measured(record.name, row) for row in record.scores if row.get("origin") == "measured"]
    if len(asked) > 1 and common is not None:
        remarks.append(
            f"Records differ in probe, window or tokens, so their metrics cannot be compared: those of the"
            f" {asked[common]} that share one setting are used, and {asked.total() - asked[common]} are not."
        )
    return pd.DataFrame(shapes), pd.DataFrame(scores), remarks


def _setting(record: Record) -> tuple[Any, ...]:
    interaction = record.interaction or {}
    probe = interaction.get("probe") or {}
    return probe.get("sha256"), interaction.get("window"), interaction.get("tokens")


def _measured(model: str, row: Any) -> dict[str, Any]:
    return {
        "model": model,
        "protocol": row.get("protocol"),
        "score": row.get("accuracy"),
        "stderr": row.get("stderr"),
        "chance": row.get("chance"),
        "origin": "measured",
        "source": "measured by nil-audit",
        "flag": row.get("flag"),
    }


def _lm_eval_scores(file: Path, *, alone: bool) -> tuple["pd.DataFrame", list[str]]:
    """MMLU-Pro scores of one lm-eval result file; in a folder a file without any is passed over with a remark."""
    import pandas as pd

    from nil_audit.score.lm_eval_results import read_lm_eval_results

    try:
        rows = read_lm_eval_results(file)
    except DataError as error:
        if alone:
            raise
        return pd.DataFrame(), [f"Passed over: {error}"]
    scores = [{**_measured(row["model"], row), "origin": "lm-eval", "source": f"lm-eval, {file.name}"} for row in rows]
    return pd.DataFrame(scores), []

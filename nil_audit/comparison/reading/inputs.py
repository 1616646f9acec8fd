"""From files and records to what they say of models, each thing with where it is from."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.documents import shown
from nil_audit.auditing.record import Record, setting
from nil_audit.catalog.lists import LIMITS, NUMBERS, WHOLE_NUMBERS, listed_shape, shipped_list
from nil_audit.comparison.predictors import METRICS
from nil_audit.comparison.reading.documents import read_material
from nil_audit.comparison.reading.open_records import OpenScore, percent_notes
from nil_audit.comparison.reading.said import FACTS, MEASURED, OWN_PROTOCOL, SCORE_COLUMNS, Facts, Place, Score
from nil_audit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What was read.

    Attributes:
        facts: Of records first, then of lists, then of score rows, each in the order of the files.
        scores: Of every file.
        notes: Sentences about what was passed over.
    """

    facts: tuple[Facts, ...]
    scores: tuple[Score, ...]
    notes: tuple[str, ...]


def read_inputs(paths: Sequence[Path | str], records: Sequence[Record] = (), *, as_facts: Sequence[str] = ()) -> Inputs:
    """Read everything that a comparison is given.

    Args:
        paths: See `nil_audit.comparison.reading.documents.read_material`.
        records: That are at hand already.
        as_facts: See `of_list`.

    Raises:
        DataError: A path does not exist, holds nothing of the kind, or is a file that is damaged.
    """
    material = read_material(paths)
    facts: list[Facts] = []
    scores: list[Score] = []
    notes = list(material.notes)

    def add(file: Path, read: Callable[[], tuple[list[Facts], list[Score]]]) -> None:
        try:
            said, scored = read()
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            notes.append(f"Passed over: {shown(file)} is damaged ({error!r}); measure the model again.")
        except DataError as error:
            notes.append(f"Passed over: {error}")
        else:
            facts.extend(said)
            scores.extend(scored)

    for file, record in (*((Path("the record given"), one) for one in records), *material.records):
        add(file, partial(_of_record, file, record))
    for file, listed in material.lists:
        add(file, partial(of_list, listed, shown(file.name), as_facts=as_facts))
    for file, row in material.scores:
        add(file, partial(_of_score, file, row))
    for file, row in material.lm_eval:
        add(file, partial(_of_lm_eval, file, row))
    counted = {(one.digest, one.protocol, one.created) for one in scores if one.digest}
    for file, score in material.open_scores:
        # the folder of a run holds its scores twice: rounded for the Hub, and as they are
        if not score.measured or (score.digest, score.protocol, score.created) not in counted:
            add(file, partial(_of_open, file, score))
    notes += percent_notes(score for _, score in material.open_scores)
    if not facts and not scores:
        raise DataError(notes[-1].removeprefix("Passed over: ") if notes else "The files hold no model; give others.")
    return Inputs(facts=tuple(facts), scores=tuple(scores), notes=tuple(notes))


def of_list(
    listed: "pd.DataFrame", source: str, *, place: Place = "either", as_facts: Sequence[str] = ()
) -> tuple[list[Facts], list[Score]]:
    """What a model list says of its models, and the scores that it carries in its column ``score``.

    Args:
        listed: From `nil_audit.catalog.lists.read_model_list`.
        source: Its name.
        place: Where its models lie; a list that ships with nil-audit lies on the Hub, whatever its file is called.
        as_facts: Columns of a score ("score", "stderr", "flag") that are read as any other number of a model is.
    """
    place = "hub" if _is_shipped(listed) else place
    names = (*FACTS, *METRICS, *as_facts, *_other_numbers(listed))
    facts, scores = [], []
    for row in listed.to_dict("records"):
        given = {str(name): value for name, value in row.items() if value != "" and value == value}
        values = {name: given[name] for name in names if name in given} | _body(row)
        facts.append(Facts(model=str(row["model"]), place=place, source=source, values=values))
        if "score" in given:
            own = {"protocol": OWN_PROTOCOL, "origin": "table", "source": source}
            own |= {name: given[name] for name in SCORE_COLUMNS if name in given}
            scores.append(Score(model=str(row["model"]), place=place, source=source, values=own))
    return facts, scores


def _other_numbers(listed: "pd.DataFrame") -> list[str]:
    """The columns that may hold a score, a loss or a size of the list's own: some cell is a number."""
    known = {"model", *FACTS, *METRICS, *SCORE_COLUMNS, *WHOLE_NUMBERS, *NUMBERS}
    return [name for name in map(str, listed.columns) if name not in known and listed[name].map(_is_number).any()]


def _is_number(cell: Any) -> bool:
    try:
        return math.isfinite(float(cell))
    except (TypeError, ValueError):
        return False


def _body(row: Mapping[Any, Any]) -> dict[str, int]:
    """The parameters without both vocabulary matrices, where the list gives what they follow from and not them."""
    if "body_parameters" in row:
        return {}
    try:
        shape = listed_shape(row)
    except DataError:  # more embeddings than parameters: the size is not held fixed by this, unless it is asked for
        return {}
    return {} if shape is None or shape.parameters is None else {"body_parameters": shape.parameters.body}


def _is_shipped(listed: "pd.DataFrame") -> bool:
    """Whether a list is one of nil-audit's own, or a part of one: the same rows, whole."""
    whole = shipped_list()
    return list(listed.columns) == list(whole.columns) and len(listed.merge(whole)) == len(listed)


def _of_record(file: Path, record: Record) -> tuple[list[Facts], list[Score]]:
    """The shape and the metrics of a record, and the scores that were measured with it.

    Published scores that it repeats are left to the published table.
    """
    name, where = record.name, shown(file)
    place = _PLACES.get(str(record.model.get("source") or record.shape.source), "either")
    digest = str(record.model.get("digest") or "")
    counted = record.shape.parameters
    total = counted.total if counted else None
    measured = {} if record.interaction is None else {key: record.metric(key) for key in MEASURED}
    facts = Facts(
        model=name,
        place=place,
        digest=digest,
        source=where,
        created=str(record.created),
        record=True,
        setting=setting(record),
        values=_shape(where, record.shape.depth, record.shape.width, total)
        | ({"body_parameters": counted.body} if counted else {})
        | {key: _number(found.value, key, where) for key, found in measured.items() if found is not None}
        | {
            f"{key}_stderr": found.se
            for key, found in measured.items()
            if key not in METRICS and found is not None and found.se is not None
        },
    )
    rows = [row for row in record.scores if row.get("origin") in ("measured", "lm-eval")]
    return [facts], [
        _score(row, where, model=name, place=place, digest=str(row.get("checkpoint") or digest)) for row in rows
    ]


def _of_score(file: Path, row: Mapping[str, Any]) -> tuple[list[Facts], list[Score]]:
    """A row of ``nil-audit score``, and the shape that it states of its model."""
    if row.get("origin", "measured") != "measured":
        return [], []
    name, where, digest = str(row["model"]), shown(file), str(row.get("checkpoint") or "")
    place = _PLACES.get(digest.partition(":")[0], "either")
    said = _score(row, where, model=name, place=place, digest=digest)
    return _facts_beside(row.get("shape"), said), [said]


def _of_lm_eval(file: Path, row: Mapping[str, Any]) -> tuple[list[Facts], list[Score]]:
    return [], [_score(row, shown(file), model=str(row["model"]), place="either")]


def _of_open(file: Path, score: OpenScore) -> tuple[list[Facts], list[Score]]:
    """A score in an open format, which others have published or nil-audit measured, and the shape beside it."""
    where, values = shown(file), {"protocol": score.protocol, "score": score.accuracy, "stderr": score.stderr}
    said = Score(
        model=score.model,
        place=score.place,
        digest=score.digest,
        source=where,
        questions=score.questions,
        created=score.created,
        values=values | {"origin": "measured" if score.measured else "published", "source": score.source},
    )
    return _facts_beside(score.shape, said), [said]


def _facts_beside(shape: Mapping[str, Any] | None, said: Score) -> list[Facts]:
    """The shape that is stated beside a score, where there is one."""
    if not shape:
        return []
    values = _shape(said.source, shape["depth"], shape["width"], shape.get("parameters"))
    return [Facts(model=said.model, place=said.place, digest=said.digest, source=said.source, values=values)]


def _score(row: Mapping[str, Any], where: str, *, model: str, place: Place, digest: str = "") -> Score:
    """A score row that nil-audit measured or read from lm-eval."""
    if not isinstance(row["protocol"], str) or row.get("accuracy") is None:
        raise DataError(f"{where} has a score of {model} without protocol or accuracy; score it again.")
    measured = row["origin"] == "measured" if "origin" in row else True
    return Score(
        model=model,
        place=place,
        digest=digest,
        source=where,
        questions=int(_number(row.get("questions"), "questions", where) or 0),
        created=str(row.get("created") or ""),
        values={
            "protocol": str(row["protocol"]),
            "score": _number(row["accuracy"], "accuracy", where),
            "stderr": _number(row.get("stderr"), "stderr", where),
            "chance": _number(row.get("chance"), "chance", where),
            "origin": "measured" if measured else "lm-eval",
            "source": "measured by nil-audit" if measured else f"lm-eval, {row.get('source') or where!s}",
            "flag": str(row.get("flag") or ""),
        },
    )


def _shape(where: str, depth: Any, width: Any, parameters: Any) -> dict[str, float]:
    """Depth, width and, where they are known, parameters.

    Raises:
        DataError: One of them is not a whole number above zero and within reason.
    """
    values = {"depth": depth, "width": width, "parameters": parameters}
    values = {name: value for name, value in values.items() if value is not None}
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LIMITS[name]:
            raise DataError(f"{where} gives a model the {name} {str(value)[:40]}; measure it again.")
    return values


def _number(value: Any, name: str, where: str) -> float | None:
    """A number of a score row; None where it is missing.

    Raises:
        DataError: It is not a number.
    """
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
        return float(value)
    raise DataError(f"{where} has the {name} {str(value)[:40]}, which is not a number; score the model again.")


_PLACES: dict[str, Place] = {"hub": "hub", "list": "hub", "git": "hub", "local": "local", "sha256": "local"}
"""By the source of a record, or the kind of a digest."""

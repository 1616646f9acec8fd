"""Models with their scores, from whatever a comparison was given and what is known of models of the Hub."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.record import Record
from nil_audit.catalog.lists import DEFAULT, hub_key, shipped_list
from nil_audit.catalog.scores import MMLU_PRO_CHANCE, published_scores
from nil_audit.comparison.predictors import METRICS
from nil_audit.comparison.reading.counted import count_records, count_scores, listed, spoken
from nil_audit.comparison.reading.identity import Model, identify
from nil_audit.comparison.reading.inputs import Inputs, of_list, read_inputs
from nil_audit.comparison.reading.said import FACTS, SCORE_COLUMNS, Score
from nil_audit.comparison.result import Omission

if TYPE_CHECKING:
    import pandas as pd

OF_EVERY_REVISION = (
    *("family", "organisation", "depth", "width", "parameters", "body_parameters", "lineage", "domain", "uncertain"),
    "kind",
)
"""What the shipped list says of a model that is true of its earlier checkpoints too. Training tokens, the month of
release and scores belong to one revision."""

_CHECKPOINT = re.compile(r"(checkpoint|ckpt|global_step|step|epoch|iter|iteration)[-_]?\d+", re.IGNORECASE)
"""The last part of the path of one checkpoint of a training run."""


def read_frame(
    paths: Sequence[Path | str] = (), records: Sequence[Record] = (), *, outcome: str | None = None
) -> tuple["pd.DataFrame", list[Omission], list[str]]:
    """The frame of a comparison's inputs: a row a model and protocol of MMLU-Pro, published scores joined.

    Args:
        paths: As for `nil_audit.comparison.reading.inputs.read_inputs`; with no records either: the shipped list.
        records: Likewise.
        outcome: A column that is compared in place of MMLU-Pro: a row a model of known shape, whether it has a number
            there or not, and no scores of MMLU-Pro.

    Returns:
        The frame (columns as in `nil_audit.comparison.table`, and every other column of numbers that a list has), the
        models that no score or no shape is known of, and notes.

    Raises:
        DataError: See `nil_audit.comparison.reading.inputs.read_inputs`.
    """
    import pandas as pd

    as_facts = () if outcome is None else ("score", "stderr", "flag")
    inputs = read_inputs(paths, records, as_facts=as_facts) if paths or records else _shipped()
    models, notes = identify(inputs.facts, inputs.scores)
    audited, on_records = count_records(models)
    families = _families(models)
    on_scores: list[str] = []
    excluded, rows, known = [], [], {}
    for model in models:
        record = audited.get(model.name, {})
        facts = known[model.name] = _facts(model, record, families)
        if outcome is not None and "depth" in facts and "width" in facts:
            rows.append({**facts, **_origin(model, outcome, record), "model": model.name})
            continue
        scores, remarks = count_scores(replace(model, scores=(*model.scores, *_published().get(model.key, ()))))
        on_scores += remarks
        if "depth" not in facts or "width" not in facts:
            excluded.append(Omission(what=model.name, reason=_NO_SHAPE))
        elif not scores:
            excluded.append(Omission(what=model.name, reason=_NO_SCORE))
        else:
            rows += [{**score.values, **facts, "model": model.name} for score in scores]
    others = (name for facts in known.values() for name in facts)
    frame = pd.DataFrame(rows, columns=[*dict.fromkeys(("model", *FACTS, *SCORE_COLUMNS, *METRICS, *others))])
    frame = frame.drop(columns=[name for name in METRICS if frame[name].isna().all()])
    remarks = [
        *on_records,
        *_contradictions(models, known, ("depth", "width", *([outcome] if outcome else []))),
        *spoken(on_scores),
        *_not_taken(models),
        *_missing(models, known, outcome),
    ]
    return frame, excluded, [*inputs.notes, *notes, *remarks]


_NO_SHAPE = (
    "Depth and width are not known; give its record ('nil-audit MODEL --shape-only --out audit/') or a model list with"
    " them too."
)
_NO_SCORE = "No score of it is known; 'nil-audit score MODEL --out scores/' measures one, or give lm-eval results."


def _origin(model: Model, outcome: str, record: Mapping[str, Any]) -> dict[str, str]:
    """Whether a record measured a model's outcome or a list gives it, and where."""
    if outcome in record:
        return {"origin": "measured", "source": "measured by nil-audit"}
    given = next((one.source for one in model.facts if outcome in one.values), "")
    return {"origin": "table", "source": given}


def _shipped() -> Inputs:
    facts, scores = of_list(shipped_list(DEFAULT), "the list that ships with nil-audit", place="hub")
    return Inputs(facts=tuple(facts), scores=tuple(scores), notes=())


def _facts(model: Model, record: Mapping[str, Any], families: Mapping[str, str]) -> dict[str, Any]:
    """What its record says of a model, then what lists say, then what the shipped list says of its id."""
    facts = dict(record)
    for one in model.facts:
        if not one.record:
            facts = {**one.values, **facts}
    if model.key:
        shipped = _catalogue().get(model.key) or {
            name: value for name, value in _catalogue().get(_plain(model.key), {}).items() if name in OF_EVERY_REVISION
        }
        if any(facts.get(name, shipped.get(name)) != shipped.get(name) for name in ("depth", "width")):
            # the inputs speak of another shape, which has another size
            sized = ("parameters", "body_parameters", "uncertain")
            shipped = {name: value for name, value in shipped.items() if name not in sized}
        facts = {**shipped, **facts}
    if "family" not in facts and (family := families.get(_plain(model.key)) if model.key else _folder(model)):
        facts["family"] = family
    return facts


def _plain(key: str) -> str:
    """A Hub id without its revision."""
    return key.partition("@")[0]


def _families(models: Sequence[Model]) -> dict[str, str]:
    """The families that the inputs name of Hub ids: every revision of one is of its family."""
    named = [
        (_plain(model.key), one.values["family"])
        for model in models
        if model.key
        for one in model.facts
        if "family" in one.values
    ]
    return dict(reversed(named))


def _folder(model: Model) -> str:
    """The family of a folder that no list names one of: the folder that it lies in with others of its kind.

    Checkpoints of one run ("run/checkpoint-1000") are of the family of the run.
    """
    path = PurePosixPath(model.written)
    run = path.parent if _CHECKPOINT.fullmatch(path.name) else path
    return f"{run.parent}/".replace("//", "/")


@cache
def _catalogue() -> dict[str, dict[str, Any]]:
    """What the shipped list says of each Hub id, by its key."""
    facts, _ = of_list(shipped_list(DEFAULT), "", place="hub")
    return {hub_key(one.model): dict(one.values) for one in facts}


@cache
def _published() -> dict[str, list[Score]]:
    """Published scores by Hub id: one a model and protocol, flagged only where there is no other."""
    import pandas as pd

    usable = published_scores(one_per_model=True)
    flagged = published_scores(include_flagged=True)
    flagged = flagged[flagged["flag"] != ""].drop_duplicates(["model", "protocol"])
    table = pd.concat([usable, flagged], ignore_index=True).drop_duplicates(["model", "protocol"])
    table = table.assign(origin="published", chance=MMLU_PRO_CHANCE).rename(columns={"accuracy": "score"})
    found: dict[str, list[Score]] = {}
    for row in table.to_dict("records"):
        values = {name: row[name] for name in SCORE_COLUMNS if row[name] == row[name]}
        found.setdefault(hub_key(row["model"]), []).append(Score(model=row["model"], place="hub", values=values))
    return found


def _contradictions(
    models: Sequence[Model], known: Mapping[str, Mapping[str, Any]], columns: Sequence[str]
) -> list[str]:
    """Numbers that a list gives otherwise than what counts."""
    return [
        f"{one.source} gives {model.name} the {name} {_cell(one.values[name])};"
        f" {_cell(known[model.name][name])} counts."
        for model in models
        for one in model.facts
        for name in columns
        if name in one.values and name in known[model.name] and not _same(one.values[name], known[model.name][name])
    ]


def _cell(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _same(one: Any, other: Any) -> bool:
    """Whether two cells say the same, to the digits that a list is written in."""
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-3)
    except (TypeError, ValueError):
        return bool(one == other)


def _not_taken(models: Sequence[Model]) -> list[str]:
    """What is known of a Hub id and was not taken, since the model is not that one."""
    there = {*_catalogue(), *_published()}
    revisions = [model.name for model in models if "@" in model.key and _plain(model.key) in there]
    folders = [model.name for model in models if model.local and hub_key(model.written) in there]
    notes = []
    if revisions:
        notes.append(
            f"Of {listed(revisions)} family and shape are taken from the list that ships with nil-audit; its training"
            " tokens and months of release, and published scores, belong to other revisions and are not."
        )
    if folders:
        notes.append(
            f"{listed(folders)} {'is a folder' if len(folders) == 1 else 'are folders'} here: what is published of"
            " models of the Hub by that name is not taken."
        )
    return notes


def _missing(models: Sequence[Model], known: Mapping[str, Mapping[str, Any]], outcome: str | None) -> list[str]:
    """What is not known of models that were measured here, and how to give it.

    Of a sweep of one's own, which an outcome of one's own is, neither tokens nor months are missed.
    """
    wanted = [("parameters", "size"), ("tokens", "training tokens"), ("release", "month of release")]
    if outcome is None:
        measured = [model for model in models if any(score.origin in ("measured", "lm-eval") for score in model.scores)]
    else:
        measured = [
            model for model in models if outcome in known[model.name] and any(one.record for one in model.facts)
        ]
    lacking = {
        words: names
        for column, words in (wanted if outcome is None else wanted[:1])
        if (names := [one.name for one in measured if "depth" in known[one.name] and column not in known[one.name]])
    }
    guessed = [one.name for one in measured if one.local and not any("family" in fact.values for fact in one.facts)]
    notes = []
    if guessed:
        notes.append(
            f"No family is named of {listed(guessed)}: folders that lie in one folder are taken as one family. A model"
            " list (.csv) with the columns model and family, given too, says otherwise."
        )
    if lacking:
        said = "; ".join(f"{words} of {listed(names)}" for words, names in lacking.items())
        notes.append(
            f"Not known: {said}. Results that hold these fixed go without; a model list (.csv) with the columns model,"
            " parameters_b, tokens_t and release, given too, adds them."
        )
    return notes

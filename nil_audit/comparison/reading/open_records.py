"""Scores of MMLU-Pro in open formats: EvalEval's records ("Every Eval Ever"), and what all such formats share.

EvalEval's records (github.com/evaleval/every_eval_ever, eval.schema.json, versions 0.0 to 0.2) are JSON, a file a model
and source. The Hub's evaluation results are read by `nil_audit.comparison.reading.hub_results`.

No such format has a field for how the benchmark was asked. So a score's protocol is named after all that its file
states of that (source, who evaluated, library, worked examples, remarks, revision of the questions): scores are of one
protocol only where all of it is alike. The one exception is EvalEval's copy of the Open LLM Leaderboard v2, whose
scores are those of the protocol ``leaderboard``, digit for digit.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from nil_audit.auditing.documents import shown
from nil_audit.errors import DataError
from nil_audit.score.protocols import REVISIONS

DATA_SET = "tiger-lab/mmlu-pro"
"""The questions' Hub id, in lower case."""
WHOLE = {"", "default", "all", "overall", "mmlu pro", "mmlu pro overall", "mmlu pro all", "leaderboard mmlu pro"}
"""Names, in plain words, of the whole benchmark; others with its questions are parts of it."""
_LEADERBOARD = "hf open llm v2 hugging face"
"""Source and evaluator, in plain words, of scores of the Open LLM Leaderboard v2."""
_SHOTS = ("num_fewshot", "n_shot", "n_shots", "num_shots", "shots", "few_shot")
_NAMED = 3
"""Of more models than this the others are counted, not named."""


@dataclass(frozen=True, kw_only=True)
class OpenScore:
    """One score of MMLU-Pro.

    Attributes:
        model: Its Hub id, or the folder that its evaluation results lie in.
        place: Where the model lies: "local" where its evaluation results lie beside its checkpoint.
        protocol: See the module.
        accuracy: Raw, 0 to 1.
        stderr: Its standard error; None where that is not stated.
        questions: How many were asked; 0 where that is not stated.
        created: UTC time of the evaluation, or of its record, ISO 8601; "" where none is stated.
        source: Where it is from and which revision of the questions it names, for people.
        percent: Whether the file gives it in per cent, without saying so.
        measured: Whether nil-audit measured it.
        digest: Of its checkpoint; "" where that is not known.
        shape: Depth, width and parameters, where its checkpoint's configuration lies beside the file.
    """

    model: str
    place: Literal["hub", "local"]
    protocol: str
    accuracy: float
    stderr: float | None = None
    questions: int = 0
    created: str = ""
    source: str
    percent: bool
    measured: bool = False
    digest: str = ""
    shape: Mapping[str, int | None] | None = None


def is_evaluation_record(document: Any) -> bool:
    """Whether a parsed JSON document is a record of EvalEval, of whatever benchmarks."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("model_info"), dict)
        and isinstance(document.get("evaluation_results"), list)
    )


def evaluation_record_scores(document: Mapping[str, Any], file: Path) -> list[OpenScore]:
    """The scores of MMLU-Pro as a whole in a record of EvalEval; none where it is of other benchmarks.

    Args:
        document: See `is_evaluation_record`.
        file: Its file.

    Raises:
        DataError: It names no model, or a score of MMLU-Pro is missing, is no accuracy, or is beyond its own limits.
    """
    results = [one for one in document["evaluation_results"] if isinstance(one, dict) and _is_whole(one)]
    return [_score(document, result, shown(file)) for result in results]


def _is_whole(result: Mapping[str, Any]) -> bool:
    """Whether a result of a record is of MMLU-Pro as a whole."""
    name, data = plain_words(result.get("evaluation_name")), _part(result, "source_data")
    of_data = one_line(data.get("hf_repo")).lower() == DATA_SET or plain_words(data.get("dataset_name")) == "mmlu pro"
    return name in WHOLE and ("mmlu pro" in name or of_data)


def _score(document: Mapping[str, Any], result: Mapping[str, Any], where: str) -> OpenScore:
    info, metric, found = document["model_info"], _part(result, "metric_config"), _part(result, "score_details")
    model = info.get("id") or info.get("name")
    if not isinstance(model, str) or not model.strip():
        raise DataError(f"{where} does not say which model it evaluates (model_info, id); complete it.")
    if metric.get("lower_is_better") is True:
        raise DataError(f"{where} has a score of MMLU-Pro that is no accuracy (lower is better); leave it out.")
    accuracy, percent = as_accuracy(found.get("score"), where, highest=number(metric.get("max_score")))
    uncertainty, data = _part(found, "uncertainty"), _part(result, "source_data")
    error = uncertainty.get("standard_error")
    stderr = number(error.get("value") if isinstance(error, dict) else error)
    asked = number(uncertainty.get("num_samples")) or number(data.get("samples_number")) or 0
    revision = one_line(_part(data, "additional_details").get("revision"))
    source = _source(document, model)
    return OpenScore(
        model=model.strip(),
        place="hub",
        protocol=_protocol(source, document, result, revision),
        accuracy=accuracy,
        stderr=None if stderr is None or stderr < 0 else stderr / 100 if percent else stderr,
        questions=int(asked) if 0 < asked < 1e9 else 0,
        created=next(
            filter(None, map(utc_time, (result.get(_EVALUATED), document.get(_EVALUATED), document.get(_RETRIEVED)))),
            "",
        ),
        source=f"{source}, by {where}" + (f", questions of revision {revision[:40]}" if revision else ""),
        percent=percent,
    )


_EVALUATED, _RETRIEVED = "evaluation_timestamp", "retrieved_timestamp"


def _source(document: Mapping[str, Any], model: str) -> str:
    """Source and evaluator of a record: "HF Open LLM v2, Hugging Face"."""
    metadata, earlier = _part(document, "source_metadata"), _part(document, "evaluation_source")
    names = (
        metadata.get("source_name") or earlier.get("evaluation_source_name"),
        metadata.get("source_organization_name"),
    )
    stated = dict.fromkeys(one_line(name) for name in names if isinstance(name, str) and name.strip())
    return ", ".join(stated) or f"an unnamed source of {one_line(model)}"


def _protocol(source: str, document: Mapping[str, Any], result: Mapping[str, Any], revision: str) -> str:
    if plain_words(source) == _LEADERBOARD:
        return "leaderboard"
    library, settings = _part(document, "eval_library"), _part(result, "generation_config")
    known = [library.get(key) for key in ("name", "version") if plain_words(library.get(key)) not in ("", "unknown")]
    arguments = _part(settings, "generation_args")
    details = {**_part(arguments, "additional_details"), **_part(settings, "additional_details")}
    shots = next((f"{one_line(details[name])}-shot" for name in _SHOTS if name in details), "")
    task = "leaderboard-task" if plain_words(result.get("evaluation_name")).startswith("leaderboard") else ""
    reasoning = "reasoning" if arguments.get("reasoning") is True else ""
    return protocol_name("eee", source, *known, task, shots, reasoning, edition(revision))


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object of a document; an empty one where it is missing or something else."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def as_accuracy(value: Any, where: str, *, highest: float | None = None) -> tuple[float, bool]:
    """An accuracy as a fraction of 1, and whether it was given in per cent.

    Args:
        value: What a file gives.
        where: The file, for people.
        highest: The highest score there can be, where the file states that: 1 or 100; without it, what is above 1 is
            in per cent.

    Raises:
        DataError: It is no number, or no accuracy.
    """
    given = number(value)
    if given is None:
        raise DataError(f"{where} has a score of MMLU-Pro that is {one_line(value)[:40]!r}, no number; mend it.")
    percent = highest == 100 if highest in (1, 100) else given > 1
    if not 0 <= given <= (100 if percent else 1):
        raise DataError(f"{where} has the score {given:g} of MMLU-Pro, which is no accuracy; mend it.")
    return (given / 100 if percent else given), percent


def number(value: Any) -> float | None:
    """A number of reasonable size; None where a value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    return float(value)


def one_line(value: Any) -> str:
    """A value as text on one line that every file can hold; "" for none."""
    return "" if value is None else shown(" ".join(str(value).split()))


def plain_words(value: Any) -> str:
    """A name in lower case, its words apart by spaces: "MMLU-PRO", "mmlu_pro" and "MMLU Pro" are one."""
    return " ".join(re.findall(r"[^\W_]+", one_line(value).casefold()))


def protocol_name(*stated: Any) -> str:
    """The name of a protocol from what a file states, the name of its format first.

    No protocol that nil-audit measures or ships scores of begins like that.
    """
    return "-".join(filter(None, (plain_words(part).replace(" ", "-") for part in stated)))


def edition(revision: str) -> str:
    """The edition of the questions by the commit that a file names, else its first digits; "" where it names none."""
    return {commit: name for name, commit in REVISIONS.items()}.get(revision, revision[:8])


def utc_time(value: Any) -> str:
    """A time as seconds of Unix or in ISO 8601, in UTC and ISO 8601; "" where it is neither."""
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    try:
        told = (
            datetime.fromtimestamp(seconds, UTC) if math.isfinite(seconds) else datetime.fromisoformat(one_line(value))
        )
        told = told if told.tzinfo else told.replace(tzinfo=UTC)
        return told.astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""


def percent_notes(scores: Iterable[OpenScore]) -> list[str]:
    """A sentence on the scores that files give in per cent; none where there are none."""
    names = list(dict.fromkeys(one.model for one in scores if one.percent))
    if not names:
        return []
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"Open records give scores in per cent, which were divided by 100: {', '.join(names[:_NAMED])}{rest}."]

"""Scores of MMLU-Pro in the Hub's evaluation results (huggingface.co/docs/hub/eval-results).

They are YAML files in the folder ``.eval_results`` of a model's repository, a list of results each: data set, value,
and, where given, task, revision of the data set, date, source and notes. Their protocols are named as
`nil_audit.comparison.reading.open_records` says; what a source calls its model card is of the organisation whose card
it is, so that the model cards of two are never one protocol. What ``nil-audit score --eval-results`` wrote states its
protocol in its notes, and keeps it (see `nil_audit.score.eval_results`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from nil_audit.auditing.documents import HUB_ID, shown
from nil_audit.comparison.reading.open_records import (
    DATA_SET,
    WHOLE,
    OpenScore,
    as_accuracy,
    edition,
    one_line,
    plain_words,
    protocol_name,
    utc_time,
)
from nil_audit.errors import DataError, NilAuditError, first_line
from nil_audit.score.eval_results import FOLDER, Stated, stated

SUFFIXES = (".yaml", ".yml")
_HUB = "huggingface.co"
_NO_ORGANISATION = ("spaces", "datasets", "papers", "blog", "docs", "collections")
"""First parts of addresses of the Hub that are no organisation."""
_LARGEST = 1_000_000
"""Bytes; evaluation results of a model are a few thousand."""


def hub_result_scores(file: Path) -> list[OpenScore]:
    """The scores of MMLU-Pro as a whole in a file of evaluation results; none where it is of other data.

    The model is the repository that the folder ``.eval_results`` lies in: the Hub id that its path ends with
    ("ORG--NAME", as in the Hub's cache, or "ORG/NAME"), or the folder itself where that is a checkpoint (it has a
    ``config.json``); of a file that lies elsewhere it is the model page that the result names as its source.

    Raises:
        DataError: The file cannot be read, is not YAML, is no list of results, does not say which model it is of, or a
            value of MMLU-Pro is missing or no accuracy.
    """
    where, scores = shown(file), []
    for entry in _entries(file):
        data = entry.get("dataset") if isinstance(entry, dict) else None
        if not isinstance(data, dict) or not isinstance(data.get("id"), str):
            raise DataError(f"{where} has a result without 'dataset' and its 'id'; leave it out or complete it.")
        if data["id"].strip().lower() != DATA_SET or plain_words(data.get("task_id")) not in WHOLE:
            continue
        said = stated(entry.get("notes"))
        scores.append(_of_others(file, entry, data) if said is None else _of_nil_audit(file, entry, said))
    return scores


def _of_nil_audit(file: Path, entry: Mapping[str, Any], said: Stated) -> OpenScore:
    """A result that nil-audit wrote: a score as it measured it."""
    where, on_hub = shown(file), bool(HUB_ID.fullmatch(said.model))
    accuracy, _ = as_accuracy(entry.get("value"), where, highest=100)
    return OpenScore(
        model=said.model if on_hub else shown(_folder(file)),
        place="hub" if on_hub else "local",
        protocol=said.protocol,
        accuracy=accuracy,
        stderr=said.stderr,
        questions=said.questions,
        created=utc_time(entry.get("date")),
        source="measured by nil-audit",
        percent=False,
        measured=True,
        digest=said.checkpoint,
        shape=_shape(file) or said.shape,
    )


def _of_others(file: Path, entry: Mapping[str, Any], data: Mapping[str, Any]) -> OpenScore:
    """A result that somebody else published."""
    where, (model, place) = shown(file), _repository(file, entry)
    accuracy, percent = as_accuracy(entry.get("value"), where)
    source, revision = _source(model, entry), one_line(data.get("revision"))
    return OpenScore(
        model=model,
        place=place,
        protocol=protocol_name("hub", source, entry.get("notes"), edition(revision)),
        accuracy=accuracy,
        created=utc_time(entry.get("date")),
        source=f"{source}, by {where}" + (f", questions of revision {revision[:40]}" if revision else ""),
        percent=percent,
        shape=_shape(file),
    )


def _entries(file: Path) -> list[Any]:
    """The results in a file, unchecked."""
    import yaml

    where = shown(file)
    try:
        if file.stat().st_size > _LARGEST:
            raise DataError(f"{where} is larger than a model's evaluation results are; leave it out.")
        document = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error.strerror}); check the path.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{where} is not YAML ({first_line(error)}); leave it out or mend it.") from error
    if not isinstance(document, list):
        raise DataError(f"{where} holds no list of evaluation results, as the Hub's files do; leave it out or mend it.")
    return document


def _folder(file: Path) -> Path:
    """The folder of the repository that a file is of."""
    return file.parent.parent if file.parent.name == FOLDER else file.parent


def _shape(file: Path) -> Mapping[str, int | None] | None:
    """The shape of the checkpoint that a file lies in; None where there is none, or none that can be read."""
    from nil_audit.shape.architecture import read_shape

    folder = _folder(file)
    if file.parent.name != FOLDER or not (folder / "config.json").is_file():
        return None
    try:
        shape = read_shape(str(folder))
    except NilAuditError:
        return None
    counted = shape.parameters
    return {"depth": shape.depth, "width": shape.width, "parameters": counted.total if counted else None}


def _repository(file: Path, entry: Mapping[str, Any]) -> tuple[str, Literal["hub", "local"]]:
    """The model that a result is of, and where it lies."""
    if file.parent.name == FOLDER:
        folder = _folder(file)
        cached = [part.removeprefix("models--") for part in folder.parts if part.startswith("models--")]
        for name in (*reversed(cached), folder.name):
            if "--" in name and HUB_ID.fullmatch(name.replace("--", "/", 1)):
                return name.replace("--", "/", 1), "hub"
        if (folder / "config.json").is_file():
            return shown(folder), "local"
        if HUB_ID.fullmatch(name := "/".join(folder.parts[-2:])):
            return name, "hub"
    elif HUB_ID.fullmatch(name := _page(entry).removeprefix(f"{_HUB}/")) and _is_of_hub(_page(entry)):
        return name, "hub"
    raise DataError(
        f"{shown(file)} does not say which model it is of; put it where the Hub has it, ORG/NAME/{FOLDER}/."
    )


def _is_of_hub(page: str) -> bool:
    """Whether an address is of a model, or of an organisation, on the Hub."""
    host, _, path = page.partition("/")
    return host == _HUB and path.split("/")[0] not in ("", *_NO_ORGANISATION)


def _source(model: str, entry: Mapping[str, Any]) -> str:
    """Name and address of a result's source, of a model's page its organisation: "Model Card of Qwen"."""
    page, given = _page(entry), entry.get("source")
    if _is_of_hub(page):
        page = page.split("/")[1]
    name = one_line(given.get("name")) if isinstance(given, dict) else ""
    owner = model.partition("/")[0] if HUB_ID.fullmatch(model) else model
    return " of ".join(filter(None, (name, page))) or f"an unnamed source of {owner}"


def _page(entry: Mapping[str, Any]) -> str:
    """The address of a result's source without scheme, query and, on the Hub, what lies in a repository; or ""."""
    source = entry.get("source")
    try:
        address = urlsplit(one_line(source.get("url")) if isinstance(source, dict) else "")
    except ValueError:
        return ""
    host, parts = address.netloc.lower().removeprefix("www."), [part for part in address.path.split("/") if part]
    if host == _HUB:
        parts = parts[: 3 if parts[:1] and parts[0] in _NO_ORGANISATION else 2]
    return "/".join((host, *parts)) if host else ""

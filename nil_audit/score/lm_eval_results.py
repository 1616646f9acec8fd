"""MMLU-Pro scores in the result files that lm-eval writes (``results_*.json``), of any run a user already has."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from nil_audit.catalog.scores import MMLU_PRO_CHANCE, MMLU_PRO_QUESTIONS, normalised
from nil_audit.errors import DataError, SourceError, first_line
from nil_audit.score.protocols import CATEGORIES, PROTOCOLS, REVISIONS, SHOTS, Protocol, on_edition

FIRST_OF_2026 = date(2026, 2, 1)
"""From this day a run that names no revision of the questions is taken to have asked those of January 2026."""


def is_lm_eval_result(document: Any) -> bool:
    """Whether a parsed JSON document is a result file of lm-eval, of version 0.4 or before it, of whatever tasks."""
    if not isinstance(document, dict) or not isinstance(document.get("results"), dict) or not document["results"]:
        return False
    described = any(isinstance(document.get(name), dict) for name in ("config", "configs", "versions"))
    return described and all(isinstance(found, dict) for found in document["results"].values())


def read_lm_eval_results(path: Path) -> list[dict[str, Any]]:
    """The MMLU-Pro scores of a result file, or of every result file in a folder.

    Reads ``leaderboard_mmlu_pro``, ``mmlu_pro`` and nil-audit's own ``mc`` task, as groups or by category, with
    metrics keyed by filter ("acc,none", lm-eval 0.4) or not ("acc", before). A run with another number of shots
    than five is another protocol and named so ("leaderboard-0shot"), as is a leaderboard run on the questions of
    January 2026 ("leaderboard-2026"): the one whose task names that revision, or, where it names none that is known,
    one of February 2026 or later.

    Args:
        path: A file, or a folder that is searched with all folders in it.

    Returns:
        One score row each, oldest file first: model, benchmark, protocol, accuracy, stderr (None where lm-eval
        wrote "N/A"), questions, questions_available, chance (None unless all questions were asked), normalised
        (leaderboard), origin ("lm-eval"), source (the file), created (when it ran), data (source, revision, edition),
        versions, task, categories, notes; None where the file does not say.

    Raises:
        SourceError: No such file, or no result file in the folder.
        DataError: Not a result file of lm-eval, or no complete MMLU-Pro score in it.
    """
    if path.is_dir():
        files = sorted(path.rglob("results*.json"), key=lambda file: file.name)
        if not files:
            raise SourceError(f"{path} holds no result file of lm-eval (results_*.json); name the folder with them.")
    else:
        files = [path]
    return [row for file in files for row in _read(file)]


def _read(file: Path) -> list[dict[str, Any]]:
    """The score rows of one file."""
    try:
        document = json.loads(file.read_bytes())  # as bytes, so that a byte order mark is no error
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {file}; name a results_*.json of lm-eval.") from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file} cannot be read as JSON ({first_line(error)}); name a results_*.json of lm-eval."
        ) from error
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, dict) or not all(isinstance(found, dict) for found in results.values()):
        raise DataError(f"{file} has no 'results' by task, so it is not a result file of lm-eval; name another.")
    try:
        rows = [row for protocol in PROTOCOLS.values() if (row := _row(file, document, protocol))]
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{file} is not laid out as lm-eval writes its results ({first_line(error)}); run it again or leave it out."
        ) from error
    if not rows:
        raise DataError(
            f"{file} has no MMLU-Pro score ({', '.join(p.group for p in PROTOCOLS.values())}); it has "
            f"{', '.join(list(results)[:5]) or 'no task at all'}."
        )
    return rows


def _row(file: Path, document: Mapping[str, Any], protocol: Protocol) -> dict[str, Any] | None:
    """One protocol's score in a document; None where the document does not have it."""
    results = document["results"] | (document.get("groups") or {})
    categories = _categories(file, document, protocol) if protocol.by_category else {}
    whole = _metric(file, results.get(protocol.group, {}), protocol)
    if whole is None:
        if not categories:
            return None
        if missing := sorted(set(CATEGORIES) - set(categories)):
            raise DataError(
                f"{file} has {len(categories)} of the {len(CATEGORIES)} categories of {protocol.group} (not "
                f"{missing[0]}) and no score of the whole; run the group {protocol.group}."
            )
        whole = _pooled(file, categories)
    asked, available = _questions(document, [protocol.group]) or _sum_questions(categories) or (None, None)
    shots = _shots(document, protocol)
    accuracy, stderr = whole
    version = (document.get("versions") or {}).get(protocol.group)
    notes = []
    if asked is not None and available is not None and asked < available:
        notes.append(f"{asked:,} of {available:,} questions were asked.")
    elif asked is None and (limit := (document.get("config") or {}).get("limit")):
        notes.append(f"The run was limited to {limit:g} questions a task, or that share of them.")
    if document.get("chat_template"):
        notes.append("Prompts were put into the model's chat template.")
    time = _time(file, document)
    data = _data(document, protocol, time)
    name = on_edition(protocol, data["edition"] or "2024").name
    name = name if shots in (None, SHOTS) else f"{name}-{shots}shot"
    return {
        "model": _model(file, document),
        "benchmark": "mmlu_pro",
        "protocol": name,
        "accuracy": accuracy,
        "stderr": stderr,
        "questions": asked,
        "questions_available": available,
        "chance": MMLU_PRO_CHANCE if asked == MMLU_PRO_QUESTIONS else None,
        "normalised": normalised(accuracy) if name == "leaderboard" else None,
        "origin": "lm-eval",
        "source": file.name,
        "created": time.isoformat(timespec="seconds") if time else None,
        "data": data,
        "versions": {"lm_eval": document.get("lm_eval_version")},
        "task": {"group": protocol.group, "version": None if version is None else str(version), "shots": shots},
        "categories": [{"category": category, **found} for category, found in categories.items()],
        "notes": notes,
    }


def _time(file: Path, document: Mapping[str, Any]) -> datetime | None:
    """When a run began, or by the file's name ended; None where neither says."""
    began: Any = document.get("date")
    named = re.search(r"\d{4}-\d{2}-\d{2}", file.name)
    try:
        if _is_number(began) and began > 0:
            return datetime.fromtimestamp(began, UTC)
        return datetime.fromisoformat(named[0]).replace(tzinfo=UTC) if named else None
    except (ValueError, OverflowError, OSError):  # no time of this world
        return None


def _data(document: Mapping[str, Any], protocol: Protocol, time: datetime | None) -> dict[str, Any]:
    """Which questions a run asked: what its task is told to load, and else by its time."""
    configs = document.get("configs") or {}
    names = (protocol.group, *(protocol.task(category) for category in CATEGORIES))
    task: Mapping[str, Any] = next((configs[name] for name in names if configs.get(name)), {})
    revision = (task.get("dataset_kwargs") or {}).get("revision")
    editions: dict[Any, str | None] = {commit: edition for edition, commit in REVISIONS.items()}
    by_time = None if time is None else "2026" if time.date() >= FIRST_OF_2026 else "2024"
    return {
        "source": task.get("dataset_path"),
        "revision": revision,
        "edition": editions.get(revision, by_time),
    }


def _categories(file: Path, document: Mapping[str, Any], protocol: Protocol) -> dict[str, dict[str, Any]]:
    """The scores by category that a document holds."""
    found = {}
    for category in CATEGORIES:
        task = protocol.task(category)
        metric = _metric(file, document["results"].get(task, {}), protocol)
        if metric is not None:
            asked, available = _questions(document, [task]) or (None, None)
            found[category] = {
                "accuracy": metric[0],
                "stderr": metric[1],
                "questions": asked,
                "questions_available": available,
            }
    return found


def _metric(file: Path, found: Mapping[str, Any], protocol: Protocol) -> tuple[float, float | None] | None:
    """Accuracy and standard error of a task's entry; None where the entry lacks the protocol's metric."""
    chosen = "custom-extract" if protocol.generates else "none"
    for name, error in (
        (f"{protocol.metric},{chosen}", f"{protocol.metric}_stderr,{chosen}"),
        (protocol.metric, f"{protocol.metric}_stderr"),
    ):
        if name in found:
            accuracy, stderr = found[name], found.get(error)
            if not _is_number(accuracy) or not 0 <= accuracy <= 1:
                raise DataError(f"{file} has {accuracy!r} as {name}, which is not between 0 and 1; run it again.")
            # lm-eval writes "N/A" where it was told not to bootstrap
            return float(accuracy), float(stderr) if stderr is not None and _is_number(stderr) else None
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _questions(document: Mapping[str, Any], tasks: list[str]) -> tuple[int, int] | None:
    """Questions asked and available, summed over tasks; None where the document does not say."""
    counts = document.get("n-samples") or {}
    if not all(isinstance(counts.get(task), dict) for task in tasks):
        return None
    return sum(counts[task]["effective"] for task in tasks), sum(counts[task]["original"] for task in tasks)


def _sum_questions(categories: Mapping[str, Mapping[str, Any]]) -> tuple[int, int] | None:
    if len(categories) < len(CATEGORIES) or any(found["questions"] is None for found in categories.values()):
        return None
    return (
        sum(found["questions"] for found in categories.values()),
        sum(found["questions_available"] for found in categories.values()),
    )


def _pooled(file: Path, categories: Mapping[str, Mapping[str, Any]]) -> tuple[float, float | None]:
    """The mean over questions of all categories: Σ n_c p_c / n, with the error sqrt(Σ n_c² se_c²) / n."""
    total = _sum_questions(categories)
    if total is None:
        raise DataError(f"{file} does not say how many questions each category has, so no mean follows; run the group.")
    n = total[0]
    accuracy = sum(found["questions"] * found["accuracy"] for found in categories.values()) / n
    if any(found["stderr"] is None for found in categories.values()):
        return accuracy, None
    return accuracy, math.sqrt(sum((found["questions"] * found["stderr"]) ** 2 for found in categories.values())) / n


def _shots(document: Mapping[str, Any], protocol: Protocol) -> int | None:
    """Worked examples a prompt; None where the document does not say.

    Since 0.4.1 they are stated by task, in 0.4.0 in the tasks' configurations, and before it for all tasks together.
    """
    shots, configs = document.get("n-shot") or {}, document.get("configs") or {}
    tasks = (protocol.group, *(protocol.task(category) for category in CATEGORIES))
    stated = [shots.get(task) for task in tasks]
    stated += [(configs.get(task) or {}).get("num_fewshot") for task in tasks]
    stated.append((document.get("config") or {}).get("num_fewshot"))
    return next((one for one in stated if isinstance(one, int)), None)


def _model(file: Path, document: Mapping[str, Any]) -> str:
    """The model's name: what lm-eval was told to load, and what was laid over it, which makes it another model."""
    config = document.get("config") or {}
    arguments = config.get("model_args") or {}
    if isinstance(arguments, str):
        arguments = dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    name = arguments.get("pretrained") or arguments.get("model") or document.get("model_name") or config.get("model")
    if not name:
        raise DataError(f"{file} does not say which model it scored; run it again with a current lm-eval.")
    revision = arguments.get("revision")
    name = str(name) if revision in (None, "main") else f"{name}@{revision}"
    return " + ".join((name, *(str(arguments[kind]) for kind in ("peft", "delta") if arguments.get(kind))))

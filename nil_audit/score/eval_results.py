"""Scores in the Hub's evaluation results: the YAML that a model's repository shows on its page and on leaderboards.

The format (huggingface.co/docs/hub/eval-results) has a value and a data set, and none of what makes two values of
MMLU-Pro comparable: protocol, worked examples, questions asked, standard error. That goes into ``notes``, the format's
free text, as "name=value" parts, from which `stated` reads it back.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.score.data import HUB_ID
from nil_audit.score.protocols import PROTOCOLS, SHOTS, on_edition

FOLDER = ".eval_results"
"""The folder of a model's repository that holds its evaluation results."""
TASK_ID = "mmlu_pro"
"""Of the whole benchmark in the Hub's data set."""

_HARNESS = "https://github.com/EleutherAI/lm-evaluation-harness"
"""Source of a value: what asked, since nothing is published of a run on one's own machine."""
_KNOWN = {on_edition(protocol, edition).name for protocol in PROTOCOLS.values() for edition in ("2024", "2026")}


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What the notes of a result that nil-audit wrote state.

    Attributes:
        protocol: Name of the protocol, of this edition of the questions.
        questions: How many were asked.
        stderr: Of the accuracy, as a fraction of 1; None where it is not known.
        checkpoint: Its hash: "git:..." of the Hub, "sha256:..." of a folder.
        model: The Hub id; "" of a folder.
        shape: Its depth, width and parameters; None where they are not all stated.
    """

    protocol: str
    questions: int
    stderr: float | None
    checkpoint: str
    model: str
    shape: Mapping[str, int] | None


def eval_results_text(score: Mapping[str, Any]) -> str:
    """A score as a file of evaluation results: one entry, the accuracy in per cent.

    The revision of the questions is the commit that they were read at; a folder's content is of no commit for certain,
    so with ``--data`` there is none.

    Args:
        score: A row of ``ScoreResult.to_dict``.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entry = EvalResultEntry(
        dataset_id=HUB_ID,
        task_id=TASK_ID,
        value=round(100 * score["accuracy"], 2),
        dataset_revision=score["data"]["revision"],
        date=score["created"],
        source_url=_HARNESS,
        source_name=score["source"],
        notes=_notes(score),
    )
    return str(yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True, width=120))


def _notes(score: Mapping[str, Any]) -> str:
    asked, available, stderr = score["questions"], score["questions_available"], score["stderr"]
    on_hub = score["checkpoint"].startswith("git:")  # a folder's path is nobody's business
    parts = {
        "protocol": score["protocol"],
        "shots": SHOTS,
        "questions": f"{asked} of {available}" + (" (a sample)" if asked < available else ""),
        "stderr": None if stderr is None else f"{100 * stderr:.3g}",
        "edition": score["data"]["edition"],
        "prompts_cut": score["prompts_cut"] or None,
        "engine": "+".join(score["engines"]),
        "dtype": score["dtype"],
        "model": score["model"] if on_hub else None,
        "checkpoint": score["checkpoint"],
        **(score["shape"] or {}),
        **{name: score["versions"][name] for name in ("nil_audit", "lm_eval")},
    }
    return "; ".join(f"{name}={value}" for name, value in parts.items() if value is not None)


def stated(notes: Any) -> Stated | None:
    """What the notes of an entry state; None where nil-audit did not write them."""
    parts = dict(part.split("=", 1) for part in str(notes).split("; ") if "=" in part)
    asked = re.match(r"\d{1,9}(?= of \d)", parts.get("questions", ""))
    if "nil_audit" not in parts or parts.get("protocol") not in _KNOWN or asked is None:
        return None
    error = parts.get("stderr", "")
    return Stated(
        protocol=parts["protocol"],
        questions=int(asked[0]),
        stderr=float(error) / 100 if re.fullmatch(r"\d{1,2}(\.\d+)?(e-\d+)?", error) else None,
        checkpoint=parts.get("checkpoint", ""),
        model=parts.get("model", ""),
        shape=_shape(parts),
    )


def _shape(parts: Mapping[str, str]) -> dict[str, int] | None:
    """Depth, width and parameters that notes state; None where one is missing or no number."""
    found = {name: parts.get(name, "") for name in ("depth", "width", "parameters")}
    if not all(re.fullmatch(r"[1-9]\d{0,14}", value) for value in found.values()):
        return None
    return {name: int(value) for name, value in found.items()}


def sample_note(scores: Iterable[Mapping[str, Any]]) -> str | None:
    """That values are of samples or of other questions, which no leaderboard shows; None where all were asked."""
    scores = list(scores)
    if scores[0]["questions_available"] != MMLU_PRO_QUESTIONS:
        return (
            f"The questions are {scores[0]['questions_available']:,} where MMLU-Pro has {MMLU_PRO_QUESTIONS:,}: the "
            "evaluation results are of other data than they name; do not upload them."
        )
    sampled = [score for score in scores if score["questions"] < score["questions_available"]]
    if not sampled:
        return None
    asked = " and ".join(dict.fromkeys(f"{score['questions']:,}" for score in sampled))
    return (
        f"The evaluation results are of {asked} of {sampled[0]['questions_available']:,} questions: their notes say so,"
        " but a leaderboard shows the value without them."
    )


def upload_words(model: str, folder: Path, *, on_hub: bool) -> str:
    """The command that puts a model's evaluation results into its repository.

    Args:
        model: Its name; of a model that is not on the Hub a repository has to be named.
        folder: That holds ``.eval_results``.
        on_hub: Whether the name is one of the Hub's.
    """
    name, _, revision = model.partition("@")
    of = f" --revision {shlex.quote(revision)}" if on_hub and revision else ""
    return f"hf upload {shlex.quote(name) if on_hub else 'ORG/NAME'} {shlex.quote(str(folder))}{of}"

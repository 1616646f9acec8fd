"""The audit of one model: from its name to a record, measuring only what is not already known."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.passes import Passes
from nil_audit.auditing.record import Record
from nil_audit.auditing.subject import Settings, Subject
from nil_audit.processes import Team, shared_fate
from nil_audit.progress import Progress, silent
from nil_audit.runner import PartlyFailed

if TYPE_CHECKING:
    from nil_audit.score.plan import Plan


def audit(name: str, *, progress: Progress = silent, **settings: Any) -> Record:
    """Audit one model: shape, verdict, gradient-space interaction, weight superposition, published scores.

    Args:
        name: A Hub id, ``id@revision`` or a local folder.
        progress: Opens a progress display.
        **settings: Fields of `nil_audit.auditing.subject.Settings`, by name; ``profile``, ``ansatz``, ``output`` and
            ``sensitivity`` ask for the sections of these names.

    Returns:
        The record. A kept one is reused where checkpoint, settings, probe text and estimator are the same.

    Raises:
        NilAuditError: What is wrong with the model, the probe or the settings, and what to do.
    """
    with shared_fate():
        try:
            return audit_subject(Subject(name, Settings(**settings)), progress=progress)
        except PartlyFailed as error:
            raise error.error from error


def audit_subject(subject: Subject, *, progress: Progress = silent) -> Record:
    """``audit`` of a subject, which keeps its loaded model for whatever comes next (a benchmark run).

    To be called within ``shared_fate``.

    Raises:
        PartlyFailed: The audit is done, and what was to be measured beside it in passes of their own failed.
        NilAuditError: What is wrong with the model, the probe or the settings, and what to do.
    """
    passes = Passes(subject, progress=progress)
    record = passes.record()
    try:
        if passes.lacks("output"):
            passes.add("output", passes.output())
        if passes.lacks("sensitivity"):
            from nil_audit.auditing.sensitivity import sensitivity

            passes.add("sensitivity", sensitivity(subject, record, progress=progress))
        Team.join().gather(None)  # an error up to here is one of these on every process
    except Exception as error:
        raise PartlyFailed(passes.asked(), error) from error
    return passes.asked()


def score_subject(subject: Subject, record: Record, plan: "Plan", *, progress: Progress = silent) -> Record:
    """The record with a measured MMLU-Pro score before the others; answers that are kept are not asked again.

    Args:
        subject: Its model is loaded once for audit and score, and not at all where every answer is kept.
        record: Its audit.
        plan: From ``nil_audit.score.plan.plan_score``.
        progress: Opens a progress display.

    Raises:
        NilAuditError: What is wrong with the model, and what to do.
    """
    from nil_audit.score.engines import wrapped
    from nil_audit.score.run import run_plan

    result = run_plan(
        plan,
        lambda: wrapped(plan, subject.checkpoint.model, subject.checkpoint.tokenizer),
        identity=subject.source.digest,
        name=subject.name,
        dtype=subject.settings.dtype,
        fresh=subject.settings.fresh,
        progress=progress,
    )
    row = result.to_dict()
    Team.join().gather(None)  # an error up to here is one of the score on every process
    notes = record.notes if result.unkept is None else (*record.notes, result.unkept)
    return replace(record, notes=notes, scores=(row, *(one for one in record.scores if not _says_less(one, row))))


def _says_less(kept: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a kept score is of the same setting as a new one, and of no more questions."""
    same = kept["origin"] == new["origin"] and (kept["protocol"], kept["dtype"]) == (new["protocol"], new["dtype"])
    return same and kept["questions"] <= new["questions"]

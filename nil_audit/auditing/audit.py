"""The audit of one model: from its name to a record, measuring only what is not already known."""

import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from nil_audit import __version__
from nil_audit.auditing.measured import interaction_document
from nil_audit.auditing.record import Record, find_record, keep_record, renamed, verdict_document
from nil_audit.errors import UsageError
from nil_audit.processes import Team, shared_fate
from nil_audit.progress import Progress, silent
from nil_audit.runner import resolve_together
from nil_audit.score.kept import kept_scores
from nil_audit.shape.architecture import Shape, read_shape
from nil_audit.source import Source
from nil_audit.weights import DTYPES, Dtype

if TYPE_CHECKING:
    from nil_audit.interaction.probe import Probe
    from nil_audit.score.plan import Plan
    from nil_audit.weights.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an audit measures and how.

    Attributes:
        probe: A probe's name (see ``nil_audit.interaction.probe.load_probe``).
        tokens: Input tokens to use at most.
        precision: Standard error of the typical efficiency, in nats, at which there is enough text; 0: all tokens.
        window: T, tokens; None: 512, or what the model can read where that is shorter.
        prefix: Read every window after the tokenizer's document-start token.
        context: C, positions at the start of a window that are read and not counted.
        dtype: Of the weights in memory.
        device: "auto" or a torch device.
        batch_size: Windows a batch; None: as many as memory holds.
        allow_pickle: Load pickled weights where there are no safetensors.
        trust_remote_code: Run model code from the repository.
        fresh: Measure again even where a record with the same key is kept.
    """

    probe: str = "wikitext"
    tokens: int = 131_072
    precision: float = 0.05
    window: int | None = None
    prefix: bool = True
    context: int = 16
    dtype: Dtype = "float32"
    device: str = "auto"
    batch_size: int | None = None
    allow_pickle: bool = False
    trust_remote_code: bool = False
    fresh: bool = False

    def __post_init__(self) -> None:
        """Refuse what no measurement can be asked for.

        Raises:
            UsageError: A number is out of its range, or there is no such type of weights.
        """
        if self.dtype not in DTYPES:
            raise UsageError(f"There is no dtype {self.dtype!r}; use {', '.join(DTYPES)}.")
        if not 0 <= self.precision < math.inf:
            raise UsageError(
                f"--precision is {self.precision:g}, but is a standard error in nats; give one such as 0.05, or 0 to"
                " use all tokens."
            )
        for name, least in (("tokens", 1), ("window", 1), ("context", 0), ("batch_size", 1)):
            found = getattr(self, name)
            if found is not None and found < least:
                raise UsageError(
                    f"--{name.replace('_', '-')} is {found}, but must be at least {least}; give another number."
                )
        if self.window is not None and self.context >= self.window:
            raise UsageError(
                f"--context {self.context} leaves nothing of a window of {self.window} to count; give a smaller one, or"
                " a larger --window."
            )


class Subject:
    """One model under audit: each of its parts is fetched once, when first needed, and all from one source."""

    def __init__(self, name: str, settings: Settings) -> None:
        """Name the model; nothing is read yet."""
        self.name, self.settings = name, settings

    @cached_property
    def source(self) -> Source:
        """The place and the commit that the name leads to, the same on every process."""
        return resolve_together(self.name)

    @cached_property
    def shape(self) -> Shape:
        """Its architecture."""
        return read_shape(self.source, trust_remote_code=self.settings.trust_remote_code)

    @cached_property
    def checkpoint(self) -> "Checkpoint":
        """Its loaded model and tokenizer."""
        from nil_audit.weights.checkpoint import load_checkpoint

        return load_checkpoint(
            self.source,
            self.shape,
            dtype=self.settings.dtype,
            device=self.settings.device,
            allow_pickle=self.settings.allow_pickle,
            trust_remote_code=self.settings.trust_remote_code,
        )


def audit(name: str, *, progress: Progress = silent, **settings: Any) -> Record:
    """Audit one model: shape, verdict, gradient-space interaction, weight superposition, published scores.

    Args:
        name: A Hub id, ``id@revision`` or a local folder.
        progress: Opens a progress display.
        **settings: Fields of ``Settings``, by name.

    Returns:
        The record. A kept one is reused where checkpoint, settings, probe text and estimator are the same.

    Raises:
        NilAuditError: What is wrong with the model, the probe or the settings, and what to do.
    """
    with shared_fate():
        return audit_subject(Subject(name, Settings(**settings)), progress=progress)


def shape_record(name: str, shape: Shape) -> Record:
    """The part of an audit that needs no weights: shape, verdict, and published scores of what is on the Hub."""
    from nil_audit.catalog.scores import published_for

    return Record(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        nil_audit=__version__,
        model={"name": name, "source": shape.source, "revision": shape.revision},
        shape=shape,
        verdict=verdict_document(shape),
        scores=tuple(published_for(name)) if shape.source != "local" else (),
        environment=environment(),
        notes=shape.notes,
    )


def audit_subject(subject: Subject, *, progress: Progress = silent) -> Record:
    """``audit`` of a subject, which keeps its loaded model for whatever comes next (a benchmark run).

    Under several processes the first alone looks for what is kept, so that a cache on each machine is no matter, and
    all make sure that they measure the same. To be called within ``shared_fate``.
    """
    from nil_audit.interaction.metrics import ESTIMATOR_VERSION
    from nil_audit.interaction.probe import load_probe

    team = Team.join()
    settings = subject.settings
    base = shape_record(subject.name, subject.shape)
    digest = subject.source.digest
    team.agree(digest, subject.name)
    probe = load_probe(settings.probe)
    key = {
        "digest": digest,
        "probe": probe.sha256,
        "window": settings.window,
        "tokens": settings.tokens,
        "precision": settings.precision,
        "prefix": settings.prefix,
        "context": settings.context,
        "dtype": settings.dtype,
        "remote_code": settings.trust_remote_code,
        "estimator": ESTIMATOR_VERSION,
    }
    team.agree(key, f"The probe {probe.name}, or nil-audit itself,")
    measured = team.broadcast(lambda: kept_scores(digest))
    base = replace(base, scores=(*({**row, "model": subject.name} for row in measured), *base.scores))
    kept = team.broadcast(lambda: None if settings.fresh else find_record(key))
    if kept is not None:
        # what was counted when its weights were loaded holds against what its config says of them
        shape = replace(base.shape, tied=kept.shape.tied, parameters=kept.shape.parameters)
        called = renamed(kept, subject.name, source=base.model["source"], probe=probe.name)
        return replace(called, shape=shape, verdict=verdict_document(shape), scores=base.scores, kept=True)
    record = _measured(base, subject, probe, progress)
    trouble = team.broadcast(lambda: keep_record(record, key))
    return record if trouble is None else replace(record, notes=(*record.notes, trouble))


def _measured(base: Record, subject: Subject, probe: "Probe", progress: Progress) -> Record:
    """The base record with interaction and superposition."""
    from nil_audit.interaction.measure import measure
    from nil_audit.interaction.superposition import weight_superposition
    from nil_audit.weights.checkpoint import embedding_weight

    settings, checkpoint = subject.settings, subject.checkpoint
    found = measure(
        checkpoint,
        probe,
        tokens=settings.tokens,
        precision=settings.precision,
        window=settings.window,
        prefix=settings.prefix,
        context=settings.context,
        batch_size=settings.batch_size,
        progress=progress,
    )
    notes = list(checkpoint.notes)
    if settings.prefix and found.prefix is None:
        notes.append(
            f"The tokenizer of {subject.name} has neither a bos nor an eos token: its windows have no document start."
        )
    if found.ended_by == "text":
        goal = f"--precision {settings.precision:g}" if settings.precision else f"--tokens {settings.tokens:,}"
        notes.append(
            f"The probe {probe.name} ended after {found.result.windows * found.window:,} tokens of {subject.name},"
            f" before {goal} was reached."
        )
    return replace(
        base,
        shape=checkpoint.shape,
        verdict=verdict_document(checkpoint.shape),
        model={
            **base.model,
            "digest": subject.source.digest,
            "dtype": checkpoint.dtype,
            "device": checkpoint.device,
        },
        interaction=interaction_document(
            found, {"tokens": settings.tokens, "precision": settings.precision, "prefix": settings.prefix}
        ),
        superposition=weight_superposition(embedding_weight(checkpoint.model)),
        notes=tuple(notes),
    )


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


def environment() -> dict[str, str]:
    """Versions of what computes the numbers, and how its threads wait for each other ("": the library's own way)."""
    packages = ("torch", "transformers", "accelerate", "numpy", "scipy")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        **{package: version(package) for package in packages},
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", ""),
    }

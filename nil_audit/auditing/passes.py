"""The record of one model from its weights: each gradient pass is made once, and kept for another time."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from nil_audit import __version__
from nil_audit.auditing.measured import interaction_document, output_document, profile_document
from nil_audit.auditing.record import SECTIONS, Record, find_record, keep_record, renamed, verdict_document
from nil_audit.auditing.subject import Settings, Subject
from nil_audit.files import plain
from nil_audit.processes import Team
from nil_audit.progress import Progress, silent
from nil_audit.score.kept import kept_scores
from nil_audit.shape.architecture import Shape

if TYPE_CHECKING:
    from nil_audit.interaction.measure import Interaction, Watcher
    from nil_audit.interaction.probe import Probe
    from nil_audit.weights.checkpoint import Checkpoint

_SAME_PASS = ("profile", "ansatz")


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


class Passes:
    """The gradient passes of one model, and the kept record that they add to.

    Under several processes the first alone looks for what is kept, so that a cache on each machine is no matter, and
    all make sure that they measure the same. To be used within ``shared_fate``.
    """

    def __init__(self, subject: Subject, *, progress: Progress = silent) -> None:
        """Load the probe, and find what is kept of the same checkpoint, probe text, settings and estimator."""
        from nil_audit.interaction.metrics import ESTIMATOR_VERSION
        from nil_audit.interaction.probe import load_probe

        self._subject, self._progress, self._team = subject, progress, Team.join()
        team, settings = self._team, subject.settings
        base = shape_record(subject.name, subject.shape)
        digest = subject.source.digest
        team.agree(digest, subject.name)
        self._probe = load_probe(settings.probe)
        self._key = {
            "digest": digest,
            "probe": self._probe.sha256,
            "window": settings.window,
            "tokens": settings.tokens,
            "precision": settings.precision,
            "prefix": settings.prefix,
            "context": settings.context,
            "dtype": settings.dtype,
            "remote_code": settings.trust_remote_code,
            "estimator": ESTIMATOR_VERSION,
        }
        team.agree(self._key, f"The probe {self._probe.name}, or nil-audit itself,")
        measured = team.broadcast(lambda: kept_scores(digest))
        self._base = replace(base, scores=(*({**row, "model": subject.name} for row in measured), *base.scores))
        kept = team.broadcast(lambda: None if settings.fresh else find_record(self._key))
        self._record = None if kept is None else self._as_asked(kept)
        self._unkept: str | None = None

    def _as_asked(self, kept: Record) -> Record:
        """A kept record as one of a model and a probe that are called otherwise now."""
        # what was counted when its weights were loaded holds against what its config says of them
        base = self._base
        shape = replace(base.shape, tied=kept.shape.tied, parameters=kept.shape.parameters)
        called = renamed(kept, self._subject.name, source=base.model["source"], probe=self._probe.name)
        return replace(called, shape=shape, verdict=verdict_document(shape), scores=base.scores, kept=True)

    def lacks(self, section: str) -> bool:
        """Whether a section is asked for and not there yet."""
        asked = getattr(self._subject.settings, section)
        return asked and (self._record is None or getattr(self._record, section) is None)

    def record(self) -> Record:
        """The record with what is asked for of the audit's own pass, which is made where something of it lacks.

        Raises:
            NilAuditError: What is wrong with the model or the probe, and what to do.
        """
        if self._record is None or any(map(self.lacks, _SAME_PASS)):
            found = _first_pass(self._base, self._subject, self._probe, self._progress)
            before = self._record
            parts: dict[str, Any] = {name: getattr(found, name) or getattr(before, name, None) for name in SECTIONS}
            self._keep(replace(found, **parts))
        return self.asked()

    def output(self) -> dict[str, Any]:
        """The output AGOP, from a pass of its own.

        Raises:
            NilAuditError: What is wrong with the model or the probe, and what to do.
        """
        from nil_audit.interaction.output import measure_output

        settings = self._subject.settings
        found = measure_output(
            self._subject.checkpoint,
            self._probe,
            tokens=settings.tokens,
            precision=settings.precision,
            prefix=settings.prefix,
            batch_size=settings.batch_size,
            progress=self._progress,
        )
        return output_document(found, asked_for(settings))

    def add(self, section: str, document: Mapping[str, Any]) -> None:
        """Add a section to the record, and keep it for another time."""
        assert self._record is not None
        part: dict[str, Any] = {section: document, "kept": False}
        self._keep(replace(self._record, **part))

    def _keep(self, record: Record) -> None:
        self._record = record
        self._unkept = self._team.broadcast(lambda: keep_record(record, self._key))

    def asked(self) -> Record:
        """The record without sections that are not asked for now, and with a note where it could not be kept."""
        assert self._record is not None
        unasked: dict[str, Any] = {name: None for name in SECTIONS if not getattr(self._subject.settings, name)}
        record = replace(self._record, **unasked)
        more = filter(None, (_thinned(record), self._unkept))
        return replace(record, notes=(*record.notes, *more))


def _thinned(record: Record) -> str | None:
    """The note on sections that are of some blocks alone."""
    for section in (record.profile, record.ansatz):
        if section and len(section["depths"]) < section["blocks"]:
            return (
                f"Gradients inside {record.name} were taken at {len(section['depths'])} of {section['blocks']} blocks,"
                " evenly spaced: sums of all did not fit in half of the free memory; with more of it --fresh takes all."
            )
    return None


def gradient_pass(
    checkpoint: "Checkpoint",
    probe: "Probe",
    settings: Settings,
    *,
    watchers: Sequence["Watcher"] = (),
    progress: Progress = silent,
) -> "Interaction":
    """What `nil_audit.interaction.measure.measure` gives of a loaded checkpoint in an audit's settings."""
    from nil_audit.interaction.measure import measure

    return measure(
        checkpoint,
        probe,
        tokens=settings.tokens,
        precision=settings.precision,
        window=settings.window,
        prefix=settings.prefix,
        context=settings.context,
        batch_size=settings.batch_size,
        watchers=watchers,
        progress=progress,
    )


def asked_for(settings: Settings) -> dict[str, Any]:
    """How much text was asked for, as a record states it."""
    return {"tokens": settings.tokens, "precision": settings.precision, "prefix": settings.prefix}


def _first_pass(base: Record, subject: Subject, probe: "Probe", progress: Progress) -> Record:
    """The base record with interaction and superposition, and with what is asked for of the same backward pass."""
    from nil_audit.interaction.places import decoder_blocks, depths_that_fit
    from nil_audit.interaction.profile import Profile
    from nil_audit.interaction.superposition import Superposition

    settings, checkpoint = subject.settings, subject.checkpoint
    blocks, depths = len(decoder_blocks(checkpoint)), ()
    if inside := settings.profile + 2 * settings.ansatz:
        depths = Team.join().broadcast(lambda: depths_that_fit(checkpoint, inside))
    watchers: dict[str, Any] = {"superposition": Superposition(checkpoint)}
    if settings.profile:
        watchers["profile"] = Profile(checkpoint, depths)
    if settings.ansatz:
        from nil_audit.interaction.ansatz import Ansatz, ansatz_document

        watchers["ansatz"] = Ansatz(checkpoint, depths)
    found = gradient_pass(checkpoint, probe, settings, watchers=tuple(watchers.values()), progress=progress)
    read = dict(zip(watchers, found.readings, strict=True))
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
        interaction=interaction_document(found, asked_for(settings)),
        superposition=plain(read["superposition"]),
        profile=profile_document(read["profile"], blocks=blocks) if settings.profile else None,
        ansatz=ansatz_document(read["ansatz"], blocks=blocks) if settings.ansatz else None,
        notes=tuple(notes),
    )


def environment() -> dict[str, str]:
    """Versions of what computes the numbers, and how its threads wait for each other ("": the library's own way)."""
    packages = ("torch", "transformers", "accelerate", "numpy", "scipy")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        **{package: version(package) for package in packages},
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", ""),
    }

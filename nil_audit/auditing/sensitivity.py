"""What moves the answer: the same model at other windows, without context, on another text and in another basis.

Every variant reads as much text as the audit did, so that their errors can be compared, and where it is the same text
its blocks are paired. What an audit says of a model is then said of each variant.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from nil_audit.auditing.measured import block_products, interaction_document, paired
from nil_audit.auditing.passes import Passes, asked_for, gradient_pass
from nil_audit.auditing.record import SECTIONS, Record
from nil_audit.auditing.subject import Settings, Subject
from nil_audit.errors import MeasurementError, NilAuditError, ProbeError, RotationError
from nil_audit.files import plain
from nil_audit.interaction.metrics import HEADLINE, METRICS, ONE_TOKEN, against_null, mean_is_covered
from nil_audit.processes import Team
from nil_audit.progress import Progress, silent
from nil_audit.shape.architecture import Shape
from nil_audit.source import Source
from nil_audit.stats.estimate import Estimate
from nil_audit.stats.jackknife import independent

if TYPE_CHECKING:
    from nil_audit.weights.checkpoint import Checkpoint
    from nil_audit.weights.orthogonal import Rotation

COMPARED = (HEADLINE, "typical_spread", "typical_sensitivity", "aofe_ratio", "excess", "tail")
"""Metrics of which the difference from the baseline is given."""

Made = TypeVar("Made")
Measurement = Callable[[], Mapping[str, Any]]


def sensitivity(subject: Subject, record: Record, *, progress: Progress = silent) -> dict[str, Any]:
    """Measure the variants of an audit, and hold what is said of each against what the audit says.

    Half and twice the window, no context and document start, another text, and the residual stream in a random and in a
    Hadamard basis (see `nil_audit.weights.rotation.rotated`), where only what is a property of the basis may move. A
    variant that cannot be measured is left out with its reason. To be called within ``shared_fate``.

    Args:
        subject: The model under audit; its checkpoint is left as it is.
        record: Its audit: the baseline.
        progress: Opens a progress display.

    Returns:
        The section of docs/record.md: "variants", the baseline first, and "left_out".

    Raises:
        NilAuditError: Under several processes, what one of them failed with in the middle of a measurement.
    """
    asked = record.interaction
    assert asked is not None
    baseline = _entry("baseline", asked, None)
    variants, left_out = [baseline], []
    for name, measurement in _Measurements(subject, asked, progress):
        try:
            variants.append(_entry(name, measurement(), asked, baseline["says"]))
        except NilAuditError as error:
            # what one process alone fails with, the others wait for: only what befalls all at once can be left out
            if Team.join().size > 1 and not isinstance(error, ProbeError | RotationError | _NoRoomError):
                raise
            left_out.append({"name": name, "why": str(error)})
    found: dict[str, Any] = plain({"variants": variants, "left_out": left_out})
    return found


class _NoRoomError(MeasurementError):
    """The settings or the model leave no room for a variant."""


class _SameModel(Subject):
    """The same model in other settings: what is already loaded is not loaded again."""

    def __init__(self, subject: Subject, settings: Settings) -> None:
        super().__init__(subject.name, settings)
        self._subject = subject

    @cached_property
    def source(self) -> Source:
        return self._subject.source

    @cached_property
    def shape(self) -> Shape:
        return self._subject.shape

    @cached_property
    def checkpoint(self) -> "Checkpoint":
        return self._subject.checkpoint


@dataclass(frozen=True)
class _Measurements:
    """The measurements of one audit's variants."""

    subject: Subject
    asked: Mapping[str, Any]
    progress: Progress

    def __iter__(self) -> Iterator[tuple[str, Measurement]]:
        yield "half_window", partial(self._window, "half the window", self.asked["window"] // 2)
        yield "double_window", partial(self._window, "twice the window", self.asked["window"] * 2)
        yield "no_context", self._bare
        yield "other_text", self._other_text
        yield "random_rotation", partial(self._rotated, "random")
        yield "hadamard_rotation", partial(self._rotated, "hadamard")

    @property
    def _tokens(self) -> int:
        """Input tokens that the audit read."""
        return int(self.asked["windows"] * self.asked["window"])

    @property
    def _settings(self) -> Settings:
        """Those of the audit, of all text that it read, and of nothing beside."""
        alone: dict[str, Any] = dict.fromkeys(SECTIONS, False)
        return replace(self.subject.settings, tokens=self._tokens, precision=0.0, window=self.asked["window"], **alone)

    def _measured(self, words: str, settings: Settings) -> Mapping[str, Any]:
        """The interaction of an audit with these settings, kept as any other is."""
        record = Passes(_SameModel(self.subject, settings), progress=_called(self.progress, words)).record()
        assert record.interaction is not None
        return record.interaction

    def _window(self, words: str, window: int) -> Mapping[str, Any]:
        from nil_audit.interaction.probe import BLOCKS

        name, longest = self.subject.name, self.subject.shape.context
        context, most = self.asked["context"], self.subject.settings.tokens
        if window <= context:
            raise _NoRoomError(f"A window of {window} leaves nothing to count behind {context} positions of context.")
        if longest is not None and window + bool(self.asked["prefix"]) > longest:
            raise _NoRoomError(f"{name} reads {longest:,} tokens at most, fewer than a window of {window:,} takes.")
        if most < BLOCKS * window:
            raise _NoRoomError(f"--tokens {most:,} is less than the {BLOCKS} windows of {window:,} that errors take.")
        tokens = max(self._tokens, BLOCKS * window)
        return self._measured(words, replace(self._settings, window=window, tokens=tokens))

    def _bare(self) -> Mapping[str, Any]:
        if not self.asked["context"] and self.asked["prefix"] is None:
            raise _NoRoomError("It was asked without context and document start.")
        return self._measured("no context", replace(self._settings, prefix=False, context=0))

    def _other_text(self) -> Mapping[str, Any]:
        from nil_audit.interaction.probe import load_probe

        other = "builtin"
        if self.asked["probe"]["sha256"] == load_probe(other).sha256:
            other = "wikitext"
            try:
                _alike(lambda: load_probe(other))
            except ProbeError as error:
                raise ProbeError(f"{other} cannot be reached from here.") from error
        return self._measured(f"probe {other}", replace(self._settings, probe=other))

    def _rotated(self, kind: "Rotation") -> Mapping[str, Any]:
        from nil_audit.interaction.probe import load_probe
        from nil_audit.weights.rotation import rotated

        settings = self._settings
        found = gradient_pass(
            _alike(lambda: rotated(self.subject.checkpoint, kind)),
            load_probe(settings.probe),
            settings,
            progress=_called(self.progress, f"{kind} basis"),
        )
        return interaction_document(found, asked_for(settings))


def _called(progress: Progress, words: str) -> Progress:
    """The same display, with a few words behind its description."""
    return lambda description, *args, **kwargs: progress(f"{description}, {words}", *args, **kwargs)


def _alike(make: Callable[[], Made]) -> Made:
    """What ``make`` returns, where it succeeds on every process; else its error on all of them.

    Raises:
        NilAuditError: That of the first process that has one.
    """
    made, failed = None, None
    try:
        made = make()
    except NilAuditError as error:
        failed = error
    first = next((error for error in Team.join().gather(failed) if error is not None), None)
    if first is not None:
        raise failed if failed is not None and str(failed) == str(first) else first
    return made  # type: ignore[return-value]


def _entry(
    name: str,
    found: Mapping[str, Any],
    asked: Mapping[str, Any] | None,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One variant's entry.

    Args:
        name: Of the variant.
        found: Its interaction.
        asked: The baseline's; None for the baseline itself.
        before: What is said of the baseline.
    """
    same_text = asked is not None and _same_text(found, asked)
    gaps = {} if asked is None else _differences(found, asked, pair=same_text)
    says = _says(found, gaps.get(HEADLINE), asked)
    return {
        "name": name,
        "probe": found["probe"]["name"],
        **{key: found[key] for key in ("window", "windows", "tokens", "context", "prefix")},
        "estimates": {metric: found["estimates"]["unbiased"][metric] for metric in METRICS},
        "loss_per_token": found["loss"]["loss_per_token"],
        "difference": gaps,
        "paired": same_text,
        "says": says,
        "changed": [fact for fact, value in says.items() if before is not None and value != before[fact]],
    }


def _same_text(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two interactions were read on the same text, up to a window: their blocks are then of the same text too.

    Where windows of another length end elsewhere, so do blocks: a part of what two blocks share is then put down to
    their neighbours, which makes the error of a difference too large rather than too small.
    """
    apart = abs(one["windows"] * one["window"] - other["windows"] * other["window"])
    return one["probe"]["sha256"] == other["probe"]["sha256"] and apart < max(one["window"], other["window"])


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], *, pair: bool) -> dict[str, Estimate]:
    """Metrics of one interaction minus those of another, with the errors of paired blocks, or of independent texts."""
    if pair:
        return paired(block_products(one["products"]), block_products(other["products"]), COMPARED)
    here, there = (document["estimates"]["unbiased"] for document in (one, other))
    blocks = len(one["block_bytes"])
    return {
        metric: independent(Estimate.from_dict(here[metric]), Estimate.from_dict(there[metric]), blocks)
        for metric in COMPARED
    }


def _says(found: Mapping[str, Any], gap: Estimate | None, asked: Mapping[str, Any] | None) -> dict[str, Any]:
    """What an audit states of a model.

    Args:
        found: Its interaction.
        gap: Its typical efficiency minus the baseline's; None: it is the baseline.
        asked: The baseline's interaction: a typical efficiency within the interval that is stated of it is the same, be
            a difference ever so certain where blocks are paired.
    """
    numbers = found["estimates"]["unbiased"]
    excess, rank, tail = (Estimate.from_dict(numbers[name]) for name in ("excess", "effective_rank", "tail"))
    moved = False
    if gap is not None and asked is not None:
        stated = Estimate.from_dict(asked["estimates"]["unbiased"][HEADLINE]).interval
        here = Estimate.from_dict(numbers[HEADLINE]).value
        moved = gap.excludes_zero and stated is not None and not stated[0] <= here <= stated[1]
    return {
        "one_token": found["heaviest"]["token_share"] > ONE_TOKEN,
        "excess": against_null(excess, rank, found["products"]["width"]),
        "tail_covered": math.isfinite(tail.value) and mean_is_covered(tail.value, found["tokens"]),
        "efficiency": "moved" if moved else "same",
    }

"""What a comparison of many models found: the document behind ``study.json``.

Every number that the report prints or draws is here; the report computes nothing. Scores and everything
derived from them are fractions of 1. An estimate that could not be made is absent, and an `Unavailable`
says why.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from nil_audit.comparison.findings import (
    Association,
    Band,
    Confounder,
    Contrast,
    Counterexample,
    Curve,
    LeaveOneFamilyOut,
    PermutationTest,
    Prediction,
    Predictor,
)

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One model of the study.

    Attributes:
        model: Hub id, or the name that the input gave.
        family: Models of a family are resampled together.
        depth: Decoder blocks.
        width: Channels of the residual stream.
        ratio: depth / width.
        parameters: Total parameters (a count, not billions); None where unknown.
        tokens: Training tokens (a count); None where unpublished.
        release: "YYYY-MM", or None.
        lineage: "from_scratch", "pruned", "distilled", "pruned+distilled", "depth_upscaled", "continued" or
            None.
        score: Raw accuracy.
        stderr: Its standard error.
        chance: Accuracy of guessing.
        at_floor: The score cannot be told from one that needs no understanding (`nil_audit.comparison.floor`).
        flag: Why the score is known to be wrong, or None. Flagged rows are only in the subset "with_flagged".
        uncertain: Why the shape is doubtful, or None. Doubtful rows are in every subset but "certain_shape".
        origin: "published", "measured", "lm-eval" or "table".
        source: Where the score is from.
        band: Key of its size band; None where parameters are unknown.
        verdict: "inside", "disputed" or "outside" (`nil_audit.law.studies.verdict`).
        distance: Signed distance to each study's interval, in nats of ratio: {"law": ..., "morph": ...,
            ...}.
        deviation: ln R - ln optimum of each study, signed, in nats of ratio.
        expected: Score that models of its size get (spline in log parameters); None where it cannot be
            fitted.
        residual: score - expected: the size-adjusted score.
        metrics: Measured metrics, by key ("interaction_efficiency", "spread", ...); empty where none.
    """

    model: str
    family: str
    depth: int
    width: int
    ratio: float
    parameters: float | None
    tokens: float | None
    release: str | None
    lineage: str | None
    score: float
    stderr: float | None
    chance: float
    at_floor: bool
    flag: str | None
    uncertain: str | None
    origin: str
    source: str
    band: str | None
    verdict: str
    distance: Mapping[str, float]
    deviation: Mapping[str, float]
    expected: float | None
    residual: float | None
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """A model that the inputs name and the study leaves out, and the reason as a sentence."""

    model: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Unavailable:
    """Something that the study was asked for and cannot say: what, and the reason as a sentence."""

    what: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ProtocolSummary:
    """The primary estimate under one protocol, to show whether the answer changes with protocol.

    Attributes:
        protocol: Its name.
        models: Models with a score of it that is not flagged.
        families: Their families.
        chosen: The study is of this protocol.
        estimate: Partial Spearman, given "size_curve"; None where there are too few models.
        low: Lower end of its interval, or None.
        high: Upper end, or None.
        strength: As in `Conclusion`.
    """

    protocol: str
    models: int
    families: int
    chosen: bool
    estimate: float | None
    low: float | None
    high: float | None
    strength: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One stated rule of the conclusion.

    Attributes:
        key: Short name.
        statement: What it demands, as a sentence.
        outcome: "holds", "fails" or "unavailable".
        detail: The figures that it was decided on.
    """

    key: str
    statement: str
    outcome: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What the data say about the law, in words by stated rules (`nil_audit.comparison.rules`).

    Attributes:
        strength: "strong", "moderate", "weak" (support for the law), "none", "contradicts" or
            "insufficient".
        headline: One sentence with the figure and its interval.
        sentences: The rest of the first screen: raw and size correlations, bands, floor, out of sample,
            caveats.
        rules: The rules in order, with what each found.
    """

    strength: str
    headline: str
    sentences: tuple[str, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that was chosen, enough to repeat the study from the same inputs.

    Attributes:
        protocol: The one protocol of the study.
        seed: Of every random draw.
        resamples: Family bootstrap resamples.
        permutations: Permutations a test.
        splits: Random halves of families, out of sample.
        level: Confidence level of every interval.
        floor: The floor rule in words.
        cutoff: The release date that splits families, or None where no date was known.
        inputs: The paths given, as given.
    """

    protocol: str
    seed: int
    resamples: int
    permutations: int
    splits: int
    level: float
    floor: str
    cutoff: str | None
    inputs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The whole study; `to_dict` is ``study.json``.

    Attributes:
        settings: What was chosen.
        conclusion: The answer in words.
        models: Every model with a score of the protocol, flagged ones too (see ``ModelRow.flag``), by name.
        excluded: Models left out, with reasons.
        predictors: What was held against score, the primary one first.
        confounders: What goes with both score and the ratio: parameters, training tokens, release.
        associations: Every correlation; pick with `association`.
        permutations: Tests within size bands.
        leave_one_family_out: One range a predictor.
        bands: Size bands, smallest first.
        contrasts: Inside against outside, by study.
        predictions: Out of sample, by predictor and split.
        counterexamples: Both kinds, largest first within each kind.
        size_curve: Expected score against parameters, or None.
        trend: Size-adjusted score against the primary predictor, or None.
        protocols: The primary estimate under each protocol, most models first.
        unavailable: What could not be said, and why.
        notes: Sentences about the inputs (rows merged, repeated, converted).
    """

    settings: Settings
    conclusion: Conclusion
    models: tuple[ModelRow, ...]
    excluded: tuple[Exclusion, ...]
    predictors: tuple[Predictor, ...]
    confounders: tuple[Confounder, ...]
    associations: tuple[Association, ...]
    permutations: tuple[PermutationTest, ...]
    leave_one_family_out: tuple[LeaveOneFamilyOut, ...]
    bands: tuple[Band, ...]
    contrasts: tuple[Contrast, ...]
    predictions: tuple[Prediction, ...]
    counterexamples: tuple[Counterexample, ...]
    size_curve: Curve | None
    trend: Curve | None
    protocols: tuple[ProtocolSummary, ...]
    unavailable: tuple[Unavailable, ...]
    notes: tuple[str, ...]

    def association(
        self, predictor: str, *, method: str = "spearman", given: str = "size_curve", subset: str = "all"
    ) -> Association | None:
        """The correlation asked for, or None where it could not be made."""
        wanted = (predictor, method, given, subset)
        return next(
            (a for a in self.associations if (a.predictor, a.method, a.given, a.subset) == wanted),
            None,
        )

    def to_dict(self) -> dict[str, Any]:
        """``study.json``: plain dicts, lists, strings and numbers; what is not finite is null."""
        from nil_audit import __version__

        return {"schema": SCHEMA, "nil_audit": __version__, **_plain(self)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

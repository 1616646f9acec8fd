"""A comparison of many models, whole: what was given and chosen, what was found, and what could not be.

Scores are as they were given; what is derived of them is in the unit of the outcome's response, see
`nil_audit.comparison.outcome`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nil_audit.comparison.findings import (
    Answer,
    Association,
    Band,
    Contrast,
    Effect,
    Families,
    Floor,
    Influence,
    Mapping,
    Prediction,
    SizeFit,
    Skill,
    SpecificationCurve,
)
from nil_audit.comparison.outcome import Outcome
from nil_audit.displayed import Displayed
from nil_audit.files import plain

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 3
"""Of ``study.json``: 3 holds the effect of a dose; 2 held correlations."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything that is chosen, enough to repeat a comparison from the same inputs.

    Attributes:
        protocol: Whose scores are compared; None: the protocol with the most models.
        outcome: Column of another score, or of a loss, to be held against shape; None: MMLU-Pro.
        lower_is_better: The outcome is a loss.
        size: Column of the size that is held fixed.
        interval: Study whose predicted cost is tested: "law", another that ships, "pooled" for all of them, or the path
            of a file of a study or a pool.
        floor: A score at or below it is at the chance floor; None: by its error, see
            `nil_audit.comparison.table.at_floor`; none for another outcome.
        quick: Leave out the specification curve, and what the answer hangs on.
        seed: Of every random draw.
        permutations: Of the specification curve's test.
        splits: Random halves of families, out of sample.
    """

    protocol: str | None = None
    outcome: str | None = None
    lower_is_better: bool = False
    size: str = "parameters"
    interval: str = "law"
    floor: float | None = None
    quick: bool = False
    seed: int = 0
    permutations: int = 199
    splits: int = 200


@dataclass(frozen=True, kw_only=True)
class Omission:
    """A model that the inputs name and the comparison leaves out, or a result that it lacks, with the reason."""

    what: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A number about a model that may go with its score.

    Attributes:
        key: "deviation_law" (|ln R - ln optimum|), the same for the other studies, "ratio", "depth", "width", or a
            measured metric's key.
        expected_sign: Sign of its correlation with the response if the law holds: -1, +1, or 0 where it says nothing.
        models: Models that have it.
    """

    key: str
    expected_sign: int
    models: int


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Every number found in the models of one protocol; what could not be made is absent.

    Attributes:
        size_fits: The size controls side by side, one of them chosen.
        effects: The primary effect first, then under every choice that is shown by name.
        predictions: What each study predicts for these models at all.
        mappings: The primary under other ways of turning loss into score.
        specifications: Every defensible choice at once; None where it was not asked for.
        influence: What the answer hangs on; None likewise.
        contrasts: Inside against outside, by study.
        families: How much lies between families.
        floor: What the chance floor leaves; None where no model is at it.
        skills: Out of sample.
        associations: Rank correlations.
    """

    size_fits: tuple[SizeFit, ...] = ()
    effects: tuple[Effect, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    mappings: tuple[Mapping, ...] = ()
    specifications: SpecificationCurve | None = None
    influence: Influence | None = None
    contrasts: tuple[Contrast, ...] = ()
    families: Families | None = None
    floor: Floor | None = None
    skills: tuple[Skill, ...] = ()
    associations: tuple[Association, ...] = ()

    def effect(self, row: str, **choices: str) -> Effect | None:
        """The first effect of a row, with the control, release or subset named; None where it could not be made."""
        return next(
            (
                one
                for one in self.effects
                if one.row == row and all(getattr(one, name) == value for name, value in choices.items())
            ),
            None,
        )

    def contrast(self, study: str) -> Contrast | None:
        """Inside against outside one study's interval."""
        return next((one for one in self.contrasts if one.study == study), None)

    def skill(self, split: str) -> Skill | None:
        """The skill on one kind of split."""
        return next((one for one in self.skills if one.split == split), None)

    def association(self, predictor: str, *, given: str = "size", outcome: str = "response") -> Association | None:
        """The correlation asked for, or None where it could not be made."""
        wanted = (predictor, given, outcome)
        return next((a for a in self.associations if (a.predictor, a.given, a.outcome) == wanted), None)


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison(Displayed):
    """The whole comparison; `to_dict` is ``study.json``, and `table` its effects as a frame.

    Attributes:
        options: What was chosen, the protocol named.
        inputs: The paths given, as given.
        outcome: What is held against shape.
        study: Name of the study whose predicted cost is tested.
        control: How size is held fixed everywhere, a key of `nil_audit.comparison.effect.size.CONTROLS`.
        grouped: What is left out whole: "family", or "model" where all models are of one family.
        answer: What the chosen protocol's models say.
        others: The same of every other protocol, most models first.
        models: One row a model with a score of the protocol, flagged ones too, by name; its columns are those of
            `nil_audit.comparison.table`.
        predictors: What was correlated with the response.
        bands: Size bands that hold a model, smallest first.
        findings: Every number.
        trend: Size-adjusted response against the dose: columns x, y, low, high; None where it cannot be drawn.
        excluded: Models left out.
        unavailable: Results that could not be made.
        notes: Sentences about the inputs (rows merged, repeated, converted).
    """

    options: Options
    inputs: tuple[str, ...]
    outcome: Outcome
    study: str
    control: str
    grouped: str
    answer: Answer
    others: tuple[Answer, ...]
    models: "pd.DataFrame"
    predictors: tuple[Predictor, ...]
    bands: tuple[Band, ...]
    findings: Findings
    trend: "pd.DataFrame | None"
    excluded: tuple[Omission, ...]
    unavailable: tuple[Omission, ...]
    notes: tuple[str, ...]

    @property
    def usable(self) -> "pd.DataFrame":
        """The rows that the main results rest on: those that are not flagged."""
        return self.models[self.models["flag"] == ""]

    def counterexamples(self, kind: str) -> Iterator[dict[str, Any]]:
        """Rows of the table that go against the law, the farthest off first.

        Args:
            kind: "inside_below" (inside the law's interval, scores below what its size predicts) or "outside_above".
        """
        found = self.models[self.models["counterexample"] == kind]
        order = found["residual"].abs().sort_values(ascending=False, kind="stable").index
        yield from ({str(name): value for name, value in row.items()} for row in found.loc[order].to_dict("records"))

    def to_dict(self) -> dict[str, Any]:
        """``study.json``: plain dicts, lists, strings and numbers; what is missing or not finite is null."""
        from nil_audit import __version__

        document = plain({key: value for key, value in vars(self).items() if key != "models"})
        models = plain(self.models.replace("", None).to_dict("records"))
        return {"schema": SCHEMA, "kind": "comparison", "nil_audit": __version__, **document, "models": models}

"""What a comparison of many models found: keys and numbers; `nil_audit.report` words and draws them.

Scores and everything derived from them are fractions of 1. An estimate that could not be made is absent, and an
`Omission` says why.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nil_audit.displayed import Displayed
from nil_audit.files import plain
from nil_audit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 2
"""Of ``comparison.json``: 2 holds keys and numbers, and no sentences but notes and reasons."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything that is chosen, enough to repeat a comparison from the same inputs.

    Attributes:
        protocol: Whose scores are compared; None: the protocol with the most models.
        floor: A score at or below it is at the chance floor; None: by its error, see
            `nil_audit.comparison.table.at_floor`.
        seed: Of every random draw.
        permutations: Of each permutation test.
        splits: Random halves of families, out of sample.
    """

    protocol: str | None = None
    floor: float | None = None
    seed: int = 0
    permutations: int = 9999
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
        key: "deviation_law" (|ln R - ln optimum|), "distance_law" (absolute distance to the interval), the same for
            the other studies, "ratio", "depth", "width", or a measured metric's key.
        expected_sign: Sign of its correlation with score if the law holds: -1, +1, or 0 where the law says nothing.
        models: Models that have it.
    """

    key: str
    expected_sign: int
    models: int


@dataclass(frozen=True, kw_only=True)
class Association:
    """One correlation.

    Attributes:
        predictor: Key of the predictor; "parameters", "tokens" or "release" for a confounder.
        outcome: What it is held against: "score", or "ratio" for a confounder.
        method: "spearman", or "pearson" (on ln of ratio, depth, width and parameters).
        given: What is held fixed, a key of `nil_audit.comparison.correlation.GIVEN`.
        subset: "all" (every model that is not flagged), "above_floor", "with_flagged", "certain_shape" (rows whose
            shape is not doubtful), "from_scratch", or "band:KEY" for one size band.
        families: Families in it.
        estimate: The correlation; n counts models, the interval is over families.
        p_adjusted: Holm-corrected over the main table; None outside it.
    """

    predictor: str
    outcome: str = "score"
    method: str = "spearman"
    given: str
    subset: str = "all"
    families: int
    estimate: Estimate
    p_adjusted: float | None = None


@dataclass(frozen=True, kw_only=True)
class PermutationTest:
    """Size-adjusted scores moved within size bands, family by family.

    Attributes:
        predictor: Key of the predictor.
        estimate: Pooled within-band rank correlation of the size-adjusted predictor and score; n counts the units
            that change places, p = (1 + as extreme) / (1 + permutations).
        p_adjusted: Holm-corrected over predictors.
        bands: Size bands with at least two units.
    """

    predictor: str
    estimate: Estimate
    p_adjusted: float | None
    bands: int


@dataclass(frozen=True, kw_only=True)
class FamiliesLeftOut:
    """The partial Spearman correlation given the size curve when each family is left out.

    Attributes:
        predictor: Key of the predictor.
        value: With every family.
        without: The correlation without each family, lowest first.
    """

    predictor: str
    value: float
    without: dict[str, float]

    @property
    def lowest(self) -> tuple[str, float]:
        """The family whose absence gives the lowest correlation, and that correlation."""
        return next(iter(self.without.items()))

    @property
    def highest(self) -> tuple[str, float]:
        """The family whose absence gives the highest."""
        return next(reversed(self.without.items()))

    @property
    def sign_changes(self) -> bool:
        """Whether some family's absence gives a correlation of the other sign."""
        return self.lowest[1] * self.highest[1] <= 0


@dataclass(frozen=True, kw_only=True)
class Band:
    """A size band: low <= parameters < high (None: no upper end), and the models in it that are not flagged."""

    key: str
    low: float
    high: float | None
    models: int
    families: int
    at_floor: int


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Mean size-adjusted score inside an interval minus outside it.

    Attributes:
        study: Whose interval, or "all" (inside all of them against the rest).
        inside: Models inside.
        outside: Models outside.
        estimate: In fractions of 1 (0.02: two points of accuracy), its interval over families.
    """

    study: str
    inside: int
    outside: int
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class Skill:
    """Out of sample: is score predicted better with the predictor than from size alone?

    Attributes:
        predictor: Key of the predictor.
        split: "release" (fit on families first released before a month) or "halves" (random halves of families).
        cutoff: The month ("YYYY-MM") for "release"; None for "halves".
        splits: Number of splits averaged (1 for "release").
        train: Models fitted on (mean over splits, rounded).
        test: Models predicted (likewise).
        error_size: Root mean square error from size alone, in fractions of 1.
        error_with: The same with the predictor added.
        estimate: 1 - (error_with / error_size)²: above 0 the predictor helps.
    """

    predictor: str
    split: str
    cutoff: str | None
    splits: int
    train: int
    test: int
    error_size: float
    error_with: float
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Every number found in the models of one protocol; what could not be made is absent.

    Attributes:
        associations: Every correlation; pick with `association`.
        permutations: One test a predictor.
        left_out: One range a predictor.
        contrasts: Inside against outside, by study.
        skills: Out of sample, by predictor and split.
    """

    associations: tuple[Association, ...] = ()
    permutations: tuple[PermutationTest, ...] = ()
    left_out: tuple[FamiliesLeftOut, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    skills: tuple[Skill, ...] = ()

    def association(
        self,
        predictor: str,
        *,
        outcome: str = "score",
        method: str = "spearman",
        given: str = "size_curve",
        subset: str = "all",
    ) -> Association | None:
        """The correlation asked for, or None where it could not be made."""
        wanted = (predictor, outcome, method, given, subset)
        return next(
            (a for a in self.associations if (a.predictor, a.outcome, a.method, a.given, a.subset) == wanted), None
        )

    def permutation(self, predictor: str) -> PermutationTest | None:
        """A predictor's permutation test."""
        return next((one for one in self.permutations if one.predictor == predictor), None)

    def without_families(self, predictor: str) -> FamiliesLeftOut | None:
        """A predictor's range when families are left out."""
        return next((one for one in self.left_out if one.predictor == predictor), None)

    def contrast(self, study: str) -> Contrast | None:
        """Inside against outside one study's interval."""
        return next((one for one in self.contrasts if one.study == study), None)

    def skill(self, predictor: str, split: str) -> Skill | None:
        """A predictor's skill on one kind of split."""
        return next((one for one in self.skills if (one.predictor, one.split) == (predictor, split)), None)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of the answer: its key, and whether it "holds", "fails" or is "unavailable"."""

    key: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the models of one protocol say of the law, by the rules of `nil_audit.comparison.rules`.

    Attributes:
        protocol: Its name.
        models: Models with a score of it that is not flagged.
        sized: Those of them whose parameters are known.
        families: Families of the models.
        sized_families: Families of those whose parameters are known.
        strength: "strong", "moderate", "weak" (support for the law), "none", "contradicts" or "insufficient".
        rules: The rules in order, with what each found; empty where the data are insufficient.
        primary: The correlation that the answer rests on; None where there are too few models.
    """

    protocol: str
    models: int
    sized: int
    families: int
    sized_families: int
    strength: str
    rules: tuple[Rule, ...]
    primary: Association | None


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison(Displayed):
    """The whole comparison; `to_dict` is ``comparison.json``, and `table` its predictors against score.

    Attributes:
        options: What was chosen, the protocol named.
        inputs: The paths given, as given.
        answer: What the chosen protocol's models say.
        others: The same of every other protocol, most models first.
        models: One row a model with a score of the protocol, flagged ones too, by name; its columns are those of
            `nil_audit.comparison.table`.
        predictors: What was held against score, the primary one first.
        bands: Size bands that hold a model, smallest first.
        findings: Every number.
        trend: Size-adjusted score against the primary predictor: columns x, y, low, high; None where it cannot be
            drawn.
        excluded: Models left out.
        unavailable: Results that could not be made.
        notes: Sentences about the inputs (rows merged, repeated, converted).
    """

    options: Options
    inputs: tuple[str, ...]
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
        """``comparison.json``: plain dicts, lists, strings and numbers; what is missing or not finite is null."""
        from nil_audit import __version__

        document = plain({key: value for key, value in vars(self).items() if key != "models"})
        models = plain(self.models.replace("", None).to_dict("records"))
        return {"schema": SCHEMA, "kind": "comparison", "nil_audit": __version__, **document, "models": models}

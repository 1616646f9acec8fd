"""What is found in the models of one protocol: keys and numbers, that `nil_audit.report` words and draws.

Effects are in units of what a study predicts: 0 is no effect of shape, 1 exactly the predicted one. Differences and
errors of scores are in the unit of the outcome (`nil_audit.comparison.outcome.Outcome`): points of accuracy, or per
cent of loss. An estimate that could not be made is absent, and an `Omission` says why.
"""

from dataclasses import dataclass

from nil_audit.stats.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Band:
    """A size band: low <= parameters < high (None: no upper end), and the models in it that are not flagged."""

    key: str
    low: float
    high: float | None
    models: int
    groups: int
    at_floor: int


@dataclass(frozen=True, kw_only=True)
class SizeFit:
    """How well one size control fits, `nil_audit.comparison.effect.size`.

    Attributes:
        control: Its key, one of `nil_audit.comparison.effect.size.CONTROLS`.
        columns: Columns beside the constant.
        aic: Akaike's criterion, n ln(RSS / n) + 2 (columns + 1).
        held_out: Root mean square error of the response where each group is predicted from the others.
        chosen: Whether it is the one that "size held fixed" means in the whole report.
    """

    control: str
    columns: int
    aic: float
    held_out: float
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The coefficient of a study's dose, see `nil_audit.comparison.effect.dose`.

    Attributes:
        row: What this estimate is for, a key of `nil_audit.comparison.effect.rows.ROWS`; "primary" is the answer's.
        study: Whose predicted cost is the dose.
        control: How size is held fixed.
        release: How the month of release is held fixed: "none", "linear" or "spline".
        estimator: "least_squares", "random_intercept" (of the family), "within_family" or "censored".
        subset: Which models, a key of `nil_audit.comparison.effect.rows.SUBSETS`.
        groups: Families (or models, where these are resampled).
        estimate: The coefficient, its 95% interval and standard error; n counts models.
        narrow: Its 90% interval; None where there is no interval.
        as_predicted: The coefficient with the dose of a world in which the prediction holds
            (`nil_audit.comparison.effect.dose.predicted_terms`), by which the prediction is tested; None where the test
            is that of ``estimate``.
        detectable: The smallest effect that has a 95% interval off zero in 80 of 100 such samples.
        verdict: "supported", "contradicted", "cannot_tell", by `nil_audit.comparison.rules.verdict`; "insufficient"
            without an interval.
    """

    row: str
    study: str
    control: str
    release: str = "none"
    estimator: str = "least_squares"
    subset: str = "all"
    groups: int
    estimate: Estimate
    narrow: tuple[float, float] | None
    as_predicted: Estimate | None = None
    detectable: float | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one study's curve predicts for these models at all, and what came out.

    Attributes:
        study: Its name.
        mean: Mean dose over the models, in the unit of the outcome.
        largest: Largest dose.
        spread: Standard deviation of the dose once size is held fixed: what there is to be seen.
        effect: The coefficient of this study's dose, size held fixed as in the primary; None where it cannot be made.
    """

    study: str
    mean: float
    largest: float
    spread: float
    effect: Effect | None


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """The primary under one other way of turning loss into score.

    Attributes:
        what: "loss_per_size", "curvature" or "slope".
        value: Loss an e-fold of parameters, the study's curvature; NaN for a slope.
        label: Which: "low", "high", or for a slope the curve that it is taken from.
        effect: The coefficient.
    """

    what: str
    value: float
    label: str
    effect: Effect


@dataclass(frozen=True, kw_only=True)
class Specification:
    """One defensible way to estimate the primary effect.

    Attributes:
        control, release, covariates, estimator, subset: Its choices; covariates: "none" or "lineage_domain".
        value: The effect.
        low: Lower end of its 95% interval over groups.
        high: Upper end.
        models: Models in it.
        primary: Whether it is the answer's.
    """

    control: str
    release: str
    covariates: str
    estimator: str
    subset: str
    value: float
    low: float
    high: float
    models: int
    primary: bool = False


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How far one kind of choice moves the effect.

    Attributes:
        choice: "control", "release", "covariates", "estimator" or "subset".
        medians: Median effect by option, lowest first.
        span: Highest minus lowest of these.
    """

    choice: str
    medians: dict[str, float]
    span: float


@dataclass(frozen=True, kw_only=True)
class SpecificationCurve:
    """Every specification, lowest effect first (Simonsohn, Simmons and Nelson 2020).

    Attributes:
        specifications: In order of their values.
        median: Median effect.
        positive: Share of specifications with an effect above zero: in the law's direction.
        significant_positive: Share whose 95% interval lies above zero.
        significant_negative: Share whose interval lies below zero.
        p: Joint permutation p-value of the median against no effect of shape, two-sided.
        permutations: Number of permutations.
        choices: Largest span first.
    """

    specifications: tuple[Specification, ...]
    median: float
    positive: float
    significant_positive: float
    significant_negative: float
    p: float | None
    permutations: int
    choices: tuple[Choice, ...]


@dataclass(frozen=True, kw_only=True)
class Removal:
    """A smallest set of models (or organisations) found whose removal changes the answer.

    Attributes:
        unit: "model" or "organisation".
        target: "sign" (the effect changes sign), "interval" (the 95% interval excludes zero), or an answer that it
            becomes: "supported", "contradicted", "cannot_tell".
        removed: Their names, in the order of removal; empty where no set of at most the number tried does it.
        tried: The largest number of removals that was tried.
        effect: What is then estimated; None where nothing was found.
    """

    unit: str
    target: str
    removed: tuple[str, ...]
    tried: int
    effect: Effect | None


@dataclass(frozen=True, kw_only=True)
class Influence:
    """What the answer hangs on.

    Attributes:
        removals: Greedy searches, by unit and target.
        models: Change of the effect when each model is left out, largest first in absolute value, at most ten.
        organisations: The same for organisations.
    """

    removals: tuple[Removal, ...]
    models: dict[str, float]
    organisations: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Mean outcome inside a study's interval minus outside, size held fixed, under scrutiny.

    Attributes:
        study: Whose interval.
        inside: Models inside.
        outside: Models outside.
        estimate: Under the chosen size control, its interval over families, p against zero.
        p_adjusted: Holm's over the contrasts.
        predicted: What the study's own curve predicts for this contrast, size held fixed alike.
        controls: The estimate under each size control, by key.
        bands: The estimate in each size band that has models on both sides (size held fixed by a line), by key.
        organisations: Lowest and highest value when each organisation is left out, with its name.
        draws: Mean, and 2.5% and 97.5% quantiles of the estimate when the interval is each of the study's bootstrap
            draws; None where the study has none.
        near_edge: Models whose R is within 10% of an end of the interval.
        same_ratio: The most models outside that share one R, and that R; None where none do.
        within_families: The same contrast with an intercept a family.
        matched: Mean difference over matched pairs (one inside, one outside; size within 12%, release within nine
            months, of different families), with its interval over organisations; n counts pairs. None without pairs.
        size_gap: Mean ln parameters inside minus outside.
    """

    study: str
    inside: int
    outside: int
    estimate: Estimate
    p_adjusted: float | None
    predicted: float
    controls: dict[str, Estimate]
    bands: dict[str, Estimate]
    organisations: tuple[tuple[str, float], tuple[str, float]] | None
    draws: tuple[float, float, float] | None
    near_edge: int
    same_ratio: tuple[int, float] | None
    within_families: Estimate | None
    matched: Estimate | None
    size_gap: float


@dataclass(frozen=True, kw_only=True)
class Families:
    """How much of the comparison is between families.

    Attributes:
        families: Number of families.
        several: Families of at least two models.
        varying: Families whose models differ in R by more than 5%.
        organisations: Number of organisations.
        share: Intraclass correlation: the share of the response's variance, given size, that lies between families.
    """

    families: int
    several: int
    varying: int
    organisations: int
    share: float | None


@dataclass(frozen=True, kw_only=True)
class Floor:
    """What the chance floor leaves.

    Attributes:
        level: Score at or below which a model is censored, in the unit of the score (0 to 1).
        below: Models at the floor.
        above: Models above.
        reliability_below: Share of the variance of size-adjusted scores at the floor that is not sampling error.
        reliability_above: The same above it.
    """

    level: float
    below: int
    above: int
    reliability_below: float | None
    reliability_above: float | None


@dataclass(frozen=True, kw_only=True)
class Skill:
    """Out of sample: is the response predicted better with the dose than from size alone? Everything refitted.

    Attributes:
        split: "release" (fit on families first released before a month) or "halves" (random halves of families).
        cutoff: The month ("YYYY-MM") for "release"; None for "halves".
        splits: Number of splits averaged (1 for "release").
        train: Models fitted on (mean over splits, rounded).
        test: Models predicted (likewise).
        error_size: Root mean square error from size alone, in the unit of the outcome.
        error_with: The same with the dose, its coefficient fitted.
        error_predicted: The same with the dose as the law has it, its coefficient 1.
        estimate: 1 - (error_with / error_size)², with the interval of a jackknife in which training and test are
            both redone.
    """

    split: str
    cutoff: str | None
    splits: int
    train: int
    test: int
    error_size: float
    error_with: float
    error_predicted: float
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class Association:
    """One rank correlation (secondary).

    Attributes:
        predictor: Key of the predictor; "parameters", "tokens" or "release" for a confounder.
        outcome: What it is held against: "response" (higher is better), or "ratio" for a confounder.
        given: "nothing", "size", "size_tokens", "size_release" or "size_ratio" (size and R).
        groups: Families, or models.
        estimate: Spearman's (partial) correlation; n counts models, the interval is over groups.
        p_adjusted: Holm-corrected over the whole table; None for confounders.
    """

    predictor: str
    outcome: str = "response"
    given: str
    groups: int
    estimate: Estimate
    p_adjusted: float | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the models of one protocol say of the claim, by the rules of `nil_audit.comparison.rules`.

    Attributes:
        protocol: Its name.
        models: Models with a score of it that is not flagged.
        sized: Those of them whose size is known.
        groups: Groups (families, or models) of the models.
        sized_groups: Groups of those whose size is known.
        verdict: "supported", "contradicted", "cannot_tell" or "insufficient".
        primary: The effect that the answer rests on; None where it cannot be made.
    """

    protocol: str
    models: int
    sized: int
    groups: int
    sized_groups: int
    verdict: str
    primary: Effect | None

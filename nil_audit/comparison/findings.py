"""The single findings of a comparison: one frozen dataclass for each kind of number in ``study.json``.

Scores, and everything derived from them, are fractions of 1. Intervals are at the study's level (95%).
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A number about a model that may go with its score.

    Attributes:
        key: "deviation_law" (|ln R - ln optimum|), "distance_law" (absolute distance to the interval), the
            same for "morph" and "chinchilla", "ratio", "depth", "width", or a measured metric's key.
        label: For people: "|ln R/R*| (law)".
        expected_sign: Sign of its correlation with score if the law holds: -1, +1, or 0 where the law says
            nothing.
        primary: The one predictor that the conclusion rests on.
        models: Models of the study that have it.
    """

    key: str
    label: str
    expected_sign: int
    primary: bool
    models: int


@dataclass(frozen=True, kw_only=True)
class Association:
    """One correlation of a predictor with score.

    Attributes:
        predictor: Key of the predictor.
        method: "spearman", "kendall" or "pearson" (on ln of ratio, depth, width and parameters).
        given: What is held fixed: "nothing", "size" (the rank of parameters), "size_tokens" (and that of
            training tokens), "size_curve" (the rank of parameters and a natural cubic spline of log
            parameters: what the conclusion rests on), "size_curve_tokens" or "size_curve_release" (and the
            rank of training tokens, of the release month). Pearson takes logarithms instead of ranks.
        subset: "all" (every model that is not flagged), "above_floor", "with_flagged", "certain_shape" (rows
            whose shape is not doubtful), "from_scratch", or "band:KEY" for one size band.
        models: Models in it.
        families: Families in it.
        estimate: The correlation.
        low: Lower end of the 95% interval over families; None with too few families.
        high: Upper end.
        p_value: Two-sided, from the same family-robust standard error as the interval.
        p_adjusted: Holm-corrected over the tests of the study's main table; None outside it.
        bootstrap_low: Lower end of the plain percentile interval of the family bootstrap, for comparison.
        bootstrap_high: Its upper end.
    """

    predictor: str
    method: str
    given: str
    subset: str
    models: int
    families: int
    estimate: float
    low: float | None
    high: float | None
    p_value: float | None
    p_adjusted: float | None
    bootstrap_low: float | None
    bootstrap_high: float | None


@dataclass(frozen=True, kw_only=True)
class Confounder:
    """Something that goes with score and with the ratio, so that the two go together without shape mattering.

    Attributes:
        key: "parameters", "tokens" or "release".
        label: For people.
        models: Models that have it.
        families: Their families.
        score: Its Spearman correlation with score.
        score_low: Lower end of the interval of that, or None.
        score_high: Upper end, or None.
        ratio: Its Spearman correlation with R.
        ratio_low: Lower end of the interval of that, or None.
        ratio_high: Upper end, or None.
    """

    key: str
    label: str
    models: int
    families: int
    score: float
    score_low: float | None
    score_high: float | None
    ratio: float
    ratio_low: float | None
    ratio_high: float | None


@dataclass(frozen=True, kw_only=True)
class PermutationTest:
    """Permutation of size-adjusted scores within size bands.

    Attributes:
        predictor: Key of the predictor.
        unit: "family" (families' mean residuals change places: what the conclusion uses) or "model".
        estimate: The statistic: pooled within-band rank correlation of the size-adjusted predictor and
            score.
        p_value: Two-sided, (1 + as extreme) / (1 + permutations).
        p_adjusted: Holm-corrected over predictors (of this unit).
        units: Things permuted.
        bands: Size bands with at least two of them.
        permutations: Number drawn.
    """

    predictor: str
    unit: str
    estimate: float
    p_value: float
    p_adjusted: float | None
    units: int
    bands: int
    permutations: int


@dataclass(frozen=True, kw_only=True)
class FamilyLeftOut:
    """The estimate when one family is left out."""

    family: str
    models: int
    estimate: float


@dataclass(frozen=True, kw_only=True)
class LeaveOneFamilyOut:
    """Range of the partial Spearman (given "size_curve", subset "all") when each family is left out.

    Attributes:
        predictor: Key of the predictor.
        estimate: With every family.
        lowest: The family whose absence gives the lowest estimate.
        highest: The family whose absence gives the highest.
        sign_changes: Some family's absence gives an estimate of the other sign.
        families: Every family, ordered by estimate; only for the primary predictor, else empty.
    """

    predictor: str
    estimate: float
    lowest: FamilyLeftOut
    highest: FamilyLeftOut
    sign_changes: bool
    families: tuple[FamilyLeftOut, ...]


@dataclass(frozen=True, kw_only=True)
class Band:
    """A size band: low <= parameters < high (high None: no upper end), with a label such as "1B to 5B"."""

    key: str
    label: str
    low: float
    high: float | None
    models: int
    families: int
    at_floor: int


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Mean size-adjusted score inside an interval minus outside it.

    Attributes:
        study: "law", "morph", "chinchilla", or "all" (inside all three against the rest).
        inside: Models inside.
        outside: Models outside.
        difference: In fractions of 1 (0.02: two points of accuracy).
        low: Lower end of its 95% interval over families; None where too few families.
        high: Upper end.
        p_value: Two-sided.
    """

    study: str
    inside: int
    outside: int
    difference: float
    low: float | None
    high: float | None
    p_value: float | None


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Out of sample: is score predicted better with the predictor than from size alone?

    Attributes:
        predictor: Key of the predictor.
        split: "release" (fit on families first released before a date) or "halves" (random halves of
            families).
        cutoff: The date ("YYYY-MM") for "release"; None for "halves".
        splits: Number of splits averaged (1 for "release").
        train: Models fitted on (mean over splits, rounded).
        test: Models predicted (likewise).
        error_size: Root mean square error from size alone, in fractions of 1.
        error_with: The same with the predictor added.
        skill: 1 - (error_with / error_size)^2: above 0 the predictor helps.
        low: Lower end of its 95% interval (over test families, or over splits of resampled families); None
            if none.
        high: Upper end.
    """

    predictor: str
    split: str
    cutoff: str | None
    splits: int
    train: int
    test: int
    error_size: float
    error_with: float
    skill: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """A model that goes against the law.

    Attributes:
        model: Its name.
        family: Its family.
        kind: "inside_below" (inside the law's interval, scores below what its size predicts) or
            "outside_above".
        score: Its score.
        expected: What models of its size score.
        residual: score - expected.
        distance: Signed distance to the law's interval (0 inside).
        ratio: depth / width.
        parameters: Total parameters.
        standardised: residual in units of the residuals' standard deviation.
    """

    model: str
    family: str
    kind: str
    score: float
    expected: float
    residual: float
    distance: float
    ratio: float
    parameters: float
    standardised: float


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A fitted line with its pointwise 95% band (families resampled): equal-length tuples.

    For ``size_curve`` x is parameters and y the expected score; for ``trend`` x is the primary predictor
    and y the size-adjusted score.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

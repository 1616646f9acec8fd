"""What the parts of a comparison are called for people, and which of its models are worth a name."""

from collections.abc import Sequence
from itertools import islice, zip_longest

from nil_audit.comparison.findings import Band, Effect
from nil_audit.comparison.outcome import LOSS, Outcome
from nil_audit.comparison.result import Comparison
from nil_audit.law.pooled import NAME
from nil_audit.law.studies import DEFAULT
from nil_audit.report.render.text import interval_text, signed
from nil_audit.stats.estimate import Estimate

CONTROLS = {
    "linear": "straight line",
    "quadratic": "parabola",
    "spline": "smooth curve",
    "spline_rank": "smooth curve and rank",
    "bands": "line in each size band",
    "flexible": "flexible curve",
}
"""How size is held fixed, after "a"; docs/study.md and a note below the table say what the curves are."""

RELEASES = {"none": "no date", "linear": "month of release, as a line", "spline": "month of release, as a curve"}
COVARIATES = {"none": "neither lineage nor domain", "lineage_domain": "lineage and domain"}
ESTIMATORS = {
    "least_squares": "all models alike",
    "random_intercept": "families at random levels",
    "within_family": "within families alone",
    "censored": "scores at the floor as censored",
}
SUBSETS = {
    "all": "every model",
    "above_floor": "above the chance floor",
    "from_scratch": "trained from scratch",
    "certain_shape": "shapes beyond doubt",
    "general": "not of one domain",
    "with_flagged": "flagged rows too",
}
CHOICES = {
    "control": ("how size is held fixed", CONTROLS),
    "release": ("date of release", RELEASES),
    "covariates": ("lineage and domain", COVARIATES),
    "estimator": ("how families count", ESTIMATORS),
    "subset": ("which models", SUBSETS),
}
"""Each choice of the specification curve: its name, and what its options are called."""

VERDICTS = {
    "supported": "supported",
    "contradicted": "contradicted",
    "cannot_tell": "cannot tell",
    "insufficient": "too few models",
}
_PREDICTORS = {
    "ratio": "R = depth / width",
    "typical_efficiency": "typical efficiency",
    "typical_spread": "typical spread r(U)/d",
    "typical_sensitivity": "typical sensitivity",
    "interaction_efficiency": "interaction efficiency",
    "spread": "spread r/d",
    "aofe": "AOFE",
    "aofe_ratio": "AOFE-ratio",
    "excess": "excess of the AOFE-ratio",
    "parameters": "size",
    "tokens": "training tokens",
    "release": "month of release",
}


def predictor_label(key: str) -> str:
    """What a predictor or a confounder is called: "|ln R/R*| (law)", "depth"."""
    kind, _, study = key.partition("_")
    if kind == "deviation":
        return f"|ln R/R*| ({study})"
    return _PREDICTORS.get(key, f"distance ({study})" if kind == "distance" else key)


def study_words(study: str) -> str:
    """A study as the subject of a sentence: "the law", "the morph study", "the pool of studies"."""
    return {DEFAULT: "the law", NAME: "the pool of studies"}.get(study, f"the {study} study")


def effect_label(effect: Effect) -> str:
    """What an effect is for: "the answer", "a parabola", "month of release, as a curve"."""
    labels = {
        "primary": f"answer: {CONTROLS[effect.control]}",
        "own_world": "cost as if the prediction held",
        "control": CONTROLS[effect.control],
        "release": RELEASES[effect.release],
        "covariates": COVARIATES["lineage_domain"],
        "subset": SUBSETS[effect.subset],
        "organisations": "organisations left out whole",
        "tokens": "training tokens too",
        "tokens_baseline": "the same models, without tokens",
    }
    return labels.get(effect.row) or ESTIMATORS[effect.estimator]


def effect_text(effect: Effect | Estimate | None) -> str:
    """An effect with its interval, without plus signs: "0.54 [−0.60, 1.68]"."""
    return interval_text(effect.estimate if isinstance(effect, Effect) else effect)


def number(value: float | None, digits: int = 2) -> str:
    """A number without a plus sign: "0.54", "−0.60"; a dash where there is none."""
    return interval_text(None if value is None else Estimate(value=value), digits)


def unit(outcome: Outcome) -> str:
    """The unit of a response after a number: "points of MMLU-Pro", "% of fineweb_edu_loss", "of score"."""
    kind = {"points": "points of ", LOSS: "% of "}.get(outcome.unit, "of ")
    return f"{kind}{outcome.name}"


def amount(outcome: Outcome, value: float) -> str:
    """A response with its unit: "5.6 points of MMLU-Pro", "2.6% of fineweb_edu_loss"."""
    return f"{number(value, 1)}{'' if outcome.unit == LOSS else ' '}{unit(outcome)}"


def sample_words(comparison: Comparison, models: int, groups: int) -> str:
    """How many models there are, and of how many families: "113 models of 54 families"; of one family "22 models"."""
    text = counted(models, "model", "models")
    return text if comparison.grouped == "model" else f"{text} of {group_words(comparison, groups)}"


def group_words(comparison: Comparison, count: int | None = None) -> str:
    """What is left out whole: "families", or "models" where each counts for itself; with its number "54 families"."""
    one, many = {"family": ("family", "families"), "model": ("model", "models")}[comparison.grouped]
    return many if count is None else counted(count, one, many)


def start(words: str) -> str:
    """Words as the beginning of a sentence."""
    return words[:1].upper() + words[1:]


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun: "1 family", "54 families"."""
    return f"{number:,} {one if number == 1 else many}"


def band_labels(bands: Sequence[Band]) -> dict[str, str]:
    """What each size band is called, by its key: "under 1B", "1B to 5B", "80B and more"."""
    return {band.key: _band_label(band.low / 1e9, band.high and band.high / 1e9) for band in bands}


def _band_label(low: float, high: float | None) -> str:
    return f"{low:g}B and more" if high is None else f"{low:g}B to {high:g}B" if low else f"under {high:g}B"


def estimate_words(estimate: Estimate | None, *, digits: int = 2) -> str:
    """An estimate inside a sentence: "−0.11 [−0.30, +0.09]", or that it is not known."""
    if estimate is None:
        return "not known"
    value, *ends = (signed(number, digits) for number in (estimate.value, *(estimate.interval or ())))
    return f"{value} [{', '.join(ends)}]" if ends else f"{value} (no interval)"


def notable(comparison: Comparison) -> tuple[str, ...]:
    """Names of the models worth a label, first the most notable.

    The largest counterexamples of both kinds in turn, then the best score and the ends of the ratio, then those
    whose score is furthest from what their size predicts.
    """
    kinds = [islice(comparison.counterexamples(kind), 6) for kind in ("inside_below", "outside_above")]
    order = [row["model"] for pair in zip_longest(*kinds) for row in pair if row]
    models = comparison.usable.set_index("model")
    if len(models):
        order += [models["response"].idxmax(), models["ratio"].idxmin(), models["ratio"].idxmax()]
        furthest = models["residual"].abs().fillna(0.0).sort_values(ascending=False, kind="stable")
        order += furthest.index[:60].tolist()
    return tuple(dict.fromkeys(order))

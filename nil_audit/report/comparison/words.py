"""What the parts of a comparison are called for people, and which of its models are worth a name."""

from collections.abc import Sequence
from itertools import islice, zip_longest

from nil_audit.comparison.result import Band, Comparison
from nil_audit.report.render.text import signed
from nil_audit.stats.estimate import Estimate

GIVEN = {
    "nothing": "nothing",
    "size": "size, by rank alone",
    "size_curve": "size",
    "size_tokens": "size and tokens, by rank",
    "size_curve_tokens": "size and tokens",
    "size_curve_release": "size and release date",
}
"""What is held fixed, in words; "size" is the rank and the curve that the answer rests on."""

SUBSETS = {
    "all": "every model",
    "above_floor": "above the chance floor",
    "with_flagged": "with flagged rows",
    "certain_shape": "with certain shapes only",
    "from_scratch": "trained from scratch",
}
STRENGTH = {
    "strong": "strong support",
    "moderate": "moderate support",
    "weak": "weak support",
    "none": "no support",
    "contradicts": "against it",
    "insufficient": "cannot tell",
}
_LABELS = {
    "ratio": "R = depth / width",
    "typical_efficiency": "typical efficiency",
    "typical_spread": "typical spread r(U)/d",
    "typical_sensitivity": "typical sensitivity",
    "interaction_efficiency": "interaction efficiency",
    "spread": "spread r/d",
    "aofe": "AOFE",
    "aofe_ratio": "AOFE-ratio",
    "excess": "excess of the AOFE-ratio",
    "tokens": "training tokens",
    "release": "release month",
}


def predictor_label(key: str) -> str:
    """What a predictor or a confounder is called: "|ln R/R*| (law)", "depth"."""
    kind, _, study = key.partition("_")
    if kind == "deviation":
        return f"|ln R/R*| ({study})"
    return _LABELS.get(key, f"distance ({study})" if kind == "distance" else key)


def band_labels(bands: Sequence[Band]) -> dict[str, str]:
    """What each size band is called, by its key: "under 1B", "1B to 5B", "80B and more"."""
    return {band.key: _band_label(band.low / 1e9, band.high and band.high / 1e9) for band in bands}


def _band_label(low: float, high: float | None) -> str:
    return f"{low:g}B and more" if high is None else f"{low:g}B to {high:g}B" if low else f"under {high:g}B"


def subset_label(comparison: Comparison, subset: str) -> str:
    """Which models a correlation is over."""
    return {**SUBSETS, **{f"band:{key}": label for key, label in band_labels(comparison.bands).items()}}[subset]


def estimate_words(estimate: Estimate | None, *, percent: bool = False) -> str:
    """An estimate inside a sentence: "−0.11 [−0.30, +0.09]", in per cent where asked for, or that it is not known."""
    if estimate is None:
        return "not known"
    numbers = (estimate.value, *(estimate.interval or ()))
    value, *ends = (f"{signed(100 * number, 1)}%" if percent else signed(number) for number in numbers)
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
        order += [models["score"].idxmax(), models["ratio"].idxmin(), models["ratio"].idxmax()]
        furthest = models["residual"].abs().fillna(0.0).sort_values(ascending=False, kind="stable")
        order += furthest.index[:60].tolist()
    return tuple(dict.fromkeys(order))

"""What the parts of a comparison are called for people, and small look-ups that tables and plots share."""

import re
from collections.abc import Sequence

from nil_audit.comparison.findings import Predictor
from nil_audit.comparison.result import Comparison, ModelRow
from nil_audit.report.render.text import typeset

GIVEN = {
    "nothing": "nothing",
    "size": "size, by rank alone",
    "size_curve": "size",
    "size_tokens": "size and tokens, by rank",
    "size_curve_tokens": "size and tokens",
    "size_curve_release": "size and release date",
}
"""What is held fixed, in words; "size" is the rank and the curve that the conclusion rests on."""

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
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def given_words(given: str) -> str:
    """What a correlation holds fixed, in words."""
    return GIVEN.get(given, given.replace("_", " "))


def subset_words(comparison: Comparison, subset: str) -> str:
    """Which models a correlation is over, in words."""
    if subset.startswith("band:"):
        key = subset.removeprefix("band:")
        return next((band.label for band in comparison.bands if band.key == key), key)
    return SUBSETS.get(subset, subset.replace("_", " "))


def primary(comparison: Comparison) -> Predictor | None:
    """The predictor that the conclusion rests on."""
    return next((predictor for predictor in comparison.predictors if predictor.primary), None)


def predictor_label(comparison: Comparison, key: str) -> str:
    """What a predictor is called."""
    return next((typeset(predictor.label) for predictor in comparison.predictors if predictor.key == key), key)


def predictor_value(model: ModelRow, key: str) -> float | None:
    """A model's value of a predictor; None where it has none."""
    kind, _, study = key.partition("_")
    if kind in ("deviation", "distance") and study in getattr(model, kind):
        return abs(getattr(model, kind)[study])
    if key in ("ratio", "depth", "width"):
        return float(getattr(model, key))
    return model.metrics.get(key)


def used(comparison: Comparison) -> tuple[ModelRow, ...]:
    """The models that the main results rest on: those that are not flagged."""
    return tuple(model for model in comparison.models if model.flag is None)


def hub_address(model: ModelRow) -> str | None:
    """The model's page on the Hub, where its name can only be a Hub id."""
    if model.origin == "published" and _HUB_ID.fullmatch(model.model):
        return f"https://huggingface.co/{model.model}"
    return None


def notable(comparison: Comparison) -> tuple[str, ...]:
    """Names of the models worth a label, first the most notable.

    The largest counterexamples of both kinds in turn, then the best score and the ends of the ratio, then those
    whose score is furthest from what their size predicts.
    """
    kinds: Sequence[list[str]] = [
        [one.model for one in comparison.counterexamples if one.kind == kind][:6]
        for kind in ("inside_below", "outside_above")
    ]
    longest = max(map(len, kinds))
    order = [kind[rank] for rank in range(longest) for kind in kinds if rank < len(kind)]
    models = used(comparison)
    if models:
        order.append(max(models, key=lambda model: model.score).model)
        order += [pick(models, key=lambda model: model.ratio).model for pick in (min, max)]
    furthest = sorted(models, key=lambda model: (-abs(model.residual or 0.0), model.model))
    order += [model.model for model in furthest[:60]]
    return tuple(dict.fromkeys(order))

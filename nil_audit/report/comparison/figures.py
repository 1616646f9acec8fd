"""The figures of a comparison's report: which numbers each plot shows, and its caption."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nil_audit.comparison.findings import Effect
from nil_audit.comparison.outcome import LOSS
from nil_audit.comparison.result import Comparison
from nil_audit.errors import DataError
from nil_audit.report.comparison.answer import study_of
from nil_audit.report.comparison.words import (
    CHOICES,
    CONTROLS,
    band_labels,
    counted,
    effect_label,
    effect_text,
    group_words,
    notable,
    study_words,
)
from nil_audit.report.plots.effect import EffectRow, effect_plot
from nil_audit.report.plots.scatter import adjusted_against_dose, score_against_ratio
from nil_audit.report.plots.specification import specification_plot
from nil_audit.report.plots.style import Drawing, page_figure
from nil_audit.report.render.characters import clean
from nil_audit.report.render.page import Figure
from nil_audit.report.render.text import percent

if TYPE_CHECKING:
    import pandas as pd

_OTHERS = (
    ("release", "spline"),
    ("subset", "above_floor"),
    ("random_intercept", ""),
    ("tokens", ""),
    ("organisations", ""),
)
"""Row and choice of the estimates that are drawn below the size controls, in order."""

_MOST = 10
"""Estimates of the figure of the effect."""


def draw_figures(comparison: Comparison) -> dict[str, Figure]:
    """Every figure that the comparison has numbers for, by name; none without a model that is not flagged."""
    if comparison.usable.empty:
        return {}
    drawn = (draw(comparison) for draw in (_effect, _score_ratio, _adjusted, _specifications))
    return {figure.name: figure for figure in drawn if figure}


def main_plot(comparison: Comparison) -> Drawing:
    """The effect against none and the predicted one; score against R where no effect can be estimated.

    Raises:
        DataError: Every model is flagged, so that nothing can be drawn.
    """
    if comparison.usable.empty:
        raise DataError("Every model of this comparison is flagged, so there is nothing to draw; see .models['flag'].")
    return _effect_plot(comparison) or _ratio_plot(comparison)


def _predicted(comparison: Comparison) -> str:
    """What an effect of 1 is called beside its line."""
    return f"as {study_words(comparison.study)} predicts"


def _effect(comparison: Comparison) -> Figure | None:
    plot = _effect_plot(comparison)
    main = comparison.findings.effect("primary")
    if plot is None or main is None:
        return None
    seen = (
        f" Grey bar: effects below {main.detectable:.2f} are missed in more than 20 of 100 such samples (larger ones"
        " may be too)."
        if main.detectable is not None
        else ""
    )
    sure = (
        f"Diamond: the answer, size held fixed by a {CONTROLS[main.control]}, with its 95% interval, thick: 90%, over "
    )
    return page_figure(
        "effect",
        plot,
        caption=f"The effect of shape in units of the predicted one. {sure}"
        f"{group_words(comparison, main.groups)}.{seen} Below: the same under other choices. It shows how far the data"
        " fit a prediction, not that shape is the cause.",
        description=f"Intervals of the effect against 0, no effect, and 1, {_predicted(comparison)}: "
        f"{effect_text(main)}.",
        narrow=_effect_plot(comparison, phone=True),
    )


def _effect_plot(comparison: Comparison, *, phone: bool = False) -> Drawing | None:
    main = comparison.findings.effect("primary")
    if main is None:
        return None
    found = comparison.findings
    fit = {one.control: one.held_out for one in found.size_fits}
    sizes = [one for one in found.effects if one.row == "control"]
    sizes.sort(key=lambda one: fit.get(one.control, math.inf))
    others = [one for row, choice in _OTHERS for one in found.effects if one.row == row and choice in _choices(one)]
    groups = [
        ("Size held fixed by", [_row(one, effect_label(one)) for one in sizes]),
        ("Other choices", [_row(one, effect_label(one)) for one in others[: _MOST - 1 - len(sizes)]]),
    ]
    return effect_plot(
        _row(main, f"the answer, {counted(main.estimate.n or 0, 'model', 'models')}"),
        groups,
        predicted=_predicted(comparison),
        detectable=main.detectable,
        phone=phone,
    )


def _choices(one: Effect) -> tuple[str, ...]:
    return "", one.release, one.subset


def _row(one: Effect, label: str) -> EffectRow:
    return EffectRow(label=label, estimate=one.estimate, narrow=one.narrow)


def _score_ratio(comparison: Comparison) -> Figure:
    models = comparison.usable
    tested = study_of(comparison).interval()
    inside = sum(map(tested.holds, models["ratio"]))
    ratio, many = Counter(models["ratio"]).most_common(1)[0]
    fanned = f" Models of one R are fanned out beside it: {many} share {_fraction(ratio)}." if many > 2 else ""
    floor = " Hollow: at the chance floor." if models["at_floor"].any() else ""
    return page_figure(
        "score-against-ratio",
        _ratio_plot(comparison),
        caption=f"{clean(comparison.outcome.name)} against R, depth over width, of"
        f" {counted(len(models), 'model', 'models')}, coloured by size.{floor} Shaded:"
        f" {study_words(comparison.study)}'s interval {tested.low:.2g} to {tested.high:.2g}; dashed: its optimum"
        f" {tested.optimum:.2g}.{fanned} Size is not held fixed here, and larger models are wider for their depth.",
        description=f"Scatter plot of score against R; {inside} of {len(models)} models lie in the interval.",
        narrow=_ratio_plot(comparison, phone=True),
    )


def _fraction(ratio: float) -> str:
    """A ratio as one over a whole number where it is that."""
    return f"1/{1 / ratio:.0f}" if abs(1 / ratio - round(1 / ratio)) < 1e-6 else f"{ratio:.2g}"


def _ratio_plot(comparison: Comparison, *, phone: bool = False) -> Drawing:
    outcome, floor = comparison.outcome, comparison.findings.floor
    name = clean(outcome.name)
    return score_against_ratio(
        comparison.usable,
        bands=band_labels(comparison.bands),
        interval=study_of(comparison).interval(),
        axis=f"{name} accuracy" if outcome.column is None else name,
        percent=outcome.unit == "points",
        lower_is_better=outcome.lower_is_better,
        floor=floor.level if floor else outcome.floor,
        notable=notable(comparison),
        phone=phone,
    )


def _adjusted(comparison: Comparison) -> Figure | None:
    plot = _adjusted_plot(comparison)
    if plot is None:
        return None
    main = comparison.findings.effect("primary")
    slope = f", slope {effect_text(main)} times the predicted one" if main else ""
    band = (
        f" Fitted: least squares{slope}, with its 95% band over {group_words(comparison)}; dashed: what"
        f" {study_words(comparison.study)} predicts."
        if comparison.trend is not None
        else ""
    )
    return page_figure(
        "adjusted-score",
        plot,
        caption=f"{clean(comparison.outcome.name)} beyond what a model's size predicts, against what"
        f" {study_words(comparison.study)} says its shape costs, beyond its size.{band} Each point also holds"
        " whatever else differs between models: data, recipe, date.",
        description=f"Scatter plot of size-adjusted score against predicted cost with a fitted line{slope}.",
        narrow=_adjusted_plot(comparison, phone=True),
    )


def _adjusted_plot(comparison: Comparison, *, phone: bool = False) -> Drawing | None:
    models = _adjustable(comparison)
    if models.empty:
        return None
    unit = {"points": " (points)", LOSS: " (% of loss)"}.get(comparison.outcome.unit, "")
    return adjusted_against_dose(
        models,
        bands=band_labels(comparison.bands),
        axes_labels=(
            f"cost of its shape beyond its size's, {_predicted(comparison)}{unit}",
            f"better than its size predicts{unit}",
        ),
        predicted=_predicted(comparison).replace(" predict", "\npredict"),
        trend=comparison.trend,
        notable=notable(comparison),
        phone=phone,
    )


def _adjustable(comparison: Comparison) -> "pd.DataFrame":
    models = comparison.usable
    return models[models["residual"].notna() & models["adjusted_dose"].notna()]


def _specifications(comparison: Comparison) -> Figure | None:
    curve = comparison.findings.specifications
    if curve is None or not curve.specifications:
        return None
    drawings: Iterator[Drawing] = (
        specification_plot(curve, CHOICES, predicted=_predicted(comparison), phone=phone) for phone in (False, True)
    )
    return page_figure(
        "specification-curve",
        next(drawings),
        caption=f"{len(curve.specifications):,} ways to estimate the effect that could be defended, lowest first, with"
        f" 95% intervals over {group_words(comparison)}, above the choices that each is made of; diamond: the answer's."
        " They share their models, so they are not that many pieces of evidence.",
        description=f"Specification curve: {percent(curve.positive, 0)} of {len(curve.specifications):,} estimates are"
        f" above 0, their median is {curve.median:.2f}.",
        narrow=next(drawings),
    )

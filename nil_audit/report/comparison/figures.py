"""The figures of a comparison's report: which numbers each plot shows, and its caption."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import matplotlib.figure

from nil_audit.comparison.findings import Association
from nil_audit.comparison.result import Comparison
from nil_audit.law.studies import studies
from nil_audit.report.comparison.words import (
    SUBSETS,
    given_words,
    notable,
    predictor_label,
    predictor_value,
    primary,
    subset_words,
    used,
)
from nil_audit.report.plots.adjusted_distance import adjusted_against_distance
from nil_audit.report.plots.forest import Effect, forest
from nil_audit.report.plots.plane import Spot, depth_width_plane
from nil_audit.report.plots.score_ratio import score_against_ratio
from nil_audit.report.plots.style import RASTER_FROM, png_bytes, svg_text
from nil_audit.report.render.page import Figure
from nil_audit.report.render.text import bracketed


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure for the page, and its PNG file's bytes."""

    figure: Figure
    png: bytes


def draw_figures(comparison: Comparison) -> dict[str, Drawn]:
    """Every figure that the study has numbers for, by name."""
    drawn = {}
    for draw in (_score_ratio, _adjusted, _forest, _plane):
        if found := draw(comparison):
            drawn[found.figure.name] = found
    return drawn


def effect_groups(comparison: Comparison) -> list[tuple[str, list[Effect]]]:
    """The forest plot's rows: the primary correlation, then the same in part and under other choices."""
    chosen = primary(comparison)
    if chosen is None:
        return []

    def effect(one: Association | None, label: str, *, main: bool = False) -> Iterator[Effect]:
        if one:
            yield Effect(label=label, estimate=one.estimate, low=one.low, high=one.high, models=one.models, main=main)

    def pick(
        label: str,
        *,
        key: str = chosen.key,
        method: str = "spearman",
        given: str = "size_curve",
        subset: str = "all",
    ) -> list[Effect]:
        one = comparison.association(key, method=method, given=given, subset=subset)
        return list(effect(one, label, main=label == "every model"))

    def subset(name: str) -> list[Effect]:
        return pick(subset_words(comparison, name), subset=name)

    held = ("nothing", "size", "size_tokens", "size_curve_tokens", "size_curve_release")
    rivals = [predictor for predictor in comparison.predictors if predictor.key.startswith(("deviation", "distance"))]
    return [
        ("Size held fixed", pick("every model")),
        ("By size", [row for band in comparison.bands for row in subset(f"band:{band.key}")]),
        (
            "By choice of models",
            [row for name in SUBSETS if name != "all" for row in subset(name)],
        ),
        ("By values, not ranks", pick("Pearson", method="pearson")),
        ("Without one family", _left_out(comparison, chosen.key)),
        ("Holding fixed instead", [row for given in held for row in pick(given_words(given), given=given)]),
        (
            "Other measures of distance",
            [
                row
                for one in rivals
                if one.key != chosen.key
                for row in pick(predictor_label(comparison, one.key), key=one.key)
            ],
        ),
        (
            "Other protocols",
            [
                Effect(label=one.protocol, estimate=one.estimate, low=one.low, high=one.high, models=one.models)
                for one in comparison.protocols
                if not one.chosen and one.estimate is not None and one.low is not None
            ],
        ),
    ]


def _left_out(comparison: Comparison, key: str) -> list[Effect]:
    found = next((one for one in comparison.leave_one_family_out if one.predictor == key), None)
    whole = comparison.association(key)
    if found is None or whole is None:
        return []
    return [
        Effect(
            label=f"{where}: without {one.family}",
            estimate=one.estimate,
            low=None,
            high=None,
            models=whole.models - one.models,
        )
        for where, one in (("lowest", found.lowest), ("highest", found.highest))
    ]


def _score_ratio(comparison: Comparison) -> Drawn | None:
    models = used(comparison)
    if not models:
        return None
    law = studies()[0].interval()
    inside = sum(law.holds(model.ratio) for model in models)
    floor = " Hollow: at the chance floor." if any(model.at_floor for model in models) else ""
    return _both(
        "score-against-ratio",
        lambda narrow: score_against_ratio(models, comparison.bands, law, notable=notable(comparison), narrow=narrow),
        caption=f"Score against the depth-width ratio R of {len(models)} models, coloured by size.{floor} Shaded: the "
        f"law's interval [{law.low:.3g}, {law.high:.3g}]; dashed: its optimum, {law.optimum:.2g}. Size is not held "
        f"fixed here{_mixed(comparison)}.",
        description=f"Scatter plot of accuracy against R; {inside} of {len(models)} models lie in the interval.",
    )


def _mixed(comparison: Comparison) -> str:
    """How size is mixed into the plot of score against R, where it clearly is."""
    size = next((one for one in comparison.confounders if one.key == "parameters"), None)
    if size is None or None in (size.score_low, size.ratio_low, size.score_high, size.ratio_high):
        return ""
    goes = (
        bracketed(size.score, size.score_low, size.score_high),
        bracketed(size.ratio, size.ratio_low, size.ratio_high),
    )
    return f": it goes with score by {goes[0]} and with R by {goes[1]}"


def _adjusted(comparison: Comparison) -> Drawn | None:
    chosen = primary(comparison)
    if chosen is None:
        return None
    pairs = [(model, predictor_value(model, chosen.key)) for model in used(comparison)]
    kept = [(model, value) for model, value in pairs if value is not None and model.residual is not None]
    if not kept:
        return None
    # The law's interval is symmetric about its optimum in ln R: one deviation is the edge on both sides.
    law = studies()[0].interval()
    edge = math.log(law.high / law.optimum) if chosen.key == "deviation_law" else None
    label = predictor_label(comparison, chosen.key)
    ranks, values = (comparison.association(chosen.key, method=method) for method in ("spearman", "pearson"))
    figures = "; ".join(
        f"by {name} {bracketed(one.estimate, one.low, one.high)}"
        for name, one in (("ranks (Spearman)", ranks), ("values (Pearson), as the line is,", values))
        if one
    )
    figure = f" Partial correlation {figures}." if figures else ""
    fit = "least squares of score on it and the size curve, with its 95% interval over families."
    band = f" Line and band: {fit}" if comparison.trend else ""
    slope = {-1: " The law predicts a line that falls.", 1: " The law predicts a line that rises.", 0: ""}
    return _both(
        "adjusted-score",
        lambda narrow: adjusted_against_distance(
            [model for model, _ in kept],
            comparison.bands,
            [value for _, value in kept],
            axis=label,
            trend=comparison.trend,
            inside=edge,
            notable=notable(comparison),
            narrow=narrow,
        ),
        caption=f"Score beyond what models of the same size get, against {label}, of {len(kept)} models."
        f"{band}{figure}{slope[chosen.expected_sign]}",
        description=f"Scatter plot of size-adjusted score against {label} with a fitted line.{figure}",
    )


def _forest(comparison: Comparison) -> Drawn | None:
    groups = [(title, rows) for title, rows in effect_groups(comparison) if rows]
    chosen = primary(comparison)
    if not groups or chosen is None:
        return None
    label = predictor_label(comparison, chosen.key)
    ends = ("as the law says", "against it") if chosen.expected_sign < 0 else ("against the law", "as it says")
    total = sum(len(rows) for _, rows in groups)
    return _both(
        "effect-by-group",
        lambda narrow: forest(
            groups,
            axis=f"correlation of score with {label}",
            ends=ends if chosen.expected_sign else None,
            narrow=narrow,
        ),
        caption="The same correlation in parts of the data and under other choices. Bars: 95% intervals over "
        "families; a row without a bar has none. Unless a row says otherwise size is held fixed.",
        description=f"Forest plot of {total} estimates of the correlation with their intervals.",
    )


def _plane(comparison: Comparison) -> Drawn | None:
    models = used(comparison)
    if not models:
        return None
    spots = [Spot(name=m.model, depth=m.depth, width=m.width, adjusted=m.residual) for m in models]
    spread = " Models of one and the same shape are fanned out around it." if len(models) < RASTER_FROM else ""
    return _both(
        "depth-width-plane",
        lambda narrow: depth_width_plane(spots, intervals=studies(), notable=notable(comparison), narrow=narrow),
        caption="Where each model stands. Thin lines: equal parameters in the blocks, 12 L d². Shaded: the law's "
        "interval; dashed and dotted: the other studies'. Colour and area: how far the score lies above or below "
        f"what models of that size get.{spread}",
        description=f"Scatter plot of depth against width of {len(models)} models, with three intervals as wedges.",
    )


def _both(name: str, draw: Callable[[bool], matplotlib.figure.Figure], *, caption: str, description: str) -> Drawn:
    wide = draw(False)
    return Drawn(
        figure=Figure(
            name=name, caption=caption, description=description, wide=svg_text(wide), narrow=svg_text(draw(True))
        ),
        png=png_bytes(wide),
    )

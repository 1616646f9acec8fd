"""The figures of a comparison's report: which numbers each plot shows, and its caption."""

import math

from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.result import Comparison
from nil_audit.errors import DataError
from nil_audit.law.studies import studies
from nil_audit.report.comparison.words import GIVEN, SUBSETS, band_labels, notable, predictor_label
from nil_audit.report.plots.forest import Row, forest
from nil_audit.report.plots.plane import PlanePoint, depth_width_plane
from nil_audit.report.plots.scatter import adjusted_against_distance, score_against_ratio
from nil_audit.report.plots.style import Drawing, page_figure
from nil_audit.report.render.page import Figure
from nil_audit.report.render.text import estimate_text
from nil_audit.stats.estimate import Estimate


def draw_figures(comparison: Comparison) -> dict[str, Figure]:
    """Every figure that the comparison has numbers for, by name; none without a model that is not flagged."""
    if comparison.usable.empty:
        return {}
    drawn = (draw(comparison) for draw in (_score_ratio, _adjusted, _forest, _plane))
    return {figure.name: figure for figure in drawn if figure}


def main_plot(comparison: Comparison) -> Drawing:
    """Score with size held fixed against distance from the law's optimum; raw score against R where no size is known.

    Raises:
        DataError: Every model is flagged, so that nothing can be drawn.
    """
    if comparison.usable.empty:
        raise DataError("Every model of this comparison is flagged, so there is nothing to draw; see .models['flag'].")
    return _adjusted_plot(comparison) or _ratio_plot(comparison)


def effect_groups(comparison: Comparison) -> list[tuple[str, list[Row]]]:
    """The forest plot's rows: the primary correlation, then the same in part and under other choices."""

    def pick(label: str, key: str = PRIMARY, **which: str) -> list[Row]:
        found = comparison.findings.association(key, **which)
        return [(label, found.estimate)] if found else []

    bands = band_labels(comparison.bands).items()
    held = ("nothing", "size", "size_tokens", "size_curve_tokens", "size_curve_release")
    keys = [one.key for one in comparison.predictors if one.key.startswith(("deviation", "distance"))]
    groups = [
        ("Size held fixed", pick(SUBSETS["all"])),
        ("By size", [row for key, label in bands for row in pick(label, subset=f"band:{key}")]),
        ("By choice of models", [row for key in SUBSETS if key != "all" for row in pick(SUBSETS[key], subset=key)]),
        ("By values, not ranks", pick("Pearson", method="pearson")),
        ("Without one family", _left_out(comparison)),
        ("Holding fixed instead", [row for given in held for row in pick(GIVEN[given], given=given)]),
        (
            "Other measures of distance",
            [row for key in keys if key != PRIMARY for row in pick(predictor_label(key), key)],
        ),
        (
            "Other protocols",
            [
                (one.protocol, one.primary.estimate)
                for one in comparison.others
                if one.primary and one.primary.estimate.interval
            ],
        ),
    ]
    return [(title, rows) for title, rows in groups if rows]


def _left_out(comparison: Comparison) -> list[Row]:
    found = comparison.findings.without_families(PRIMARY)
    whole = comparison.findings.association(PRIMARY)
    if found is None or whole is None or whole.estimate.n is None:
        return []
    usable = comparison.usable
    sizes = usable["family"][usable["parameters"].notna()].value_counts()
    return [
        (f"{where}: without {family}", Estimate(value=value, n=whole.estimate.n - int(sizes[family])))
        for where, (family, value) in (("lowest", found.lowest), ("highest", found.highest))
    ]


def _score_ratio(comparison: Comparison) -> Figure:
    models = comparison.usable
    law = studies()[0].interval()
    inside = sum(map(law.holds, models["ratio"]))
    floor = " Hollow: at the chance floor." if models["at_floor"].any() else ""
    return page_figure(
        "score-against-ratio",
        _ratio_plot(comparison),
        caption=f"Score against the depth-width ratio R of {len(models)} models, coloured by size.{floor} Shaded: the "
        f"law's interval [{law.low:.3g}, {law.high:.3g}]; dashed: its optimum, {law.optimum:.2g}. Size is not held "
        f"fixed here{_mixed(comparison)}.",
        description=f"Scatter plot of accuracy against R; {inside} of {len(models)} models lie in the interval.",
    )


def _ratio_plot(comparison: Comparison) -> Drawing:
    return score_against_ratio(
        comparison.usable,
        bands=band_labels(comparison.bands),
        interval=studies()[0].interval(),
        notable=notable(comparison),
    )


def _mixed(comparison: Comparison) -> str:
    """How size is mixed into the plot of score against R, where that is known with an interval."""
    find = comparison.findings.association
    both = [find("parameters", outcome=outcome, given="nothing") for outcome in ("score", "ratio")]
    score, ratio = (estimate_text(one.estimate) if one and one.estimate.interval else "" for one in both)
    return f": it goes with score by {score} and with R by {ratio}" if score and ratio else ""


def _adjusted(comparison: Comparison) -> Figure | None:
    plot = _adjusted_plot(comparison)
    if plot is None:
        return None
    label = predictor_label(PRIMARY)
    methods = (("spearman", "ranks (Spearman)"), ("pearson", "values (Pearson), as the line is,"))
    found = [
        f"by {name} {estimate_text(one.estimate)}"
        for method, name in methods
        if (one := comparison.findings.association(PRIMARY, method=method))
    ]
    numbers = f" Partial correlation {'; '.join(found)}." if found else ""
    line = "Line and band: least squares of score on it and the size curve, with its 95% interval over families."
    return page_figure(
        "adjusted-score",
        plot,
        caption=f"Score beyond what models of the same size get, against {label}, of"
        f" {comparison.usable['residual'].notna().sum()} models."
        f"{'' if comparison.trend is None else f' {line}'}{numbers} The law predicts a line that falls.",
        description=f"Scatter plot of size-adjusted score against {label} with a fitted line.{numbers}",
    )


def _adjusted_plot(comparison: Comparison) -> Drawing | None:
    models = comparison.usable
    models = models[models["residual"].notna()]
    if models.empty:
        return None
    # The law's interval is symmetric about its optimum in ln R: one deviation is the edge on both sides.
    law = studies()[0].interval()
    return adjusted_against_distance(
        models,
        models[PRIMARY].abs().to_numpy(),
        bands=band_labels(comparison.bands),
        axis=predictor_label(PRIMARY),
        trend=comparison.trend,
        inside=math.log(law.high / law.optimum),
        notable=notable(comparison),
    )


def _forest(comparison: Comparison) -> Figure | None:
    groups = effect_groups(comparison)
    if not groups:
        return None
    axis = f"correlation of score with {predictor_label(PRIMARY)}"
    return page_figure(
        "effect-by-group",
        forest(groups, axis=axis, ends=("as the law says", "against it"), main=SUBSETS["all"]),
        caption="The same correlation in parts of the data and under other choices. Bars: 95% intervals over "
        "families; a row without a bar has none. Unless a row says otherwise size is held fixed.",
        description=f"Forest plot of {sum(len(rows) for _, rows in groups)} estimates of the correlation with their "
        "intervals.",
    )


def _plane(comparison: Comparison) -> Figure:
    models = comparison.usable
    columns = (models[name].tolist() for name in ("model", "depth", "width", "residual"))
    points = [
        PlanePoint(name=name, depth=depth, width=width, adjusted=None if math.isnan(residual) else residual)
        for name, depth, width, residual in zip(*columns, strict=True)
    ]
    return page_figure(
        "depth-width-plane",
        depth_width_plane(points, intervals=studies(), notable=notable(comparison)),
        caption="Where each model stands. Thin lines: equal parameters in the blocks, 12 L d². Shaded: the law's "
        "interval; dashed and dotted: the other studies'. Colour and area: how far the score lies above or below "
        "what models of that size get. Models of one and the same shape are fanned out around it.",
        description=f"Scatter plot of depth against width of {len(models)} models, with three intervals as wedges.",
    )

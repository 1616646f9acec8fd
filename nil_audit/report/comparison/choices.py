"""Does the answer depend on a choice? The effect row by row, the specification curve, and the prediction itself."""

import math
from collections import Counter
from collections.abc import Iterator

from nil_audit.comparison.findings import Effect, Mapping, SpecificationCurve
from nil_audit.comparison.result import Comparison
from nil_audit.law.pooled import LABELS, NAME
from nil_audit.law.studies import Study
from nil_audit.report.comparison.answer import study_of
from nil_audit.report.comparison.words import (
    CHOICES,
    CONTROLS,
    VERDICTS,
    amount,
    effect_label,
    effect_text,
    estimate_words,
    group_words,
    number,
    start,
    study_words,
    unit,
)
from nil_audit.report.render.cells import count_cell
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import listing, p_value, percent

_SUBSETS = ("above_floor",)
"""Those that the first table names; the others are further down."""

_CURVES = {
    "spline": "smooth curve: a natural cubic spline of ln size, of three columns",
    "spline_rank": "rank: how many models are smaller",
    "bands": "bands: under 1B, to 5B, to 9.5B, to 20B, to 80B, above",
    "flexible": "flexible curve: the same spline with as many columns as AIC asks for",
}


def effect_table(comparison: Comparison) -> Table:
    """The effect under each size control, best fit first, and under the other choices that matter most."""
    return table(
        f"Cost of shape in units of what {study_words(comparison.study)} predicts: 0 none, 1 as predicted. The answer;"
        " other ways to hold size fixed, best fit first; other choices.",
        ("Size held fixed by; what else", "Effect [95%]", "Models", Column(label="The answer would be")),
        map(_row, effect_rows(comparison)),
    )


def effect_rows(comparison: Comparison) -> list[Effect]:
    """The effects of `effect_table`, row by row."""
    findings = comparison.findings
    held_out = {one.control: one.held_out for one in findings.size_fits}
    sizes = [one for one in findings.effects if one.row in ("primary", "control")]
    sizes.sort(key=lambda one: (one.row != "primary", held_out.get(one.control, math.inf)))
    return [*sizes, *(one for one in findings.effects if _in_first(one))]


def further_table(comparison: Comparison) -> Table:
    """The effect under the choices that the first table leaves out."""
    rest = [one for one in comparison.findings.effects if one.row not in ("primary", "control") and not _in_first(one)]
    return table(
        "The effect under further choices, size held fixed as in the answer.",
        ("What else", "Effect [95%]", "Models", Column(label="The answer would be")),
        map(_row, rest),
    )


def _in_first(one: Effect) -> bool:
    if one.row == "subset":
        return one.subset in _SUBSETS
    return one.release == "spline" if one.row == "release" else one.row not in ("primary", "control")


def _row(one: Effect) -> tuple[Cell, ...]:
    main = one.row == "primary"
    return (
        Cell(text=effect_label(one), strong=main),
        Cell(text=effect_text(one), value=one.estimate.value, strong=main),
        count_cell(one.estimate.n),
        Cell(text=VERDICTS[one.verdict]),
    )


def size_table(comparison: Comparison) -> Table:
    """The size controls side by side: how each fits, and the effect under it."""
    effects = {one.control: one for one in comparison.findings.effects if one.row in ("primary", "control")}
    finer = (
        ""
        if comparison.outcome.lower_is_better
        else " A line and a parabola cannot be: they are coarser than the curve that the cost takes its slope from."
    )
    notes = "; ".join(words for key, words in _CURVES.items() if key in effects)
    return table(
        f"Ways to hold size fixed, best prediction of left-out {group_words(comparison)} first; the one in bold is used"
        f" everywhere in this report.{finer}",
        (
            "Size held fixed by",
            Column(label="Effect [95%]", numeric=True),
            Column(label="Error", numeric=True, help=f"of prediction, in {unit(comparison.outcome)}"),
            Column(
                label="AIC", numeric=True, help="Akaike's criterion: fit less the number of columns, lower is better"
            ),
        ),
        [
            (
                Cell(text=CONTROLS[one.control], strong=one.chosen),
                Cell(text=effect_text(effects.get(one.control)), strong=one.chosen),
                Cell(text=f"{one.held_out:.2f}", value=one.held_out),
                Cell(text=number(one.aic, 1), value=one.aic),
            )
            for one in sorted(comparison.findings.size_fits, key=lambda one: one.held_out)
        ],
        note=f"{start(notes)}." if notes else "",
    )


def specification_sentence(curve: SpecificationCurve, groups: str) -> str:
    """What all analyses say together; ``groups``: what is permuted whole, "families"."""
    count = len(curve.specifications)
    text = (
        f"Each of {count:,} analyses that could be defended, lowest effect first: the median is {number(curve.median)}"
        f" times what is predicted, {percent(curve.positive, 0)} are above 0, {percent(curve.significant_positive, 0)}"
        f" have an interval above 0 and {percent(curve.significant_negative, 0)} one below."
    )
    if curve.p is None:
        return text
    return (
        f"{text} If shape had no effect, a median as far from 0 would come up with p {p_value(curve.p)}"
        f" ({curve.permutations:,} permutations, {groups} moved whole)."
    )


def choice_table(curve: SpecificationCurve) -> Table:
    """Which choice moves the effect most: the medians of its options."""
    return table(
        "Which choice moves the effect most: median effect under its lowest and its highest option.",
        ("Choice", "Span", Column(label="Lowest"), Column(label="Highest")),
        [
            (CHOICES[one.choice][0], Cell(text=number(one.span), value=one.span), *_ends(one.choice, one.medians))
            for one in curve.choices
            if len(one.medians) > 1
        ],
    )


def _ends(choice: str, medians: dict[str, float]) -> Iterator[str]:
    names = CHOICES[choice][1]
    ordered = list(medians.items())
    for option, median in (ordered[0], ordered[-1]):
        yield f"{names[option]}: {number(median)}"


def prediction_table(comparison: Comparison) -> Table:
    """What each study predicts for these models at all, and the effect in units of that."""
    return table(
        f"What each study says that shape costs these models, in {unit(comparison.outcome)}, and the effect in units of"
        " it. Where little is predicted, such data cannot test it.",
        (
            "Study",
            Column(label="Mean", numeric=True),
            Column(label="Largest", numeric=True),
            Column(
                label="Spread", numeric=True, help="standard deviation once size is held fixed: what there is to see"
            ),
            Column(label="Effect [95%]", numeric=True),
            Column(label="Smallest seen", numeric=True, help="no smaller effect is found in 80 of 100 such samples"),
        ),
        [
            (
                Cell(text=one.study, strong=one.study == comparison.study),
                f"{one.mean:.2f}",
                f"{one.largest:.2f}",
                f"{one.spread:.2f}",
                effect_text(one.effect),
                number(one.effect.detectable if one.effect else None),
            )
            for one in comparison.findings.predictions
        ],
    )


def pooled_sentence(comparison: Comparison) -> str:
    """What all studies pooled predict for these models, and whether such data could show it; empty without a size."""
    found = {one.study: one for one in comparison.findings.predictions}.get(NAME)
    if found is None:
        return ""
    usable = comparison.usable
    counts = Counter(usable["verdict"])
    shapes = listing([f"{counts[label]} {label}" for label in LABELS if counts[label]])
    text = (
        f"All studies pooled call {shapes} of {len(usable)} shapes, and say that shape costs"
        f" {amount(comparison.outcome, found.mean)} on average, {found.largest:.1f} at most, with a spread of"
        f" {found.spread:.1f} once size is held fixed"
    )
    seen = found.effect.detectable if found.effect else None
    if seen is None:
        return f"{text}."
    return f"{text}; such data mostly miss an effect below {seen:.1f} times that."


def mapping_table(comparison: Comparison) -> Table:
    """The effect under other ways of turning a shape into a cost."""
    primary = comparison.answer.primary
    own = primary.as_predicted if primary else None
    held = study_of(comparison)
    curvature = held.coefficients[1] if isinstance(held, Study) and held.form == "quadratic" else math.nan
    return table(
        "The effect when the prediction itself is made otherwise.",
        ("Prediction", "Effect [95%]", Column(label="The answer would be")),
        [
            *(
                (_mapping_label(one, curvature), effect_text(one.effect), VERDICTS[one.effect.verdict])
                for one in comparison.findings.mappings
            ),
            *([("score of size as it would be if the prediction held", effect_text(own), "")] if own else []),
        ],
    )


def _mapping_label(one: Mapping, curvature: float) -> str:
    if one.what == "loss_per_size":
        return f"an e-fold of parameters is worth {100 * one.value:g}% of loss, not 3.9%"
    if one.what == "curvature":
        return f"curvature {one.value:.4f}, not {curvature:.4f}"
    return {"quadratic": "slope of a parabola", "step": "whole step along the curve, not its slope"}[one.label]


def skill_table(comparison: Comparison) -> Table:
    """Out of sample: errors from size alone, with the dose, and with the dose as predicted."""
    return table(
        f"Predicting {group_words(comparison)} that were not fitted, error in {unit(comparison.outcome)}. Saved: share"
        " of squared error that the predicted cost, its coefficient fitted, takes off; below 0 it adds.",
        ("Fitted on", "Models", "Size alone", "With cost", "Cost as predicted", "Saved, % [95%]"),
        [
            (
                f"released before {one.cutoff}" if one.split == "release" else f"random halves, {one.splits:,} times",
                f"{one.train} + {one.test}",
                f"{one.error_size:.2f}",
                f"{one.error_with:.2f}",
                f"{one.error_predicted:.2f}",
                estimate_words(one.estimate.scaled(100), digits=1),
            )
            for one in comparison.findings.skills
        ],
    )

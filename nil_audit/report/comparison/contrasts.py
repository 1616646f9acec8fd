"""Inside an interval against outside it, under scrutiny: one column a study, what undoes a difference below it."""

import math
from collections.abc import Callable

from nil_audit.comparison.findings import Contrast
from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.words import CONTROLS, band_labels, unit
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, estimate_text, p_value, signed
from nil_audit.stats.estimate import Estimate

_LONGEST = 20
"""Characters of an organisation's name, so that it makes no column wider than the numbers do."""

Words = Callable[[Contrast], str]


def contrast_table(comparison: Comparison) -> Table:
    """The contrasts side by side: the difference, what is predicted, and every way that it might come about."""
    contrasts = comparison.findings.contrasts
    rows = [
        (Cell(text=label, strong=not place), *(Cell(text=words(one), strong=not place) for one in contrasts))
        for place, (label, words) in enumerate(_rows(comparison, contrasts))
    ]
    return table(
        f"How much better models inside an interval do than those outside it, in {unit(comparison.outcome)}, size held"
        " fixed, with 95% intervals. A column a study.",
        ("", *(Column(label=one.study, numeric=True) for one in contrasts)),
        [row for row in rows if any(cell.text not in ("", MISSING) for cell in row[1:])] if contrasts else (),
        note=_note(contrasts),
    )


def _rows(comparison: Comparison, contrasts: tuple[Contrast, ...]) -> list[tuple[str, Words]]:
    controls = [key for key in CONTROLS if any(key in one.controls for one in contrasts) and key != comparison.control]
    labels = band_labels(comparison.bands)
    bands = [key for key in labels if any(key in one.bands for one in contrasts)]
    return [
        ("difference", lambda one: _estimate(one.estimate)),
        ("its own curve predicts", lambda one: signed(one.predicted, 1)),
        ("p, alone and among all", lambda one: f"{p_value(one.estimate.p)}, {p_value(one.p_adjusted)}"),
        ("models inside, outside", lambda one: f"{one.inside}, {one.outside}"),
        *((f"size by {CONTROLS[key]}", _pick("controls", key)) for key in controls),
        *((f"only {labels[key]}", _pick("bands", key)) for key in bands),
        ("without one organisation", _left_out),
        ("least without", lambda one: _name(one, 0)),
        ("most without", lambda one: _name(one, 1)),
        ("within families alone", lambda one: _estimate(one.within_families)),
        ("matched pairs", _matched),
        ("over the interval's draws", _draws),
        ("models within 10% of its ends", lambda one: str(one.near_edge)),
        ("most outside at one R", _same_ratio),
        ("size inside, over outside", lambda one: f"{math.exp(one.size_gap):.2f} times"),
    ]


def _pick(kind: str, key: str) -> Words:
    """The estimate under one size control, or in one band."""
    return lambda one: _estimate(getattr(one, kind).get(key))


def _estimate(estimate: Estimate | None) -> str:
    return estimate_text(estimate, 1)


def _left_out(one: Contrast) -> str:
    if one.organisations is None:
        return MISSING
    return " to ".join(signed(value, 1) for _, value in one.organisations)


def _name(one: Contrast, end: int) -> str:
    name = one.organisations[end][0] if one.organisations else MISSING
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _matched(one: Contrast) -> str:
    return f"{_estimate(one.matched)}, {one.matched.n} pairs" if one.matched else MISSING


def _draws(one: Contrast) -> str:
    if one.draws is None:
        return MISSING
    mean, low, high = one.draws
    return f"{signed(mean, 1)} [{signed(low, 1)}, {signed(high, 1)}]"


def _same_ratio(one: Contrast) -> str:
    return f"{one.same_ratio[0]} at {one.same_ratio[1]:.4f}" if one.same_ratio else MISSING


def _note(contrasts: tuple[Contrast, ...]) -> str:
    if not contrasts:
        return ""
    pairs = (
        " Matched pairs: one model inside and one outside, of other families, size within 12%, release within nine"
        " months."
    )
    return (
        f"p among all: for {len(contrasts)} tests, by Holm's rule. Draws: mean and middle 95% when the interval is each"
        f" of its bootstrap draws.{pairs if any(one.matched for one in contrasts) else ''} Being inside is no cause:"
        " whatever else goes with shape goes with it."
    )

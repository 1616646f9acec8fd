"""The tables of a calibration's report: budgets, choices, forms, and what became of larger budgets."""

import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from nil_audit.calibration.result import BudgetOptimum, Calibration, HeldOut, Variant
from nil_audit.report.calibration.words import (
    BOUNDS,
    FORMS,
    interval_ends,
    ratio_interval,
    ratio_text,
    span_text,
    tolerance_text,
    variant_name,
    with_short_numbers,
)
from nil_audit.report.render.cells import count_cell
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, count, interval_text, percent
from nil_audit.stats.estimate import Estimate

Item = TypeVar("Item")
FEW = 10
"""Rows of a table that stands in the first screen."""


def first_table(calibration: Calibration) -> Table | None:
    """Each budget's optimum in a few rows; of runs that share no budget the choices that move the answer, if any."""
    if not calibration.repeated:
        others = _main_choices(calibration)
        return _variant_table(calibration, "The fit under other choices", others) if others else None
    some = _few(calibration.budgets)
    rest = f" ({len(some)} of {len(calibration.budgets)})" if len(some) < len(calibration.budgets) else ""
    return _budgets(calibration, some, f"Each budget's own optimum with its 95% interval{rest}.")


def first_rows(calibration: Calibration) -> list[Estimate | None]:
    """The optima of the rows of `first_table`, from top to bottom."""
    if calibration.repeated:
        return [*(one.optimum for one in _few(calibration.budgets)), calibration.optimum]
    return [calibration.optimum, *(one.optimum for one in _main_choices(calibration))]


def budget_table(calibration: Calibration) -> Table | None:
    """Every budget's optimum; None where the first table has them all."""
    if not calibration.repeated or len(calibration.budgets) <= FEW:
        return None
    return _budgets(calibration, calibration.budgets, f"All {len(calibration.budgets)} budgets.")


def _main_choices(calibration: Calibration) -> list[Variant]:
    """What is held equal, tokens and learning rates, in a few rows."""
    kinds = ("match", "tokens", "rate")
    return _few([one for one in _others(calibration) if one.kind in kinds])


def _others(calibration: Calibration) -> list[Variant]:
    """The variants without the answer's own choice of what is held equal."""
    return [one for one in calibration.variants if (one.kind, one.what) != ("match", calibration.match)]


def _few(items: Sequence[Item]) -> list[Item]:
    """At most `FEW`, evenly spaced from the first to the last."""
    if len(items) <= FEW:
        return list(items)
    return [items[round(place)] for place in np.linspace(0, len(items) - 1, FEW)]


def _budgets(calibration: Calibration, budgets: Iterable[BudgetOptimum], caption: str) -> Table:
    tokens = any(one.tokens is not None for one in calibration.budgets)
    rows = [
        (
            with_short_numbers(one.budget),
            _size(one.parameters),
            *((_size(one.tokens),) if tokens else ()),
            count_cell(one.runs),
            ratio_cell(one.optimum) if one.optimum else Cell(text=BOUNDS[one.bound]),
        )
        for one in budgets
    ]
    together = (
        Cell(text="together", strong=True),
        MISSING,
        *((MISSING,) if tokens else ()),
        count_cell(int(calibration.runs["used"].sum())),
        ratio_cell(calibration.optimum, strong=True),
    )
    heads = ("Budget", "Parameters", *(("Tokens",) if tokens else ()), "Runs", "Optimum R* [95%]")
    return table(caption, heads, [*rows, together])


def variant_table(calibration: Calibration) -> Table:
    """The fit with one choice made otherwise at a time, below the answer."""
    return _variant_table(calibration, "The fit with one choice made otherwise", _others(calibration), curvature=True)


def _variant_table(
    calibration: Calibration, caption: str, variants: Iterable[Variant], *, curvature: bool = False
) -> Table:
    tolerance = tolerance_text(calibration)

    def row(
        name: Cell | str, runs: int, optimum: Estimate | None, c: Estimate | None, within: str
    ) -> tuple[Cell | str, ...]:
        return (name, count_cell(runs), ratio_cell(optimum), *((_curvature(c),) * curvature), within)

    own = row(
        Cell(text=f"answer: {calibration.match} held equal", strong=True),
        int(calibration.runs["used"].sum()),
        calibration.optimum,
        calibration.curvature,
        span_text(*interval_ends(calibration)),
    )
    rows = [
        row(
            variant_name(one),
            one.runs,
            one.optimum,
            one.curvature,
            span_text(one.low, one.high),
        )
        for one in variants
    ]
    heads = ("Choice", "Runs", "Optimum R* [95%]", *(("c",) * curvature), f"Within {tolerance}")
    rest = f"; within {tolerance}, unless the tolerance is what differs" if curvature else ""
    return table(f"{caption}{rest}.", heads, [own, *rows])


def form_table(calibration: Calibration) -> Table:
    """The forms, the one used first."""
    return table(
        "Forms of ln loss, fitted to the same runs; the first is used. The smaller AIC fits better.",
        (
            "Form",
            Column(label="Error", numeric=True, help="root mean square, in per cent of loss"),
            "AIC",
            "Optimum R*",
        ),
        [
            (
                FORMS[one.form],
                Cell(text=percent(one.error, 2), value=one.error),
                Cell(text=interval_text(Estimate(value=one.aic), 1), value=one.aic),
                ratio_cell(one.optimum),
            )
            for one in calibration.forms
        ],
    )


def held_out_table(calibration: Calibration, test: HeldOut) -> Table:
    """What a fit on smaller budgets said of each larger one."""
    tolerance = tolerance_text(calibration)
    return table(
        f"Fitted on budgets up to {count(test.largest)} (R* {ratio_text(test.optimum)}, within {tolerance} from"
        f" {ratio_text(test.low)} to {ratio_text(test.high)}), asked about larger ones.",
        (
            "Budget",
            "Shapes",
            Column(label="Right", numeric=True, help=f"rightly called within {tolerance} of the best, or rightly not"),
            "Within",
            "Called",
            "Best R",
            "Advised R",
            Column(label="Forgone", numeric=True, help="loss of the advised shape above the best one's"),
            Column(label="Worst", numeric=True, help="loss of the worst shape above the best one's"),
        ),
        [
            (
                with_short_numbers(one.budget),
                *map(count_cell, (one.shapes, one.right, one.within, one.called)),
                *map(_ratio, (one.best, one.advised)),
                *(Cell(text=percent(math.expm1(loss), 2), value=loss) for loss in (one.forgone, one.spread)),
            )
            for one in test.budgets
        ],
    )


def drift_table(calibration: Calibration) -> Table:
    """The slope of the optimum along size and along tokens."""
    return table(
        "Drift of the optimum: slope of ln R* with its 95% interval; 0 is none, −0.5 along parameters constant depth."
        " It rests on so many budgets, runs or checkpoints.",
        ("Along", "Rests on", "Slope [95%]"),
        [
            (one.along, count_cell(one.budgets), Cell(text=interval_text(one.slope), value=one.slope.value))
            for one in calibration.drifts
        ],
    )


def ratio_cell(estimate: Estimate | None, *, strong: bool = False) -> Cell:
    """A ratio with its interval, sorted by its value."""
    return Cell(text=ratio_interval(estimate), value=estimate.value if estimate else None, strong=strong)


def _ratio(value: float) -> Cell:
    return Cell(text=ratio_text(value), value=value)


def _size(number: float | None) -> Cell:
    return Cell(text=count(number), value=number)


def _curvature(estimate: Estimate | None) -> Cell:
    value = estimate.value if estimate else None
    return Cell(text=MISSING if value is None else f"{value:.4f}", value=value)

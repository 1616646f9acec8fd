"""The answer of a calibration in words: where loss is lowest, how wide the valley is, and how sure both are."""

import math

import numpy as np

from nil_audit.calibration.result import Calibration, Drift
from nil_audit.law.studies import studies
from nil_audit.report.calibration.words import (
    FORMS,
    HELD_EQUAL,
    counted,
    last_shape,
    ratio_interval,
    ratio_text,
    size_range,
    tolerance_text,
    with_short_numbers,
)
from nil_audit.report.render.text import count, interval_text, listing, percent

_CONSTANT_DEPTH = -0.5
"""d ln R* / d ln N of one and the same best depth at every size."""
_MOST = 4
"""Budgets without an optimum that a sentence names."""


def headline(calibration: Calibration) -> str:
    """The optimum and the interval with their uncertainty; a bound where the sweep's shapes do not reach it."""
    low, high, tolerance = calibration.low, calibration.high, tolerance_text(calibration)
    if not calibration.edge:
        return (
            f"Loss is lowest at a depth-width ratio R of {ratio_interval(calibration.optimum)}; R from"
            f" {ratio_interval(low)} to {ratio_interval(high)} costs at most {tolerance} of loss."
        )
    return (
        f"The best shape lies beyond this sweep's: loss still falls at its {last_shape(calibration.edge)}, so the"
        f" optimum is only bounded, R* {ratio_interval(calibration.optimum)}, and no interval can be given; add"
        f" {'deeper' if calibration.edge == 'deeper' else 'wider'} shapes."
    )


def sentences(calibration: Calibration) -> tuple[str, ...]:
    """What it rests on, whether it moves, how it does out of sample, which form fits, and where other studies stand."""
    parts = (
        f"{_sample(calibration)} {_bounds(calibration)}".strip(),
        drift_sentence(calibration),
        held_out_sentence(calibration),
        form_sentence(calibration),
        studies_sentence(calibration),
    )
    return tuple(filter(None, parts))


def _sample(calibration: Calibration) -> str:
    """Runs, budgets, what is held equal, and which end is extrapolated."""
    runs = counted(int(calibration.runs["used"].sum()), "run", "runs")
    held = f"{HELD_EQUAL[calibration.match]} held equal"
    if calibration.repeated:
        budgets = counted(len(calibration.budgets), "budget", "budgets")
        text = f"From {runs} in {budgets} ({size_range(calibration)}), {held}"
    else:
        text = f"From {runs} of {size_range(calibration)} that share no budget, {held} by a smooth curve in size"
    text += "; brackets: 95% intervals."
    first, last = calibration.study.ratio_range
    beyond = [
        f"{which} end ({words} is R {ratio_text(end)})"
        for which, words, end, outside in (
            ("lower", "its widest shape", first, calibration.low.value < first),
            ("upper", "its deepest", last, calibration.high.value > last),
        )
        if outside and not calibration.edge
    ]
    if beyond:
        text += f" Beyond the sweep, so extrapolated: the interval's {listing(beyond)}."
    if calibration.flat_draws >= 0.005:
        text += f" {percent(calibration.flat_draws, 0)} of the bootstrap's refits have no optimum and are not counted."
    return text


def _bounds(calibration: Calibration) -> str:
    """Which budgets have no optimum of their own, and on which side they would have it."""
    if not calibration.repeated:
        return ""
    parts = []
    for side in ("deeper", "wider", ""):
        names = [
            with_short_numbers(one.budget) for one in calibration.budgets if one.optimum is None and one.bound == side
        ]
        if not names:
            continue
        shown = names if len(names) <= _MOST else [*names[: _MOST - 1], f"{len(names) - _MOST + 1} more"]
        where = f" (loss still falls at the {last_shape(side)} shape)" if side else ""
        parts.append(f"{listing(shown)}{where}")
    return f"No optimum alone: {'; '.join(parts)}." if parts else ""


def drift_sentence(calibration: Calibration) -> str:
    """Whether the optimum moves with size, and with tokens where the sweep has them."""
    if not calibration.drifts:
        return "Too few budgets have an optimum of their own to say whether it moves with size."
    told = [_moved(calibration, one) for one in calibration.drifts if one.slope.excludes_zero]
    still = [one for one in calibration.drifts if not one.slope.excludes_zero]
    if still:
        along = " or ".join(_along(one) for one in still)
        slopes = "; ".join(f"{_slope(one)}{_over(calibration, one)}" for one in still)
        told.append(f"A drift with {along} cannot be told from none: {slopes}{_constant(still)}.")
    return " ".join(told)


def _over(calibration: Calibration, drift: Drift) -> str:
    """What a slope along size rests on: budgets, or runs where none is shared; along tokens it may be checkpoints."""
    if drift.along == "tokens":
        return ""
    return f" over {counted(drift.budgets, *(('budget', 'budgets') if calibration.repeated else ('run', 'runs')))}"


def _along(drift: Drift) -> str:
    return {"parameters": "size", "tokens": "tokens"}[drift.along]


def _slope(drift: Drift) -> str:
    return f"d ln R*/d ln {'N' if drift.along == 'parameters' else 'tokens'} = {interval_text(drift.slope)}"


def _constant(drifts: list[Drift]) -> str:
    """That constant depth is excluded, where the slope along parameters does so."""
    for one in drifts:
        if one.along == "parameters" and one.slope.interval and one.slope.interval[0] > _CONSTANT_DEPTH:
            return "; one best depth for every size (−0.5) is excluded"
    return ""


def _moved(calibration: Calibration, drift: Drift) -> str:
    factor = 10**drift.slope.value
    way = "deeper" if factor > 1 else "wider"
    return (
        f"The optimum moves with {_along(drift)}, towards {way} shapes: {_slope(drift)}{_over(calibration, drift)}, so"
        f" ten times the {drift.along} multiply R* by {factor:.2g}."
    )


def held_out_sentence(calibration: Calibration) -> str:
    """What a fit on the smaller budgets says of the larger ones, and what following it would have forgone."""
    test = calibration.held_out
    if test is None or not test.budgets:
        lack = "There are too few budgets for a test" if calibration.repeated else "There is no test"
        return f"{lack} on runs that it was not fitted on."
    forgone = [one.forgone for one in test.budgets]
    larger = len(test.budgets)
    average, most = _loss(float(np.mean(forgone))), _loss(max(forgone))
    lost = f"{average} of loss" if average == most else f"{average} of loss on average, {most} at most"
    kind = "budgets" if calibration.repeated else "runs"
    return (
        f"Fitted on {kind} up to {count(test.largest)}, it calls {test.right} of {test.shapes} shapes of"
        f" {_larger(calibration, larger)} rightly (within {tolerance_text(calibration)} or not);"
        f" the shape that it advises there forgoes {lost}, the worst one"
        f" {_loss(max(one.spread for one in test.budgets))}."
    )


def _larger(calibration: Calibration, budgets: int) -> str:
    return counted(budgets, "larger budget", "larger budgets") if calibration.repeated else "the larger runs"


def _loss(nats: float) -> str:
    """A difference of ln loss in per cent of loss."""
    return "under 0.1%" if abs(nats) < 0.0005 else percent(math.expm1(nats))


def form_sentence(calibration: Calibration) -> str:
    """Which form fits better, and where the others put the optimum."""
    used, *others = calibration.forms
    parts = []
    for one in others:
        better = used.aic <= one.aic
        place = f", which puts R* at {ratio_text(one.optimum.value)}" if one.optimum else ", which has no optimum"
        parts.append(
            f"{'better' if better else 'worse'} than {FORMS[one.form]} (error {percent(used.error, 2)} against"
            f" {percent(one.error, 2)}, AIC {abs(used.aic - one.aic):.0f} {'lower' if better else 'higher'}){place}"
        )
    return f"{FORMS[used.form]} fits ln loss {listing(parts)}." if parts else ""


def studies_sentence(calibration: Calibration) -> str:
    """Where the shipped studies' optima lie, at the sweep's size, beside this one's interval."""
    size = float(np.sqrt(np.prod(calibration.study.parameters_range)))
    low, high = calibration.optimum.interval or (calibration.optimum.value,) * 2
    sides: dict[str, list[str]] = {"in": [], "wider": [], "deeper": []}
    for one in studies():
        best = one.interval(size).optimum
        side = "in" if low <= best <= high else "wider" if best < low else "deeper"
        sides[side].append(f"{one.name} ({ratio_text(best)})")
    words = {"in": "in its 95% interval", "wider": "at wider shapes", "deeper": "at deeper ones"}
    parts = [f"{listing(names)} {words[side]}" for side, names in sides.items() if names]
    return f"The optima of the shipped studies, read at {count(size)}: {'; '.join(parts)}."

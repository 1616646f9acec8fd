"""The fit with one choice made otherwise: what is held equal, which runs are used, which tolerance."""

from collections.abc import Iterator

import pandas as pd

from nil_audit.calibration.budgets import at_checkpoint, checkpoints
from nil_audit.calibration.comparable import MATCHES, Choice, Comparable, comparable, held_equal, without
from nil_audit.calibration.quadratic import QuadraticFit
from nil_audit.calibration.result import Bound, Variant
from nil_audit.calibration.valley import fit_valley, optimum
from nil_audit.errors import DataError
from nil_audit.law.loss_curves import FEWEST_BLOCKS

_DRAWS = 300
_TOLERANCES = (0.005, 0.01, 0.02)
_MOST_BUDGETS, _MOST_CHECKPOINTS = 20, 5


def variants(
    one: Comparable,
    choice: Choice,
    found: QuadraticFit,
    edge: Bound,
    *,
    within: float,
    context: int,
    vocabulary: int | None,
    seed: int,
) -> tuple[Variant, ...]:
    """Every choice made otherwise, one at a time; one that leaves too few runs has no optimum.

    Args:
        one: The runs of the fit.
        choice: The sweep that they are from.
        found: The fit.
        edge: Which side its optimum lies beyond.
        within: The tolerance of the interval.
        context: Tokens of a window that FLOPs are counted at.
        vocabulary: Rows of the vocabulary; None where not known.
        seed: Of the bootstraps.
    """
    made: list[Variant] = []

    def add(kind: str, what: str, runs: Comparable) -> None:
        made.append(_variant(kind, what, runs, within, seed))

    for match in MATCHES:
        held = held_equal(choice.runs, match, context=context, vocabulary=vocabulary)
        if held is not None:
            for otherwise in _compared(choice.runs, match, held):
                add("match", match, otherwise)
    depth = one.runs["depth"]
    if (depth < FEWEST_BLOCKS).any():
        for otherwise in _compared(one.runs, one.match, one.runs["held_equal"], shallow=True):
            add("shallow", f"depths under {FEWEST_BLOCKS} kept", otherwise)
    shallowest = one.used["depth"].min()
    add("shallow", f"without depth {shallowest:g}", without(one, depth <= shallowest))
    if one.repeated:
        budgets = list(dict.fromkeys(one.used.sort_values("parameters")["budget"]))
        for budget in budgets[:_MOST_BUDGETS] if len(budgets) > 1 else []:
            add("budget", f"without {budget}", without(one, one.runs["budget"] == budget))
    for rate in choice.rates:
        alone = choice.every[choice.every["rate"] == rate]
        if choice.checkpoints:
            alone = alone[alone["tokens"] == alone["tokens"].max()]
        for otherwise in _compared(alone, one.match, _like(one, alone, context, vocabulary)):
            add("rate", f"at {rate}", otherwise)
    if choice.checkpoints:
        for tokens in checkpoints(choice, _MOST_CHECKPOINTS):
            then = at_checkpoint(one, choice, tokens)
            if then is not None:
                add("tokens", f"at {tokens:.2g} tokens", then)
    made += [_tolerance(found, edge, tolerance) for tolerance in sorted({*_TOLERANCES, within})]
    return tuple(made)


def _compared(runs: pd.DataFrame, match: str, held: pd.Series, *, shallow: bool = False) -> Iterator[Comparable]:
    try:
        yield comparable(runs, match, held, shallow=shallow)  # type: ignore[arg-type]
    except DataError:
        return


def _like(one: Comparable, runs: pd.DataFrame, context: int, vocabulary: int | None) -> pd.Series:
    held = held_equal(runs, one.match, context=context, vocabulary=vocabulary)
    assert held is not None
    return held


def _variant(kind: str, what: str, runs: Comparable, within: float, seed: int) -> Variant:
    count = int(runs.runs["used"].sum())
    try:
        if not count:
            raise DataError("No run is left.")
        found, edge = fit_valley(runs, draws=_DRAWS, seed=seed)
    except DataError:
        return Variant(kind=kind, what=what, runs=count, optimum=None, curvature=None, low=None, high=None)  # type: ignore[arg-type]
    low, high = found.curve.bounds(1.0, within)
    return Variant(
        kind=kind,  # type: ignore[arg-type]
        what=what,
        runs=count,
        optimum=optimum(found, edge),
        curvature=None if edge else found.estimate("curvature"),
        low=None if edge else low,
        high=None if edge else high,
    )


def _tolerance(found: QuadraticFit, edge: Bound, tolerance: float) -> Variant:
    low, high = found.curve.bounds(1.0, tolerance)
    return Variant(
        kind="tolerance",
        what=f"{100 * tolerance:g}%",
        runs=found.runs,
        optimum=optimum(found, edge),
        curvature=None if edge else found.estimate("curvature"),
        low=None if edge else low,
        high=None if edge else high,
    )

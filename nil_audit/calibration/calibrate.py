"""From a sweep of shapes to an interval: everything that it says of where the best depth-width ratio lies."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from nil_audit.calibration.additive import form_fits
from nil_audit.calibration.budgets import budget_optima, drifts
from nil_audit.calibration.comparable import CONTEXT, Comparable, Match, choose, comparable, held_equal
from nil_audit.calibration.depth_width import calibrated
from nil_audit.calibration.held_out import held_out
from nil_audit.calibration.quadratic import QuadraticFit
from nil_audit.calibration.result import Calibration
from nil_audit.calibration.study import KEPT_DRAWS, READ_COLUMNS, Words, made_study
from nil_audit.calibration.sweep import Sweep, read_sweep
from nil_audit.calibration.valley import fit_valley, optimum
from nil_audit.calibration.variants import variants
from nil_audit.errors import UsageError
from nil_audit.law.loss_curves import FEWEST_BLOCKS
from nil_audit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 2000
FEWEST_BUDGETS = 5
"""From which on the spread of optima between budgets is in the intervals (docs/calibrate.md)."""
FORMS = ("quadratic", "depth-width")
_UNKNOWN = Estimate(value=math.nan)
_HELD = {
    "body": "parameters without vocabulary matrices",
    "total": "parameters",
    "flops": "FLOPs of a forward pass",
}


def calibrate(
    source: "str | Path | pd.DataFrame",
    *,
    name: str | None = None,
    within: float = 0.01,
    match: Match = "body",
    form: str = "quadratic",
    where: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    context: int = CONTEXT,
    vocabulary: int | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    words: Words | None = None,
    coefficients: Sequence[float] | None = None,
) -> Calibration:
    """Derive the efficient interval from a sweep: ratios whose loss is within a tolerance of the best of their budget.

    Fits ln loss = a_N + c (ln R - ln R*)² to the runs of depth 3 and more, one offset a budget where budgets repeat and
    a smooth curve in ln N where they do not; the interval is R* exp(± sqrt(ln(1 + within) / c)).

    Args:
        source: A CSV file with a row a run, or a frame of the same columns.
        name: What the study is called (default: the file's name without its ending).
        within: The tolerance of the interval, as a share of the loss.
        match: What two shapes must have in common to be compared: "body" (parameters without vocabulary matrices;
            all parameters where the sweep does not say), "total" or "flops" (of a forward pass).
        form: "quadratic", or "depth-width": the form of arXiv 2602.05970, which needs the tokens of each run.
        where: Conditions that the runs used must meet, as `pandas.DataFrame.query` takes them.
        columns: Which column is what, where the usual names do not say it (see `read_sweep`).
        context: Tokens of a window that FLOPs are counted at.
        vocabulary: Rows of the vocabulary, for FLOPs (default: parameters outside the body over twice the width).
        seed: Of every random draw.
        draws: Bootstrap refits.
        words: Title, source and history for the interval file.
        coefficients: Of the form "depth-width": a published fit to take in place of one's own, whose spread is then
            that of refits.

    Raises:
        DataError: The sweep cannot be read, or says nothing of an optimum.
        UsageError: An argument is out of range, or something has to be named.
    """
    _check(within, match, form, draws)
    sweep = read_sweep(source, columns=columns, where=where)
    called = name_of(name, sweep.name)
    choice = choose(sweep)
    notes = list(sweep.notes)
    held = held_equal(choice.runs, match, context=context, vocabulary=vocabulary)
    if held is None:
        if match == "flops":
            raise UsageError(
                "FLOPs need the parameters without vocabulary matrices beside all parameters; name their column with"
                " --body, or match all parameters with --match total."
            )
        notes.append(
            "All parameters are held equal: the sweep has no column of parameters without vocabulary matrices (--body)."
        )
        match, held = "total", choice.runs["parameters"]
    if choice.rates:
        notes.append(
            f"Of the {len(choice.rates)} learning rates ({', '.join(choice.rates[:6])}) each shape is taken at the one"
            " with its smallest loss."
        )
    if choice.checkpoints:
        notes.append(f"Each run is taken at its last checkpoint ({choice.runs['tokens'].median():.3g} tokens).")
    said = words or Words()
    said = Words(
        title=said.title or _title(called, choice.runs),
        source=said.source or sweep.name,
        history=(*said.history, *_history(sweep, where)),
    )
    if form == "depth-width":
        return calibrated(
            choice.runs.assign(held_equal=held),
            name=called,
            words=said,
            match=match,
            within=within,
            seed=seed,
            draws=draws,
            coefficients=coefficients,
            metrics=sweep.metrics,
            notes=notes,
        )
    one = comparable(choice.runs, match, held)
    notes += _left_out(one)
    found, edge = fit_valley(one, draws=draws, seed=seed)
    study = made_study(
        called,
        said,
        within=within,
        form="quadratic",
        curve=found.curve,
        draws=found.draws,
        parameters_range=found.parameters_range,
        ratio_range=found.ratio_range,
        residual=found.residual,
        seed=seed,
    )
    best = optimum(found, edge)
    return Calibration(
        study=study,
        history=said.history,
        rule=_rule(one, within, draws),
        match=match,
        optimum=best,
        curvature=None if edge else found.estimate("curvature"),
        low=_UNKNOWN if edge else found.estimate("low", within),
        high=_UNKNOWN if edge else found.estimate("high", within),
        flat_draws=found.flat_draws / (found.flat_draws + len(found.draws)),
        edge=edge,
        forms=form_fits(one, None if edge else best, draws=min(draws, 500), seed=seed),
        budgets=budget_optima(one),
        repeated=one.repeated,
        drifts=drifts(one, choice, draws=min(draws, 500), seed=seed),
        variants=variants(one, choice, found, edge, within=within, context=context, vocabulary=vocabulary, seed=seed),
        held_out=held_out(one, within=within, seed=seed),
        runs=_runs(one, found, sweep.metrics),
        metrics=sweep.metrics,
        notes=tuple(notes),
    )


def _check(within: float, match: str, form: str, draws: int) -> None:
    if not 0 < within <= 0.5:
        raise UsageError(f"The tolerance is a share of the loss above 0 and at most 0.5, not {within:g}; give 0.01.")
    if match not in get_args(Match):
        raise UsageError(f"There is nothing called {match!r} to hold equal; use {', '.join(get_args(Match))}.")
    if form not in FORMS:
        raise UsageError(f"There is no form {form!r}; use {', '.join(FORMS)}.")
    if draws < KEPT_DRAWS:
        raise UsageError(f"An interval file keeps {KEPT_DRAWS} bootstrap refits, so {draws} are too few; give more.")


def name_of(name: str | None, source: str) -> str:
    """What the study is called: the name given, or the file's without its ending and odd characters.

    Raises:
        UsageError: The name given is not one of at most 40 letters, digits, hyphens and underscores.
    """
    if name is None:
        return re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source).stem).strip("-")[:40] or "sweep"
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
        raise UsageError(f"{name!r} cannot name a study; use at most 40 letters, digits, hyphens and underscores.")
    return name


def _title(name: str, runs: "pd.DataFrame") -> str:
    sizes = [f"{size:.3g}" for size in (runs["parameters"].min(), runs["parameters"].max())]
    span = " to ".join(dict.fromkeys(sizes))
    return f"{name}: {len(runs)} runs of {span} parameters"


def _rule(one: Comparable, within: float, draws: int) -> str:
    held = _HELD[one.match]
    if one.repeated:
        size = f"one offset a budget, budgets of at least four shapes that agree within 15% in {held}"
        over = "budgets, residuals added"
    else:
        size = f"a_N a smooth curve in ln N, N the {held}: no two shapes share a budget"
        over = "shapes"
    return (
        f"ln loss = a_N + c (ln R - ln R*)^2, {size}; depth {FEWEST_BLOCKS} and more; interval ="
        f" R* exp(+- sqrt(ln({1 + within:g})/c)); 95% intervals by a bootstrap over {over} ({draws:,} draws, of which"
        f" {KEPT_DRAWS} are kept here)"
    )


def _history(sweep: Sweep, where: Sequence[str]) -> list[str]:
    said = ", ".join(f"{role} = {' and '.join(names)}" for role, names in sweep.columns.items())
    found = [f"columns of {sweep.name}: {said}"]
    if where:
        found.append(f"runs where {' and '.join(where)}")
    return found


def _left_out(one: Comparable) -> list[str]:
    """What is said of the runs that are not used, and of what one budget cannot tell."""
    shallow = int((one.runs["depth"] < FEWEST_BLOCKS).sum())
    rest = int((~one.runs["used"]).sum()) - shallow
    found = []
    if shallow:
        found.append(f"{_runs_words(shallow)} of depth under {FEWEST_BLOCKS} left out: another regime.")
    if rest > 0:
        found.append(f"{_runs_words(rest)} of budgets with fewer than four shapes that agree within 15% left out.")
    budgets = one.used["budget"].nunique() if one.repeated else 0
    if budgets == 1:
        found.append(
            "One budget says nothing of a drift, nor can it be tested on another; add runs of a second budget."
        )
    elif 1 < budgets < FEWEST_BUDGETS:
        found.append(f"From {budgets} budgets alone, the intervals take it that budgets have one optimum in common.")
    return found


def _runs_words(count: int) -> str:
    return "1 run is" if count == 1 else f"{count} runs are"


def _runs(one: Comparable, found: QuadraticFit, metrics: Sequence[str]) -> "pd.DataFrame":
    """Every run with what it lost above the fitted floor of its budget, and what the fit says of that."""
    runs = one.runs.copy()
    runs["ratio"] = runs["depth"] / runs["width"]
    runs["fitted"] = found.curve.curvature * (np.log(runs["ratio"]) - found.curve.ln_optimum) ** 2
    above = np.log(runs["loss"]) - runs["fitted"]
    if one.repeated:
        floors = above[runs["used"]].groupby(runs["budget"]).mean()
        runs["excess"] = np.log(runs["loss"]) - runs["budget"].map(floors)
    else:
        size = one.regression().size
        solution = np.linalg.lstsq(size, above[runs["used"]].to_numpy(float), rcond=None)[0]
        floor = np.full(len(runs), np.nan)
        floor[runs["used"].to_numpy(bool)] = size @ solution
        runs["excess"] = np.log(runs["loss"]) - floor
        runs["budget"] = "all"
    if "tokens" not in runs:
        runs["tokens"] = np.nan
    return runs[[*READ_COLUMNS, *metrics]].reset_index(drop=True)

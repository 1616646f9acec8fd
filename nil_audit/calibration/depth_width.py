"""The depth-width form of arXiv 2602.05970, fitted to training runs of different depth, width and tokens."""

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from nil_audit.calibration.comparable import Match
from nil_audit.calibration.result import BudgetOptimum, Calibration, Drift, FormFit, Variant
from nil_audit.calibration.study import KEPT_DRAWS, READ_COLUMNS, Words, made_study
from nil_audit.errors import DataError
from nil_audit.law.loss_curves import FEWEST_BLOCKS, UNKNOWN_BUDGET, DepthWidthCurve
from nil_audit.stats.estimate import Array, Estimate

# Liu, Kangaslahti, Liu and Gore 2026 (arXiv 2602.05970): their fit to the Chinchilla runs.
PUBLISHED = DepthWidthCurve(1.744, 301.0, 0.960, 414.0, 1.066, 8.49, 0.299)
MOST_DRAWS = 600  # each is a search for seven numbers
_FEWEST_RUNS = 20
_NUMBERS = 7
_TOLERANCES = (0.005, 0.01, 0.02)
_HUBER_SCALE = 1e-3  # of ln loss, as in Hoffmann et al. 2022, appendix D.3


def calibrated(
    runs: pd.DataFrame,
    *,
    name: str,
    words: Words,
    match: Match,
    within: float,
    seed: int,
    draws: int,
    coefficients: Sequence[float] | None,
    metrics: Sequence[str],
    notes: Sequence[str],
) -> Calibration:
    """What a sweep says of the interval by this form, read at 1B parameters, or at its own nearest size.

    Args:
        runs: As `nil_audit.calibration.comparable.choose` gives them, with ``held_equal``.
        name: Of the study.
        words: Title, source and history of its file.
        match: What is held equal, which is the N of 12 L d² = N.
        within: The tolerance of the interval.
        seed: Of the order of the draws, and of the bootstrap.
        draws: Bootstrap refits, of which `MOST_DRAWS` are made at most.
        coefficients: A published fit, taken in place of one's own; None for a fit to these runs.
        metrics: Names of interaction metrics among the columns.
        notes: Sentences for people, to which this adds.

    Raises:
        DataError: The sweep has no tokens, or too few runs.
    """
    if "tokens" not in runs:
        raise DataError(
            "The depth-width form needs the tokens of each run; name their column with --tokens, or use another form."
        )
    used = runs[runs["depth"] >= FEWEST_BLOCKS]
    if len(used) < _FEWEST_RUNS:
        raise DataError(
            f"The depth-width form has {_NUMBERS} numbers, for which {_FEWEST_RUNS} runs of depth {FEWEST_BLOCKS} and"
            f" more are needed, not {len(used)}; use --form quadratic."
        )
    curve = refit(used) if coefficients is None else DepthWidthCurve(*coefficients)
    refits = bootstrap(used, draws=max(min(draws, MOST_DRAWS), KEPT_DRAWS), seed=seed)
    size, ratio = used["held_equal"], used["depth"] / used["width"]
    at = float(np.clip(UNKNOWN_BUDGET, size.min(), size.max()))

    def ends(curve: DepthWidthCurve, within: float = within) -> tuple[float, float, float]:
        return (curve.optimum(at), *curve.bounds(at, within))

    drawn = np.array([ends(one) for one in refits])
    optimum, low, high = (
        Estimate.from_draws(value, values) for value, values in zip(ends(curve), drawn.T, strict=True)
    )
    tolerances = [(tolerance, ends(curve, tolerance)) for tolerance in sorted({*_TOLERANCES, within})]
    return Calibration(
        study=made_study(
            name,
            words,
            within=within,
            form="depth-width",
            curve=curve,
            draws=refits,
            parameters_range=(float(used["parameters"].min()), float(used["parameters"].max())),
            ratio_range=(float(ratio.min()), float(ratio.max())),
            residual=residual(used, curve),
            seed=seed,
        ),
        history=words.history,
        rule=f"the ratios at which the form's loss is within {100 * within:g}% of its smallest at the same N and D; 95%"
        f" intervals by refitting the form to resampled runs ({len(refits)} draws, of which {KEPT_DRAWS} are kept here;"
        " Huber loss of 0.001 on ln loss)",
        match=match,
        optimum=optimum,
        curvature=None,
        low=low,
        high=high,
        flat_draws=0.0,
        edge="deeper" if optimum.value > ratio.max() else "wider" if optimum.value < ratio.min() else "",
        forms=(_form_fit(used, curve, optimum),),
        budgets=(BudgetOptimum(budget="all", parameters=at, tokens=None, runs=len(used), optimum=optimum, bound=""),),
        repeated=False,
        drifts=(_drift(curve, refits, (float(size.min()), float(size.max())), len(used)),),
        variants=tuple(
            Variant(
                kind="tolerance",
                what=f"{100 * tolerance:g}%",
                runs=len(used),
                optimum=optimum,
                curvature=None,
                low=found[1],
                high=found[2],
            )
            for tolerance, found in tolerances
        ),
        held_out=None,
        runs=_read(runs, curve, metrics),
        metrics=tuple(metrics),
        notes=(*notes, f"The form's optimum depends on the size; it is read at {at:.3g} parameters."),
    )


def _form_fit(runs: pd.DataFrame, curve: DepthWidthCurve, optimum: Estimate) -> FormFit:
    misfit = np.log(_loss(runs, curve)) - np.log(runs["loss"].to_numpy(float))
    square = float(misfit @ misfit)
    return FormFit(
        form="depth-width",
        error=float(np.sqrt(square / (len(runs) - _NUMBERS))),
        aic=float(len(runs) * np.log(square / len(runs)) + 2 * (_NUMBERS + 1)),
        optimum=optimum,
    )


def _drift(curve: DepthWidthCurve, refits: Sequence[DepthWidthCurve], sizes: tuple[float, float], runs: int) -> Drift:
    """The mean slope of ln R* on ln N between two sizes."""

    def slope(one: DepthWidthCurve) -> float:
        return float(np.log(one.optimum(sizes[1]) / one.optimum(sizes[0])) / np.log(sizes[1] / sizes[0]))

    drawn = np.array([slope(one) for one in refits])
    return Drift(along="parameters", slope=Estimate.from_draws(slope(curve), drawn), budgets=runs)


def _read(runs: pd.DataFrame, curve: DepthWidthCurve, metrics: Sequence[str]) -> pd.DataFrame:
    """Every run with what it lost above the best shape of its size and tokens, and what the form says of that."""
    best = np.array([curve.optimum(size) for size in runs["held_equal"]])
    width = (runs["held_equal"].to_numpy(float) / (12 * best)) ** (1 / 3)
    tokens = runs["tokens"].to_numpy(float)
    floor = curve.loss(best * width, width, tokens)
    deep = runs["depth"] >= FEWEST_BLOCKS
    made = runs.assign(ratio=runs["depth"] / runs["width"], budget="all", used=deep)
    made["excess"] = np.log(runs["loss"] / floor)
    made["fitted"] = np.nan
    made.loc[deep, "fitted"] = np.log(_loss(runs[deep], curve) / floor[deep.to_numpy(bool)])
    return made[[*READ_COLUMNS, *metrics]].reset_index(drop=True)


def _loss(runs: pd.DataFrame, curve: DepthWidthCurve) -> Array:
    depth, width, tokens = (runs[name].to_numpy(float) for name in ("depth", "width", "tokens"))
    return curve.loss(depth, width, tokens)


def refit(runs: pd.DataFrame, start: DepthWidthCurve = PUBLISHED) -> DepthWidthCurve:
    """Fit all seven numbers to ln loss by Huber regression.

    Args:
        runs: One row a run: ``depth``, ``width``, ``tokens``, ``loss`` (nats per token).
        start: Where the search begins.
    """
    depth, width, tokens, loss = (runs[name].to_numpy(float) for name in ("depth", "width", "tokens", "loss"))
    beginning = _packed(start)
    found = least_squares(
        lambda packed: np.log(_unpacked(packed).loss(depth, width, tokens)) - np.log(loss),
        beginning,
        loss="huber",
        f_scale=_HUBER_SCALE,
        x_scale=np.abs(beginning) + 0.1,
        max_nfev=2000,
    )
    return _unpacked(found.x)


def bootstrap(runs: pd.DataFrame, *, draws: int = 200, seed: int = 0) -> tuple[DepthWidthCurve, ...]:
    """Refits on resampled runs whose four exponents and scales are all above zero."""
    random = np.random.default_rng(seed)
    start = refit(runs)
    kept: list[DepthWidthCurve] = []
    while len(kept) < draws:
        curve = refit(runs.iloc[random.integers(len(runs), size=len(runs))], start)
        if min(curve.floor, curve.width_power, curve.depth_power, curve.token_power) > 0:
            kept.append(curve)
    return tuple(kept)


def residual(runs: pd.DataFrame, curve: DepthWidthCurve) -> float:
    """Spread of ln loss about a curve, in one robust number: 1.4826 times the median absolute residual."""
    return float(1.4826 * np.median(np.abs(np.log(_loss(runs, curve)) - np.log(runs["loss"]))))


def _packed(curve: DepthWidthCurve) -> Array:
    """Scales as logarithms, so that the search keeps them above zero; B in units where the depth is L - 2."""
    floor, width, width_power, depth, depth_power, token, token_power = astuple(curve)
    shift = depth_power * np.log(100)
    return np.array([floor, np.log(width), width_power, np.log(depth) - shift, depth_power, np.log(token), token_power])


def _unpacked(packed: Array) -> DepthWidthCurve:
    floor, width, width_power, depth, depth_power, token, token_power = packed.tolist()
    scales = np.exp([width, depth + depth_power * np.log(100), token]).tolist()
    return DepthWidthCurve(floor, scales[0], width_power, scales[1], depth_power, scales[2], token_power)

"""Each budget's own optimum, and how the optimum moves with size and tokens."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from nil_audit.calibration.comparable import Choice, Comparable
from nil_audit.calibration.quadratic import CENTRE, curve, valley
from nil_audit.calibration.regression import TOKEN_SPREAD, Regression, Solution
from nil_audit.calibration.result import BudgetOptimum, Drift
from nil_audit.calibration.valley import beyond
from nil_audit.errors import DataError
from nil_audit.stats.estimate import LEVEL, Array, Estimate

_COLLINEAR = 0.98  # correlation of ln tokens with ln parameters beyond which their drifts cannot be told apart
_MOST_CHECKPOINTS = 8


def budget_optima(one: Comparable) -> tuple[BudgetOptimum, ...]:
    """The optimum of each budget alone, by size; one of all runs where budgets do not repeat.

    Least squares of ln loss on ln R and its square; the noise is that of all budgets together, and the interval
    Fieller's, which is open where the curvature may be zero.
    """
    return tuple(found for found, _ in _located(one))


def drifts(one: Comparable, choice: Choice, *, draws: int, seed: int) -> tuple[Drift, ...]:
    """How ln R* moves with ln parameters and, where the sweep has them, ln tokens.

    Where budgets repeat: a random-effects regression of the budgets' optima (DerSimonian and Laird 1986; intervals of
    Knapp and Hartung 2003, never narrower than the budgets' own errors say). Where they do not: an interaction of ln R
    with ln parameters. Along the checkpoints of the same runs: a bootstrap over budgets, or runs.
    """
    along_size = _between_budgets(one) if one.repeated else _interaction(one)
    if not choice.checkpoints:
        return along_size
    return (*along_size, *_checkpoints(one, choice, draws=draws, seed=seed))


def _located(one: Comparable) -> Iterator[tuple[BudgetOptimum, float]]:
    """Each budget's optimum and the standard error of its logarithm."""
    from scipy.stats import t

    whole = one.regression().solve()
    if one.repeated:
        groups = sorted(one.used.groupby("budget", sort=False), key=lambda pair: pair[1]["parameters"].mean())
        fits = [(str(name), runs, _alone(runs)) for name, runs in groups]
        freedom = max(sum(len(runs) - 3 for _, runs, _ in fits), 1)
        variance = sum(float(fit.residuals @ fit.residuals) for _, _, fit in fits) / freedom
    else:
        fits = [("all", one.used, whole)]
        freedom, variance = whole.freedom, whole.residual**2
    quantile = float(t.ppf((1 + LEVEL) / 2, freedom))
    for name, runs, fit in fits:
        x = np.log((runs["depth"] / runs["width"]).to_numpy(float))
        try:
            bound = beyond(fit.coefficients, (float(x.min()), float(x.max())))
        except DataError:
            bound = ""
        valley_found = curve(fit.coefficients)
        inside = valley_found is not None and not bound
        estimate, error = _optimum(fit, variance, quantile) if inside else (None, np.nan)
        yield (
            BudgetOptimum(
                budget=name,
                parameters=float(np.exp(np.log(runs["parameters"]).mean())),
                tokens=float(np.exp(np.log(runs["tokens"]).mean())) if "tokens" in runs else None,
                runs=len(runs),
                optimum=estimate,
                bound=bound,
            ),
            error,
        )


def _alone(runs: pd.DataFrame) -> Solution:
    target = np.log(runs["loss"].to_numpy(float))
    return Regression(shape=valley(runs), target=target, size=np.ones((len(runs), 1)), budgets=None).solve()


def _optimum(fit: Solution, variance: float, quantile: float) -> tuple[Estimate, float]:
    """R* with Fieller's interval, and the standard error of its logarithm by the delta method."""
    slope, curvature = fit.coefficients.tolist()
    (bb, bc), (_, cc) = (variance * fit.covariance).tolist()
    x = -slope / (2 * curvature)
    error = float(np.sqrt(max(bb + 4 * x * bc + 4 * x**2 * cc, 0.0)) / (2 * curvature))
    # ln R* is every x at which slope + 2 curvature x may be zero: those between the roots, where the curvature is sure
    a, b, c = (
        4 * (curvature**2 - quantile**2 * cc),
        4 * (slope * curvature - quantile**2 * bc),
        slope**2 - quantile**2 * bb,
    )
    under = b**2 - 4 * a * c
    if a > 0:  # where the losses have no noise, rounding takes it below zero
        under = max(under, 0.0)
    low = high = None
    if (under > 0 or a > 0) and a != 0:
        first, second = sorted(((-b - np.sqrt(under)) / (2 * a), (-b + np.sqrt(under)) / (2 * a)))
        if a > 0:
            low, high = first, second
        elif x >= second:
            low = second
        else:
            high = first
    elif under == 0:
        low = high = x
    ends = [None if end is None else float(np.exp(CENTRE + end)) for end in (low, high)]
    value = float(np.exp(CENTRE + x))
    return Estimate(value=value, low=ends[0], high=ends[1], se=value * error), error


def _between_budgets(one: Comparable) -> tuple[Drift, ...]:
    located = [(found, error) for found, error in _located(one) if found.optimum is not None and found.optimum.low]
    if len(located) < 3:
        return ()
    y = np.array([np.log(found.optimum.value) for found, _ in located if found.optimum is not None])
    variance = np.array([error**2 for _, error in located])
    columns = {"parameters": np.log([found.parameters for found, _ in located])}
    tokens = [found.tokens for found, _ in located if found.tokens is not None]
    if len(tokens) == len(located) and max(tokens) > TOKEN_SPREAD * min(tokens):
        columns["tokens"] = np.log(tokens)
    if len(columns) == 2 and abs(np.corrcoef(columns["parameters"], columns["tokens"])[0, 1]) > _COLLINEAR:
        del columns["tokens"]
    columns = {name: values for name, values in columns.items() if np.ptp(values) > np.log(TOKEN_SPREAD)}
    if not columns or len(y) < len(columns) + 2:
        return ()
    slopes = random_effects(y, variance, np.column_stack(list(columns.values())))
    return tuple(
        Drift(along=name, slope=slope, budgets=len(y))  # type: ignore[arg-type]
        for name, slope in zip(columns, slopes, strict=True)
    )


def random_effects(y: Array, variance: Array, columns: Array) -> tuple[Estimate, ...]:
    """Slopes of a random-effects regression with an intercept: y of known variances on columns, (k,), (k,), (k, q)."""
    from scipy.stats import t

    design = np.column_stack([np.ones(len(y)), columns - columns.mean(axis=0)])
    freedom = len(y) - design.shape[1]
    weight = 1 / np.maximum(variance, 1e-12 * max(variance.max(), 1e-300))

    def solved(weight: Array) -> tuple[Array, Array, float]:
        inverse = np.linalg.inv((design * weight[:, None]).T @ design)
        solution = inverse @ (design * weight[:, None]).T @ y
        return solution, inverse, float(weight @ (y - design @ solution) ** 2)

    _, inverse, misfit = solved(weight)
    trace = weight.sum() - np.trace(inverse @ (design * weight[:, None] ** 2).T @ design)
    between = max((misfit - freedom) / trace, 0.0)
    solution, inverse, misfit = solved(1 / (1 / weight + between))
    errors = np.sqrt(np.diag(inverse) * max(misfit / freedom, 1.0))
    half = float(t.ppf((1 + LEVEL) / 2, freedom)) * errors
    return tuple(
        Estimate(value=float(value), low=float(value - away), high=float(value + away), se=float(error), n=len(y))
        for value, away, error in list(zip(solution, half, errors, strict=True))[1:]
    )


def _interaction(one: Comparable) -> tuple[Drift, ...]:
    """The drift d ln R* / d ln of parameters (and tokens), from interactions of ln R with them."""
    from scipy.stats import t

    regression = one.regression()
    names = ["parameters"]
    if regression.size.shape[1] > 3:
        names.append("tokens")
    x = regression.shape[:, :1]
    logs = np.log(one.used[names].to_numpy(float))
    design = np.column_stack([regression.size, regression.shape, x * (logs - logs.mean(axis=0))])
    freedom = len(x) - design.shape[1]
    if freedom < 1:
        return ()
    solution, *_ = np.linalg.lstsq(design, regression.target, rcond=None)
    misfit = regression.target - design @ solution
    covariance = np.linalg.pinv(design.T @ design) * (misfit @ misfit) / freedom
    place = regression.size.shape[1] + 1  # of the curvature
    curvature = float(solution[place])
    if not curvature > 0:
        return ()
    found = []
    for step, name in enumerate(names, start=place + 1):
        value = float(-solution[step] / (2 * curvature))
        gradient = np.zeros(len(solution))
        gradient[step], gradient[place] = -1 / (2 * curvature), -value / curvature
        error = float(np.sqrt(gradient @ covariance @ gradient))
        half = float(t.ppf((1 + LEVEL) / 2, freedom)) * error
        slope = Estimate(value=value, low=value - half, high=value + half, se=error, n=len(x))
        found.append(Drift(along=name, slope=slope, budgets=len(x)))  # type: ignore[arg-type]
    return tuple(found)


def at_checkpoint(one: Comparable, choice: Choice, tokens: float) -> Comparable | None:
    """The same runs at another checkpoint; None where some run has none there."""
    keys = ["depth", "width", "label", "rate", "parameters"]
    every = choice.every
    near = every[(every["tokens"] / tokens).between(1 / np.sqrt(TOKEN_SPREAD), np.sqrt(TOKEN_SPREAD))]
    near = near.assign(away=(near["tokens"] / tokens - 1).abs()).sort_values("away").drop_duplicates(keys)
    losses = near.set_index(keys)[["loss", "tokens"]].reindex(pd.MultiIndex.from_frame(one.used[keys]))
    if losses["loss"].isna().any():
        return None
    runs = one.used.assign(loss=losses["loss"].to_numpy(), tokens=losses["tokens"].to_numpy())
    return Comparable(runs=runs, match=one.match, repeated=one.repeated)


def checkpoints(choice: Choice, most: int = _MOST_CHECKPOINTS) -> list[float]:
    """Some checkpoints, evenly apart in ln tokens, the last among them."""
    there = np.unique(choice.every["tokens"].to_numpy(float))
    wanted = np.geomspace(max(there[0], there[-1] / 100), there[-1], most)
    return list(dict.fromkeys(float(there[np.abs(np.log(there / one)).argmin()]) for one in wanted))


def _checkpoints(one: Comparable, choice: Choice, *, draws: int, seed: int) -> Iterator[Drift]:
    """The drift along the checkpoints of the same runs: the same resamples at each."""
    found = [(np.log(tokens), then) for tokens in checkpoints(choice) if (then := at_checkpoint(one, choice, tokens))]
    if len(found) < 3:
        return
    ln_tokens = np.array([tokens for tokens, _ in found])
    fits = [then.regression() for _, then in found]
    value = _slope(ln_tokens, np.array([fit.solve().coefficients for fit in fits])[None])
    drawn = _slope(ln_tokens, np.stack([fit.bootstrap(draws, np.random.default_rng(seed)) for fit in fits], axis=1))
    if len(value) and len(drawn) > draws / 2:
        slope = Estimate.from_draws(float(value[0]), drawn)
        yield Drift(along="tokens", slope=slope, budgets=len(found))


def _slope(ln_tokens: Array, coefficients: Array) -> Array:
    """Slopes of ln R* on ln tokens, of those draws that have an optimum at each; coefficients (draws, T, 2)."""
    curvature = coefficients[..., 1]
    kept = coefficients[(curvature > 0).all(axis=1)]
    optimum = -kept[..., 0] / (2 * kept[..., 1])
    away = ln_tokens - ln_tokens.mean()
    return np.asarray(optimum @ away / (away @ away))

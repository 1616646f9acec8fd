"""Calibrations made by hand from a sweep: what a report is given, without the command that makes it."""

import numpy as np
import pandas as pd

from nil_audit.calibration.quadratic import QuadraticFit, fit_quadratic, fit_scattered
from nil_audit.calibration.result import (
    BudgetOptimum,
    Calibration,
    Drift,
    FormFit,
    HeldOut,
    HeldOutBudget,
    Variant,
)
from nil_audit.law.studies import Study
from nil_audit.stats.estimate import Estimate

HOSTILE = "<b>1M</b>|$x_1$`\u202e"


def sweep(budgets: dict[str, float], *, optimum: float = 0.03, curvature: float = 0.012, seed: int = 1) -> pd.DataFrame:
    """Runs of eight shapes a budget, R from 0.004 to 0.4, whose ln loss is a parabola in ln R with some noise.

    Args:
        budgets: Parameters by name.
        optimum: R*.
        curvature: c.
        seed: Of the noise.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for place, (name, parameters) in enumerate(budgets.items()):
        for ratio in np.geomspace(0.004, 0.4, 8):
            width = (parameters / (12 * ratio)) ** (1 / 3)
            excess = curvature * np.log(ratio / optimum) ** 2 + rng.normal(0, 0.002)
            rows.append(
                {
                    "depth": ratio * width,
                    "width": width,
                    "ratio": ratio,
                    "budget": name,
                    "parameters": parameters,
                    "tokens": 20 * parameters,
                    "loss": (3 - 0.3 * place) * np.exp(excess),
                    "aofe": 1e9 * ratio ** -(0.3 + 0.1 * place),
                    "aofe_ratio": 0.9 + 0.02 * place,
                }
            )
    return pd.DataFrame(rows)


def calibrated(runs: pd.DataFrame, name: str = "mine", *, held: bool = True, repeated: bool = True) -> Calibration:
    """What a report is given of runs that are all used, with 60 draws; a held-out test and drift that are made up."""
    if repeated:
        fit = fit_quadratic(runs, draws=60)
        floors = runs.groupby("budget")["loss"].transform("min")
    else:
        fit = fit_scattered(runs.assign(held_equal=runs["parameters"]), draws=60)
        size = np.log(runs["parameters"])
        offset = np.log(runs["loss"]) - fit.curve.curvature * (np.log(runs["ratio"]) - fit.curve.ln_optimum) ** 2
        floors = np.exp(np.polyval(np.polyfit(size, offset, 2), size))
    fitted = fit.curve.curvature * (np.log(runs["ratio"]) - fit.curve.ln_optimum) ** 2
    runs = runs.assign(excess=np.log(runs["loss"] / floors), fitted=fitted, used=True)
    sizes = runs.groupby("budget")["parameters"].mean()
    last = str(sizes.idxmax())
    metrics = tuple(one for one in ("aofe", "aofe_ratio") if one in runs)
    return Calibration(
        study=_study(fit, name),
        history=("made by hand",),
        rule="ln loss = a_N + c (ln R - ln R*)^2",
        match="total",
        optimum=fit.estimate("optimum"),
        curvature=fit.estimate("curvature"),
        low=fit.estimate("low"),
        high=fit.estimate("high"),
        flat_draws=0.0,
        edge="",
        forms=(
            FormFit(form="quadratic", error=0.0117, aic=-310.2, optimum=fit.estimate("optimum")),
            FormFit(form="additive", error=0.0087, aic=-352.9, optimum=Estimate(value=0.035, low=0.031, high=0.039)),
        ),
        budgets=tuple(_budget(str(one), rows) for one, rows in runs.groupby("budget", sort=False))
        if repeated
        else (_budget("all runs", runs),),
        repeated=repeated,
        drifts=(Drift(along="parameters", slope=Estimate(value=-0.03, low=-0.15, high=0.10), budgets=len(sizes)),),
        variants=(
            _variant("match", "body", fit, len(runs)),
            _variant("shallow", "without depth 3", fit, len(runs) - 3),
            *(_variant("budget", f"without {one}", fit, len(runs) - 8) for one in sizes.index),
            Variant(
                kind="tolerance", what="0.5%", runs=len(runs), optimum=None, curvature=None, low=0.0123, high=0.0777
            ),
        ),
        held_out=_held_out(last, float(sizes.max())) if held else None,
        runs=runs,
        metrics=metrics,
        notes=("1 run of 2 blocks is left out.",),
    )


def _study(fit: QuadraticFit, name: str) -> Study:
    return Study(
        name=name,
        title="A sweep of one's own",
        source=f"{name}.csv",
        tolerance=0.01,
        form="quadratic",
        coefficients=(fit.curve.ln_optimum, fit.curve.curvature),
        parameters_range=fit.parameters_range,
        ratio_range=fit.ratio_range,
        residual=fit.residual,
        draws=tuple((draw.ln_optimum, draw.curvature) for draw in fit.draws),
    )


def _budget(name: str, rows: pd.DataFrame) -> BudgetOptimum:
    a, b, _ = np.polyfit(np.log(rows["ratio"]), np.log(rows["loss"]), 2)
    size = float(np.exp(np.log(rows["parameters"]).mean()))
    tokens = float(rows["tokens"].mean()) if "tokens" in rows else None
    best = float(np.exp(-b / (2 * a)))
    estimate = Estimate(value=best, low=best / 1.3, high=best * 1.3)
    inside = a > 0 and rows["ratio"].min() <= best <= rows["ratio"].max()
    return BudgetOptimum(
        budget=name,
        parameters=size,
        tokens=tokens,
        runs=len(rows),
        optimum=estimate if inside else None,
        bound="" if inside else "deeper" if (a > 0) == (best > 0.03) else "wider",
    )


def _variant(kind: str, what: str, fit: QuadraticFit, runs: int) -> Variant:
    low, high = fit.curve.bounds(1.0, 0.01)
    return Variant(
        kind=kind,
        what=what,
        runs=runs,
        optimum=fit.estimate("optimum"),
        curvature=fit.estimate("curvature"),
        low=low,
        high=high,
    )


def _held_out(budget: str, parameters: float) -> HeldOut:
    one = HeldOutBudget(
        budget=budget,
        parameters=parameters,
        shapes=8,
        right=7,
        within=3,
        called=4,
        best=0.031,
        advised=0.029,
        forgone=0.002,
        spread=0.081,
    )
    return HeldOut(fitted=("1M", "2M"), largest=2e6, optimum=0.0312, low=0.012, high=0.08, budgets=(one,))

"""The figures of a calibration's report: which numbers each plot shows, and its caption."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nil_audit.calibration.result import BudgetOptimum, Calibration
from nil_audit.report.calibration.words import (
    counted,
    interval_ends,
    ratio_interval,
    span_text,
    tolerance_text,
    with_short_numbers,
)
from nil_audit.report.plots.metrics import metric_plot
from nil_audit.report.plots.optimum import OptimumPoint, optimum_plot
from nil_audit.report.plots.style import Drawing, page_figure
from nil_audit.report.plots.valley import Curve, Valley, valley_plot
from nil_audit.report.render.characters import clean
from nil_audit.report.render.page import Figure
from nil_audit.report.render.text import count, signed
from nil_audit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd

_BANDS = 4
"""Groups by size of runs that share no budget."""


def draw_figures(calibration: Calibration) -> dict[str, Figure]:
    """Every figure that the calibration has numbers for, by name."""
    drawn = (_valley(calibration), _optimum(calibration), *(_metric(calibration, one) for one in calibration.metrics))
    return {figure.name: figure for figure in drawn if figure}


def main_plot(calibration: Calibration) -> Drawing:
    """Loss over R by budget, the fitted valley and the interval."""
    return _valley_plot(calibration)


def _valley(calibration: Calibration) -> Figure:
    hollow = " Hollow: runs left out of the fit." if not calibration.runs["used"].all() else ""
    lines = "A line a budget" if calibration.repeated else "Points: runs, coloured by size"
    return page_figure(
        "valley",
        _valley_plot(calibration),
        caption=f"Loss above the fitted best of its budget against R, depth over width. {lines}; thick: the fitted"
        f" valley with its 95% band, dashed beyond the sweep's shapes. Shaded: the interval at"
        f" {tolerance_text(calibration)}, {span_text(*interval_ends(calibration))}; bars on its ends: their 95%"
        f" intervals.{hollow}",
        description=f"Excess loss of {counted(len(_used(calibration)), 'run', 'runs')} over R with a fitted valley"
        f" whose bottom is at {ratio_interval(calibration.optimum)}.",
        narrow=_valley_plot(calibration, phone=True),
    )


def _valley_plot(calibration: Calibration, *, phone: bool = False) -> Drawing:
    study = calibration.study
    runs = calibration.runs
    size = float(np.exp(np.log(_used(calibration)["parameters"].to_numpy(float)).mean()))

    def excess(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([study.curve.excess(float(one), size) for one in ratios])

    def band(ratios: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        draws = np.array([study.excess_draws(float(one), size) for one in ratios])
        low, high = np.percentile(draws, [2.5, 97.5], axis=1)
        return np.minimum(low, excess(ratios)), np.maximum(high, excess(ratios))

    rest = runs[~runs["used"].astype(bool) & np.isfinite(runs["excess"])]
    return valley_plot(
        _curves(calibration, "excess"),
        Valley(
            excess=excess,
            band=band,
            optimum=calibration.optimum,
            low=_end(calibration, "wider"),
            high=_end(calibration, "deeper"),
            tolerance=study.tolerance,
        ),
        left_out=[(float(one), float(np.expm1(y))) for one, y in zip(rest["ratio"], rest["excess"], strict=True)],
        joined=calibration.repeated,
        phone=phone,
    )


def _end(calibration: Calibration, side: str) -> Estimate | None:
    """An end of the interval; where the optimum is a bound, none beyond it, and the bound itself before it."""
    if not calibration.edge:
        return calibration.low if side == "wider" else calibration.high
    return None if calibration.edge == side else calibration.optimum


def _used(calibration: Calibration) -> "pd.DataFrame":
    return calibration.runs[calibration.runs["used"].astype(bool)]


def _curves(calibration: Calibration, column: str) -> list[Curve]:
    """Runs of the fit by budget, or by size where none is shared, the smallest first; no run without a value."""
    runs = _used(calibration)
    runs = runs[np.isfinite(runs[column].astype(float))]
    if calibration.repeated:
        groups = {with_short_numbers(str(name)): rows for name, rows in runs.groupby("budget", sort=False)}
    else:
        groups = _by_size(runs)
    order = sorted(groups, key=lambda name: (groups[name]["parameters"].mean(), name))
    return [_curve(name, groups[name].sort_values("ratio"), column) for name in order]


def _curve(name: str, rows: "pd.DataFrame", column: str) -> Curve:
    values = rows[column].to_numpy(dtype=float)
    return Curve(
        label=name,
        ratio=rows["ratio"].to_numpy(dtype=float).tolist(),
        value=(np.expm1(values) if column == "excess" else values).tolist(),
    )


def _by_size(runs: "pd.DataFrame") -> dict[str, Any]:
    """Runs in a few groups of like size, each called by its ends."""
    ordered = runs.sort_values("parameters")
    parts = np.array_split(np.arange(len(ordered)), min(_BANDS, len(ordered)))
    groups = {}
    for part in parts:
        rows = ordered.iloc[part]
        low, high = (count(float(rows["parameters"].iloc[place])) for place in (0, -1))
        groups[low if low == high else f"{low} to {high}"] = rows
    return groups


def _optimum(calibration: Calibration) -> Figure | None:
    if not calibration.repeated or len(calibration.budgets) < 2:
        return None
    bounds = [one for one in calibration.budgets if one.optimum is None]
    arrows = " Arrows: budgets whose loss still falls at their last shape, which is a bound." if bounds else ""
    drift = next((one for one in calibration.drifts if one.along == "parameters"), None)
    dashed = (
        f" Dashed: the drift, d ln R*/d ln N = {signed(drift.slope.value)}." if drift and _drift(calibration) else ""
    )
    return page_figure(
        "optimum",
        _optimum_plot(calibration),
        caption="The optimum of each budget alone against its parameters, with the 95% interval of its own least"
        f" squares. Line and band: all budgets together.{dashed}{arrows}",
        description=f"Optimum of {len(calibration.budgets)} budgets against size; together"
        f" {calibration.optimum.value:.2g}.",
        narrow=_optimum_plot(calibration, phone=True),
    )


def _optimum_plot(calibration: Calibration, *, phone: bool = False) -> Drawing:
    points = [_point(calibration, one) for one in calibration.budgets]
    return optimum_plot(points, calibration.optimum, drift=_drift(calibration), phone=phone)


def _point(calibration: Calibration, budget: BudgetOptimum) -> OptimumPoint:
    rows = _used(calibration)
    ratios = rows.loc[rows["budget"].astype(str) == budget.budget, "ratio"]
    last = None
    if budget.optimum is None:
        shapes = (ratios.min(), ratios.max()) if len(ratios) else (calibration.optimum.value,) * 2
        last = float(shapes[budget.bound == "deeper"])
    return OptimumPoint(
        label=with_short_numbers(budget.budget),
        size=budget.parameters,
        optimum=budget.optimum,
        bound=last,
        deeper=budget.bound == "deeper",
    )


def _drift(calibration: Calibration) -> tuple[float, float] | None:
    """The slope along parameters, and where its line meets the pooled optimum: at the budgets' mean size."""
    sizes = [one.parameters for one in calibration.budgets if one.optimum is not None]
    for one in calibration.drifts:
        if one.along == "parameters" and sizes:
            return one.slope.value, float(np.exp(np.log(sizes).mean()))
    return None


def _metric(calibration: Calibration, metric: str) -> Figure | None:
    curves = _curves(calibration, metric)
    if not calibration.repeated or not curves:
        return None
    words = clean(metric).replace("_", " ")
    wide, narrow = (
        metric_plot(
            metric,
            curves,
            low=_end(calibration, "wider"),
            high=_end(calibration, "deeper"),
            optimum=calibration.optimum,
            phone=phone,
        )
        for phone in (False, True)
    )
    return page_figure(
        f"metric-{re.sub(r'[^a-z0-9]+', '-', metric.lower())}",
        wide,
        caption=f"{words} over R, a line a budget. Shaded: the interval that the losses give, dashed its optimum.",
        description=f"{words} of {counted(len(curves), 'budget', 'budgets')} over R.",
        narrow=narrow,
    )

"""The figures of a candidate's report: regret over depth, regret against decoding time, the depth-width plane."""

from typing import TYPE_CHECKING

import numpy as np

from nil_audit.candidate.result import CandidateReport, Option
from nil_audit.law.pooled import INSIDE
from nil_audit.report.candidate.answer import advised, option_name
from nil_audit.report.candidate.evidence import NEIGHBOURS
from nil_audit.report.candidate.tables import interval_name, undominated
from nil_audit.report.render.page import Figure
from nil_audit.report.render.text import listing
from nil_audit.report.verdict import likely_words, regret_words

if TYPE_CHECKING:
    from nil_audit.report.plots.style import Drawing

_FACTOR = 1.4
"""How far the curve goes beyond the outermost shapes."""


def regret_figure(report: CandidateReport) -> Figure:
    """Expected regret over depth at the candidate's budget."""
    from nil_audit.report.plots.style import page_figure

    shape, regret = report.shape, report.verdict.regret
    return page_figure(
        "regret",
        regret_plot(report),
        caption="What a shape is expected to cost over the best shape of this budget, over its depth, with the 95%"
        " interval of a training run of which nothing else is known. Grey: the nearest real models, at the depth that"
        " has their ratio at this budget. Dashed: 1%.",
        description=f"Curve of expected regret against depth; the candidate at {shape.depth} blocks is expected to cost"
        f" {regret_words(regret)} of loss, {likely_words(regret.within)}.",
        narrow=regret_plot(report, phone=True),
    )


def regret_plot(report: CandidateReport, *, phone: bool = False) -> "Drawing":
    """The same as a matplotlib figure.

    At one budget 12 L d², or any multiple of L d², depth and ratio hang together: R = R0 (L / L0)^(3/2).
    """
    from nil_audit.report.plots.regret import RegretCurve, RegretPoint, regret_over_depth

    shape = report.shape
    parameters = shape.parameters.total if shape.parameters else None
    points = [RegretPoint(name=_here(report), depth=shape.depth, regret=_cost(report, shape.ratio), role="candidate")]
    for option in report.options:
        role = "advised" if option is advised(report) else "alternatives"
        regret = 100 * option.verdict.regret.expected
        points.append(RegretPoint(name=option_name(option), depth=option.shape.depth, regret=regret, role=role))
    deepest = max(one.depth for one in points)
    shallowest = min(one.depth for one in points)
    for model in report.neighbours:
        depth = shape.depth * (model.ratio / shape.ratio) ** (2 / 3)
        if shallowest / 1.3 < depth < 1.3 * deepest:
            regret = _cost(report, model.ratio)
            points.append(RegretPoint(name=model.model, depth=depth, regret=regret, role="real models"))
    depths = np.geomspace(shallowest / _FACTOR, deepest * _FACTOR, 120)
    found = [report.reference.pool.regret(shape.ratio * (depth / shape.depth) ** 1.5, parameters) for depth in depths]
    expected, low, high = (100 * np.array([getattr(one, key) for one in found]) for key in ("expected", "low", "high"))
    return regret_over_depth(RegretCurve(depth=depths, expected=expected, low=low, high=high), points, phone=phone)


def trade_figure(report: CandidateReport) -> Figure:
    """Expected regret against the time of a decoded token on the first accelerator."""
    from nil_audit.report.plots.style import page_figure

    names = listing([option_name(one) for one in undominated(report)])
    return page_figure(
        "trade",
        trade_plot(report),
        caption=f"Deep and narrow shapes decode slowly: expected regret against the predicted time of a decoded token."
        f" Joined: the shapes that none is both better and no slower than ({names}). Regret counts what a difference in"
        " size is worth.",
        description=f"Scatter plot of expected regret against time a token; undominated are {names}.",
        narrow=trade_plot(report, phone=True),
    )


def trade_plot(report: CandidateReport, *, phone: bool = False) -> "Drawing":
    """The same as a matplotlib figure."""
    from nil_audit.report.plots.trade import TradePoint, regret_against_time

    itself = report.itself
    assert itself is not None

    def point(option: Option) -> TradePoint:
        role = "candidate" if option is itself else "advised" if option is advised(report) else "alternatives"
        return TradePoint(
            name=_here(report) if option is itself else option_name(option),
            time=1000 * option.serving[0].decode_seconds,
            regret=100 * (itself.verdict.regret.expected - option.gain.value),
            role=role,
            dominated=option.dominated,
        )

    return regret_against_time(
        [point(one) for one in (itself, *report.options)], device=itself.serving[0].device, phone=phone
    )


def plane_figure(report: CandidateReport) -> Figure:
    """The depth-width plane with the candidate, its alternatives and real models."""
    from nil_audit.report.plots.style import page_figure

    shape = report.shape
    return page_figure(
        "plane",
        _plane_plot(report),
        caption="The candidate, its alternatives and the nearest real models on the depth-width plane. Contours: equal"
        " 12 L d², from a quarter to four times the candidate's. Shaded: "
        f"{interval_name(report)}; dashed: the ratios that are {INSIDE:.0%} likely within 1% by all studies pooled.",
        description=f"Depth against width; the candidate at {shape.depth} blocks and {shape.width} channels is"
        f" {report.verdict.label}.",
    )


def _plane_plot(report: CandidateReport) -> "Drawing":
    from nil_audit.report.plots.plane import PlanePoint, depth_width_plane

    shape, reference = report.shape, report.reference
    highlights = [PlanePoint(name=_here(report), depth=shape.depth, width=shape.width, role="candidate")]
    for option in report.options:
        role = "recommended" if option is advised(report) else "alternative"
        highlights.append(
            PlanePoint(name=option_name(option), depth=option.shape.depth, width=option.shape.width, role=role)
        )
    return depth_width_plane(
        [PlanePoint(name=one.model, depth=one.depth, width=one.width) for one in report.neighbours],
        intervals=[reference.study, reference.pool],
        highlights=highlights,
        budgets=[12 * shape.depth * shape.width**2 * factor for factor in (0.25, 0.5, 1, 2, 4)],
        notable=[one.model for one in report.neighbours[:NEIGHBOURS]],
    )


def _here(report: CandidateReport) -> str:
    return f"candidate {report.shape.depth} x {report.shape.width}"


def _cost(report: CandidateReport, ratio: float) -> float:
    """The expected regret of a ratio at the candidate's budget, in per cent of loss."""
    parameters = report.shape.parameters
    return 100 * report.reference.pool.regret(ratio, parameters.total if parameters else None).expected

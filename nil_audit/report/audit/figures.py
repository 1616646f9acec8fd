"""The figures of an audit: which numbers each plot shows, and its caption; none where there is nothing to draw."""

from collections import Counter
from collections.abc import Iterator

from nil_audit.catalog.neighbours import nearest
from nil_audit.catalog.sized_scores import sized_scores
from nil_audit.law.studies import studies
from nil_audit.report.audit.ranking import Ranking
from nil_audit.report.audit.scores import standing
from nil_audit.report.audit.words import SPOKEN
from nil_audit.report.plots.plane import PlanePoint, depth_width_plane
from nil_audit.report.plots.score_size import ScorePoint, score_against_size
from nil_audit.report.plots.spread import SpreadPoint, spread_against_sensitivity
from nil_audit.report.plots.strip import StripRow, strip
from nil_audit.report.plots.style import page_figure
from nil_audit.report.render.page import Figure
from nil_audit.report.render.text import interval_text, percent


def draw_figures(ranking: Ranking) -> dict[str, Figure]:
    """Every figure that there are numbers for, by name."""
    return {figure.name: figure for figure in _figures(ranking)}


def _figures(ranking: Ranking) -> Iterator[Figure]:
    yield _plane(ranking)
    if len(ranking.among) > 1:
        yield _strip(ranking)
        if figure := _spread(ranking):
            yield figure
    if figure := _scores(ranking):
        yield figure


def _plane(ranking: Ranking) -> Figure:
    entries = ranking.entries
    role = "audited" if len(entries) <= SPOKEN else "one of many"
    points = [
        PlanePoint(name=one.name, depth=one.record.shape.depth, width=one.record.shape.width, role=role)
        for one in entries
    ]
    beside = {
        one.name: PlanePoint(name=one.name, depth=one.record.shape.depth, width=one.record.shape.width)
        for one in ranking.others
    }
    real = ""
    if len(entries) == 1 and entries[0].record.shape.parameters:
        near = nearest(entries[0].record.shape)
        beside = {one.model: PlanePoint(name=one.model, depth=one.depth, width=one.width) for one in near} | beside
        real = " and of the real models nearest to it in size and shape"
    which = entries[0].name if len(entries) == 1 else f"{len(entries)} models"
    inside = sum(one.record.verdict["label"] == "inside" for one in entries)
    return page_figure(
        "depth-width-plane",
        depth_width_plane(list(beside.values()), intervals=studies(), highlights=points, notable=list(beside)),
        caption=f"Depth and width of {which}{real}. Thin lines: equal parameters in the blocks, 12 L d². Shaded: the"
        " law's interval; dashed and dotted: the other studies'. Models of one and the same shape are fanned out"
        " around it.",
        description=f"Scatter plot of depth against width; {inside} of {len(entries)} audited models are inside.",
    )


def _strip(ranking: Ranking) -> Figure:
    rows = [
        StripRow(name=one.name, estimate=one.efficiency, reference=one.reference)
        for one in ranking.among
        if one.efficiency
    ]
    grey = " Grey: models that are here to be compared with." if ranking.others else ""
    first, last = rows[0], rows[-1]
    return page_figure(
        "typical-efficiency",
        strip(rows, axis="typical efficiency (nats)"),
        caption=f"Typical efficiency of {len(rows)} models measured in one setting, with 95% intervals.{grey} Models"
        " that read the same windows are closer to each other than their intervals say: their differences are in the"
        " table.",
        description=f"Intervals of typical efficiency from {first.name}, {interval_text(first.estimate)}, to"
        f" {last.name}, {interval_text(last.estimate)}.",
    )


def _spread(ranking: Ranking) -> Figure | None:
    points = [
        SpreadPoint(name=one.name, rank=rank, sensitivity=sensitivity, reference=one.reference)
        for one in ranking.among
        if (rank := one.record.metric("typical_rank")) and (sensitivity := one.record.metric("typical_sensitivity"))
    ]
    if len(points) < 2:
        return None
    return page_figure(
        "spread-sensitivity",
        spread_against_sensitivity(points),
        caption="The two parts of typical efficiency, ½ ln r - ln S: over how many directions a typical token's"
        " gradients spread, and how much its loss depends on them. Bars: 95% intervals. Thin lines: equal efficiency,"
        " in nats; it rises to the lower right.",
        description=f"Scatter plot of typical rank against typical sensitivity of {len(points)} models.",
    )


def _scores(ranking: Ranking) -> Figure | None:
    found = [
        (one, score, one.record.shape.parameters)
        for one in ranking.entries
        if (score := standing(one.record)) and one.record.shape.parameters
    ]
    if not found:
        return None
    protocol = Counter(score.protocol for _, score, _ in found).most_common(1)[0][0]
    points = [
        ScorePoint(name=one.name, parameters=float(size.total), accuracy=score.accuracy, interval=score.interval)
        for one, score, size in found
        if score.protocol == protocol and size
    ]
    own = {one.record.name.lower() for one, _, _ in found}
    cloud = [(one.parameters, one.accuracy) for one in sized_scores(protocol) if one.model.lower() not in own]
    chance = found[0][1].chance
    grey = f" Grey: {len(cloud)} base models with published scores of it." if cloud else ""
    left = len(found) - len(points)
    rest = f" {left} with scores of other protocols are left out." if left else ""
    return page_figure(
        "score-size",
        score_against_size(points, cloud, chance=chance),
        caption=f"MMLU-Pro accuracy against size, protocol {protocol}, with 95% intervals.{grey} Dotted: chance,"
        f" {percent(chance)}.{rest}",
        description=f"Scatter plot of accuracy against parameters: {len(points)} audited models among {len(cloud)}"
        " published scores.",
    )

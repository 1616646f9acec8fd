"""The figures of an audit: which numbers each plot shows, and its caption; none where there is nothing to draw."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from nil_audit.catalog.lists import hub_key
from nil_audit.catalog.neighbours import Neighbour, nearest
from nil_audit.catalog.sized_scores import sized_scores
from nil_audit.law.pooled import pool
from nil_audit.law.studies import DEFAULT, study
from nil_audit.report.audit.depth_figures import ansatz_figure, profile_figure
from nil_audit.report.audit.ranking import Entry, Ranking
from nil_audit.report.audit.scores import standing
from nil_audit.report.audit.words import SPOKEN
from nil_audit.report.plots.plane import PlanePoint, depth_width_plane
from nil_audit.report.plots.score_size import ScorePoint, score_against_size
from nil_audit.report.plots.spread import SpreadPoint, spread_against_sensitivity
from nil_audit.report.plots.strip import StripRow, strip
from nil_audit.report.plots.style import PHONE, Drawing, page_figure
from nil_audit.report.render.page import Figure
from nil_audit.report.render.text import interval_text, percent, short_names

_AXIS = "typical efficiency (nats)"
_SHORT = 22
"""Characters of a model's name there at most."""


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
    for over_depth in (profile_figure, ansatz_figure):
        if figure := over_depth(ranking.entries):
            yield figure


def plane_plot(ranking: Ranking) -> Drawing:
    """The models on the depth-width plane, among references; one model alone among the real models nearest to it."""
    entries = ranking.entries
    role = "audited" if len(entries) <= SPOKEN else "one of many"
    highlights = [_on_plane(one, role) for one in entries]
    beside = {one.name: _on_plane(one) for one in ranking.others}
    for one in _nearest(ranking):
        beside.setdefault(one.model, PlanePoint(name=one.model, depth=one.depth, width=one.width))
    intervals = (study(DEFAULT), pool())
    return depth_width_plane(list(beside.values()), intervals=intervals, highlights=highlights, notable=list(beside))


def strip_plot(ranking: Ranking) -> Drawing:
    """The typical efficiency of all models at hand that were measured alike, at least one, with its intervals."""
    return strip(_rows(ranking), axis=_AXIS)


def _plane(ranking: Ranking) -> Figure:
    entries = ranking.entries
    which = entries[0].name if len(entries) == 1 else f"{len(entries)} models"
    real = " and of the real models nearest to it in size and shape" if _nearest(ranking) else ""
    inside = sum(one.record.verdict["label"] == "inside" for one in entries)
    return page_figure(
        "depth-width-plane",
        plane_plot(ranking),
        caption=f"Depth and width of {which}{real}. Thin lines: equal parameters in the blocks, 12 L d². Shaded: the"
        " law's interval; dashed: that of all studies pooled, where a shape costs under 1% of loss with probability"
        " 0.8 or more. Models of one and the same shape are fanned out around it.",
        description=f"Scatter plot of depth against width; by all studies pooled {inside} of {len(entries)} audited"
        f" model{'s' * (len(entries) != 1)} {'is' if inside == 1 else 'are'} inside.",
    )


def _on_plane(entry: Entry, role: str = "model") -> PlanePoint:
    shape = entry.record.shape
    return PlanePoint(name=entry.name, depth=shape.depth, width=shape.width, role=role)


def _nearest(ranking: Ranking) -> tuple[Neighbour, ...]:
    """The real models nearest to the only one of a page; none where there are several, or its size is not known."""
    first, *rest = ranking.entries
    if rest or not first.record.shape.parameters:
        return ()
    return tuple(one for one in nearest(first.record.shape) if hub_key(one.model) != hub_key(first.record.name))


def _rows(ranking: Ranking) -> list[StripRow]:
    return [
        StripRow(name=one.name, estimate=one.efficiency, reference=one.reference)
        for one in ranking.among
        if one.efficiency
    ]


def _strip(ranking: Ranking) -> Figure:
    rows = _rows(ranking)
    grey = " Grey: models that are here to be compared with." if ranking.others else ""
    values = [row.estimate.value for row in rows]
    by_number = values == sorted(values, reverse=True)
    common = "" if by_number else " Models out of this order stand where the windows that both have read put them."
    first, last = rows[0], rows[-1]
    return page_figure(
        "typical-efficiency",
        strip_plot(ranking),
        caption=f"Typical efficiency of {len(rows)} models measured in one setting, with 95% intervals.{grey} Models"
        " that read the same windows are better told apart than their intervals show: their differences are in the"
        f" table.{common}",
        description=f"Intervals of typical efficiency from {first.name}, {interval_text(first.estimate)}, to"
        f" {last.name}, {interval_text(last.estimate)}.",
        narrow=_phone_strip(rows),
    )


def _phone_strip(rows: list[StripRow]) -> Drawing:
    """The strip with shorter names and a shorter axis: its margins hold text and keep their inches."""
    names = short_names((row.name for row in rows), _SHORT)
    drawing = strip([replace(row, name=names[row.name]) for row in rows], axis=_AXIS)
    (axes,) = drawing.axes
    width, height = drawing.get_size_inches()
    box = axes.get_position()
    left, right = box.x0 * width, (1 - box.x1) * width
    drawing.set_size_inches(PHONE, height)
    axes.set_position((left / PHONE, box.y0, 1 - (left + right) / PHONE, box.height))
    return drawing


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
        caption="The two parts of typical efficiency, ½ ln r − ln S: over how many directions a typical token's"
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
    own = {hub_key(one.record.name) for one, _, _ in found}
    cloud = [(one.parameters, one.accuracy) for one in sized_scores(protocol) if hub_key(one.model) not in own]
    chance = next(score.chance for _, score, _ in found if score.protocol == protocol)
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

"""The first screen of a comparison: the answer in words, the rules it follows from, the numbers behind it."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from nil_audit.comparison.result import Comparison
from nil_audit.report.render.terminal import terminal_table
from nil_audit.report.render.text import clean, interval, signed

_MARKS = {"holds": "yes", "fails": "no", "unavailable": "not known"}
WIDE = 104
"""Columns of a terminal that the intervals of both correlations fit in."""


def comparison_screen(comparison: Comparison, width: int) -> RenderableType:
    """The answer, the rules and the main table, for a terminal.

    Args:
        comparison: The study.
        width: Columns of the terminal; with at least `WIDE` the raw correlation has its interval too.
    """
    answer = comparison.conclusion
    parts: list[RenderableType] = [
        Text(clean(answer.headline), style="bold"),
        *(Padding(Text(clean(sentence)), (0, 0, 0, 2)) for sentence in answer.sentences),
        "",
    ]
    if answer.rules:
        parts.append(_rules(comparison))
    if any(one.given == "size_curve" for one in comparison.associations):
        parts.append(_main_table(comparison, wide=width >= WIDE))
    return Group(*parts)


def _rules(comparison: Comparison) -> RenderableType:
    table = terminal_table(
        f"What the answer rests on (evidence: {comparison.conclusion.strength})", "rule", "holds", "found", left=3
    )
    for rule in comparison.conclusion.rules:
        table.add_row(rule.statement, _MARKS[rule.outcome], clean(rule.detail))
    return table


def _main_table(comparison: Comparison, *, wide: bool) -> RenderableType:
    columns = ["with score", "models", "raw", *(["95%"] if wide else []), "given size", "95%", "p (Holm)"]
    table = terminal_table(
        f"Spearman correlations, protocol {clean(comparison.settings.protocol)}, families resampled whole", *columns
    )
    for predictor in comparison.predictors:
        raw = comparison.association(predictor.key, given="nothing")
        given = comparison.association(predictor.key)
        if raw is None:
            continue
        table.add_row(
            clean(predictor.label),
            str(raw.models),
            signed(raw.estimate),
            *([interval(raw.low, raw.high)] if wide else []),
            signed(given.estimate if given else None),
            interval(given.low, given.high) if given else "",
            "" if given is None or given.p_adjusted is None else f"{given.p_adjusted:.2g}",
        )
    return table

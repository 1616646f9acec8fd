"""A result as a fragment of HTML inside somebody else's page: a notebook's output, light or dark."""

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from nil_audit.report.render.html import TEMPLATES, environment
from nil_audit.report.render.page import Table

MOST_ROWS = 40
LONGEST_CELL = 160
"""Characters; of a longer text the beginning is shown, so that no name makes a notebook large."""
LONGEST_PARAGRAPH = 1200

Span = tuple[float, float, float]
"""Lower end, value and upper end of an interval."""


def render_fragment(
    answer: Sequence[str],
    table: Table | None,
    *,
    spans: Sequence[Span | None] = (),
    heading: str = "",
    notes: Sequence[str] = (),
) -> str:
    """Paragraphs and one table, as HTML that loads nothing, runs nothing and takes its colours from what is around it.

    Args:
        answer: Paragraphs, the first set apart.
        table: Shown below them, at most `MOST_ROWS` rows of it.
        spans: An interval a row, drawn in a last column on one axis that holds them all; empty draws none.
        heading: Of that column.
        notes: Sentences below the table.
    """
    notes = list(notes)
    known = [span for span in spans if span is not None]
    if table is not None:
        if len(table.rows) > MOST_ROWS:
            notes.append(f"The first {MOST_ROWS} of {len(table.rows):,} rows; .table() gives all of them.")
        rows = tuple(
            tuple(replace(cell, text=_cut(cell.text, LONGEST_CELL)) for cell in row) for row in table.rows[:MOST_ROWS]
        )
        table = replace(table, rows=rows)
    text: str = (
        environment()
        .get_template("fragment.html.j2")
        .render(
            style=Markup((TEMPLATES / "fragment.css").read_text(encoding="utf-8")),
            answer=[_cut(paragraph, LONGEST_PARAGRAPH) for paragraph in answer],
            table=table,
            spans=spans if known else (),
            axis=_axis(known),
            heading=heading,
            notes=[_cut(sentence, LONGEST_PARAGRAPH) for sentence in notes],
        )
    )
    return text


def _axis(spans: Sequence[Span]) -> tuple[float, float]:
    """Where the axis of all intervals begins and ends: at their ends, or at zero where that is near."""
    low, high = min((span[0] for span in spans), default=0.0), max((span[2] for span in spans), default=0.0)
    room = (high - low) or abs(high) or 1.0
    low, high = low - 0.02 * room, high + 0.02 * room
    return (min(low, 0.0) if low < room else low), (max(high, 0.0) if -high < room else high)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

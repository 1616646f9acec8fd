"""The cells that tables of several reports share; page.py knows nothing of numbers and their formats."""

import math

from nil_audit.report.render.page import Cell
from nil_audit.report.render.text import MISSING, error_text, estimate_text
from nil_audit.stats.estimate import Estimate

_TONES = {"inside": "good", "disputed": "doubtful", "outside": "bad"}


def count_cell(n: int | None) -> Cell:
    """A number of models, families or questions, with thousands apart: "12,032"."""
    return Cell(text=MISSING) if n is None else Cell(text=f"{n:,}", value=float(n))


def estimate_cell(estimate: Estimate | None, *, digits: int = 2, factor: float = 1.0, strong: bool = False) -> Cell:
    """An estimate with its interval, sorted by its value.

    Args:
        estimate: What was estimated; None is a dash, which sorts last.
        digits: Decimals of the value and both ends.
        factor: What all three are multiplied by: 100 for a fraction in per cent.
        strong: Set it apart.
    """
    value = None if estimate is None or math.isnan(estimate.value) else estimate.value * factor
    return Cell(text=estimate_text(estimate, digits, factor=factor), value=value, strong=strong)


def error_cell(estimate: Estimate | None) -> Cell:
    """An estimate with its standard error, sorted by its value; None is a dash, which sorts last."""
    value = None if estimate is None or math.isnan(estimate.value) else estimate.value
    return Cell(text=error_text(estimate), value=value)


def verdict_cell(label: str) -> Cell:
    """What the studies say of a shape ("inside", "disputed", "outside") in its colour; another word has none."""
    return Cell(text=label, tone=_TONES.get(label))

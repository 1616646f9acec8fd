"""Short names for the columns and cells that every table of a comparison is made of."""

from nil_audit.report.render.page import Cell, Column
from nil_audit.report.render.text import MISSING, bracketed


def word(label: str, help: str = "") -> Column:
    """A column of words."""
    return Column(label=label, help=help)


def figure(label: str, help: str = "") -> Column:
    """A column of numbers."""
    return Column(label=label, numeric=True, help=help)


def number(value: int | None) -> Cell:
    """A count as a cell."""
    return Cell(text=MISSING) if value is None else Cell(text=f"{value:,}", value=float(value))


def estimate(
    value: float | None, low: float | None, high: float | None, *, digits: int = 2, strong: bool = False
) -> Cell:
    """An estimate with its interval as a cell: "−0.11 [−0.30, +0.09]"."""
    return Cell(text=bracketed(value, low, high, digits), value=value, strong=strong)


def hundredfold(value: float | None, low: float | None, high: float | None) -> Cell:
    """An estimate that is a fraction of 1, in per cent or percentage points."""
    scaled = [None if one is None else 100 * one for one in (value, low, high)]
    return estimate(*scaled, digits=1)

"""Short names for the columns and cells that every table of a comparison is made of."""

from nil_audit.report.page import Cell, Column
from nil_audit.report.text import MISSING


def word(label: str, help: str = "") -> Column:
    """A column of words."""
    return Column(label=label, help=help)


def figure(label: str, help: str = "") -> Column:
    """A column of numbers."""
    return Column(label=label, numeric=True, help=help)


def number(value: int | None) -> Cell:
    """A count as a cell."""
    return Cell(text=MISSING) if value is None else Cell(text=f"{value:,}", value=float(value))

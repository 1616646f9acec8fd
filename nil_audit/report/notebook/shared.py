"""What the views of several results share: names and numbers on one line, and the ends of an estimate in a frame."""

import math

from nil_audit.report.render.characters import clean
from nil_audit.report.render.fragment import Span
from nil_audit.report.render.text import display_name
from nil_audit.stats.estimate import Estimate

_LONGEST = 60
"""Characters of a name on the line that ``repr`` gives."""


def short_name(name: str) -> str:
    """A name on the line that ``repr`` gives: nothing that commands a terminal, and not long."""
    shown = clean(display_name(name))
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."


def numbers_in_ascii(estimate: Estimate, digits: int = 2, *, signed: bool = True) -> str:
    """An estimate with its interval as Python writes numbers: "-0.11 [-0.30, +0.09]"."""
    form = f"{{:{'+' if signed else ''}.{digits}f}}"
    value, *ends = (form.format(number) for number in (estimate.value, *(estimate.interval or ())))
    return f"{value} [{', '.join(ends)}]" if ends else value


def ends(prefix: str, estimate: Estimate | None) -> dict[str, float]:
    """Value, low and high as the columns of a frame, behind a prefix ("raw", "raw_low", "raw_high"); missing ones NaN.

    Args:
        prefix: Of the columns; "" names them value, low and high.
        estimate: Or None, where there is none.
    """
    value, low, high = (
        math.nan if number is None else float(number)
        for number in ((estimate.value, estimate.low, estimate.high) if estimate else (None, None, None))
    )
    behind = f"{prefix}_" if prefix else ""
    return {prefix or "value": value, f"{behind}low": low, f"{behind}high": high}


def span(estimate: Estimate | None) -> Span | None:
    """What a fragment draws of an estimate; nothing where it has no interval."""
    if estimate is None or estimate.interval is None or math.isnan(estimate.value):
        return None
    low, high = estimate.interval
    return low, estimate.value, high

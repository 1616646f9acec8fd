"""What the parts of a calibration are called for people."""

import math
import re

from nil_audit.calibration.result import Bound, Calibration, Variant
from nil_audit.report.render.text import MISSING, count, short_count
from nil_audit.stats.estimate import Estimate

HELD_EQUAL = {"body": "body parameters", "total": "all parameters", "flops": "FLOPs"}
"""What shapes are compared at, by ``match``."""

FORMS = {
    "quadratic": "a_N + c (ln R − ln R*)²",
    "additive": "a_N + c_m/d + c_l/L",
    "depth-width": "the depth-width form",
}
BOUNDS = {"deeper": "none: falls to its deepest", "wider": "none: falls to its widest", "": "none"}
"""What stands in the place of a budget's optimum."""

_NUMBER = re.compile(r"(?<![\w.])(\d{4,}(\.\d+)?|\d+(\.\d+)?e\+?\d+)(?![\w.])")


def with_short_numbers(text: str) -> str:
    """What a budget or a variant is called, with its counts in short: "1e+06" as "1M", "at 2e+10 tokens"."""
    return _NUMBER.sub(lambda number: short_count(float(number[0])), text)


def variant_name(variant: Variant) -> str:
    """Which choice is made otherwise: "body held equal", "learning rate at 0.001", "without 1M"."""
    subject = {"rate": "learning rate ", "tolerance": "tolerance "}.get(variant.kind, "")
    if variant.kind == "match":
        return f"{variant.what} held equal"
    return f"{subject}{variant.what if variant.kind == 'rate' else with_short_numbers(variant.what)}"


def ratio_text(value: float | None) -> str:
    """A ratio in three figures: "0.0389", "0.280"; a dash where there is none."""
    if value is None or not math.isfinite(value) or value <= 0:
        return MISSING
    places = max(0, 2 - math.floor(math.log10(value)))
    return f"{value:.{places}f}" if places < 7 else f"{value:.1e}"


def ratio_interval(estimate: Estimate | None) -> str:
    """A ratio with its interval: "0.0389 [0.0351, 0.0417]", an end that is open a dash; a bound: "at least 0.0573"."""
    if estimate is None:
        return MISSING
    value, low, high = estimate.value, estimate.low, estimate.high
    if low is None and high is None:
        return ratio_text(value)
    if None in (low, high) and value in (low, high):
        return f"at {'most' if low is None else 'least'} {ratio_text(value)}"
    return f"{ratio_text(value)} [{ratio_text(low)}, {ratio_text(high)}]"


def span_text(low: float | None, high: float | None) -> str:
    """An interval's ends: "0.0171 to 0.0885", "from 0.0171" where it has no upper one."""
    if low is None and high is None:
        return MISSING
    if low is None or high is None:
        return f"up to {ratio_text(high)}" if low is None else f"from {ratio_text(low)}"
    return f"{ratio_text(low)} to {ratio_text(high)}"


def interval_ends(calibration: Calibration) -> tuple[float | None, float | None]:
    """Both ends of the interval; None where the optimum is but a bound."""
    return (None, None) if calibration.edge else (calibration.low.value, calibration.high.value)


def tolerance_text(calibration: Calibration) -> str:
    """The tolerance in per cent: "1%"."""
    return f"{100 * calibration.study.tolerance:g}%"


def last_shape(side: Bound) -> str:
    """The shape that a bound lies at: "deepest" or "widest"."""
    return "deepest" if side == "deeper" else "widest"


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun: "1 run", "70 runs"."""
    return f"{number:,} {one if number == 1 else many}"


def size_range(calibration: Calibration) -> str:
    """The sizes of the runs used: "915k to 2.98M parameters"."""
    low, high = (count(one) for one in calibration.study.parameters_range)
    return f"{low} parameters" if low == high else f"{low} to {high} parameters"

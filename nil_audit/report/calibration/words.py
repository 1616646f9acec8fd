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

_NUMBER = re.compile(r"\d{4,}(\.0+)?")


def budget_name(name: str) -> str:
    """What a budget is called: a bare number of parameters as "1.3M", any other name as it stands."""
    return short_count(float(name)) if _NUMBER.fullmatch(name) else name


def variant_name(variant: Variant) -> str:
    """Which choice is made otherwise: "body held equal", "learning rate at 0.001", "without 1M"."""
    subject = {"rate": "learning rate", "tokens": "tokens", "tolerance": "tolerance"}.get(variant.kind, "")
    if variant.kind == "match":
        return f"{variant.what} held equal"
    if variant.kind == "budget":
        first, _, budget = variant.what.partition(" ")
        return f"{first} {budget_name(budget)}".strip()
    return variant.what if not subject or subject in variant.what else f"{subject} {variant.what}"


def ratio_text(value: float | None) -> str:
    """A ratio in three figures: "0.0389", "0.280"; a dash where there is none."""
    if value is None or not math.isfinite(value) or value <= 0:
        return MISSING
    places = max(0, 2 - math.floor(math.log10(value)))
    return f"{value:.{places}f}" if places < 7 else f"{value:.1e}"


def ratio_interval(estimate: Estimate | None) -> str:
    """A ratio with its interval: "0.0389 [0.0351, 0.0417]"; a dash where there is none."""
    if estimate is None:
        return MISSING
    if estimate.interval is None:
        return ratio_text(estimate.value)
    return f"{ratio_text(estimate.value)} [{', '.join(map(ratio_text, estimate.interval))}]"


def span_text(calibration: Calibration) -> str:
    """The interval's ends: "0.0171 to 0.0885"."""
    return f"{ratio_text(calibration.low.value)} to {ratio_text(calibration.high.value)}"


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

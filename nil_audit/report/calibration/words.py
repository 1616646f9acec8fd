"""What the parts of a calibration are called for people."""

import math
import re

from nil_audit.calibration.result import Bound, Calibration
from nil_audit.report.render.text import MISSING, count, short_count
from nil_audit.stats.estimate import Estimate

HELD_EQUAL = {"body": "body parameters", "total": "all parameters", "flops": "training FLOPs"}
"""What shapes are compared at, by ``match``."""

FORMS = {
    "quadratic": "the parabola in ln R",
    "additive": "a_N + c_m/d + c_l/L",
    "depth-width": "the depth-width form",
}
VARIANTS = {
    "match": "held equal",
    "shallow": "shallowest models",
    "budget": "budget left out",
    "rate": "learning rate",
    "tokens": "tokens",
    "tolerance": "tolerance",
}
_NUMBER = re.compile(r"\d{4,}(\.0+)?")


def budget_name(name: str) -> str:
    """What a budget is called: a bare number of parameters as "1.3M", any other name as it stands."""
    return short_count(float(name)) if _NUMBER.fullmatch(name) else name


def ratio_text(value: float | None) -> str:
    """A ratio in two or three figures: "0.0389", "0.28"; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.4f}" if value < 0.01 else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def ratio_interval(estimate: Estimate | None) -> str:
    """A ratio with its interval: "0.039 [0.035, 0.042]"; a dash where there is none."""
    if estimate is None:
        return MISSING
    if estimate.interval is None:
        return ratio_text(estimate.value)
    return f"{ratio_text(estimate.value)} [{', '.join(map(ratio_text, estimate.interval))}]"


def span_text(calibration: Calibration) -> str:
    """The interval's ends: "0.017 to 0.089"."""
    return f"{ratio_text(calibration.low.value)} to {ratio_text(calibration.high.value)}"


def tolerance_text(calibration: Calibration) -> str:
    """The tolerance in per cent: "1%"."""
    return f"{100 * calibration.study.tolerance:g}%"


def bound_text(bound: Bound) -> str:
    """Which way loss still falls: "none: falls to the deepest shape"."""
    return {"deeper": "none, best at the deepest", "wider": "none, best at the widest", "": MISSING}[bound]


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun: "1 run", "70 runs"."""
    return f"{number:,} {one if number == 1 else many}"


def size_range(calibration: Calibration) -> str:
    """The sizes of the runs used: "0.91M to 2.98M parameters"."""
    low, high = (count(one) for one in calibration.study.parameters_range)
    return f"{low} parameters" if low == high else f"{low} to {high} parameters"

"""What the studies say of a shape, in words: for every report that shows a verdict."""

from collections.abc import Mapping, Sequence

from nil_audit.law.studies import Extrapolation, Interval, Verdict
from nil_audit.report.render.text import signed


def verdict_words(ratio: float, verdict: Verdict, intervals: Mapping[str, Interval]) -> str:
    """Which studies put a ratio within 1% of the best shape of its budget, and what the others say of it.

    Args:
        ratio: Depth / width.
        verdict: What the studies say of it together.
        intervals: Each study's interval at the budget.
    """
    within = _listing(verdict.within)
    if not verdict.without:
        return f"all of {within} put it within 1% of the best shape of its budget"
    against = _listing([f"{name} calls it too {_side(ratio, intervals[name])}" for name in verdict.without])
    if not within:
        return f"none puts it within 1% of the best shape of its budget: {against}"
    return f"{within} put{'s' if len(verdict.within) == 1 else ''} it within 1% of the best; {against}"


def distance_words(distance: float) -> str:
    """Which side of the law's interval a shape lies on, and how far: "0, within", "+0.42, too deep and narrow"."""
    if distance == 0:
        return "0, within"
    return f"{signed(distance)}, too {'deep and narrow' if distance > 0 else 'shallow and wide'}"


def extrapolation_words(extrapolation: Extrapolation) -> str:
    """How far a budget and a ratio lie outside the runs that a study was fitted on."""
    words = ["budget unknown, read at 1B parameters"]
    if extrapolation.parameters is not None:
        words = [_outside(extrapolation.parameters, "fitted budgets", "budget")]
    words.append(_outside(extrapolation.ratio, "fitted ratios", "ratio"))
    if extrapolation.under_three_blocks:
        words.append("under three blocks at this budget, so the excess is at least this")
    return "; ".join(words)


def _side(ratio: float, interval: Interval) -> str:
    return f"{'deep' if ratio > interval.high else 'shallow'} ([{interval.low:.3g}, {interval.high:.3g}])"


def _listing(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _outside(factor: float, those: str, what: str) -> str:
    if factor == 1:
        return f"inside the {those}"
    times = max(factor, 1 / factor)
    return f"{what} {times:.{0 if times >= 10 else 1}f} times {'above' if factor > 1 else 'below'} the {those}"

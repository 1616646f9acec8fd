"""What is expected of a shape and how far that is extrapolated, in words: for every report that shows a verdict."""

from nil_audit.law.pooled import Regret, Verdict
from nil_audit.law.studies import Extrapolation
from nil_audit.report.render.text import signed


def verdict_words(verdict: Verdict) -> str:
    """What all studies pooled say of a shape.

    "inside: expected to cost 0.3% [0.0, 1.1] of loss over the best shape of its budget, 97% likely under 1%".
    """
    regret = verdict.regret
    return (
        f"{verdict.label}: expected to cost {regret_words(regret)} of loss over the best shape of its budget,"
        f" {likely_words(regret.within)}"
    )


def regret_words(regret: Regret) -> str:
    """The expected regret in per cent of loss with its 95% predictive interval: "0.3% [0.0, 1.1]"."""
    return f"{regret.expected:.1%} [{100 * regret.low:.1f}, {100 * regret.high:.1f}]"


def chance_words(probability: float) -> str:
    """A probability in whole per cent: "97%"; what only rounds to 0 or 1 is "under 1%" or "over 99%"."""
    return "over 99%" if probability > 0.99 else "under 1%" if probability < 0.01 else f"{probability:.0%}"


def likely_words(within: float) -> str:
    """How likely a regret is to be small: "97% likely under 1%", "over 99% likely above 1%"."""
    return f"{chance_words(within)} likely under 1%" if within >= 0.01 else "over 99% likely above 1%"


def pool_reach_words(extrapolation: Extrapolation, whose: str = "its") -> str:
    """How far a budget and a ratio lie beyond the runs of the study of a pool that comes nearest to both.

    "its budget is 3.5 times the largest of the nearest study's".

    Args:
        extrapolation: From `nil_audit.law.pooled.Pool.extrapolation`.
        whose: Budget and ratio.
    """
    parts = []
    if extrapolation.parameters is None:
        parts.append(f"{whose} size is not known and is taken as 1B parameters")
    elif extrapolation.parameters != 1:
        parts.append(f"{whose} budget is {_beyond(extrapolation.parameters)} of the nearest study's")
    if extrapolation.ratio != 1:
        parts.append(f"{whose} ratio is {_beyond(extrapolation.ratio)} of the nearest study's")
    return " and ".join(parts) or f"{whose} budget and ratio are within the runs pooled"


def times_beyond(extrapolation: Extrapolation) -> float:
    """How many times a shape lies beyond the runs of a study, in size or in ratio, whichever is more; 1 within them."""
    return max(max(factor, 1 / factor) for factor in (extrapolation.parameters or 1.0, extrapolation.ratio))


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


def _outside(factor: float, those: str, what: str) -> str:
    return f"inside the {those}" if factor == 1 else f"{what} {_times(factor)} the {those}"


def _beyond(factor: float) -> str:
    """A factor against the limit that it is of: "3.5 times the largest", "1/12 of the smallest"."""
    times = max(factor, 1 / factor)
    if times < 1.1:
        return f"just {'above the largest' if factor > 1 else 'below the smallest'}"
    shown = f"{times:.{0 if times >= 10 else 1}f}"
    return f"{shown} times the largest" if factor > 1 else f"1/{shown} of the smallest"


def _times(factor: float) -> str:
    """A factor as a sentence says it: "3.5 times above", "12 times below"."""
    times = max(factor, 1 / factor)
    return f"{times:.{0 if times >= 10 else 1}f} times {'above' if factor > 1 else 'below'}"

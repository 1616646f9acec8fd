"""A share of successes with its error. Pure functions of n outcomes, each 1 or 0, in strata c of n_c outcomes."""

import math
from collections.abc import Sequence

from nil_audit.stats.estimate import Estimate

_Z95 = 1.959963984540054


def proportion(successes: Sequence[bool], strata: Sequence[str]) -> Estimate:
    """The share p of successes, with the error of a sample stratified as given and Wilson's 95% interval.

    The standard error is sqrt(Σ_c n_c s_c²) / n, s_c² the sample variance within stratum c (n_c - 1 in the
    denominator): the strata and their shares are given, the outcomes within them are drawn. With one stratum it is
    lm-eval's sqrt(p(1-p)/(n-1)), which also stands in where some stratum has a single outcome, and so no variance of
    its own; it is not smaller in expectation. The interval is Wilson's (1927) at the effective size p(1-p)/se², so it
    stays within 0 and 1 and does not collapse when all outcomes are the same.

    Args:
        successes: n outcomes.
        strata: n names.

    Returns:
        Value, interval and n; no standard error with one outcome.

    Raises:
        ValueError: No outcomes, or not as many strata.
    """
    n = len(successes)
    if not n or n != len(strata):
        raise ValueError("A proportion needs outcomes, and as many strata as outcomes.")
    p = sum(successes) / n
    se = _stratified_error(successes, strata) if n > 1 else None
    low, high = wilson(p, p * (1 - p) / se**2 if se and 0 < p < 1 else n)
    return Estimate(value=p, low=low, high=high, se=se, n=n)


def wilson(p: float, n: float) -> tuple[float, float]:
    """Wilson's 95% score interval of a proportion: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)."""
    z = _Z95
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _stratified_error(successes: Sequence[bool], strata: Sequence[str]) -> float:
    groups: dict[str, list[bool]] = {}
    for success, stratum in zip(successes, strata, strict=True):
        groups.setdefault(stratum, []).append(success)
    n = len(successes)
    if any(len(group) < 2 for group in groups.values()):
        p = sum(successes) / n
        return math.sqrt(p * (1 - p) / (n - 1))
    total = 0.0
    for group in groups.values():
        m = len(group)
        p = sum(group) / m
        total += m * (m * p * (1 - p) / (m - 1))
    return math.sqrt(total) / n

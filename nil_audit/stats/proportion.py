"""A share of successes with its error. Pure functions of n outcomes, each 1 or 0, in strata c of n_c outcomes.

``proportion`` and ``paired_difference`` take the outcomes for draws from a population without end, ``share_of_all``
for a sample, drawn without replacement, of a population of N_c in each stratum, all of which it speaks of.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from nil_audit.stats.estimate import Estimate
from nil_audit.stats.stratified import DIFFERENCES, SHARES, effective_size, error_of_mean, share_variances

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


def share_of_all(successes: Sequence[bool], strata: Sequence[str], sizes: Mapping[str, int]) -> Estimate:
    """The share of successes in a whole population from a stratified sample, with its error and 95% interval.

    The error is ``error_of_mean`` with ``share_variances``, 0 where all were drawn. The interval is Wilson's (1927) at
    the ``effective_size``: it does not collapse when all outcomes are the same, unless all there are were drawn.

    Args:
        successes: n outcomes.
        strata: n names.
        sizes: N_c, how many outcomes each stratum has in all.

    Raises:
        ValueError: No outcomes, not as many strata, or more in a stratum than there are.
    """
    right, counts, there = _by_stratum(successes, strata, sizes)
    p, se = sum(right) / sum(counts), float(error_of_mean(share_variances(right, counts), counts, there))
    low, high = wilson(p, float(effective_size(right, right, counts, there, assumed=SHARES))) if se else (p, p)
    return Estimate(value=p, low=low, high=high, se=se, n=sum(counts))


def paired_difference(first: Sequence[bool], second: Sequence[bool], strata: Sequence[str]) -> Estimate:
    """How much more often one succeeds than another on the same n things, with a 95% interval.

    Bonett and Price's adjusted Wald interval (2012, J. Educ. Behav. Stat. 37, 479-488) at the effective size m of the
    stratified sample: with p₁ and p₂ the shares of things on which only the first and only the second succeeds, one
    thing added to each and two to all, it is p₁ - p₂ ± z sqrt((p₁ + p₂ - (p₁ - p₂)²) / m), m = n + 2 with one
    stratum. Its coverage is close to 95% with few such things too, and it does not collapse where there are none.

    Args:
        first: n outcomes.
        second: n outcomes on the same things.
        strata: n names.

    Returns:
        Share of the first less that of the second, its interval and n.

    Raises:
        ValueError: No outcomes, or not as many strata and outcomes of both.
    """
    n = len(strata)
    if not n or n != len(first) or n != len(second):
        raise ValueError("A paired difference needs outcomes of both, and as many strata as outcomes.")
    only_first = Counter(name for name, a, b in zip(strata, first, second, strict=True) if a and not b)
    only_second = Counter(name for name, a, b in zip(strata, first, second, strict=True) if b and not a)
    counts = Counter(strata)
    sums, squares = [[only_first[name] + sign * only_second[name] for name in counts] for sign in (-1, 1)]
    infinite = [math.inf] * len(counts)
    m = effective_size(sums, squares, list(counts.values()), infinite, assumed=DIFFERENCES)
    whole = effective_size([sum(sums)], [sum(squares)], [n], [math.inf], assumed=DIFFERENCES)
    centre, apart = sum(sums) / (n + 2), (sum(squares) + 2) / (n + 2)
    half = _Z95 * math.sqrt((apart - centre**2) / (n + 2) * float(whole / m))
    return Estimate(value=sum(sums) / n, low=max(centre - half, -1.0), high=min(centre + half, 1.0), n=n)


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


def _by_stratum(
    successes: Sequence[bool], strata: Sequence[str], sizes: Mapping[str, int]
) -> tuple[list[int], list[int], list[int]]:
    """Successes, outcomes, and all there are, of each stratum that has outcomes."""
    counts = Counter(strata)
    right = Counter(stratum for stratum, success in zip(strata, successes, strict=False) if success)
    if not strata or len(successes) != len(strata):
        raise ValueError("A proportion needs outcomes, and as many strata as outcomes.")
    if any(counts[name] > sizes.get(name, 0) for name in counts):
        raise ValueError("A sample cannot hold more of a stratum than there are.")
    return [right[name] for name in counts], list(counts.values()), [sizes[name] for name in counts]

"""What the studies and other laws say of a shape, in words: for every report that shows a verdict."""

from collections.abc import Mapping, Sequence

from nil_audit.candidate.check import CandidateReport, Option
from nil_audit.law.other_laws import Reading
from nil_audit.law.studies import Extrapolation, Interval, Verdict
from nil_audit.report.render.text import listing, signed, with_minus_signs
from nil_audit.stats.estimate import Estimate


def verdict_words(ratio: float, verdict: Verdict, intervals: Mapping[str, Interval]) -> str:
    """Which studies put a ratio within 1% of the best shape of its budget, and what the others say of it.

    Args:
        ratio: Depth / width.
        verdict: What the studies say of it together.
        intervals: Each study's interval at the budget.
    """
    within = listing(verdict.within)
    if not verdict.without:
        return f"all of {within} put it within 1% of the best shape of its budget"
    against = listing([f"{name} calls it too {_side(ratio, intervals[name])}" for name in verdict.without])
    if not within:
        return f"none puts it within 1% of the best shape of its budget: {against}"
    return f"{within} put{'s' if len(verdict.within) == 1 else ''} it within 1% of the best; {against}"


def standing_words(ratio: float, verdict: Verdict, intervals: Mapping[str, Interval]) -> str:
    """The same in fewer words: "law puts it within 1% of the best shape of its size, chinchilla calls it too deep".

    The arguments are those of `verdict_words`.
    """
    sides = {study: "too deep" if ratio > intervals[study].high else "too shallow" for study in verdict.without}
    against = " and ".join(
        f"{listing(named)} {'calls' if len(named) == 1 else 'call'} it {side}"
        for side in ("too deep", "too shallow")
        if (named := [study for study, said in sides.items() if said == side])
    )
    if not verdict.within:
        return f"no study puts it within 1% of the best shape of its size ({against})"
    puts = "puts" if len(verdict.within) == 1 else "put"
    return ", ".join(
        filter(None, (f"{listing(verdict.within)} {puts} it within 1% of the best shape of its size", against))
    )


def cost_words(excess: Mapping[str, Estimate], *, at_least: Sequence[str] = ()) -> str:
    """The smallest and the largest excess loss that studies predict: "0.1% [0.1, 0.2] (law) to 2.5% [1.6, 3] (morph)".

    Args:
        excess: Relative excess loss over the best shape of the same budget, by study; at least one.
        at_least: Studies whose prediction is a lower bound, which no interval is given of.
    """
    ends = dict.fromkeys(sorted(excess, key=lambda study: excess[study].value)[place] for place in (0, -1))
    said = {
        study: f"at least {excess[study].value:.1%}" if study in at_least else _percent(excess[study]) for study in ends
    }
    return " to ".join(f"{words} ({study})" for study, words in said.items())


def reach_words(extrapolations: Mapping[str, Extrapolation]) -> str:
    """Which studies were fitted on such shapes, and how far the others are extrapolated, in size or in ratio."""
    if any(one.parameters is None for one in extrapolations.values()):
        return "its size is not known, so the studies are read at 1B parameters"
    beyond = {study: times_beyond(one) for study, one in extrapolations.items()}
    inside = [study for study, times in beyond.items() if times == 1]
    if len(inside) == len(beyond):
        return "all of them were fitted on such sizes and ratios"
    who = f"only {listing(inside)} {'was' if len(inside) == 1 else 'were'}" if inside else "none of them was"
    return f"{who} fitted on such sizes and ratios ({far_words(beyond)} times beyond its runs)"


def times_beyond(extrapolation: Extrapolation) -> float:
    """How many times a shape lies beyond the runs of a study, in size or in ratio, whichever is more; 1 within them."""
    return max(max(factor, 1 / factor) for factor in (extrapolation.parameters or 1.0, extrapolation.ratio))


def far_words(beyond: Mapping[str, float]) -> str:
    """Studies that are extrapolated, each with how many times: "law 45, chinchilla 2.1"."""
    return ", ".join(f"{study} {times:.{0 if times >= 10 else 1}f}" for study, times in beyond.items() if times > 1)


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


def recommendation_words(report: CandidateReport) -> str:
    """What to do about the candidate and why, in sentences."""
    found = report.recommendation
    if found.reason == "uncounted":
        return "No alternatives: this type's parameters cannot be counted."
    if found.best is None or found.gain is None:
        return (
            "No alternative: no shape of this architecture with three blocks or more and a width that hardware likes"
            " comes within the tolerance of this budget; a wider --tolerance may find some."
        )
    best = report.options[found.best]
    name, size = option_name(best), _with_ends(f"{abs(found.gain.value):.2%}", found.gain)
    worst = max(report.predictions, key=lambda one: one.excess.value)
    if found.reason == "none_better":
        words = (
            f"Keep it: none of the alternatives {'inside all three studies ' if found.inside else ''}has a smaller"
            f" worst-case predicted excess loss than its own {worst.excess.value:.2%}."
        )
    elif found.reason == "not_distinguishable":
        words = f"Keep it: the best alternative, {name}, is not distinguishable from it; its predicted gain is {size}."
    elif found.reason == "below_noise":
        words = (
            f"Keep it: the predicted gain of the best alternative, {name}, is {size}: less than the {found.noise:.1%}"
            " that two runs of one shape differ by."
        )
    else:
        by_study = [
            _with_ends(f"{study} {change.value:+.2%}", change)
            + ("" if change.excludes_zero else ", not distinguishable from none")
            for study, change in best.change.items()
        ]
        words = (
            f"Change it: {name} takes {size} off the worst-case predicted loss. By study: {'; '.join(by_study)}. The"
            f" worst case is {worst.study}'s: {extrapolation_words(worst.extrapolation)}."
        )
    caveat = "" if found.inside else " No alternative lies inside the interval of all three studies."
    return with_minus_signs(words + caveat)


def disagreement_words(laws: Sequence[Reading]) -> str:
    """Which laws would go deeper, which wider, and how far their optima lie apart."""
    sides = {"would go deeper": "deeper", "would go wider": "wider", "would leave it": "agrees"}
    named = {words: [one.name for one in laws if one.direction == side] for words, side in sides.items()}
    optima = [one.optimum for one in laws if one.optimum is not None]
    parts = [f"{', '.join(names)} {words}" for words, names in named.items() if names]
    words = "; ".join(parts) or "none of them speaks of this shape"
    if len(optima) < 2:
        return words
    return f"{words}; the optima they name at this budget run from R = {min(optima):.2g} to {max(optima):.2g}"


def option_name(option: Option) -> str:
    """Depth x width."""
    return f"{option.shape.depth} x {option.shape.width}"


def _with_ends(words: str, estimate: Estimate) -> str:
    return f"{words} [{estimate.low:+.2%}, {estimate.high:+.2%}]"


def _percent(estimate: Estimate) -> str:
    """An excess loss in per cent, with its interval where there is one."""
    ends = estimate.interval
    return f"{estimate.value:.1%}" + (f" [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]" if ends else "")


def _side(ratio: float, interval: Interval) -> str:
    return f"{'deep' if ratio > interval.high else 'shallow'} ([{interval.low:.3g}, {interval.high:.3g}])"


def _outside(factor: float, those: str, what: str) -> str:
    if factor == 1:
        return f"inside the {those}"
    times = max(factor, 1 / factor)
    return f"{what} {times:.{0 if times >= 10 else 1}f} times {'above' if factor > 1 else 'below'} the {those}"

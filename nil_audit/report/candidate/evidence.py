"""What a candidate's report rests on, as tables: each study alone, other published laws, the nearest real models."""

from collections.abc import Sequence

from nil_audit.candidate.result import CandidateReport
from nil_audit.catalog.neighbours import Neighbour
from nil_audit.catalog.scores import MMLU_PRO_CHANCE
from nil_audit.comparison.table import MMLU_PRO_FLOOR
from nil_audit.law.other_laws import Reading
from nil_audit.report.render.page import Table, table
from nil_audit.report.render.text import MISSING, count
from nil_audit.report.verdict import extrapolation_words

NEIGHBOURS = 6
"""Real models that the table names; the plane shows more."""


def predictions_table(report: CandidateReport) -> Table:
    """What each study alone predicts of the candidate, and how far it is extrapolated for that."""
    rows = []
    for one in report.predictions:
        optimum, excess = one.optimum, one.excess.scaled(100)
        rows.append(
            (
                one.study,
                f"{one.interval.low:.4f} to {one.interval.high:.4f}",
                f"{optimum.value:.4f} [{optimum.low:.4f}, {optimum.high:.4f}]",
                f"{excess.value:.2f}% [{excess.low:.2f}, {excess.high:.2f}]",
            )
        )
    return table(
        "Excess loss over the best shape of this budget by each study alone, with 95% bootstrap intervals",
        ("Study", "Within 1%: R", "Best R [95%]", "Excess [95%]"),
        rows,
    )


def reach_sentence(report: CandidateReport) -> str:
    """How far each study is extrapolated."""
    said = [f"{one.study}: {extrapolation_words(one.extrapolation)}" for one in report.predictions]
    return f"Extrapolation. {'. '.join(said)}."


def laws_table(laws: Sequence[Reading]) -> Table:
    """What other published laws say of the candidate."""
    verbs = {"deeper": "go deeper", "wider": "go wider", "agrees": "agrees", "silent": "silent"}
    rows = [
        (one.name, verbs[one.direction] + ("" if one.optimum is None else f", R {one.optimum:.3f}"), one.words)
        for one in laws
    ]
    return table("What other published laws say of this shape", ("Law", "Would", "Says of this shape"), rows, left=3)


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


def origin_words(one: Reading) -> str:
    """A law's formula, where it comes from, and how far we trust it on what grounds."""
    outside = "" if one.in_range else " (this budget is outside)"
    trust = f"Our confidence: {one.confidence} ({one.grounds})."
    return f"{one.name}: {one.formula}. {one.source}; {one.validity}{outside}. {trust}"


def neighbours_table(neighbours: Sequence[Neighbour]) -> Table:
    """The nearest real models, with published scores; of one that guessing could reach it is said."""
    rows = []
    for one in neighbours[:NEIGHBOURS]:
        score = MISSING if one.accuracy is None else f"{one.accuracy:.3f}"
        score += f" ± {one.stderr:.3f}" if one.stderr is not None else ""
        rows.append(
            (
                one.model + (" (uncertain)" if one.uncertain else ""),
                count(one.parameters),
                f"{one.depth} x {one.width}",
                f"{one.ratio:.4f}",
                count(one.tokens),
                score + (", at chance" if at_chance(one) else ""),
            )
        )
    return table(
        "Nearest real models in parameters and ratio, with published MMLU-Pro (leaderboard protocol, raw)",
        ("Model", "Params", "L x d", "R", "Tokens", "MMLU-Pro"),
        rows,
        note=f"Guessing scores {MMLU_PRO_CHANCE:.3f}, and naming the most frequent letter {MMLU_PRO_FLOOR:.3f}: a score"
        " whose 95% interval reaches down to that is at chance.",
    )


def at_chance(one: Neighbour) -> bool:
    """Whether a model's score is not above what can be had without reading a question."""
    return one.accuracy is not None and one.accuracy - 1.96 * (one.stderr or 0.0) <= MMLU_PRO_FLOOR

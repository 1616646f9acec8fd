"""What the answer hangs on: the fewest models whose absence changes it, and the models that go against it, by name."""

from nil_audit.comparison.findings import Influence, Removal
from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.words import counted, effect_text, study_words, unit
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import count, listing, signed

MOST_NAMES = 8
"""Names of one kind that the page gives."""

_TARGETS = {
    "sign": "the effect changes its sign",
    "interval": "its interval excludes 0",
    "contradicted": "the answer becomes 'contradicted'",
    "supported": "the answer becomes 'supported'",
    "cannot_tell": "the answer becomes 'cannot tell'",
}
_COUNTEREXAMPLES = {
    "inside_below": "Inside the interval of {who}, and yet below what models of their size reach",
    "outside_above": "Outside the interval of {who}, and yet above what models of their size reach",
}


def removal_table(influence: Influence) -> Table:
    """The fewest models, and organisations, whose absence changes the answer."""
    return table(
        "The fewest whose absence changes the answer, as a search finds them that drops one after the other.",
        (
            Column(label="Left out, until"),
            Column(label="Who"),
            Column(label="Effect [95%] then", numeric=True),
        ),
        [(_TARGETS[one.target], _who(one), effect_text(one.effect)) for one in influence.removals],
    )


def _who(one: Removal) -> str:
    if not one.removed:
        return f"no set of up to {counted(one.tried, one.unit, f'{one.unit}s')} found"
    rest = len(one.removed) - MOST_NAMES
    named = listing([*one.removed[:MOST_NAMES], *([f"{rest} more"] if rest > 0 else [])])
    return f"{counted(len(one.removed), one.unit, f'{one.unit}s')}: {named}"


def influence_sentence(influence: Influence) -> str:
    """Which single models and organisations move the effect most."""
    parts = [
        f"{what} {listing([f'{name} ({signed(-change)})' for name, change in list(changes.items())[:3]])}"
        for what, changes in (("models", influence.models), ("organisations", influence.organisations))
        if changes
    ]
    return f"What adds most to the effect, or takes most from it: the {'; the '.join(parts)}." if parts else ""


def counterexample_table(comparison: Comparison, kind: str) -> Table:
    """The models of one kind that go furthest against the study."""
    found = list(comparison.counterexamples(kind))
    scale = 100.0 if comparison.outcome.unit == "points" else 1.0
    rest = f" The {MOST_NAMES} furthest off; all are in table.csv." if len(found) > MOST_NAMES else ""
    return table(
        f"{_COUNTEREXAMPLES[kind].format(who=study_words(comparison.study))}: {len(found)}.{rest}",
        (
            "Model",
            Column(label="Off by", numeric=True, help=f"{unit(comparison.outcome)}, from what its size predicts"),
            "Parameters",
            "R",
            Column(label="Outcome" if comparison.outcome.column else "Score, %", numeric=True),
        ),
        [
            (
                row["model"],
                Cell(text=signed(row["residual"], 1), value=row["residual"]),
                count(row["parameters"]),
                f"{row['ratio']:.4f}",
                f"{scale * row['score']:.{1 if scale > 1 else 3}f}",
            )
            for row in found[:MOST_NAMES]
        ],
    )

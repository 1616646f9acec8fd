"""What the data say about the law, as an answer that follows from the numbers by stated rules.

The question is fixed before any score is looked at: do models whose depth-width ratio lies farther from the law's
optimum, |ln R - ln R*|, score lower than others of their size? The primary number is the partial Spearman correlation
of that deviation with score, the size curve held fixed; below zero supports the law.

A claim, either way, needs all of:

- *interval*: the 95% interval of the primary number, families left out whole, lies on one side of zero;
- *permutation*: moving families' size-adjusted scores within size bands gives p < 0.05, with the same sign;
- *families*: leaving out any one family leaves the sign as it is;
- *floor*: without the models at the chance floor the sign is the same (where 20 models and 5 families are left).

What more is asked for strength:

- *release*: with the release month held fixed too, the interval still excludes zero;
- *prediction*: fitted on random halves of families, the deviation predicts the others' scores better than size
  alone does;
- *skill*: it does so with an interval above zero;
- *tokens*: with training tokens held fixed too, the interval still excludes zero;
- *tests*: the number survives Holm's correction over every predictor and control of the main table;
- *effect*: the number is at least 0.3 in absolute value.

| strength | when |
| --- | --- |
| strong | a claim below zero, and all six |
| moderate | a claim below zero, release and prediction |
| weak | a claim below zero |
| contradicts | a claim above zero |
| none | no claim |
| insufficient | fewer than 10 models of known size or 5 families of them, or no interval can be made |

``docs/comparison.md`` shows how often these rules claim an effect that is not there, and find one that is.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.result import Answer, Association, Findings, Rule

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_MODELS = 10
ENOUGH_FAMILIES = 5
"""With fewer models or families of known size nothing is said."""

ENOUGH_ABOVE_FLOOR = 20
"""Models above the chance floor, of `ENOUGH_FAMILIES`, without which the floor rule is not asked."""

LARGE = 0.3
SIGNIFICANT = 0.05

CLAIM = ("interval", "permutation", "families", "floor")
MODERATE = ("release", "prediction")
STRONG = ("skill", "tokens", "tests", "effect")


def answer(table: "pd.DataFrame", findings: Findings, protocol: str) -> Answer:
    """The answer of one protocol's models, with every rule and what it found.

    Args:
        table: From `nil_audit.comparison.table.derive`, flagged rows too.
        findings: Its numbers.
        protocol: Its name.
    """
    usable = table[table["flag"] == ""]
    sized, primary = usable[usable["parameters"].notna()], findings.association(PRIMARY)
    rules: tuple[Rule, ...] = ()
    enough = len(sized) >= ENOUGH_MODELS and sized["family"].nunique() >= ENOUGH_FAMILIES
    if enough and primary is not None and primary.estimate.interval is not None:
        outcomes = {None: "unavailable", True: "holds", False: "fails"}
        rules = tuple(
            Rule(key=key, outcome=outcomes[_RULES[key](findings, primary)]) for key in (*CLAIM, *MODERATE, *STRONG)
        )
    return Answer(
        protocol=protocol,
        models=len(usable),
        sized=len(sized),
        families=usable["family"].nunique(),
        sized_families=sized["family"].nunique(),
        strength=_strength({rule.key: rule.outcome for rule in rules}, primary),
        rules=rules,
        primary=primary,
    )


def _strength(outcomes: dict[str, str], primary: Association | None) -> str:
    if not outcomes or primary is None:
        return "insufficient"
    held = {key for key, outcome in outcomes.items() if outcome == "holds"}
    # Models of which none is at the floor, or too few are above it, are not held back by that rule.
    if not set(CLAIM) - {"floor"} <= held or outcomes["floor"] == "fails":
        return "none"
    if primary.estimate.value > 0:
        return "contradicts"
    if not set(MODERATE) <= held:
        return "weak"
    return "strong" if set(STRONG) <= held else "moderate"


def _same_side(found: Association | None, primary: Association) -> bool | None:
    """Whether an interval excludes zero on the side of the primary number; None where there is no interval."""
    if found is None or found.estimate.interval is None:
        return None
    low, high = found.estimate.interval
    return low > 0 if primary.estimate.value > 0 else high < 0


def _permutation(findings: Findings, primary: Association) -> bool | None:
    test = findings.permutation(PRIMARY)
    if test is None or test.estimate.p is None:
        return None
    return test.estimate.value * primary.estimate.value > 0 and test.estimate.p < SIGNIFICANT


def _families(findings: Findings, primary: Association) -> bool | None:
    left_out = findings.without_families(PRIMARY)
    return None if left_out is None else not left_out.sign_changes


def _floor(findings: Findings, primary: Association) -> bool | None:
    found = findings.association(PRIMARY, subset="above_floor")
    if found is None or (found.estimate.n or 0) < ENOUGH_ABOVE_FLOOR or found.families < ENOUGH_FAMILIES:
        return None
    return found.estimate.value * primary.estimate.value > 0


def _prediction(findings: Findings, primary: Association) -> bool | None:
    made = findings.skill(PRIMARY, "halves")
    return None if made is None else made.estimate.value > 0


def _sure_prediction(findings: Findings, primary: Association) -> bool | None:
    made = findings.skill(PRIMARY, "halves")
    return None if made is None or made.estimate.low is None else made.estimate.low > 0


_RULES: dict[str, Callable[[Findings, Association], bool | None]] = {
    "interval": lambda _, primary: _same_side(primary, primary),
    "permutation": _permutation,
    "families": _families,
    "floor": _floor,
    "release": lambda findings, primary: _same_side(findings.association(PRIMARY, given="size_curve_release"), primary),
    "prediction": _prediction,
    "skill": _sure_prediction,
    "tokens": lambda findings, primary: _same_side(findings.association(PRIMARY, given="size_curve_tokens"), primary),
    "tests": lambda _, primary: None if primary.p_adjusted is None else primary.p_adjusted < SIGNIFICANT,
    "effect": lambda _, primary: abs(primary.estimate.value) >= LARGE,
}

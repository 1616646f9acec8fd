"""What the data say about the law, in words that follow from the numbers by stated rules.

The question is fixed before any score is looked at: do models whose depth-width ratio lies farther from the law's
optimum, |ln R - ln R*|, score lower than others of their size? The figure is the partial Spearman correlation of
that deviation with score, the size curve held fixed; below zero supports the law.

A claim, either way, needs all of:

- *interval*: the 95% interval of the figure, families resampled whole, lies on one side of zero;
- *permutation*: moving families' size-adjusted scores within size bands gives p < 0.05, with the same sign;
- *families*: leaving out any one family leaves the sign as it is;
- *floor*: without the models at the chance floor the sign is the same (where 20 models and 5 families are left).

What more is asked for strength:

- *release*: with the release month held fixed too, the interval still excludes zero;
- *prediction*: fitted on random halves of families, the deviation predicts the others' scores better than size
  alone does;
- *skill*: it does so with an interval above zero;
- *tokens*: with training tokens held fixed too, the interval still excludes zero;
- *tests*: the figure survives Holm's correction over every predictor and control of the main table;
- *size of effect*: the figure is at least 0.3 in absolute value.

| strength | when |
| --- | --- |
| strong | a claim below zero, and all six |
| moderate | a claim below zero, release and prediction |
| weak | a claim below zero |
| contradicts | a claim above zero |
| none | no claim |
| insufficient | fewer than 10 models or 5 families, or the figure cannot be made |

``docs/study.md`` shows how often these rules claim an effect that is not there, and find one that is.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nil_audit.comparison.findings import Association, LeaveOneFamilyOut, PermutationTest, Prediction
from nil_audit.comparison.result import Conclusion, Rule

FEWEST_MODELS = 10
FEWEST_FAMILIES = 5
FEWEST_ABOVE_FLOOR = 20
LARGE = 0.3
SIGNIFICANT = 0.05

CLAIM = ("interval", "permutation", "families", "floor")
MODERATE = ("release", "prediction")
STRONG = ("skill", "tokens", "tests", "effect")

_STATEMENTS = {
    "interval": "The 95% interval of the partial correlation, families resampled whole, excludes zero.",
    "permutation": "Moving families' size-adjusted scores within size bands gives p < 0.05, with the same sign.",
    "families": "Leaving out any one family keeps the sign.",
    "floor": "Without models at the chance floor the sign is the same.",
    "release": "With the release month held fixed too, the interval excludes zero on the same side.",
    "prediction": "Out of sample, over random halves of families, it predicts better than size alone.",
    "skill": "The interval of that skill over size alone is above zero.",
    "tokens": "With training tokens held fixed too, the interval excludes zero on the same side.",
    "tests": "The figure survives Holm's correction for the number of tests made (p < 0.05).",
    "effect": "The partial correlation is at least 0.3 in absolute value.",
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the rules look at; None where it could not be made.

    Attributes:
        models: Models that are not flagged.
        sized: Those of them whose parameters are known.
        families: Families of the models.
        primary: Partial Spearman of the primary predictor, given "size_curve".
        permutation: Its permutation test that moves families.
        left_out: Its range when each family is left out.
        above_floor: The same correlation without models at the floor.
        given_release: Given "size_curve_release".
        given_tokens: Given "size_curve_tokens".
        prediction: Out of sample over random halves of families.
    """

    models: int
    sized: int
    families: int
    primary: Association | None
    permutation: PermutationTest | None
    left_out: LeaveOneFamilyOut | None
    above_floor: Association | None
    given_release: Association | None
    given_tokens: Association | None
    prediction: Prediction | None


def strength(evidence: Evidence) -> tuple[str, tuple[Rule, ...]]:
    """The strength of the evidence, and every rule with what it found."""
    primary = evidence.primary
    if primary is None or primary.low is None or evidence.models < FEWEST_MODELS or evidence.families < FEWEST_FAMILIES:
        return "insufficient", ()
    rules = tuple(_rule(key, *_DECISIONS[key](evidence, primary)) for key in (*CLAIM, *MODERATE, *STRONG))
    outcome = {rule.key: rule.outcome for rule in rules}
    held = {key for key in outcome if outcome[key] == "holds"}
    # A study without models at the floor, or with too few above it, is not held back by that rule.
    claimed = set(CLAIM) - {"floor"} <= held and outcome["floor"] != "fails"
    if not claimed:
        return "none", rules
    if primary.estimate > 0:
        return "contradicts", rules
    if not set(MODERATE) <= held:
        return "weak", rules
    return ("strong" if set(STRONG) <= held else "moderate"), rules


def conclude(evidence: Evidence, sentences: tuple[str, ...]) -> Conclusion:
    """The conclusion: strength and rules by `strength`, a headline, and the sentences given.

    Args:
        evidence: What the rules look at.
        sentences: The rest of the first screen (`nil_audit.comparison.words`).
    """
    word, rules = strength(evidence)
    return Conclusion(strength=word, headline=_headline(word, evidence), sentences=sentences, rules=rules)


def figure(estimate: float, low: float | None, high: float | None) -> str:
    """An estimate with its interval, or that there is none: "-0.11 [-0.30, +0.09]"."""
    if low is None or high is None:
        return f"{estimate:+.2f} (no interval)"
    return f"{estimate:+.2f} [{low:+.2f}, {high:+.2f}]"


def _headline(word: str, evidence: Evidence) -> str:
    if word == "insufficient" or evidence.primary is None:
        known = "" if evidence.sized == evidence.models else f", {evidence.sized} of them of known size"
        return (
            f"Nothing can be said about the law: {_count(evidence.models, 'model')} of"
            f" {_count(evidence.families, 'family', 'families')} with a usable score{known}, and at least"
            f" {FEWEST_MODELS} models of {FEWEST_FAMILIES} families with known size are needed."
        )
    primary = evidence.primary
    opening = {
        "strong": "The data support the law, and the evidence is strong",
        "moderate": "The data support the law, and the evidence is moderate",
        "weak": "The data lean towards the law, and the evidence is weak",
        "contradicts": "The data contradict the law",
        "none": "The data do not support the law",
    }[word]
    return (
        f"{opening}: among models of one size, distance from the law's optimum goes with score by"
        f" {figure(primary.estimate, primary.low, primary.high)} (partial Spearman correlation; below zero would be as"
        f" the law says), in {_count(primary.models, 'model')} of {_count(primary.families, 'family', 'families')}."
    )


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _rule(key: str, holds: bool | None, detail: str) -> Rule:
    outcome = "unavailable" if holds is None else "holds" if holds else "fails"
    return Rule(key=key, statement=_STATEMENTS[key], outcome=outcome, detail=detail)


Decision = tuple[bool | None, str]


def _same_side(found: Association | None, primary: Association) -> Decision:
    """Whether an interval excludes zero on the side of the primary estimate."""
    if found is None or found.low is None or found.high is None:
        return None, "too few models with the number"
    words = f"{figure(found.estimate, found.low, found.high)}, {found.models} models"
    return (found.low > 0 if primary.estimate > 0 else found.high < 0), words


def _permutation(evidence: Evidence, primary: Association) -> Decision:
    test = evidence.permutation
    if test is None:
        return None, "too few families share a size band"
    same = test.estimate * primary.estimate > 0
    return same and test.p_value < SIGNIFICANT, f"{test.estimate:+.2f}, p = {test.p_value:.2g}, {test.units} units"


def _families(evidence: Evidence, primary: Association) -> Decision:
    left = evidence.left_out
    if left is None:
        return None, "too few families"
    words = f"from {left.lowest.estimate:+.2f} (without {left.lowest.family}) to {left.highest.estimate:+.2f}"
    return not left.sign_changes, f"{words} (without {left.highest.family})"


def _floor(evidence: Evidence, primary: Association) -> Decision:
    found = evidence.above_floor
    if found is None or found.models < FEWEST_ABOVE_FLOOR or found.families < FEWEST_FAMILIES:
        return None, "too few models above the floor"
    words = f"{figure(found.estimate, found.low, found.high)}, {found.models} models"
    return found.estimate * primary.estimate > 0, words


def _prediction(evidence: Evidence, primary: Association) -> Decision:
    made = evidence.prediction
    return (None, "too few families to split") if made is None else (made.skill > 0, _skill(made))


def _sure_prediction(evidence: Evidence, primary: Association) -> Decision:
    made = evidence.prediction
    if made is None or made.low is None:
        return None, "too few families to split"
    return made.low > 0, _skill(made)


def _skill(made: Prediction) -> str:
    text = f"skill {100 * made.skill:+.1f}%"
    if made.low is None or made.high is None:
        return text
    return f"{text} [{100 * made.low:+.1f}%, {100 * made.high:+.1f}%]"


def _tests(evidence: Evidence, primary: Association) -> Decision:
    if primary.p_adjusted is None:
        return None, "no p-value"
    return primary.p_adjusted < SIGNIFICANT, f"p = {primary.p_value:.2g}, corrected {primary.p_adjusted:.2g}"


_DECISIONS: dict[str, Callable[[Evidence, Association], Decision]] = {
    "interval": lambda _, primary: _same_side(primary, primary),
    "permutation": _permutation,
    "families": _families,
    "floor": _floor,
    "release": lambda evidence, primary: _same_side(evidence.given_release, primary),
    "prediction": _prediction,
    "skill": _sure_prediction,
    "tokens": lambda evidence, primary: _same_side(evidence.given_tokens, primary),
    "tests": _tests,
    "effect": lambda _, primary: (abs(primary.estimate) >= LARGE, f"{abs(primary.estimate):.2f}"),
}

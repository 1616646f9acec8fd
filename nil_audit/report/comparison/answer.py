"""The answer of a comparison in words: the headline, the sentences after it, and the rules with what each found."""

from collections.abc import Callable

from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.result import Answer, Association, Comparison, Findings
from nil_audit.comparison.rules import ENOUGH_FAMILIES, ENOUGH_MODELS, SIGNIFICANT
from nil_audit.law.studies import DEFAULT
from nil_audit.report.comparison.words import band_labels, estimate_words, predictor_label
from nil_audit.report.render.page import Cell, Table, table
from nil_audit.report.render.text import estimate_text, p_value, signed

_OPENINGS = {
    "strong": "The data support the law, and the evidence is strong",
    "moderate": "The data support the law, and the evidence is moderate",
    "weak": "The data lean towards the law, and the evidence is weak",
    "contradicts": "The data contradict the law",
    "none": "The data do not support the law",
}
_HELD = {
    "size": "the rank of parameters alone",
    "size_tokens": "the ranks of parameters and training tokens",
    "size_curve_release": "the size curve and the release month",
}
_OUTCOMES = {"holds": "holds", "fails": "fails", "unavailable": "cannot be checked"}

Words = Callable[[Findings, Association], str]
"""The numbers that a rule was decided on, from the findings and the primary correlation among them."""


def headline(answer: Answer) -> str:
    """The answer in one sentence, with the correlation that it rests on and its interval."""
    if answer.strength == "insufficient" or answer.primary is None:
        return f"Nothing can be said about the law: {_too_little(answer)}."
    found = answer.primary
    return (
        f"{_OPENINGS[answer.strength]}: among models of one size, distance from the law's optimum goes with score by"
        f" {estimate_words(found.estimate)} (partial Spearman correlation; below zero would be as the law says), in"
        f" {_count(found.estimate.n or 0, 'model', 'models')} of {_count(found.families, 'family', 'families')}."
    )


def _too_little(answer: Answer) -> str:
    """What the answer lacks: models or families of known size, or anything that varies among them."""
    there = f"{_count(answer.models, 'model', 'models')} of {_count(answer.families, 'family', 'families')}"
    if answer.sized < ENOUGH_MODELS or answer.sized_families < ENOUGH_FAMILIES:
        known = ""
        if answer.sized < answer.models:
            known = f" ({answer.sized} of {_count(answer.sized_families, 'family', 'families')} with known size)"
        return (
            f"{there} with a usable score{known}, and at least {ENOUGH_MODELS} models of {ENOUGH_FAMILIES} families"
            " with known size are needed"
        )
    if answer.primary is None:
        return f"{there} have a usable score, but shapes or scores do not vary once size is held fixed"
    return f"{there} have a usable score, but without some family no correlation can be made, or no family changes it"


def sentences(comparison: Comparison) -> tuple[str, ...]:
    """What else the numbers say, a sentence each; what could not be made is passed over."""
    parts = (_range, _raw, _controls, _bands, _floor, _out_of_sample, _contrast, _corrected, _protocols)
    caveat = (
        "Models differ in data, tokens and recipe as well as in shape, so a correlation over published models,"
        " whichever way it points, is not an experiment on shape."
    )
    return (*filter(None, (part(comparison) for part in parts)), caveat)


def rule_table(comparison: Comparison) -> Table:
    """The rules in order; without rows where there were too few data to apply them."""
    findings, primary = comparison.findings, comparison.answer.primary
    rows = []
    for rule in comparison.answer.rules:
        statement, numbers, lacking = _RULES[rule.key]
        found = lacking if rule.outcome == "unavailable" or primary is None else numbers(findings, primary)
        rows.append((statement, Cell(text=_OUTCOMES[rule.outcome], strong=True), found))
    return table(
        "The rules that the answer follows from, in order, and what each found.",
        ("Rule", "Outcome", "On what"),
        rows,
        left=3,
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _correlation(found: Association | None) -> str:
    return estimate_words(found.estimate if found else None)


def _with_count(found: Association) -> str:
    return f"{_correlation(found)} (n = {found.estimate.n})"


def _range(comparison: Comparison) -> str:
    primary = comparison.findings.association(PRIMARY)
    if primary is None or primary.estimate.interval is None or primary.estimate.excludes_zero:
        return ""
    low, high = map(signed, primary.estimate.interval)
    return (
        f"A true correlation anywhere from {low} to {high} would be compatible with these data: neither no effect nor"
        " one at the ends of that range is ruled out."
    )


def _raw(comparison: Comparison) -> str:
    find = comparison.findings.association
    raw, ratio = (find(key, given="nothing") for key in (PRIMARY, "ratio"))
    if raw is None or ratio is None:
        return ""
    text = (
        f"Without anything held fixed, distance from the law's optimum goes with score by {_correlation(raw)}, and R"
        f" itself by {_correlation(ratio)}"
    )
    size, mixed = (find("parameters", outcome=outcome, given="nothing") for outcome in ("score", "ratio"))
    if size is None or mixed is None:
        return f"{text}."
    both = f"size goes with score by {_correlation(size)} and with R by {_correlation(mixed)}"
    return f"{text}; {both}, so the two are mixed."


def _controls(comparison: Comparison) -> str:
    parts = [
        f"{words} {_with_count(found)}"
        for given, words in _HELD.items()
        if (found := comparison.findings.association(PRIMARY, given=given))
    ]
    return f"With other things held fixed: {'; '.join(parts)}." if parts else ""


def _bands(comparison: Comparison) -> str:
    parts = [
        f"{label} {_with_count(found)}"
        for key, label in band_labels(comparison.bands).items()
        if (found := comparison.findings.association("ratio", given="nothing", subset=f"band:{key}"))
    ]
    if len(parts) < 2:
        return ""
    return f"R with score inside size bands, where size still varies: {'; '.join(parts)}."


def _floor(comparison: Comparison) -> str:
    at_floor = comparison.usable["at_floor"]
    if not at_floor.any():
        return ""
    above = comparison.findings.association(PRIMARY, subset="above_floor")
    rest = f"the correlation is {_correlation(above)}" if above else "there are too few to test"
    models = f"{at_floor.sum()} of {len(at_floor)} models are at the chance floor"
    return f"{models}, where score says nothing; without them {rest}."


def _out_of_sample(comparison: Comparison) -> str:
    parts = []
    if halves := comparison.findings.skill(PRIMARY, "halves"):
        parts.append(f"over {halves.splits} random halves of families {estimate_words(halves.estimate, percent=True)}")
    if later := comparison.findings.skill(PRIMARY, "release"):
        found = estimate_words(later.estimate, percent=True)
        parts.append(f"fitted on families released before {later.cutoff}, for the later ones, {found}")
    if not parts:
        return ""
    return f"Out of sample, the share of squared error that the deviation saves over size alone: {'; '.join(parts)}."


def _contrast(comparison: Comparison) -> str:
    law = comparison.findings.contrast(DEFAULT)
    if law is None:
        return ""
    points = estimate_text(law.estimate, 1, factor=100)
    return (
        f"The {law.inside} models inside the law's interval score {points} points against the {law.outside} outside,"
        " size held fixed."
    )


def _corrected(comparison: Comparison) -> str:
    tested = [found for one in comparison.predictors if (found := comparison.findings.association(one.key))]
    if all(one.p_adjusted is None for one in tested):
        return ""
    survive = [one for one in tested if one.p_adjusted is not None and one.p_adjusted < SIGNIFICANT]
    if not survive:
        return f"None of the {len(tested)} numbers held against score survives correction for the tests made."
    named = "; ".join(f"{predictor_label(one.predictor)} {_correlation(one)}" for one in survive)
    return f"Of the {len(tested)} numbers held against score, {len(survive)} survive correction for tests: {named}."


def _protocols(comparison: Comparison) -> str:
    if not comparison.others:
        return ""
    told = [one for one in comparison.others if one.strength != "insufficient"]
    parts = [f"{one.protocol} {estimate_words(one.primary.estimate)} (n = {one.models})" for one in told if one.primary]
    few = len(comparison.others) - len(told)
    text = f"By other protocols: {'; '.join(parts)}" if parts else "No other protocol has enough models to be tested"
    return f"{text}; {few} more have too few models." if parts and few else f"{text}."


def _held_fixed(given: str, subset: str = "all") -> Words:
    def words(findings: Findings, primary: Association) -> str:
        found = findings.association(PRIMARY, given=given, subset=subset)
        return f"{_correlation(found)}, {found.estimate.n} models" if found else ""

    return words


def _permutation(findings: Findings, primary: Association) -> str:
    test = findings.permutation(PRIMARY)
    if test is None:
        return ""
    return f"{signed(test.estimate.value)}, p {p_value(test.estimate.p)}, {test.estimate.n} units"


def _families(findings: Findings, primary: Association) -> str:
    left_out = findings.without_families(PRIMARY)
    if left_out is None:
        return ""
    low, high = (f"{signed(value)} (without {name})" for name, value in (left_out.lowest, left_out.highest))
    return f"from {low} to {high}"


def _skill(findings: Findings, primary: Association) -> str:
    made = findings.skill(PRIMARY, "halves")
    return f"skill {estimate_words(made.estimate, percent=True)}" if made else ""


def _tests(findings: Findings, primary: Association) -> str:
    return f"p {p_value(primary.estimate.p)}, corrected {p_value(primary.p_adjusted)}"


_NOT_MADE = "not made; the reason is under what this comparison cannot say"
_RULES: dict[str, tuple[str, Words, str]] = {
    "interval": (
        "The 95% interval of the partial correlation, families left out whole, excludes zero.",
        _held_fixed("size_curve"),
        _NOT_MADE,
    ),
    "permutation": (
        "Moving families' size-adjusted scores within size bands gives p < 0.05, with the same sign.",
        _permutation,
        _NOT_MADE,
    ),
    "families": ("Leaving out any one family keeps the sign.", _families, _NOT_MADE),
    "floor": (
        "Without models at the chance floor the sign is the same.",
        _held_fixed("size_curve", "above_floor"),
        "fewer than 20 models or 5 families are above the floor, or they do not vary",
    ),
    "release": (
        "With the release month held fixed too, the interval excludes zero on the same side.",
        _held_fixed("size_curve_release"),
        _NOT_MADE,
    ),
    "prediction": (
        "Out of sample, over random halves of families, it predicts better than size alone.",
        _skill,
        _NOT_MADE,
    ),
    "skill": ("The interval of that skill over size alone is above zero.", _skill, _NOT_MADE),
    "tokens": (
        "With training tokens held fixed too, the interval excludes zero on the same side.",
        _held_fixed("size_curve_tokens"),
        _NOT_MADE,
    ),
    "tests": (
        "The correlation survives Holm's correction for the number of tests made (p < 0.05).",
        _tests,
        "no p-value",
    ),
    "effect": (
        "The partial correlation is at least 0.3 in absolute value.",
        lambda findings, primary: f"{abs(primary.estimate.value):.2f}",
        "",
    ),
}
"""By key: what the rule demands, the numbers it was decided on, and what to say where it cannot be checked."""

"""The answer of a comparison in words: what is claimed, what the data say of it, and what they could have said."""

from nil_audit.comparison.findings import Answer, Effect
from nil_audit.comparison.predictors import METRICS
from nil_audit.comparison.result import Comparison
from nil_audit.comparison.rules import ENOUGH_GROUPS, ENOUGH_MODELS
from nil_audit.comparison.studies_tested import Tested, find_tested
from nil_audit.law.pooled import INSIDE, TOLERANCE, Pool
from nil_audit.report.comparison.words import (
    CONTROLS,
    amount,
    counted,
    effect_text,
    estimate_words,
    group_words,
    number,
    predictor_label,
    sample_words,
    start,
    study_words,
)
from nil_audit.report.render.text import listing, p_value


def study_of(comparison: Comparison) -> Tested:
    """The study, or the pool of them, whose predicted cost is put to the test."""
    return find_tested(comparison.options.interval)


def claim(comparison: Comparison) -> str:
    """What the study says of shape, in numbers, and what that comes to for these models."""
    held = study_of(comparison)
    within = held.interval()
    if isinstance(held, Pool):
        near = f"{within.optimum:.3f} at 1B parameters"
        cost = f"{100 * TOLERANCE:g}% of loss with a probability of {INSIDE:.0%} or more"
    else:
        best = held.optimum()
        low, high = best.interval or (best.value, best.value)
        at = "" if held.form == "quadratic" else " at 1B parameters"
        near, cost = f"{best.value:.3f} (95%: {low:.3f} to {high:.3f}){at}", f"{100 * held.tolerance:g}% of loss"
    text = (
        f"{start(study_words(held.name))} says: of models of one size those do best whose depth over width R is"
        f" near {near}; R from {within.low:.3f} to {within.high:.3f} costs at most {cost}, and R farther out costs more"
    )
    predicted = next((one for one in comparison.findings.predictions if one.study == held.name), None)
    if predicted is None:
        return f"{text}."
    models = counted(comparison.answer.sized, "model", "models")
    return (
        f"{text}: {amount(comparison.outcome, predicted.mean)} on average over these {models},"
        f" {predicted.largest:.1f} at most."
    )


def headline(comparison: Comparison) -> str:
    """The answer in one sentence: the effect with its interval, against no effect and against the predicted one."""
    answer, primary = comparison.answer, comparison.answer.primary
    if answer.verdict == "insufficient" or primary is None or primary.estimate.interval is None:
        return f"Nothing can be said: {_too_little(comparison, answer)}."
    who = study_words(comparison.study)
    return _SENTENCES[_case(primary)].format(
        who=who, effect=effect_text(primary), narrow=_narrow(primary), own=effect_text(primary.as_predicted)
    )


_SENTENCES = {
    "both": "The data cannot tell whether shape matters: it costs {effect} times what {who} predicts, and that interval"
    " holds both 0 (no cost) and 1 (as predicted); excluded is only what lies outside it.",
    "own": "The data cannot tell whether shape matters: it costs {effect} times what {who} predicts, which holds 0 (no"
    " cost); estimated as it would be if the prediction held, {own}, it does not exclude 1 (as predicted).",
    "some": "Shape matters, but the data cannot tell whether as {who} predicts: it costs {effect} times that, which"
    " excludes 0 (no cost); estimated as it would be if the prediction held, {own}, it does not exclude 1 (as"
    " predicted).",
    "more": "Shape matters, and costs more than predicted: {effect} times what {who} predicts, an interval that"
    " excludes both 0 (no cost) and 1 (as predicted).",
    "supported": "The data support {who}: shape costs {effect} times what is predicted, an interval that excludes 0 (no"
    " cost) and holds 1 (as predicted).",
    "less": "The data contradict {who} as it stands: shape matters, but costs {effect} times what is predicted, which"
    " excludes both 0 (no cost) and 1 (as predicted).",
    "none": "The data contradict {who}: shape costs {effect} times what is predicted, which excludes 1 (as"
    " predicted){narrow} and does not exclude 0 (no cost).",
    "reversed": "The data contradict {who}: shapes that it calls costly do better than others of their size, by"
    " {effect} times the predicted cost, which excludes both 0 (no cost) and 1 (as predicted).",
}
"""By what the interval excludes."""


def _case(effect: Effect) -> str:
    """Which of `_SENTENCES` an effect calls for."""
    low, high = effect.estimate.interval or (0.0, 0.0)
    if effect.verdict == "supported":
        return "supported"
    if effect.verdict == "cannot_tell":
        return "more" if low > 1 else "both" if high >= 1 else "some" if low > 0 else "own"
    return "reversed" if high < 0 else "less" if low > 0 else "none"


def _narrow(effect: Effect) -> str:
    """That it takes the 90% interval to exclude the predicted effect, where it does."""
    if effect.narrow is None or effect.estimate.interval is None or effect.estimate.interval[1] < 1:
        return ""
    return f" at 90% ([{', '.join(map(number, effect.narrow))}])"


def _too_little(comparison: Comparison, answer: Answer) -> str:
    """What the answer lacks: models or groups of known size, or anything that varies among them."""
    there = sample_words(comparison, answer.models, answer.groups)
    if answer.sized < ENOUGH_MODELS or answer.sized_groups < ENOUGH_GROUPS:
        known = ""
        if answer.sized < answer.models:
            known = f" ({sample_words(comparison, answer.sized, answer.sized_groups)} with known size)"
        return (
            f"{there} with a usable score{known}, and at least"
            f" {sample_words(comparison, ENOUGH_MODELS, ENOUGH_GROUPS)} with known size are needed"
        )
    if answer.primary is None:
        return f"{there} have a usable score, but shapes or scores do not vary once size is held fixed"
    return f"{there} have a usable score, but without some of them no effect can be estimated"


def sentences(comparison: Comparison) -> tuple[str, ...]:
    """What the data could have shown, over which range the answer holds, and what metrics say, where it is known."""
    parts = (f"{_power(comparison)} {_mapped(comparison)}".strip(), _metrics(comparison))
    return tuple(filter(None, parts))


def _power(comparison: Comparison) -> str:
    primary = comparison.answer.primary
    if primary is None or primary.detectable is None or comparison.answer.verdict == "insufficient":
        return ""
    models = sample_words(comparison, primary.estimate.n or 0, primary.groups)
    # Where it is large the curve that the dose takes its slope from has the cost in it, and still more goes unseen.
    text = (
        f"What {models} could have shown: no effect below {primary.detectable:.1f} times the predicted one gives an"
        " interval off 0 in 80 of 100 such samples"
    )
    if comparison.answer.verdict == "cannot_tell" and primary.detectable > 1:
        return f"{text}, so one as large as predicted is mostly missed."
    return f"{text}."


def _mapped(comparison: Comparison) -> str:
    """Over which range the answer holds: other ways of turning a shape into a cost."""
    effects = [one.effect for one in comparison.findings.mappings]
    verdict = comparison.answer.verdict
    if not effects or verdict == "insufficient":
        return ""
    values = [one.estimate.value for one in effects]
    other = [one for one in effects if one.verdict != verdict]
    ways = counted(len(effects), "way to make it", "ways to make it")
    holds = "the answer stays" if not other else f"the answer changes under {len(other)} of {ways}"
    return (
        "Over the uncertainty of the prediction itself the effect runs from"
        f" {number(min(values))} to {number(max(values))}, and {holds}."
    )


def control_sentence(comparison: Comparison) -> str:
    """How the other ways of holding size fixed answer; empty where there is but one."""
    primary = comparison.answer.primary
    others = [one for one in comparison.findings.effects if one.row == "control"]
    if primary is None or not others or primary.verdict == "insufficient":
        return ""
    ordered = sorted(others, key=lambda one: one.estimate.value)
    ends = " to ".join(f"{effect_text(one)} (a {CONTROLS[one.control]})" for one in (ordered[0], ordered[-1]))
    fits = sorted(comparison.findings.size_fits, key=lambda one: one.held_out)
    differ = [one.control for one in others if one.verdict != primary.verdict]
    finest = "" if comparison.outcome.lower_is_better else " that follow size as closely as the predicted cost does"
    text = (
        f"Size is held fixed by a {CONTROLS[primary.control]}, which predicts left-out {group_words(comparison)} best"
        f" of the ways{finest}. The others give from {ends}"
    )
    if not differ:
        return f"{text}, and the same answer."
    worst = f", the worst fit of the {len(fits)}" if differ == [fits[-1].control] else ""
    return f"{text}; the answer would change under {listing([f'a {CONTROLS[one]}' for one in differ])}{worst}."


def _metrics(comparison: Comparison) -> str:
    """Whether a measured metric goes with the outcome, size and R held fixed: the paper's central claim."""
    parts = [
        f"{predictor_label(one.predictor)} {estimate_words(one.estimate)}, p {p_value(one.estimate.p)}"
        for one in comparison.findings.associations
        if one.predictor in METRICS and one.given == "size_ratio" and one.outcome == "response"
    ]
    if not parts:
        return ""
    better = "a lower" if comparison.outcome.lower_is_better else "a higher"
    return (
        f"Do measured metrics go with {better} {comparison.outcome.name} among models of one size and one R (rank"
        f" correlation)? {'; '.join(parts)}."
    )

"""The first screen after its headline: what else the numbers say, a sentence each."""

from nil_audit.comparison.findings import Association, Confounder, Prediction
from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.result import Comparison
from nil_audit.comparison.rules import figure


def sentences(found: Comparison) -> tuple[str, ...]:
    """Sentences about a comparison whose numbers are all there (its conclusion is not read)."""
    made = [
        _range(found),
        _raw(found),
        _controls(found),
        _bands(found),
        _floor(found),
        _out_of_sample(found),
        _contrast(found),
        _others(found),
        _protocols(found),
        _caveat(found),
    ]
    return tuple(sentence for sentence in made if sentence)


def _given(association: Association | None) -> str:
    if association is None:
        return "not known"
    return figure(association.estimate, association.low, association.high)


def _range(found: Comparison) -> str:
    primary = found.association(PRIMARY)
    if primary is None or primary.low is None or primary.high is None or primary.low > 0 or primary.high < 0:
        return ""
    return (
        f"A true correlation anywhere from {primary.low:+.2f} to {primary.high:+.2f} would be compatible with these"
        " data: neither no effect nor one at the ends of that range is ruled out."
    )


def _raw(found: Comparison) -> str:
    raw, ratio = found.association(PRIMARY, given="nothing"), found.association("ratio", given="nothing")
    size = next((one for one in found.confounders if one.key == "parameters"), None)
    if raw is None or ratio is None:
        return ""
    text = (
        f"Without anything held fixed, distance from the law's optimum goes with score by {_given(raw)}, and R itself"
        f" by {_given(ratio)}"
    )
    return f"{text}{_confounding(size)}." if size else f"{text}."


def _confounding(size: Confounder) -> str:
    return (
        f"; size goes with score by {figure(size.score, size.score_low, size.score_high)} and with R by"
        f" {figure(size.ratio, size.ratio_low, size.ratio_high)}, so the two are mixed"
    )


def _controls(found: Comparison) -> str:
    named = {
        "size": "the rank of parameters alone",
        "size_tokens": "the ranks of parameters and training tokens",
        "size_curve_release": "the size curve and the release month",
    }
    parts = [
        f"{words} {_given(association)} (n = {association.models})"
        for given, words in named.items()
        if (association := found.association(PRIMARY, given=given)) is not None
    ]
    return f"With other things held fixed: {'; '.join(parts)}." if parts else ""


def _bands(found: Comparison) -> str:
    parts = [
        f"{band.label} {_given(association)} (n = {association.models})"
        for band in found.bands
        if (association := found.association("ratio", given="nothing", subset=f"band:{band.key}")) is not None
    ]
    if len(parts) < 2:
        return ""
    return f"R with score inside size bands, where size still varies: {'; '.join(parts)}."


def _floor(found: Comparison) -> str:
    usable = [row for row in found.models if row.flag is None]
    count = sum(row.at_floor for row in usable)
    if not count:
        return ""
    above = found.association(PRIMARY, subset="above_floor")
    told = f" without them the figure is {_given(above)}." if above else " too few are left to test without them."
    return f"{count} of {len(usable)} models are at the chance floor, where score says nothing;{told}"


def _out_of_sample(found: Comparison) -> str:
    made = {one.split: one for one in found.predictions if one.predictor == PRIMARY}
    parts = []
    if halves := made.get("halves"):
        parts.append(f"over {halves.splits} random halves of families {_skill(halves)}")
    if release := made.get("release"):
        parts.append(f"fitted on families released before {release.cutoff}, for the later ones, {_skill(release)}")
    if not parts:
        return ""
    return f"Out of sample, the share of squared error that the deviation saves over size alone: {'; '.join(parts)}."


def _skill(made: Prediction) -> str:
    if made.low is None or made.high is None:
        return f"{100 * made.skill:+.1f}%"
    return f"{100 * made.skill:+.1f}% [{100 * made.low:+.1f}%, {100 * made.high:+.1f}%]"


def _contrast(found: Comparison) -> str:
    law = next((one for one in found.contrasts if one.study == "law"), None)
    if law is None:
        return ""
    ends = f" [{100 * law.low:+.1f}, {100 * law.high:+.1f}]" if law.low is not None and law.high is not None else ""
    return (
        f"The {law.inside} models inside the law's interval score {100 * law.difference:+.1f}{ends} points against the"
        f" {law.outside} outside, size held fixed."
    )


def _others(found: Comparison) -> str:
    tested = [a for a in found.associations if a.method == "spearman" and a.given == "size_curve" and a.subset == "all"]
    labels = {predictor.key: predictor.label for predictor in found.predictors}
    survive = [a for a in tested if a.p_adjusted is not None and a.p_adjusted < 0.05]
    if not any(a.p_adjusted is not None for a in tested):
        return ""
    if not survive:
        return f"None of the {len(tested)} numbers held against score survives correction for the tests made."
    named = "; ".join(f"{labels[a.predictor]} {_given(a)}" for a in survive)
    return f"Of the {len(tested)} numbers held against score, {len(survive)} survive correction for tests: {named}."


def _protocols(found: Comparison) -> str:
    others = [one for one in found.protocols if not one.chosen]
    parts = [
        f"{one.protocol} {figure(one.estimate, one.low, one.high)} (n = {one.models})"
        for one in others
        if one.estimate is not None and one.strength != "insufficient"
    ]
    few = sum(one.strength == "insufficient" for one in others)
    if not others:
        return ""
    text = f"By other protocols: {'; '.join(parts)}" if parts else "No other protocol has enough models to be tested"
    return f"{text}; {few} more have too few models." if parts and few else f"{text}."


def _caveat(found: Comparison) -> str:
    return (
        "Models differ in data, tokens and recipe as well as in shape, so a correlation over published models,"
        " whichever way it points, is not an experiment on shape."
    )

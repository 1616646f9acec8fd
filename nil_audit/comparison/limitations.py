"""What a comparison could not say, and why: a sentence each, so that silence is never mistaken for a result.

Every reason names how much there was, how much is needed, and where a user can give it. What does not apply to the
models (a floor that none is at, families where all are of one) is not missed.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nil_audit.comparison.effect.estimate import SPARE_MODELS
from nil_audit.comparison.effect.rows import subset_samples
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.findings import Effect
from nil_audit.comparison.outcome import Outcome
from nil_audit.comparison.predictors import METRICS
from nil_audit.comparison.reading.counted import listed
from nil_audit.comparison.result import Findings, Omission
from nil_audit.comparison.rules import ENOUGH_MODELS
from nil_audit.comparison.scrutiny.associations import seen_tokens
from nil_audit.comparison.scrutiny.censored import FEWEST_ABOVE
from nil_audit.comparison.scrutiny.contrasts import EACH_SIDE
from nil_audit.comparison.scrutiny.held_out import FEWEST_TRAINED_ON, GROUPS_EACH_SIDE, release_cutoff
from nil_audit.comparison.scrutiny.joint_test import FEWEST_UNITS
from nil_audit.comparison.scrutiny.matching import MONTHS_APART, SIZES_APART
from nil_audit.law.pooled import LOSS_PER_SIZE
from nil_audit.stats.jackknife import FEWEST_GROUPS

if TYPE_CHECKING:
    import pandas as pd

_FEWEST = SPARE_MODELS + 2
"""Models of known size that an effect needs: a constant and one column of size are held fixed at least."""


def limitations(
    table: "pd.DataFrame", findings: Findings, outcome: Outcome, *, studies: tuple[str, ...], quick: bool
) -> tuple[Omission, ...]:
    """Everything of a full comparison that this one lacks.

    Args:
        table: Of the protocol that is compared, flagged rows too.
        findings: Its numbers.
        outcome: What is held against shape.
        studies: Whose intervals models are held against.
        quick: Whether the specification curve and the influence analysis were left out on purpose.
    """
    usable = table[table["flag"] == ""]
    whole = subset_samples(table, outcome)["all"]
    primary = findings.effect("primary")
    lacking = list(_unsized(usable, outcome))
    if primary is None:
        lacking.append(
            Omission(what="the effect of shape, and everything made of it", reason=_no_effect(usable, whole))
        )
    else:
        lacking += _answer(primary, whole)
        lacking += _choices(findings, primary, whole, quick)
        lacking += _between(findings, whole)
        lacking += _held_fixed(findings, whole)
        lacking += _floor(findings, whole)
        lacking += [one for study in studies for one in _contrast(findings, whole, study)]
        lacking += _pairs(findings, whole)
        lacking += _out_of_sample(findings, whole)
        lacking += _dose(primary, whole)
    if not usable[[key for key in METRICS if key in usable]].notna().any(axis=None):
        how = "No model that is compared has any; 'nil-audit MODEL --out audit/' measures them."
        lacking.append(Omission(what="measured interaction metrics", reason=how))
    return tuple(lacking)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _one_family(whole: Sample) -> bool:
    return int(whole.table["family"].nunique()) < 2


def _units(whole: Sample) -> str:
    """What is left out whole."""
    return "models" if _one_family(whole) else "families"


def _groups(whole: Sample) -> str:
    """How many of these there are."""
    return _count(whole.groups, *(("model", "models") if _one_family(whole) else ("family", "families")))


def _unsized(usable: "pd.DataFrame", outcome: Outcome) -> Iterator[Omission]:
    names = usable["model"][usable["size"].isna()].tolist()
    if names:
        named = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        yield Omission(
            what="results at a fixed size, for every model",
            reason=f"{outcome.size} of {named} {'is' if len(names) == 1 else 'are'} not known; a model list with that"
            " column adds it.",
        )


def _no_effect(usable: "pd.DataFrame", whole: Sample) -> str:
    """Why there is no primary effect."""
    if whole.models < _FEWEST:
        known = f"{whole.outcome.size} is known of {whole.models} of {_count(len(usable), 'model', 'models')}"
        return f"{known}, and at least {_FEWEST} are needed; give more models, or their sizes in a model list."
    if whole.table["ratio"].nunique() == 1:
        return "All models have one depth-width ratio; models of other shapes are needed."
    if len(set(whole.response.tolist())) == 1:
        return "All scores are alike, so nothing goes with anything."
    if len(set(whole.size.tolist())) == 1:
        return (
            "All models are of one size, so what a score gains with size, by which a predicted loss is read in points,"
            " cannot be fitted; models of other sizes are needed, or a loss (--lower-is-better)."
        )
    return "What shapes cost follows from size alone in these models; models of one size and other shapes are needed."


def _dose(primary: Effect, whole: Sample) -> Iterator[Omission]:
    """Where the prediction is not one: of the models that a study was fitted to, of another size, below zero."""
    outcome = whole.outcome
    own = int((whole.table["family"].str.lower() == primary.study).sum())
    if own:
        yield Omission(
            what=f"a test of the {primary.study} study by the models that it was fitted to",
            reason=f"{_count(own, 'model is', 'models are')} of the family of that name: agreement there says that the"
            " form fits, and no more; --interval tests another study by them.",
        )
    if outcome.lower_is_better:
        return
    if outcome.size != "parameters":
        yield Omission(
            what=f"what a predicted loss is worth in {outcome.size}",
            reason=f"1% of loss is taken for 1/{100 * LOSS_PER_SIZE:.1f} of an e-fold of it, as of all parameters;"
            " where the two do not rise together, the predicted cost is off by as much.",
        )
    below = whole.table["model"][whole.table["dose"] < 0]
    if len(below):
        yield Omission(
            what=f"a predicted cost of {listed(below.tolist())}",
            reason="Where these stand, the curve of score on size falls, so that the cost comes out below zero.",
        )


def _answer(primary: Effect, whole: Sample) -> Iterator[Omission]:
    """Why the effect has no interval, or gives no answer."""
    if primary.estimate.interval is None:
        if whole.groups < FEWEST_GROUPS:
            reason = (
                f"Models of known size are of {_groups(whole)}, and at least {FEWEST_GROUPS} are needed; give more"
                " families, or name families more finely in a model list."
            )
        else:
            reason = "The effect cannot be made without some family, or no family changes it."
        yield Omission(what="an interval of the effect, and so an answer", reason=reason)
    elif whole.models < ENOUGH_MODELS:
        reason = f"{whole.models} models are of known size, and at least {ENOUGH_MODELS} are needed."
        yield Omission(what="an answer", reason=reason)


def _choices(findings: Findings, primary: Effect, whole: Sample, quick: bool) -> Iterator[Omission]:
    """Why there is no specification curve, no test of it, and no influence analysis."""
    if quick:
        what = "the specification curve, and what the answer hangs on"
        yield Omission(what=what, reason="They were left out (--quick); without that they are made.")
    elif primary.estimate.interval is None:
        pass  # said once, of the effect
    elif findings.specifications is None:
        yield Omission(what="the specification curve", reason="No specification has an interval.")
    elif findings.specifications.p is None and findings.specifications.permutations:
        yield Omission(
            what="a joint test of the specification curve",
            reason=f"Scores change places between {_units(whole)} of one size band, and fewer than {FEWEST_UNITS} share"
            " one.",
        )


def _between(findings: Findings, whole: Sample) -> Iterator[Omission]:
    """What cannot be said of families and organisations."""
    if _one_family(whole):
        yield Omission(
            what="what lies between families",
            reason="All models are of one family, so models are left out one by one, as if their errors had nothing in"
            " common.",
        )
        return
    if findings.effect("within_family") is None:
        several = int((whole.table["family"].value_counts() > 1).sum())
        why = "shapes do not vary within them once size is held fixed" if several else "each has one model"
        yield Omission(
            what="an intercept a family",
            reason=f"Of {_groups(whole)} of known size {why}; models of one family and other shapes are needed.",
        )
    organisations = int(whole.table["organisation"].nunique())
    row = findings.effect("organisations")
    if organisations > 1 and (row is None or row.estimate.interval is None):
        yield Omission(
            what="an interval over organisations",
            reason=f"Models are of {organisations} organisations, and at least {FEWEST_GROUPS} are needed.",
        )


def _held_fixed(findings: Findings, whole: Sample) -> Iterator[Omission]:
    """Why release or training tokens are not held fixed; nothing where they do not differ."""
    tokens = whole.table.assign(seen=seen_tokens(whole.table))["seen"]
    for what, row, column, known in (
        ("release", "release", "release", whole.table["month"].dropna()),
        ("training tokens", "tokens", "tokens", tokens[tokens > 0]),
    ):
        if findings.effect(row) is not None or (known.nunique() == 1 and len(known) == whole.models):
            continue
        if known.empty and _one_family(whole):
            continue  # of one recipe, as far as is told
        count = len(known)
        short = count <= SPARE_MODELS + 2
        why = "which is too few" if short else "and among these it does not vary once size is held fixed"
        reason = (
            f"It is known of {count} of {whole.models} models, {why}; a model list with the column {column!r} adds it."
        )
        yield Omission(what=f"{what} held fixed", reason=reason)


def _floor(findings: Findings, whole: Sample) -> Iterator[Omission]:
    """Why scores at the floor are not modelled as censored, or their reliability is not known."""
    at_floor = whole.table["at_floor"].to_numpy(dtype=bool)
    if not at_floor.any():
        return
    above = int((~at_floor).sum())
    if findings.effect("censored") is None:
        short = f"{_count(above, 'model is', 'models are')} above the floor, and at least {FEWEST_ABOVE} are needed"
        why = short if above < FEWEST_ABOVE else "The fit does not converge on these models"
        yield Omission(what="scores at the floor as censored", reason=f"{why}.")
    found = findings.floor
    if found is None:
        return
    for side, count, value in (
        ("at", found.below, found.reliability_below),
        ("above", found.above, found.reliability_above),
    ):
        if value is None and count:
            yield Omission(
                what=f"the reliability of scores {side} the floor",
                reason=f"{_count(count, 'model is', 'models are')} there; it needs more than a fit on size does, and"
                " standard errors of their scores (the column 'stderr', or OUTCOME_stderr).",
            )


def _contrast(findings: Findings, whole: Sample, study: str) -> Iterator[Omission]:
    """Why inside is not held against outside of a study's interval, or without an interval."""
    found = next((one for one in findings.contrasts if one.study == study), None)
    inside = (whole.table[f"distance_{study}"] == 0).to_numpy()
    sides = int(inside.sum()), int((~inside).sum())
    if found is None:
        lie = _count(sides[0], "model lies", "models lie")
        few = f"{lie} inside and {sides[1]} outside; at least {EACH_SIDE} on each side are needed"
        why = few if min(sides) < EACH_SIDE else "Which models lie inside follows from their size alone"
        yield Omission(what=f"inside against outside the interval of {study}", reason=f"{why}.")
    elif found.estimate.interval is None and whole.groups >= FEWEST_GROUPS:
        yield Omission(
            what=f"an interval of inside against outside of {study}",
            reason=f"The models of one side are of fewer than {EACH_SIDE} families.",
        )


def _pairs(findings: Findings, whole: Sample) -> Iterator[Omission]:
    """Why no model inside an interval is matched with one outside."""
    if _one_family(whole) or not findings.contrasts or any(one.matched is not None for one in findings.contrasts):
        return
    dated = int(whole.table["month"].notna().sum())
    yield Omission(
        what="matched pairs",
        reason=f"No model inside an interval has one of another family outside it whose size is within"
        f" {SIZES_APART:.0%} and whose release is within {MONTHS_APART} months; a release is known of {dated} of"
        f" {whole.models} models.",
    )


def _out_of_sample(findings: Findings, whole: Sample) -> Iterator[Omission]:
    """Why nothing is predicted out of sample."""
    made = {one.split for one in findings.skills}
    needed = 2 * GROUPS_EACH_SIDE
    if "halves" not in made:
        few = f"Models of known size are of {_groups(whole)}, and {needed} are needed: {GROUPS_EACH_SIDE} in each half"
        if _one_family(whole):
            few = f"{_groups(whole)} are of known size, and {needed} are needed: {GROUPS_EACH_SIDE} in each half"
        larger = f"A fit needs more than {FEWEST_TRAINED_ON} models, and no half of the {whole.models} holds as many"
        yield Omission(what="out of sample by random halves", reason=f"{few if whole.groups < needed else larger}.")
    dated = whole.table["month"].dropna()
    if "release" in made or (_one_family(whole) and dated.nunique() < 2):
        return
    cutoff = release_cutoff(whole.table)
    if cutoff != cutoff:
        reason = (
            f"A release is known of {len(dated)} of {whole.models} models, and no month has {GROUPS_EACH_SIDE}"
            f" {_units(whole)} that came before it and {GROUPS_EACH_SIDE} that did not."
        )
    else:
        reason = f"A fit needs more than {FEWEST_TRAINED_ON} models, and the earlier ones are fewer."
    yield Omission(what="out of sample by release", reason=reason)

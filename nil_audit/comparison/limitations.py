"""What a comparison could not say, and why: a sentence each, so that silence is never mistaken for a result."""

from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.result import Comparison, Unavailable
from nil_audit.comparison.rules import FEWEST_FAMILIES, FEWEST_MODELS


def gaps(found: Comparison) -> tuple[Unavailable, ...]:
    """Everything of a full study that this one lacks.

    Args:
        found: The study, its numbers made.
    """
    usable = [row for row in found.models if row.flag is None]
    families = {row.family for row in usable}
    unsized = [row.model for row in usable if row.parameters is None]
    dated = [row for row in usable if row.release is not None]
    told = [row for row in usable if row.tokens is not None]
    few = (
        f"{len(usable)} model{'' if len(usable) == 1 else 's'} of"
        f" {len(families)} famil{'y' if len(families) == 1 else 'ies'}, and at least {FEWEST_MODELS} models of"
        f" {FEWEST_FAMILIES} families are needed."
    )
    missing: list[tuple[str, str]] = []
    if unsized:
        named = ", ".join(unsized[:3]) + (f" and {len(unsized) - 3} more" if len(unsized) > 3 else "")
        missing.append(
            (
                "size-adjusted results for every model",
                f"Parameters of {named} are not known, so size cannot be held fixed for"
                f" {'it' if len(unsized) == 1 else 'them'}; add the column 'parameters'.",
            )
        )
    if len(families) < FEWEST_FAMILIES:
        missing.append(("intervals and p-values", f"They resample whole families: there are {few}"))
    if found.association(PRIMARY) is None:
        missing.append(("the correlation with size held fixed", f"There are {few}"))
    if not any(one.unit == "family" for one in found.permutations):
        missing.append(("the permutation test", "Too few families share a size band with another."))
    if not found.leave_one_family_out:
        missing.append(("leaving families out in turn", f"There are {few}"))
    if found.association(PRIMARY, given="size_curve_tokens") is None:
        missing.append(("training tokens held fixed", f"They are known of {len(told)} of {len(usable)} models."))
    if found.association(PRIMARY, given="size_curve_release") is None:
        missing.append(("release held fixed", f"The month is known of {len(dated)} of {len(usable)} models."))
    splits = {one.split for one in found.predictions if one.predictor == PRIMARY}
    if "release" not in splits:
        missing.append(
            ("out of sample by release", "No month has enough families with known parameters on both sides.")
        )
    if "halves" not in splits:
        missing.append(("out of sample by random halves", f"The halves would be too small: {few}"))
    compared = {one.study for one in found.contrasts}
    for study in ("law", "morph", "chinchilla", "all"):
        if study not in compared:
            name = "all three intervals" if study == "all" else f"the {study} interval"
            missing.append((f"inside against outside of {name}", "Fewer than 3 models of known size are on one side."))
    if not any(row.metrics for row in usable):
        missing.append(
            ("measured interaction metrics", "No record with them was given; 'nil-audit MODEL --out DIR' writes them.")
        )
    return tuple(Unavailable(what=what, reason=reason) for what, reason in missing)

"""What a comparison could not say, and why: a sentence each, so that silence is never mistaken for a result."""

from typing import TYPE_CHECKING

from nil_audit.comparison.contrast import EACH_SIDE
from nil_audit.comparison.predictors import METRICS, PRIMARY
from nil_audit.comparison.result import Findings, Omission
from nil_audit.comparison.rules import ENOUGH_FAMILIES, ENOUGH_MODELS
from nil_audit.law.studies import studies

if TYPE_CHECKING:
    import pandas as pd


def limitations(usable: "pd.DataFrame", findings: Findings) -> tuple[Omission, ...]:
    """Everything of a full comparison that this one lacks.

    Args:
        usable: The rows of its table that are not flagged.
        findings: Its numbers.
    """
    models, families = len(usable), usable["family"].nunique()
    unsized = usable["model"][usable["parameters"].isna()].tolist()
    few = (
        f"{models} model{'' if models == 1 else 's'} of {families} famil{'y' if families == 1 else 'ies'}, and at least"
        f" {ENOUGH_MODELS} models of {ENOUGH_FAMILIES} families are needed."
    )
    named = ", ".join(unsized[:3]) + (f" and {len(unsized) - 3} more" if len(unsized) > 3 else "")
    told = f"known of {usable['tokens'].notna().sum()} of {models} models."
    dated = f"known of {(usable['release'] != '').sum()} of {models} models."
    found = [
        (
            bool(unsized),
            "size-adjusted results for every model",
            f"Parameters of {named} are not known, so size cannot be held fixed for"
            f" {'it' if len(unsized) == 1 else 'them'}; add the column 'parameters'.",
        ),
        (
            families < ENOUGH_FAMILIES,
            "intervals and p-values",
            f"They leave whole families out: there are {few}",
        ),
        (
            findings.association(PRIMARY) is None,
            "the correlation with size held fixed",
            f"There are {few}",
        ),
        (
            not findings.permutations,
            "the permutation test",
            "Too few families share a size band with another.",
        ),
        (
            not findings.left_out,
            "leaving families out in turn",
            f"There are {few}",
        ),
        (
            findings.association(PRIMARY, given="size_curve_tokens") is None,
            "training tokens held fixed",
            f"They are {told}",
        ),
        (
            findings.association(PRIMARY, given="size_curve_release") is None,
            "release held fixed",
            f"The month is {dated}",
        ),
        (
            findings.skill(PRIMARY, "release") is None,
            "out of sample by release",
            "No month has enough families with known parameters on both sides.",
        ),
        (
            findings.skill(PRIMARY, "halves") is None,
            "out of sample by random halves",
            f"The halves would be too small: {few}",
        ),
        *(
            (
                findings.contrast(study) is None,
                f"inside against outside of {name}",
                f"Fewer than {EACH_SIDE} models of known size are on one side.",
            )
            for study, name in [
                *((one.name, f"the {one.name} interval") for one in studies()),
                ("all", "all three intervals"),
            ]
        ),
        (
            not usable[[key for key in METRICS if key in usable]].notna().any(axis=None),
            "measured interaction metrics",
            "No record with them was given; 'nil-audit MODEL --out DIR' writes them.",
        ),
    ]
    return tuple(Omission(what=what, reason=reason) for missing, what, reason in found if missing)

"""What a comparison could not say, and why: a sentence each, so that silence is never mistaken for a result."""

from typing import TYPE_CHECKING

from nil_audit.comparison.contrast import EACH_SIDE
from nil_audit.comparison.predictors import METRICS, PRIMARY
from nil_audit.comparison.result import Findings, Omission
from nil_audit.comparison.rules import ENOUGH_FAMILIES, ENOUGH_MODELS
from nil_audit.comparison.skill import FAMILIES_EACH_SIDE, FEWEST_TRAINED_ON
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
    sized = usable[usable["parameters"].notna()]
    if len(sized) >= ENOUGH_MODELS and sized["family"].nunique() >= ENOUGH_FAMILIES:
        unmade = "Shapes or scores do not vary once size is held fixed."
    else:
        unmade = f"There are {_few(sized, ' of known size' if unsized else '')}"
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
            f"They leave whole families out: there are {_few(usable)}",
        ),
        (
            findings.association(PRIMARY) is None,
            "the correlation with size held fixed",
            unmade,
        ),
        (
            not findings.permutations,
            "the permutation test",
            "Too few families share a size band with another.",
        ),
        (
            not findings.left_out,
            "leaving families out in turn",
            unmade,
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
            f"Each half needs {FAMILIES_EACH_SIDE} families of known size, and the one that is fitted"
            f" {FEWEST_TRAINED_ON} models or more.",
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


def _few(rows: "pd.DataFrame", kind: str = "") -> str:
    """How many models there are, and how many are needed."""
    models, families = len(rows), rows["family"].nunique()
    return (
        f"{models} model{'' if models == 1 else 's'}{kind} of {families} famil{'y' if families == 1 else 'ies'}, and at"
        f" least {ENOUGH_MODELS} models of {ENOUGH_FAMILIES} families are needed."
    )

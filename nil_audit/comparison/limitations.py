"""What a comparison could not say, and why: a sentence each, so that silence is never mistaken for a result.

Every reason is asked of the room that did not make the number: how much it needs, and how much there was.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nil_audit.comparison.contrast import EACH_SIDE, inside
from nil_audit.comparison.correlation import FEWEST_LEFT_OUT, GIVEN, models_needed
from nil_audit.comparison.permutation import FEWEST_UNITS, units_that_share
from nil_audit.comparison.predictors import METRICS, PRIMARY, known
from nil_audit.comparison.result import Findings, Omission
from nil_audit.comparison.skill import FAMILIES_EACH_SIDE, fewest_fitted, first_release, release_cutoff
from nil_audit.comparison.table import month_name
from nil_audit.law.studies import studies
from nil_audit.stats.jackknife import FEWEST_GROUPS

if TYPE_CHECKING:
    import pandas as pd

_FIXED = {
    "size_curve": "size",
    "size_curve_tokens": "size and training tokens",
    "size_curve_release": "size and release",
}


def limitations(usable: "pd.DataFrame", findings: Findings) -> tuple[Omission, ...]:
    """Everything of a full comparison that this one lacks.

    Args:
        usable: The rows of its table that are not flagged.
        findings: Its numbers.
    """
    sized = usable[usable["parameters"].notna()]
    primary = findings.association(PRIMARY)
    left_out = findings.without_families(PRIMARY)
    has_metrics = usable[[key for key in METRICS if key in usable]].notna().any(axis=None)
    lacking: list[tuple[bool, str, Callable[[], str]]] = [
        (len(sized) < len(usable), "size-adjusted results for every model", lambda: _unsized(usable)),
        (primary is None, "the correlation with size held fixed", lambda: _correlation(usable, "size_curve")),
        (
            primary is None or primary.estimate.interval is None,
            "intervals and p-values with size held fixed",
            lambda: _families(sized, FEWEST_GROUPS) if primary else _correlation(usable, "size_curve"),
        ),
        (findings.permutation(PRIMARY) is None, "the permutation test", lambda: _permutation(sized)),
        (
            left_out is None,
            "leaving families out in turn",
            lambda: _families(sized, FEWEST_LEFT_OUT) if primary else _correlation(usable, "size_curve"),
        ),
        *(
            (
                findings.association(PRIMARY, given=given) is None,
                f"{what} held fixed",
                lambda given=given: _correlation(usable, given),
            )
            for given, what in (("size_curve_tokens", "training tokens"), ("size_curve_release", "release"))
        ),
        (findings.skill(PRIMARY, "release") is None, "out of sample by release", lambda: _later(usable, sized)),
        (findings.skill(PRIMARY, "halves") is None, "out of sample by random halves", lambda: _halves(sized)),
        *(
            (
                findings.contrast(study) is None,
                f"inside against outside of {name}",
                lambda study=study: _contrast(sized, study),
            )
            for study, name in [
                *((one.name, f"the {one.name} interval") for one in studies()),
                ("all", "all three intervals"),
            ]
        ),
        (
            not has_metrics,
            "measured interaction metrics",
            lambda: "No model that is compared has any; 'nil-audit MODEL --out DIR' measures them.",
        ),
    ]
    return tuple(Omission(what=what, reason=reason()) for missing, what, reason in lacking if missing)


def _unsized(usable: "pd.DataFrame") -> str:
    names = usable["model"][usable["parameters"].isna()].tolist()
    named = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"Parameters of {named} are not known, so size cannot be held fixed for"
        f" {'it' if len(names) == 1 else 'them'}; add the column 'parameters'."
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _correlation(usable: "pd.DataFrame", given: str) -> str:
    """Why a partial correlation was not made: too few models with its numbers, or nothing that varies among them."""
    controls = [name for name in GIVEN[given] if name != "curve"]
    rows = usable[known(usable, "score", PRIMARY, *controls)]
    needed = models_needed(rows, given)
    if len(rows) < needed:
        return (
            f"{_FIXED[given].capitalize()} {'is' if len(controls) == 1 else 'are'} known of {len(rows)} of"
            f" {_count(len(usable), 'model', 'models')}, and at least {needed} are needed."
        )
    return f"Shapes or scores do not vary once {_FIXED[given]} {'is' if len(controls) == 1 else 'are'} held fixed."


def _families(sized: "pd.DataFrame", needed: int) -> str:
    """Why nothing was made that leaves families out, though the correlation was."""
    there = sized["family"].nunique()
    if there < needed:
        return f"{_count(there, 'family has', 'families have')} models of known size, and at least {needed} are needed."
    return "The correlation cannot be made without some family, or no family changes it."


def _permutation(sized: "pd.DataFrame") -> str:
    there = units_that_share(sized)
    if there < FEWEST_UNITS:
        return (
            f"{_count(there, 'family shares', 'families share')} a size band with another (counted once a band), and at"
            f" least {FEWEST_UNITS} are needed."
        )
    return "Shapes or scores do not vary within size bands once size is held fixed."


def _later(usable: "pd.DataFrame", sized: "pd.DataFrame") -> str:
    cutoff = release_cutoff(usable)
    if cutoff != cutoff:
        dated = usable["family"][first_release(usable).notna()].nunique()
        return (
            f"A release is known of {_count(dated, 'family', 'families')}, and no month has {FAMILIES_EACH_SIDE} that"
            f" came before it and {FAMILIES_EACH_SIDE} that did not."
        )
    first = first_release(sized)
    before, after = sized[first < cutoff], sized[first >= cutoff]
    sides = [side["family"].nunique() for side in (before, after)]
    needed = fewest_fitted(sized[first.notna()]) if first.notna().any() else 0
    if min(sides) < FAMILIES_EACH_SIDE or len(before) < needed:
        return (
            f"Models of known size: {len(before)} of {_count(sides[0], 'family', 'families')} first released before"
            f" {month_name(cutoff)}, and later ones of {_count(sides[1], 'family', 'families')}; at least {needed}"
            f" models, and {FAMILIES_EACH_SIDE} families on each side, are needed."
        )
    return "All scores are alike."


def _halves(sized: "pd.DataFrame") -> str:
    families = sized["family"].nunique()
    if families < 2 * FAMILIES_EACH_SIDE:
        return (
            f"{_count(families, 'family has', 'families have')} models of known size, and {2 * FAMILIES_EACH_SIDE} are"
            f" needed: {FAMILIES_EACH_SIDE} in each half."
        )
    if sized["score"].nunique() == 1:
        return "All scores are alike."
    return (
        f"A fit needs {fewest_fitted(sized)} models, and no half of the families that was drawn holds as many of the"
        f" {len(sized)} of known size."
    )


def _contrast(sized: "pd.DataFrame", study: str) -> str:
    within = inside(sized, study)
    sides = int(within.sum()), int((~within).sum())
    if min(sides) < EACH_SIDE:
        return (
            f"Models of known size: {sides[0]} inside and {sides[1]} outside; at least {EACH_SIDE} on each side are"
            " needed."
        )
    return "Which models are inside follows from their size alone."

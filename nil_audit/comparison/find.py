"""Every number of the comparison of one protocol: which tests are made on which models."""

from typing import TYPE_CHECKING

from nil_audit.comparison.contrast import contrast
from nil_audit.comparison.correlation import GIVEN, correlate, families_left_out, subsets
from nil_audit.comparison.permutation import permutation_tests
from nil_audit.comparison.predictors import CONFOUNDERS, predictors
from nil_audit.comparison.result import Association, Findings, Options
from nil_audit.comparison.skill import skills
from nil_audit.law.studies import studies

if TYPE_CHECKING:
    import pandas as pd

PEARSON_GIVEN = ("nothing", "size", "size_tokens", "size_curve")
SUBSET_GIVEN = ("nothing", "size", "size_curve")


def find(table: "pd.DataFrame", options: Options) -> Findings:
    """Every number that the models of one protocol give.

    Args:
        table: From `nil_audit.comparison.table.derive`, flagged rows too.
        options: Its seed, permutations and splits.
    """
    usable = table[table["flag"] == ""]
    keys = [one.key for one in predictors(usable)]
    sized = usable[usable["parameters"].notna()]
    compared = [contrast(sized, name) for name in (*(study.name for study in studies()), "all")]
    return Findings(
        associations=tuple(_associations(table, usable, keys)),
        permutations=tuple(permutation_tests(usable, keys, permutations=options.permutations, seed=options.seed)),
        left_out=tuple(families_left_out(usable, keys)),
        contrasts=tuple(one for one in compared if one is not None),
        skills=tuple(skills(usable, keys, splits=options.splits, seed=options.seed)),
    )


def _associations(table: "pd.DataFrame", usable: "pd.DataFrame", keys: list[str]) -> list[Association]:
    """The main table, the only one corrected for the number of tests; Pearson's; every subset; the confounders."""
    found = correlate(usable, keys, given=GIVEN, corrected=True)
    found += correlate(usable, keys, given=PEARSON_GIVEN, method="pearson")
    for name, models in subsets(table).items():
        found += correlate(table[models], keys, given=SUBSET_GIVEN, subset=name)
    for outcome in ("score", "ratio"):
        found += correlate(usable, CONFOUNDERS, given=("nothing",), outcome=outcome)
    return found

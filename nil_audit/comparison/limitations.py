"""What a comparison could not say, and why: a sentence each, so that silence is never mistaken for a result."""

from typing import TYPE_CHECKING

from nil_audit.comparison.result import Findings, Omission

if TYPE_CHECKING:
    import pandas as pd


def limitations(usable: "pd.DataFrame", findings: Findings) -> tuple[Omission, ...]:
    """Everything of a full comparison that this one lacks.

    Args:
        usable: The rows of its table that are not flagged.
        findings: Its numbers.
    """
    return ()

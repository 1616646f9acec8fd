"""What is held against shape: MMLU-Pro unless another score, or a loss, is named."""

from dataclasses import dataclass

import numpy as np

from nil_audit.stats.estimate import Array

LOSS = "% of loss"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A number of each model that shape may move, and the size that is held fixed.

    Attributes:
        name: "MMLU-Pro", or the name of the column.
        column: The column that it is read from; None: MMLU-Pro, by protocol.
        lower_is_better: It is a loss (in nats or bits, not a perplexity), whose logarithm is studied.
        unit: Of the response: "points" (100 times a score between 0 and 1), "% of loss" (100 times its logarithm), or
            "units" (a score on a scale of its own).
        floor: The score of guessing, in the score's own unit; None: it has none.
        size: Column of the size that is held fixed.
    """

    name: str = "MMLU-Pro"
    column: str | None = None
    lower_is_better: bool = False
    unit: str = "points"
    floor: float | None = None
    size: str = "parameters"

    @property
    def scale(self) -> float:
        """What a score is multiplied by in the response; for a loss, its logarithm."""
        return {"points": 100.0, LOSS: -100.0, "units": 1.0}[self.unit]

    def response(self, scores: Array) -> Array:
        """Scores in the unit of the response, so that higher is better, shape (n,)."""
        return self.scale * (np.log(scores) if self.lower_is_better else scores)


def outcome_of(
    scores: Array, *, column: str | None, lower_is_better: bool, floor: float | None, size: str = "parameters"
) -> Outcome:
    """The outcome that a column of scores is.

    Args:
        scores: Shape (n,), of every model that has one.
        column: Its name; None for MMLU-Pro.
        lower_is_better: It is a loss.
        floor: The score of guessing; None: none, or for MMLU-Pro the one of `nil_audit.comparison.table`.
        size: Column of the size that is held fixed.
    """
    fraction = bool(len(scores)) and float(np.min(scores)) >= 0 and float(np.max(scores)) <= 1
    unit = LOSS if lower_is_better else "points" if fraction else "units"
    named = {} if column is None else {"name": column, "column": column}
    return Outcome(**named, lower_is_better=lower_is_better, unit=unit, floor=floor, size=size)

"""The chance floor: how much of what is left of scores, once size is held fixed, is more than sampling error."""

import numpy as np

from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.comparison.effect.estimate import SPARE_MODELS, design
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.findings import Floor
from nil_audit.comparison.table import MMLU_PRO_FLOOR
from nil_audit.stats.estimate import Array


def floor(sample: Sample, control: str) -> Floor | None:
    """What the chance floor leaves; None where no model is at it, or the outcome is a loss.

    Args:
        sample: The models.
        control: The size control.
    """
    below = sample.table["at_floor"].to_numpy(dtype=bool)
    outcome = sample.outcome
    level = MMLU_PRO_FLOOR if outcome.floor is None and outcome.column is None else outcome.floor
    if level is None or outcome.lower_is_better or not below.any():
        return None
    return Floor(
        level=level,
        below=int(below.sum()),
        above=int((~below).sum()),
        reliability_below=reliability(sample.part(below), control),
        reliability_above=reliability(sample.part(~below), control),
    )


def reliability(sample: Sample, control: str) -> float | None:
    """Share of the variance of size-adjusted responses that is not sampling error.

        1 - mean squared standard error / mean squared residual

    The residuals are those of the size control fitted to these models alone, its knots, ranks and bands taken from
    them. What sampling error the fit takes up is not counted against it, so with few models the share is a little low.

    Args:
        sample: Models of one side of the floor.
        control: The size control.

    Returns:
        At most 1; below 0 where residuals vary less than by sampling error alone. None with too few models, without
        standard errors, or where nothing is left.
    """
    error = _errors(sample)
    if not sample.models or not np.isfinite(error).all():
        return None
    held = design(sample, control)
    if sample.models < SPARE_MODELS + held.shape[1]:
        return None
    left = sample.response - held @ np.linalg.lstsq(held, sample.response, rcond=None)[0]
    variance = float((left**2).mean())
    return 1 - float((error**2).mean()) / variance if variance > 0 else None


def _errors(sample: Sample) -> Array:
    """Standard errors of the responses, shape (n,): those given; of MMLU-Pro's full test set where one is missing."""
    score, given = (sample.table[name].to_numpy(dtype=float) for name in ("score", "stderr"))
    if sample.outcome.column is None:
        given = np.where(np.isfinite(given), given, np.sqrt(score * (1 - score) / MMLU_PRO_QUESTIONS))
    return sample.outcome.scale * given

"""The dose: what a study says a model's shape costs it, in the unit of the response.

A study predicts a relative excess loss. For a loss that is the dose already: 100 ln(1 + excess), in per cent. For a
score the excess is turned into parameters (`LOSS_PER_SIZE`), and those into score by the local slope of the curve of
score on ln size, which is fitted to the models themselves:

    dose = excess / 0.039 x slope(ln size)         points of score

Every dose is linear in the coefficients b of that curve, dose = fixed + terms b, so that it can be refitted in every
sample at little cost.
"""

from dataclasses import dataclass, replace

import numpy as np

from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.effect.size import spread
from nil_audit.law.pooled import LOSS_PER_SIZE
from nil_audit.stats.estimate import Array
from nil_audit.stats.spline import degrees, natural_spline, natural_spline_slope, spline_knots

LOSS_PER_SIZE_RANGE = (0.03, 0.055)
"""From the smallest to the largest value of it that published fits give between 0.1B and 10B parameters."""

SLOPES = ("spline", "quadratic", "step")
"""Where the slope is taken from: the natural spline of size with three columns (two under 30 models, a line under
15); a parabola; or, instead of a slope, the whole step down the spline: score(size) - score(size less what the excess
is worth)."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """A dose before the curve of response on size is fitted.

    Attributes:
        curve: Columns of that curve, the constant first, shape (n, q); q = 0 for a loss.
        terms: What each coefficient adds to the dose, shape (n, q).
        fixed: What does not depend on the curve, shape (n,): zero for a score, the dose for a loss.
    """

    curve: Array
    terms: Array
    fixed: Array

    def dose(self, response: Array) -> Array:
        """The dose when the curve is fitted to responses by least squares, shape (n,)."""
        if not self.curve.shape[1]:
            return self.fixed
        return self.fixed + self.terms @ np.linalg.lstsq(self.curve, response, rcond=None)[0]


def dose_terms(
    sample: Sample,
    excess: Array,
    *,
    loss_per_size: float = LOSS_PER_SIZE,
    slope: str = "spline",
    like: Array | None = None,
) -> Terms:
    """The dose of a predicted excess loss.

    Args:
        sample: The models.
        excess: Relative excess loss of each one's shape, shape (n,); `Sample.excess` of a study.
        loss_per_size: -d ln loss / d ln size.
        slope: One of `SLOPES`.
        like: ln size of the models that the curve's knots are taken from, shape (m,); None: of all of them.
    """
    if sample.outcome.lower_is_better:
        nothing = np.zeros((sample.models, 0))
        return Terms(curve=nothing, terms=nothing, fixed=100 * np.log1p(excess))
    size, worth = sample.size, excess / loss_per_size
    like = size if like is None else like
    centre, scale = like.mean(), spread(like)
    knots = spline_knots(like, degrees(len(like)))
    if slope == "quadratic":
        centred = (size - centre) / scale
        curve = np.column_stack([centred, centred**2])
        terms = np.column_stack([worth / scale, worth * 2 * centred / scale])
    elif len(knots) < 2:
        curve, terms = ((size - centre) / scale)[:, None], (worth / scale)[:, None]
    else:
        curve = natural_spline(size, knots)
        step = slope == "step"
        terms = (
            curve - natural_spline(size - worth, knots) if step else worth[:, None] * natural_spline_slope(size, knots)
        )
    zeros = np.zeros(len(size))
    return Terms(curve=np.column_stack([np.ones(len(size)), curve]), terms=np.column_stack([zeros, terms]), fixed=zeros)


def predicted_terms(sample: Sample, excess: Array, *, loss_per_size: float = LOSS_PER_SIZE) -> Terms:
    """The dose in a world in which the prediction holds.

    There the curve that is fitted to scores has the cost of shape in it already, and is flatter than the one that the
    slope is meant to be of. So the curve is fitted at the size that a model of the best shape would need, ln size less
    excess / 0.039, and the dose is the whole step down it. The prediction is tested with this dose; see
    `nil_audit.comparison.rules`.

    Args:
        sample: The models.
        excess: Relative excess loss of each one's shape, shape (n,).
        loss_per_size: -d ln loss / d ln size.
    """
    if sample.outcome.lower_is_better:
        return dose_terms(sample, excess)
    # Knots where models of the best shape would stand, or few distinct shapes leave the curve undetermined.
    best = sample.size - excess / loss_per_size
    terms = dose_terms(sample, excess, loss_per_size=loss_per_size, slope="step", like=best)
    return replace(terms, curve=terms.curve - terms.terms)


def dose(sample: Sample, study: str) -> Array:
    """The dose of a study, its curve fitted to all of the models, in the unit of the response, shape (n,)."""
    return dose_terms(sample, sample.excess(study)).dose(sample.response)

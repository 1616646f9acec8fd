"""Which shape of a budget to train, by a stated rule, and whether its gain can be told from none.

What is gained is expected under the pooled studies, a difference of body parameters being worth what the size of a
model is. Two runs of one shape differ by the noise, so a smaller gain is worth no change: the candidate is kept. Of
the alternatives that gain more, and come within the noise of the one that gains most, those are taken that every study
alone predicts less loss of (all of them where there is none), and of these the one that decodes fastest. With its 95%
predictive interval above the noise the advice is to change; where it is above zero, or every study says so, to consider
it; else the studies differ, and which shape is better cannot be told.
"""

import math
from collections.abc import Mapping, Sequence

from nil_audit.candidate.result import Action, Reason, Recommendation
from nil_audit.law.pooled import LOSS_PER_SIZE, Reference
from nil_audit.shape.architecture import Shape
from nil_audit.stats.estimate import Estimate


def recommend(
    gains: Sequence[Estimate], agreed: Sequence[bool], seconds: Sequence[float], *, noise: float
) -> Recommendation:
    """Apply the rule of this module.

    Args:
        gains: What ln loss is expected to fall by from going to each alternative, with its 95% predictive interval.
        agreed: Whether every study alone predicts less loss of it.
        seconds: Of a token that it decodes, on the machine that counts.
        noise: What two runs of one shape differ by, in nats of ln loss.
    """
    if not gains:
        return Recommendation(action="none", reason="no_alternative", best=None, gain=None, noise=noise)
    most = max(range(len(gains)), key=lambda index: gains[index].value)
    highest = gains[most].value
    if highest < noise:
        reason: Reason = "below_noise" if highest > 0 else "none_better"
        return Recommendation(action="keep", reason=reason, best=most, gain=gains[most], noise=noise)
    level = [index for index, gain in enumerate(gains) if gain.value >= max(noise, highest - noise)]
    sure = [index for index in level if agreed[index]]
    best = min(sure or level, key=lambda index: (seconds[index], -gains[index].value))
    low = gains[best].low
    above = low is not None and low > 0
    action: Action = "change" if low is not None and low > noise else "consider" if above or sure else "cannot_tell"
    told: Reason = "better" if above else "agreed" if sure else "studies_differ"
    return Recommendation(action=action, reason=told, best=best, gain=gains[best], noise=noise)


def growth(shape: Shape, other: Shape) -> float:
    """The log of the body parameters of ``other`` over those of ``shape``: what an equal budget leaves over.

    Small where body parameters are held equal. Where all parameters or FLOPs are, and the vocabulary is large, a
    narrower model spends less on its embeddings and has more of a body.
    """
    assert shape.parameters is not None and other.parameters is not None
    return math.log(other.parameters.body / shape.parameters.body)


def pooled_gain(reference: Reference, shape: Shape, other: Shape) -> Estimate:
    """What ln loss is expected to fall by from going to ``other``, at the total parameters of ``shape``."""
    assert shape.parameters is not None
    return reference.pool.gain(shape.ratio, other.ratio, shape.parameters.total, growth=growth(shape, other))


def study_changes(reference: Reference, shape: Shape, other: Shape) -> Mapping[str, Estimate]:
    """The relative change in loss that each study alone predicts, by its name; below zero is better.

    The difference of body parameters is worth the same as in the pooled gain: exp(-LOSS_PER_SIZE x growth).
    """
    assert shape.parameters is not None
    size = math.exp(-LOSS_PER_SIZE * growth(shape, other))
    return {
        one.name: _resized(one.change(shape.ratio, other.ratio, shape.parameters.total), size)
        for one in reference.studies
    }


def _resized(change: Estimate, size: float) -> Estimate:
    """A relative change in loss, followed by that of another size."""
    ends = [None if end is None else (1 + end) * size - 1 for end in (change.low, change.high)]
    return Estimate(value=(1 + change.value) * size - 1, low=ends[0], high=ends[1])

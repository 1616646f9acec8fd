"""The shapes of a candidate's budget, itself among them: built and counted exactly, compared, and a few of them chosen.

A shape is dominated where another is expected to have no more loss and decodes no slower, one of the two better. Of
the alternatives those are shown first that every study alone predicts less loss of, then the undominated that are
expected to cost within 1% of the best, then the rest, each by expected loss.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nil_audit.budget.accelerators import Accelerator
from nil_audit.budget.alternatives import build, propose
from nil_audit.budget.cost import Cost, cost
from nil_audit.budget.counts import BlockCounts, Match
from nil_audit.budget.inference import ServingTime, serving_time
from nil_audit.budget.template import Template
from nil_audit.candidate.recommendation import pooled_gain, study_changes
from nil_audit.candidate.result import Option
from nil_audit.law.pooled import TOLERANCE, Reference
from nil_audit.shape.architecture import Shape
from nil_audit.stats.estimate import Estimate

MOST_SHAPES = 8
"""Shapes of one budget in a report, the candidate among them."""
NONE = Estimate(value=0.0, low=0.0, high=0.0)


def shapes_of_budget(
    template: Template,
    counts: BlockCounts,
    spent: Cost,
    *,
    match: Match,
    tolerance: float,
    reference: Reference,
    machines: Sequence[Accelerator],
) -> tuple[Option, tuple[Option, ...]]:
    """The candidate as an option, and at most `MOST_SHAPES` - 1 alternatives.

    Args:
        template: The candidate's config.
        counts: Of its architecture.
        spent: What it costs; the alternatives are read at the same tokens and context.
        match: What they hold equal.
        tolerance: How far their budget may differ, as a share.
        reference: What says which is better.
        machines: Whose times are predicted; at least one, and dominance is by the first.

    Returns:
        The candidate, and the alternatives: those better in every study first, then by expected loss.
    """
    shape = template.shape
    assert shape.parameters is not None
    total = shape.parameters.total

    def times(other: Shape, others: BlockCounts) -> tuple[ServingTime, ...]:
        return tuple(serving_time(other, others, machine, context=spent.context) for machine in machines)

    itself = Option(
        shape=shape,
        deviation=0.0,
        verdict=reference.verdict(shape.ratio, total),
        gain=NONE,
        change=dict.fromkeys((study.name for study in reference.studies), NONE),
        better_in_all=False,
        cost=spent,
        serving=times(shape, counts),
        measured=None,
        dominated=False,
        config=template.config,
    )
    found = [itself]
    alike = counts.parameters(shape.depth) == shape.parameters
    for proposal in propose(template, counts, match=match, tolerance=tolerance, context=spent.context):
        if (built := build(template, proposal, whole=not alike)) is None:
            continue
        other, config = built
        change = study_changes(reference, shape, other)
        found.append(
            Option(
                shape=other,
                deviation=proposal.deviation,
                verdict=reference.verdict(other.ratio, total),
                gain=pooled_gain(reference, shape, other),
                change=change,
                better_in_all=all(one.value < 0 for one in change.values()),
                cost=cost(other, proposal.counts, tokens=spent.tokens, context=spent.context),
                serving=times(other, proposal.counts),
                measured=None,
                dominated=False,
                config=config,
            )
        )
    itself, *others = (replace(one, dominated=_dominated(one, found)) for one in found)
    return itself, choose(others)


def choose(options: Sequence[Option], most: int = MOST_SHAPES - 1) -> tuple[Option, ...]:
    """The alternatives worth showing, as the module says: those better in every study first, then by expected loss."""
    highest = max((option.gain.value for option in options), default=0.0)

    def rank(option: Option) -> tuple[bool, bool, float]:
        worth_a_look = not option.dominated and highest - option.gain.value <= TOLERANCE
        return not option.better_in_all, not worth_a_look, -option.gain.value

    return tuple(sorted(sorted(options, key=rank)[:most], key=lambda one: (not one.better_in_all, -one.gain.value)))


def timed(
    itself: Option,
    options: Sequence[Option],
    measure: Callable[[Sequence[Mapping[str, Any]]], Sequence[ServingTime]],
) -> tuple[Option, tuple[Option, ...]]:
    """The same with the times that were measured on this machine, all of them in one go."""
    everything = (itself, *options)
    times = measure([one.config for one in everything])
    first, *others = (replace(one, measured=time) for one, time in zip(everything, times, strict=True))
    return first, tuple(others)


def _dominated(option: Option, options: Sequence[Option]) -> bool:
    """Whether one of the others is at least as good in expected loss and in decoding time, and better in one."""
    gain, seconds = option.gain.value, option.serving[0].decode_seconds
    return any(
        other.gain.value >= gain
        and other.serving[0].decode_seconds <= seconds
        and (other.gain.value > gain or other.serving[0].decode_seconds < seconds)
        for other in options
    )

"""The answer of an audit of one model: a sentence on its shape, one on its interaction, one on its score."""

from nil_audit.catalog.sized_scores import NEAR
from nil_audit.report.audit.ranking import FEWEST, Entry, Ranking
from nil_audit.report.audit.scores import Standing, standing
from nil_audit.report.audit.words import pool_reach, stands
from nil_audit.report.render.text import count, interval_text, listing, percent, with_minus_signs
from nil_audit.report.verdict import pool_reach_words, verdict_words
from nil_audit.stats.estimate import Estimate

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def answer_of_one(entry: Entry, ranking: Ranking) -> tuple[str, str, str]:
    """What is said of one model, a sentence each on shape, interaction and score."""
    return shape_sentence(entry), interaction_sentence(entry, ranking), score_sentence(entry)


def shape_sentence(entry: Entry) -> str:
    """What the shape is expected to cost by all studies together, and how far beyond their runs that is read."""
    shape = entry.record.shape
    size = f", {count(shape.parameters.total)} parameters" if shape.parameters else ""
    return with_minus_signs(
        f"{entry.name} ({shape.depth} x {shape.width}, R {shape.ratio:.4f}{size}) is"
        f" {verdict_words(stands(entry.record))}; {pool_reach_words(pool_reach(entry.record))}."
    )


def interaction_sentence(entry: Entry, ranking: Ranking) -> str:
    """The typical efficiency with its interval, and where it stands among the other models at hand."""
    record, found = entry.record, entry.efficiency
    if entry.lack == "unmeasured":
        return "Its interaction was not measured: that reads its weights, which --shape-only does not."
    if entry.lack == "undefined":
        return "Its typical efficiency is undefined in so little text: measure it again with more --tokens."
    if entry.lack == "older":
        mean = record.metric("interaction_efficiency")
        return (
            f"Its record is of an older estimator, which knows the mean's numbers alone: efficiency"
            f" {interval_text(mean)}, which a few tokens may decide; measure it again for its typical efficiency."
        )
    said = f"Its typical efficiency is {interval_text(found)} nats"
    others = len(ranking.others)
    if not others:
        return f"{said}; no other model at hand was measured alike, so there is nothing yet to compare with."
    if others < FEWEST:
        which = "1 other model at hand was" if others == 1 else f"{others} other models at hand were"
        return f"{said}; only {which} measured alike, too few yet to compare with."
    order = ranking.among
    place = order.index(entry)
    beside = [
        (other, ranking.difference(entry, other)) for other in (*order[place - 1 : place], *order[place + 1 :][:1])
    ]
    gaps = [(other, gap.estimate) for other, gap in beside if gap]
    words = [_apart_words(other, gap) for other, gap in gaps if gap.excludes_zero]
    if alike := [f"{other.name} (difference {interval_text(gap)})" for other, gap in gaps if not gap.excludes_zero]:
        words.append(f"not to be told apart from {' or '.join(alike)}")
    return f"{said}, {ordinal(place + 1)} of {len(order)} models at hand: {listing(words)}."


def _apart_words(other: Entry, gap: Estimate) -> str:
    """How far a model lies above or below another, where that excludes zero."""
    low, high = sorted(map(abs, gap.interval or ()))
    return f"{abs(gap.value):.2f} [{low:.2f}, {high:.2f}] {'above' if gap.value > 0 else 'below'} {other.name}"


def score_sentence(entry: Entry) -> str:
    """The score against chance, and against the published scores of models of its size."""
    found = standing(entry.record)
    if found is None:
        return "No MMLU-Pro score of it is known: 'nil-audit score MODEL' measures one."
    origin = f"measured on {found.row['questions']:,} questions" if found.measured else "published"
    return (
        f"Its MMLU-Pro score of {found.text} ({found.protocol}, {origin}) {against_chance(found)};"
        f" {size_words(found, known=entry.record.shape.parameters is not None)}."
    )


def against_chance(found: Standing) -> str:
    """Where a score stands against guessing."""
    away, chance = 100 * (found.accuracy - found.chance), percent(found.chance)
    if found.interval is None:
        return f"has no published error to hold against chance ({chance})"
    if found.against == "at":
        return f"cannot be told from chance ({chance})"
    low, high = sorted(100 * abs(end - found.chance) for end in found.interval)
    return f"is {abs(away):.1f} [{low:.1f}, {high:.1f}] points {found.against} chance ({chance})"


def size_words(found: Standing, *, known: bool) -> str:
    """What models of its size score, as published under the same protocol."""
    if not known:
        return "its size is not known, so there are no models of its size to hold it against"
    near = found.near
    if near is None:
        return f"no score of a base model of its size (within {NEAR:g} times) is published under this protocol"
    number = len(near.scores)
    if number == 1:
        return (
            f"the one base model of its size (within {NEAR:g} times) with a published score has {percent(near.median)}"
        )
    return (
        f"published scores of {number} base models of its size (within {NEAR:g} times) have median"
        f" {percent(near.median)}, range {percent(near.low)} to {percent(near.high)}"
    )


def ordinal(place: int) -> str:
    """A place in words up to the sixth: "third", then "7th"."""
    if place <= len(_ORDINALS):
        return _ORDINALS[place - 1]
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"

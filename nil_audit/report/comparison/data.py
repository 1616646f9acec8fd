"""What the data are: which models are in, which out and why; what floor, tokens, families and protocols leave."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from nil_audit.catalog.scores import PROTOCOL_TITLES, published_scores
from nil_audit.comparison.result import Comparison, Omission
from nil_audit.comparison.scrutiny.associations import seen_tokens
from nil_audit.report.comparison.words import VERDICTS, counted, effect_text, sample_words
from nil_audit.report.render.page import Bullets, Column, Table, table
from nil_audit.report.render.text import count, listing, percent

if TYPE_CHECKING:
    import pandas as pd

_MOST_NAMES = 6
"""Models left out for one reason that the page names."""


def data_bullets(comparison: Comparison) -> Bullets:
    """Who is in, and what is known of them, a sentence each."""
    parts = (_models, _scores, _floor, _tokens, _families, _protocols)
    return Bullets(items=tuple(filter(None, (part(comparison) for part in parts))))


def _models(comparison: Comparison) -> str:
    usable = comparison.usable
    if usable.empty:
        return ""
    text = f"In: {sample_words(comparison, len(usable), comparison.answer.groups)}"
    organisations = usable["organisation"].nunique()
    if comparison.grouped == "model":
        text += " (all of one family, so that each counts for itself)"
    elif organisations > 1:
        text += f" and {organisations} organisations"
    if sizes := _range(usable["size"], count):
        text += f", of {sizes} {'parameters' if comparison.outcome.size == 'parameters' else comparison.outcome.size}"
    text += f", R {_range(usable['ratio'], lambda ratio: f'{ratio:.3g}')}"
    months = sorted({month[:7] for month in usable["release"] if month})
    ends = " to ".join(dict.fromkeys((months[0], months[-1]))) if months else ""
    return f"{text}, released {ends}." if ends else f"{text}."


def _range(values: "pd.Series[float]", words: Callable[[float], str]) -> str:
    known = values.dropna()
    if known.empty:
        return ""
    low, high = words(known.min()), words(known.max())
    return low if low == high else f"{low} to {high}"


def _scores(comparison: Comparison) -> str:
    if comparison.outcome.column:
        better = "lower" if comparison.outcome.lower_is_better else "higher"
        return f"Outcome: column {comparison.outcome.name}; {better} is better."
    protocol = comparison.answer.protocol
    text = f"Scores: MMLU-Pro by protocol {protocol}"
    if title := PROTOCOL_TITLES.get(protocol):
        text += f" ({title})"
    usable = comparison.usable
    published = usable.loc[usable["origin"] == "published", "model"]
    if published.empty:
        return f"{text}."
    known = published_scores(protocol=protocol) if protocol in PROTOCOL_TITLES else None
    revisions = [] if known is None else sorted(set(known.loc[known["model"].isin(published), "data"]) - {""})
    text += f"; {len(published)} are published ones"
    return f"{text}, on edition {listing(revisions)} of the questions." if revisions else f"{text}."


def _floor(comparison: Comparison) -> str:
    floor = comparison.findings.floor
    if floor is None:
        return ""
    text = (
        f"Floor: {floor.below} of {floor.below + floor.above} models score no more than one can without reading a"
        f" question ({percent(floor.level)})"
    )
    if floor.reliability_below is None or floor.reliability_above is None:
        return f"{text}."
    return (
        f"{text}. Of what models of one size differ by there, {percent(floor.reliability_below, 0)} is more than"
        f" sampling error; above the floor {percent(floor.reliability_above)}."
    )


def _tokens(comparison: Comparison) -> str:
    usable, find = comparison.usable, comparison.findings.effect
    known = int((seen_tokens(usable) > 0).sum())
    if not known:
        return ""
    text = f"Training tokens: public for {known} of {len(usable)}"
    parents = int((usable["parent_tokens"].notna() & usable["tokens"].notna()).sum())
    if parents:
        text += f" ({parents} models were made from another, whose tokens count too)"
    held, bare = find("tokens"), find("tokens_baseline")
    if held is None or bare is None:
        return f"{text}."
    return (
        f"{text}. On the {held.estimate.n} models that have them the effect is {effect_text(held)} with tokens held"
        f" fixed too, and {effect_text(bare)} without."
    )


def _families(comparison: Comparison) -> str:
    found = comparison.findings.families
    if found is None or comparison.grouped == "model":
        return ""
    text = (
        f"Families: {found.several} of {found.families} have several models, and in {found.varying} of them R varies by"
        " more than 5%"
    )
    return text + (
        "." if found.share is None else f"; {percent(found.share, 0)} of what size leaves open lies between families."
    )


def _protocols(comparison: Comparison) -> str:
    if not comparison.others:
        return ""
    told = [one for one in comparison.others if one.verdict != "insufficient" and one.primary]
    parts = [f"{one.protocol} {effect_text(one.primary)}, {one.sized} models: {VERDICTS[one.verdict]}" for one in told]
    few = len(comparison.others) - len(told)
    rest = f"{counted(few, 'has', 'have')} too few models" if few else ""
    return f"Other protocols, never mixed with this one: {'; '.join(filter(None, (*parts, rest)))}."


def excluded_table(comparison: Comparison) -> Table:
    """Models left out, those of one reason together; flagged rows too."""
    flagged = comparison.models[comparison.models["flag"] != ""]
    out = [
        *comparison.excluded,
        *(Omission(what=row["model"], reason=row["flag"]) for row in flagged.to_dict("records")),
    ]
    order = {reason: place for place, reason in enumerate(dict.fromkeys(one.reason for one in out))}
    grouped = groupby(sorted(out, key=lambda one: order[one.reason]), key=lambda one: one.reason)
    return table(
        f"Out: {counted(len(out), 'model that the inputs name', 'models that the inputs name')}, and why.",
        (Column(label="Which"), Column(label="Why")),
        [(_names([one.what for one in several]), reason) for reason, several in grouped],
        file="study.json",
    )


def _names(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMES
    return listing([*names[:_MOST_NAMES], *([f"{rest} more"] if rest > 0 else [])])


def missing(comparison: Comparison) -> Iterator[str]:
    """What could not be made, and why; and what is to be known about the inputs."""
    yield from (f"{one.what}: {one.reason}" for one in comparison.unavailable)
    yield from comparison.notes

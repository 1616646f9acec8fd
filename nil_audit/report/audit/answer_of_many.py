"""The answer of an audit of several models: a paragraph each on shapes, on the order by efficiency, on scores."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from nil_audit.auditing.record import Difference, setting
from nil_audit.law.pooled import LABELS
from nil_audit.report.audit.answer import ordinal
from nil_audit.report.audit.ranking import FEWEST, Entry, Lack, Ranking
from nil_audit.report.audit.scores import Standing, standing
from nil_audit.report.audit.words import SPOKEN, pool_reach, stands
from nil_audit.report.render.text import interval_text, listing, percent, with_minus_signs
from nil_audit.report.verdict import regret_words, times_beyond

_LACKS: Mapping[Lack, str] = {
    "older": "of an older estimator",
    "undefined": "undefined in so little text",
    "unmeasured": "not measured",
}


def answer_of_many(ranking: Ranking) -> tuple[str, str, str]:
    """What is said of several models: of a few each is named, of more there are counts and extremes."""
    return shapes_sentence(ranking), efficiencies_sentence(ranking), scores_sentence(ranking)


def shapes_sentence(ranking: Ranking) -> str:
    """What all studies together say of the shapes, and what each is expected to cost."""
    entries = ranking.entries
    found = [stands(one.record) for one in entries]
    if len(entries) <= SPOKEN:
        each = [
            f"{one.name} {said.label}, {regret_words(said.regret)}" for one, said in zip(entries, found, strict=True)
        ]
        return with_minus_signs(f"Shape, and its expected cost in loss: {'; '.join(each)}. {_reach_words(entries)}")
    counts = Counter(one.label for one in found)
    labels = [f"{counts[label]} {label}" for label in LABELS if counts[label]]
    worst, said = max(zip(entries, found, strict=True), key=lambda pair: pair[1].regret.expected)
    shape = worst.record.shape
    return with_minus_signs(
        f"Of {len(entries)} shapes {listing(labels)}; the largest expected cost in loss is that of {worst.name}"
        f" ({shape.depth} x {shape.width}), {regret_words(said.regret)}. {_reach_words(entries)}"
    )


def _reach_words(entries: Sequence[Entry]) -> str:
    """How far beyond the runs that are pooled the shapes of a page lie, at most."""
    found = [pool_reach(one.record) for one in entries]
    beyond = max(map(times_beyond, found))
    unknown = sum(one.parameters is None for one in found)
    beside = f" ({_models(unknown)} of unknown size read at 1B parameters)" if unknown else ""
    if beyond >= 1.05:
        return f"That is read up to {beyond:.{0 if beyond >= 10 else 1}f} times beyond the runs pooled{beside}."
    return f"All of this is within the runs pooled{beside}."


def efficiencies_sentence(ranking: Ranking) -> str:
    """The order by typical efficiency with the verdict on neighbours; of many the ends, and how many are apart."""
    ranked, without = ranking.ranked, _without(ranking)
    if not ranked:
        return _none_words(without)
    if len(ranked) == 1:
        one = f"Only {ranked[0].name} has a typical efficiency, {interval_text(ranked[0].efficiency)} nats"
        return f"{'; '.join((_unlike_words(ranking) if ranking.apart else one, *_lack_words(without)))}."
    rest = [_apart_words(ranking)] if ranking.apart else []
    if without:
        why = [f"{len(group)} {_LACKS[lack]}" if len(without) > 1 else _LACKS[lack] for lack, group in without.items()]
        rest.append(f"{_models(sum(map(len, without.values())))} without a typical efficiency ({', '.join(why)})")
    beside = f" Not in this order: {listing(rest)}." if rest else ""
    gaps = [ranking.next_below(one) for one in ranked[:-1]]
    if len(ranked) <= SPOKEN:
        said = [pair_words(*pair) for pair in zip(ranked, ranked[1:], gaps, strict=False)]
        return f"Typical efficiency: {'; '.join(said)}.{_placed(ranking)}{beside}"
    apart = sum(gap is not None and gap.estimate.excludes_zero for gap in gaps)
    first, last = ranked[0], ranked[-1]
    return (
        f"Typical efficiency runs from {first.name}, {interval_text(first.efficiency)}, to {last.name},"
        f" {interval_text(last.efficiency)}: {pair_words(first, last, ranking.difference(first, last))}; of"
        f" {len(gaps)} neighbours in the order {apart} can be told apart.{beside}"
    )


def _without(ranking: Ranking) -> dict[Lack, list[Entry]]:
    """Models without a typical efficiency, by why they have none."""
    groups: dict[Lack, list[Entry]] = defaultdict(list)
    for entry in ranking.entries:
        if entry.lack:
            groups[entry.lack].append(entry)
    return groups


def _none_words(without: Mapping[Lack, Sequence[Entry]]) -> str:
    """Why no model has a typical efficiency: what they have in common, or else the reason of each."""
    if len(without) > 1:
        return f"No typical efficiency is known: {'; '.join(_lack_words(without))}."
    if "older" in without:
        return "No typical efficiency was measured: their records are of an older estimator."
    if "undefined" in without:
        return "No typical efficiency is defined in so little text: measure again with more --tokens."
    return "No typical efficiency was measured: that reads their weights."


def _lack_words(without: Mapping[Lack, Sequence[Entry]]) -> Iterator[str]:
    """Of which models no typical efficiency is known, reason by reason."""
    for lack, group in without.items():
        who = listing([one.name for one in group]) if len(group) <= SPOKEN else _models(len(group))
        records = "the record of {} is" if len(group) == 1 else "the records of {} are"
        said = {"older": records, "undefined": "that of {} is", "unmeasured": "that of {} was"}[lack]
        yield f"{said.format(who)} {_LACKS[lack]}"


def _unlike_words(ranking: Ranking) -> str:
    """The numbers of models of which no two were measured alike, and what differs; of many one alone has its number."""
    few = len(ranking.apart) < SPOKEN
    shown = [f"{one.name} {interval_text(one.efficiency)}" for one in (ranking.ranked[0], *ranking.apart * few)]
    beside = f", {_setting_words(ranking)}" if few else f"; {_apart_words(ranking)}"
    return f"No two models were measured alike: typical efficiency of {listing(shown)} nats{beside}"


def _apart_words(ranking: Ranking) -> str:
    """Which models were measured in another setting than the ranked ones, and what makes them alike."""
    few = len(ranking.apart) <= SPOKEN
    who = listing([one.name for one in ranking.apart]) if few else _models(len(ranking.apart))
    return f"{who}, {_setting_words(ranking)}"


def _setting_words(ranking: Ranking) -> str:
    """In what some models were measured otherwise than the ranked ones, and what makes them alike."""
    chosen = dict(setting(ranking.ranked[0].record) or ())
    others = [dict(setting(one.record) or ()) for one in ranking.apart]
    differing = [name for name in chosen if any(one.get(name) != chosen[name] for one in others)]
    said = f"measured with another {listing(differing)}"
    if differing == ["window"]:
        shortest = min((one["window"] for one in (chosen, *others)), key=lambda window: int(str(window)))
        said += f" (--window {shortest} measures all alike)"
    return said


def pair_words(one: Entry, other: Entry, gap: Difference | None) -> str:
    """Whether a model is more efficient than the next one: "A is more efficient than B by 0.21 [0.10, 0.32]"."""
    if gap is None:
        return f"{one.name} and {other.name} cannot be held against each other"
    if not gap.estimate.excludes_zero:
        return f"{one.name} and {other.name} cannot be told apart (difference {interval_text(gap.estimate)})"
    if gap.estimate.value < 0:
        # The ends of an order are ordered by their own numbers, a difference is of the windows that both have read.
        one, other = other, one
    low, high = sorted(map(abs, gap.estimate.interval or ()))
    return f"{one.name} is more efficient than {other.name} by {abs(gap.estimate.value):.2f} [{low:.2f}, {high:.2f}]"


def scores_sentence(ranking: Ranking) -> str:
    """The scores against chance, and of a few models against those of their size."""
    found = [(one, standing(one.record)) for one in ranking.entries]
    known = [(one, score) for one, score in found if score]
    missing = len(found) - len(known)
    if not known:
        return "No MMLU-Pro score of them is known: 'nil-audit score MODEL ...' measures them."
    if len(found) <= SPOKEN:
        rest = f"; of {'the others' if missing > 1 else 'the other'} none is known" if missing else ""
        return f"MMLU-Pro: {'; '.join(_score_words(one, score) for one, score in known)}{rest}."
    counts = Counter(score.against for _, score in known)
    against = [f"{counts[where]} {where}" for where in ("above", "at", "below") if counts[where]]
    said = f"{listing(against)} chance" if against else ""
    if unsure := len(known) - sum(counts[where] for where in ("above", "at", "below")):
        said += f"{', ' if said else ''}{unsure} without a published error"
    protocols = Counter(score.protocol for _, score in known)
    main = max(sorted(protocols), key=lambda one: protocols[one])
    best, top = max((pair for pair in known if pair[1].protocol == main), key=lambda pair: pair[1].accuracy)
    return (
        f"MMLU-Pro scores of {len(known)} of {len(found)} are known ({listing(sorted(protocols))}): {said}, the highest"
        f"{f' under {main}' if len(protocols) > 1 else ''} {best.name} with {top.text}."
    )


def _score_words(entry: Entry, score: Standing) -> str:
    against = f", {score.against} chance" if score.against else ""
    size = f", where its size has a median of {percent(score.near.median)}" if score.near else ""
    return f"{entry.name} {score.text} ({score.protocol}){against}{size}"


def _placed(ranking: Ranking) -> str:
    """Where the ranked models stand among all at hand, where that says anything."""
    if len(ranking.others) < FEWEST:
        return ""
    order = ranking.among
    places = [f"{one.name} {ordinal(order.index(one) + 1)}" for one in ranking.ranked]
    return f" Of {len(order)} models at hand {listing(places)}."


def _models(number: int) -> str:
    return f"{number} {'model' if number == 1 else 'models'}"

"""What moves the answer, in words: which variants were tried, what else is said of the models there, and what not."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import SPOKEN, estimate_of, value_text
from nil_audit.report.render.text import estimate_text, listing
from nil_audit.stats.estimate import Estimate

TRIED = {
    "half_window": "half the window",
    "double_window": "twice the window",
    "no_context": "no context and document start",
    "other_text": "another text",
}
"""The variants that are another measurement of the same function."""

BASES = {"random_rotation": "a random basis", "hadamard_rotation": "a Hadamard basis"}
"""Those that are the same function in another basis."""

_NOTHING = "What moves the answer could not be measured: why stands below its table."


def varied(entries: Sequence[Entry]) -> list[Entry]:
    """The models that were measured in other settings too."""
    return [entry for entry in entries if entry.record.sensitivity]


def variants_of(entry: Entry) -> Sequence[Mapping[str, Any]]:
    """The variants of a model, that as asked first."""
    found: Sequence[Mapping[str, Any]] = (entry.record.sensitivity or {})["variants"]
    return found


def sensitivity_sentence(entries: Sequence[Entry]) -> str:
    """What else is said of the models at another window, without context and on another text, then in another basis.

    Models of which the same changes with the same variants share a sentence, which names what was tried and what not.

    Returns:
        Sentences in one paragraph; empty where none was varied.
    """
    found = [entry for entry in varied(entries) if _names(entry, (*TRIED, *BASES))]
    if not found:
        return _NOTHING if varied(entries) else ""
    if len(found) > SPOKEN:
        return " ".join(_counts(found))
    return " ".join((*_tried_sentences(found, len(entries) == 1), *_basis_sentences(found, len(entries) == 1)))


def _tried_sentences(entries: Sequence[Entry], alone: bool) -> Iterator[str]:
    """A sentence for the models of which exactly the same changes with the same."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for one in entries:
        groups[repr([(name, _changes(one, name)) for name in _names(one, TRIED)])].append(one)
    untried = [_untried(_names(group[0], TRIED), TRIED) for group in groups.values()]
    if len(groups) > 1 and len(set(untried)) == 1:  # said once, behind the last
        untried[:-1] = [""] * (len(groups) - 1)
        untried[-1] = untried[-1].replace("not tried", "not tried with any model")
    for group, rest in zip(groups.values(), untried, strict=True):
        words = f"{_group_words(group, ' of it' if alone else '')}{rest}."
        yield f"{words[0].upper()}{words[1:]}" if alone else f"{listing([one.name for one in group])}: {words}"


def _group_words(group: Sequence[Entry], who: str) -> str:
    names = _names(group[0], TRIED)
    if not names:
        return "nothing but other bases was tried"
    parts = _moving(group, names)
    if still := [name for name in names if not _changes(group[0], name)]:
        most = "" if parts else _most(group, still)
        parts.append(f"with {_either([TRIED[one] for one in still])} nothing that is said{who} changes{most}")
    return "; ".join(parts)


def _moving(group: Sequence[Entry], names: Sequence[str]) -> list[str]:
    """What else is said, a clause for the variants where it is the same."""
    clauses: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if facts := _changes(group[0], name):
            clauses[listing([_fact_words(group, name, fact, *pair) for fact, pair in facts.items()])].append(name)
    each = {what: f"with {listing([TRIED[one] for one in places])}" for what, places in clauses.items()}
    return [f"{where} {what}" for what, where in each.items()]


def _fact_words(group: Sequence[Entry], name: str, fact: str, before: Any, now: Any) -> str:
    one = len(group) == 1
    if fact == "efficiency":
        gaps = [f"{estimate_text(_gap(entry, name))} nats" for entry in group]
        each = gaps if one else [f"{gap} ({entry.name})" for gap, entry in zip(gaps, group, strict=True)]
        return f"{'its typical efficiency moves' if one else 'typical efficiencies move'} by {listing(each)}"
    if fact == "excess":
        there = "cannot be held against its rotation null" if now is None else f"lies {now} its rotation null"
        return f"{'its' if one else 'the'} AOFE-ratio {there}{f' ({before} it as asked)' if before else ''}"
    if fact == "one_token":
        return f"{'one' if now else 'no'} token carries over 5% of the trace"
    return f"intervals of the mean's size {'hold' if now else 'are too narrow'}"


def _most(group: Sequence[Entry], names: Sequence[str]) -> str:
    """How far the typical efficiency moves at most where that is said not to move."""
    gaps = [(entry, name, gap) for entry in group for name in names if (gap := _gap(entry, name))]
    if not gaps:
        return ""
    entry, name, gap = max(gaps, key=lambda found: abs(found[2].value))
    whose = "its typical efficiency" if len(group) == 1 else f"the typical efficiency of {entry.name}"
    where = f" most with {TRIED[name]}," if len(gaps) > 1 else ""
    return f": {whose} moves{where} by {estimate_text(gap)} nats"


def _basis_sentences(entries: Sequence[Entry], alone: bool) -> Iterator[str]:
    """What a rotation makes of the AOFE-ratio, which is of the basis by construction, for models in the same bases."""
    groups: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for one in entries:
        groups[tuple(_names(one, BASES))].append(one)
    for names, group in groups.items():
        if not names:
            continue
        where = "a rotated basis" if len(names) == len(BASES) else BASES[names[0]]
        each = [(_ratio_words(one, ["baseline"]), _ratio_words(one, names)) for one in group]
        if alone:
            ((before, after),) = each
            ratios = f"its AOFE-ratio, {before} as it is, becomes {after}"
        else:
            ratios = "AOFE-ratios move: " + listing(
                [f"{one.name} from {before} to {after}" for one, (before, after) in zip(group, each, strict=True)]
            )
        others = {
            f"{where} {_fact_words([one], name, fact, *pair)}"
            for one in group
            for name in names
            for fact, pair in _changes(one, name).items()
            if fact != "excess"
        }
        rest = "All else that is said stays." if not others else f"But by rounding {listing(sorted(others))}."
        yield (
            f"In {where}{_untried(names, BASES)} {ratios}. That number is of the channels' basis, not of the function."
            f" {rest}"
        )


def _ratio_words(entry: Entry, names: Sequence[str]) -> str:
    """The AOFE-ratio in some variants, and where it lies: "0.728 and 0.731 (at its null)"."""
    where: dict[str, list[str]] = defaultdict(list)
    for one in variants_of(entry):
        if one["name"] in names:
            where[_standing(one)].append(value_text(estimate_of(one["estimates"], "aofe_ratio")))
    return listing([f"{listing(list(dict.fromkeys(values)))} ({words})" for words, values in where.items()])


def _standing(variant: Mapping[str, Any]) -> str:
    """Where the AOFE-ratio lies: "at its null"."""
    return f"{variant['says']['excess'] or 'not to be held against'} its null"


def _counts(entries: Sequence[Entry]) -> Iterator[str]:
    """For how many of many models something else is said, variant by variant."""
    tried = {name: [one for one in entries if name in _names(one, TRIED)] for name in TRIED}
    each = []
    for name, group in tried.items():
        if group:
            moved = sum(bool(_changes(one, name)) for one in group)
            of = "" if len(group) == len(entries) else f" of {len(group)}"
            each.append(f"with {TRIED[name]} for {moved or 'none'}{of}")
    if each:
        still = sum(not any(_changes(one, name) for name in TRIED) for one in entries)
        untried = _untried([name for name, group in tried.items() if group], TRIED)
        yield (
            f"Of {len(entries)} models what is said changes {listing(each)}; with nothing that was tried for"
            f" {still or 'none'}{untried}."
        )
    if turned := [one for one in entries if _names(one, BASES)]:
        facts = [{fact for name in BASES for fact in _changes(one, name)} for one in turned]
        ratios, others = sum("excess" in one for one in facts), sum(bool(one - {"excess"}) for one in facts)
        yield (
            f"In a rotated basis the AOFE-ratio changes sides of its null for {ratios or 'none'} of {len(turned)}: it"
            f" is of the channels' basis, not of the function. All else that is said changes for {others or 'none'}."
        )


def _changes(entry: Entry, name: str) -> dict[str, tuple[Any, Any]]:
    """The facts that are others in one variant, each as asked and there."""
    asked, *others = variants_of(entry)
    return {
        fact: (asked["says"][fact], one["says"][fact])
        for one in others
        if one["name"] == name
        for fact in one["changed"]
    }


def _gap(entry: Entry, name: str) -> Estimate | None:
    """How far the typical efficiency of a variant is from that as asked; None where that is undefined."""
    return next(
        (estimate_of(one["difference"], "typical_efficiency") for one in variants_of(entry) if one["name"] == name),
        None,
    )


def _names(entry: Entry, of: Mapping[str, str] | Sequence[str]) -> list[str]:
    """Which of these variants a model was measured in."""
    found = {one["name"] for one in variants_of(entry)}
    return [name for name in of if name in found]


def _untried(names: Sequence[str], of: Mapping[str, str]) -> str:
    rest = [words for name, words in of.items() if name not in names]
    return f" (not tried: {', '.join(rest)})" if rest else ""


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))

"""What moves the verdict: what is said of a model at other windows, without context, on another text, when rotated."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import MEAN, SPOKEN, TYPICAL, estimate_of, value_text
from nil_audit.report.render.cells import error_cell, estimate_cell
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, error_text, estimate_text, listing, signed
from nil_audit.stats.estimate import Estimate

_LABELS = {
    "baseline": "as asked",
    "half_window": "half window",
    "double_window": "twice window",
    "no_context": "no context",
    "other_text": "other text",
    "random_rotation": "random basis",
    "hadamard_rotation": "Hadamard",
}
_WHERE = {
    "half_window": "with half the window",
    "double_window": "with twice the window",
    "no_context": "without context and document start",
    "other_text": "on another text",
    "random_rotation": "in a random basis",
    "hadamard_rotation": "in a Hadamard basis",
}
_FACETS = {
    "window": ("half_window", "double_window"),
    "context": ("no_context",),
    "text": ("other_text",),
    "basis": ("random_rotation", "hadamard_rotation"),
}
_FACTS = {
    "efficiency": "Typical efficiency",
    "excess": "AOFE-ratio against its null",
    "one_token": "Token over 5% of the trace",
    "tail_covered": "Intervals of the mean's size",
}
_BASIS = (
    "Random basis, Hadamard: the residual stream rotated, the function as it was. What moves there (AOFE, AOFE-ratio)"
    " is of the basis, not of the function."
)

_NOTHING = "What moves the verdict could not be measured: why stands below its table."
_UNPAIRED = "Not of the same text, so that errors are added in quadrature: {}."


def varied(entries: Sequence[Entry]) -> list[Entry]:
    """The models that were measured in other settings too."""
    return [entry for entry in entries if entry.record.sensitivity]


def sensitivity_sentence(entries: Sequence[Entry]) -> str:
    """Whether anything that is said of the models changes with window, context, text or basis, and what with which.

    Returns:
        A sentence, one more for each of a few models of which something changes; empty where none was varied.
    """
    found = [entry for entry in varied(entries) if _facets([entry])]
    if not found:
        return _NOTHING if varied(entries) else ""
    if len(found) > SPOKEN:
        return _counts(found)
    still = [one for one in found if not _changed(one)]
    if not still:
        return f"{_changes_words(found, len(entries) == 1)}."
    who = "it" if len(entries) == 1 else listing([one.name for one in still])
    same = f"Nothing that is said of {who} changes with {_either(_facets(still))}{_most(still)}."
    moving = [one for one in found if one not in still]
    return f"{same} {_changes_words(moving, False)}." if moving else same


def _most(entries: Sequence[Entry]) -> str:
    """How far the typical efficiency moves at most where that is said not to move."""
    gaps = [(one, name, gap) for one in entries for name, gap in _gaps(one) if name not in _FACETS["basis"]]
    if not gaps:
        return ""
    entry, name, gap = max(gaps, key=lambda found: abs(found[2].value))
    whose = "its typical efficiency" if len(entries) == 1 else f"the typical efficiency of {entry.name}"
    return f": {whose} moves most {_WHERE[name]}, by {estimate_text(gap)} nats"


def _changes_words(entries: Sequence[Entry], alone: bool) -> str:
    """With what something else is said of models, with what not, and what, variant by variant."""
    changed = set[str]().union(*map(_changed, entries))
    facets = _facets(entries)
    moving = [facet for facet in facets if changed.intersection(_FACETS[facet])]
    still = [facet for facet in facets if facet not in moving]
    rest = f", not with {_either(still)}" if still else ""
    who = "it" if alone else _either([one.name for one in entries])
    return f"What is said of {who} changes with {listing(moving)}{rest}: {'; '.join(_clauses(entries, alone))}"


def _clauses(entries: Sequence[Entry], alone: bool) -> Iterator[str]:
    """What else is said: how far the efficiency moves by variant, then every other fact with where it changes."""
    for name, where in _WHERE.items():
        moved = [one for one in entries if "efficiency" in _changed_facts(one, name)]
        if moved:
            gaps = [f"{estimate_text(dict(_gaps(one)).get(name))} nats" for one in moved]
            each = gaps if alone else [f"{gap} ({one.name})" for one, gap in zip(moved, gaps, strict=True)]
            yield f"{where} {'its typical' if alone else 'typical'} efficiency moves by {listing(each)}"
    where_else: dict[tuple[str, Any, Any, tuple[Entry, ...]], list[str]] = defaultdict(list)
    for name, where in _WHERE.items():
        groups: dict[tuple[str, Any, Any], list[Entry]] = defaultdict(list)
        for entry in entries:
            for fact, pair in _changed_facts(entry, name).items():
                if fact != "efficiency":
                    groups[fact, *pair].append(entry)
        for what, found in groups.items():
            where_else[*what, tuple(found)].append(where)
    for (fact, before, now, models), places in where_else.items():
        names = "" if alone else listing([one.name for one in models])
        yield f"{listing(places)} {_fact_words(fact, before, now, names)}"


def _fact_words(fact: str, before: Any, now: Any, names: str) -> str:
    of = f" of {names}" if names else ""
    if fact == "excess":
        return f"{'the' if names else 'its'} AOFE-ratio{of} lies {now} its rotation null ({before} it as asked)"
    if fact == "one_token":
        return f"{'one' if now else 'no'} token carries over 5% of the trace{of}"
    return f"intervals of the mean's size{of} {'hold' if now else 'are too narrow'}"


def _changed_facts(entry: Entry, name: str) -> dict[str, tuple[Any, Any]]:
    """The facts that are others in one variant, each as asked and there."""
    asked, *others = _variants(entry)
    return {
        fact: (asked["says"][fact], one["says"][fact])
        for one in others
        if one["name"] == name
        for fact in one["changed"]
    }


def _counts(entries: Sequence[Entry]) -> str:
    """For how many of many models something else is said, facet by facet."""
    each = []
    for facet in _facets(entries):
        tried = [one for one in entries if facet in _facets([one])]
        moved = sum(bool(_changed(one).intersection(_FACETS[facet])) for one in tried)
        each.append(f"with {facet} for {moved or 'none'}{'' if len(tried) == len(entries) else f' of {len(tried)}'}")
    still = sum(not _changed(one) for one in entries)
    return f"Of {len(entries)} models what is said changes {listing(each)}; with nothing for {still or 'none'}."


def _variants(entry: Entry) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = (entry.record.sensitivity or {})["variants"]
    return found


def _changed(entry: Entry) -> set[str]:
    """The variants of which something else is said."""
    return {one["name"] for one in _variants(entry) if one["changed"]}


def _facets(entries: Sequence[Entry]) -> list[str]:
    """What was varied, of any of these models."""
    tried = {one["name"] for entry in entries for one in _variants(entry)}
    return [facet for facet, names in _FACETS.items() if tried.intersection(names)]


def _gaps(entry: Entry) -> Iterator[tuple[str, Estimate]]:
    """The variants with how far their typical efficiency is from the baseline's, where that is defined."""
    for one in _variants(entry):
        if gap := estimate_of(one["difference"], "typical_efficiency"):
            yield one["name"], gap


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def sensitivity_table(entry: Entry) -> Table:
    """What moves of one model, a row a variant, and whether the same is said of it."""
    rows = []
    for one in _variants(entry):
        gap = estimate_of(one["difference"], "typical_efficiency")
        ratio, excess, spread = (
            estimate_of(one["estimates"], name) for name in ("aofe_ratio", "excess", "typical_spread")
        )
        rows.append(
            (
                _LABELS[one["name"]],
                error_cell(estimate_of(one["estimates"], "typical_efficiency")),
                estimate_cell(gap, strong="efficiency" in one["changed"]),
                value_text(spread),
                f"{value_text(ratio)} ({signed(excess.value if excess else None, 3)})",
                _same_cell(one),
            )
        )
    record = entry.record
    left_out = [
        f"Not measured: {_LABELS[one['name']]}. {one['why'].replace(record.name, entry.name)}"
        for one in (record.sensitivity or {})["left_out"]
    ]
    return table(
        f"What moves {entry.name}: typical efficiency ± standard error, minus that as asked with its 95% interval,"
        " typical spread, AOFE-ratio and its excess over the rotation null",
        ("", "Typical efficiency", "Difference", "Spread", "AOFE-ratio (excess)", Column(label="Says the same")),
        rows,
        note=" ".join([*([_BASIS] if "basis" in _facets([entry]) else []), *left_out]),
    )


def _same_cell(variant: Mapping[str, Any]) -> Cell:
    if variant["name"] == "baseline":
        return Cell(text=MISSING)
    return Cell(text="no", strong=True) if variant["changed"] else Cell(text="yes")


def sensitivity_of_many(entries: Sequence[Entry]) -> Table:
    """How far the typical efficiency moves, a row a model, a column a variant; marked where something else is said."""
    names = [name for name in _WHERE if any(name == one["name"] for entry in entries for one in _variants(entry))]
    rows: list[tuple[Cell | str, ...]] = []
    for entry in entries:
        found = {one["name"]: one for one in _variants(entry)}
        rows.append((entry.name, *(_moved_cell(found.get(name)) for name in names)))
    return table(
        "What moves each model: typical efficiency minus that as asked, in nats; * something else is said of it",
        ("Model", *(_LABELS[name].capitalize() for name in names)),
        rows,
        note=_BASIS if "basis" in _facets(entries) else "",
    )


def _moved_cell(variant: Mapping[str, Any] | None) -> Cell:
    gap = estimate_of(variant["difference"], "typical_efficiency") if variant else None
    if variant is None or gap is None:
        return Cell(text=MISSING)
    mark = "*" if variant["changed"] else ""
    return Cell(text=f"{signed(gap.value)}{mark}", value=gap.value, strong="efficiency" in variant["changed"])


def said_table(entry: Entry) -> Table:
    """What each variant was measured on, and what is said of the model there; set apart where that is another thing."""
    rows: list[tuple[Cell | str, ...]] = []
    for one in _variants(entry):
        rows.append(
            (
                _LABELS[one["name"]],
                one["probe"],
                f"{one['windows']:,} of {one['window']}",
                f"{one['tokens']:,}",
                str(one["context"]),
                one["prefix"] or "none",
                *(_said_cell(one, fact) for fact in _FACTS),
            )
        )
    return table(
        f"{entry.name}: what each variant was measured on, and what is said of the model there",
        ("", "Text", "Windows", "Tokens", "Context", "Document start", *_FACTS.values()),
        rows,
        left=6 + len(_FACTS),
    )


def _said_cell(variant: Mapping[str, Any], fact: str) -> Cell:
    value = variant["says"][fact]
    words = {"one_token": ("none", "one"), "tail_covered": ("too narrow", "hold")}
    text = words[fact][bool(value)] if fact in words else str(value)
    return Cell(text=text, strong=fact in variant["changed"])


def variant_tables(entry: Entry) -> Iterator[Table]:
    """Every number of each variant with its error, and every difference with its interval: a column a variant."""
    variants = _variants(entry)
    heads = [_LABELS[one["name"]].capitalize() for one in variants]
    titles = {**TYPICAL, "typical_rank": "Typical rank r(U)", **MEAN}
    yield table(
        f"{entry.name}: every number in each variant, unbiased ± standard errors",
        ("Metric", *heads),
        [
            *(
                (title, *(error_text(estimate_of(one["estimates"], name)) for one in variants))
                for name, title in titles.items()
            ),
            ("Loss/token", *(error_text(estimate_of(one, "loss_per_token")) for one in variants)),
        ],
    )
    _, *others = variants
    compared = [name for name in titles if any((one["difference"] or {}).get(name) for one in others)]
    yield table(
        f"{entry.name}: each variant minus that as asked, with 95% intervals",
        ("Metric", *heads[1:]),
        [
            (titles[name], *(estimate_text(estimate_of(one["difference"], name), 3) for one in others))
            for name in compared
        ],
        note=""
        if all(one["paired"] for one in others)
        else _UNPAIRED.format(listing([_LABELS[one["name"]] for one in others if not one["paired"]])),
    )

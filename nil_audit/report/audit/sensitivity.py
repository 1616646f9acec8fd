"""What moves the verdict: what is said of a model at other windows, without context, on another text, when rotated."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import MEAN, SPOKEN, TYPICAL, estimate_of
from nil_audit.report.render.cells import error_cell, estimate_cell
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, error_text, estimate_text, interval_text, listing, signed
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
    "no_context": "without context",
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
    "excess": "AOFE-ratio and its null",
    "one_token": "One token over 5%",
    "tail_covered": "Intervals of the mean's size",
}
_BASIS = (
    "Random basis, Hadamard: the residual stream rotated, the function as it was. What moves there (AOFE, AOFE-ratio)"
    " is of the basis, not of the function."
)


def varied(entries: Sequence[Entry]) -> list[Entry]:
    """The models that were measured in other settings too."""
    return [entry for entry in entries if entry.record.sensitivity]


def sensitivity_sentence(entries: Sequence[Entry]) -> str:
    """Whether anything that is said of the models changes with window, context, text or basis, and what with which.

    Returns:
        A sentence, one more for each of a few models of which something changes; empty where none was varied.
    """
    found = varied(entries)
    if not found:
        return ""
    if len(found) > SPOKEN:
        return _counts(found)
    alone = len(entries) == 1
    still = [one for one in found if not _changed(one)]
    said = [_changes_words(one, alone) for one in found if one not in still]
    if still:
        who = "it" if alone else listing([one.name for one in still])
        said.insert(0, f"Nothing that is said of {who} changes with {_either(_facets(still[0]))}{_most(still)}")
    return f"{'. '.join(said)}."


def _most(entries: Sequence[Entry]) -> str:
    """How far the typical efficiency moves at most where that is said not to move."""
    gaps = [(one, name, gap) for one in entries for name, gap in _gaps(one) if name not in _FACETS["basis"]]
    if not gaps:
        return ""
    entry, name, gap = max(gaps, key=lambda found: abs(found[2].value))
    whose = "its typical efficiency" if len(entries) == 1 else f"the typical efficiency of {entry.name}"
    return f": {whose} moves most {_WHERE[name]}, by {estimate_text(gap)} nats"


def _changes_words(entry: Entry, alone: bool) -> str:
    """With what something else is said of a model, with what not, and each fact that changes."""
    changed, facets = _changed(entry), _facets(entry)
    moving = [facet for facet in facets if changed.intersection(_FACETS[facet])]
    still = [facet for facet in facets if facet not in moving]
    rest = f", not with {_either(still)}" if still else ""
    who = "it" if alone else entry.name
    return f"What is said of {who} changes with {listing(moving)}{rest}: {'; '.join(_changes(entry))}"


def _changes(entry: Entry) -> Iterator[str]:
    asked, *others = _variants(entry)
    gaps = dict(_gaps(entry))
    if moved := [one["name"] for one in others if "efficiency" in one["changed"]]:
        each = [f"by {estimate_text(gaps.get(name))} nats {_WHERE[name]}" for name in moved]
        yield f"its typical efficiency moves {listing(each)}"
    for fact in _FACTS:
        where: dict[Any, list[str]] = defaultdict(list)
        for one in others:
            if fact in one["changed"] and fact != "efficiency":
                where[one["says"][fact]].append(_WHERE[one["name"]])
        for value, variants in where.items():
            yield f"{_fact_words(fact, value)} {listing(variants)}{_before(fact, asked['says'])}"


def _fact_words(fact: str, value: Any) -> str:
    if fact == "excess":
        return f"its AOFE-ratio lies {value} its rotation null"
    if fact == "one_token":
        return f"{'one' if value else 'no'} token carries over 5% of the trace"
    return f"intervals of the mean's size {'hold' if value else 'are too narrow'}"


def _before(fact: str, says: Mapping[str, Any]) -> str:
    return f", {says['excess']} it as asked" if fact == "excess" else ""


def _counts(entries: Sequence[Entry]) -> str:
    """Of how many of many models something else is said, facet by facet."""
    each = []
    for facet, names in _FACETS.items():
        tried = [one for one in entries if facet in _facets(one)]
        if tried:
            each.append(f"with {facet} of {sum(bool(_changed(one).intersection(names)) for one in tried)}")
    still = sum(not _changed(one) for one in entries)
    return f"Of {len(entries)} models what is said changes {listing(each)}; of {still} nothing changes."


def _variants(entry: Entry) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = (entry.record.sensitivity or {})["variants"]
    return found


def _changed(entry: Entry) -> set[str]:
    """The variants of which something else is said."""
    return {one["name"] for one in _variants(entry) if one["changed"]}


def _facets(entry: Entry) -> list[str]:
    """What was varied."""
    tried = {one["name"] for one in _variants(entry)}
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
                _value(spread),
                f"{_value(ratio)} ({signed(excess.value if excess else None, 3)})",
                _same_cell(one),
            )
        )
    left_out = [
        f"Not measured: {_LABELS[one['name']]}. {one['why']}" for one in (entry.record.sensitivity or {})["left_out"]
    ]
    return table(
        f"What moves {entry.name}: typical efficiency ± standard error, minus that as asked with its 95% interval,"
        " typical spread, AOFE-ratio and its excess over the rotation null",
        ("", "Typical efficiency", "Difference", "Spread", "AOFE-ratio (excess)", Column(label="Says the same")),
        rows,
        note=" ".join([*([_BASIS] if "basis" in _facets(entry) else []), *left_out]),
    )


def _value(estimate: Estimate | None) -> str:
    """A number alone, in three decimals: its error is among the details."""
    return interval_text(estimate and Estimate(value=estimate.value), 3)


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
        note=_BASIS if any("basis" in _facets(entry) for entry in entries) else "",
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
        after = "after a document start" if one["prefix"] else "no document start"
        rows.append(
            (
                _LABELS[one["name"]],
                f"{one['tokens']:,} tokens of {one['probe']}, {one['windows']:,} windows of {one['window']},"
                f" {one['context']} context, {after}",
                *(_said_cell(one, fact) for fact in _FACTS),
            )
        )
    return table(
        f"{entry.name}: what is said of it in each variant",
        ("", "Measured on", *_FACTS.values()),
        rows,
        left=2 + len(_FACTS),
    )


def _said_cell(variant: Mapping[str, Any], fact: str) -> Cell:
    value = variant["says"][fact]
    text = {True: "yes", False: "no"}.get(value, str(value))
    if fact == "tail_covered":
        text = "hold" if value else "too narrow"
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


_UNPAIRED = "Read on other windows, so that errors are added in quadrature: {}."

"""What moves the answer, in tables: numbers at other windows, without context, on another text, and when rotated."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.sensitivity_words import BASES, TRIED, variants_of
from nil_audit.report.audit.words import MEAN, SPOKEN, TYPICAL, estimate_of, value_text
from nil_audit.report.render.cells import error_cell, estimate_cell
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, error_text, estimate_text, listing, signed

_LABELS = {
    "baseline": "as asked",
    "half_window": "half window",
    "double_window": "twice window",
    "no_context": "no context",
    "other_text": "other text",
    "random_rotation": "random basis",
    "hadamard_rotation": "Hadamard",
}
_FACTS = {
    "efficiency": "Typical efficiency",
    "excess": "AOFE-ratio against its null",
    "one_token": "Token over 5% of the trace",
    "tail_covered": "Intervals of the mean's size",
}
_SAME = (
    "Same? yes while the efficiency stays within the 95% interval stated as asked, or its difference within one that"
    " holds 0, and while the AOFE-ratio's side of its null, a token over 5% of the trace and whether intervals of the"
    " mean's size hold stay."
)
_BASIS = (
    "Random basis, Hadamard: the residual stream rotated, the function as it was. The AOFE-ratio and its excess are of"
    " the basis."
)
_UNPAIRED = "Not of the same text, so that errors are added in quadrature: {}."


def sensitivity_table(entry: Entry) -> Table:
    """What moves of one model, a row a variant, and whether the same is said of it."""
    rows = []
    for one in variants_of(entry):
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
                f"{value_text(ratio)}, {signed(excess.value if excess else None, 3)}",
                _same_cell(one),
            )
        )
    return table(
        f"What moves {entry.name}: typical efficiency ± standard error, minus that as asked with its 95% interval,"
        " typical spread, AOFE-ratio and its excess over the rotation null",
        ("", "Typical efficiency", "Difference", "Spread", "AOFE-ratio, excess", Column(label="Same?")),
        rows,
        note=_notes([entry], _SAME),
    )


def _notes(entries: Sequence[Entry], first: str) -> str:
    """A first note, then what the bases are where these were tried, then what was not measured and why."""
    turned = any(one["name"] in BASES for entry in entries for one in variants_of(entry))
    return " ".join(filter(None, (first, _BASIS if turned else "", _left_out(entries))))


def _left_out(entries: Sequence[Entry]) -> str:
    """What was not measured of one model or of several, once for all of which the reason is the same."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in entries:
        for one in (entry.record.sensitivity or {})["left_out"]:
            why = re.sub(rf"(?<!\w){re.escape(entry.record.name)}(?!\w)", "it", one["why"]).rstrip(".")
            first, _, rest = why.partition(" ")
            why = f"{first.lower() if first.istitle() else first} {rest}"
            groups[one["name"], why if len(entries) <= SPOKEN else ""].append(entry.name)
    each = []
    for (name, why), models in groups.items():
        whose = "" if len(models) == len(entries) else f" of {listing(models)}"
        of_many = "" if len(models) == len(entries) else f" of {len(models)} models"
        each.append(f"{_LABELS[name]}{whose} ({why})" if why else f"{_LABELS[name]}{of_many}")
    return f"Not measured: {'; '.join(each)}." if each else ""


def _same_cell(variant: Mapping[str, Any]) -> Cell:
    if variant["name"] == "baseline":
        return Cell(text=MISSING)
    return Cell(text="no", strong=True) if variant["changed"] else Cell(text="yes")


def sensitivity_of_many(entries: Sequence[Entry]) -> Table:
    """How far the typical efficiency moves, a row a model, a column a variant; marked where something changes."""
    names = [
        name for name in (*TRIED, *BASES) if any(name == one["name"] for entry in entries for one in variants_of(entry))
    ]
    rows: list[tuple[Cell | str, ...]] = []
    for entry in entries:
        found = {one["name"]: one for one in variants_of(entry)}
        rows.append((entry.name, *(_moved_cell(found.get(name)) for name in names)))
    return table(
        "What moves each model: typical efficiency minus that as asked, in nats; * it moves, † another fact changes",
        ("Model", *(_LABELS[name].capitalize() for name in names)),
        rows,
        note=_notes(entries, ""),
    )


def _moved_cell(variant: Mapping[str, Any] | None) -> Cell:
    gap = estimate_of(variant["difference"], "typical_efficiency") if variant else None
    if variant is None or gap is None:
        return Cell(text=MISSING)
    moved = "efficiency" in variant["changed"]
    marks = "*" * moved + "†" * (len(variant["changed"]) > moved)
    return Cell(text=f"{signed(gap.value)}{marks}", value=gap.value, strong=moved)


def said_table(entry: Entry) -> Table:
    """What each variant was measured on, and what is said of the model there; set apart where that is another thing."""
    rows: list[tuple[Cell | str, ...]] = []
    for one in variants_of(entry):
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
    """Every number of each variant, a column a variant, with every difference; of the bases what moves there."""
    asked, *others = variants_of(entry)
    titles = {**TYPICAL, "typical_rank": "Typical rank r(U)", **MEAN}
    tried = [one for one in others if one["name"] in TRIED]
    turned = [one for one in others if one["name"] in BASES]
    every = _number_rows([asked, *tried], titles)
    yield table(
        f"{entry.name}: every number in each variant, unbiased ± standard errors",
        ("Metric", *_heads([asked, *tried])),
        every,
    )
    if turned:
        rows = _number_rows([asked, *turned], titles)
        yield table(
            f"{entry.name}: what moves in a rotated basis; all other numbers stay to every digit printed",
            ("Metric", *_heads([asked, *turned])),
            [row for row in rows if len(set(row[1:])) > 1],
        )
    compared = [name for name in titles if any((one["difference"] or {}).get(name) for one in tried)]
    unpaired = [_LABELS[one["name"]] for one in tried if not one["paired"]]
    yield table(
        f"{entry.name}: each variant minus that as asked, with 95% intervals",
        ("Metric", *_heads(tried)),
        [
            (titles[name], *(estimate_text(estimate_of(one["difference"], name), 3) for one in tried))
            for name in compared
        ],
        note=_UNPAIRED.format(listing(unpaired)) if unpaired else "",
    )


def _heads(variants: Sequence[Mapping[str, Any]]) -> list[str]:
    return [_LABELS[one["name"]].capitalize() for one in variants]


def _number_rows(variants: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> list[tuple[str, ...]]:
    return [
        *(
            (title, *(error_text(estimate_of(one["estimates"], name)) for one in variants))
            for name, title in titles.items()
        ),
        ("Loss/token", *(error_text(estimate_of(one, "loss_per_token")) for one in variants)),
    ]

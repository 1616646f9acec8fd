"""Parameter space beside gradient space: WᵀW of the embedding and the unembedding, and the AGOP of the embedding."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import MEAN, estimate_of
from nil_audit.report.render.cells import error_cell
from nil_audit.report.render.page import Cell, Table, table
from nil_audit.report.render.text import MISSING, error_text, interval_text, listing
from nil_audit.stats.estimate import Estimate

_Z = 1.96
_TABLES = ("embedding", "unembedding")
_KINDS = {"typical": "ρ, typical token", "mean": "ρ, mean"}
_OF_GRADIENTS = ("interaction_efficiency", "sensitivity")
"""Metrics that scale G by the embedding's own size, and mean nothing for a matrix of weights."""
_MORE = {"above": "more", "at": "no more", "below": "less"}


def weighed(entries: Sequence[Entry]) -> list[Entry]:
    """The models of which there are numbers of the weights."""
    return [entry for entry in entries if (entry.record.superposition or {}).get("embedding")]


def superposition_sentence(entries: Sequence[Entry]) -> str:
    """Whether the directions of a typical token's gradients are those of the embedding and of the unembedding.

    Returns:
        A sentence; empty where no alignment was measured.
    """
    found = [entry for entry in weighed(entries) if _against_chance(entry, "embedding")]
    if not found:
        return ""
    what = "The directions of a typical token's gradients are"
    than = "than a random basis would be"
    if len(entries) > 1:
        counts = []
        for which in _TABLES:
            known = [where for entry in found if (where := _against_chance(entry, which))]
            if known:
                counts.append(f"those of the {which} in {known.count('above')} of {len(known)} models")
        return f"{what} more like {listing(counts)} {than}."
    groups: dict[str, list[str]] = defaultdict(list)
    for which in _TABLES:
        if where := _against_chance(found[0], which):
            rho = _alignment(found[0], which, "typical")
            groups[where].append(f"those of the {which} (ρ {interval_text(rho, _decimals(rho))})")
    each = [f"{_MORE[where]} like {listing(tables)}" for where, tables in groups.items()]
    return f"{what} {listing(each)} {than}; 1 is the same up to scale, chance 0 ± {_null_sd(found[0]):.2g}."


def _decimals(estimate: Estimate | None) -> int:
    """Two, of a correlation near zero three."""
    return 2 if estimate is None or abs(estimate.value) >= 0.1 else 3


def _against_chance(entry: Entry, which: str) -> str:
    """Where a typical token's ρ lies: "above", "at" or "below" that of a random basis; empty where it is not known.

    By its 95% interval against 1.96 standard deviations of a random basis.
    """
    found = _alignment(entry, which, "typical")
    if found is None or found.interval is None:
        return ""
    (low, high), chance = found.interval, _Z * _null_sd(entry)
    return "above" if low > chance else "below" if high < -chance else "at"


def _measured_alignment(entry: Entry) -> Mapping[str, Any]:
    return (entry.record.superposition or {}).get("alignment") or {}


def _alignment(entry: Entry, which: str, kind: str) -> Estimate | None:
    return estimate_of(_measured_alignment(entry).get(which), kind)


def _null_sd(entry: Entry) -> float:
    return float(_measured_alignment(entry)["null_sd"])


def superposition_table(entry: Entry) -> Table:
    """The numbers of one model's AGOP and of WᵀW of its tables side by side, and how alike these are."""
    record, found = entry.record, entry.record.superposition or {}
    tables = [which for which in _TABLES if found.get(which)]
    rows = [
        (
            title,
            error_text(record.metric(name)),
            *(
                MISSING if (value := found[which].get(name)) is None else error_text(Estimate(value=value))
                for which in tables
            ),
        )
        for name, title in MEAN.items()
        if name not in _OF_GRADIENTS and any(name in found[which] for which in tables)
    ]
    notes = ["The unembedding is the embedding."] if record.shape.tied and "unembedding" not in tables else []
    if _measured_alignment(entry):
        rows += [
            (title, MISSING, *(error_text(_alignment(entry, which, kind)) for which in tables))
            for kind, title in _KINDS.items()
        ]
        notes.append(
            "ρ: correlation of WᵀW with the AGOP, of directions and of the mean, both without their isotropic part; 0 ±"
            f" {_null_sd(entry):.2g} with the same spectrum in a random basis."
        )
    return table(
        f"{entry.name}: the AGOP beside the weights, unbiased ± standard errors; WᵀW has none",
        ("Metric", "AGOP", *(f"{which.capitalize()} WᵀW" for which in tables)),
        rows,
        note=" ".join(notes),
    )


def superposition_of_many(entries: Sequence[Entry]) -> Table:
    """The AOFE-ratios of the AGOP and of the weights of several models, and how alike these are, a row each."""
    columns: dict[str, list[Cell]] = {
        **{f"ρ {which}": [error_cell(_alignment(one, which, "typical")) for one in entries] for which in _TABLES},
        "AOFE-ratio": [error_cell(one.record.metric("aofe_ratio")) for one in entries],
        **{f"of the {which}": [_ratio_cell(one, which) for one in entries] for which in _TABLES},
    }
    known = {label: cells for label, cells in columns.items() if any(cell.value is not None for cell in cells)}
    rho = "ρ, the correlation of WᵀW with a typical token's AGOP, and " if any("ρ" in label for label in known) else ""
    return table(
        f"The AGOP beside the weights: {rho}AOFE-ratios",
        ("Model", *known),
        [(entry.name, *cells) for entry, *cells in zip(entries, *known.values(), strict=True)],
    )


def _ratio_cell(entry: Entry, which: str) -> Cell:
    value = ((entry.record.superposition or {}).get(which) or {}).get("aofe_ratio")
    return error_cell(None if value is None else Estimate(value=value))

"""The output AGOP in words and tables, and whether its AOFE-ratio is more than its effective rank in another form."""

import math
from collections import defaultdict
from collections.abc import Sequence

from nil_audit.interaction.metrics import against_null, rotation_scatter
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import SPOKEN, estimate_of, value_text
from nil_audit.report.render.cells import error_cell
from nil_audit.report.render.page import Table, table
from nil_audit.report.render.text import error_text, estimate_text, listing
from nil_audit.stats.estimate import Estimate

_OF_THE_RANK = (
    "A random projection makes the basis random, and the AOFE-ratio the effective rank in another form: its excess is"
    " then that of the one draw, with a standard deviation of {scatter} at most beside the error given."
)
_SHOWN = {
    "effective_rank": "Effective rank",
    "aofe_ratio": "AOFE-ratio",
    "rotation_null": "Rotation null",
    "excess": "Excess",
    "aofe": "AOFE",
    "trace": "Trace",
    "interaction_efficiency": "Output efficiency",
}
"""What the table of a model holds; the record holds the rest."""

_OF_MANY = ("effective_rank", "aofe_ratio", "excess", "interaction_efficiency")
"""What the row of a model among several holds."""


def probed(entries: Sequence[Entry]) -> list[Entry]:
    """The models whose output AGOP was measured."""
    return [entry for entry in entries if entry.record.output]


def output_sentence(entries: Sequence[Entry]) -> str:
    """The effective rank, and whether the AOFE-ratio says more: whether it is what a random basis of that rank has.

    Returns:
        A sentence; empty where no model's output AGOP was measured.
    """
    found = probed(entries)
    if not found:
        return ""
    known = [one for one in found if _standing(one)]
    if len(entries) == 1:
        (entry,) = found
        section = entry.record.output or {}
        what = (
            f"The gradients of its last logits ({section['outputs']} random outputs, {section['windows']:,} windows of"
            f" {section['window']} tokens) have an effective rank"
        )
        if not known:
            return f"{what} that is undefined in so little text."
        return (
            f"{what} of {_rank(entry)} of {section['outputs']}; their AOFE-ratio, {_ratio(entry)}, {_one_words(entry)}."
        )
    what = f"gradients of the last logits ({(found[0].record.output or {})['outputs']} random outputs)"
    if not known:
        return f"The effective rank of the {what} is undefined in so little text."
    rest = f" {len(found) - len(known)} of {len(found)} are undefined in so little text." * (len(known) < len(found))
    if len(found) <= SPOKEN:
        each = listing([f"{one.name} {_rank(one)} (AOFE-ratio {_ratio(one)})" for one in known])
        return f"Effective rank of the {what}: {each}. AOFE-ratio: {_group_words(known)}.{rest}"
    ordered = sorted(known, key=lambda one: _value(one, "effective_rank"))
    ends = " to ".join(f"{_rank(one)} of {one.name} (AOFE-ratio {_ratio(one)})" for one in (ordered[0], ordered[-1]))
    return f"Effective rank of the {what}: from {ends}. AOFE-ratio: {_group_words(known)}.{rest}"


def _one_words(entry: Entry) -> str:
    null = f"{value_text(_metric(entry, 'rotation_null'))} ± {_scatter(entry):.3f} from draw to draw"
    basis = f"that of a random basis of this rank ({null})"
    where = _standing(entry)
    return (
        f"says no more: it is {basis}" if where == "at" else f"lies {_size(_metric(entry, 'excess'))} {where} {basis}"
    )


def _size(excess: Estimate | None) -> str:
    """How far from zero, whatever the side: "0.555 [0.545, 0.566]"."""
    assert excess is not None
    low, high = sorted(map(abs, excess.interval or ()))
    return f"{abs(excess.value):.3f} [{low:.3f}, {high:.3f}]"


def _rank(entry: Entry) -> str:
    return error_text(_metric(entry, "effective_rank"))


def _ratio(entry: Entry) -> str:
    return error_text(_metric(entry, "aofe_ratio"))


def _group_words(entries: Sequence[Entry]) -> str:
    """Of which models, or of how many, the ratio is that of a random basis of their rank, and of which not."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for one in entries:
        groups[_standing(one)].append(one)
    basis = "a random basis of that rank would have"
    if set(groups) == {"at"}:
        return f"{'both' if len(entries) == 2 else 'all'} as {basis}" if len(entries) > 1 else f"as {basis}"
    words = {"at": f"as {basis}", "above": f"above what {basis}", "below": f"below what {basis}"}
    said = []
    for where in (one for one in words if one in groups):
        group = groups[where]
        beside = "" if where == "at" else " (excess {})"
        few = len(entries) <= SPOKEN
        named = [one.name + beside.format(estimate_text(_metric(one, "excess"), 3)) for one in group]
        said.append(f"{listing(named) if few else f'{len(group)} of {len(entries)}'} {words[where]}")
    return "; ".join(said)


def _standing(entry: Entry) -> str:
    """Where the AOFE-ratio lies against random bases of its rank: "at", "above" or "below"; empty where undefined."""
    excess, rank = _metric(entry, "excess"), _metric(entry, "effective_rank")
    return (excess and rank and against_null(excess, rank, (entry.record.output or {})["outputs"])) or ""


def _scatter(entry: Entry) -> float:
    return rotation_scatter(_value(entry, "effective_rank"), (entry.record.output or {})["outputs"])


def _metric(entry: Entry, name: str) -> Estimate | None:
    return estimate_of((entry.record.output or {})["estimates"]["unbiased"], name)


def _value(entry: Entry, name: str) -> float:
    found = _metric(entry, name)
    return math.nan if found is None else found.value


def output_table(entry: Entry) -> Table:
    """The numbers of one model's output AGOP in both estimates."""
    section = entry.record.output or {}
    both = section["estimates"]
    return table(
        f"{entry.name}: the AGOP of {section['outputs']} random outputs of the last position, mean of"
        f" {section['windows']:,} windows of {section['window']} tokens, ± jackknife standard errors",
        ("Metric", "Unbiased", "Plug-in"),
        [
            (title, *(error_text(estimate_of(both[kind], name)) for kind in ("unbiased", "plugin")))
            for name, title in _SHOWN.items()
            if name in both["unbiased"]
        ],
        note=_OF_THE_RANK.format(scatter=f"{_scatter(entry):.3f}") if _standing(entry) else "",
    )


def output_of_many(entries: Sequence[Entry]) -> Table:
    """The output AGOP of several models, a row each."""
    return table(
        "The AGOP of random outputs of the last position, unbiased ± jackknife standard errors",
        ("Model", *(_SHOWN[name] for name in _OF_MANY)),
        [(entry.name, *(error_cell(_metric(entry, name)) for name in _OF_MANY)) for entry in entries],
    )

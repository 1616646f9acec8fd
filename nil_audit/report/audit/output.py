"""The output AGOP in words and tables, and whether its AOFE-ratio is more than its effective rank in another form."""

import math
from collections import defaultdict
from collections.abc import Sequence

from nil_audit.interaction.metrics import against_null, rotation_scatter
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import MEAN, SPOKEN, estimate_of, value_text
from nil_audit.report.render.cells import error_cell
from nil_audit.report.render.page import Table, table
from nil_audit.report.render.text import error_text, estimate_text, listing
from nil_audit.stats.estimate import Estimate

_OF_THE_RANK = (
    "A random projection makes the basis random, and the AOFE-ratio the effective rank in another form: its excess is"
    " then that of the one draw, with a standard deviation of {scatter} at most beside the error given."
)
_SHOWN = {
    "aofe_ratio": "AOFE-ratio",
    "excess": "Excess",
    "effective_rank": "Effective rank",
    "interaction_efficiency": "Efficiency",
}
"""What the row of a model among several holds."""


def probed(entries: Sequence[Entry]) -> list[Entry]:
    """The models whose output AGOP was measured."""
    return [entry for entry in entries if entry.record.output]


def output_sentence(entries: Sequence[Entry]) -> str:
    """The AOFE-ratio and the effective rank, and whether the ratio is what a random basis of that rank would have.

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
            f"The AGOP of its last logits ({section['outputs']} random outputs, {section['windows']:,} windows of"
            f" {section['window']} tokens)"
        )
        if not known:
            return f"{what} is undefined in so little text."
        return f"{what} has an AOFE-ratio of {error_text(_metric(entry, 'aofe_ratio'))}, {_one_words(entry)}."
    what = f"AGOP of the last logits, by {(found[0].record.output or {})['outputs']} random outputs"
    if not known:
        return f"The {what}, is undefined in so little text."
    rest = f" {len(found) - len(known)} of {len(found)} are undefined in so little text." * (len(known) < len(found))
    if len(found) <= SPOKEN:
        each = listing([f"{one.name} {_ratio_words(one)}" for one in known])
        return f"AOFE-ratio of the {what}: {each}: {_group_words(known)}.{rest}"
    ordered = sorted(known, key=lambda one: _value(one, "aofe_ratio"))
    ends = " to ".join(f"{_ratio_words(one)} of {one.name}" for one in (ordered[0], ordered[-1]))
    return f"The {what}, has AOFE-ratios from {ends}: {_group_words(known)}.{rest}"


def _one_words(entry: Entry) -> str:
    section = entry.record.output or {}
    excess, rank = _metric(entry, "excess"), error_text(_metric(entry, "effective_rank"))
    null = f"{value_text(_metric(entry, 'rotation_null'))} ± {_scatter(entry):.3f} from draw to draw"
    basis = f"a random basis of its effective rank, {rank} of {section['outputs']}, would have ({null})"
    where = _standing(entry)
    if where == "at":
        return f"as {basis}"
    return f"{_size(excess)} {where} what {basis}"


def _size(excess: Estimate | None) -> str:
    """How far from zero, whatever the side: "0.555 [0.545, 0.566]"."""
    assert excess is not None
    low, high = sorted(map(abs, excess.interval or ()))
    return f"{abs(excess.value):.3f} [{low:.3f}, {high:.3f}]"


def _ratio_words(entry: Entry) -> str:
    return f"{error_text(_metric(entry, 'aofe_ratio'))} (effective rank {error_text(_metric(entry, 'effective_rank'))})"


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
    """Every number of one model's output AGOP in both estimates."""
    section = entry.record.output or {}
    both = section["estimates"]
    return table(
        f"{entry.name}: the AGOP of {section['outputs']} random outputs of the last position, mean of"
        f" {section['windows']:,} windows of {section['window']} tokens, ± jackknife standard errors",
        ("Metric", "Unbiased", "Plug-in"),
        [
            (title, *(error_text(estimate_of(both[kind], name)) for kind in ("unbiased", "plugin")))
            for name, title in MEAN.items()
            if name in both["unbiased"]
        ],
        note=_OF_THE_RANK.format(scatter=f"{_scatter(entry):.3f}") if _standing(entry) else "",
    )


def output_of_many(entries: Sequence[Entry]) -> Table:
    """The output AGOP of several models, a row each."""
    return table(
        "The AGOP of random outputs of the last position, unbiased ± jackknife standard errors",
        ("Model", *_SHOWN.values()),
        [(entry.name, *(error_cell(_metric(entry, name)) for name in _SHOWN)) for entry in entries],
    )

"""What the pages of an audit call models and numbers, and the texts of single numbers that several of them share."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from nil_audit.auditing.record import Record
from nil_audit.law.pooled import Regret, Verdict
from nil_audit.law.studies import DEFAULT, Extrapolation
from nil_audit.report.render.characters import visible
from nil_audit.report.render.text import display_names, interval_text
from nil_audit.stats.estimate import Estimate

SPOKEN = 6
"""Models of which each is spoken of in the answer and has tables of its own; of more there are counts and extremes."""

_LONGEST_TOKEN = 24
"""Characters of a token's text."""

TYPICAL = {
    "typical_efficiency": "Typical efficiency",
    "typical_spread": "Typical spread",
    "typical_sensitivity": "Typical sensitivity",
    "tail": "Tail",
}
MEAN = {
    "interaction_efficiency": "Efficiency",
    "spread": "Spread",
    "sensitivity": "Sensitivity",
    "aofe": "AOFE",
    "aofe_ratio": "AOFE-ratio",
    "excess": "Excess",
    "kappa": "Kappa",
    "effective_rank": "Effective rank r",
    "mean_cos2": "Mean cos²",
    "normalised_aofe": "Normalised AOFE",
    "rotation_null": "Rotation null",
    "trace": "Trace",
}
"""The numbers of the mean G: the paper's, and what follows from them."""


def model_names(records: Sequence[Record]) -> tuple[str, ...]:
    """What each model is called, no two alike.

    Records of one and the same model are told apart by their probe and tokens where these differ, else numbered.
    """
    shown = display_names(record.name for record in records)
    groups: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        groups[record.name].append(place)
    names = [""] * len(records)
    taken = set(shown.values())
    for name, places in groups.items():
        settings = [_setting(records[place]) for place in places]
        differing = [len({one[part] for one in settings}) > 1 for part in range(2)]
        for place, setting in zip(places, settings, strict=True):
            more = [text for text, differs in zip(setting, differing, strict=True) if differs and text]
            wanted = ", ".join([shown[name], *more])
            free, number = wanted, 1
            while free in taken and len(places) > 1 and (free in names or free != shown[name]):
                number += 1
                free = f"{wanted} ({number})"
            names[place] = free
            taken.add(free)
    return tuple(names)


def _setting(record: Record) -> tuple[str, str]:
    found = record.interaction
    return ("", "") if found is None else (str(found["probe"]["name"]), f"{found['tokens']:,} tokens")


def estimate_of(estimates: Mapping[str, Any] | None, name: str) -> Estimate | None:
    """One number of a section's estimates; None where it was not measured or noise made it undefined."""
    found = (estimates or {}).get(name)
    return None if found is None or found["value"] is None else Estimate.from_dict(found)


def value_text(estimate: Estimate | None, digits: int = 3) -> str:
    """A number alone, where its error stands elsewhere."""
    return interval_text(estimate and Estimate(value=estimate.value), digits)


def stands(record: Record) -> Verdict:
    """What all studies together say of a record's shape."""
    found = record.verdict
    return Verdict(label=found["label"], distance=found["distance"], regret=Regret(**found["regret"]))


def pool_reach(record: Record) -> Extrapolation:
    """How far a record's shape lies beyond the runs that are pooled."""
    return Extrapolation(**record.verdict["extrapolation"])


def interval_words(records: Sequence[Record]) -> str:
    """Whose interval the distances of records are to: "the law's interval", "morph's interval"."""
    named = [record.verdict["interval"] for record in records]
    names = dict.fromkeys("the law" if name == DEFAULT else str(name) for name in named)
    return f"{' or '.join(names)}'s interval"


def quoted(text: str) -> str:
    """A token in quotation marks, every character of it to be seen; of a long one the beginning."""
    return f"'{_shortened(visible(text))}'"


def _shortened(token: str) -> str:
    return token if len(token) <= _LONGEST_TOKEN else f"{token[:_LONGEST_TOKEN]}…"


def in_context(token: Mapping[str, Any], around: int) -> str:
    """A heavy token in its text, between marks, with this many characters before and after it at most."""
    before, after, own = (visible(token[part]) for part in ("before", "after", "token"))
    before = before if len(before) <= around else f"…{before[-around:]}"
    after = after if len(after) <= around else f"{after[:around]}…"
    return f"{before}▸{_shortened(own)}◂{after}"

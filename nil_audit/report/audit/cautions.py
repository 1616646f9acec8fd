"""What has to be said beside the answer: where the mean's numbers are one token's, or their errors too small."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import in_context, listing, quoted
from nil_audit.report.render.text import percent

ONE_TOKEN = 0.05
"""Share of the trace above which the mean's numbers are said to be one token's."""
HEAVY = 0.05
"""Share of the trace in the heaviest 0.1% of tokens above which the mean's intervals are said to be too narrow."""
FEW_WINDOWS = 64
"""Windows below which the mean's ratios keep a small bias, and their intervals cover too little."""

_PAPER = "the paper's numbers (AOFE, AOFE-ratio, efficiency, sensitivity)"
_NAMED = 3
_AROUND = 16
"""Characters of text on either side of a token that is shown."""


def cautions(entries: Sequence[Entry]) -> Iterator[str]:
    """Sentences without which a page would be misread, each said once for all of its models."""
    several = len(entries) > 1
    measured = [one for one in entries if one.record.interaction is not None]
    ruled = sorted((one for one in measured if _token_share(one) > ONE_TOKEN), key=lambda one: -_token_share(one))
    if ruled and not several:
        token = _heaviest(ruled[0])
        named = f"One token, “{in_context(token, _AROUND)}”," if token else "One token"
        yield f"{named} carries {percent(_token_share(ruled[0]), 0)} of the trace: {_PAPER} are that token's."
        return
    if ruled:
        named = listing([_ruled_words(one) for one in ruled[:_NAMED]])
        more = f" and {len(ruled) - _NAMED} more" if len(ruled) > _NAMED else ""
        yield (
            f"One token carries more than {percent(ONE_TOKEN, 0)} of the trace of {named}{more}: there {_PAPER} are"
            " that token's."
        )
    reasons = []
    if heavy := [share for one in measured if (share := _permille_share(one)) > HEAVY and one not in ruled]:
        most = "up to " if len(heavy) > 1 else ""
        who = _of_models(len(heavy), len(measured))
        reasons.append(f"the heaviest 0.1% of tokens carry {most}{percent(max(heavy), 0)} of the trace{who}")
    if few := [windows for one in measured if (windows := _windows(one)) < FEW_WINDOWS]:
        least = "as few as " if len(set(few)) > 1 else ""
        who = _of_models(len(few), len(measured))
        reasons.append(f"there are {least}{min(few)} windows (under {FEW_WINDOWS}){who}")
    if reasons:
        yield (
            f"Do not lean on the intervals of the mean's numbers, the paper's: {listing(reasons)}; those of the typical"
            " numbers hold."
        )


def _of_models(number: int, measured: int) -> str:
    """Of how many models something is true; nothing where it is of all."""
    return "" if number == measured else f" for {number} of {measured} models"


def _windows(entry: Entry) -> int:
    return int((entry.record.interaction or {})["windows"])


def _token_share(entry: Entry) -> float:
    return float(((entry.record.interaction or {}).get("heaviest") or {}).get("token_share") or 0.0)


def _permille_share(entry: Entry) -> float:
    return float(((entry.record.interaction or {}).get("heaviest") or {}).get("permille_share") or 0.0)


def _heaviest(entry: Entry) -> Mapping[str, Any] | None:
    """The heaviest token; None where a record to compare with goes without it."""
    tokens = ((entry.record.interaction or {}).get("heaviest") or {}).get("tokens")
    return tokens[0] if tokens else None


def _ruled_words(entry: Entry) -> str:
    token = _heaviest(entry)
    which = f"{quoted(token['token'])}, " if token else ""
    return f"{entry.name} ({which}{percent(_token_share(entry), 0)})"

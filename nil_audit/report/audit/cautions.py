"""What has to be said beside the answer: where the mean's numbers are one token's, or their errors too small."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nil_audit.interaction.metrics import ONE_TOKEN, mean_is_covered
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import in_context, quoted
from nil_audit.report.render.text import listing, percent

_PAPER = "the paper's numbers (AOFE, AOFE-ratio, efficiency, sensitivity, rank)"
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
        also = " The intervals of trace and tail are too narrow as well." if _too_narrow(ruled[0]) else ""
        yield (
            f"{named} carries {percent(_token_share(ruled[0]), 0)} of the trace: {_PAPER} are largely that"
            f" token's.{also}"
        )
        return
    if ruled:
        named = listing([_ruled_words(one) for one in ruled[:_NAMED]])
        more = f" and {len(ruled) - _NAMED} more" if len(ruled) > _NAMED else ""
        yield (
            f"One token carries more than {percent(ONE_TOKEN, 0)} of the trace of {named}{more}: there {_PAPER} are"
            " largely that token's."
        )
    if narrow := [one for one in measured if _too_narrow(one)]:
        who = listing([one.name for one in narrow]) if len(narrow) <= _NAMED else f"{len(narrow)} models"
        where = f"The tail of {who}" if several else "The tail"
        ratios = "hold, and of ratios where no token carries that much" if ruled else "and of ratios hold"
        yield (
            f"{where} is too heavy for so few tokens: intervals of the mean's size (trace, sensitivity,"
            f" efficiency, AOFE) and of the tail are too narrow; those of typical numbers {ratios}."
        )


def _too_narrow(entry: Entry) -> bool:
    """Whether the tail is too heavy for so little text, so that intervals of the mean's size are not to be believed."""
    tail = entry.record.metric("tail")
    return tail is not None and not mean_is_covered(tail.value, (entry.record.interaction or {})["tokens"])


def _token_share(entry: Entry) -> float:
    return float(((entry.record.interaction or {}).get("heaviest") or {}).get("token_share") or 0.0)


def _heaviest(entry: Entry) -> Mapping[str, Any] | None:
    """The heaviest token; None where a record to compare with goes without it."""
    tokens = ((entry.record.interaction or {}).get("heaviest") or {}).get("tokens")
    return tokens[0] if tokens else None


def _ruled_words(entry: Entry) -> str:
    token = _heaviest(entry)
    which = f"{quoted(token['token'])}, " if token else ""
    return f"{entry.name} ({which}{percent(_token_share(entry), 0)})"

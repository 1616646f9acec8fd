"""Checks a table of models and scores: what cannot be used is left out by name, with the reason."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nil_audit.auditing.documents import HUB_ID
from nil_audit.catalog.lists import IN_UNITS, WHOLE_NUMBERS
from nil_audit.catalog.scores import MMLU_PRO_CHANCE
from nil_audit.comparison.predictors import METRICS
from nil_audit.comparison.reading.said import FACTS, OWN_PROTOCOL
from nil_audit.comparison.result import Omission
from nil_audit.comparison.table import NUMBERS, TEXTS
from nil_audit.errors import DataError
from nil_audit.stats.estimate import Array

if TYPE_CHECKING:
    import pandas as pd

_DEFAULTS = {"kind": "base", "protocol": OWN_PROTOCOL, "origin": "table", "source": "the table given"}
_UNITS = {"depth": "blocks", "width": "channels"}
_KNOWN_OF_SHAPE = ("ratio", *WHOLE_NUMBERS, *(column for column, _ in IN_UNITS.values()))

_LOSSES = ("loss_per_token", "loss_per_byte")
"""Of a record."""


def checked(
    frame: "pd.DataFrame", *, outcome: str | None = None, lower_is_better: bool = False, size: str = "parameters"
) -> tuple["pd.DataFrame", list[Omission], list[str]]:
    """A frame with every column that `nil_audit.comparison.table` reads, unusable rows left out.

    Args:
        frame: Columns as there, and those that ``outcome`` and ``size`` name; others are ignored.
        outcome: The column that is compared, a score or a loss, with its standard error in ``OUTCOME_stderr`` where
            there is one; None: ``score``, an accuracy of MMLU-Pro. It is the protocol then, and guessing scores
            nothing.
        lower_is_better: It is a loss.
        size: The column of the size that is held fixed.

    Returns:
        The clean table (numbers as float with NaN, text with "" where missing; the outcome in ``score``), what
        was left out and why, and notes.

    Raises:
        DataError: A column that is required or named is missing, a column of numbers holds text, scores look like per
            cent or are mixed with it, a size is not above zero, or no row is usable.
    """
    frame = frame.reset_index(drop=True)
    if outcome is not None:
        frame = _with_outcome(frame, outcome, lower_is_better)
    table, notes = _typed(frame, size)
    if outcome is None:
        _refuse_percent(table)
    elif not lower_is_better:
        notes += _scale(table, outcome)
    reasons = _reasons(table, outcome, lower_is_better)
    excluded = [
        Omission(what=model or "(no name)", reason=reason)
        for model, reason in zip(table["model"], reasons, strict=True)
        if reason
    ]
    table = table[[not reason for reason in reasons]].reset_index(drop=True)
    if table.empty:
        why = f": {excluded[0].what}: {excluded[0].reason}" if excluded else f"; {_no_scores(frame)}."
        raise DataError(f"No model with a depth, a width and a usable {outcome or 'score'} is left{why}")
    if outcome is not None:
        table["chance"] = np.nan
    return table, excluded, notes


def _with_outcome(frame: "pd.DataFrame", outcome: str, lower_is_better: bool) -> "pd.DataFrame":
    """The frame with the outcome where a score stands."""
    if outcome in ("model", *FACTS, *_KNOWN_OF_SHAPE):
        raise DataError(f"{outcome!r} says what a model is, not how well it does; name a score or a loss.")
    if outcome in _LOSSES and not lower_is_better:
        raise DataError(f"{outcome} is a loss; add --lower-is-better (lower_is_better=True).")
    if outcome not in frame or not frame[outcome].notna().any():
        raise DataError(f"No model has a number {outcome!r}; {_columns(frame)}.")
    error = "stderr" if outcome == "score" else f"{outcome}_stderr"
    frame = frame.assign(score=_numbers(frame, outcome), stderr=frame.get(error, np.nan), protocol=outcome)
    return frame.drop(columns=outcome) if outcome in METRICS else frame


def _no_scores(frame: "pd.DataFrame") -> str:
    """What gives scores where there is none."""
    scores = "give scores of 'nil-audit score MODEL --out DIR', lm-eval results, or a list with a column 'score'"
    return f"{scores}, or compare another column by --outcome ({_columns(frame)})" if _others(frame) else scores


def _columns(frame: "pd.DataFrame") -> str:
    """Which columns of numbers there are, in words."""
    names = _others(frame)
    return f"the columns of numbers are {', '.join(names)}" if names else "no column holds numbers of its own"


def _others(frame: "pd.DataFrame") -> list[str]:
    """Columns of numbers that may be an outcome or a size; of a frame without rows all that may be."""
    import pandas as pd

    passed = {"model", *FACTS, *TEXTS, *NUMBERS, *_KNOWN_OF_SHAPE, "protocol"} - set(METRICS)
    return sorted(
        str(name)
        for name in frame
        if name not in passed
        and not str(name).endswith("_stderr")
        and (frame.empty or pd.to_numeric(frame[name], errors="coerce").notna().any())
    )


def _typed(frame: "pd.DataFrame", size: str) -> tuple["pd.DataFrame", list[str]]:
    import pandas as pd

    missing = [name for name in ("model", "depth", "width", "score") if name not in frame]
    if missing:
        raise DataError(
            f"The table has no column {' and no column '.join(map(repr, missing))}; name depth and width in blocks and"
            " channels, and score as a fraction of 1."
        )
    table = pd.DataFrame({"model": frame["model"].fillna("").astype(str).str.strip()})
    for name in NUMBERS:
        if name in METRICS and name not in frame:
            continue
        table[name] = _numbers(frame, name)
    for name in (*TEXTS, "kind", "protocol"):
        text = frame[name].astype(object).where(frame[name].notna(), "") if name in frame else ""
        table[name] = pd.Series(text, index=frame.index, dtype=object).astype(str).str.strip().to_numpy()
        if name in _DEFAULTS:
            table[name] = table[name].replace("", _DEFAULTS[name])
    table["chance"] = table["chance"].fillna(MMLU_PRO_CHANCE)
    for name in IN_UNITS:
        table.loc[~(table[name] > 0), name] = np.nan
    if size != "parameters":
        table[size] = _sizes(frame, size)
    return table, _families(table)


def _numbers(frame: "pd.DataFrame", name: str) -> Array:
    """A column as numbers, shape (n,), NaN where it is empty or missing."""
    import pandas as pd

    column = frame[name] if name in frame else pd.Series(np.nan, index=frame.index)
    values = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=float)
    wrong = (column.notna() & (column.astype(str).str.strip() != "")).to_numpy() & np.isnan(values)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{frame['model'][first]}: {name} is {str(column.iloc[first])!r}, which is not a number; correct it or"
            " leave it empty."
        )
    return values


def _sizes(frame: "pd.DataFrame", size: str) -> Array:
    """The column of sizes, shape (n,), NaN where it is empty."""
    if size in ("depth", "width", "score", "stderr", "chance"):
        raise DataError(f"{size!r} is no size of a model; name parameters of some kind, or training FLOPs.")
    if size not in frame or not frame[size].notna().any():
        raise DataError(f"No model has a size {size!r}; {_columns(frame)}, and parameters are taken without --size.")
    values = _numbers(frame, size)
    if (wrong := np.flatnonzero(values <= 0)).size:
        raise DataError(f"{frame['model'][wrong[0]]}: {size} is {values[wrong[0]]:g}, and a size is above zero.")
    return values


def _families(table: "pd.DataFrame") -> list[str]:
    """Fill missing families, and say so, and missing organisations.

    A family is the Hub organisation, or the model alone with all its revisions; an organisation is that of the Hub, or
    the family.
    """
    names = table["model"].str.split("@").str[0]
    on_hub = names.map(HUB_ID.fullmatch).notna()
    nameless, unsigned = table["family"] == "", table["organisation"] == ""
    table.loc[nameless, "family"] = names.where(~names.str.contains("/"), names.str.split("/").str[0])[nameless]
    table.loc[unsigned, "organisation"] = names.str.split("/").str[0].where(on_hub, table["family"])[unsigned]
    if not nameless.any():
        return []
    models = table["model"][nameless].nunique()
    return [
        f"{models} model{'s name' if models > 1 else ' names'} no family: models of one Hub organisation are taken as"
        " one, others each by itself."
    ]


def _refuse_percent(table: "pd.DataFrame") -> None:
    scores = table["score"][np.isfinite(table["score"])]
    above = (scores > 1) & (scores <= 100)
    if len(scores) and above.mean() > 0.5:
        raise DataError(
            f"{int(above.sum())} of {len(scores)} scores lie between 1 and 100, so they look like per cent; divide the"
            " column 'score' by 100."
        )


def _scale(table: "pd.DataFrame", outcome: str) -> list[str]:
    """On which scale the scores of another outcome lie, where they are not fractions of 1.

    Raises:
        DataError: Some look like fractions and some like per cent.
    """
    scores = table.loc[np.isfinite(table["score"]), ["model", "score"]]
    low, high = scores["score"].min(), scores["score"].max()
    if not len(scores) or (low >= 0 and high <= 1):
        return []
    fractions, above = scores[(scores["score"] > 0) & (scores["score"] < 1)], scores[scores["score"] > 1]
    if low >= 0 and high <= 100 and len(fractions) and len(above):
        one, other = fractions.iloc[0], above.iloc[0]
        raise DataError(
            f"{outcome} mixes fractions of 1 ({len(fractions)}; {one['model']}: {one['score']:g}) with what look like"
            f" per cent ({len(above)}; {other['model']}: {other['score']:g}); give all of them alike."
        )
    scale = "per cent" if low >= 0 and high <= 100 else "a scale of their own"
    return [f"{outcome} lies between {low:g} and {high:g}: the numbers are taken as {scale}, as they are."]


def _reasons(table: "pd.DataFrame", outcome: str | None, lower_is_better: bool) -> list[str]:
    """Why each row cannot be used, or ""."""
    seen: dict[tuple[str, str], float] = {}
    reasons = []
    for row in table.to_dict("records"):
        reason = _reason(row) or _unscored(row, outcome, lower_is_better)
        key = row["model"].lower(), row["protocol"]
        if not reason and key in seen:
            same = seen[key] == row["score"]
            named, values = (f" under protocol {row['protocol']}", "scores") if outcome is None else ("", outcome)
            reason = (
                f"Named twice{named}"
                + (", with the same score" if same else f", with {values} {seen[key]:.4g} and {row['score']:.4g}")
                + "; the first row is used."
            )
        elif not reason:
            seen[key] = row["score"]
        reasons.append(reason)
    return reasons


def _reason(row: Mapping[Any, Any]) -> str:
    """Why a row of whatever score cannot be used."""
    depth, width = row["depth"], row["width"]
    if not row["model"]:
        return "The row names no model."
    if row["kind"] != "base":
        return f"It is {row['kind']}, not a base model; post-trained models are not compared with base models."
    if not (np.isfinite(depth) and np.isfinite(width) and depth > 0 and width > 0):
        return f"Its depth ({depth:g}) or width ({width:g}) is missing or not above zero."
    for name in ("depth", "width"):
        if row[name] % 1:
            return f"Its {name} ({row[name]}) is not a whole number of {_UNITS[name]}."
    return ""


def _unscored(row: Mapping[Any, Any], outcome: str | None, lower_is_better: bool) -> str:
    """Why a row of a usable shape has no usable score."""
    score = row["score"]
    if not np.isfinite(score):
        return f"It has no {outcome or 'score'}."
    if lower_is_better and score <= 0:
        return f"Its {outcome} {score:g} is not above zero, as a loss is."
    if outcome is not None:
        return ""
    if 1 < score <= 100:
        return f"Its score {score:g} is above 1 and looks like per cent; divide it by 100."
    if not 0 <= score <= 1:
        return f"Its score {score:g} is not between 0 and 1."
    return ""

"""Checks a table of models and scores: what cannot be used is left out by name, with the reason."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nil_audit.catalog.scores import MMLU_PRO_CHANCE
from nil_audit.comparison.predictors import METRICS
from nil_audit.comparison.reading.inputs import OWN_PROTOCOL
from nil_audit.comparison.result import Omission
from nil_audit.comparison.table import NUMBERS, TEXTS
from nil_audit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_DEFAULTS = {"kind": "base", "protocol": OWN_PROTOCOL, "origin": "table", "source": "the table given"}
_UNITS = {"depth": "blocks", "width": "channels"}


def checked(frame: "pd.DataFrame") -> tuple["pd.DataFrame", list[Omission], list[str]]:
    """A frame with every column that `nil_audit.comparison.table` reads, unusable rows left out.

    Args:
        frame: Columns as there; others are ignored.

    Returns:
        The clean table (numbers as float with NaN, text with "" where missing), what was left out and why,
        and notes.

    Raises:
        DataError: A required column is missing, a column of numbers holds text, the scores look like per cent,
            or no row is usable.
    """
    table, notes = _typed(frame)
    _refuse_percent(table)
    reasons = _reasons(table)
    excluded = [
        Omission(what=model or "(no name)", reason=reason)
        for model, reason in zip(table["model"], reasons, strict=True)
        if reason
    ]
    table = table[[not reason for reason in reasons]].reset_index(drop=True)
    if table.empty:
        why = (
            f": {excluded[0].what}: {excluded[0].reason}"
            if excluded
            else "; give scores of 'nil-audit score MODEL --out DIR', lm-eval results, or a list with a column 'score'."
        )
        raise DataError(f"No model with a depth, a width and a usable score is left{why}")
    return table, excluded, notes


def _typed(frame: "pd.DataFrame") -> tuple["pd.DataFrame", list[str]]:
    import pandas as pd

    missing = [name for name in ("model", "depth", "width", "score") if name not in frame]
    if missing:
        raise DataError(
            f"The table has no column {' and no column '.join(map(repr, missing))}; name depth and width in blocks and"
            " channels, and score as a fraction of 1."
        )
    table = pd.DataFrame({"model": frame["model"].fillna("").astype(str).str.strip()}).reset_index(drop=True)
    for name in NUMBERS:
        if name in METRICS and name not in frame:
            continue
        column = frame[name] if name in frame else pd.Series(np.nan, index=frame.index)
        values = pd.to_numeric(column, errors="coerce").astype(float)
        wrong = (column.notna() & (column.astype(str).str.strip() != "") & values.isna()).to_numpy()
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"{table['model'][first]}: {name} is {str(column.iloc[first])!r}, which is not a number; correct it or"
                " leave it empty."
            )
        table[name] = values.to_numpy()
    for name in (*TEXTS, "kind", "protocol"):
        text = frame[name].astype(object).where(frame[name].notna(), "") if name in frame else ""
        table[name] = pd.Series(text, index=frame.index, dtype=object).astype(str).str.strip().to_numpy()
        if name in _DEFAULTS:
            table[name] = table[name].replace("", _DEFAULTS[name])
    table["chance"] = table["chance"].fillna(MMLU_PRO_CHANCE)
    table.loc[~(table["parameters"] > 0), "parameters"] = np.nan
    table.loc[~(table["tokens"] > 0), "tokens"] = np.nan
    return table, _families(table)


def _families(table: "pd.DataFrame") -> list[str]:
    """Fill missing families: the Hub organisation, or the model alone with all its revisions; says so."""
    nameless = table["family"] == ""
    if not nameless.any():
        return []
    organisation = table["model"].str.split("@").str[0]
    organisation = organisation.where(~organisation.str.contains("/"), organisation.str.split("/").str[0])
    table.loc[nameless, "family"] = organisation[nameless]
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


def _reasons(table: "pd.DataFrame") -> list[str]:
    """Why each row cannot be used, or ""."""
    seen: dict[tuple[str, str], float] = {}
    reasons = []
    for row in table.to_dict("records"):
        reason = _reason(row)
        key = row["model"].lower(), row["protocol"]
        if not reason and key in seen:
            same = seen[key] == row["score"]
            reason = (
                f"Named twice under protocol {row['protocol']}"
                + (", with the same score" if same else f", with scores {seen[key]:.4g} and {row['score']:.4g}")
                + "; the first row is used."
            )
        elif not reason:
            seen[key] = row["score"]
        reasons.append(reason)
    return reasons


def _reason(row: Mapping[Any, Any]) -> str:
    depth, width, score = row["depth"], row["width"], row["score"]
    if not row["model"]:
        return "The row names no model."
    if row["kind"] != "base":
        return f"It is {row['kind']}, not a base model; post-trained models are not compared with base models."
    if not (np.isfinite(depth) and np.isfinite(width) and depth > 0 and width > 0):
        return f"Its depth ({depth:g}) or width ({width:g}) is missing or not above zero."
    for name in ("depth", "width"):
        if row[name] % 1:
            return f"Its {name} ({row[name]}) is not a whole number of {_UNITS[name]}."
    if not np.isfinite(score):
        return "It has no score."
    if 1 < score <= 100:
        return f"Its score {score:g} is above 1 and looks like per cent; divide it by 100."
    if not 0 <= score <= 1:
        return f"Its score {score:g} is not between 0 and 1."
    return ""

"""MMLU-Pro scores that others have published: one table, each row with its protocol and its source.

A published score is never mixed with a measured one, and protocols are not interchangeable: the same model
moves by ten points and more between them. Rows known to be wrong stay in the table, with the reason in
``flag``, and are left out unless they are asked for.

The questions have two editions on the Hub (TIGER-Lab/MMLU-Pro). Until January 2026 475 options began with a space, 473
of them right answers ("2024" in the column ``data``; commit 3373e0b3 is of this edition); since commit b189ec76 of
January 2026 none does ("2026"). No source of the table names a commit, and all are dated: the leaderboard took models
from June 2024 to March 2025 and its last table is of May 2025; the reports and model cards are of July 2024 (Llama 3,
Qwen2) to July 2025 (SmolLM3). So every score is of the edition of 2024.
"""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from nil_audit.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame

MMLU_PRO_QUESTIONS = 12_032
"""Questions in MMLU-Pro's test split."""
MMLU_PRO_CHANCE = 0.111243
"""Expected accuracy of guessing among the options offered on all of them: the mean of 1 / options."""
NORMALISED_FLOOR = 0.1
"""The accuracy that the leaderboard's normalised score counts as zero: that of guessing among ten options."""

PROTOCOL_TITLES = {
    "leaderboard": "Open LLM Leaderboard v2: 5-shot multiple choice by log-likelihood (leaderboard_mmlu_pro)",
    "gemma3-report-0shot": "Gemma 3 report: 0-shot, instruction-tuned models",
    "gemma3-report-cot": "Gemma 3 report: 5-shot chain of thought, sampled",
    "lighteval-cf": "lighteval: 0-shot, cloze formulation",
    "lighteval-mcf-smollm2": "lighteval: 0-shot multiple choice, as in the SmolLM2 card",
    "lighteval-mcf-smollm3": "lighteval: 0-shot multiple choice, as in the SmolLM3 card",
    "llama3-report-cot": "Llama 3 report: 5-shot chain of thought, base models",
    "llama3-report-instruct-cot": "Llama 3 report: 5-shot chain of thought, instruction-tuned models",
    "olmes": "OLMo 2 card: few-shot multiple choice in the manner of OLMES",
    "qwen2-report": "Qwen2 report: 5-shot",
}


def normalised(accuracy: float) -> float:
    """The Open LLM Leaderboard's normalised score: 0 at ``NORMALISED_FLOOR``, 1 where every answer is right."""
    return (accuracy - NORMALISED_FLOOR) / (1 - NORMALISED_FLOOR)


@cache
def _table() -> "DataFrame":
    """The whole table as shipped, types set, standard errors and normalised scores computed."""
    import pandas as pd

    with files("nil_audit.catalog").joinpath("scores.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(
            file,
            dtype={"questions": "Int64", "data": "str"},
            converters={"accuracy": float},
            keep_default_na=False,
            na_values={"questions": [""]},
        )
    p, n = table["accuracy"], table["questions"].astype(float)
    table.insert(4, "stderr", (p * (1 - p) / (n - 1)) ** 0.5)
    table.insert(5, "normalised", p.map(normalised).where(table["protocol"] == "leaderboard"))
    return table


def published_scores(
    *,
    include_flagged: bool = False,
    protocol: str | None = None,
    kind: str | None = None,
    one_per_model: bool = False,
) -> "DataFrame":
    """The published MMLU-Pro scores, one row a model, protocol, precision and submission.

    Args:
        include_flagged: Keep the rows that are known to be wrong or superseded; ``flag`` says why.
        protocol: Keep one protocol, a key of ``PROTOCOL_TITLES``.
        kind: "base" or "instruct"; both by default.
        one_per_model: Keep one row a model and protocol where several runs were published: bfloat16 before
            float16 before unstated, then the latest.

    Returns:
        A frame of its own with the columns model (Hub id), kind, protocol, accuracy (raw, 0 to 1), stderr
        (binomial, computed from accuracy and questions: no source states one; missing where the source does
        not say how many questions were asked), normalised (see ``normalised``; leaderboard only), questions,
        precision, date (of submission), data (the edition of the questions, "2024" throughout), source, flag
        (empty: usable), note.

    Raises:
        DataError: No such protocol or kind.
    """
    table = _table()
    if protocol is not None and protocol not in PROTOCOL_TITLES:
        raise DataError(f"No published scores of protocol '{protocol}'; there are {', '.join(PROTOCOL_TITLES)}.")
    if kind not in (None, "base", "instruct"):
        raise DataError(f"No published scores of kind '{kind}'; there are base and instruct.")
    keep = (table["flag"] == "") | include_flagged
    if protocol is not None:
        keep &= table["protocol"] == protocol
    if kind is not None:
        keep &= table["kind"] == kind
    table = table[keep].reset_index(drop=True)
    return _one_per_model(table) if one_per_model else table


def _one_per_model(table: "DataFrame") -> "DataFrame":
    """One row a model and protocol: the precision most models were trained in, then the latest."""
    rank = table["precision"].map({"bfloat16": 0, "float16": 1}).fillna(2)
    ordered = table.assign(rank=rank).sort_values(["rank", "date"], ascending=[True, False], kind="stable")
    return ordered.drop_duplicates(["model", "protocol"]).drop(columns="rank").sort_index().reset_index(drop=True)


def published_for(model: str, *, include_flagged: bool = False) -> list[dict[str, Any]]:
    """The published scores of one model, as score rows of a record.

    A published score belongs to the revision that a Hub id alone names: "org/name" and "org/name@main" have it, an
    earlier checkpoint of the same repository has none. Not to be asked for a local folder, whatever it is called.

    Args:
        model: A Hub id, in any case.
        include_flagged: Also the rows known to be wrong.

    Returns:
        One dict a row, leaderboard first: benchmark, protocol, accuracy, stderr, stderr_kind ("binomial"), normalised,
        questions, origin ("published"), source, precision, date, data, flag, note; None where nothing is stated.
    """
    import pandas as pd

    table = published_scores(include_flagged=include_flagged)
    rows = table[table["model"].str.lower() == model.removesuffix("@main").lower()]
    rows = rows.sort_values("protocol", key=lambda names: names != "leaderboard", kind="stable")
    return [
        {
            "benchmark": "mmlu_pro",
            **{str(name): None if pd.isna(value) or value == "" else value for name, value in row.items()},
            "stderr_kind": None if pd.isna(row["stderr"]) else "binomial",
            "origin": "published",
        }
        for row in rows.drop(columns=["model", "kind"]).to_dict("records")
    ]

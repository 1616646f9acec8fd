"""The table of a comparison: one data frame from the inputs to the report, a row a model with a score of the protocol.

Numbers that are missing are NaN, text that is missing is "". The rows are in the order of their names.

| column | meaning |
| --- | --- |
| model | name; a Hub id where there is one |
| family | models that are left out together; by default the Hub organisation, or the model by itself |
| depth, width | decoder blocks, channels of the residual stream; whole numbers |
| parameters | total, a count |
| tokens | training tokens, a count |
| release | "YYYY-MM", or a longer date |
| lineage | "from_scratch", "distilled", ... |
| uncertain | why the shape is doubtful; "" where it is not |
| score | raw accuracy, 0 to 1 |
| stderr, chance | its standard error, and the accuracy of guessing |
| origin, source | "published", "measured", "lm-eval" or "table"; where from |
| flag | why the score is known to be wrong; "" where it is not |
| interaction_efficiency, spread, ... | measured metrics, those of `nil_audit.comparison.predictors.METRICS` there are |
| ratio | R = depth / width |
| month | release in months since year 0 |
| band | key of the size band, one of `nil_audit.comparison.size.BANDS`; "" where parameters are unknown |
| verdict | "inside", "disputed" or "outside" the shipped intervals |
| distance_STUDY | signed distance to a study's interval in nats of ratio, 0 inside |
| deviation_STUDY | signed deviation from its optimum, ln R - ln R* |
| at_floor | whether the score says nothing; see `at_floor` |
| expected | score that models of its size get, from the rows that are not flagged |
| residual | score - expected |
| standardised | residual in units of the residuals' standard deviation |
| counterexample | "inside_below", "outside_above" or ""; see `counterexamples` |

Of these a frame given to `nil_audit.comparison.compare.compare` needs ``model``, ``depth``, ``width`` and ``score``,
and may have the others down to the metrics. Two more it may have are ``protocol``, how the benchmark was asked, and
``kind``: "base", or anything else, which is left out.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.comparison.predictors import METRICS, known
from nil_audit.comparison.size import BANDS, band_number, expected_score
from nil_audit.law.studies import DEFAULT, distance, studies, verdict
from nil_audit.stats.estimate import Array

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = ("depth", "width", "parameters", "tokens", "score", "stderr", "chance", *METRICS)
TEXTS = ("family", "release", "lineage", "uncertain", "origin", "source", "flag")

MMLU_PRO_FLOOR = 0.1243
"""Share of questions answered right by naming, in each subject, the one letter that is right most often there.

Nothing of the question has to be understood for it, so a score is above the floor only when it is above this.
"""


def derive(rows: "pd.DataFrame", floor: float | None = None) -> "pd.DataFrame":
    """The table of one protocol: its rows with everything that follows from each.

    Args:
        rows: From `nil_audit.comparison.reading.clean.checked`, one row a model.
        floor: As for `at_floor`.
    """
    table = rows.sort_values("model", key=lambda names: names.str.lower(), kind="stable").reset_index(drop=True)
    table = table[["model", *(name for name in (*TEXTS, *NUMBERS) if name in table)]]
    table = table.astype({"depth": int, "width": int})
    sized = table["parameters"].notna().to_numpy()
    table["ratio"] = table["depth"] / table["width"]
    table["month"] = np.array([_month(text) for text in table["release"]], dtype=float)
    table["band"] = np.full(len(table), "", dtype=object)
    table.loc[sized, "band"] = [BANDS[band] for band in band_number(table["parameters"].to_numpy()[sized])]
    budgets = [
        float(parameters) if there else None for parameters, there in zip(table["parameters"], sized, strict=True)
    ]
    shapes = list(zip(table["ratio"], budgets, strict=True))
    table["verdict"] = [verdict(ratio, budget).label for ratio, budget in shapes]
    for study in studies():
        intervals = [study.interval(budget) for budget in budgets]
        distances = [distance(ratio, interval) for ratio, interval in zip(table["ratio"], intervals, strict=True)]
        table[f"distance_{study.name}"] = np.array(distances, dtype=float)
        table[f"deviation_{study.name}"] = np.log(table["ratio"] / np.array([one.optimum for one in intervals]))
    table["at_floor"] = at_floor(table["score"].to_numpy(), table["stderr"].to_numpy(), floor)
    fitted = sized & (table["flag"] == "").to_numpy()
    table["expected"] = np.nan
    own = table[fitted]
    table.loc[fitted, "expected"] = expected_score(np.log(own["parameters"].to_numpy()), own["score"].to_numpy())
    table["residual"] = table["score"] - table["expected"]
    table["standardised"] = table["residual"] / (table["residual"].std() or 1.0)
    table["counterexample"] = counterexamples(table)
    return table


def at_floor(score: Array, stderr: Array, threshold: float | None = None) -> NDArray[np.bool_]:
    """Which scores cannot be told from ones that need no understanding of the question.

    Args:
        score: Raw accuracies, shape (n,).
        stderr: Their standard errors, shape (n,); where missing, that of the full test set.
        threshold: A score at or below it is at the floor, whatever its error; None: those are whose 95% interval
            reaches down to `MMLU_PRO_FLOOR`.
    """
    if threshold is not None:
        return score <= threshold
    full = np.sqrt(score * (1 - score) / MMLU_PRO_QUESTIONS)
    return score - 1.96 * np.where(np.isfinite(stderr), stderr, full) <= MMLU_PRO_FLOOR


def counterexamples(table: "pd.DataFrame") -> NDArray[np.object_]:
    """Which models go against the law: inside its interval and below what their size predicts, or outside and above.

    A model counts when its score differs from the expected one by more than 1.96 of its own standard errors.

    Args:
        table: Columns residual, stderr and distance_law.

    Returns:
        "inside_below", "outside_above" or "", shape (n,); all "" with fewer than 3 models of known residual.
    """
    residual, inside = table["residual"].to_numpy(), table[f"distance_{DEFAULT}"].to_numpy() == 0
    told = np.abs(residual) > 1.96 * table["stderr"].fillna(0.0).to_numpy()
    told &= known(table, "residual").sum() >= 3
    kinds = np.where(inside & (residual < 0), "inside_below", np.where(~inside & (residual > 0), "outside_above", ""))
    return np.where(told, kinds, "").astype(object)


def month_name(months: float) -> str:
    """Months since year 0 as "YYYY-MM"."""
    return f"{int(months) // 12:04d}-{int(months) % 12 + 1:02d}"


def _month(release: str) -> float:
    """Months since year 0 of "YYYY-MM" or a longer date; NaN where it is none."""
    year, _, rest = release.partition("-")
    if not (year.isdecimal() and len(year) == 4 and rest[:2].isdecimal() and 1 <= int(rest[:2]) <= 12):
        return float("nan")
    return float(int(year) * 12 + int(rest[:2]) - 1)

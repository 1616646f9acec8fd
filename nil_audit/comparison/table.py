"""The table of a comparison: one data frame from the inputs to the report, a row a model with a score of the protocol.

Numbers that are missing are NaN, text that is missing is "". The rows are in the order of their names.

| column | meaning |
| --- | --- |
| model | name; a Hub id where there is one |
| family | models that share data, recipe and people; by default the Hub organisation, or the model by itself |
| organisation | who trained it; by default the Hub organisation, or the family |
| depth, width | decoder blocks, channels of the residual stream; whole numbers |
| parameters | total, a count |
| tokens | training tokens, a count; of a model that was made from another one only those that it saw after that |
| parent_tokens | tokens of the model that it was pruned, upscaled or continued from |
| release | "YYYY-MM", or a longer date |
| lineage, domain | "from_scratch", "distilled", ...; "general", "code", ... |
| uncertain | why the shape is doubtful; "" where it is not |
| score | raw accuracy, 0 to 1; or the outcome that was asked for, as it is |
| stderr, chance | its standard error, and the accuracy of guessing |
| origin, source | "published", "measured", "lm-eval" or "table"; where from |
| flag | why the score is known to be wrong; "" where it is not |
| interaction_efficiency, spread, ... | measured metrics, those of `nil_audit.comparison.predictors.METRICS` there are |
| group | what is left out whole: the family, or the model where all are of one family |
| ratio | R = depth / width |
| month | release in months since year 0 |
| band | key of the size band, one of `nil_audit.comparison.size.BANDS`; "" where parameters are unknown |
| size | the size that is held fixed: parameters unless another column is asked for |
| verdict | "inside", "disputed" or "outside" by what the pooled studies expect of the shape |
| distance_STUDY | signed distance to a study's interval in nats of ratio, 0 inside |
| deviation_STUDY | signed deviation from its optimum, ln R - ln R* |
| excess_STUDY | relative excess loss that the study predicts for the shape; excess_pooled of all studies pooled |
| response | the outcome in points, or in per cent of loss, so that higher is better |
| at_floor | whether the score says nothing; see `at_floor` |
| expected | response that models of its size get, from the rows that are not flagged |
| residual | response - expected |
| dose | what the study that is tested says the shape costs, in the unit of the response |
| adjusted_dose | the same beyond what models of its size pay |
| standardised | residual in units of the residuals' standard deviation |
| counterexample | "inside_below", "outside_above" or ""; see `counterexamples` |

Of these a frame given to `nil_audit.comparison.compare.compare` needs ``model``, ``depth``, ``width`` and ``score``,
and may have the others down to the metrics. Two more it may have are ``protocol``, how the benchmark was asked, and
``kind``: "base", or anything else, which is left out.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.comparison.effect.dose import dose
from nil_audit.comparison.effect.sample import sample
from nil_audit.comparison.effect.size import BANDS, band_number
from nil_audit.comparison.effect.size_fit import beyond_size, chosen_control, expected_response, fit_sizes
from nil_audit.comparison.outcome import Outcome
from nil_audit.comparison.predictors import METRICS
from nil_audit.comparison.studies_tested import Tested, predicted_excess
from nil_audit.law.pooled import Pool, pool
from nil_audit.law.studies import distance
from nil_audit.stats.estimate import Array

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = ("depth", "width", "parameters", "tokens", "parent_tokens", "score", "stderr", "chance", *METRICS)
TEXTS = ("family", "organisation", "release", "lineage", "domain", "uncertain", "origin", "source", "flag")

MMLU_PRO_FLOOR = 0.1243
"""Share of questions answered right by naming, in each subject, the one letter that is right most often there.

Nothing of the question has to be understood for it, so a score is above the floor only when it is above this.
"""


def derive(rows: "pd.DataFrame", outcome: Outcome, study: Tested, shown: Sequence[Tested]) -> "pd.DataFrame":
    """The table of one protocol: its rows with everything that follows from each.

    Args:
        rows: From `nil_audit.comparison.reading.clean.checked`, one row a model.
        outcome: What is held against shape.
        study: Whose dose stands in the table; a pool gives the verdicts too.
        shown: Everything that gets columns, ``study`` among them.
    """
    table = rows.sort_values("model", key=lambda names: names.str.lower(), kind="stable").reset_index(drop=True)
    kept = ("model", *TEXTS, *NUMBERS, *({outcome.size} - {"parameters"}))
    table = table[[name for name in kept if name in table]]
    table = table.astype({"depth": int, "width": int})
    sized = table["parameters"].notna().to_numpy()
    table["group"] = table["family"] if table["family"].nunique() > 1 else table["model"]
    table["ratio"] = table["depth"] / table["width"]
    table["month"] = np.array([_month(text) for text in table["release"]], dtype=float)
    table["band"] = np.full(len(table), "", dtype=object)
    table.loc[sized, "band"] = [BANDS[band] for band in band_number(table["parameters"].to_numpy()[sized])]
    table["size"] = table[outcome.size].where(table[outcome.size] > 0)
    budgets = [
        float(parameters) if there else None for parameters, there in zip(table["parameters"], sized, strict=True)
    ]
    shapes = list(zip(table["ratio"], budgets, strict=True))
    pooled = study if isinstance(study, Pool) else pool()
    table["verdict"] = [pooled.regret(ratio, budget).label for ratio, budget in shapes]
    for one in shown:
        intervals = [one.interval(budget) for budget in budgets]
        distances = [distance(ratio, interval) for ratio, interval in zip(table["ratio"], intervals, strict=True)]
        table[f"distance_{one.name}"] = np.array(distances, dtype=float)
        table[f"deviation_{one.name}"] = np.log(table["ratio"] / np.array([ends.optimum for ends in intervals]))
        table[f"excess_{one.name}"] = [predicted_excess(one, ratio, budget) for ratio, budget in shapes]
    table["response"] = outcome.response(table["score"].to_numpy())
    table["at_floor"] = at_floor(table["score"].to_numpy(), table["stderr"].to_numpy(), outcome)
    return _adjusted(table, outcome, study.name)


def _adjusted(table: "pd.DataFrame", outcome: Outcome, study: str) -> "pd.DataFrame":
    """The table with what models of each one's size get, the residual, the dose, and which models go against it."""
    fitted = table["size"].notna() & (table["flag"] == "")
    whole = sample(table[fitted], outcome)
    table["expected"] = np.nan
    table["dose"] = np.nan
    table["adjusted_dose"] = np.nan
    if whole.models:
        control, costs = chosen_control(fit_sizes(whole)), dose(whole, study)
        table.loc[fitted, "expected"] = expected_response(whole, control)
        table.loc[fitted, "dose"] = costs
        table.loc[fitted, "adjusted_dose"] = beyond_size(whole, costs, control)
    table["residual"] = table["response"] - table["expected"]
    table["standardised"] = table["residual"] / (table["residual"].std() or 1.0)
    table["counterexample"] = counterexamples(table, study, None if outcome.lower_is_better else outcome.scale)
    return table


def at_floor(score: Array, stderr: Array, outcome: Outcome) -> NDArray[np.bool_]:
    """Which scores cannot be told from ones that need no understanding of the question.

    Args:
        score: Shape (n,).
        stderr: Their standard errors, shape (n,); where missing, that of MMLU-Pro's full test set.
        outcome: With its floor: a score at or below it is at the floor, whatever its error. Of MMLU-Pro without one
            those are whose 95% interval reaches down to `MMLU_PRO_FLOOR`; of another outcome without one, none.
    """
    if outcome.floor is not None:
        return score <= outcome.floor
    if outcome.column is not None:
        return np.zeros(len(score), dtype=np.bool_)
    full = np.sqrt(score * (1 - score) / MMLU_PRO_QUESTIONS)
    return score - 1.96 * np.where(np.isfinite(stderr), stderr, full) <= MMLU_PRO_FLOOR


def counterexamples(table: "pd.DataFrame", study: str, scale: float | None) -> NDArray[np.object_]:
    """Which models go against a study: inside its interval and below what their size predicts, or outside and above.

    A model counts when its response differs from the expected one by more than 1.96 of its own standard errors, or of
    those that are unknown by more than a standard deviation of the residuals.

    Args:
        table: Columns residual, standardised, stderr and distance_STUDY.
        study: Whose interval.
        scale: Response over score, in which standard errors are given; None: they are not known.

    Returns:
        "inside_below", "outside_above" or "", shape (n,); all "" with fewer than 3 models of known residual.
    """
    residual, inside = table["residual"].to_numpy(), table[f"distance_{study}"].to_numpy() == 0
    error = table["stderr"].to_numpy(dtype=float) * (np.nan if scale is None else scale)
    far = np.where(np.isfinite(error), np.abs(residual) > 1.96 * error, np.abs(table["standardised"].to_numpy()) > 1)
    told = far & (np.isfinite(residual).sum() >= 3)
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

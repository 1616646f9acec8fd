"""What follows from a row: bands, verdicts, months, the floor, counterexamples."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.table import at_floor, counterexamples, derive, month_name
from nil_audit.law.studies import distance, studies, verdict


def derived(**changes: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "model": ["b/2", "a/1", "B/1"], "depth": [12, 24, 80], "width": [768, 1024, 256], "score": [0.12, 0.2, 0.3],
        "parameters": [1e8, None, 1.5e9], "release": ["2024-03-15", "", "soon"], "spread": [0.1, 0.2, None],
    }  # fmt: skip
    return derive(checked(pd.DataFrame(columns | changes))[0])


def test_every_column_of_its_description_is_there_in_the_order_of_names() -> None:
    table = derived()
    assert table["model"].tolist() == ["a/1", "B/1", "b/2"]
    assert (table["depth"].tolist(), table["width"].tolist()) == ([24, 80, 12], [1024, 256, 768])
    assert table["depth"].dtype.kind == "i"
    assert table["band"].tolist() == ["", "1b_5b", "under_1b"]
    assert table["month"].tolist() == pytest.approx([np.nan, np.nan, 2024 * 12 + 2], nan_ok=True)
    assert month_name(2024 * 12 + 2) == "2024-03"
    assert table["spread"].tolist() == pytest.approx([0.2, np.nan, 0.1], nan_ok=True)
    assert "aofe" not in table
    described = [line.split("|")[1] for line in (derive.__globals__["__doc__"]).splitlines() if line.startswith("| ")]
    names = [name.strip() for line in described[2:] for name in line.split(",") if name.strip() not in ("...", "---")]
    for name in names:
        for one in [name.replace("STUDY", study.name) for study in studies()]:
            assert one in table or one == "interaction_efficiency", one


def test_positions_are_those_of_the_shipped_studies() -> None:
    for row in derived().to_dict("records"):
        budget = None if np.isnan(row["parameters"]) else row["parameters"]
        assert row["verdict"] == verdict(row["ratio"], budget).label
        for study in studies():
            interval = study.interval(budget)
            assert row[f"distance_{study.name}"] == distance(row["ratio"], interval)
            assert row[f"deviation_{study.name}"] == pytest.approx(np.log(row["ratio"] / interval.optimum))
            assert (row[f"distance_{study.name}"] == 0) == interval.holds(row["ratio"])


def test_a_score_whose_interval_reaches_down_to_the_floor_is_at_it() -> None:
    score, stderr = np.array([0.1243, 0.130, 0.131, 0.2]), np.array([np.nan, np.nan, np.nan, 0.05])
    assert at_floor(score, stderr).tolist() == [True, True, False, True]
    assert at_floor(score, stderr, 0.13).tolist() == [True, True, False, False]


def rows(*made: tuple[str, float, float]) -> pd.DataFrame:
    table = pd.DataFrame(made, columns=["model", "residual", "distance_law"])
    return table.assign(stderr=0.004)


def test_both_kinds_of_counterexample_are_told() -> None:
    table = rows(
        ("inside_below", -0.05, 0.0),
        ("inside_below", -0.09, 0.0),
        ("", 0.05, 0.0),
        ("outside_above", 0.06, -0.4),
        ("", -0.06, 0.7),
        ("", -0.007, 0.0),
        ("", np.nan, 0.0),
    )
    assert counterexamples(table).tolist() == table["model"].tolist()
    assert counterexamples(table.assign(stderr=np.nan))[5] == "inside_below"


def test_three_models_at_least() -> None:
    assert counterexamples(rows(("a", -0.1, 0.0), ("b", 0.1, -1.0))).tolist() == ["", ""]


def test_residuals_are_of_rows_that_are_not_flagged_and_of_known_size() -> None:
    number = np.arange(20)
    table = derived(
        model=[f"m{one:02d}" for one in number],
        depth=24,
        width=1024,
        score=0.2 + 0.01 * (number % 5),
        parameters=np.where(number == 3, np.nan, 1e9 * (1 + number)),
        release="",
        spread=None,
        flag=np.where(number == 5, "broken run", ""),
    )
    assert table["residual"].isna().to_numpy().nonzero()[0].tolist() == [3, 5]
    told = table["residual"].dropna()
    assert told.mean() == pytest.approx(0, abs=1e-12)
    assert table["standardised"].dropna().std() == pytest.approx(1)

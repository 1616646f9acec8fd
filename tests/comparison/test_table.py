"""What follows from a row: bands, verdicts, months, the floor, what is expected, counterexamples."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.outcome import Outcome
from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.studies_tested import find_tested, predicting
from nil_audit.comparison.table import at_floor, counterexamples, derive, month_name
from nil_audit.law.pooled import verdict
from nil_audit.law.studies import distance
from tests.comparison.models import derived, made_frame

LAW = find_tested("law")
SHOWN = predicting(LAW)


def table(**changes: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "model": ["b/2", "a/1", "B/1"], "depth": [12, 24, 80], "width": [768, 1024, 256], "score": [0.12, 0.2, 0.3],
        "parameters": [1e8, None, 1.5e9], "release": ["2024-03-15", "", "soon"], "spread": [0.1, 0.2, None],
    }  # fmt: skip
    return derived(pd.DataFrame(columns | changes))[0]


def test_every_column_of_its_description_is_there_in_the_order_of_names() -> None:
    made = table()
    assert made["model"].tolist() == ["a/1", "B/1", "b/2"]
    assert (made["depth"].tolist(), made["width"].tolist()) == ([24, 80, 12], [1024, 256, 768])
    assert made["depth"].dtype.kind == "i"
    assert made["band"].tolist() == ["", "1b_5b", "under_1b"]
    assert made["month"].tolist() == pytest.approx([np.nan, np.nan, 2024 * 12 + 2], nan_ok=True)
    assert month_name(2024 * 12 + 2) == "2024-03"
    assert made["spread"].tolist() == pytest.approx([0.2, np.nan, 0.1], nan_ok=True)
    assert "aofe" not in made
    described = [line.split("|")[1] for line in (derive.__globals__["__doc__"]).splitlines() if line.startswith("| ")]
    names = [name.strip() for line in described[2:] for name in line.split(",") if name.strip() not in ("...", "---")]
    assert {"distance_STUDY", "excess_STUDY", "dose", "parent_tokens"} <= set(names)
    for name in names:
        for one in [name.replace("STUDY", study.name) for study in SHOWN]:
            assert one in made or one == "interaction_efficiency", one


def test_positions_are_those_of_every_study_that_has_a_curve() -> None:
    assert {"law", "gemstones", "pooled"} <= {study.name for study in SHOWN}
    for row in table().to_dict("records"):
        budget = None if np.isnan(row["parameters"]) else row["parameters"]
        assert row["verdict"] == verdict(row["ratio"], budget).label
        for study in SHOWN:
            interval = study.interval(budget)
            assert row[f"distance_{study.name}"] == distance(row["ratio"], interval)
            assert row[f"deviation_{study.name}"] == pytest.approx(np.log(row["ratio"] / interval.optimum))
            assert (row[f"distance_{study.name}"] == 0) == interval.holds(row["ratio"])


def test_the_excess_of_the_law_is_its_parabola() -> None:
    made = table()
    assert made["excess_law"].to_numpy() == pytest.approx(
        np.expm1(0.014744 * (np.log(made["ratio"]) + 3.2462) ** 2), rel=1e-3
    )


def test_models_of_one_family_are_groups_of_their_own() -> None:
    apart, together = table(family=["f", "f", "g"]), table(family="f")
    assert apart["group"].tolist() == ["f", "g", "f"]
    assert together["group"].tolist() == together["model"].tolist()


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(), [12, 20, 30]),
        (Outcome(column="loss", lower_is_better=True, unit="% of loss"), -100 * np.log([0.12, 0.2, 0.3])),
        (Outcome(column="elo", unit="units"), [0.12, 0.2, 0.3]),
    ],
    ids=["points", "loss", "units"],
)
def test_the_response_is_in_the_unit_of_the_outcome(outcome: Outcome, expected: list[float]) -> None:
    frame = pd.DataFrame({"model": ["a", "b", "c"], "depth": 12, "width": 768, "score": [0.12, 0.2, 0.3]})
    made = derive(checked(frame)[0], outcome, LAW, SHOWN)
    assert made["response"].to_numpy() == pytest.approx(expected)


def test_another_column_can_be_the_size() -> None:
    frame = made_frame(30, 10).assign(flops=lambda frame: frame["parameters"] * 1e10)
    frame.loc[:1, "flops"] = np.nan
    outcome = Outcome(size="flops")
    made = derive(checked(frame, size="flops")[0], outcome, LAW, SHOWN).set_index("model")
    known = frame["model"][2:]
    assert made.loc[known, "size"].tolist() == pytest.approx(frame["flops"][2:].tolist())
    assert made["size"].isna().sum() == made["expected"].isna().sum() == 2
    assert made["band"].ne("").all()


def test_a_score_whose_interval_reaches_down_to_the_floor_is_at_it() -> None:
    score, stderr = np.array([0.1243, 0.130, 0.131, 0.2]), np.array([np.nan, np.nan, np.nan, 0.05])
    assert at_floor(score, stderr, Outcome()).tolist() == [True, True, False, True]
    assert at_floor(score, stderr, Outcome(floor=0.13)).tolist() == [True, True, False, False]
    assert not at_floor(score, stderr, Outcome(column="accuracy")).any()
    assert at_floor(score, stderr, Outcome(column="accuracy", floor=0.1243)).tolist() == [True, False, False, False]


def rows(*made: tuple[str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(made, columns=["model", "residual", "distance_law"])
    return frame.assign(stderr=0.004, standardised=frame["residual"] / frame["residual"].std())


def test_both_kinds_of_counterexample_are_told() -> None:
    made = rows(
        ("inside_below", -5, 0.0),
        ("inside_below", -9, 0.0),
        ("", 5, 0.0),
        ("outside_above", 6, -0.4),
        ("", -6, 0.7),
        ("", -0.7, 0.0),
        ("", np.nan, 0.0),
    )
    assert counterexamples(made, "law", 100).tolist() == made["model"].tolist()
    # without standard errors, those farther off than a standard deviation of all (here 6.2)
    far = ["inside_below" if value == -9 else "" for value in made["residual"]]
    assert counterexamples(made.assign(stderr=np.nan), "law", 100).tolist() == far
    assert counterexamples(made, "law", None).tolist() == far
    opposite = made.rename(columns={"distance_law": "distance_morph"})
    assert counterexamples(opposite, "morph", 100).tolist() == made["model"].tolist()


def test_three_models_at_least() -> None:
    assert counterexamples(rows(("a", -10, 0.0), ("b", 10, -1.0)), "law", 100).tolist() == ["", ""]


def test_residuals_are_of_rows_that_are_not_flagged_and_of_known_size() -> None:
    number = np.arange(20)
    made = table(
        model=[f"m{one:02d}" for one in number],
        depth=24,
        width=1024,
        score=0.2 + 0.01 * (number % 5),
        parameters=np.where(number == 3, np.nan, 1e9 * (1 + number)),
        release="",
        spread=None,
        flag=np.where(number == 5, "broken run", ""),
    )
    for column in ("expected", "residual", "dose", "standardised"):
        assert made[column].isna().to_numpy().nonzero()[0].tolist() == [3, 5]
    told = made["residual"].dropna()
    assert told.mean() == pytest.approx(0, abs=1e-10)
    assert made["standardised"].dropna().std() == pytest.approx(1)
    assert (made["expected"] + made["residual"]).dropna().to_numpy() == pytest.approx(100 * made["score"][told.index])

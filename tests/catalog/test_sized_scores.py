"""Published scores near a size, against the shipped files alone."""

import csv
from importlib.resources import files

import pytest

from nil_audit.catalog.lists import shipped_list
from nil_audit.catalog.sized_scores import NEAR, scores_near, sized_scores


def _by_hand(protocol: str) -> dict[str, tuple[float, float]]:
    """Parameters and accuracies by model; of several runs of one model each is there under its own accuracy."""
    sizes = {row["model"].lower(): row["parameters"] for row in shipped_list().to_dict("records")}
    with files("nil_audit.catalog").joinpath("scores.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["protocol"] == protocol and row["kind"] == "base"]
    return {
        row["model"].lower(): (sizes[row["model"].lower()], float(row["accuracy"]))
        for row in rows
        if not row["flag"] and sizes.get(row["model"].lower(), 0) > 0
    }


@pytest.mark.parametrize("protocol", ["leaderboard", "olmes", "qwen2-report"])
def test_sizes_and_scores_are_those_of_the_files(protocol: str) -> None:
    found, expected = sized_scores(protocol), _by_hand(protocol)
    assert {one.model.lower() for one in found} == expected.keys()
    assert all(one.parameters == expected[one.model.lower()][0] for one in found)
    assert [one.parameters for one in found] == sorted(one.parameters for one in found)
    if protocol != "leaderboard":  # where every model has one run
        assert all(one.accuracy == expected[one.model.lower()][1] for one in found)


@pytest.mark.parametrize("parameters", [1e8, 1.3e9, 7e9])
def test_near_is_within_a_factor_and_never_the_model_itself(parameters: float) -> None:
    near = scores_near(parameters, "leaderboard")
    expected = {model for model, (size, _) in _by_hand("leaderboard").items() if 1 / NEAR <= size / parameters <= NEAR}
    assert {one.model.lower() for one in near.scores} == expected
    accuracies = sorted(one.accuracy for one in near.scores)
    middle = len(accuracies) // 2
    assert (near.low, near.high) == (accuracies[0], accuracies[-1])
    assert near.median == pytest.approx((accuracies[middle] + accuracies[-1 - middle]) / 2)
    own = near.scores[0].model
    rest = scores_near(parameters, "leaderboard", without=(f"{own.upper()}@main",))
    assert {one.model for one in rest.scores} == {one.model for one in near.scores} - {own}


def test_what_nobody_has_published_is_none() -> None:
    assert sized_scores("mc") == () and scores_near(1e9, "mc") is None
    assert scores_near(1e15, "leaderboard") is None

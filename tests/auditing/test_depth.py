"""Contrasts over the depth: against an own jackknife, and which part is called the lowest."""

import math
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from nil_audit.auditing.depth import FOLLOWED, Part, Trend, depth_trends, outer
from nil_audit.stats.estimate import Estimate
from tests.report.sections import profile_section

T_15 = 2.131449545559323
"""0.975 quantile of Student's t with 15 degrees of freedom."""


def efficiency_parts(row: dict[str, Any], keep: list[int]) -> tuple[float, float]:
    """½ ln r(U) and -ln(typical sensitivity) of one block from blocks of equal size, by the definitions."""
    products = row["products"]
    directions = np.array(products["direction_gram"])[np.ix_(keep, keep)]
    between = (directions.sum() - np.trace(directions)) / (len(keep) * (len(keep) - 1))
    log_norm = np.mean([products["log_norm"][one] for one in keep])
    scale = np.mean([products["embedding_square"][one] for one in keep])
    return -0.5 * math.log(between), -math.log(scale) - float(log_norm)


def by_hand(profile: dict[str, Any], weights: list[float], part: int | None) -> Estimate:
    """A contrast of typical efficiency (or one of its two parts) with its jackknife interval."""

    def contrast(keep: list[int]) -> float:
        parts = [efficiency_parts(row, keep) for row in profile["rows"]]
        values = [sum(one) if part is None else one[part] for one in parts]
        return float(np.dot(weights, values))

    value = contrast(list(range(16)))
    left_out = np.array([contrast([one for one in range(16) if one != block]) for block in range(16)])
    se = math.sqrt(15 / 16 * ((left_out - left_out.mean()) ** 2).sum())
    return Estimate(value=value, low=value - T_15 * se, high=value + T_15 * se, se=se)


@pytest.mark.parametrize(
    ("which", "weights"),
    [
        ("start", [1, 0, 0, 0, 0, 0, 0, 0]),
        ("first", [0, 1 / 2, 1 / 2, 0, 0, 0, 0, 0]),
        ("middle", [0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0]),
        ("last", [0, 0, 0, 0, 0, 0, 1 / 2, 1 / 2]),
        (("start", "first"), [-1, 1 / 2, 1 / 2, 0, 0, 0, 0, 0]),
        (("start", "middle"), [-1, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0]),
        (("first", "middle"), [0, -1 / 2, -1 / 2, 1 / 3, 1 / 3, 1 / 3, 0, 0]),
        (("middle", "last"), [0, 0, 0, -1 / 3, -1 / 3, -1 / 3, 1 / 2, 1 / 2]),
        (("first", "last"), [0, -1 / 2, -1 / 2, 0, 0, 0, 1 / 2, 1 / 2]),
    ],
)
def test_contrasts_are_those_of_a_jackknife_by_hand(which: Any, weights: list[float]) -> None:
    found, profile = trends_of_eight()
    assert tuple(found) == FOLLOWED
    for name, part in (("typical_efficiency", None), ("rank_part", 0), ("sensitivity_part", 1)):
        estimate = found[name].means[which] if isinstance(which, str) else found[name].changes[which]
        wanted = by_hand(profile, weights, part)
        for key in ("value", "low", "high", "se"):
            assert getattr(estimate, key) == pytest.approx(getattr(wanted, key), rel=1e-9, abs=1e-12), (name, key)


@cache
def trends_of_eight() -> tuple[dict[str, Trend], dict[str, Any]]:
    profile = profile_section(seed=1, blocks=8)
    return depth_trends(profile), profile


def test_tail_and_excess_are_differences_of_the_rows_own_numbers() -> None:
    found, profile = trends_of_eight()
    for name in ("tail", "excess"):
        values = [row["estimates"]["unbiased"][name]["value"] for row in profile["rows"]]
        assert found[name].changes["first", "last"].value == pytest.approx(np.mean(values[6:]) - np.mean(values[1:3]))


def test_what_the_text_shares_cancels_in_a_difference() -> None:
    profile = profile_section(blocks=4)
    for row in profile["rows"]:
        # One and the same noise at every depth.
        row["products"]["log_norm"] = (np.array(row["products"]["log_norm"]) + np.linspace(-2, 2, 16)).tolist()
    found = depth_trends(profile)["typical_efficiency"]
    assert all(one.se > 0.25 for one in found.means.values())
    assert all(one.se < 0.1 for one in found.changes.values())


def test_thirds_are_of_the_depths_that_were_measured_behind_the_first() -> None:
    assert [outer(others) for others in (1, 2, 3, 4, 5, 6, 12, 29)] == [1, 1, 1, 1, 2, 2, 4, 10]
    parts = {count: list(depth_trends(profile_section(blocks=count))["tail"].means) for count in (2, 3, 4)}
    assert parts == {2: ["start", "first"], 3: ["start", "first", "last"], 4: ["start", "first", "middle", "last"]}
    assert depth_trends(profile_section(blocks=1)) == {}
    thinned = profile_section(blocks=12, left_out=4)
    found = depth_trends(thinned)["tail"].means
    values = [row["estimates"]["unbiased"]["tail"]["value"] for row in thinned["rows"]]
    assert [one.value for one in found.values()] == pytest.approx(values)
    without = depth_trends({**thinned, "rows": thinned["rows"][1:]})["tail"]
    assert list(without.means) == ["first", "last"] and list(without.changes) == [("first", "last")]


def test_a_number_that_is_undefined_at_one_depth_is_so_in_its_part() -> None:
    profile = profile_section(blocks=3)
    gram = np.array(profile["rows"][0]["products"]["direction_gram"])
    profile["rows"][0]["products"]["direction_gram"] = (np.diag(np.diag(gram)) - 1e-3).tolist()
    found = depth_trends(profile)
    efficiency = found["typical_efficiency"]
    assert math.isnan(efficiency.changes["start", "first"].value) and efficiency.lowest is None
    assert efficiency.changes["start", "first"].interval is None
    assert math.isfinite(efficiency.changes["first", "last"].value)
    assert math.isfinite(found["tail"].changes["start", "last"].value)


@pytest.mark.parametrize(
    ("values", "half", "lowest"),
    [
        ((0, 1, 2, 3), 0.5, "start"),
        ((3, 2, 1, 0), 0.5, "last"),
        ((2, 1, 0, 1), 0.5, "middle"),
        ((1, 0, 1, 2), 0.5, "first"),
        ((0, 1, 0, 1), 0.5, None),
        ((0, 1, 2, 3), 1.5, None),
        ((0, 0.4, 2, 2), 0.5, None),
        ((0, 1), 0.5, "start"),
        ((1, 0), 0.5, "first"),
        ((1, 0), 1.5, None),
    ],
)
def test_a_part_is_lowest_only_where_it_is_apart_from_each_other_one(
    values: tuple[float, ...], half: float, lowest: str | None
) -> None:
    parts: tuple[Part, ...] = ("start", "first", "middle", "last")
    means = dict(zip(parts, map(float, values), strict=False))
    trend = Trend(
        means={part: Estimate(value=value) for part, value in means.items()},
        changes={
            (one, other): Estimate(
                value=means[other] - means[one],
                low=means[other] - means[one] - half,
                high=means[other] - means[one] + half,
            )
            for one, other in combinations(means, 2)
        },
    )
    assert trend.lowest == lowest

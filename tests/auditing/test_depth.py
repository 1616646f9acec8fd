"""Contrasts over the depth: against an own jackknife, and which part is called the lowest."""

import math
from typing import Any

import numpy as np
import pytest

from nil_audit.auditing.depth import FOLLOWED, Trend, depth_trends, outer
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
    ("part", "weights"),
    [
        ("first", [1 / 2, 1 / 2, 0, 0, 0, 0, 0]),
        ("middle", [0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0]),
        ("last", [0, 0, 0, 0, 0, 1 / 2, 1 / 2]),
        ("first_to_middle", [-1 / 2, -1 / 2, 1 / 3, 1 / 3, 1 / 3, 0, 0]),
        ("middle_to_last", [0, 0, -1 / 3, -1 / 3, -1 / 3, 1 / 2, 1 / 2]),
        ("first_to_last", [-1 / 2, -1 / 2, 0, 0, 0, 1 / 2, 1 / 2]),
    ],
)
def test_contrasts_are_those_of_a_jackknife_by_hand(part: str, weights: list[float]) -> None:
    profile = profile_section(seed=1, blocks=7)
    found = depth_trends(profile)
    assert tuple(found) == FOLLOWED
    for name, which in (("typical_efficiency", None), ("rank_part", 0), ("sensitivity_part", 1)):
        estimate, wanted = getattr(found[name], part), by_hand(profile, weights, which)
        for key in ("value", "low", "high", "se"):
            assert getattr(estimate, key) == pytest.approx(getattr(wanted, key), rel=1e-9, abs=1e-12), (name, key)


def test_tail_and_excess_are_differences_of_the_rows_own_numbers() -> None:
    profile = profile_section(blocks=6)
    for name in ("tail", "excess"):
        values = [row["estimates"]["unbiased"][name]["value"] for row in profile["rows"]]
        assert depth_trends(profile)[name].first_to_last.value == pytest.approx(
            np.mean(values[4:]) - np.mean(values[:2])
        )


def test_what_the_text_shares_cancels_in_a_difference() -> None:
    profile = profile_section(blocks=6)
    for row in profile["rows"]:
        # One and the same noise at every depth.
        row["products"]["log_norm"] = (np.array(row["products"]["log_norm"]) + np.linspace(-2, 2, 16)).tolist()
    found = depth_trends(profile)["typical_efficiency"]
    assert found.first.se > 0.25 and found.last.se > 0.25
    assert found.first_to_last.se < 0.1


def test_thirds_are_of_the_depths_that_were_measured() -> None:
    assert [outer(depths) for depths in (2, 3, 4, 5, 6, 12, 30)] == [1, 1, 1, 2, 2, 4, 10]
    thinned = depth_trends(profile_section(blocks=12, left_out=4))["tail"]
    assert thinned.first.value == pytest.approx(
        profile_section(blocks=12)["rows"][0]["estimates"]["unbiased"]["tail"]["value"]
    )
    two = depth_trends(profile_section(blocks=2))["typical_efficiency"]
    assert two.middle is None and two.first_to_middle is None and two.middle_to_last is None
    assert depth_trends(profile_section(blocks=1)) == {}


def test_a_number_that_is_undefined_at_one_depth_is_so_over_the_depth() -> None:
    profile = profile_section(blocks=6)
    gram = np.array(profile["rows"][0]["products"]["direction_gram"])
    profile["rows"][0]["products"]["direction_gram"] = (np.diag(np.diag(gram)) - 1e-3).tolist()
    found = depth_trends(profile)
    assert math.isnan(found["typical_efficiency"].first_to_last.value)
    assert found["typical_efficiency"].first_to_last.interval is None and found["typical_efficiency"].lowest is None
    assert math.isfinite(found["tail"].first_to_last.value)


def difference(value: float, half: float) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half)


@pytest.mark.parametrize(
    ("values", "half", "lowest"),
    [
        ((0, 1, 2), 0.5, "first"),
        ((2, 1, 0), 0.5, "last"),
        ((1, 0, 1), 0.5, "middle"),
        ((0, 1, 0), 0.5, None),
        ((0, 1, 2), 1.5, None),
        ((0, 0.4, 2), 0.5, None),
        ((0, None, 1), 0.5, "first"),
        ((1, None, 0), 0.5, "last"),
        ((1, None, 0), 1.5, None),
    ],
)
def test_a_part_is_lowest_only_where_it_is_apart_from_each_other_one(
    values: tuple[float, float | None, float], half: float, lowest: str | None
) -> None:
    first, middle, last = values
    known = middle is not None
    trend = Trend(
        first=Estimate(value=first),
        last=Estimate(value=last),
        first_to_last=difference(last - first, half),
        middle=Estimate(value=middle) if known else None,
        first_to_middle=difference(middle - first, half) if known else None,
        middle_to_last=difference(last - middle, half) if known else None,
    )
    assert trend.lowest == lowest

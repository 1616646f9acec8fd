"""The beeswarm: markers of one column apart, nothing moved that need not be, nothing up or down."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_audit.report.plots.fan import fan_out


def test_thirty_points_of_one_column_are_each_seen_and_stay_near_it():
    rng = np.random.default_rng(0)
    points = np.column_stack([np.full(30, 100.0), rng.uniform(0, 200, 30)])
    moved = fan_out(points, radius=3.0)
    gaps = np.hypot(*(moved[:, None] - moved[None]).transpose(2, 0, 1)) + 100 * np.eye(30)
    assert gaps.min() >= 6.0
    assert np.abs(moved[:, 0] - 100).max() <= 5.2 * 3.0 and (moved[:, 0] == 100).sum() > 10


def test_points_that_share_no_abscissa_stay_even_where_they_touch():
    points = np.array([[10.0, 5.0], [11.0, 5.0], [30.0, 5.0]])
    np.testing.assert_array_equal(fan_out(points, radius=3.0), points)


def test_a_column_makes_way_for_a_point_that_cannot_move():
    points = np.array([[10.0, 5.0], [10.0, 40.0], [12.0, 5.0]])
    moved = fan_out(points, radius=3.0)
    np.testing.assert_array_equal(moved[1:], points[1:])
    assert np.hypot(*(moved[0] - points[2])) >= 6.0


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_nothing_moves_up_or_down_or_far_and_the_same_points_move_alike(seed, count, columns):
    rng = np.random.default_rng(seed)
    points = np.column_stack([20.0 * rng.integers(0, columns, count), rng.uniform(0, 50, count)])
    moved = fan_out(points, radius=2.5)
    np.testing.assert_array_equal(moved[:, 1], points[:, 1])
    assert np.abs(moved[:, 0] - points[:, 0]).max() <= 5.2 * 2.5
    np.testing.assert_array_equal(moved, fan_out(points, radius=2.5))


def test_points_in_one_place_are_spread_even_where_there_is_room_for_none():
    moved = fan_out(np.full((40, 2), 7.0), radius=3.0)
    assert len(np.unique(moved[:, 0])) > 15

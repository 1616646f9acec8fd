"""Size bands and the size curve."""

import numpy as np
import pytest

from nil_audit.comparison.sizes import band_limits, band_of, degrees, natural_spline, size_basis, spline_knots


@pytest.mark.parametrize(
    ("parameters", "band"),
    [(1e6, "under_1b"), (9.9e8, "under_1b"), (1e9, "1b_5b"), (7e9, "5b_9.5b"), (9.5e9, "9.5b_20b"), (2e12, "over_80b")],
)
def test_band_of_a_parameter_count(parameters: float, band: str) -> None:
    assert band_of(parameters) == band
    low, high = next((low, high) for key, _, low, high in band_limits() if key == band)
    assert low <= parameters < (high or np.inf)


def test_no_band_without_parameters() -> None:
    assert band_of(None) is None
    assert band_of(float("nan")) is None


def test_natural_spline_is_linear_beyond_its_outer_knots_and_smooth_inside() -> None:
    knots = np.array([-1.0, 0.0, 0.5, 2.0])
    outside = np.linspace(2.0, 6.0, 9)
    assert np.allclose(np.diff(natural_spline(outside, knots), n=2, axis=0), 0, atol=1e-9)
    assert np.allclose(np.diff(natural_spline(np.linspace(-5, -1, 9), knots), n=2, axis=0), 0, atol=1e-9)
    step = 1e-4
    around = natural_spline(np.array([0.5 - 2 * step, 0.5 - step, 0.5, 0.5 + step, 0.5 + 2 * step]), knots)
    second = np.diff(around, n=2, axis=0) / step**2
    assert np.allclose(second[0], second[-1], atol=0.05)
    assert natural_spline(outside, knots).shape == (9, 3)


def test_natural_spline_interpolates_like_scipy() -> None:
    from scipy.interpolate import CubicSpline

    knots, heights = np.array([0.0, 1.0, 2.5, 4.0]), np.array([1.0, -1.0, 0.5, 2.0])
    columns = np.column_stack([np.ones(4), natural_spline(knots, knots)])
    slopes = np.linalg.solve(columns, heights)
    x = np.linspace(0, 4, 33)
    drawn = np.column_stack([np.ones(33), natural_spline(x, knots)]) @ slopes
    assert np.allclose(drawn, CubicSpline(knots, heights, bc_type="natural")(x))


def test_few_or_equal_sizes_give_fewer_columns() -> None:
    assert [degrees(n) for n in (5, 14, 15, 29, 30, 5000)] == [0, 0, 2, 2, 3, 3]
    assert size_basis(np.full(40, 21.0)).shape == (40, 0)
    assert size_basis(np.repeat([20.0, 23.0], 20)).shape == (40, 1)
    assert spline_knots(np.repeat([20.0, 23.0], 20), 3).tolist() == [20.0, 23.0]

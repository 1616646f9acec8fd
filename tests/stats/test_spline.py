"""Natural cubic splines against scipy and the textbook's basis."""

import numpy as np
import pytest

from nil_audit.stats.spline import degrees, natural_spline, spline_basis, spline_knots


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


def textbook(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, equations 5.4 and 5.5."""

    def piece(knot: float) -> np.ndarray:
        cubes = np.maximum(x - knot, 0) ** 3 - np.maximum(x - knots[-1], 0) ** 3
        return np.asarray(cubes / (knots[-1] - knot))

    return np.column_stack([x, *(piece(knot) - piece(knots[-2]) for knot in knots[:-2])])


@pytest.mark.parametrize("points", [15, 30, 200])
def test_the_span_is_that_of_the_textbooks_basis(points: int) -> None:
    rng = np.random.default_rng(points)
    x, y = rng.normal(21, 1.5, points), rng.normal(size=points)
    knots = spline_knots(x, degrees(points))
    scaled, ends = (x - x.mean()) / x.std(), (knots - x.mean()) / x.std()
    fits = []
    for basis in (spline_basis(x), textbook(scaled, ends)):
        columns = np.column_stack([np.ones(points), basis])
        fits.append(columns @ np.linalg.lstsq(columns, y, rcond=None)[0])
    assert np.allclose(*fits, atol=1e-10, rtol=0)
    straight = np.column_stack([np.ones(points), spline_basis(x)])
    assert np.allclose(straight @ np.linalg.lstsq(straight, x, rcond=None)[0], x, atol=1e-10, rtol=0)


def test_few_or_equal_points_give_fewer_columns() -> None:
    assert [degrees(n) for n in (5, 14, 15, 29, 30, 5000)] == [0, 0, 2, 2, 3, 3]
    assert spline_basis(np.full(40, 21.0)).shape == (40, 0)
    assert spline_basis(np.arange(14.0)).shape == (14, 0)
    assert spline_basis(np.repeat([20.0, 23.0], 20)).shape == (40, 1)
    assert spline_knots(np.repeat([20.0, 23.0], 20), 3).tolist() == [20.0, 23.0]

"""Lines through the models: score against size, and size-adjusted score against a predictor."""

import numpy as np

from nil_audit.comparison.findings import Curve
from nil_audit.comparison.sample import Array, Sample
from nil_audit.comparison.sizes import degrees, natural_spline, spline_knots
from nil_audit.stats import jackknife as resampling
from nil_audit.stats.moments import moments, residual_covariance

_POINTS = 60
FEWEST_MODELS = 6


def expected_score(sample: Sample) -> Array | None:
    """Score that models of each one's size get: least squares on the size curve, shape (n,).

    None with fewer than `FEWEST_MODELS` models. Every model of the sample must have parameters.
    """
    if len(sample) < FEWEST_MODELS:
        return None
    columns = _columns(sample.size, sample.size)
    return columns @ np.linalg.lstsq(columns, sample.score, rcond=None)[0]


def size_curve(sample: Sample, *, seed: int) -> Curve | None:
    """Expected score against parameters, with its band over families; None with too few models."""
    if len(sample) < FEWEST_MODELS:
        return None
    grid = np.linspace(sample.size.min(), sample.size.max(), _POINTS)
    columns = _columns(sample.size, sample.size)
    groups = resampling.groups(sample.family, seed)
    weights = np.vstack([np.ones(len(sample)), resampling.leave_out(groups)])
    moment = moments(np.column_stack([columns[:, 1:], sample.score]), weights)
    inverse = np.linalg.pinv(moment[:, :-1, :-1], rcond=1e-10, hermitian=True)
    slopes = (inverse @ moment[:, :-1, -1:])[:, :, 0]
    return _curve(np.exp(grid), slopes @ _columns(grid, sample.size).T)


def trend(sample: Sample, key: str, *, seed: int) -> Curve | None:
    """Size-adjusted score against a predictor: the line of the fit of score on it and the size curve.

    It passes through the mean predictor at a size-adjusted score of 0. None where the predictor does not vary.
    """
    if len(sample) < FEWEST_MODELS:
        return None
    predictor = sample.predictors[key]
    columns = np.column_stack([_columns(sample.size, sample.size)[:, 1:], predictor, sample.score])
    last = columns.shape[1]
    groups = resampling.groups(sample.family, seed)
    weights = np.vstack([np.ones(len(sample)), resampling.leave_out(groups)])
    moment = moments(columns, weights)
    covariance = residual_covariance(moment, range(last - 1), [last - 1, last])
    if covariance[:, 0, 0].min() < 1e-9 * len(sample):
        return None
    slope = covariance[:, 0, 1] / covariance[:, 0, 0]
    centre = (weights @ predictor) / weights.sum(axis=1)
    grid = np.linspace(predictor.min(), predictor.max(), _POINTS)
    return _curve(grid, slope[:, None] * (grid[None, :] - centre[:, None]))


def _columns(size: Array, fitted: Array) -> Array:
    """Constant, log parameters and spline at ``size``, with the knots that ``fitted`` sizes give."""
    middle, spread = fitted.mean(), fitted.std() or 1.0
    count = degrees(len(fitted))
    basis = natural_spline(size, spline_knots(fitted, count)) if count else np.zeros((len(size), 0))
    return np.column_stack([np.ones(len(size)), (size - middle) / spread, basis[:, 1:]])


def _curve(x: Array, lines: Array) -> Curve:
    """The first line with its pointwise jackknife band from the others."""
    ends = [resampling.jackknife(float(line[0]), line[1:]) for line in lines.T]
    return Curve(
        x=tuple(map(float, x)),
        y=tuple(float(end.value) for end in ends),
        low=tuple(float(end.value if end.low is None else end.low) for end in ends),
        high=tuple(float(end.value if end.high is None else end.high) for end in ends),
    )

"""Regression where scores at the chance floor are known only not to be above it (Tobit 1958).

A score at the floor says nothing about how far below it a model's ability lies. Such a model counts with the
probability that its latent score is at most the floor, every other with the density of its score; the error is normal.
In Olsen's (1978) parameters, coefficients over sigma and one over sigma, the likelihood is concave, so Newton's method
finds its only maximum, here for many weightings at once: leaving each family out in turn is one batch.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.effect.dose import Terms, dose_terms
from nil_audit.comparison.effect.estimate import SPARE_MODELS, coefficients, design, made
from nil_audit.comparison.effect.sample import Sample
from nil_audit.comparison.findings import Effect
from nil_audit.comparison.table import MMLU_PRO_FLOOR
from nil_audit.stats.estimate import Array
from nil_audit.stats.jackknife import leave_out
from nil_audit.stats.least_squares import orthogonal

FEWEST_ABOVE = 15
"""Models above the floor without which no censored fit is made."""

MOST_GROUPS = 200
"""Above so many groups these are left out in 50 parts, whole: every fit has to be iterated on all of the models."""

_PARTS = 50
_SPARE_ABOVE = 3
"""Models above the floor that every fit has beyond its columns, or sigma could be anything."""

_ITERATIONS = 60
_TOLERANCE = 1e-8
_RIDGE = 1e-9
_ELEMENTS_AT_ONCE = 2_000_000


def censored_effect(sample: Sample, *, study: str, control: str) -> Effect | None:
    """The effect of shape where scores at the floor are censored, the dose's slope that of the latent curve.

    Args:
        sample: The models; those at the floor by the column ``at_floor``.
        study: Whose dose.
        control: How size is held fixed.

    Returns:
        A row "censored"; None where the outcome has no floor, no model is at it or fewer than `FEWEST_ABOVE` are above
        (or too few in some jackknife sample), or the dose does not vary beside what is held fixed.
    """
    held = design(sample, control)
    if held.shape[1] == 1 or sample.models < SPARE_MODELS + held.shape[1]:
        return None
    found = censored_coefficients(sample, dose_terms(sample, sample.excess(study)), held)
    if found is None:
        return None
    named = made(
        row="censored",
        study=study,
        control=control,
        estimator="censored",
        models=sample.models,
        found=found,
    )
    return replace(named, groups=sample.groups)


def censored_coefficients(sample: Sample, terms: Terms, held: Array) -> Array | None:
    """Coefficient of minus the dose in the censored fit, with all models and without each group (or part of them).

    A model at the floor is censored at the outcome's floor, or at its own score where chance put that higher. The curve
    that the dose's slope is taken from is a censored fit too, and both are made again in every jackknife sample.

    Args:
        sample: The models.
        terms: Their dose.
        held: Shape (n, p), the constant among them.

    Returns:
        Shape (1 + G,), G at most `MOST_GROUPS`; None as for `censored_effect`.
    """
    below = sample.table["at_floor"].to_numpy(dtype=bool)
    level = _level(sample)
    if level is None or not below.any() or (~below).sum() < FEWEST_ABOVE:
        return None
    if not np.isfinite(coefficients(sample, terms, held)[0]):
        return None
    columns = np.column_stack([orthogonal(held), terms.terms])
    width = columns.shape[1] - terms.terms.shape[1]
    latent = np.where(below, np.maximum(level, sample.response), sample.response)
    left_out = leave_out(sample.group if sample.groups <= MOST_GROUPS else sample.group % _PARTS)
    whole = np.ones((1, sample.models))
    if (left_out[:, ~below].sum(axis=1) < width + _SPARE_ABOVE).any():
        return None

    def fitted(columns: Array, mixing: Array) -> Array:
        first = censored_fit(columns, latent, below, whole, mixing=mixing[:1])
        others = censored_fit(columns, latent, below, left_out, mixing=mixing[1:], start=first[0])
        return np.concatenate([first, others])[:, :-1]

    plain = np.broadcast_to(np.eye(terms.curve.shape[1]), (1 + len(left_out), *2 * (terms.curve.shape[1],)))
    curve = fitted(terms.curve, plain)
    mixing = np.zeros((len(curve), columns.shape[1], width + 1))
    mixing[:, :width, :width] = np.eye(width)
    mixing[:, width:, width] = -curve
    return fitted(columns, mixing)[:, width]


def _level(sample: Sample) -> float | None:
    """The floor in the unit of the response; None where there is none."""
    outcome = sample.outcome
    floor = MMLU_PRO_FLOOR if outcome.floor is None and outcome.column is None else outcome.floor
    return None if floor is None or outcome.lower_is_better else outcome.scale * floor


def censored_fit(
    columns: Array,
    response: Array,
    below: NDArray[np.bool_],
    weights: Array,
    *,
    mixing: Array | None = None,
    start: Array | None = None,
) -> Array:
    """Coefficients of the response, censored from below, on columns, for many weightings.

    A coefficient that the likelihood leaves undetermined (that of a group of which every model is at the floor runs to
    minus infinity) stops where going on changes nothing else.

    Args:
        columns: Shape (n, z), with the constant.
        response: Shape (n,); for a censored model the level that its latent response does not exceed.
        below: Which models are censored, shape (n,).
        weights: Shape (B, n), at least 0.
        mixing: The regressors of weighting b are ``columns @ mixing[b]``, shape (B, z, k); None: the columns.
        start: Coefficients and sigma to begin with, shape (k + 1,); None: least squares without censoring.

    Returns:
        Coefficients and, last, sigma, shape (B, k + 1).
    """
    if mixing is None:
        mixing = np.broadcast_to(np.eye(columns.shape[1]), (len(weights), *2 * (columns.shape[1],)))
    step = max(1, _ELEMENTS_AT_ONCE // (len(response) + columns.shape[1] ** 2))
    parts = [
        _newton(columns, response, below, weights[first : first + step], mixing[first : first + step], start)
        for first in range(0, len(weights), step)
    ]
    return np.concatenate(parts)


def _newton(
    columns: Array, response: Array, below: NDArray[np.bool_], weights: Array, mixing: Array, start: Array | None
) -> Array:
    scale = np.maximum(np.abs(columns).max(axis=0), 1e-300)
    unit = float(response.std()) or 1.0
    likelihood = _Likelihood(columns / scale, response / unit, below, weights, mixing * scale[:, None])
    point = likelihood.start() if start is None else _olsen(start, unit, len(weights))
    value, gradient, curvature = likelihood.at(point)
    for _ in range(_ITERATIONS):
        newton = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        if np.einsum("bk,bk->b", gradient, newton).max() < _TOLERANCE:
            break
        length = np.ones(len(point))
        # The step stops short of sigma at infinity, and is halved where the likelihood would fall.
        falling = newton[:, -1] < 0
        length[falling] = np.minimum(1.0, -0.9 * point[falling, -1] / newton[falling, -1])
        for _ in range(30):
            tried = point + length[:, None] * newton
            moved = likelihood.at(tried)
            worse = moved[0] < value - 1e-9 * (1 + np.abs(value))
            if not worse.any():
                break
            length[worse] /= 2
        point, (value, gradient, curvature) = tried, moved
    sigma = unit / point[:, -1:]
    return np.concatenate([point[:, :-1] * sigma, sigma], axis=1)


def _olsen(start: Array, unit: float, weightings: int) -> Array:
    """Coefficients and sigma as coefficients over sigma and the unit of the response over sigma, a row a weighting."""
    return np.tile(np.append(start[:-1], unit) / start[-1], (weightings, 1))


class _Likelihood:
    """The log likelihood of every weighting, its gradient and minus its second derivatives, in Olsen's parameters."""

    def __init__(
        self, columns: Array, response: Array, below: NDArray[np.bool_], weights: Array, mixing: Array
    ) -> None:
        order = np.argsort(~below, kind="stable")
        self.columns, self.response, self.weights = columns[order], response[order], weights[:, order]
        self.censored = int(below.sum())
        self.mixing = mixing
        self.products = np.einsum("ni,nj->nij", self.columns, self.columns).reshape(len(columns), -1)
        self.seen = self.weights[:, self.censored :].sum(axis=1)

    def start(self) -> Array:
        """Least squares as if nothing were censored, shape (B, k + 1)."""
        z = self.columns.shape[1]
        inner = (self.weights @ self.products).reshape(-1, z, z)
        outer = (self.weights * self.response) @ self.columns
        inner = _ridged(self._mixed(inner))
        fit = np.linalg.solve(inner, np.einsum("bzk,bz->bk", self.mixing, outer)[:, :, None])[:, :, 0]
        left = self.response - np.einsum("bzk,bk->bz", self.mixing, fit) @ self.columns.T
        variance = (self.weights * left**2).sum(axis=1) / np.maximum(self.weights.sum(axis=1), 1e-300)
        scale = 1 / np.sqrt(np.maximum(variance, 1e-12))[:, None]
        return np.concatenate([fit * scale, scale], axis=1)

    def at(self, point: Array) -> tuple[Array, Array, Array]:
        """Shapes (B,), (B, k + 1) and (B, k + 1, k + 1)."""
        from scipy.special import log_ndtr

        z, k, first = self.columns.shape[1], point.shape[1] - 1, self.censored
        inverse = point[:, -1]
        fit = np.einsum("bzk,bk->bz", self.mixing, point[:, :-1])
        left = inverse[:, None] * self.response - fit @ self.columns.T
        below = left[:, :first]
        tail = log_ndtr(below)
        mills = np.exp(-0.5 * below**2 - 0.5 * np.log(2 * np.pi) - tail)
        value = self.seen * np.log(inverse) + (self.weights[:, :first] * tail).sum(axis=1)
        value -= 0.5 * (self.weights[:, first:] * left[:, first:] ** 2).sum(axis=1)
        slope, bend = -left, np.ones_like(left)
        slope[:, :first], bend[:, :first] = mills, mills * (mills + below)
        slope *= self.weights
        bend *= self.weights
        gradient = np.empty((len(point), k + 1))
        gradient[:, :k] = -np.einsum("bzk,bz->bk", self.mixing, slope @ self.columns)
        gradient[:, k] = slope @ self.response + self.seen / inverse
        curvature = np.empty((len(point), k + 1, k + 1))
        curvature[:, :k, :k] = _ridged(self._mixed((bend @ self.products).reshape(-1, z, z)))
        bent = bend * self.response
        curvature[:, :k, k] = -np.einsum("bzk,bz->bk", self.mixing, bent @ self.columns)
        curvature[:, k, :k] = curvature[:, :k, k]
        curvature[:, k, k] = bent @ self.response + self.seen / inverse**2
        return value, gradient, curvature

    def _mixed(self, inner: Array) -> Array:
        return self.mixing.transpose(0, 2, 1) @ inner @ self.mixing


def _ridged(inner: Array) -> Array:
    """A second-moment matrix that can be solved where a column is all zero in some weighting."""
    trace = np.trace(inner, axis1=1, axis2=2) / inner.shape[1]
    return inner + (_RIDGE * trace + 1e-300)[:, None, None] * np.eye(inner.shape[1])

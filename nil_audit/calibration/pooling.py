"""Every budget of every study in one hierarchical model: what the next training run's valley will look like.

    ln loss of a shape of budget b of study s = a_b + c_b (ln R - m_b)²  + noise of the study
    m_b = μ_m + β_m ln(N_b / N₀) + u_s + v_b,        u_s ~ N(0, τ_m²),  v_b ~ N(0, ω_m²)
    ln c_b = μ_c + β_c ln(N_b / N₀) + u'_s + v'_b,   u'_s ~ N(0, τ_c²), v'_b ~ N(0, ω_c²)

A budget's losses enter through the least-squares coefficients of ln R and ln² R, whose likelihood is Gaussian with no
approximation; m_b and ln c_b are functions of them, so that a budget without an optimum says what it says and no more.
Where budgets do not repeat, a study is one such pair of coefficients beside a smooth surface of its size (and tokens).

Priors (weak where the data speak, `PRIOR`): μ_m ~ N(ln 0.03, 1), μ_c ~ N(ln 0.01, 1.5²), τ and ω half-normal, drifts
normal about 0. Four studies do not fix τ, so its prior matters; docs/pooling.md shows by how much. Sampled by
Metropolis within Gibbs: valleys by random walks, everything linear from its exact conditional.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nil_audit.calibration.evidence import CENTRE, Evidence, StudyEvidence
from nil_audit.errors import DataError
from nil_audit.law.pooled import NAME, Pool
from nil_audit.stats.estimate import Array

REFERENCE = 1e8
"""N₀, in parameters: in the middle of the studies' budgets on a logarithmic scale."""
CHAINS, WARM_UP, KEPT, EVERY = 100, 1000, 20, 150


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Scales of the priors: of the location first, of ln c second.

    Attributes:
        studies: Half-normal scales of τ.
        budgets: Half-normal scales of ω.
        drift: Standard deviations of β, per e-fold of parameters.
    """

    studies: tuple[float, float] = (0.5, 0.5)
    budgets: tuple[float, float] = (0.3, 0.3)
    drift: tuple[float, float] = (0.05, 0.1)


PRIOR = Prior()
_MEAN = (0.0, math.log(0.01))
_SPREAD = (1.0, 1.5)


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Draws of what the studies have in common; first the location, then ln c.

    Attributes:
        mean: μ at `REFERENCE`, the location as ln R*, (draws, 2).
        drift: β, (draws, 2).
        studies: τ, (draws, 2).
        budgets: ω, (draws, 2).
        convergence: Largest split R-hat of these eight numbers; 1 where the chains agree (Vehtari et al. 2021).
    """

    mean: Array
    drift: Array
    studies: Array
    budgets: Array
    convergence: float

    def predictive(self, seed: int = 0) -> Array:
        """Valleys of a new budget of a new study: ln R* and ln c at `REFERENCE`, and their drifts, (draws, 4)."""
        random = np.random.default_rng(seed)
        spread = np.hypot(self.studies, self.budgets)
        return np.hstack([self.mean + spread * random.standard_normal(self.mean.shape), self.drift])


def sample(evidence: Sequence[Evidence], *, prior: Prior = PRIOR, seed: int = 0) -> Posterior:
    """The posterior of the hierarchical model.

    Args:
        evidence: One for each budget of each study, or for each study whose budgets do not repeat.
        prior: Scales of the priors.
        seed: Of the sampler.

    Raises:
        DataError: There are fewer than two studies.
    """
    names = list(dict.fromkeys(one.study for one in evidence))
    if len(names) < 2:
        raise DataError("A pool needs at least two studies; add a sweep of another one.")
    chain = _Chains(evidence, names, prior, np.random.default_rng(seed))
    path = []
    for step in range(WARM_UP + KEPT * EVERY):
        chain.step(adapting=step < WARM_UP)
        if step >= WARM_UP and step % 5 == 0:
            path.append(np.concatenate([chain.mean, chain.drift, chain.tau, chain.omega], axis=1))
    draws = np.array(path)  # (steps / 5, chains, 8)
    flat = draws[EVERY // 5 - 1 :: EVERY // 5].reshape(-1, 8)
    return Posterior(
        mean=flat[:, :2] + [CENTRE, 0.0],
        drift=flat[:, 2:4],
        studies=flat[:, 4:6],
        budgets=flat[:, 6:],
        convergence=float(max(map(_r_hat, np.moveaxis(draws, 2, 0)))),
    )


def predictive_pool(studies: Sequence[StudyEvidence], *, name: str = NAME, prior: Prior = PRIOR, seed: int = 0) -> Pool:
    """The pool of some studies: predictive draws of a new budget of a new study.

    Args:
        studies: What each says, from `nil_audit.calibration.evidence.study_evidence` or a pool's file.
        name: What the pool is called.
        prior: Scales of the priors.
        seed: Of the sampler.

    Raises:
        DataError: There are fewer than two studies.
    """
    draws = sample([one for study in studies for one in study.evidence], prior=prior, seed=seed).predictive(seed)
    names = tuple(one.study for one in studies)
    ranges = {
        which: (min(low for low, _ in ends), max(high for _, high in ends))
        for which in ("parameters_range", "ratio_range")
        if (ends := [getattr(one, which) for one in studies])
    }
    return Pool(
        name=name,
        title=f"{len(names)} studies pooled: {', '.join(names)}",
        studies=names,
        reference=REFERENCE,
        reach=tuple((*one.parameters_range, *one.ratio_range) for one in studies),
        residual=min(one.residual for one in studies),
        draws=tuple(tuple(float(f"{number:.5g}") for number in draw) for draw in draws.tolist()),
        **ranges,
    )


class _Chains:
    """The state of all chains, and one sweep over everything that is sampled."""

    def __init__(
        self, evidence: Sequence[Evidence], names: Sequence[str], prior: Prior, random: np.random.Generator
    ) -> None:
        self.random, self.prior = random, prior
        self.study = np.array([names.index(one.study) for one in evidence])
        self.away = np.log([one.parameters / REFERENCE for one in evidence])
        self.found = np.array([one.coefficients for one in evidence])
        self.precision = np.linalg.inv(np.array([one.covariance for one in evidence]))
        member = np.eye(len(names))[self.study]
        self.design = np.column_stack([np.ones(len(evidence)), self.away, member])
        shape = (CHAINS, len(evidence))
        self.valley = np.stack([random.normal(0, 0.3, shape), random.normal(_MEAN[1], 0.5, shape)], axis=-1)
        self.likelihood = self._likelihood(self.valley)
        self.mean, self.drift = np.tile(_MEAN, (CHAINS, 1)).astype(float), np.zeros((CHAINS, 2))
        self.effect = np.zeros((CHAINS, len(names), 2))
        self.tau, self.omega = np.full((CHAINS, 2), 0.4), np.full((CHAINS, 2), 0.2)
        self.reach = np.full((len(evidence), 2), 0.15)

    def step(self, *, adapting: bool) -> None:
        """Move every valley twice, then everything above them once."""
        expected = self.mean[:, None] + self.drift[:, None] * self.away[:, None] + self.effect[:, self.study]
        for which in (0, 1, 0, 1):
            self._move_valleys(which, expected[..., which], adapting=adapting)
        for which in (0, 1):
            self._draw_linear(which)
            left = self.valley[..., which] - self.mean[:, None, which] - self.drift[:, None, which] * self.away
            left -= self.effect[:, self.study, which]
            self._move_scale(self.tau, which, self.prior.studies[which], self.effect[..., which])
            self._move_scale(self.omega, which, self.prior.budgets[which], left)

    def _likelihood(self, valley: Array) -> Array:
        """Gaussian in the coefficients: -2 c m of x, and c of x²; (chains, budgets)."""
        curvature = np.exp(valley[..., 1])
        away = np.stack([-2 * curvature * valley[..., 0], curvature], axis=-1) - self.found
        return np.asarray(-0.5 * np.einsum("abi,bij,abj->ab", away, self.precision, away))

    def _move_valleys(self, which: int, expected: Array, *, adapting: bool) -> None:
        proposed = self.valley.copy()
        proposed[..., which] += self.random.standard_normal(proposed.shape[:2]) * self.reach[:, which]
        likelihood = self._likelihood(proposed)
        before, after = ((one[..., which] - expected) ** 2 for one in (self.valley, proposed))
        gain = likelihood - self.likelihood - (after - before) / (2 * self.omega[:, None, which] ** 2)
        taken = np.log(self.random.random(gain.shape)) < gain
        self.valley = np.where(taken[..., None], proposed, self.valley)
        self.likelihood = np.where(taken, likelihood, self.likelihood)
        if adapting:  # towards 40% acceptance, the best for one dimension
            self.reach[:, which] *= np.exp(0.3 * (taken.mean(axis=0) - 0.4))

    def _draw_linear(self, which: int) -> None:
        """The mean, drift and study effects given the valleys: Gaussian."""
        weight = self.omega[:, which] ** -2
        precision = weight[:, None, None] * (self.design.T @ self.design)
        own = np.empty((CHAINS, self.design.shape[1]))
        own[:, 0], own[:, 1] = _SPREAD[which] ** -2, self.prior.drift[which] ** -2
        own[:, 2:] = self.tau[:, which, None] ** -2
        precision += own[:, :, None] * np.eye(own.shape[1])
        right = weight[:, None] * (self.valley[..., which] @ self.design)
        right[:, 0] += _MEAN[which] * own[:, 0]
        root = np.linalg.cholesky(precision)
        noise = np.linalg.solve(np.swapaxes(root, 1, 2), self.random.standard_normal((*own.shape, 1)))
        drawn = (np.linalg.solve(precision, right[..., None]) + noise)[..., 0]
        self.mean[:, which], self.drift[:, which], self.effect[..., which] = drawn[:, 0], drawn[:, 1], drawn[:, 2:]

    def _move_scale(self, scale: Array, which: int, prior: float, effects: Array) -> None:
        """Random walks in the logarithm of a standard deviation whose prior is half-normal."""
        count, squares = effects.shape[1], np.sum(effects**2, axis=1)

        def density(value: Array) -> Array:
            return np.asarray((1 - count) * np.log(value) - squares / (2 * value**2) - value**2 / (2 * prior**2))

        for _ in range(3):
            now = scale[:, which]
            proposed = now * np.exp(0.5 * self.random.standard_normal(CHAINS))
            taken: NDArray[np.bool_] = np.log(self.random.random(CHAINS)) < density(proposed) - density(now)
            scale[:, which] = np.where(taken, proposed, now)


def _r_hat(draws: Array) -> float:
    """Split R-hat of draws (kept, chains)."""
    half = len(draws) // 2
    split = np.hstack([draws[:half], draws[half : 2 * half]])
    within, between = split.var(axis=0, ddof=1).mean(), split.mean(axis=0).var(ddof=1)
    return float(np.sqrt((half - 1) / half + between / within))

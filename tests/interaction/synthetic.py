"""Synthetic gradients whose mean and typical numbers are known exactly, and how often intervals hold these.

Shape legend: W windows of N tokens, d channels, K blocks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import digamma

from nil_audit.interaction.metrics import BlockProducts, estimate, mean_is_covered, plugin_metrics
from nil_audit.interaction.probe import BLOCKS, block_of
from nil_audit.stats.estimate import Estimate

Array = NDArray[np.float64]
METRICS = ("interaction_efficiency", "typical_efficiency", "effective_rank", "aofe_ratio", "tail", "typical_rank")

_GAMMA = 0.7  # shape of the distribution of sizes
RARE, RARE_LOG_SQUARE = 1 / 65_536, 13.5  # as ' from' of SmolLM2-135M: |g| is 900 times the geometric mean


@dataclass(frozen=True, kw_only=True)
class Law:
    """A distribution of gradients g = √size x M z, z standard normal, M = Q √spectrum with a random basis Q.

    Attributes:
        kind: "gaussian": size is 1. "gamma": size is gamma distributed, with mean 1, and the same for 8 neighbours.
            "lognormal": |g|² is lognormal with geometric mean 1, and independent of the direction of g. "rare": so, but
            that one token in 65,536 has a gradient 900 times as long, along the first axis of M.
        tail: ln of the arithmetic over the geometric mean of a lognormal |g|², nats.
        alike: Share of the variance of ln |g|², and of every coordinate of z, that the tokens of a window have in
            common, for "lognormal" and "rare".
        width: d.
    """

    kind: str
    tail: float = 0.0
    alike: float = 0.0
    width: int = 32

    @property
    def spectrum(self) -> Array:
        """Eigenvalues of M Mᵀ, decreasing."""
        return np.arange(1, self.width + 1) ** -0.7

    @cached_property
    def mixing(self) -> Array:
        """M, shape (d, d)."""
        basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((self.width, self.width)))
        return np.asarray(basis * np.sqrt(self.spectrum))

    def sample(self, source: np.random.Generator, windows: int, tokens: int) -> "Sample":
        """Gradients of W windows of N tokens each."""
        shape = (windows, tokens, self.width)
        z = source.standard_normal(shape, dtype=np.float32)
        if self.alike:
            common = source.standard_normal((windows, 1, self.width), dtype=np.float32)
            z *= np.sqrt(np.float32(1 - self.alike))
            z += np.sqrt(np.float32(self.alike)) * common
        directions = z @ self.mixing.T.astype(np.float32)
        square = np.square(directions).sum(axis=2)
        directions /= np.sqrt(square)[:, :, None]
        if self.kind in ("lognormal", "rare"):
            own, shared = source.standard_normal(shape[:2]), source.standard_normal((windows, 1))
            logs = np.sqrt(2 * self.tail) * (np.sqrt(1 - self.alike) * own + np.sqrt(self.alike) * shared)
            if self.kind == "rare":
                rare = source.random(shape[:2]) < RARE
                logs[rare], directions[rare] = RARE_LOG_SQUARE, self.mixing[:, 0]  # of length 1
        else:
            logs = np.log(square).astype(np.float64)
            if self.kind == "gamma":
                sizes = source.gamma(_GAMMA, 1 / _GAMMA, size=-(-windows * tokens // 8)).repeat(8)
                logs += np.log(sizes[: windows * tokens]).reshape(shape[:2])
        gradients = directions * np.exp(logs / 2).astype(np.float32)[:, :, None]
        return Sample(
            mean=(gradients.transpose(0, 2, 1) @ gradients).astype(np.float64),
            direction=(directions.transpose(0, 2, 1) @ directions).astype(np.float64),
            logs=logs,
        )

    def truth(self) -> dict[str, float]:
        """The metrics that this distribution has, by quadrature over one variable; s is 1."""
        spectrum = self.spectrum

        def left(t: float) -> float:  # E exp(-t |Mz|²)
            return float(np.exp(-0.5 * np.log1p(2 * t * spectrum).sum()))

        # E z_i² λ_i / |Mz|² = ∫ λ_i / (1 + 2 t λ_i) E exp(-t |Mz|²) dt, the eigenvalues of U in M's basis
        eigenvalues = np.array(
            [quad(lambda t, one=one: one / (1 + 2 * t * one) * left(t), 0, np.inf)[0] for one in spectrum]
        )
        if self.kind == "lognormal":
            log_norm, mean = 0.0, np.exp(self.tail) * eigenvalues
        elif self.kind == "rare":
            first = np.eye(self.width)[0]
            log_norm = RARE * RARE_LOG_SQUARE
            mean = (1 - RARE) * np.exp(self.tail) * eigenvalues + RARE * np.exp(RARE_LOG_SQUARE) * first
            eigenvalues = (1 - RARE) * eigenvalues + RARE * first
        else:
            # E ln X = ∫ (exp(-t) - E exp(-tX)) / t dt, over ln t
            log_norm = quad(lambda u: np.exp(-np.exp(u)) - left(np.exp(u)), -40, 40, limit=200)[0]
            log_norm += float(digamma(_GAMMA) - np.log(_GAMMA)) if self.kind == "gamma" else 0.0
            mean = spectrum
        basis = self.mixing / np.sqrt(spectrum)
        diagonal, square, trace = np.diag(basis * mean @ basis.T), float((mean**2).sum()), float(mean.sum())
        typical_rank = 1 / float((eigenvalues**2).sum())
        return {
            "interaction_efficiency": -0.5 * np.log(square),
            "typical_efficiency": 0.5 * np.log(typical_rank) - log_norm,
            "effective_rank": trace**2 / square,
            "aofe_ratio": 1 - float((diagonal**2).sum()) / square,
            "tail": np.log(trace) - log_norm,
            "typical_rank": typical_rank,
        }


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What windows of gradients add up to.

    Attributes:
        mean: Σ g gᵀ of each window, shape (W, d, d).
        direction: Σ ĝ ĝᵀ of each window, shape (W, d, d).
        logs: ln |g|² of every token, shape (W, N).
    """

    mean: Array
    direction: Array
    logs: Array

    def products(self, windows: int | None = None) -> BlockProducts:
        """Block products of the first so many windows, or of all, computed directly."""
        count = len(self.logs) if windows is None else windows
        member = (block_of(count) == np.arange(BLOCKS)[:, None]).astype(np.float64)
        tokens = member.sum(axis=1) * self.logs.shape[1]
        mean, direction = (
            (member @ part[:count].reshape(count, -1)) / tokens[:, None] for part in (self.mean, self.direction)
        )
        width = self.mean.shape[1]
        diagonals = mean[:, :: width + 1]
        return BlockProducts(
            width=width,
            tokens=tokens,
            gram=mean @ mean.T,
            diagonal_gram=diagonals @ diagonals.T,
            trace=diagonals.sum(axis=1),
            embedding_square=np.ones(BLOCKS),
            direction_gram=direction @ direction.T,
            directions=tokens,
            log_norm=member @ self.logs[:count].sum(axis=1) / tokens,
        )

    def heaviest_shares(self, windows: int | None = None) -> tuple[float, float]:
        """The shares of the trace in the heaviest token and in the heaviest 0.1%, as in a record."""
        squares = np.sort(np.exp(self.logs[:windows].ravel()))[::-1]
        most = max(1, round(len(squares) / 1000))
        return float(squares[0] / squares.sum()), float(squares[:most].sum() / squares.sum())


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one sample of so many windows gave.

    Attributes:
        tokens: W N.
        windows: W.
        found: The unbiased estimate of each of ``METRICS``.
        plugin: The plug-in value of each.
        token_share: The share of the trace in the heaviest token.
    """

    tokens: int
    windows: int
    found: dict[str, Estimate]
    plugin: dict[str, float]
    token_share: float

    @property
    def told(self) -> bool:
        """Whether a record of it would be told to have intervals of the mean that do not hold."""
        return self.token_share > 0.05 or not mean_is_covered(self.found["tail"].value, self.tokens)


def trials(
    law: Law, samples: int, *, windows: int, tokens: int, rounds: Sequence[int] = (), seed: int = 0
) -> Iterator[Trial]:
    """Estimates on so many samples of W windows of N tokens; each in several ``rounds`` of its first windows."""
    source = np.random.default_rng(seed)
    for _ in range(samples):
        sample = law.sample(source, windows, tokens)
        for count in rounds or (windows,):
            products = sample.products(count)
            found, plugin = estimate(products, "unbiased"), plugin_metrics(products)
            yield Trial(
                tokens=count * tokens,
                windows=count,
                found={name: found[name] for name in METRICS},
                plugin={name: plugin[name] for name in METRICS},
                token_share=sample.heaviest_shares(count)[0],
            )


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One number over many trials.

    Attributes:
        plugin_bias: Mean of the plug-in value, less the truth.
        bias: Mean of the unbiased value, less the truth.
        corrected: The same after the jackknife's correction.
        noise: Monte Carlo error of ``bias``.
        se: Mean of the standard error.
        sd: Standard deviation of the unbiased value, which the standard error estimates.
        coverage: Share of 95% intervals that hold the truth.
    """

    plugin_bias: float
    bias: float
    corrected: float
    noise: float
    se: float
    sd: float
    coverage: float


def summary(found: Sequence[Trial], name: str, truth: float) -> Summary:
    """One of ``METRICS`` over trials."""
    each = [one.found[name] for one in found]
    values = np.array([one.value for one in each])
    return Summary(
        plugin_bias=float(np.mean([one.plugin[name] for one in found])) - truth,
        bias=float(values.mean()) - truth,
        corrected=float(np.mean([one.value - one.bias for one in each])) - truth,
        noise=float(values.std() / np.sqrt(len(each))),
        se=float(np.mean([one.se for one in each])),
        sd=float(values.std()),
        coverage=float(np.mean([one.low <= truth <= one.high for one in each])),
    )


def stopped(found: Sequence[Trial], rounds: Sequence[int], precision: float) -> list[Trial]:
    """Of each sample's rounds the first whose typical efficiency is precise enough, else the last."""
    runs = [found[start : start + len(rounds)] for start in range(0, len(found), len(rounds))]
    return [
        next((one for one in run if (one.found["typical_efficiency"].se or 0) <= precision), run[-1]) for run in runs
    ]

"""From block products to numbers: the metrics of the mean and of a typical token, both estimates, jackknife errors.

Shape legend: K blocks, d channels. G_a is the AGOP of block a (d x d, the mean of g gᵀ over its tokens), U_a its
direction AGOP, the mean of ĝ ĝᵀ, ĝ = g/|g|.

Pure functions of the K x K matrices that a record keeps, so that every published number can be recomputed from a
record alone. Definitions and estimators: docs/definitions.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nil_audit.errors import MeasurementError
from nil_audit.stats.estimate import Array, Estimate
from nil_audit.stats.jackknife import over_blocks

ESTIMATOR_VERSION = 2
"""Raised whenever the same text would give other numbers; part of every cache key."""

Kind = Literal["plugin", "unbiased"]


@dataclass(frozen=True, kw_only=True)
class BlockProducts:
    """All that the metrics need of K block AGOPs.

    Attributes:
        width: d, the length of a gradient.
        tokens: n_a, tokens in each block, shape (K,).
        gram: <G_a, G_b>, shape (K, K), nats⁴.
        diagonal_gram: Σ_i G_a,ii G_b,ii, shape (K, K), nats⁴.
        trace: tr G_a, shape (K,), nats² per token.
        embedding_square: mean square of the entries of the embeddings in each block, shape (K,).
        direction_gram: <U_a, U_b>, shape (K, K); None in records of the first estimator, which had no typical numbers.
        directions: Tokens of each block whose gradient is not exactly zero, shape (K,).
        log_norm: Mean of ln |g|² over these, shape (K,).
    """

    width: int
    tokens: Array
    gram: Array
    diagonal_gram: Array
    trace: Array
    embedding_square: Array
    direction_gram: Array | None = None
    directions: Array | None = None
    log_norm: Array | None = None

    @property
    def blocks(self) -> int:
        """K."""
        return len(self.tokens)

    def keep(self, mask: NDArray[np.bool_]) -> "BlockProducts":
        """The products of the blocks that a mask of shape (K,) keeps."""
        both = np.ix_(mask, mask)
        return BlockProducts(
            width=self.width,
            tokens=self.tokens[mask],
            gram=self.gram[both],
            diagonal_gram=self.diagonal_gram[both],
            trace=self.trace[mask],
            embedding_square=self.embedding_square[mask],
            direction_gram=None if self.direction_gram is None else self.direction_gram[both],
            directions=None if self.directions is None else self.directions[mask],
            log_norm=None if self.log_norm is None else self.log_norm[mask],
        )


def moments_to_metrics(
    *, frobenius: float, diagonal: float, trace: float, trace_squared: float, scale: float, width: int
) -> dict[str, float]:
    """Every metric of docs/definitions.md from the moments of one AGOP.

    Args:
        frobenius: ‖G‖_F², nats⁴.
        diagonal: Σ_i G_ii².
        trace: tr G, nats² per token.
        trace_squared: tr(G)², which the unbiased estimate does not take as the square of ``trace``.
        scale: s², mean square of the embedding's entries over the probe.
        width: d.

    Returns:
        The metrics by name; NaN where noise makes a squared norm negative or a denominator vanish.
    """
    nan = float("nan")
    aofe = frobenius - diagonal
    ratio = 1 - diagonal / frobenius if frobenius > 0 else nan
    rank = trace_squared / frobenius if frobenius > 0 else nan
    null = 1 - (rank + 2) / (width + 2)
    off_diagonal_mass = trace_squared - diagonal
    return {
        "trace": trace,
        "frobenius_squared": frobenius,
        "aofe": aofe,
        "aofe_ratio": ratio,
        "mean_cos2": aofe / off_diagonal_mass if off_diagonal_mass > 0 else nan,
        "effective_rank": rank,
        "spread": rank / width,
        "sensitivity": scale * trace,
        "interaction_efficiency": -0.5 * float(np.log(scale**2 * frobenius)) if frobenius > 0 else nan,
        "normalised_aofe": aofe / trace_squared if trace_squared > 0 else nan,
        "rotation_null": null,
        "excess": ratio - null,
        "kappa": (1 - ratio) / (1 - null),
    }


MEAN_METRICS = tuple(moments_to_metrics(frobenius=1, diagonal=0.5, trace=1, trace_squared=1, scale=1, width=2))
"""Names of the metrics of an AGOP, which a few heavy tokens can decide."""

TYPICAL_METRICS = ("typical_rank", "typical_spread", "typical_sensitivity", "typical_efficiency", "tail")
"""Names of the metrics of a typical token."""

METRICS = (*MEAN_METRICS, *TYPICAL_METRICS)

HEADLINE = "typical_efficiency"
"""The metric that models are ranked by, and whose standard error decides how much text is enough."""

LOSSES = ("loss_per_token", "loss_per_byte", "sensitivity_per_byte", "bytes_per_token")
"""Names of what ``estimate_loss`` returns."""

ONE_TOKEN = 0.05
"""Share of the trace above which the mean's numbers are said to be one token's."""


def mean_is_covered(tail: float, tokens: float) -> bool:
    """Whether 95% intervals of the size of G (trace, sensitivity, efficiency, AOFE) and of the tail can be believed.

    exp(6 tail) / tokens is the squared skewness of a mean of so many lognormal |g|². Simulated, intervals hold the
    truth in 92 to 97% of samples where it is below e, and in 83 to 94% above; those of ratios and of typical numbers
    always do (docs/estimators.md). Of tokens so rare that the text has none nothing can be told.

    Args:
        tail: ln of the arithmetic over the geometric mean of |g|², as estimated, nats.
        tokens: N, counted tokens.
    """
    return 6 * tail <= float(np.log(tokens)) + 1


def rotation_scatter(rank: float, width: int) -> float:
    """Standard deviation, at most, of the AOFE-ratio of one spectrum from one random basis to another.

    Exact of rank 1, where it is that of Σ u_i⁴ of a random direction u, sqrt(24(d-1) / ((d+2)²(d+4)(d+6))). Of a higher
    effective rank r the part that is not isotropic is the smaller by (d-r)/(d-1), and its diagonal closer to Gaussian.

    Args:
        rank: r.
        width: d.
    """
    one = float(np.sqrt(24 * (width - 1) / ((width + 2) ** 2 * (width + 4) * (width + 6))))
    return one * max(width - rank, 0.0) / (width - 1)


def against_null(excess: Estimate, rank: Estimate, width: int) -> Literal["above", "at", "below"] | None:
    """Where an AOFE-ratio lies against those of the same spectrum in random bases.

    "At" where zero is within the excess's 95% interval, its error that of the text and the scatter of one random basis
    together: the rotation null is the mean over bases, which a matrix whose basis means nothing does not meet exactly.

    Args:
        excess: With its interval.
        rank: Effective rank r.
        width: d.

    Returns:
        None where noise leaves one of them undefined.
    """
    if excess.interval is None or not np.isfinite(excess.value) or not np.isfinite(rank.value):
        return None
    half = float(np.hypot(excess.interval[1] - excess.value, 1.96 * rotation_scatter(rank.value, width)))
    return "at" if abs(excess.value) <= half else "above" if excess.value > 0 else "below"


def plugin_metrics(products: BlockProducts) -> dict[str, float]:
    """The formulas on G and U themselves, biased upward in ‖·‖² by sampling noise (the paper's code reports these)."""
    weight = products.tokens / products.tokens.sum()
    trace = float(weight @ products.trace)
    mean = moments_to_metrics(
        frobenius=float(weight @ products.gram @ weight),
        diagonal=float(weight @ products.diagonal_gram @ weight),
        trace=trace,
        trace_squared=trace**2,
        scale=float(weight @ products.embedding_square),
        width=products.width,
    )
    if products.direction_gram is None or products.directions is None:
        return mean
    share = products.directions / products.directions.sum()
    return mean | _typical(products, float(share @ products.direction_gram @ share))


def unbiased_metrics(products: BlockProducts) -> dict[str, float]:
    """The same from products between different blocks only, which sampling noise does not bias.

    ‖G‖², Σ G_ii², tr(G)² and ‖U‖² become Σ_{a≠b} w_a w_b X_ab / Σ_{a≠b} w_a w_b with w the blocks' token shares (for
    equal blocks: the mean over the K(K-1) pairs).
    """
    weight = products.tokens / products.tokens.sum()
    pairs = _pairs(products.tokens)
    mean = moments_to_metrics(
        frobenius=float((pairs * products.gram).sum()),
        diagonal=float((pairs * products.diagonal_gram).sum()),
        trace=float(weight @ products.trace),
        trace_squared=float((pairs * np.outer(products.trace, products.trace)).sum()),
        scale=float(weight @ products.embedding_square),
        width=products.width,
    )
    if products.direction_gram is None or products.directions is None:
        return mean
    return mean | _typical(products, float((_pairs(products.directions) * products.direction_gram).sum()))


def _pairs(counts: Array) -> Array:
    """Weights of the pairs of different blocks, adding up to 1."""
    pairs = np.outer(counts, counts)
    np.fill_diagonal(pairs, 0.0)
    return np.asarray(pairs / pairs.sum())


def _typical(products: BlockProducts, frobenius: float) -> dict[str, float]:
    """Every metric of a typical token, from ‖U‖² (tr U is 1 exactly, in every block).

    r(U) = 1/‖U‖², typical sensitivity = s² exp(mean of ln |g|²), typical efficiency = ½ ln r(U) - ln(typical
    sensitivity), tail = ln tr(G) - mean of ln |g|².
    """
    assert products.directions is not None and products.log_norm is not None
    nan = float("nan")
    weight = products.tokens / products.tokens.sum()
    log_norm = float(products.directions @ products.log_norm / products.directions.sum())
    trace = float(weight @ products.trace)
    log_sensitivity = float(np.log(weight @ products.embedding_square)) + log_norm
    rank = 1 / frobenius if frobenius > 0 else nan
    return {
        "typical_rank": rank,
        "typical_spread": rank / products.width,
        "typical_sensitivity": float(np.exp(log_sensitivity)),
        "typical_efficiency": 0.5 * float(np.log(rank)) - log_sensitivity,
        "tail": float(np.log(trace)) - log_norm if trace > 0 else nan,
    }


def _over_blocks(
    compute: Callable[[NDArray[np.bool_]], dict[str, float]], products: BlockProducts
) -> dict[str, Estimate]:
    try:
        return over_blocks(compute, products.blocks)
    except ValueError as error:
        raise MeasurementError(f"{error}; measure with more text or shorter windows.") from error


def estimate(products: BlockProducts, kind: Kind) -> dict[str, Estimate]:
    """Every one of ``METRICS`` with its jackknife error; of products without directions the ``MEAN_METRICS``.

    Args:
        products: Products of at least 3 blocks.
        kind: "plugin" or "unbiased".

    Raises:
        MeasurementError: Fewer than 3 blocks.
    """
    compute = plugin_metrics if kind == "plugin" else unbiased_metrics
    return _over_blocks(lambda keep: compute(products.keep(keep)), products)


def estimate_loss(products: BlockProducts, block_loss: Array, block_bytes: NDArray[np.int64]) -> dict[str, Estimate]:
    """Cross-entropy and sensitivity by token and by byte of text, with jackknife errors.

    Tokenizers differ, so numbers per token do not compare across families; numbers per byte do.

    Args:
        products: Block products of all tokens.
        block_loss: Mean cross-entropy of each block in nats per token, shape (K,).
        block_bytes: Bytes of text that each block's targets cover, shape (K,).

    Returns:
        "loss_per_token" and "loss_per_byte" in nats, "sensitivity_per_byte" in nats² per byte, "bytes_per_token".
    """

    def compute(keep: NDArray[np.bool_]) -> dict[str, float]:
        tokens, size = products.tokens[keep], float(block_bytes[keep].sum())
        nats = float(tokens @ block_loss[keep])
        scale = float(tokens @ products.embedding_square[keep]) / tokens.sum()
        return {
            "loss_per_token": nats / tokens.sum(),
            "loss_per_byte": nats / size,
            "sensitivity_per_byte": scale * float(tokens @ products.trace[keep]) / size,
            "bytes_per_token": size / tokens.sum(),
        }

    return _over_blocks(compute, products)

"""How alike a fixed symmetric matrix and an AGOP are, whatever their scale and basis.

    ρ = <A₀, M₀> / (‖A₀‖ ‖M₀‖),   A₀ = A - (tr A / n) I

is Pearson's correlation of what is left once the isotropic part is gone: 1 for proportional matrices, unmoved by a
rotation of both. Of A in a random orthogonal basis its mean is 0 and its variance exactly 2 / ((n - 1)(n + 2)): the
traceless symmetric matrices, (n - 1)(n + 2)/2 dimensions, are irreducible under O(n), so that the mean over rotations
of a squared projection is the squared norm over the dimension (Schur).

The gradient of a map's input has come through the map itself: M = WᵀXW, X the mean outer product of the gradient with
respect to its output. So ρ is above 0 in any network, and `through_map` is what it is for X in a random basis.

Behind a norm both matrices are those of the normalised stream before the norm's scale. Where the norm takes the mean
away they live on n = d - 1 dimensions, and I is the projection on these.

Shape legend: d channels, K blocks of text, n dimensions, J fixed matrices.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nil_audit.interaction.agop import BlockSums
from nil_audit.interaction.norms import Norm
from nil_audit.stats.estimate import Array, Estimate
from nil_audit.stats.jackknife import over_blocks

_CHUNK_BYTES = 8 * 2**20


def null_sd(dimensions: int) -> float:
    """Standard deviation of ρ where one of the matrices is in a random orthogonal basis of n dimensions."""
    return math.sqrt(2 / ((dimensions - 1) * (dimensions + 2)))


def through_map(*, trace: float, square: float, rows: int, dimensions: int, rank: float) -> float:
    """ρ of A = WᵀW and M = WᵀXW for X in a random orthogonal basis, to leading order: a ratio of expectations.

    With b₁ = tr A, b₂ = ‖A‖², tr X = 1 and κ = ‖X‖², E X_ij X_kl = α δ_ij δ_kl + β (δ_ik δ_jl + δ_il δ_jk), where
    β = (R κ - 1) / c, α = (R + 1 - 2 κ) / c, c = R (R - 1) (R + 2), so that

        E <A, M> = b₂/R,   E ‖M‖² = (α + β) b₂ + β b₁²,   E tr(M)² = α b₁² + 2 β b₂.

    κ is that for which M has the effective rank E tr(M)² / E ‖M‖² that it was measured to have. Where other maps read
    the same input, M is the sum over all of them, each random for itself, and ρ is below this.

    Args:
        trace: b₁.
        square: b₂.
        rows: R, of W.
        dimensions: n.
        rank: tr(M)²/‖M‖².

    Returns:
        1 where no such X has so high a rank; NaN where noise leaves M without one, or A is isotropic.
    """
    excess = square - trace**2 / dimensions
    if not (rank > 0 and excess > 0):
        return math.nan
    if rows < 2:
        return 1.0
    p, q = trace**2 - rank * square, (2 - rank) * square - rank * trace**2
    kappa = min(1.0, max(1 / rows, ((rows + 1) * p - q) / (2 * p - rows * q)))
    count = rows * (rows - 1) * (rows + 2)
    alpha, beta = (rows + 1 - 2 * kappa) / count, (rows * kappa - 1) / count
    size = (alpha + beta) * square + beta * trace**2 - (alpha * trace**2 + 2 * beta * square) / dimensions
    return min(1.0, math.sqrt(excess / size) / rows)


def squared(rows_Rd: torch.Tensor, norm: Norm) -> torch.Tensor:
    """A = W'ᵀW', W' the rows of W through a norm's scale, centred where it centres.

    Args:
        rows_Rd: W, whose type A has, float32 or better.
        norm: The norm in front of it.

    Returns:
        Shape (d, d), on the host.
    """
    wide = rows_Rd.to(torch.promote_types(rows_Rd.dtype, torch.float32))
    through = norm.before_scale(wide)
    return (through.T @ through).cpu()


def traceless(matrix_dd: torch.Tensor, norm: Norm) -> torch.Tensor:
    """A₀ / ‖A₀‖ of a symmetric matrix of the norm's space; zeros where it is isotropic."""
    found = _without_trace(matrix_dd.clone(), norm)
    size = float(torch.linalg.matrix_norm(found))
    return found / size if size > 0 else found


def _without_trace(matrix_dd: torch.Tensor, norm: Norm) -> torch.Tensor:
    """A matrix of the norm's space less its isotropic part; the matrix itself is changed."""
    share = matrix_dd.diagonal().double().sum() / norm.dimensions
    matrix_dd.diagonal().sub_(share.to(matrix_dd.dtype))
    if norm.kind == "layer":
        matrix_dd += (share / len(matrix_dd)).to(matrix_dd.dtype)
    return matrix_dd


@dataclass(frozen=True, kw_only=True)
class Moments:
    """All that ρ of J fixed matrices with one AGOP needs, by block of text.

    Attributes:
        counts: Vectors in each block, shape (K,).
        gram: <M_a0, M_b0> of the block means without their isotropic part, shape (K, K).
        trace: tr M_a, shape (K,).
        dimensions: n.
        inner: <A₀, M_a> with A₀ of norm 1, shape (J, K).
        total: M₀ of all blocks, shape (d, d), on the host.
    """

    counts: Array
    gram: Array
    trace: Array
    dimensions: int
    inner: Array
    total: torch.Tensor

    @property
    def size(self) -> float:
        """‖M₀‖ from products of different blocks; NaN where noise makes its square negative."""
        return math.sqrt(square) if (square := _between(self.gram, self.counts)) > 0 else math.nan

    @property
    def rank(self) -> float:
        """tr(M)²/‖M‖², the effective rank of M, from products of different blocks."""
        traces = _between(np.outer(self.trace, self.trace), self.counts)
        return traces / (_between(self.gram, self.counts) + traces / self.dimensions)

    def correlations(self) -> list[Estimate]:
        """ρ of each fixed matrix, with jackknife errors over the blocks.

        The numerator is linear in M and so without bias; ‖M₀‖² comes from products of different blocks alone.
        """

        def compute(keep: NDArray[np.bool_]) -> dict[str, float]:
            counts = self.counts[keep]
            numerators = self.inner[:, keep] @ counts / counts.sum()
            square = _between(self.gram[np.ix_(keep, keep)], counts)
            size = math.sqrt(square) if square > 0 else math.nan
            return {str(index): float(one) / size for index, one in enumerate(numerators)}

        return list(over_blocks(compute, len(self.counts)).values())


def _between(products: Array, counts: Array) -> float:
    """The mean of products of block means over pairs of different blocks, weighted by their vectors."""
    pairs = np.outer(counts, counts)
    np.fill_diagonal(pairs, 0.0)
    return float((pairs * products).sum() / pairs.sum())


def moments(sums: BlockSums, counts: Array, norm: Norm, fixed: Sequence[torch.Tensor]) -> Moments:
    """The moments of the sums of one place, in float64, a few rows of all blocks at a time.

    Args:
        sums: Σ g gᵀ or Σ ĝ ĝᵀ by block, g the gradient with respect to what the norm gave, before its scale.
        counts: Vectors in each, shape (K,); at least one.
        norm: The norm, which says on how many dimensions these live.
        fixed: A₀ of norm 1 of each fixed matrix in the norm's space, see ``traceless``.
    """
    blocks, width = len(sums.sums), sums.sums[0].shape[0]
    gram = torch.zeros(blocks, blocks, dtype=torch.float64)
    inner = torch.zeros(len(fixed), blocks, dtype=torch.float64)
    trace = torch.zeros(blocks, dtype=torch.float64)
    total = torch.empty(width, width, dtype=sums.sums[0].dtype)
    means = 1 / torch.from_numpy(np.maximum(counts, 1))
    shares = torch.from_numpy(counts / counts.sum())
    rows = max(1, _CHUNK_BYTES // (8 * blocks * width))
    for start in range(0, width, rows):
        here = slice(start, start + rows)
        part = torch.stack([one[here].cpu() for one in sums.sums]).double()
        part *= means[:, None, None]
        flat = part.flatten(1)
        gram += flat @ flat.T
        for place, one in enumerate(fixed):
            inner[place] += flat @ one[here].flatten().double()
        trace += part.diagonal(offset=start, dim1=1, dim2=2).sum(dim=1)
        total[here] = torch.tensordot(shares, part, dims=1).to(total.dtype)
    gram -= torch.outer(trace, trace) / norm.dimensions
    return Moments(
        counts=counts,
        gram=gram.numpy(),
        trace=trace.numpy(),
        dimensions=norm.dimensions,
        inner=inner.numpy(),
        total=_without_trace(total, norm),
    )


def inner_products(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> Array:
    """<A, B> of every pair of two lists of matrices, shape (len(one), len(other)), in float64, a few rows at a time."""
    result = torch.zeros(len(one), len(other), dtype=torch.float64)
    width = one[0].shape[0]
    rows = max(1, _CHUNK_BYTES // (8 * (len(one) + len(other)) * width))
    for start in range(0, width, rows):
        left, right = (torch.stack([a[start : start + rows].flatten() for a in each]).double() for each in (one, other))
        result += left @ right.T
    return result.numpy()

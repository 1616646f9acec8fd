"""Sums of outer products by block as gradients arrive, and what is left of them: inner products of blocks.

Shape legend: N gradients, d channels, K blocks. Memory: K matrices of d x d, whatever the length of the text.
"""

import numpy as np
import torch

from nil_audit.stats.estimate import Array

_CHUNK_BYTES = 8 * 2**20


class BlockSums:
    """Σ v vᵀ by block, for any vectors: gradients, or their directions.

    Sums are float32, or float64 where the vectors are; matrix products never run in TF32 (see ``exact_matmul``).
    """

    def __init__(self, blocks: int, width: int, *, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Make room for ``blocks`` sums of ``width`` x ``width`` on ``device``."""
        self.sums = [torch.zeros(width, width, dtype=dtype, device=device) for _ in range(blocks)]

    @property
    def memory(self) -> int:
        """Bytes of the sums, which are taken as they fill."""
        return sum(block.nbytes for block in self.sums)

    def add(self, block: int, vectors_ND: torch.Tensor, *, sign: int = 1) -> None:
        """Add Σ v vᵀ of the rows of an (N, d) matrix to a block, or take it away with ``sign`` -1."""
        rows = vectors_ND.to(self.sums[block])
        self.sums[block].addmm_(rows.T, rows, alpha=sign)

    def fold(self) -> None:
        """Make blocks 2b and 2b + 1 into block b, and the second half of the blocks empty; no memory is taken."""
        for even, odd in zip(self.sums[::2], self.sums[1::2], strict=True):
            even.add_(odd)
            odd.zero_()
        self.sums = [*self.sums[::2], *self.sums[1::2]]

    def clear(self) -> None:
        """Set every sum to zero."""
        for block in self.sums:
            block.zero_()

    def products(self, counts: Array) -> tuple[Array, Array, Array]:
        """Inner products of the block means M_a = sum / count, in float64, a few rows of all blocks at a time.

        Args:
            counts: Vectors in each block, shape (K,); where there are none the mean is zero.

        Returns:
            <M_a, M_b> and Σ_i M_a,ii M_b,ii, shape (K, K), and tr M_a, shape (K,).
        """
        blocks, width = len(self.sums), self.sums[0].shape[0]
        gram = torch.zeros(blocks, blocks, dtype=torch.float64)
        rows = max(1, _CHUNK_BYTES // (8 * blocks * width))
        for start in range(0, width, rows):
            part = torch.stack([block[start : start + rows].flatten().cpu() for block in self.sums]).double()
            gram += part @ part.T
        diagonals = torch.stack([block.diagonal().cpu() for block in self.sums]).double().numpy()
        some = np.maximum(counts, 1)
        diagonals = diagonals / some[:, None]
        return gram.numpy() / np.outer(some, some), diagonals @ diagonals.T, diagonals.sum(axis=1)

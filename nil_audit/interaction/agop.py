"""Accumulates the AGOP of K blocks as gradients arrive, and reduces it to block products.

Shape legend: N gradients, d channels, K blocks. Memory: K matrices of d x d, whatever the length of the text.
"""

import numpy as np
import torch

from nil_audit.interaction.metrics import BlockProducts

_CHUNK_BYTES = 8 * 2**20


class BlockAccumulator:
    """Sums of g gᵀ by block.

    Sums are float32, or float64 where the gradients are; matrix products never run in TF32 (see ``exact_matmul``).
    """

    def __init__(self, blocks: int, width: int, *, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Make room for ``blocks`` sums of ``width`` x ``width`` on ``device``."""
        self.tokens = torch.zeros(blocks, dtype=torch.float64)
        self.sums = [torch.zeros(width, width, dtype=dtype, device=device) for _ in range(blocks)]

    def add(self, block: int, gradients_ND: torch.Tensor) -> None:
        """Add Σ g gᵀ of the rows of an (N, d) matrix to a block."""
        rows = gradients_ND.to(self.sums[block])
        self.sums[block].addmm_(rows.T, rows)
        self.tokens[block] += len(rows)

    def products(self, embedding_square: np.ndarray) -> BlockProducts:
        """The K x K inner products of the block means, in float64, a few rows of all blocks at a time.

        Args:
            embedding_square: Mean square of the embedding's entries by block, shape (K,).
        """
        tokens = self.tokens.numpy()
        blocks, width = len(self.sums), self.sums[0].shape[0]
        gram = torch.zeros(blocks, blocks, dtype=torch.float64)
        rows = max(1, _CHUNK_BYTES // (8 * blocks * width))
        for start in range(0, width, rows):
            part = torch.stack([block[start : start + rows].flatten().cpu() for block in self.sums]).double()
            gram += part @ part.T
        diagonals = torch.stack([block.diagonal().cpu() for block in self.sums]).double().numpy()
        diagonals = diagonals / tokens[:, None]
        return BlockProducts(
            width=width,
            tokens=tokens,
            gram=gram.numpy() / np.outer(tokens, tokens),
            diagonal_gram=diagonals @ diagonals.T,
            trace=diagonals.sum(axis=1),
            embedding_square=np.asarray(embedding_square, dtype=np.float64),
        )

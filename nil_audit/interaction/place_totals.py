"""What is added up at one place of the network: outer products of gradients and of their directions, by block.

Shape legend: W windows, B of them in a batch, N counted tokens a window, d channels, K blocks.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from nil_audit.interaction.agop import BlockSums
from nil_audit.interaction.metrics import BlockProducts
from nil_audit.interaction.norms import Norm
from nil_audit.interaction.probe import BLOCKS
from nil_audit.interaction.schedule import Schedule


class PlaceTotals:
    """The sums of one place: 2 K matrices of d x d, and a few numbers a window and token.

    Attributes:
        mean: Σ g gᵀ by block.
        direction: Σ ĝ ĝᵀ by block, ĝ = g/|g|.
        log_squares: ln |g|² of every token, shape (W, N), -inf where the gradient is exactly zero.
        value_squares: Mean square of the entries of what the gradients are taken of, shape (W,).
    """

    def __init__(
        self,
        schedule: Schedule,
        *,
        windows: int,
        counted: int,
        width: int,
        device: torch.device,
        dtype: torch.dtype,
        norm: Norm | None = None,
    ) -> None:
        """Make room for W windows of N counted tokens, d channels wide; gradients are taken before a norm's scale."""
        self._norm = norm
        self._schedule, self._counted = schedule, counted
        self.mean, self.direction = (BlockSums(BLOCKS, width, device=device, dtype=dtype) for _ in range(2))
        self.value_squares = torch.zeros(windows, dtype=torch.float64)
        self.log_squares = torch.zeros(windows, counted, dtype=torch.float64)
        self._kept: dict[int, torch.Tensor] = {}

    @property
    def memory(self) -> int:
        """Bytes of the sums and of kept gradients, which are taken as they fill."""
        kept = self._schedule.movers * self._counted * self.width * self.mean.sums[0].itemsize
        return self.mean.memory + self.direction.memory + kept

    @property
    def small(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What there is beside the sums, on the host."""
        return self.value_squares, self.log_squares

    @property
    def width(self) -> int:
        """Channels, d."""
        return self.mean.sums[0].shape[0]

    @property
    def tokens(self) -> NDArray[np.float64]:
        """Counted tokens of each block, shape (K,)."""
        return self._schedule.by_block(np.full(self._schedule.count, float(self._counted)))

    @property
    def directions(self) -> NDArray[np.float64]:
        """Tokens of each block whose gradient is not exactly zero, shape (K,)."""
        return self._schedule.by_block(np.isfinite(self._logs).sum(axis=1))

    @property
    def _logs(self) -> NDArray[np.float64]:
        return np.asarray(self.log_squares[: self._schedule.count].numpy())

    def clear(self) -> None:
        """Set everything that was summed to zero; kept gradients stay."""
        for one in self.small:
            one.zero_()
        for sums in (self.mean, self.direction):
            sums.clear()

    def fold(self, moves: list[tuple[int, int, int]]) -> None:
        """Make every pair of blocks one, and move windows from one block to another.

        Args:
            moves: Window, block, other block, from `Schedule.begin`; of windows that were not added here nothing moves.
        """
        self.mean.fold()
        self.direction.fold()
        for window, block, other in moves:
            if window in self._kept:
                gradients_ND = self._kept[window]
                directions_ND, _ = directions(gradients_ND)
                for total, vectors in ((self.mean, gradients_ND), (self.direction, directions_ND)):
                    total.add(block, vectors, sign=-1)
                    total.add(other, vectors)
        self._kept = {window: kept for window, kept in self._kept.items() if self._schedule.still_moves(window)}

    def add(self, rows: NDArray[np.int64], gradients_BND: torch.Tensor, values_BND: torch.Tensor) -> None:
        """Add the gradients of a run of windows in, and what they were taken of.

        Out of memory while it prepares, it has added nothing.
        """
        dtype = self.mean.sums[0].dtype
        gradients = gradients_BND.to(dtype)
        gradients = (gradients if self._norm is None else self._norm.before_scale(gradients)).contiguous()
        unit, log_squares = directions(gradients)
        value_squares = values_BND.to(dtype).square().mean(dim=(1, 2)).cpu().double()
        kept = {
            row: gradients[place].clone() for place, row in enumerate(rows.tolist()) if self._schedule.still_moves(row)
        }

        index = torch.from_numpy(rows)
        self._kept |= kept
        self.value_squares[index], self.log_squares[index] = value_squares, log_squares
        # Windows of a block are neighbours, so a block's rows are a view: nothing below needs new memory.
        blocks, starts = np.unique(self._schedule.block[rows], return_index=True)
        for total, vectors in ((self.mean, gradients), (self.direction, unit)):
            for block, start, end in zip(blocks, starts, [*starts[1:], len(rows)], strict=True):
                total.add(int(block), vectors[start:end].flatten(0, 1))

    def products(self) -> BlockProducts:
        """The block products of the round."""
        tokens, some = self.tokens, np.isfinite(self._logs)
        counts = self.directions
        gram, diagonal_gram, trace = self.mean.products(tokens)
        direction_gram, _, _ = self.direction.products(counts)
        schedule, windows = self._schedule, tokens / self._counted
        return BlockProducts(
            width=self.width,
            tokens=tokens,
            gram=gram,
            diagonal_gram=diagonal_gram,
            trace=trace,
            embedding_square=schedule.by_block(self.value_squares[: schedule.count].numpy()) / windows,
            direction_gram=direction_gram,
            directions=counts,
            log_norm=schedule.by_block(np.where(some, self._logs, 0.0).sum(axis=1)) / np.maximum(counts, 1),
        )


def directions(gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """ĝ = g/|g| of gradients along the last axis, zero where g is, and ln |g|² in float64 on the host.

    Taken at the scale of the largest entry, so that no square of a small one is rounded to zero.
    """
    largest = gradients.abs().amax(dim=-1)
    unit = gradients / largest.clamp_min(torch.finfo(gradients.dtype).tiny).unsqueeze(-1)
    squares = unit.square().sum(dim=-1)
    unit /= squares.sqrt().clamp_min(1).unsqueeze(-1)
    return unit, 2 * largest.cpu().double().log() + squares.cpu().double().clamp_min(1).log()

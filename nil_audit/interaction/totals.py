"""Everything that is added up over windows, in rounds of twice as many windows each.

Shape legend: W windows, T tokens a window, C of them context, N = T - C counted, d channels, K blocks.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nil_audit.interaction.agop import BlockSums
from nil_audit.interaction.gradients import window_gradients
from nil_audit.interaction.metrics import BlockProducts
from nil_audit.interaction.probe import BLOCKS, Windows, block_of
from nil_audit.processes import Team


@dataclass(frozen=True, kw_only=True)
class Round:
    """What the first W windows of a probe gave.

    Attributes:
        windows: W.
        products: Their block products.
        block_loss: Mean cross-entropy of each block's counted targets in nats per token, shape (K,).
        block_bytes: UTF-8 bytes of text that these targets cover, shape (K,).
    """

    windows: int
    products: BlockProducts
    block_loss: NDArray[np.float64]
    block_bytes: NDArray[np.int64]

    @property
    def tokens(self) -> int:
        """Counted tokens, W (T - C)."""
        return int(self.products.tokens.sum())


def doubling(windows: int) -> list[int]:
    """How many windows each round has: the last all of them, each other half of its next, K or more (rounded down)."""
    counts = [windows]
    while counts[0] // 2 >= BLOCKS:
        counts.insert(0, counts[0] // 2)
    return counts


class WindowTotals:
    """The sums of a measurement: 2 K matrices of d x d, and a few numbers a window and token.

    A round keeps the sums of the round before it: window i of W is in block floor(i K / W), so in a round of 2 W
    windows block b holds what blocks 2b and 2b + 1 held. In a round of 2 W + 1 windows up to K / 2 windows at the
    edges of blocks are in the next lower block instead. Which ones is known from the start: their gradients are kept
    until then, and moved as they were added, so that nothing of them stays behind.
    """

    def __init__(self, windows: Windows, embedding: torch.Tensor, *, prefix: int | None = None) -> None:
        """Make room for the windows of a probe.

        Args:
            windows: The probe's.
            embedding: The input embedding matrix, whose width, device and type the sums take.
            prefix: The document-start token that is read in front of every window.
        """
        self.windows, self.prefix = windows, prefix
        self.rounds = doubling(windows.count)
        """Windows of each round."""
        dtype = torch.float64 if embedding.dtype == torch.float64 else torch.float32
        self.mean, self.direction = (
            BlockSums(BLOCKS, embedding.shape[1], device=embedding.device, dtype=dtype) for _ in range(2)
        )
        self.losses = torch.zeros(windows.count, dtype=torch.float64)
        self.embedding_square = torch.zeros(windows.count, dtype=torch.float64)
        self.log_squares = torch.zeros(windows.count, windows.counted, dtype=torch.float64)
        """ln |g|² of every token, -inf where the gradient is exactly zero."""
        self.count = 0
        """Windows of the round."""
        self._block = np.zeros(0, dtype=np.int64)
        self._moving = [_moving(before, after) for before, after in pairwise(self.rounds)]
        self._last_move = {int(window): place for place, moving in enumerate(self._moving) for window in moving}
        self._kept: dict[int, torch.Tensor] = {}

    @property
    def memory(self) -> int:
        """Bytes of the sums and of kept gradients, which are taken as they fill."""
        matrix = self.mean.sums[0]
        kept = len(self._last_move) * self.windows.counted * len(matrix) * matrix.itemsize
        return self.mean.memory + self.direction.memory + kept

    def enlarge(self, count: int, team: Team) -> NDArray[np.int64]:
        """Begin a round; what the round before it summed is kept by the first process.

        Args:
            count: Its windows, the next of ``rounds``.
            team: The processes; each moves the windows that it has read.

        Returns:
            The windows that are new in it.
        """
        if team.rank > 0:
            for kept in (self.losses, self.embedding_square, self.log_squares, self.mean, self.direction):
                kept.clear() if isinstance(kept, BlockSums) else kept.zero_()
        rows = np.arange(self.count, count)
        place = self.rounds.index(count)
        if place:
            self.mean.fold()
            self.direction.fold()
            for window in self._moving[place - 1]:
                if window in self._kept:
                    self._move(self._kept[window], int(self._block[window]) // 2, window * BLOCKS // count)
        self._kept = {window: kept for window, kept in self._kept.items() if self._last_move[window] >= place}
        self._block, self.count = block_of(count), count
        return rows

    def _move(self, gradients_ND: torch.Tensor, block: int, other: int) -> None:
        """Take a window out of a block and put it into another."""
        directions_ND, _ = _directions(gradients_ND)
        for total, vectors in ((self.mean, gradients_ND), (self.direction, directions_ND)):
            total.add(block, vectors, sign=-1)
            total.add(other, vectors)

    def add(self, rows: NDArray[np.int64], model: Any) -> None:
        """Take the gradients of a run of windows and add them in; out of memory, everything is left as it was."""
        tokens = torch.from_numpy(self.windows.tokens[rows])
        found = window_gradients(model, tokens, prefix=self.prefix, context=self.windows.context)
        dtype = self.mean.sums[0].dtype
        gradients = found.gradients_BND.to(dtype).contiguous()
        directions, log_squares = _directions(gradients)
        embedding_square = found.embeddings_BND.to(dtype).square().mean(dim=(1, 2)).cpu().double()
        losses = found.losses_BN.cpu().double().mean(dim=1)
        kept = {row: gradients[place].clone() for place, row in enumerate(rows.tolist()) if row in self._last_move}

        index = torch.from_numpy(rows)
        self._kept |= kept
        self.losses[index], self.embedding_square[index] = losses, embedding_square
        self.log_squares[index] = log_squares
        # Windows of a block are neighbours, so a block's rows are a view: nothing below needs new memory.
        blocks, starts = np.unique(self._block[rows], return_index=True)
        for total, vectors in ((self.mean, gradients), (self.direction, directions)):
            for block, start, end in zip(blocks, starts, [*starts[1:], len(rows)], strict=True):
                total.add(int(block), vectors[start:end].flatten(0, 1))

    def all_reduce(self, team: Team) -> None:
        """Add up over processes; each has zeros where it did no work."""
        if team.size == 1:
            return
        # everything is on its device before the sums begin, so that memory cannot run out between them
        device = self.mean.sums[0].device
        small = {name: getattr(self, name).to(device) for name in ("losses", "embedding_square", "log_squares")}
        team.all_reduce([*small.values(), *self.mean.sums, *self.direction.sums])
        for name, total in small.items():
            setattr(self, name, total.cpu())

    def round(self) -> Round:
        """What the windows of the round gave together."""
        tokens = self._by_block(np.full(self.count, float(self.windows.counted)))
        logs = self.log_squares[: self.count].numpy()
        some = np.isfinite(logs)
        directions = self._by_block(some.sum(axis=1))
        gram, diagonal_gram, trace = self.mean.products(tokens)
        direction_gram, _, _ = self.direction.products(directions)
        windows = tokens / self.windows.counted
        products = BlockProducts(
            width=self.mean.sums[0].shape[0],
            tokens=tokens,
            gram=gram,
            diagonal_gram=diagonal_gram,
            trace=trace,
            embedding_square=self._by_block(self.embedding_square[: self.count].numpy()) / windows,
            direction_gram=direction_gram,
            directions=directions,
            log_norm=self._by_block(np.where(some, logs, 0.0).sum(axis=1)) / np.maximum(directions, 1),
        )
        return Round(
            windows=self.count,
            products=products,
            block_loss=self._by_block(self.losses[: self.count].numpy()) / windows,
            block_bytes=self._by_block(self.windows.bytes[: self.count]).astype(np.int64),
        )

    def _by_block(self, per_window: NDArray[Any]) -> NDArray[np.float64]:
        """Sums over the windows of each block, shape (K,)."""
        return np.asarray(np.bincount(self._block, weights=per_window, minlength=BLOCKS), dtype=np.float64)


def _moving(before: int, after: int) -> NDArray[np.int64]:
    """Windows that are not in the block that theirs is folded into, from one round to the next."""
    return np.flatnonzero(block_of(before) // 2 != block_of(after)[:before])


def _directions(gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """ĝ = g/|g| of gradients along the last axis, zero where g is, and ln |g|² in float64 on the host.

    Taken at the scale of the largest entry, so that no square of a small one is rounded to zero.
    """
    largest = gradients.abs().amax(dim=-1)
    directions = gradients / largest.clamp_min(torch.finfo(gradients.dtype).tiny).unsqueeze(-1)
    squares = directions.square().sum(dim=-1)
    directions /= squares.sqrt().clamp_min(1).unsqueeze(-1)
    return directions, 2 * largest.cpu().double().log() + squares.cpu().double().clamp_min(1).log()

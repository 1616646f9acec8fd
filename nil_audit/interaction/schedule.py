"""Which windows are read in which round, and to which block each belongs.

Shape legend: W windows, K blocks.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nil_audit.interaction.probe import BLOCKS, block_of


def doubling(windows: int) -> list[int]:
    """How many windows each round has: the last all of them, each other half of its next, K or more (rounded down)."""
    counts = [windows]
    while counts[0] // 2 >= BLOCKS:
        counts.insert(0, counts[0] // 2)
    return counts


class Schedule:
    """Rounds of twice as many windows each, which keep the sums of the round before.

    Window i of W is in block floor(i K / W), so in a round of 2 W windows block b holds what blocks 2b and 2b + 1 held.
    In a round of 2 W + 1 windows up to K / 2 windows at the edges of blocks are in the next lower block instead. Which
    ones is known from the start: what they gave is kept until then, and moved as it was added.

    Attributes:
        rounds: Windows of each round.
        count: Windows of the round that is being read; 0 before the first.
        block: The block of each of them, shape (count,).
    """

    def __init__(self, windows: int) -> None:
        """Plan the rounds of W windows."""
        self.rounds = doubling(windows)
        self.count = 0
        self.block = np.zeros(0, dtype=np.int64)
        self._moving = [_moving(before, after) for before, after in pairwise(self.rounds)]
        self._last_move = {int(window): place for place, moving in enumerate(self._moving) for window in moving}

    def begin(self, count: int) -> list[tuple[int, int, int]]:
        """Begin a round, the next of ``rounds``.

        Returns:
            What moves once the blocks of the round before are folded in pairs: window, its block now, its new one.
        """
        place = self.rounds.index(count)
        moves = list(self._moves(place, count)) if place else []
        self.block, self.count = block_of(count), count
        return moves

    def _moves(self, place: int, count: int) -> Iterator[tuple[int, int, int]]:
        for window in self._moving[place - 1].tolist():
            yield window, int(self.block[window]) // 2, window * BLOCKS // count

    def still_moves(self, window: int) -> bool:
        """Whether a window will be in another block in a later round than this."""
        place = self.rounds.index(self.count) if self.count else 0
        return self._last_move.get(window, -1) >= place

    @property
    def movers(self) -> int:
        """Windows that ever move."""
        return len(self._last_move)

    def by_block(self, per_window: NDArray[np.generic]) -> NDArray[np.float64]:
        """Sums over the windows of each block, shape (K,), of a number a window of the round."""
        return np.asarray(np.bincount(self.block, weights=per_window, minlength=BLOCKS), dtype=np.float64)


def _moving(before: int, after: int) -> NDArray[np.int64]:
    """Windows that are not in the block that theirs is folded into, from one round to the next."""
    return np.flatnonzero(block_of(before) // 2 != block_of(after)[:before])

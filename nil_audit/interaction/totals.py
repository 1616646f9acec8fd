"""Everything that is added up over windows, in rounds of twice as many windows each.

Shape legend: W windows, T tokens a window, C of them context, N = T - C counted, d channels, K blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nil_audit.interaction.gradients import window_gradients
from nil_audit.interaction.metrics import BlockProducts
from nil_audit.interaction.place_totals import PlaceTotals
from nil_audit.interaction.places import Place, widths
from nil_audit.interaction.probe import Windows
from nil_audit.interaction.schedule import Schedule
from nil_audit.processes import Team
from nil_audit.weights.checkpoint import embedding_weight


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


class WindowTotals:
    """The sums of a measurement, at the input embedding and at other places of the network.

    Attributes:
        windows: The probe's.
        schedule: Its rounds.
        embedding: The sums at the output of the embedding module.
        inside: Those at the other places, in their order.
        losses: Mean cross-entropy of each window's counted targets, nats, shape (W,).
    """

    def __init__(
        self, windows: Windows, model: torch.nn.Module, *, prefix: int | None = None, places: Sequence[Place] = ()
    ) -> None:
        """Make room for the windows of a probe.

        Args:
            windows: The probe's.
            model: A frozen causal language model; sums are on the devices of its tensors, in float32 or its own wider
                type.
            prefix: The document-start token that is read in front of every window.
            places: Where gradients are taken beside the embedding.

        Raises:
            MeasurementError: A place is passed other than once in a forward pass, or has no channels.
        """
        self.windows, self.schedule, self.losses = windows, Schedule(windows.count), _zeros(windows.count)
        self._prefix, self._places = prefix, tuple(places)
        weight = embedding_weight(model)
        self._dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
        self._inner = widths(model, places)
        self.embedding, *inside = (
            PlaceTotals(
                self.schedule,
                windows=windows.count,
                counted=windows.counted,
                width=width,
                device=device,
                dtype=self._dtype,
                norm=norm,
            )
            for (width, device), norm in [
                ((weight.shape[1], weight.device), None),
                *zip(self._inner, [place.norm for place in self._places], strict=True),
            ]
        )
        self.inside = tuple(inside)

    @property
    def memory(self) -> int:
        """Bytes of all sums and of kept gradients, which are taken as they fill."""
        return sum(one.memory for one in (self.embedding, *self.inside))

    @property
    def memory_inside(self) -> int:
        """The part of these that the other places take."""
        return sum(one.memory for one in self.inside)

    def memory_a_window(self, positions: int) -> int:
        """Bytes that the gradients at the other places take until they are summed, for each window of a batch."""
        return sum(width for width, _ in self._inner) * positions * self._dtype.itemsize

    def enlarge(self, count: int, team: Team) -> NDArray[np.int64]:
        """Begin a round; what the round before it summed is kept by the first process.

        Args:
            count: Its windows, the next of the schedule's ``rounds``.
            team: The processes; each moves the windows that it has read.

        Returns:
            The windows that are new in it.
        """
        before = self.schedule.count
        every = (self.embedding, *self.inside)
        if team.rank > 0:
            self.losses.zero_()
            for one in every:
                one.clear()
        moves = self.schedule.begin(count)
        if before:
            for one in every:
                one.fold(moves)
        return np.arange(before, count)

    def add(self, rows: NDArray[np.int64], model: Any) -> None:
        """Take the gradients of a run of windows and add them in; out of memory, everything is left as it was."""
        tokens = torch.from_numpy(self.windows.tokens[rows])
        found = window_gradients(model, tokens, prefix=self._prefix, context=self.windows.context, places=self._places)
        losses = found.losses_BN.cpu().double().mean(dim=1)
        # What the backward pass needed is free by now, many times what a place needs to be summed.
        self.embedding.add(rows, found.gradients_BND, found.embeddings_BND)
        for one, (gradients, values) in zip(self.inside, found.inside, strict=True):
            one.add(rows, gradients, values)
        self.losses[torch.from_numpy(rows)] = losses

    def all_reduce(self, team: Team) -> None:
        """Add up over processes; each has zeros where it did no work."""
        if team.size == 1:
            return
        # everything is on its device before the sums begin, so that memory cannot run out between them
        device = self.embedding.mean.sums[0].device
        small = [self.losses, *(part for one in (self.embedding, *self.inside) for part in one.small)]
        moved = [part.to(device) for part in small]
        sums = [total for one in (self.embedding, *self.inside) for total in (*one.mean.sums, *one.direction.sums)]
        team.all_reduce([*moved, *sums])
        for part, total in zip(small, moved, strict=True):
            part.copy_(total.cpu())

    def round(self) -> Round:
        """What the windows of the round gave together, at the embedding."""
        products = self.embedding.products()
        count, by_block = self.schedule.count, self.schedule.by_block
        return Round(
            windows=count,
            products=products,
            block_loss=by_block(self.losses[:count].numpy()) * self.windows.counted / products.tokens,
            block_bytes=by_block(self.windows.bytes[:count]).astype(np.int64),
        )


def _zeros(windows: int) -> torch.Tensor:
    return torch.zeros(windows, dtype=torch.float64)

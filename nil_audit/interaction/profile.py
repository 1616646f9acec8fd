"""The depth profile: the loss AGOP of the input of every decoder block, from the audit's own backward pass."""

from collections.abc import Sequence
from dataclasses import dataclass

from nil_audit.interaction.metrics import BlockProducts
from nil_audit.interaction.place_totals import PlaceTotals
from nil_audit.interaction.places import Place, block_inputs
from nil_audit.weights.checkpoint import Checkpoint

PLACES = 1
"""Places a block."""


@dataclass(frozen=True, kw_only=True)
class Depth:
    """What the input of one decoder block gave.

    Attributes:
        depth: The block, from 0.
        products: Block products of the gradients ∂ℓ_w/∂h_{w,t}, h the block's input; ``embedding_square`` is the mean
            square of the entries of h.
        memory: Bytes of its sums.
    """

    depth: int
    products: BlockProducts
    memory: int


class Profile:
    """Reads the inputs of decoder blocks off a measurement; a `nil_audit.interaction.measure.Watcher`.

    The metrics of a depth are those of the audit (docs/definitions.md) with h_l in the place of the embedding e: of
    block 0 they are the audit's own where the embedding goes straight into it.
    """

    def __init__(self, checkpoint: Checkpoint, depths: Sequence[int]) -> None:
        """Watch the inputs of some decoder blocks of a loaded model (see ``depths_that_fit``)."""
        self.places: tuple[Place, ...] = block_inputs(checkpoint, depths)

    def read(self, embedding: PlaceTotals, places: Sequence[PlaceTotals]) -> tuple[Depth, ...]:
        """The block products of every depth."""
        return tuple(
            Depth(depth=place.depth, products=totals.products(), memory=totals.memory)
            for place, totals in zip(self.places, places, strict=True)
        )

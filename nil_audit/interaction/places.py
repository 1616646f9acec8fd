"""Points of the network between its embedding and its loss, whose gradients the same backward pass gives.

Shape legend: B windows in a batch, P positions that are read, d channels, L decoder blocks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch

from nil_audit.errors import MeasurementError
from nil_audit.interaction.norms import Norm
from nil_audit.interaction.probe import BLOCKS
from nil_audit.shape.meta_model import held
from nil_audit.weights.checkpoint import Checkpoint, embedding_weight
from nil_audit.weights.memory import free_for_sums


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """A tensor of the forward pass: what goes into a module, or what comes out of it.

    Attributes:
        module: The module, which runs once in a forward pass.
        side: Its "input" (the first tensor that it is given) or its "output" (the first that it returns).
        depth: The decoder block that it belongs to, from 0.
        norm: That gave the tensor, x = γ ⊙ n + a constant, where gradients are to be taken with respect to n; None:
            with respect to the tensor itself.
    """

    module: torch.nn.Module
    side: Literal["input", "output"] = "input"
    depth: int
    norm: Norm | None = None


def decoder_blocks(checkpoint: Checkpoint) -> tuple[torch.nn.Module, ...]:
    """The decoder blocks of a loaded model, in order, L of them."""
    shape = checkpoint.shape
    found = held(checkpoint.model, shape.name, depth=shape.depth, text_only=shape.text_tower_of is None)
    return found.blocks


def block_inputs(checkpoint: Checkpoint, depths: Sequence[int]) -> tuple[Place, ...]:
    """The inputs of some of the decoder blocks."""
    blocks = decoder_blocks(checkpoint)
    return tuple(Place(module=blocks[depth], depth=depth) for depth in depths)


def depths_that_fit(checkpoint: Checkpoint, places: int) -> tuple[int, ...]:
    """The blocks, of which so many places each can be summed in half of the free memory: all, or evenly spaced ones.

    Sums are 2 K matrices of d x d a place, whatever the length of the text. Of thinned blocks the first and the last
    are always among them.

    Args:
        checkpoint: Loaded.
        places: Places a block.

    Raises:
        MeasurementError: Not even two blocks fit.
    """
    blocks, weight = len(decoder_blocks(checkpoint)), embedding_weight(checkpoint.model)
    each = places * 2 * BLOCKS * checkpoint.shape.width**2 * max(4, weight.element_size())
    most = free_for_sums(str(weight.device)) // each
    if most >= blocks:
        return tuple(range(blocks))
    if most < 2:
        raise MeasurementError(
            f"Gradients inside {checkpoint.source.name} take {each / 1e9:.1f} GB a block, more than a quarter of the"
            " free memory; leave out --profile and --ansatz, or use a device with more memory."
        )
    return tuple(np.unique(np.linspace(0, blocks - 1, int(most)).round().astype(int)).tolist())


@contextmanager
def watched(places: Sequence[Place]) -> Iterator[list[list[torch.Tensor]]]:
    """Capture the tensors at some places while a forward pass runs; yields a list for each place."""
    captured: list[list[torch.Tensor]] = [[] for _ in places]

    def entering(kept: list[torch.Tensor], _module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        kept.append(_first_tensor([*given, named.get("hidden_states"), *named.values()]))

    def leaving(kept: list[torch.Tensor], _module: Any, _given: tuple[Any, ...], returned: Any) -> None:
        kept.append(_first_tensor(returned if isinstance(returned, tuple | list) else [returned]))

    handles = []
    try:
        for place, kept in zip(places, captured, strict=True):
            if place.side == "input":
                handle = place.module.register_forward_pre_hook(partial(entering, kept), with_kwargs=True)
            else:
                handle = place.module.register_forward_hook(partial(leaving, kept))
            handles.append(handle)
        yield captured
    finally:
        for handle in handles:
            handle.remove()


def _first_tensor(values: Sequence[Any]) -> torch.Tensor:
    for value in values:
        if isinstance(value, torch.Tensor):
            return value
    raise MeasurementError("A block of this model is given no tensor: its insides cannot be measured.")


def the_only(captured: Sequence[Sequence[torch.Tensor]], batch: int, positions: int) -> list[torch.Tensor]:
    """The tensor of each place, shape (B, P, d) or, as OPT has it before its MLP, (B P, d), after a forward pass.

    Raises:
        MeasurementError: A place was passed other than once, or its tensor has another shape.
    """
    for found in captured:
        if len(found) != 1:
            raise MeasurementError(
                f"A part of a decoder block ran {len(found)} times in one forward pass, so that it has no single input;"
                " measure this model without --profile and --ansatz."
            )
        if tuple(found[0].shape[:-1]) not in ((batch, positions), (batch * positions,)):
            raise MeasurementError(
                f"The input of a decoder block has the shape {tuple(found[0].shape)} where {batch} windows of"
                f" {positions} positions were read; measure this model without --profile and --ansatz."
            )
    return [found[0] for found in captured]


def widths(model: Any, places: Sequence[Place]) -> list[tuple[int, torch.device]]:
    """How many channels each place has and where its tensor lies, from a forward pass over two tokens.

    Raises:
        MeasurementError: See ``the_only``.
    """
    if not places:
        return []
    tokens = torch.zeros(1, 2, dtype=torch.long, device=embedding_weight(model).device)
    with torch.no_grad(), watched(places) as captured:
        model(input_ids=tokens, use_cache=False)
    return [(found.shape[-1], found.device) for found in the_only(captured, 1, 2)]

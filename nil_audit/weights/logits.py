"""Logits of some positions alone: there is never a tensor of all positions by vocabulary.

Shapes: B rows of a batch, T positions that are read, n of which are asked for, V vocabulary.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def logits_at(model: Any, positions: torch.Tensor) -> Iterator[Callable[[], bool]]:
    """Have a model compute the logits of these positions only, (B, n), whatever it does with them afterwards.

    Its output embedding is shown the hidden states of these positions alone, and what a model does to logits (scales,
    caps) stays its own. A position may be counted from the end: -1 is the last.

    Yields:
        Whether the output embedding was asked in this way, to be called after the forward pass.
    """
    head = model.get_output_embeddings()
    asked = False

    def choose(_module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        nonlocal asked
        hidden = inputs[0] if inputs else None
        if not isinstance(hidden, torch.Tensor) or hidden.ndim != 3 or hidden.shape[0] != positions.shape[0]:
            return None
        asked = True
        return (rows_at(hidden, positions), *inputs[1:])

    handle = head.register_forward_pre_hook(choose) if isinstance(head, torch.nn.Module) else None
    try:
        yield lambda: asked
    finally:
        if handle is not None:
            handle.remove()


def rows_at(values: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Values (B, T, m) at positions (B, n) of each row: (B, n, m)."""
    positions = positions.to(values.device)
    return values[torch.arange(len(values), device=values.device)[:, None], positions]


def last_logits(model: Any, tokens_BT: torch.Tensor) -> torch.Tensor:
    """The logits behind the last of each row's tokens, shape (B, V), with their graph where gradients are enabled."""
    with logits_at(model, torch.full((len(tokens_BT), 1), -1)):
        logits: torch.Tensor = model(input_ids=tokens_BT, use_cache=False).logits
    return logits[:, -1]

"""A prefix that many prompts have in common, read once: its keys and values, and what follows it in batches.

Shapes: B rows of a batch, P tokens of the prefix, S of the longest suffix, H heads of keys and values, d their width,
V vocabulary.
"""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

Tokens = Sequence[int]
Layer = tuple[torch.Tensor, torch.Tensor]
"""Keys and values, (1, H, P, d) each."""


_BLOCK = 256
"""Tokens by which the room for keys and values grows where it was too small."""


class SharingError(Exception):
    """Why a prefix cannot be read once with this model, in words that follow "because"."""


def common_prefix(prompts: Sequence[Tokens]) -> int:
    """Tokens that all prompts begin with, less one where a prompt is nothing else: each has something of its own.

    The first and the last prompt in dictionary order differ first, so only these two are compared.
    """
    first, last = min(prompts, key=list), max(prompts, key=list)
    length = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return min(length, min(map(len, prompts)) - 1)


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer for a batch: the prefix in every row, and room for what follows.

    What follows is written in place, where a ``DynamicLayer`` copies everything that came before at every step.
    """

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, *, rows: int, room: int) -> None:
        """A layer that holds a prefix.

        Args:
            keys: Of the prefix, (1, H, P, d).
            values: Of the prefix, (1, H, P, d).
            rows: B.
            room: Tokens that will follow it in each row.
        """
        super().__init__()
        self.dtype, self.device = keys.dtype, keys.device
        self._length = keys.shape[-2]
        self._places: tuple[torch.Tensor, torch.Tensor] | None = None
        self._all_keys, self._all_values = (self._with_room(one, rows, room) for one in (keys, values))
        self.is_initialized = True
        self._show()

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write what follows, (B, H, T, d), and return all keys and values so far, (B, H, P + ... + T, d)."""
        end = self._length + key_states.shape[-2]
        if end > (room := self._all_keys.shape[-2]):
            more = max(end - room, _BLOCK)
            self._all_keys = self._with_room(self._all_keys, len(self._all_keys), more)
            self._all_values = self._with_room(self._all_values, len(self._all_values), more)
        if self._places is None:
            self._all_keys[:, :, self._length : end] = key_states
            self._all_values[:, :, self._length : end] = value_states
        else:
            rows, columns = self._places
            self._all_keys[rows, :, columns] = key_states[:, :, 0]
            self._all_values[rows, :, columns] = value_states[:, :, 0]
            self._places = None
        self._length = end
        self._show()
        return self._all_keys[:, :, :end], self._all_values[:, :, :end]

    def expect(self, rows: torch.Tensor, columns: torch.Tensor, length: int) -> None:
        """Have the next token of each row written after the row's own last one, over its padding.

        So the text of every row is without a gap, whatever a model makes of the distance of two columns.

        Args:
            rows: 0 to B - 1.
            columns: Tokens that each row holds, (B,).
            length: The largest of them: columns beyond it are no longer looked at.
        """
        self._places = rows.to(self.device), columns.to(self.device)
        self._length = length
        self._show()

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows, in this order."""
        self._all_keys, self._all_values = self._all_keys[indices], self._all_values[indices]
        self._show()

    def _show(self) -> None:
        self.keys, self.values = self._all_keys[:, :, : self._length], self._all_values[:, :, : self._length]

    @staticmethod
    def _with_room(prefix: torch.Tensor, rows: int, room: int) -> torch.Tensor:
        _, heads, length, width = prefix.shape
        buffer = prefix.new_zeros(rows, heads, length + room, width)  # padding is read, if only to be masked
        buffer[:, :, :length] = prefix
        return buffer


class Prefix:
    """A prefix that the model has read.

    Attributes:
        tokens: Of the prefix, P of them.
    """

    def __init__(self, model: Any, tokens: Tokens, *, longest: int) -> None:
        """Read a prefix.

        Args:
            model: A causal language model of transformers.
            tokens: P tokens.
            longest: Of the whole prompts, in tokens: a sliding window that is not shorter hides nothing.

        Raises:
            SharingError: What the model keeps of a prefix is not keys and values of every token.
        """
        self.tokens = tuple(tokens)
        self._model = model
        accepted = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in accepted
        if "past_key_values" not in accepted:
            raise SharingError("it keeps no keys and values of what it has read")
        device = model.get_input_embeddings().weight.device
        read = torch.tensor([list(tokens)], device=device)
        with torch.no_grad(), logits_at(model, torch.tensor([[len(tokens) - 1]], device=device)):
            cache = model(read, use_cache=True).past_key_values
        self._layers = _kept(cache, len(tokens), longest)

    def cache(self, rows: int, room: int) -> DynamicCache:
        """Keys and values of the prefix in every row of a batch, with room for so many tokens to follow."""
        cache = DynamicCache()
        cache.layers = [
            DynamicLayer() if layer is None else RoomyLayer(*layer, rows=rows, room=room) for layer in self._layers
        ]
        return cache

    def follow(self, suffixes: Sequence[Tokens], cache: DynamicCache, scored: torch.Tensor) -> torch.Tensor:
        """Read a batch of suffixes, padded on the right, after the prefix.

        Args:
            suffixes: B of them, none empty.
            cache: From ``cache``, of as many rows; it holds the suffixes, padding included, afterwards.
            scored: Positions within the suffixes whose logits are wanted, (B, n).

        Returns:
            Those logits, (B, n, V).
        """
        device = self._model.get_input_embeddings().weight.device
        rows = [torch.tensor(list(one), device=device) for one in suffixes]
        inputs = pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(one) for one in rows], device=device)
        start = len(self.tokens)
        ahead = torch.arange(start + inputs.shape[1], device=device)
        return self.step(
            inputs,
            cache,
            mask=(ahead[None] < start + lengths[:, None]).long(),
            positions=ahead[None, start:].expand(len(rows), -1),
            scored=scored.to(device),
        )

    def step(
        self,
        inputs: torch.Tensor,
        cache: DynamicCache,
        *,
        mask: torch.Tensor,
        positions: torch.Tensor,
        scored: torch.Tensor,
    ) -> torch.Tensor:
        """One forward pass over what comes next; where that is a token a row, it follows the row's own last one.

        Args:
            inputs: Tokens, (B, T).
            cache: Of what came before.
            mask: 1 for every position that is text, 0 for padding, (B, all so far + T).
            positions: Of the inputs in their text, (B, T).
            scored: Which of the inputs' logits are wanted, (B, n).

        Returns:
            Those logits, (B, n, V).
        """
        if inputs.shape[1] == 1:
            rows = torch.arange(len(inputs), device=inputs.device)
            for layer in cache.layers:
                if isinstance(layer, RoomyLayer):
                    layer.expect(rows, positions[:, 0], mask.shape[1] - 1)
        given = {"position_ids": positions} if self._takes_positions else {}
        with torch.no_grad(), logits_at(self._model, scored) as was_asked:
            logits = self._model(inputs, attention_mask=mask, past_key_values=cache, use_cache=True, **given).logits
        return logits if was_asked() else _rows_at(logits, scored)


@contextmanager
def logits_at(model: Any, positions: torch.Tensor) -> Iterator[Any]:
    """Have a model compute the logits of these positions only, (B, n), whatever it does with them afterwards.

    Its output embedding is shown the hidden states of these positions alone, so there is never a tensor of all
    positions by vocabulary, and what a model does to logits (scales, caps) stays its own.

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
        return (_rows_at(hidden, positions), *inputs[1:])

    handle = head.register_forward_pre_hook(choose) if isinstance(head, torch.nn.Module) else None
    try:
        yield lambda: asked
    finally:
        if handle is not None:
            handle.remove()


def _rows_at(values: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Values (B, T, n) at positions (B, k) of each row: (B, k, n)."""
    positions = positions.to(values.device)
    return values[torch.arange(len(values), device=values.device)[:, None], positions]


def _kept(cache: Any, length: int, longest: int) -> list[Layer | None]:
    """Keys and values by layer; None for a layer that borrows those of another.

    Raises:
        SharingError: Something else is kept, or a window forgets part of the prompt.
    """
    if type(cache) is not DynamicCache:
        raise SharingError(f"what it keeps of a prefix ({type(cache).__name__}) cannot be repeated for a batch")
    layers: list[Layer | None] = []
    for layer in cache.layers:
        if type(layer) is DynamicSlidingWindowLayer and layer.sliding_window < longest:
            raise SharingError(
                f"its sliding window of {layer.sliding_window:,} tokens is shorter than a prompt of {longest:,}"
            )
        if not isinstance(layer, DynamicLayer) or type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer):
            raise SharingError("it has layers that keep a state instead of keys and values")
        if layer.keys is None or layer.values is None:
            layers.append(None)
            continue
        if layer.keys.shape[-2] != length:
            raise SharingError("it does not keep the keys and values of every token")
        layers.append((layer.keys, layer.values))
    if not layers or layers[0] is None:
        raise SharingError("it keeps no keys and values of what it has read")
    return layers

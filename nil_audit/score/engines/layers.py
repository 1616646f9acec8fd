"""What a model keeps of a prefix, layer by layer, and the same in every row of a batch with room for what follows.

Shapes: B rows of a batch, P tokens of the prefix, H heads of keys and values, d their width. A layer with a sliding
window of W tokens keeps the last W - 1 of them: none that follows looks further back.
"""

from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import DummyLayer, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

_BLOCK = 256
"""Tokens by which the room for keys and values grows where it was too small."""


class SharingError(Exception):
    """Why a prefix cannot be read once with this model, in words that follow "because"."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What one layer keeps of a prefix.

    Attributes:
        keys: Of the prefix, (1, H, min(P, W - 1), d).
        values: Of the prefix, likewise.
        forgotten: Tokens at the beginning of the prefix that a window has passed by.
        window: W; None where every token sees all before it.
    """

    keys: torch.Tensor
    values: torch.Tensor
    forgotten: int
    window: int | None


def kept_of(cache: Any, length: int) -> list[Kept | None]:
    """What a model keeps of a prefix of so many tokens; None for a layer that keeps nothing or borrows of another.

    Args:
        cache: What the model returned, after it has read the prefix alone.
        length: P.

    Raises:
        SharingError: It is not keys and values of every token, so that it cannot be gone on from in another batch.
    """
    if type(cache) is not DynamicCache:
        raise SharingError(f"what it keeps of a prefix ({type(cache).__name__}) cannot be repeated for a batch")
    found: list[Kept | None] = []
    for layer in cache.layers:
        if isinstance(layer, DummyLayer):
            found.append(None)
            continue
        if not isinstance(layer, DynamicLayer) or type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer):
            raise SharingError("it has layers that keep a state instead of keys and values")
        if layer.keys is None or layer.values is None:
            found.append(None)
            continue
        window = layer.sliding_window if isinstance(layer, DynamicSlidingWindowLayer) else None
        held = layer.keys.shape[-2]
        if held != (length if window is None else min(length, window - 1)):
            raise SharingError("it does not keep the keys and values of every token")
        found.append(Kept(keys=layer.keys, values=layer.values, forgotten=length - held, window=window))
    if not any(found):
        raise SharingError("it keeps no keys and values of what it has read")
    return found


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer for a batch: the prefix in every row, and room for what follows.

    What follows is written in place, where a ``DynamicLayer`` copies everything that came before at every step.
    """

    def __init__(self, kept: Kept, *, rows: int, room: int) -> None:
        """A layer that holds a prefix.

        Args:
            kept: Of the prefix.
            rows: B.
            room: Tokens that will follow it in each row.
        """
        super().__init__()
        self.dtype, self.device = kept.keys.dtype, kept.keys.device
        self.is_sliding = kept.window is not None
        self._forgotten = kept.forgotten
        self._length = kept.keys.shape[-2]
        self._places: tuple[torch.Tensor, torch.Tensor] | None = None
        self._all_keys, self._all_values = (self._with_room(one, rows, room) for one in (kept.keys, kept.values))
        self.is_initialized = True
        self._show()

    def get_seq_length(self) -> int:
        """Tokens read so far, those passed by included."""
        return self._forgotten + self._length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns that a mask has for the next tokens, and the place in the text of the first."""
        return self._length + query_length, self._forgotten

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write what follows, (B, H, T, d), and return all keys and values so far, (B, H, columns, d)."""
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
        self._places = rows.to(self.device), columns.to(self.device) - self._forgotten
        self._length = length - self._forgotten
        self._show()

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows, in this order."""
        self._all_keys, self._all_values = self._all_keys[indices], self._all_values[indices]
        self._show()

    def _show(self) -> None:
        self.keys, self.values = self._all_keys[:, :, : self._length], self._all_values[:, :, : self._length]

    @staticmethod
    def _with_room(held: torch.Tensor, rows: int, room: int) -> torch.Tensor:
        _, heads, length, width = held.shape
        buffer = held.new_empty(rows, heads, length + room, width)
        buffer[:, :, :length] = held
        buffer[:, :, length:] = 0  # padding is read, if only to be masked
        return buffer

"""A prefix that many prompts have in common, read once: its keys and values, and what follows it in batches.

Shapes: B rows of a batch, P tokens of the prefix, S of the longest suffix, V vocabulary.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers.cache_utils import DummyLayer, DynamicCache

from nil_audit.score.engines.layers import RoomyLayer, SharingError, kept_of
from nil_audit.weights.logits import logits_at, rows_at

Tokens = Sequence[int]


def common_prefix(prompts: Sequence[Tokens]) -> int:
    """Tokens that all prompts begin with, less one where a prompt is nothing else: each has something of its own.

    The first and the last prompt in dictionary order differ first, so only these two are compared.
    """
    first, last = min(prompts, key=list), max(prompts, key=list)
    length = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return min(length, min(map(len, prompts)) - 1)


class Prefix:
    """A prefix that the model has read.

    Attributes:
        tokens: Of the prefix, P of them.
        window: The shortest sliding window of a layer, in tokens; None where every token sees all before it.
    """

    def __init__(self, model: Any, tokens: Tokens) -> None:
        """Read a prefix.

        Args:
            model: A causal language model of transformers.
            tokens: P tokens.

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
            cache = getattr(model(read, use_cache=True), "past_key_values", None)
        if cache is None:
            raise SharingError("it keeps no keys and values of what it has read")
        self._layers = kept_of(cache, len(tokens))
        self.window = min((layer.window for layer in self._layers if layer and layer.window), default=None)

    def require_same_rotation(self, longest: int) -> None:
        """See to it that texts so long turn their positions as the prefix alone did.

        Rotary embeddings of the kinds "longrope" and "dynamic" take other frequencies for all of a text that is longer
        than the model was first trained on, so that keys of a shorter prefix do not belong to it.

        Raises:
            SharingError: They do not.
        """
        config = self._model.config.get_text_config()
        given = getattr(config, "rope_parameters", None) or {}
        for one in (given, *given.values()):  # of all layers, or by kind of layer
            if isinstance(one, dict) and one.get("rope_type") in ("longrope", "dynamic"):
                names = (one.get("original_max_position_embeddings"), config.max_position_embeddings)
                limit = getattr(config, "original_max_position_embeddings", None) or names[0] or names[1]
                if longest > limit:
                    raise SharingError(
                        f"its rotary embedding turns texts of more than {limit:,} tokens otherwise than shorter ones"
                    )

    def cache(self, rows: int, room: int) -> DynamicCache:
        """Keys and values of the prefix in every row of a batch, with room for so many tokens to follow."""
        cache = DynamicCache()
        cache.layers = [
            DummyLayer() if layer is None else RoomyLayer(layer, rows=rows, room=room) for layer in self._layers
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
        return logits if was_asked() else rows_at(logits, scored)

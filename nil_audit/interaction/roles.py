"""What the rows of a map that reads the residual stream are for, found by which of their outputs bear on what.

Every map's output is replaced by random numbers, so that no trained weight can hide a row, and the gradient of the
block's output at the last position is taken with respect to it, once for each of three cases:

1. as it is: rows with a gradient at earlier positions are keys or values, the others queries or of the MLP;
2. all keys and values zero: attention gives zero whatever it attends to, so that queries and keys lose their
   gradient, and values and the MLP do not;
3. keys alone zero: all scores are zero, so that queries lose their gradient, and gates on what attention gives do
   not; values keep theirs, or this is no softmax and nothing is called by these names.

Of the MLP's rows those that go through the activation are the gate where there are as many others, and the way in
where there are none.

Shape legend: B texts, T positions, d channels, R rows of a map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from nil_audit.interaction.norms import find_norm

Key = tuple[int, str]
"""A map: the depth of its block, and its path within it."""
Split = dict[str, torch.Tensor | None]
"""Rows by role, None: all of them."""
_SPREAD = 0.7
"""Standard deviation of the random outputs: attention is then spread over all positions."""


def as_leaf(given: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    """A block's arguments with its input cut off from what was before; the input as a leaf, None where there is none.

    The input is the first tensor, as in `nil_audit.interaction.places`.
    """
    for place, value in enumerate(given):
        if isinstance(value, torch.Tensor):
            leaf = value.detach().requires_grad_()
            return (*given[:place], leaf, *given[place + 1 :]), dict(named), leaf
    for name in ("hidden_states", *named):
        if isinstance(named.get(name), torch.Tensor):
            leaf = named[name].detach().requires_grad_()
            return given, {**named, name: leaf}, leaf
    return given, dict(named), None


def find_roles(
    model: Any, blocks: Mapping[int, torch.nn.Module], maps: Mapping[int, Sequence[str]], tokens_BT: torch.Tensor
) -> dict[Key, Split]:
    """The roles of the rows of every map of some blocks, in three passes of all blocks at once.

    Args:
        model: A frozen causal language model.
        blocks: Decoder blocks by their depth.
        maps: Of each of them the paths of its maps; each runs once in a forward pass.
        tokens_BT: A short text.

    Returns:
        For each map its rows by role; where they cannot be told apart, all by the last part of its path.
    """
    whole = _gradients(model, blocks, maps, tokens_BT, {})
    silent = _gradients(model, blocks, maps, tokens_BT, {key: one.earlier for key, one in whole.items()})
    keys = {key: one.earlier & ~silent[key].any for key, one in whole.items()}
    even = _gradients(model, blocks, maps, tokens_BT, keys)
    found: dict[Key, Split] = {}
    for depth, paths in maps.items():
        mine = [(depth, path) for path in paths]
        local = {key: whole[key].last & ~whole[key].earlier for key in mine}
        attends = {key for key in mine if local[key].any() and not (local[key] & silent[key].last).any()}
        attention = [key for key in mine if whole[key].earlier.any() or key in attends]
        found |= _attention_roles(attention, local, keys, whole, even)
        found |= _mlp_roles({key: whole[key] for key in mine if key not in attention})
    return found


def _attention_roles(
    mine: Sequence[Key],
    local: Mapping[Key, torch.Tensor],
    keys: Mapping[Key, torch.Tensor],
    whole: Mapping[Key, "_Rows"],
    even: Mapping[Key, "_Rows"],
) -> dict[Key, Split]:
    """The roles of one block's maps into its attention."""
    values = {key: whole[key].earlier & ~keys[key] for key in mine}
    queries = {key: local[key] & ~even[key].last for key in mine}
    # A norm with a bias behind the keys, or keys that are made of the values too: no key can be made zero.
    blunt = not any(one.any() for one in queries.values())
    if blunt:
        queries = {key: local[key] for key in mine}
    counts = [sum(int(one[key].sum()) for key in mine) for one in (queries, keys, values)]
    softmax = not any((values[key] & ~even[key].any).any() for key in mine)
    if not softmax or 0 in counts:
        return {key: {_own_name(key): None} for key in mine}
    found: dict[Key, Split] = {}
    for key in mine:
        kinds = {
            "query": queries[key],
            "attention_gate": local[key] & ~queries[key],
            "key": keys[key],
            "value": values[key],
        }
        some: Split = {role: rows.nonzero().flatten() for role, rows in kinds.items() if rows.any()}
        shared = blunt and counts[1] != counts[2] and bool({"key", "value"} & some.keys())
        if len(some) == 1:
            some = dict.fromkeys(some)
        found[key] = {_own_name(key): None} if shared or not some else some
    return found


def _mlp_roles(mine: Mapping[Key, "_Rows"]) -> dict[Key, Split]:
    """The roles of one block's maps that bear on no other position: the MLP is where most rows go through one."""
    size = {key: int(rows.activated.sum()) for key, rows in mine.items()}
    widest = max(mine, key=lambda key: size[key], default=None)
    found: dict[Key, Split] = {key: {_own_name(key): None} for key in mine}
    if widest is None or (size[widest] == 0 and len(mine) > 1):
        return found
    through = mine[widest].activated
    partner = next((key for key in mine if _parent(key) == _parent(widest) and _is_partner(mine[key], through)), None)
    if partner is not None and through.all():
        return found | {widest: {"mlp_gate": None}, partner: {"mlp_in": None}}
    if 0 < 2 * size[widest] == len(through):
        halves = {"mlp_in": ~through, "mlp_gate": through}
        return found | {widest: {role: rows.nonzero().flatten() for role, rows in halves.items()}}
    return found | {widest: {"mlp_in": None}}


def _is_partner(rows: "_Rows", through: torch.Tensor) -> bool:
    """Whether a map is what a gate is for: as many rows, none of which goes through the activation."""
    return rows.activated.shape == through.shape and not rows.activated.any()


def _own_name(key: Key) -> str:
    return key[1].rpartition(".")[2]


def _parent(key: Key) -> str:
    return key[1].rpartition(".")[0]


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """What became of each row of a map's output, shape (R,) each.

    Attributes:
        earlier: The block's last output depends on it at an earlier position.
        last: The block's last output depends on it at the same position.
        activated: It goes into an activation as it is.
    """

    earlier: torch.Tensor
    last: torch.Tensor
    activated: torch.Tensor

    @property
    def any(self) -> torch.Tensor:
        """The block's last output depends on it."""
        return self.earlier | self.last


def _gradients(
    model: Any,
    blocks: Mapping[int, torch.nn.Module],
    maps: Mapping[int, Sequence[str]],
    tokens_BT: torch.Tensor,
    zero: Mapping[Key, torch.Tensor],
) -> dict[Key, _Rows]:
    """One forward pass in which every map gives random numbers, but zero in some rows, and what depends on them."""
    source = torch.Generator().manual_seed(0)
    leaves: dict[Key, torch.Tensor] = {}
    ends: list[torch.Tensor] = []
    inner: dict[int, list[torch.Tensor]] = {depth: [] for depth in blocks}

    def enter(_module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return as_leaf(given, named)[:2]

    def replace(key: Key, _module: Any, _given: Any, out: torch.Tensor) -> torch.Tensor:
        made = (_SPREAD * torch.randn(out.shape, generator=source)).to(out)
        if key in zero:
            made[..., zero[key].to(made.device)] = 0
        leaves[key] = made.requires_grad_()
        return leaves[key]

    def leave(_module: Any, _given: Any, returned: Any) -> None:
        ends.append((returned[0] if isinstance(returned, tuple | list) else returned)[:, -1])

    def activate(depth: int, module: torch.nn.Module, given: tuple[Any, ...], returned: Any) -> None:
        x = given[0] if given else None
        if not (isinstance(x, torch.Tensor) and isinstance(returned, torch.Tensor) and x.requires_grad):
            return
        if x.shape == returned.shape and x.data_ptr() != returned.data_ptr() and find_norm(module, x) is None:
            inner[depth].append(x)

    handles = []
    try:
        for depth, block in blocks.items():
            handles += [
                block.register_forward_pre_hook(enter, with_kwargs=True),
                block.register_forward_hook(leave),
            ]
            for path, module in block.named_modules():
                if path in maps[depth]:
                    handles.append(module.register_forward_hook(partial(replace, (depth, path))))
                elif not zero and not any(module.children()):
                    handles.append(module.register_forward_hook(partial(activate, depth)))
        with torch.enable_grad():
            model(input_ids=tokens_BT, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    keys, inputs = list(leaves), list(leaves.values())
    if not inputs:
        return {}
    batch = len(tokens_BT)
    gradients = [one.reshape(batch, -1, one.shape[-1]) for one in _backward(ends, inputs, source)]
    activated = [torch.zeros(one.shape[-1], dtype=torch.bool) for one in inputs]
    for place in range(max(map(len, inner.values()), default=0)):
        heads = {depth: given[place] for depth, given in inner.items() if len(given) > place}
        for index, (key, found) in enumerate(zip(keys, _backward([*heads.values()], inputs, source), strict=True)):
            rows = _support(found.reshape(batch, -1, found.shape[-1]))
            if key[0] in heads and rows.sum() == heads[key[0]].shape[-1]:
                activated[index] |= rows
    return {
        key: _Rows(earlier=_support(found[:, :-1]), last=_support(found[:, -1:]), activated=rows)
        for key, found, rows in zip(keys, gradients, activated, strict=True)
    }


def _backward(
    ends: Sequence[torch.Tensor], inputs: Sequence[torch.Tensor], source: torch.Generator
) -> list[torch.Tensor]:
    """Gradients of a random combination of all entries of some tensors; zeros where there is no path."""
    weights = [torch.randn(end.shape, generator=source).to(end) for end in ends]
    found = torch.autograd.grad(ends, inputs, weights, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if one is None else one for x, one in zip(inputs, found, strict=True)]


def _support(gradient_BTR: torch.Tensor) -> torch.Tensor:
    """Rows with a gradient anywhere, on the host."""
    return (gradient_BTR != 0).flatten(0, 1).any(dim=0).cpu()

"""Which linear maps of each decoder block read the residual stream, found by what happens in a short forward pass.

A map reads the stream where its input is the output of a norm that was given the stream, or the stream itself. The
stream is the block's input, and any sum that it enters unchanged. No name of a module or parameter is looked at.

Shape legend: B texts, T positions, d channels, R rows of a map.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from nil_audit.interaction.norms import Norm, find_norm, no_norm
from nil_audit.interaction.places import Place
from nil_audit.interaction.roles import as_leaf, find_roles
from nil_audit.weights.checkpoint import embedding_weight

_TEXTS, _POSITIONS = 2, 6
_SUMS = ("AddBackward0", "ViewBackward0", "UnsafeViewBackward0", "AliasBackward0", "ToCopyBackward0", "CloneBackward0")
"""Steps of a computation through which a tensor stays the stream: sums, and what changes no number."""
_CHECKED_ROWS = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamMap:
    """A linear map that reads the residual stream, or those rows of a fused one that have a role.

    Attributes:
        depth: Its decoder block, from 0.
        path: Of its module within the block.
        role: "query", "key", "value", "mlp_in", "mlp_gate"; else the last part of its path.
        module: With a two-dimensional ``weight``.
        transposed: Whether that is d x R, as in GPT-2, and not R x d.
        rows: Which of its rows these are, ascending; None: all.
        place: Where its input x is.
        norm: What made x of the residual stream.
    """

    depth: int
    path: str
    role: str
    module: torch.nn.Module
    transposed: bool
    rows: torch.Tensor | None = None
    place: Place
    norm: Norm

    @property
    def weight(self) -> torch.Tensor:
        """W, shape (R, d), in its own type and on its own device."""
        return _rows(self.module, self.transposed, self.rows)

    @property
    def count(self) -> int:
        """R."""
        return len(self.rows) if self.rows is not None else _rows(self.module, self.transposed, None).shape[0]


@dataclass(kw_only=True)
class _Passed:
    """What passed through one block: its input, and what its innermost modules were given and gave."""

    stream: torch.Tensor | None = None
    modules: list[tuple[str, torch.nn.Module, torch.Tensor, torch.Tensor]] = field(default_factory=list)


def find_maps(
    model: Any, blocks: Sequence[torch.nn.Module], depths: Sequence[int]
) -> tuple[tuple[StreamMap, ...], tuple[str, ...]]:
    """The maps of some decoder blocks that read the residual stream, block by block in the order in which they run.

    Takes a few forward passes over twelve tokens.

    Args:
        model: A frozen causal language model.
        blocks: All its decoder blocks.
        depths: Those to look at.

    Returns:
        The maps, and a sentence for whatever reads the stream and could not be looked at.
    """
    tokens = torch.arange(_TEXTS * _POSITIONS).reshape(_TEXTS, _POSITIONS) % len(embedding_weight(model))
    tokens = tokens.to(embedding_weight(model).device)
    with torch.enable_grad(), _watched([blocks[depth] for depth in depths]) as passed:
        model(input_ids=tokens, use_cache=False)
    found = {depth: _maps(depth, one) for depth, one in zip(depths, passed, strict=True)}
    paths = {depth: [one.path for one in maps] for depth, maps in found.items()}
    roles = find_roles(model, {depth: blocks[depth] for depth in depths}, paths, tokens)
    split = [
        replace(one, role=role, rows=rows)
        for depth, maps in found.items()
        for one in maps
        for role, rows in roles[depth, one.path].items()
    ]
    return tuple(split), _left_out(blocks, split, depths)


@contextmanager
def _watched(blocks: Sequence[torch.nn.Module]) -> Iterator[list[_Passed]]:
    """Keep what passes through some blocks, each of which is given its input as a leaf."""
    passed = [_Passed() for _ in blocks]

    def enter(kept: _Passed, _module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        given, named, kept.stream = as_leaf(given, named)
        return given, named

    def leave(kept: _Passed, path: str, module: torch.nn.Module, given: Any, named: Any, returned: Any) -> None:
        tensors = [one for one in (*given, *named.values()) if isinstance(one, torch.Tensor)]
        if tensors and isinstance(returned, torch.Tensor):
            kept.modules.append((path, module, tensors[0], returned))

    handles = []
    try:
        for block, kept in zip(blocks, passed, strict=True):
            handles.append(block.register_forward_pre_hook(partial(enter, kept), with_kwargs=True))
            for path, module in block.named_modules():
                if not any(module.children()):
                    handles.append(module.register_forward_hook(partial(leave, kept, path), with_kwargs=True))
        yield passed
    finally:
        for handle in handles:
            handle.remove()


def _maps(depth: int, passed: _Passed) -> list[StreamMap]:
    """The maps of one block, whole."""
    stream = passed.stream
    if stream is None:
        return []
    often = [id(module) for _, module, _, _ in passed.modules]
    norms = [
        (module, out, norm)
        for _, module, given, out in passed.modules
        if out.shape == given.shape and often.count(id(module)) == 1 and _is_stream(given, stream)
        if (norm := find_norm(module, given)) is not None
    ]
    found: list[StreamMap] = []
    places: list[tuple[torch.Tensor, Place]] = []
    for path, module, given, out in passed.modules:
        if given.shape[-1] != stream.shape[-1] or given.numel() != stream.numel() or often.count(id(module)) != 1:
            continue
        transposed = _transposed(module, given, out)
        if transposed is None:
            continue
        source = next(
            ((Place(module=m, side="output", depth=depth, norm=n), n) for m, o, n in norms if _same(o, given)), None
        )
        if source is None and _is_stream(given, stream):
            source = Place(module=module, side="input", depth=depth), no_norm(given.shape[-1])
        if source is None:
            continue
        place = next((place for tensor, place in places if _same(tensor, given)), None)
        if place is None:
            place = source[0]
            places.append((given, place))
        found.append(
            StreamMap(
                depth=depth,
                path=path,
                role=path.rpartition(".")[2],
                module=module,
                transposed=transposed,
                place=place,
                norm=source[1],
            )
        )
    return found


def _is_stream(tensor: torch.Tensor, stream: torch.Tensor) -> bool:
    """Whether a tensor is the stream, or a sum that it enters unchanged: steps of ``_SUMS`` alone lead back to it."""
    if tensor is stream:
        return True
    waiting, seen = [tensor.grad_fn], set()
    while waiting:
        step = waiting.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        if getattr(step, "variable", None) is stream:
            return True
        if step.name() in _SUMS:
            waiting += [before for before, _ in step.next_functions]
    return False


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors are one, seen in any shape."""
    return one.data_ptr() == other.data_ptr() and one.numel() == other.numel()


def _transposed(module: torch.nn.Module, given: torch.Tensor, out: torch.Tensor) -> bool | None:
    """Whether a module's weight is d x R, where the module is a linear map x -> W x + b; None where it is none."""
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2 or out.shape[:-1] != given.shape[:-1]:
        return None
    x, y = (one.detach().flatten(0, -2)[-1].double().cpu() for one in (given, out))
    y = y[:_CHECKED_ROWS]
    if isinstance(bias, torch.Tensor):
        y = y - bias[:_CHECKED_ROWS].double().cpu()
    for transposed in (False, True):
        if tuple(weight.shape) == ((len(x), out.shape[-1]) if transposed else (out.shape[-1], len(x))):
            first = weight[:, :_CHECKED_ROWS].T if transposed else weight[:_CHECKED_ROWS]
            if torch.allclose(
                first.double().cpu() @ x, y, rtol=0, atol=_rounding(out) * float(x.norm()) * _size(first)
            ):
                return transposed
    return None


def _rounding(tensor: torch.Tensor) -> float:
    return max(1e-4, 4 * torch.finfo(tensor.dtype).eps)


def _size(weight: torch.Tensor) -> float:
    return float(weight.double().norm(dim=1).max())


def _rows(module: torch.nn.Module, transposed: bool, rows: torch.Tensor | None) -> torch.Tensor:
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    whole = weight.detach().T if transposed else weight.detach()
    return whole if rows is None else whole[rows.to(whole.device)]


def _left_out(blocks: Sequence[torch.nn.Module], maps: Sequence[StreamMap], depths: Sequence[int]) -> tuple[str, ...]:
    """A sentence for each thing that reads the stream, or may, and is not among the maps."""
    roles = {depth: {one.role for one in maps if one.depth == depth} for depth in depths}
    deep = [
        depth
        for depth in depths
        if any(one.ndim > 2 and min(one.shape[-2:]) > 1 for one in _unconvolved(blocks[depth]))
    ]
    none = [depth for depth in depths if not roles[depth]]
    other = [depth for depth in depths if roles[depth] and "query" not in roles[depth]]
    dense = [depth for depth in depths if roles[depth] and "mlp_in" not in roles[depth] and depth not in deep]
    said = {
        "no linear map was found that reads the residual stream": none,
        "query, key and value were not found or not told apart": other,
        "the map into the MLP was not found or not told from its gate": dense,
        "maps that are held in three-dimensional parameters, as those of experts, are not checked": deep,
    }
    return tuple(f"{_blocks(where)}: {what}." for what, where in said.items() if where)


def _unconvolved(block: torch.nn.Module) -> Iterator[torch.Tensor]:
    for module in block.modules():
        if not isinstance(module, torch.nn.modules.conv._ConvNd):
            yield from module.parameters(recurse=False)


def _blocks(depths: Sequence[int]) -> str:
    """Block numbers in words: "Blocks 0 to 3, 5"."""
    runs: list[list[int]] = []
    for depth in sorted(depths):
        if runs and runs[-1][1] == depth - 1:
            runs[-1][1] = depth
        else:
            runs.append([depth, depth])
    words = ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in runs)
    return f"Block{'s' * (len(depths) > 1)} {words}"

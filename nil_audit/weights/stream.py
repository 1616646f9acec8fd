"""Who reads and who writes the residual stream: which tables, linear maps and norms, as one forward pass shows it.

Every output of these modules is made a leaf of the graph that autograd records, so that what a module is given can be
followed back to the outputs that it is a sum of. Outputs that are added up share a basis. Where that of the stream is
turned, the modules that write to it and those that read it have to be turned with it. No architecture is known by name.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from nil_audit.errors import RotationError
from nil_audit.shape.meta_model import held
from nil_audit.weights.checkpoint import Checkpoint

_UNCHANGED = {
    f"{name}Backward0"
    for name in (
        "Add",
        "Sub",
        "View",
        "UnsafeView",
        "Alias",
        "Clone",
        "ToCopy",
        "Slice",
        "Index",
        "Unsqueeze",
        "Squeeze",
    )
}
"""Operations that act alike on every channel; beside them only products and quotients with a single number do."""


@dataclass(frozen=True)
class Stream:
    """The residual stream of a model and what it is passed through.

    Attributes:
        sums: By the path of a module, the paths of those whose outputs add up to what it is given; None where its
            input is no such sum.
        basis: By the path of a module, a name for the basis that its output is written in.
        widths: By the path of a module, the channels of its output.
        turned: The bases that the stream is written in: those of the embedding and of every block's input, and those
            that a norm leads to from one of them, where its output is added to.
    """

    sums: dict[str, frozenset[str] | None]
    basis: dict[str, str]
    widths: dict[str, int]
    turned: frozenset[str]

    def reads(self, path: str) -> str | None:
        """The basis in which a module is given its input; None where that is no sum of outputs."""
        return next((self.basis[one] for one in self.sums.get(path) or ()), None)


def is_map(module: torch.nn.Module) -> bool:
    """Whether a module is a linear map with a weight of its own: torch's, or the transposed one of GPT-2."""
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, torch.nn.Linear | Conv1D)


def is_norm(module: torch.nn.Module) -> bool:
    """Whether a module may be a norm over channels: it has no parts, and no weight but a vector."""
    flat = all(parameter.ndim == 1 for parameter in module.parameters())
    named = "norm" in type(module).__name__.lower()
    return flat and not list(module.children()) and (named or hasattr(module, "weight"))


def follow(checkpoint: Checkpoint, ids_1T: torch.Tensor) -> Stream:
    """Follow a short text through a model.

    Args:
        checkpoint: Its model is left as it is.
        ids_1T: Token ids, shape (1, T).

    Raises:
        RotationError: Something else than tables, maps and norms writes to the residual stream.
    """
    model, name = checkpoint.model, checkpoint.source.name
    shape = checkpoint.shape
    blocks = held(model, name, depth=shape.depth, text_only=shape.text_tower_of is None).blocks
    parts = {
        path: module
        for path, module in model.named_modules()
        if isinstance(module, torch.nn.Embedding) or is_map(module) or is_norm(module)
    }
    with _recorded(parts, blocks) as (sums, widths, between), torch.enable_grad():
        model(input_ids=ids_1T, use_cache=False)
    if not between or None in between:
        raise RotationError(
            f"The residual stream of {name} is more than the sum of what its tables, linear maps and norms write, so it"
            " is not known how to turn it."
        )
    basis = _bases(parts, [*between, *sums.values()])
    table = next(path for path, module in parts.items() if module is model.get_input_embeddings())  # type: ignore[operator]
    turned = {basis[table], *(basis[path] for one in between for path in one or ())}
    members = Counter(basis.values())
    for path, one in sums.items():  # in the order of the forward pass
        if is_norm(parts[path]) and members[basis[path]] > 1 and turned.intersection(basis[path] for path in one or ()):
            turned.add(basis[path])
    return Stream(sums=sums, basis=basis, widths=widths, turned=frozenset(turned))


@contextmanager
def _recorded(
    parts: dict[str, torch.nn.Module], blocks: Sequence[torch.nn.Module]
) -> Iterator[tuple[dict[str, frozenset[str] | None], dict[str, int], list[frozenset[str] | None]]]:
    """Note what each part is given and how wide its output is, by path, and what each block is given, in order."""
    leaves: dict[int, str] = {}
    alive: list[torch.Tensor] = []  # so that no other tensor gets the number of one of them
    sums: dict[str, frozenset[str] | None] = {}
    widths: dict[str, int] = {}
    between: list[frozenset[str] | None] = []

    def given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> frozenset[str] | None:
        tensors = (one for one in (*args, *kwargs.values()) if isinstance(one, torch.Tensor))
        first = next((one for one in tensors if one.is_floating_point()), None)
        return None if first is None else _summands(first, leaves)

    def watch(path: str, module: torch.nn.Module) -> list[Any]:
        def before(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            found = given(args, kwargs)
            known = sums.get(path, found)
            sums[path] = None if found is None or known is None else known | found

        def after(_module: Any, _args: Any, output: Any) -> Any:
            if not isinstance(output, torch.Tensor) or not output.is_floating_point():
                return output
            leaf = output.detach().requires_grad_()
            alive.append(leaf)
            leaves[id(leaf)] = path
            widths[path] = leaf.shape[-1]
            return leaf.clone()  # a leaf itself can have nothing added to it in place

        return [module.register_forward_pre_hook(before, with_kwargs=True), module.register_forward_hook(after)]

    handles = [handle for path, module in parts.items() for handle in watch(path, module)]
    handles += [
        block.register_forward_pre_hook(
            lambda _module, args, kwargs: between.append(given(args, kwargs)), with_kwargs=True
        )
        for block in blocks
    ]
    try:
        yield sums, widths, between
    finally:
        for handle in handles:
            handle.remove()


def _summands(tensor: torch.Tensor, leaves: dict[int, str]) -> frozenset[str] | None:
    """The modules whose outputs a tensor is a sum of, up to a factor each; None where it is anything else."""
    found: set[str] = set()
    ahead: list[Any] = [tensor.grad_fn]
    seen: set[Any] = set()
    while ahead:
        node = ahead.pop()
        if node is None:  # a constant, which stays where it is when everything else turns
            return None
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(leaves[id(node.variable)])
        elif node.name() in _UNCHANGED:
            ahead += [one for one, _ in node.next_functions]
        elif node.name() in ("MulBackward0", "DivBackward0"):
            (left, _), (right, _) = node.next_functions
            factor = node._saved_other if right is None else node._saved_self if left is None else None
            if factor is None or factor.numel() > 1:
                return None
            ahead.append(right if left is None else left)
        else:
            return None
    return frozenset(found)


def _bases(paths: dict[str, Any], sums: Sequence[frozenset[str] | None]) -> dict[str, str]:
    """By path, the first path of those that share its basis: what is ever added to it, and to these in turn."""
    first = {path: path for path in paths}

    def root(path: str) -> str:
        while first[path] != path:
            path = first[path]
        return path

    for one in sums:
        roots = {root(path) for path in one or ()}
        for other in roots:
            first[other] = min(roots)
    return {path: root(path) for path in paths}

"""The same function in another basis: a copy of a model whose residual stream is rotated.

With Q orthogonal, every vector x of the stream becomes x Q. What writes to the stream is multiplied by Q, what reads
it by Qᵀ; a norm's scale, which no rotation passes, is folded into the maps that read the norm's output (SliceGPT, arXiv
2401.15024). The mean that a LayerNorm subtracts stays in the stream, since the embedding's size is measured: its norm
is told the direction that (1, ..., 1) has in the new basis. Where a norm writes to the stream itself (Gemma 2, OLMo 2,
OPT-350m) its scale is a linear map, and is turned as such.

Shape legend: d channels of the stream, e of another basis, V vocabulary, T tokens.
"""

import copy
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from nil_audit.errors import RotationError, first_line
from nil_audit.weights.checkpoint import Checkpoint, embedding_weight
from nil_audit.weights.memory import free_for_sums, ran_out
from nil_audit.weights.orthogonal import Rotation, rotation
from nil_audit.weights.stream import Stream, follow, is_map, is_norm
from nil_audit.weights.turned_norm import NormForm, TurnedNorm, norm_form

_TEXT = """A river does not run straight for long. Where the bank is soft the water cuts it away, and where the current
slackens it lays the sand down again, so that a bend, once begun, grows by itself: 12 metres in 1950, 31 by 1987."""
_LONGEST = 64
_ROWS = 4096  # of a table that are turned at once in float64


def rotated(checkpoint: Checkpoint, kind: Rotation, *, seed: int = 0) -> Checkpoint:
    """A checkpoint whose model computes the same function with its residual stream rotated; the first is left as it is.

    Weights are multiplied in float64 and rounded once, to their own type. Tables that were one matrix are two in the
    copy. Where the embedding is projected or normalised on its way into the stream, both bases are turned.

    Args:
        checkpoint: Loaded and frozen.
        kind: Of the rotation Q: see `nil_audit.weights.orthogonal.rotation`.
        seed: Of Q.

    Raises:
        RotationError: There is no such Q, no memory for the copy, something in the model is not known how to turn, or
            the copy has other logits on a short text.
    """
    model, name = checkpoint.model, checkpoint.source.name
    ids_1T = _short_text(checkpoint)
    stream = follow(checkpoint, ids_1T)
    turn = _Turn(model, stream, name, _matrices(stream, kind, seed, name))
    _require_memory(turn, name)
    try:
        new = turn.model()
    except Exception as error:
        if not ran_out(error):
            raise
        raise RotationError(f"Memory ran out while the weights of {name} were copied to be rotated.") from error
    _check_same(model, new, ids_1T, checkpoint)
    return replace(checkpoint, model=new)


def _short_text(checkpoint: Checkpoint) -> torch.Tensor:
    """Token ids of a few sentences, shape (1, T)."""
    weight = embedding_weight(checkpoint.model)
    ids = checkpoint.tokenizer(_TEXT, add_special_tokens=False)["input_ids"]
    most = min(_LONGEST, checkpoint.shape.context or _LONGEST)
    return (torch.tensor([ids[:most]]) % len(weight)).to(weight.device)


def _matrices(stream: Stream, kind: Rotation, seed: int, name: str) -> dict[str, torch.Tensor]:
    """Q of each basis that is turned, in float64 on the host; the same for bases of one width."""
    of_width = {}
    for width in {stream.widths[basis] for basis in stream.turned}:
        matrix = rotation(kind, width, seed)
        if matrix is None:
            raise RotationError(f"No Hadamard matrix of order {width}, the width of {name}, is known here.")
        of_width[width] = torch.from_numpy(matrix)
    return {basis: of_width[stream.widths[basis]] for basis in stream.turned}


@dataclass(frozen=True)
class _Turn:
    """What becomes of every module when the bases of a stream are turned."""

    original: torch.nn.Module
    stream: Stream
    name: str
    matrices: dict[str, torch.Tensor]

    def changed(self) -> Iterator[tuple[str, torch.nn.Module]]:
        """The modules that read from a basis that is turned, or write to it."""
        for path, module in self.original.named_modules():
            if path in self.stream.sums and (self.writes(path) is not None or self.read(path) is not None):
                yield path, module

    def writes(self, path: str) -> torch.Tensor | None:
        """Q of the basis that a module writes to, None where that stays."""
        return self.matrices.get(self.stream.basis[path])

    def read(self, path: str) -> torch.Tensor | None:
        """Q of the basis that a module reads: as it is, or through a norm; None where that stays."""
        basis = self.stream.reads(path)
        if basis is None or basis in self.matrices:
            return self.matrices.get(basis or "")
        norm = self.norm_before(path)
        return None if norm is None else self.matrices[self.stream.reads(norm) or ""]

    def norm_before(self, path: str) -> str | None:
        """The norm of a turned basis whose output a module reads, where that is not itself part of one."""
        for one in self.stream.sums.get(path) or ():
            if is_norm(self.original.get_submodule(one)) and self.stream.basis[one] not in self.matrices:
                return one if self.stream.reads(one) in self.matrices else None
        return None

    def form(self, path: str) -> NormForm:
        """What a norm computes.

        Raises:
            RotationError: It is not a norm.
        """
        module = self.original.get_submodule(path)
        found = norm_form(module, self.stream.widths[path])
        if found is None:
            raise RotationError(
                f"It is not known how to turn {path} of {self.name} ({type(module).__name__}): it is neither an RMSNorm"
                " nor a LayerNorm."
            )
        return found

    def model(self) -> torch.nn.Module:
        """The turned copy; what stays as it is, is shared with the original."""
        shared = {id(one): one for one in (*self.original.parameters(), *self.original.buffers())}
        new = copy.deepcopy(self.original, shared)
        for path, module in list(self.changed()):
            if is_norm(module):
                _put(new, new.get_submodule(path), self._norm(path, module))
            else:
                for key, value in self._weights(path, module).items():
                    setattr(new.get_submodule(path), key, torch.nn.Parameter(value, requires_grad=False))
        return new

    def _norm(self, path: str, module: torch.nn.Module) -> TurnedNorm:
        form = self.form(path)
        read, written = self.read(path), self.writes(path)
        place = next(module.parameters(), embedding_weight(self.original))
        ones_d = None
        if form.centred:
            ones_d = torch.full_like(form.scale_d, len(form.scale_d) ** -0.5)
            ones_d = ones_d if read is None else ones_d @ read
            ones_d = ones_d.to(place.device, torch.promote_types(place.dtype, torch.float32))
        if written is None:  # its scale goes into the maps that read it
            return TurnedNorm(epsilon=form.epsilon, ones_d=ones_d)
        back = torch.eye(len(form.scale_d), dtype=torch.float64) if read is None else read.T
        return TurnedNorm(
            epsilon=form.epsilon,
            ones_d=ones_d,
            weight_ed=((back * form.scale_d) @ written).T.to(place.device, place.dtype),
            bias_e=(form.shift_d @ written).to(place.device, place.dtype),
        )

    def _weights(self, path: str, module: Any) -> dict[str, torch.Tensor]:
        """The new weight, and the bias where there is one now, of a table or a linear map."""
        read, written = self.read(path), self.writes(path)
        weight, bias = module.weight, getattr(module, "bias", None)
        table = not is_map(module)
        straight = not table and isinstance(module, torch.nn.Linear)
        rows = weight if straight or table else weight.T  # (outputs, inputs); of a table (V, d)
        shift = None if bias is None else _wide(bias)
        if read is not None:
            norm = self.norm_before(path)
            if norm is not None:
                form = self.form(norm)
                read = form.scale_d[:, None] * read
                if form.shift_d.any():
                    moved = _times(rows, form.shift_d[:, None]).squeeze(1)
                    shift = moved if shift is None else shift + moved
            rows = _times(rows, read, None if written is not None else weight.dtype)
        if written is not None:
            rows = _times(rows, written, weight.dtype) if table else _times(rows.T, written, weight.dtype).T
            shift = None if shift is None else shift @ written.to(shift.device)
        rows = rows if straight or table else rows.T
        new = {"weight": rows.to(weight.device, weight.dtype).contiguous()}
        return new if shift is None else new | {"bias": shift.to(weight.device, weight.dtype)}


def _put(model: torch.nn.Module, old: torch.nn.Module, new: torch.nn.Module) -> None:
    """Put a module wherever another stands."""
    for parent in list(model.modules()):
        for key, child in list(parent.named_children()):
            if child is old:
                setattr(parent, key, new)


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    """In float64, on the host where the device has none."""
    return (tensor if tensor.device.type in ("cpu", "cuda") else tensor.cpu()).double()


def _times(rows: torch.Tensor, matrix: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Rows times a matrix in float64, a few rows at a time, each rounded to a type (None: float64) at once."""
    first = _wide(rows[:0])
    matrix = matrix.to(first.device)
    found = torch.empty(len(rows), matrix.shape[1], dtype=dtype or torch.float64, device=first.device)
    for start in range(0, len(rows), _ROWS):
        found[start : start + _ROWS] = _wide(rows[start : start + _ROWS]) @ matrix
    return found


def _require_memory(turn: _Turn, name: str) -> None:
    """Refuse a copy that does not fit.

    Raises:
        RotationError: It takes more than half of what is free.
    """
    needed: dict[str, int] = defaultdict(int)
    for path, module in turn.changed():
        for parameter in module.parameters(recurse=False):
            size = parameter.nbytes if not is_norm(module) else parameter.itemsize * turn.stream.widths[path] ** 2
            needed[str(parameter.device)] += size
    for device, size in needed.items():
        if size > (free := free_for_sums(device)):
            raise RotationError(
                f"A rotated copy of the weights of {name} needs {size / 1e9:.1f} GB, but only {free / 1e9:.1f} GB, half"
                " of the free memory, are for it."
            )


def _check_same(model: torch.nn.Module, new: torch.nn.Module, ids_1T: torch.Tensor, checkpoint: Checkpoint) -> None:
    """Make sure that both compute the same logits, to the rounding of their type.

    Raises:
        RotationError: They do not.
    """
    try:
        with torch.no_grad():
            before, after = (one(input_ids=ids_1T, use_cache=False).logits.double().cpu() for one in (model, new))
    except Exception as error:
        reason = first_line(error)
        raise RotationError(
            f"{checkpoint.source.name} does not run with its residual stream rotated ({reason})."
        ) from error
    moved = float((after - before).square().mean().sqrt() / before.std())
    if not moved <= (0.1 if embedding_weight(model).element_size() < 4 else 1e-3):
        raise RotationError(
            f"Logits of {checkpoint.source.name} are not the same with its residual stream rotated (they move by"
            f" {moved:.2g} of their standard deviation as {checkpoint.dtype}), so not all that reads it or writes to it"
            " was found."
        )

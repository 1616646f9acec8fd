"""What a norm does to the residual stream, found by feeding it: whether it centres, and its learned scale γ.

Shape legend: d channels.
"""

from dataclasses import dataclass
from typing import Literal

import torch

_AMPLITUDE = 64.0
"""So large that the ε of any norm is nothing beside its square, and that float16 still holds it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Norm:
    """x -> γ ⊙ n(x) + a constant, with n(x) = x / rms(x) ("rms"), or the same of x minus its mean ("layer").

    Attributes:
        kind: "rms", "layer", or "none": no norm is passed, n(x) = x.
        scale: γ, shape (d,), float64 on the host; ones where none was learned.
    """

    kind: Literal["rms", "layer", "none"]
    scale: torch.Tensor

    @property
    def dimensions(self) -> int:
        """Dimensions of the space that n(x) fills: d, or d - 1 where it is centred."""
        return len(self.scale) - (self.kind == "layer")

    def before_scale(self, vectors_d: torch.Tensor) -> torch.Tensor:
        """Gradients with respect to n(x) from those with respect to what the norm gave, along the last axis.

        The rows of a map that reads what the norm gave become those of one that reads n(x). Both times every channel is
        multiplied by γ, and the mean, to which n(x) is blind where the norm takes it away, is taken away.
        """
        scaled = vectors_d * self.scale.to(vectors_d)
        return scaled - scaled.mean(dim=-1, keepdim=True) if self.kind == "layer" else scaled


def no_norm(width: int) -> Norm:
    """What stands for the norm of a map that reads the stream as it is."""
    return Norm(kind="none", scale=torch.ones(width, dtype=torch.float64))


def find_norm(module: torch.nn.Module, like: torch.Tensor) -> Norm | None:
    """The norm that a module is, by what it does: names and parameters are not looked at.

    Its odd part (f(x) - f(-x))/2, from which any bias is gone, gives γ on patterns of ±1 without a mean; the pattern's
    neighbour and a random vector with a mean must agree. Of Gemma's 1 + weight the whole is found, and of a norm
    without parameters ones.

    Args:
        module: Any module of one tensor.
        like: What it was given in the model: width, type and device.

    Returns:
        None where it is neither norm.
    """
    width = like.shape[-1]
    source = torch.Generator().manual_seed(0)
    signs = torch.arange(width // 2 * 2).double() % 2 * 2 - 1
    signs = torch.cat([signs, torch.zeros(width % 2)])[torch.randperm(width, generator=source)]
    noise = torch.randn(width, generator=source, dtype=torch.float64) + 1
    given = (_AMPLITUDE * torch.stack([signs, signs.roll(1), noise])).to(like.dtype)
    placed = given.to(like.device).unsqueeze(0)
    with torch.no_grad():
        try:
            up, down = module(placed), module(-placed)
        except (RuntimeError, TypeError, ValueError):  # it takes something else than one tensor
            return None
    if not isinstance(up, torch.Tensor) or up.shape != placed.shape:
        return None
    odd = ((up.double() - down.double()) / 2).squeeze(0).cpu()
    read = given.double()
    normal = {"rms": _unit(read), "layer": _unit(read - read.mean(dim=1, keepdim=True))}
    first, second, _ = normal["rms"]
    scale = torch.where(first != 0, odd[0] / first, odd[1] / second)
    errors: dict[Literal["rms", "layer"], float] = {"rms": 0.0, "layer": 0.0}
    for kind in errors:
        errors[kind] = float((odd - scale * normal[kind]).norm() / odd.norm())
    best = min(errors, key=lambda kind: errors[kind])
    return Norm(kind=best, scale=scale) if errors[best] < max(1e-4, 8 * torch.finfo(up.dtype).eps) else None


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return rows / rows.square().mean(dim=1, keepdim=True).sqrt()

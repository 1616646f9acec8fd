"""Norms over channels: what one computes, found by trying it, and the same in a rotated basis."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

_DEFAULT_EPSILON = 1e-5  # torch's, where a module leaves it at that and does not name it


@dataclass(frozen=True)
class NormForm:
    """A norm over d channels: x → γ (x - m) / sqrt(mean of (x - m)² + ε) + β.

    Attributes:
        centred: Whether m is the mean of the channels (LayerNorm); else it is 0 (RMSNorm).
        epsilon: ε.
        scale_d: γ in float64, on the host.
        shift_d: β likewise.
    """

    centred: bool
    epsilon: float
    scale_d: torch.Tensor
    shift_d: torch.Tensor

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        """The norm of vectors in float64, shape (..., d)."""
        inner = x - x.mean(-1, keepdim=True) if self.centred else x
        return self.scale_d * inner * torch.rsqrt(inner.square().mean(-1, keepdim=True) + self.epsilon) + self.shift_d


def norm_form(module: torch.nn.Module, width: int) -> NormForm | None:
    """What a norm computes, or None where it is none of the norms above.

    Whether it subtracts the mean, multiplies by its weight or by one more, and where its ε stands differs by family:
    all are tried on random vectors, some so short that ε decides.

    Args:
        module: Takes vectors of ``width`` channels.
        width: d.
    """
    weight, shift = (getattr(module, name, None) for name in ("weight", "bias"))
    place = weight if weight is not None else shift
    like = torch.ones(width) if place is None else place
    generator = torch.Generator().manual_seed(0)
    x = (
        torch.randn(6, width, generator=generator, dtype=torch.float64)
        * torch.tensor([1, 1, 1, 1e-3, 1e-3, 1e-3])[:, None]
    )
    x = x.to(like.dtype).double()
    try:
        with torch.no_grad():
            said = module(x.to(like.dtype).to(like.device)).double().cpu()
    except (RuntimeError, TypeError):
        return None
    flat = torch.zeros(width, dtype=torch.float64)
    learned = flat + 1 if weight is None else weight.double().cpu()
    named = [value for key, value in vars(module).items() if "eps" in key and isinstance(value, float)]
    # rounding of the output, and of the scale in a narrow type
    close = 4 * torch.finfo(like.dtype).eps + 1e-5
    for epsilon in (*named, _DEFAULT_EPSILON):
        for centred in (False, True):
            for scale in (learned, learned + 1):
                form = NormForm(centred, epsilon, scale, flat if shift is None else shift.double().cpu())
                if torch.allclose(form.apply(x), said, rtol=close, atol=close * float(said.abs().max())):
                    return form
    return None


class TurnedNorm(torch.nn.Module):
    """The part of a norm that turns with its input, (x - m u) / sqrt(mean of (x - m u)² + ε), then a linear map.

    Sums are taken in float32 or better, as norms do.
    """

    ones_d: torch.Tensor | None

    def __init__(
        self,
        *,
        epsilon: float,
        ones_d: torch.Tensor | None,
        weight_ed: torch.Tensor | None = None,
        bias_e: torch.Tensor | None = None,
    ) -> None:
        """Keep what it is made of.

        Args:
            epsilon: ε.
            ones_d: The direction of (1, ..., 1) in the basis of the input, of length 1; None: nothing is subtracted.
            weight_ed: The map, None: none.
            bias_e: Added behind it.
        """
        super().__init__()
        self.epsilon = epsilon
        self.register_buffer("ones_d", ones_d)
        self.weight = None if weight_ed is None else torch.nn.Parameter(weight_ed, requires_grad=False)
        self.bias = None if bias_e is None else torch.nn.Parameter(bias_e, requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The norm of vectors, shape (..., d)."""
        wide = x if x.dtype == torch.float64 else x.float()
        if self.ones_d is not None:
            wide = wide - (wide @ self.ones_d).unsqueeze(-1) * self.ones_d
        normed = (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)).to(x.dtype)
        return normed if self.weight is None else F.linear(normed, self.weight, self.bias)

"""Weight superposition: the AGOP's numbers on WᵀW/V of the input embedding matrix (WtW).

Apart from the rest of the room, because it needs neither text nor gradients: the weights alone.
"""

import torch

from nil_audit.interaction.gradients import exact_matmul
from nil_audit.interaction.metrics import moments_to_metrics

_CHUNK_BYTES = 64 * 2**20
_OF_THE_EMBEDDING_SIZE = ("sensitivity", "interaction_efficiency")


def weight_superposition(weight_Vd: torch.Tensor) -> dict[str, float]:
    """The metrics of M = WᵀW / V, the parameter-space baseline of arXiv 2605.27989.

    A property of the weights, not a sample: it has no standard error. Metrics that scale G by the embedding's own
    size (sensitivity, interaction efficiency) mean nothing for W itself and are left out.

    Args:
        weight_Vd: The input embedding matrix, V rows (padding rows included) of d channels.
    """
    rows, width = weight_Vd.shape
    accumulate = torch.float64 if weight_Vd.dtype == torch.float64 else torch.float32
    gram = torch.zeros(width, width, dtype=accumulate, device=weight_Vd.device)
    with exact_matmul():
        for part in weight_Vd.detach().split(max(1, _CHUNK_BYTES // (4 * width))):
            wide = part.to(accumulate)
            gram.addmm_(wide.T, wide)
    total = gram.cpu().double() / rows
    trace = float(total.trace())
    metrics = moments_to_metrics(
        frobenius=float((total**2).sum()),
        diagonal=float((total.diagonal() ** 2).sum()),
        trace=trace,
        trace_squared=trace**2,
        scale=1.0,
        width=width,
    )
    return {name: value for name, value in metrics.items() if name not in _OF_THE_EMBEDDING_SIZE}

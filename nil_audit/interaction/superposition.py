"""Weight superposition: the AGOP's numbers on WᵀW/V of an embedding matrix (WtW), and how like the AGOP that is.

The parameter space beside the gradient space: the numbers need neither text nor gradients, the likeness needs both.
"""

from collections.abc import Sequence
from typing import Any

import torch

from nil_audit.interaction.alignment import moments, null_sd, traceless
from nil_audit.interaction.gradients import exact_matmul
from nil_audit.interaction.metrics import moments_to_metrics
from nil_audit.interaction.norms import no_norm
from nil_audit.interaction.place_totals import PlaceTotals
from nil_audit.interaction.places import Place
from nil_audit.weights.checkpoint import Checkpoint, embedding_weight

_CHUNK_BYTES = 64 * 2**20
_OF_THE_EMBEDDING_SIZE = ("sensitivity", "interaction_efficiency")


def weight_superposition(weight_Vd: torch.Tensor) -> dict[str, float]:
    """The metrics of M = WᵀW / V, the parameter-space baseline of arXiv 2605.27989.

    A property of the weights, not a sample: it has no standard error. Metrics that scale G by the embedding's own
    size (sensitivity, interaction efficiency) mean nothing for W itself and are left out.

    Args:
        weight_Vd: An embedding matrix, V rows (padding rows included) of d channels.
    """
    return _metrics(_squared(weight_Vd))


class Superposition:
    """The numbers of both embedding matrices, and ρ of each with the loss AGOP at the input embedding.

    A `nil_audit.interaction.measure.Watcher` without places of its own; ρ: `nil_audit.interaction.alignment`.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Read the matrices of a loaded model."""
        self.places: tuple[Place, ...] = ()
        self._squares: dict[str, torch.Tensor | None] = {
            "embedding": _squared(embedding_weight(checkpoint.model)),
            "unembedding": None,
        }
        output = checkpoint.model.get_output_embeddings()  # type: ignore[operator]
        if output is not None and not checkpoint.shape.tied:
            self._squares["unembedding"] = _squared(output.weight)

    def read(self, embedding: PlaceTotals, places: Sequence[PlaceTotals]) -> dict[str, Any]:
        """The superposition section of a record (docs/record.md).

        Returns:
            "embedding" and "unembedding": metrics of WᵀW/V, of the second None where the matrices are one; and
            "alignment": of each ρ with the direction AGOP ("typical") and with the AGOP ("mean"), None where there is
            no matrix or it has another width than the input embedding, and the null's standard deviation.
        """
        norm = no_norm(embedding.width)
        fitting = {
            name: traceless(square, norm)
            for name, square in self._squares.items()
            if square is not None and len(square) == embedding.width
        }
        typical, mean = (
            moments(sums, counts, norm, list(fitting.values())).correlations()
            for sums, counts in (
                (embedding.direction, embedding.directions),
                (embedding.mean, embedding.tokens),
            )
        )
        found = {
            name: {"typical": one.to_dict(), "mean": other.to_dict()}
            for name, one, other in zip(fitting, typical, mean, strict=True)
        }
        return {
            **{name: None if square is None else _metrics(square) for name, square in self._squares.items()},
            "alignment": {**{name: found.get(name) for name in self._squares}, "null_sd": null_sd(embedding.width)},
        }


def _squared(weight_Vd: torch.Tensor) -> torch.Tensor:
    """WᵀW / V, some rows of W at a time, in float64 on the host."""
    rows, width = weight_Vd.shape
    accumulate = torch.float64 if weight_Vd.dtype == torch.float64 else torch.float32
    gram = torch.zeros(width, width, dtype=accumulate, device=weight_Vd.device)
    with exact_matmul():
        for part in weight_Vd.detach().split(max(1, _CHUNK_BYTES // (4 * width))):
            wide = part.to(accumulate)
            gram.addmm_(wide.T, wide)
    return gram.cpu().double() / rows


def _metrics(square_dd: torch.Tensor) -> dict[str, float]:
    trace = float(square_dd.trace())
    metrics = moments_to_metrics(
        frobenius=float((square_dd**2).sum()),
        diagonal=float((square_dd.diagonal() ** 2).sum()),
        trace=trace,
        trace_squared=trace**2,
        scale=1.0,
        width=len(square_dd),
    )
    return {name: value for name, value in metrics.items() if name not in _OF_THE_EMBEDDING_SIZE}

"""The Jacobian of a window's last logits: projected by a fixed random matrix, exact, and what is left of it.

Shape legend: W windows, T tokens a window, d channels, V vocabulary, o = 64 projected outputs, K blocks, B windows in
a batch, N = T d.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from nil_audit.interaction.gradients import embedding_leaf, overflowed
from nil_audit.interaction.metrics import BlockProducts
from nil_audit.interaction.probe import BLOCKS, block_of
from nil_audit.weights.checkpoint import embedding_weight
from nil_audit.weights.logits import last_logits

OUTPUTS = 64
"""o: rows of the projection, as in the paper's sweeps."""
SEED = 0
"""Of the projection."""

_ROWS = 4096  # rows of the projection that are drawn at once, in float64


def projection(vocabulary: int, *, device: torch.device, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """P, shape (o, V), entries N(0, 1/o): the same on every machine and device, whatever the type it is used in.

    Drawn in float64 on the host by NumPy's legacy generator, whose numbers are frozen (NEP 19), and rounded to the
    type. Column v depends on the seed and on v alone, so a vocabulary that is padded further has the same columns.

    Args:
        vocabulary: V, number of logits.
        device: Where it is used.
        dtype: In which it is used.
    """
    source = np.random.RandomState(SEED)
    matrix = torch.empty(vocabulary, OUTPUTS, dtype=dtype, device=device)
    for start in range(0, vocabulary, _ROWS):
        drawn = source.standard_normal((min(_ROWS, vocabulary - start), OUTPUTS)) / np.sqrt(OUTPUTS)
        matrix[start : start + len(drawn)] = torch.from_numpy(drawn).to(dtype)
    return matrix.T


def window_agops(
    model: torch.nn.Module,
    tokens_BT: torch.Tensor,
    projection_oV: torch.Tensor,
    *,
    prefix: int | None = None,
    after: Callable[[int], None] = lambda _rows: None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """J_P J_Pᵀ of each of a batch of windows: one forward pass and o activation-only backward passes.

    A window's outputs depend on its own embeddings alone, so a backward pass from the sum of one output over the batch
    gives that row of every window's Jacobian.

    Args:
        model: A frozen causal language model (see ``freeze``).
        tokens_BT: Token ids of the windows.
        projection_oV: P; sums are taken in its type.
        prefix: A document-start token that is read in front of every window; its embedding is not part of e.
        after: Called after every backward pass with how many there have been.

    Returns:
        J_P J_Pᵀ, shape (B, o, o), and the mean square of the entries of each window's e, shape (B,).

    Raises:
        MeasurementError: A gradient is not finite, or the embedding module ran other than once.
    """
    length = tokens_BT.shape[1]
    inputs = tokens_BT.to(embedding_weight(model).device)
    if prefix is not None:
        inputs = torch.cat([torch.full_like(inputs[:, :1], prefix), inputs], dim=1)
    with torch.enable_grad(), embedding_leaf(model) as leaf:
        outputs_oB = projection_oV @ last_logits(model, inputs).to(projection_oV).T
        embeddings = leaf()
        counted = embeddings.detach()[:, -length:].to(projection_oV)
        # taken before the long part, so that memory which is not there is missed at its beginning
        rows_BoN = counted.new_empty(len(inputs), len(projection_oV), counted[0].numel()).zero_()
        for row, output in enumerate(outputs_oB, start=1):
            (slope,) = torch.autograd.grad(output.sum(), embeddings, retain_graph=row < len(projection_oV))
            rows_BoN[:, row - 1] = slope[:, -length:].flatten(1)
            after(row)
    agops = rows_BoN @ rows_BoN.mT
    if not torch.isfinite(agops).all():
        raise overflowed("A gradient of the logits is not finite", embeddings.dtype)
    return agops, counted.square().mean(dim=(1, 2))


def agop_products(agops_Woo: NDArray[np.float64], embedding_squares_W: NDArray[np.float64]) -> BlockProducts:
    """Block products of M: window i of W is in block floor(i K / W), and counts as one.

    Args:
        agops_Woo: J_P J_Pᵀ of every window.
        embedding_squares_W: Mean square of the entries of its embeddings.
    """
    blocks = block_of(len(agops_Woo))
    counts = np.bincount(blocks, minlength=BLOCKS).astype(np.float64)
    share_KW = (blocks == np.arange(BLOCKS)[:, None]) / counts[:, None]
    means = np.einsum("kw,wij->kij", share_KW, agops_Woo)
    diagonals = np.einsum("kii->ki", means)
    flat = means.reshape(BLOCKS, -1)
    return BlockProducts(
        width=agops_Woo.shape[1],
        tokens=counts,
        gram=flat @ flat.T,
        diagonal_gram=diagonals @ diagonals.T,
        trace=diagonals.sum(axis=1),
        embedding_square=share_KW @ embedding_squares_W,
    )

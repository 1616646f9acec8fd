"""A checkpoint and a probe to an interaction: the loop over windows, across processes, within memory."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nil_audit.errors import CheckpointError, MeasurementError, UsageError
from nil_audit.interaction.agop import BlockAccumulator
from nil_audit.interaction.gradients import check_causal, exact_matmul, window_gradients
from nil_audit.interaction.metrics import BlockProducts
from nil_audit.interaction.probe import BLOCKS, Probe, Windows, make_windows
from nil_audit.processes import Team
from nil_audit.progress import Progress, quiet_libraries, silent
from nil_audit.weights.checkpoint import Checkpoint, embedding_weight
from nil_audit.weights.memory import batch_that_fits, peak_memory, shrink

FIRST_POSITIONS = 4
"""Positions at the start of a window whose gradients are two to three times as large as late ones."""

VARIANTS = ("all", "late", "direction")
"""AGOP of all tokens; without the first positions of each window; of g/|g|, where no token outweighs another."""


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """What one pass over the probe gave; `metrics.estimate` turns products into numbers.

    Attributes:
        probe: The probe's name.
        probe_sha256: Of its text.
        window: T, tokens.
        windows: W, windows in use.
        products: Block products by variant ("all", and "late" and "direction" where asked for).
        block_loss: Mean cross-entropy of each block in nats per token, shape (K,).
        block_bytes: UTF-8 bytes of text of each block, shape (K,).
        first_positions_share: Share of tr G in the first 4 positions of windows.
        heaviest_share: Share of tr G in the heaviest 0.1% of tokens.
        seconds: Wall time of the pass, loading excluded.
        peak_memory: Largest memory of the process (CPU) or device (CUDA) during the pass, in bytes.
        batch_size: Windows a batch, as it was at the end.
        processes: Processes that shared the work.
    """

    probe: str
    probe_sha256: str
    window: int
    windows: int
    products: dict[str, BlockProducts]
    block_loss: np.ndarray
    block_bytes: np.ndarray
    first_positions_share: float
    heaviest_share: float
    seconds: float
    peak_memory: int
    batch_size: int
    processes: int

    @property
    def tokens(self) -> int:
        """Tokens whose gradients were taken."""
        return self.windows * self.window


def window_length(asked: int | None, context: int | None, name: str) -> int:
    """T: what was asked for, else 512, or the context of the model called ``name`` where that is shorter.

    Raises:
        UsageError: It is not positive.
        MeasurementError: It is longer than this model's context.
    """
    if asked is None:
        return min(512, context or 512)
    if asked < 1:
        raise UsageError(f"--window is {asked}, but it must be at least 1; correct it.")
    if context is not None and asked > context:
        raise MeasurementError(
            f"--window {asked} is longer than the model's context of {context} tokens ({name}); choose a shorter one."
        )
    return asked


def measure(
    checkpoint: Checkpoint,
    probe: Probe,
    *,
    tokens: int = 131_072,
    window: int | None = None,
    batch_size: int | None = None,
    robust: bool = False,
    progress: Progress = silent,
) -> Interaction:
    """The loss AGOP's block products of a checkpoint on a probe.

    Windows are shared out over the processes of ``accelerate launch`` and the block sums added up once all have come
    that far, so that every process returns the same result; where one fails, all raise its error before their next
    batch. Peak memory beyond the model's own is K matrices of d x d (3 K with ``robust``).

    Args:
        checkpoint: Loaded and frozen.
        probe: The text.
        tokens: Input tokens to use at most.
        window: T; see ``window_length``.
        batch_size: Windows a batch; None: what memory holds, halved on out-of-memory.
        robust: Also the variants "late" and "direction".
        progress: Opens a progress display of this process's windows.

    Raises:
        ProbeError: Too little text.
        CheckpointError: The tokenizer gives ids that the embedding does not have.
        MeasurementError: The model reads ahead, gradients are not finite or all zero, or one window does not fit into
            the context or into memory.
    """
    team = Team.join()
    windows = make_windows(
        probe,
        checkpoint.tokenizer,
        tokens=tokens,
        window=window_length(window, checkpoint.shape.context, checkpoint.source.name),
    )
    _check_ids(checkpoint, windows)
    model = checkpoint.model
    totals = WindowTotals(windows, VARIANTS if robust else VARIANTS[:1], embedding_weight(model))
    mine = np.array_split(np.arange(windows.count), team.size)[team.rank]
    start, begun = 0, time.perf_counter()
    with quiet_libraries():
        check_causal(model, torch.from_numpy(windows.tokens[0, :-1]))
        batch = batch_that_fits(model, windows.length, name=checkpoint.source.name, asked=batch_size, sums=totals.bytes)
    bar = progress(f"Gradients of {checkpoint.source.name}", len(mine))
    with bar as advance, quiet_libraries(), exact_matmul(), peak_memory(checkpoint.device) as peak:
        while start < len(mine):
            team.check()
            rows = mine[start : start + batch]
            try:
                totals.add(rows, model)
            except Exception as error:
                batch = shrink(error, batch, windows.length)
                continue
            start += len(rows)
            advance(len(rows))
        totals.all_reduce(team)
        products = totals.products()
    if not products["all"].trace.sum() > 0:
        raise MeasurementError(
            f"All gradients of {checkpoint.source.name} with respect to its embeddings are zero: its loss does not "
            "depend on the text; check that the weights are trained ones and not all zero."
        )
    norms = totals.squared_norms.flatten()
    heaviest = max(1, round(len(norms) / 1000))
    return Interaction(
        probe=probe.name,
        probe_sha256=probe.sha256,
        window=windows.length,
        windows=windows.count,
        products=products,
        block_loss=totals.block_means(totals.losses),
        block_bytes=windows.block_bytes,
        first_positions_share=float(totals.squared_norms[:, :FIRST_POSITIONS].sum() / norms.sum()),
        heaviest_share=float(norms.topk(heaviest).values.sum() / norms.sum()),
        seconds=time.perf_counter() - begun,
        peak_memory=peak(),
        batch_size=batch,
        processes=team.size,
    )


def _check_ids(checkpoint: Checkpoint, windows: Windows) -> None:
    rows = embedding_weight(checkpoint.model).shape[0]
    if (largest := int(windows.tokens.max())) >= rows:
        raise CheckpointError(
            f"The tokenizer of {checkpoint.source.name} gives token {largest}, but the model's vocabulary ends at "
            f"{rows - 1}: they do not belong together; put the model's own tokenizer beside its weights."
        )


class WindowTotals:
    """Everything that is added up over windows; a batch that runs out of memory leaves it untouched."""

    def __init__(self, windows: Windows, variants: tuple[str, ...], embedding: torch.Tensor) -> None:
        self.windows = windows
        dtype = torch.float64 if embedding.dtype == torch.float64 else torch.float32
        self.accumulators = {
            variant: BlockAccumulator(BLOCKS, embedding.shape[1], device=embedding.device, dtype=dtype)
            for variant in variants
        }
        self.losses = torch.zeros(windows.count, dtype=torch.float64)
        self.embedding_square = torch.zeros(windows.count, dtype=torch.float64)
        self.squared_norms = torch.zeros(windows.count, windows.length, dtype=torch.float64)

    @property
    def bytes(self) -> int:
        """Memory of the sums, which is taken as they fill."""
        return sum(block.nbytes for accumulator in self.accumulators.values() for block in accumulator.sums)

    def add(self, rows: np.ndarray, model: Any) -> None:
        """Take the gradients of a run of windows and add them in."""
        found = window_gradients(model, torch.from_numpy(self.windows.tokens[rows]))
        gradients = found.gradients_BTD
        gradients = gradients if gradients.dtype == torch.float64 else gradients.float()
        norms = gradients.square().sum(dim=2)
        parts = {"all": gradients}
        if "late" in self.accumulators:
            parts["late"] = gradients[:, FIRST_POSITIONS:].contiguous()
        if "direction" in self.accumulators:
            parts["direction"] = gradients / norms.sqrt().unsqueeze(2).clamp_min(torch.finfo(norms.dtype).tiny)
        index = torch.from_numpy(rows)
        self.losses[index] = found.losses_BT.double().mean(dim=1).cpu()
        self.embedding_square[index] = found.embeddings_BTD.to(gradients.dtype).square().mean(dim=(1, 2)).cpu().double()
        self.squared_norms[index] = norms.cpu().double()
        # Windows of a block are neighbours, so a block's rows are a view: nothing below needs new memory.
        blocks, starts = np.unique(self.windows.block_of[rows], return_index=True)
        for block, start, end in zip(blocks, starts, [*starts[1:], len(rows)], strict=True):
            for variant, part in parts.items():
                self.accumulators[variant].add(int(block), part[start:end].flatten(0, 1))

    def all_reduce(self, team: Team) -> None:
        """Add up over processes; each has zeros where it did no work."""
        if team.size == 1:
            return
        # everything is on its device before the sums begin, so that memory cannot run out between them
        device = self.accumulators["all"].sums[0].device
        small = {name: getattr(self, name).to(device) for name in ("losses", "embedding_square", "squared_norms")}
        counts = {name: one.tokens.to(device) for name, one in self.accumulators.items()}
        blocks = [block for one in self.accumulators.values() for block in one.sums]
        team.all_reduce([*small.values(), *counts.values(), *blocks])
        for name, total in small.items():
            setattr(self, name, total.cpu())
        for variant, total in counts.items():
            self.accumulators[variant].tokens = total.cpu()

    def block_means(self, per_window: torch.Tensor) -> np.ndarray:
        """Mean over the windows of each block, shape (K,)."""
        counts = np.bincount(self.windows.block_of, minlength=BLOCKS)
        return np.bincount(self.windows.block_of, weights=per_window.numpy(), minlength=BLOCKS) / counts

    def products(self) -> dict[str, BlockProducts]:
        """Block products of every variant."""
        scale = self.block_means(self.embedding_square)
        return {name: accumulator.products(scale) for name, accumulator in self.accumulators.items()}

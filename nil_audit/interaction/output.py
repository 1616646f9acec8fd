"""The output AGOP: how the logits behind a window's last token depend on its embeddings, exact window by window.

Shape legend: W windows, T tokens a window, d channels, V vocabulary, o = 64 projected outputs, K blocks. With z_T the
logits of the last position, P a fixed random matrix (o x V) and e all T embeddings of a window,

    J_P = ∂(P z_T)/∂e   (o x T d),   M = mean over windows of J_P J_Pᵀ   (o x o).

The published sweeps and their check on open models (arXiv 2605.27989) estimate M by a few random Jacobian-vector
products a window; here each of the o rows of J_P is taken by one backward pass, all from one forward pass. Behind a
random projection the AOFE-ratio of M has nothing of a basis in it: it is the effective rank in disguise, 1 - (r + 2) /
(o + 2) up to noise (docs/definitions.md).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from nil_audit.errors import MeasurementError, ProbeError
from nil_audit.interaction.gradients import exact_matmul
from nil_audit.interaction.jacobian import OUTPUTS, agop_products, projection, window_agops
from nil_audit.interaction.measure import check_ids
from nil_audit.interaction.metrics import BlockProducts, estimate
from nil_audit.interaction.probe import BLOCKS, Probe, Windows, document_start, make_windows
from nil_audit.interaction.schedule import doubling
from nil_audit.processes import Team
from nil_audit.progress import Progress, Task, quiet_libraries, silent
from nil_audit.stats.estimate import Estimate
from nil_audit.weights.checkpoint import Checkpoint, embedding_weight
from nil_audit.weights.logits import last_logits
from nil_audit.weights.memory import batch_that_fits, peak_memory, shrink

WINDOW = 128
"""T where the model can read so much, as in the paper's check on open models."""
MOST_WINDOWS = 64
"""Windows at most: four times as many as in the published check."""


@dataclass(frozen=True, kw_only=True)
class OutputAgop:
    """What the windows of a probe gave; `metrics.estimate` turns products into numbers.

    Attributes:
        window: T, tokens.
        windows: W.
        prefix: The document-start token in front of every window, as text; None: none.
        products: Block products of M, of width o, a window in the place of a token.
        ended_by: Why there were no more windows: "precision" (reached), "tokens" (all that were asked for, or 64) or
            "text" (all of it).
        seconds: Wall time, loading excluded.
        peak_memory: Largest memory of the process (CPU) or device (CUDA), in bytes.
        batch_size: Windows a batch, as it was at the end.
        processes: Processes that shared the work.
    """

    window: int
    windows: int
    prefix: str | None
    products: BlockProducts
    ended_by: str
    seconds: float
    peak_memory: int
    batch_size: int
    processes: int


def measure_output(
    checkpoint: Checkpoint,
    probe: Probe,
    *,
    tokens: int = 131_072,
    precision: float = 0.05,
    prefix: bool = True,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> OutputAgop:
    """The output AGOP of a checkpoint on a probe, until it is precise enough.

    Windows are measured in doubling rounds of at least K, of which the last holds ``MOST_WINDOWS`` or what ``tokens``
    and the text allow; it ends where the standard error of half the log of the effective rank is small enough. What a
    run that stops gives is what a run over that many windows gives. Windows are shared out over processes as in
    ``measure``.

    Args:
        checkpoint: Loaded and frozen.
        probe: The text.
        tokens: Input tokens to use at most.
        precision: Standard error of ½ ln(effective rank) that is enough, in nats; 0: all windows.
        prefix: Read every window after the tokenizer's document-start token, where it has one.
        batch_size: Windows a batch; None: what memory holds, halved on out-of-memory.
        progress: Opens a progress display of the output gradients of all processes, o a window.

    Raises:
        ProbeError: Too little text, or too few tokens of it.
        CheckpointError: The tokenizer gives ids that the embedding does not have.
        MeasurementError: Gradients are not finite or all zero, or a window does not fit into the context or memory.
    """
    team = Team.join()
    name, model, tokenizer = checkpoint.source.name, checkpoint.model, checkpoint.tokenizer
    first = document_start(tokenizer) if prefix else None
    windows = _windows(checkpoint, probe, tokens, first)
    check_ids(checkpoint, windows, first)
    begun = time.perf_counter()
    weight = embedding_weight(model)
    dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
    with quiet_libraries():
        with torch.no_grad():
            vocabulary = last_logits(model, torch.from_numpy(windows.tokens[:1, :1]).to(weight.device)).shape[1]
        project = projection(vocabulary, device=weight.device, dtype=dtype)
        batch = batch_that_fits(
            model,
            windows.length + (first is not None),
            name=name,
            asked=batch_size,
            kept=(OUTPUTS + 1) * windows.length * weight.shape[1] * dtype.itemsize,
            last_only=True,
        )
    agops, squares = np.zeros((0, OUTPUTS, OUTPUTS)), np.zeros(0)
    with (
        progress(f"Output gradients of {name}", windows.count * OUTPUTS, unit="gradients") as task,
        quiet_libraries(),
        exact_matmul(),
        peak_memory(checkpoint.device) as peak,
    ):
        shown = _Shown(task, partial(_cost_words, name, probe.name, windows, precision), peak, team.size)
        for count in doubling(windows.count):
            new = np.arange(len(agops), count)
            mine = np.array_split(new, team.size)[team.rank]
            found = torch.zeros(len(new), OUTPUTS**2 + 1, dtype=dtype, device=weight.device)
            start = 0
            while start < len(mine):
                team.check()
                rows = mine[start : start + batch]
                try:
                    read = torch.from_numpy(windows.tokens[rows, :-1])
                    after = partial(shown.row, len(agops), start, len(rows))
                    each, square = window_agops(model, read, project, prefix=first, after=after)
                    found[rows - new[0]] = torch.cat([each.flatten(1), square[:, None]], dim=1)
                except Exception as error:
                    batch = shrink(error, batch, windows.length, fixed=True)
                    continue
                start += len(rows)
            team.all_reduce([found])
            shown.reach(count * OUTPUTS)
            together = found.cpu().double().numpy()
            agops = np.concatenate([agops, together[:, :-1].reshape(-1, OUTPUTS, OUTPUTS)])
            squares = np.concatenate([squares, together[:, -1]])
            products = agop_products(agops, squares)
            if not products.trace.any():
                raise MeasurementError(
                    f"All gradients of the logits of {name} are zero: they do not depend on the text; check that the"
                    " weights are trained ones and not all zero."
                )
            rank = estimate(products, "unbiased")["effective_rank"]
            enough = bool(team.broadcast(partial(_enough, rank, precision)))
            if enough:
                break
            task.advance(0, f"effective rank {rank.value:.2f} ± {rank.se:.2g}")
    return OutputAgop(
        window=windows.length,
        windows=len(agops),
        prefix=None if first is None else str(tokenizer.convert_ids_to_tokens(first)),
        products=products,
        ended_by="precision" if enough else "text" if windows.text_ended else "tokens",
        seconds=time.perf_counter() - begun,
        peak_memory=peak(),
        batch_size=batch,
        processes=team.size,
    )


def _windows(checkpoint: Checkpoint, probe: Probe, tokens: int, first: int | None) -> Windows:
    """The windows that are read at most: of 128 tokens, or of what the model can read."""
    name, longest = checkpoint.source.name, checkpoint.shape.context
    length = WINDOW if longest is None else min(WINDOW, longest - (first is not None))
    if length < 1:
        raise MeasurementError(
            f"{name} reads no more than {longest} token, which its document-start token takes, so that its output AGOP"
            " has no window; measure it with --no-prefix."
        )
    if tokens // length < BLOCKS:
        raise ProbeError(
            f"The output AGOP needs {BLOCKS} windows of {length} tokens for error bars, but {tokens:,} tokens make"
            f" {tokens // length}; use --tokens {BLOCKS * length} or more, or leave out --probe-output."
        )
    count = min(tokens // length, MOST_WINDOWS)
    try:
        return make_windows(probe, checkpoint.tokenizer, tokens=count * length, window=length, context=0)
    except ProbeError as error:
        raise ProbeError(
            f"The output AGOP needs {BLOCKS} windows of {length} tokens, more than the probe {probe.name} has for"
            f" {name}; use a longer text, or leave out --probe-output."
        ) from error


def _enough(rank: Estimate, precision: float) -> bool:
    """Whether half the log of the effective rank is as precise as it was asked to be: its error by the delta method."""
    return precision > 0 and rank.se is not None and rank.se <= 2 * precision * rank.value


class _Shown:
    """How far the work is, as it is shown; a batch that is begun again is not counted twice."""

    def __init__(
        self, task: Task, cost: Callable[[float, int], str], memory: Callable[[], int], processes: int
    ) -> None:
        self._task, self._cost, self._memory, self._processes = task, cost, memory, processes
        self._done, self._since, self._told = 0, 0.0, False

    def row(self, before: int, start: int, size: int, row: int) -> None:
        """So many rows of every Jacobian of a batch are there.

        Args:
            before: Windows of the rounds before.
            start: Windows of this process before the batch, in this round.
            size: Windows of the batch.
            row: Rows, from 1.
        """
        if row == 2 and not self._told:
            self._told = True
            self._task.tell(self._cost((time.perf_counter() - self._since) / size / self._processes, self._memory()))
        self._since = time.perf_counter()
        self.reach(before * OUTPUTS + (start * OUTPUTS + size * row) * self._processes)

    def reach(self, gradients: int) -> None:
        """So many output gradients are there, of all windows and processes."""
        self._task.advance(max(0, gradients - self._done))
        self._done = max(self._done, gradients)


def _cost_words(name: str, probe: str, windows: Windows, precision: float, seconds: float, memory: int) -> str:
    """What the work will cost at most, from the seconds that an output gradient of a window took."""
    minutes = windows.count * OUTPUTS * seconds / 60
    time_left = f"{minutes:,.0f} minutes" if minutes >= 2 else f"{max(2, round(60 * minutes))} seconds"
    stop = f", fewer once half the log of its effective rank is known to ± {precision:g}" if precision > 0 else ""
    return (
        f"{name}: output AGOP of at most {windows.count} windows of {windows.length} tokens of {probe}, {OUTPUTS}"
        f" backward passes each{stop}; about {time_left} and {memory / 1e9:.1f} GB of memory."
    )

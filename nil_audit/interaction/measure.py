"""A checkpoint and a probe to an interaction: rounds over windows, across processes, within memory."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch

from nil_audit.errors import CheckpointError, MeasurementError, UsageError
from nil_audit.interaction.gradients import check_causal, exact_matmul
from nil_audit.interaction.heaviest import Heaviest, heaviest
from nil_audit.interaction.metrics import HEADLINE, estimate
from nil_audit.interaction.place_totals import PlaceTotals
from nil_audit.interaction.places import Place
from nil_audit.interaction.probe import Probe, Windows, document_start, make_windows
from nil_audit.interaction.totals import Round, WindowTotals
from nil_audit.processes import Team
from nil_audit.progress import Progress, Task, quiet_libraries, silent
from nil_audit.stats.estimate import Estimate
from nil_audit.weights.checkpoint import Checkpoint, embedding_weight
from nil_audit.weights.memory import batch_that_fits, peak_memory, shrink, size_words

MOST_ZEROS = 0.01
"""Share of tokens without a direction above which a wider type is asked for."""


class Watcher(Protocol):
    """Something else that is read off the same backward pass."""

    @property
    def places(self) -> Sequence[Place]:
        """Where it needs gradients beside the embedding."""
        ...

    def read(self, embedding: PlaceTotals, places: Sequence[PlaceTotals]) -> Any:
        """Its result, from the sums of all text at the embedding and at its places."""
        ...


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """What one pass over the probe gave; `metrics.estimate` turns products into numbers.

    Attributes:
        probe: The probe's name.
        probe_sha256: Of its text.
        window: T, tokens.
        context: C, uncounted positions at the start of a window.
        prefix: The document-start token in front of every window, as text; None: none.
        rounds: What the windows of each round gave, the last all that were measured.
        ended_by: Why there were no more: "precision" (reached), "tokens" (all that were asked for) or "text" (all of
            it).
        heaviest: Shares of tr G, and the tokens that hold most of it.
        zero_share: Share of tokens whose gradient is exactly zero.
        seconds: Wall time of the pass, loading excluded.
        peak_memory: Largest memory of the process (CPU) or device (CUDA) during the pass, in bytes.
        batch_size: Windows a batch, as it was at the end.
        processes: Processes that shared the work.
        readings: What each watcher read, in their order.
    """

    probe: str
    probe_sha256: str
    window: int
    context: int
    prefix: str | None
    rounds: tuple[Round, ...]
    ended_by: str
    heaviest: Heaviest
    zero_share: float
    seconds: float
    peak_memory: int
    batch_size: int
    processes: int
    readings: tuple[Any, ...] = ()

    @property
    def result(self) -> Round:
        """The last round."""
        return self.rounds[-1]


def window_length(asked: int | None, longest: int | None, name: str, *, prefix: bool, context: int) -> int:
    """T: what was asked for, else 512, or what the model called ``name`` can read where that is shorter.

    Args:
        asked: Tokens, or None.
        longest: Positions that the model has; None where there is no limit.
        name: Of the model.
        prefix: Whether a document-start token takes one of these.
        context: C.

    Raises:
        UsageError: It is not positive, or no longer than its context.
        MeasurementError: It is longer than this model can read, or this model cannot read more than the context.
    """
    most = None if longest is None else longest - prefix
    window = asked if asked is not None else min(512, most or 512)
    if window < 1:
        raise UsageError(f"--window is {window}, but it must be at least 1; correct it.")
    if context < 0:
        raise UsageError(f"--context is {context}, but it must be at least 0; correct it.")
    if most is not None and window > most:
        start = ", one of which its document-start token takes (--no-prefix)" if prefix else ""
        raise MeasurementError(
            f"--window {window} is longer than the model's context of {longest} tokens ({name}){start}; choose a"
            " shorter one."
        )
    if context >= window:
        wrong = UsageError if asked is not None else MeasurementError
        raise wrong(
            f"Windows of {window} tokens have no position to count behind --context {context} ({name}); choose a"
            " smaller --context or a longer --window."
        )
    return window


def measure(
    checkpoint: Checkpoint,
    probe: Probe,
    *,
    tokens: int = 131_072,
    precision: float = 0.05,
    window: int | None = None,
    prefix: bool = True,
    context: int = 16,
    batch_size: int | None = None,
    watchers: Sequence[Watcher] = (),
    progress: Progress = silent,
) -> Interaction:
    """The block products of a checkpoint on a probe, until they are precise enough.

    Windows are measured in doubling rounds, of which the last holds all that ``tokens`` and the text allow; after each
    the standard error of the typical efficiency tells whether to go on. What a run that stops gives is what a run over
    that many tokens gives. Windows are shared out over the processes of ``accelerate launch`` and the block sums added
    up once all have come to the end of a round, so that every process returns the same result; where one fails, all
    raise its error before their next batch. Peak memory beyond the model's own is 2 K matrices of d x d.

    Args:
        checkpoint: Loaded and frozen.
        probe: The text.
        tokens: Input tokens to use at most.
        precision: Standard error of the typical efficiency that is enough, in nats; 0: all tokens.
        window: T; see ``window_length``.
        prefix: Read every window after the tokenizer's document-start token, where it has one.
        context: C, positions at the start of a window that are read and not counted.
        batch_size: Windows a batch; None: what memory holds, halved on out-of-memory.
        watchers: What else to read off the same backward pass; each of their places takes 2 K matrices more.
        progress: Opens a progress display of the input tokens of all processes.

    Raises:
        ProbeError: Too little text.
        CheckpointError: The tokenizer gives ids that the embedding does not have.
        MeasurementError: The model reads ahead, gradients are not finite, all zero or too many of them zero, or one
            window does not fit into the context or into memory.
    """
    team = Team.join()
    name, model, tokenizer = checkpoint.source.name, checkpoint.model, checkpoint.tokenizer
    first = document_start(tokenizer) if prefix else None
    length = window_length(window, checkpoint.shape.context, name, prefix=first is not None, context=context)
    windows = make_windows(probe, tokenizer, tokens=tokens, window=length, context=context)
    check_ids(checkpoint, windows, first)
    begun = time.perf_counter()
    with quiet_libraries():
        check_causal(model, torch.from_numpy(windows.tokens[0, :-1]))
        places = [place for watcher in watchers for place in watcher.places]
        totals = WindowTotals(windows, model, prefix=first, places=places)
        read = length + (first is not None)
        inside = totals.memory_a_window(read)
        batch = batch_that_fits(model, read, name=name, asked=batch_size, sums=totals.memory, kept=inside)
    rounds: list[Round] = []
    with (
        progress(f"Gradients of {name}", windows.count * length) as task,
        quiet_libraries(),
        exact_matmul(),
        peak_memory(checkpoint.device) as peak,
    ):
        if places:
            task.tell(
                f"{name}: gradients at {len(places)} places inside it take {size_words(totals.memory_inside)} beside"
                f" the audit, whatever the text, and {size_words(batch * inside)} for a batch of {batch}."
            )
        for count in totals.schedule.rounds:
            mine = np.array_split(totals.enlarge(count, team), team.size)[team.rank]
            start = 0
            while start < len(mine):
                team.check()
                rows, since = mine[start : start + batch], time.perf_counter()
                try:
                    totals.add(rows, model)
                except Exception as error:
                    batch = shrink(error, batch, length)
                    continue
                if not rounds and start == 0:
                    each = (time.perf_counter() - since) / len(rows) / team.size
                    task.tell(_cost_words(name, probe.name, windows, each, peak(), precision))
                start += len(rows)
                task.advance(len(rows) * length * team.size)
            totals.all_reduce(team)
            rounds.append(totals.round())
            zeros = _zero_share(totals, checkpoint)
            reached = estimate(rounds[-1].products, "unbiased")[HEADLINE]
            enough = bool(team.broadcast(partial(_enough, reached, precision)))
            if enough:
                break
            _say(task, reached)
    ended = "precision" if enough else "text" if windows.text_ended else "tokens"
    return Interaction(
        probe=probe.name,
        probe_sha256=probe.sha256,
        window=length,
        context=context,
        prefix=None if first is None else str(tokenizer.convert_ids_to_tokens(first)),
        rounds=tuple(rounds),
        ended_by=ended,
        heaviest=heaviest(totals, tokenizer),
        zero_share=zeros,
        seconds=time.perf_counter() - begun,
        peak_memory=peak(),
        batch_size=batch,
        processes=team.size,
        readings=tuple(_readings(watchers, totals)),
    )


def _readings(watchers: Sequence[Watcher], totals: WindowTotals) -> Iterator[Any]:
    inside = iter(totals.inside)
    for watcher in watchers:
        yield watcher.read(totals.embedding, list(islice(inside, len(watcher.places))))


def _enough(reached: Estimate, precision: float) -> bool:
    """Whether a number is as precise as it was asked to be."""
    return precision > 0 and reached.se is not None and reached.se <= precision


def _say(task: Task, reached: Estimate) -> None:
    """Tell how far the headline is known."""
    error = "" if reached.se is None else f" ± {reached.se:.2g}"
    task.advance(0, f"typical efficiency {reached.value:.2f}{error}")


def _cost_words(name: str, probe: str, windows: Windows, seconds: float, memory: int, precision: float) -> str:
    """What the work will cost at most, from the seconds that its first windows took each."""
    minutes = windows.count * seconds / 60
    time_left = f"{minutes:,.0f} minutes" if minutes >= 2 else f"{max(2, round(60 * minutes))} seconds"
    stop = f", fewer once the typical efficiency is known to ± {precision:g} nats" if precision > 0 else ""
    return (
        f"{name}: at most {windows.count * windows.length:,} tokens of {probe}{stop}; about {time_left} and"
        f" {memory / 1e9:.1f} GB of memory."
    )


def _zero_share(totals: WindowTotals, checkpoint: Checkpoint) -> float:
    """The share of tokens without a gradient; refused where the typical numbers would not be typical."""
    share = float(torch.isinf(totals.embedding.log_squares[: totals.schedule.count]).double().mean())
    name = checkpoint.source.name
    if share == 1:
        raise MeasurementError(
            f"All gradients of {name} with respect to its embeddings are zero: its loss does not depend on the text;"
            " check that the weights are trained ones and not all zero."
        )
    if share > MOST_ZEROS:
        zero = f"{share:.0%} of the gradients of {name} are exactly zero as {checkpoint.dtype}"
        if checkpoint.dtype == "float64":
            raise MeasurementError(f"{zero}: its loss does not depend on so many tokens; check its weights.")
        wider = "float64" if checkpoint.dtype == "float32" else "float32"
        raise MeasurementError(f"{zero}, so they underflow; use --dtype {wider}.")
    return share


def check_ids(checkpoint: Checkpoint, windows: Windows, prefix: int | None) -> None:
    """Make sure that the model has a row of its embedding for every token of a probe, and for the document start.

    Raises:
        CheckpointError: It has not.
    """
    rows = embedding_weight(checkpoint.model).shape[0]
    if (largest := int(windows.tokens.max())) >= rows:
        raise CheckpointError(
            f"The tokenizer of {checkpoint.source.name} gives token {largest}, but the model's vocabulary ends at "
            f"{rows - 1}: they do not belong together; put the model's own tokenizer beside its weights."
        )
    if prefix is not None and prefix >= rows:
        raise CheckpointError(
            f"The document-start token of {checkpoint.source.name} is {prefix}, but the model's vocabulary ends at "
            f"{rows - 1}; measure without it (--no-prefix), or correct the tokenizer."
        )

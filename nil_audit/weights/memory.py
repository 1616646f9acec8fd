"""How much memory weights and windows need, how much there is, what to do when it runs out, and how much was used."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from nil_audit.errors import CheckpointError, MeasurementError
from nil_audit.processes import Team
from nil_audit.weights.host_memory import host_memory
from nil_audit.weights.logits import last_logits

if TYPE_CHECKING:
    from nil_audit.shape.architecture import Shape

_LARGEST_CPU, _LARGEST_GPU = 4, 32
_ON_HOST = ("cpu", "mps")
_SHORT = (32, 96)
_FRAGMENTED = 1.4
"""What small tensors that are kept between larger ones take of a process's memory, for each byte of their own."""


def require_memory(shape: "Shape", dtype: str, device: str, name: str, *, beside: int = 0) -> None:
    """Refuse a model whose weights cannot fit, before any of them is read.

    Counted are the parameters in their type, and the largest table once more, since it is looked through for what is
    not finite.

    Args:
        shape: With its count of parameters; where that is unknown nothing is refused.
        dtype: Of the weights in memory.
        device: "auto" or a torch device.
        name: Of the model.
        beside: Bytes that loading takes beside them.

    Raises:
        CheckpointError: They need more than is free, or the processes of this machine together more than there is.
    """
    if shape.parameters is None:
        return
    size = getattr(torch, dtype).itemsize
    needed = size * (shape.parameters.total + shape.vocab_size * shape.width) + beside
    advice = "--dtype bfloat16, or a device with more memory" if size > 2 else "a device with more memory"
    takes = f"{name} needs about {size_words(needed)} of memory as {dtype}"
    kind, free = _free_memory(device)
    if needed > free:
        raise CheckpointError(f"{takes}, but {size_words(free)} are free; use {advice}.")
    copies = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if kind in _ON_HOST and needed * copies > (limit := host_memory().limit):
        raise CheckpointError(
            f"{takes} in each of {copies} processes, but there are {size_words(limit)} in all; start fewer, or use "
            f"{advice}."
        )


def _free_memory(device: str) -> tuple[str, int]:
    """The kind of a device ("auto": the one that a model would be loaded to) and its free bytes."""
    if device == "auto":
        from accelerate import PartialState

        team = Team.join()
        place = PartialState().device
        several = place.type == "cuda" and team.size == 1
        places = [torch.device("cuda", index) for index in range(torch.cuda.device_count())] if several else [place]
    else:
        places = [torch.device(device)]
    kind = places[0].type
    if kind in _ON_HOST:
        return kind, host_memory().free
    return kind, sum(getattr(torch, kind).mem_get_info(place)[0] for place in places)


def size_words(size: float) -> str:
    """Bytes for people: "1.3 GB", "31.3 MB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def window_memory(model: Any, window: int, *, last_only: bool = False) -> int:
    """Bytes that the gradient of one window takes at its peak, weights left out.

    What the forward pass keeps for the backward pass is counted exactly, whatever the architecture, on two short
    texts: it grows with the window and with its square. At the peak the logits are there too, with their float copy,
    log-softmax and two gradients.

    Args:
        model: A frozen causal language model.
        window: T.
        last_only: Only the logits behind the last token are taken.
    """
    short, longer = (min(window, length) for length in _SHORT)
    per_token, per_square = _kept_bytes(model, short, last_only) / short, 0.0
    if longer > short:
        per_square = max(0.0, (_kept_bytes(model, longer, last_only) / longer - per_token) / (longer - short))
    kept = window * (per_token + per_square * (window - short))
    weight = model.get_input_embeddings().weight
    size, wide = weight.element_size(), max(4, weight.element_size())
    a_logit = size + 3 * wide + (wide if wide > size else 0)
    fragmented = _FRAGMENTED if weight.device.type == "cpu" else 1.0
    return int(fragmented * kept + (1 if last_only else window) * model.config.get_text_config().vocab_size * a_logit)


def _kept_bytes(model: Any, length: int, last_only: bool = False) -> int:
    """Bytes that a forward pass over so many tokens keeps for the backward pass, each tensor once."""
    embedding = model.get_input_embeddings()
    kept = {tensor.untyped_storage().data_ptr(): 0 for tensor in (*model.parameters(), *model.buffers())}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        return tensor

    handle = embedding.register_forward_hook(lambda _module, _inputs, output: output.detach().requires_grad_().clone())
    tokens = torch.zeros(1, length, dtype=torch.long, device=embedding.weight.device)
    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            if last_only:
                last_logits(model, tokens)
            else:
                model(input_ids=tokens, use_cache=False)
            return sum(kept.values())
    finally:
        handle.remove()


def free_for_sums(device: str) -> int:
    """Bytes of a device that sums beside a model may take in each process: half of what is free."""
    kind, free = _free_memory(device)
    return free // 2 // (int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if kind in _ON_HOST else 1)


def batch_that_fits(
    model: Any,
    window: int,
    *,
    name: str,
    asked: int | None = None,
    sums: int = 0,
    kept: int = 0,
    last_only: bool = False,
) -> int:
    """Windows a batch: what was asked for, or what half of the free memory holds; more would not be faster.

    A process that takes more of a machine's own memory than there is gets killed, so that no more than fits is taken,
    and a window that does not is refused; a GPU says so itself (see ``shrink``).

    Args:
        model: Loaded.
        window: T.
        name: Of the model.
        asked: Windows a batch that were asked for.
        sums: Bytes that are taken beside, whatever the batch.
        kept: Bytes that each window takes beside its gradient with respect to the embedding.
        last_only: Only the logits behind a window's last token are taken, and its length is fixed.

    Raises:
        MeasurementError: One window does not fit.
    """
    weight = model.get_input_embeddings().weight
    needed = window_memory(model, window, last_only=last_only) + kept
    kind, free = _free_memory(str(weight.device))
    if kind in _ON_HOST:
        if needed + sums > free:
            raise MeasurementError(
                f"One window of {window} tokens of {name} needs about {size_words(needed + sums)} of memory, but "
                f"{size_words(free)} are free; use a shorter --window, --dtype bfloat16, or a device with more memory."
            )
        free = free // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        if asked is not None:
            return max(1, min(asked, (free - sums) // needed))
    elif asked is not None:
        return asked
    largest = _LARGEST_CPU if kind in _ON_HOST else _LARGEST_GPU
    return max(1, min(largest, (free // 2 - sums) // needed))


def shrink(error: Exception, batch: int, window: int, *, fixed: bool = False) -> int:
    """Half the batch where an error means that memory ran out; any other error goes on.

    Args:
        error: What a batch raised.
        batch: Its windows.
        window: T.
        fixed: Whether nobody can choose T.

    Raises:
        MeasurementError: One window alone does not fit.
    """
    from accelerate.utils.memory import clear_device_cache

    if not ran_out(error):
        raise error
    if batch == 1:
        shorter = "" if fixed else "a shorter --window, "
        raise MeasurementError(
            f"One window of {window} tokens does not fit into memory; use {shorter}--dtype bfloat16, or a device with"
            " more memory."
        ) from error
    error.__traceback__ = None  # its frames hold the tensors that did not fit
    clear_device_cache(garbage_collection=True)
    return batch // 2


def ran_out(error: Exception) -> bool:
    """Whether an error means that the device's or the machine's memory ran out."""
    from accelerate.utils.memory import should_reduce_batch_size

    return should_reduce_batch_size(error) or isinstance(error, MemoryError | torch.OutOfMemoryError)


@contextmanager
def peak_memory(device: str) -> Iterator[Callable[[], int]]:
    """Watch memory: yields a function that tells the peak so far in bytes.

    On CUDA the allocator's own peak; elsewhere the resident memory of the process, sampled every 20 ms.
    """
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        yield lambda: torch.cuda.max_memory_allocated(device)
        return
    import psutil

    process, stop = psutil.Process(), threading.Event()
    peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.02):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: peak
    finally:
        stop.set()
        watcher.join()

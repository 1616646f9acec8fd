"""How many windows fit into memory, what to do when they do not, and how much was used."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from nil_audit.errors import MeasurementError
from nil_audit.weights.checkpoint import embedding_weight

_LARGEST_CPU, _LARGEST_GPU = 4, 32


def first_batch_size(model: Any, window: int) -> int:
    """Windows a batch that should fit into half of the free memory; more would not be faster.

    Counts three float32 copies of the logits and about 40 numbers of the residual width a block and token.
    """
    config = model.config.get_text_config()
    weight = embedding_weight(model)
    a_token = 12 * config.vocab_size + 40 * weight.element_size() * config.hidden_size * config.num_hidden_layers
    if weight.device.type == "cuda":
        free, largest = torch.cuda.mem_get_info(weight.device)[0], _LARGEST_GPU
    else:
        import psutil

        free, largest = psutil.virtual_memory().available, _LARGEST_CPU
    return int(max(1, min(largest, free / 2 / (a_token * window))))


def shrink(error: Exception, batch: int, window: int) -> int:
    """Half the batch where an error means that memory ran out; any other error goes on.

    Raises:
        MeasurementError: One window alone does not fit.
    """
    from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

    if not (should_reduce_batch_size(error) or isinstance(error, MemoryError)):
        raise error
    if batch == 1:
        raise MeasurementError(
            f"One window of {window} tokens does not fit into memory; use a shorter --window, --dtype bfloat16, or a "
            "device with more memory."
        ) from error
    error.__traceback__ = None  # its frames hold the tensors that did not fit
    clear_device_cache(garbage_collection=True)
    return batch // 2


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

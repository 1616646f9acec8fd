"""Times of shapes on this machine, taken on the spot with random weights: nothing is downloaded.

Models are built by transformers from raw configs and run as transformers runs them, with the threads that torch has;
in float32 on a CPU, in bfloat16 elsewhere. Imports torch and transformers only inside functions.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nil_audit.budget.counts import BlockCounts, count_blocks
from nil_audit.budget.inference import ServingTime, decode_work
from nil_audit.budget.template import Template
from nil_audit.errors import MeasurementError, NilAuditError, first_line
from nil_audit.progress import Progress, quiet_libraries, silent
from nil_audit.shape.architecture import Shape, shape_from_config

THIS_MACHINE = "this machine"
WARM_UP = 32  # tokens of a first prompt that is not timed
DECODED = 4  # tokens decoded in a row, of which the first is not timed
ROUNDS = 8  # of decoding, models in turn
PROMPTS = 3  # of the full context
MOST_SECONDS = 20.0  # after which no further round is begun, of prompts and of decoding


def measure(
    config: Mapping[str, Any], *, name: str, context: int, device: str = "auto", progress: Progress = silent
) -> ServingTime:
    """Time one shape on this machine; see `measure_all`."""
    return measure_all([config], names=[name], context=context, device=device, progress=progress)[0]


def measure_all(
    configs: Sequence[Mapping[str, Any]],
    *,
    context: int,
    device: str = "auto",
    names: Sequence[str] | None = None,
    progress: Progress = silent,
) -> tuple[ServingTime, ...]:
    """Time shapes on this machine, in turn, so that what else the machine does falls on all of them alike.

    Decoding is a forward pass of one token with n - 1 tokens in the key-value cache, the lower quartile of `ROUNDS`
    times three; a prompt is one pass over n tokens with logits of the last alone, the lower quartile of up to
    `PROMPTS`. Weights are small random numbers; all shapes read theirs from the same memory, so that the largest alone
    has to fit.

    Args:
        configs: Raw configs.
        context: n, in tokens.
        device: "auto", or a torch device.
        names: What the shapes are called; depth x width by default.
        progress: Shows how far it is.

    Raises:
        UsageError: The device does not exist here.
        MeasurementError: Weights and caches do not fit into memory, or transformers cannot run a shape.
    """
    import torch

    place = place_of(device)
    shapes = [shape_from_config(config) for config in configs]
    called = names or [f"{shape.depth} x {shape.width}" for shape in shapes]
    shapes = [replace(shape, name=name) for shape, name in zip(shapes, called, strict=True)]
    _require_memory(shapes, context, place)
    with torch.inference_mode():
        random_weights = RandomWeights(place, max(_parameters(shape) for shape in shapes))
        runs = [
            Run(shape, count_blocks(Template(config, shape)), model_of(config, shape.name, random_weights), context)
            for config, shape in zip(configs, shapes, strict=True)
        ]
        with progress("Timing shapes", (ROUNDS + PROMPTS) * len(runs), unit="passes") as task:
            _time(runs, lambda: task.advance(1))
    return tuple(run.result() for run in runs)


def _time(runs: Sequence["Run"], done: Callable[[], None]) -> None:
    """Prompts first, which fill the caches, then tokens; one shape after the other in each round."""
    for run in runs:
        run.read(min(WARM_UP, run.context))
    for rounds, tokens in ((PROMPTS, 0), (ROUNDS, DECODED)):
        began = time.perf_counter()
        for round_ in range(rounds):
            late = round_ > 0 and time.perf_counter() - began > MOST_SECONDS
            for run in runs:
                if not late and tokens:
                    run.decode_times += [run.decode() for _ in range(tokens)][1:]
                elif not late:
                    run.prompt_times.append(run.read(run.context))
                done()


def typical(times: Sequence[float]) -> float:
    """The lower quartile: what else a machine does can only slow a pass down, but the least is an accident too."""
    import numpy as np

    return float(np.quantile(times, 0.25))


def seconds_of(call: Callable[[], Any], place: Any) -> float:
    """Seconds of a call, with what it left to the device waited for.

    The processor's where one thread does all, so that other processes count little.
    """
    import torch

    wait = (lambda: None) if place.type == "cpu" else getattr(torch, place.type).synchronize
    clock = time.thread_time if place.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    wait()
    start = clock()
    call()
    wait()
    return clock() - start


@dataclass
class Run:
    """One model with its cache, and the seconds that it took."""

    shape: Shape
    counts: BlockCounts
    model: Any
    context: int
    sequences: int = 1
    cache: Any = None
    prompt_times: list[float] = field(default_factory=list)
    decode_times: list[float] = field(default_factory=list)

    def read(self, tokens: int) -> float:
        """Seconds of a prompt of so many tokens into an empty cache."""
        from transformers import DynamicCache

        self.cache = DynamicCache()  # without a config: every block keeps the whole context
        return self._seconds(tokens)

    def decode(self) -> float:
        """Seconds of one token behind all but the last of the context."""
        self.cache.crop(-1)
        return self._seconds(1)

    def result(self) -> ServingTime:
        """The times so far."""
        return ServingTime(
            device=THIS_MACHINE,
            decode_seconds=typical(self.decode_times),
            prompt_seconds=typical(self.prompt_times) / self.context,
            decode_bound="",
            intensity=decode_work(
                self.shape, self.counts, context=self.context, number_bytes=self.model.dtype.itemsize
            ).intensity,
        )

    def _seconds(self, tokens: int) -> float:
        import torch

        place = self.model.device
        # any token but those at the ends of the vocabulary, where padding is, which transformers warns of
        ids = torch.full((self.sequences, tokens), self.shape.vocab_size // 2, device=place)
        try:
            return seconds_of(
                lambda: self.model(input_ids=ids, past_key_values=self.cache, use_cache=True, logits_to_keep=1), place
            )
        except Exception as error:  # whatever a model class raises on a cache or a length that it cannot use
            raise MeasurementError(
                f"transformers cannot run {self.shape.name} at {self.context} tokens ({first_line(error)}); leave"
                " --measure out, or give a shorter --context."
            ) from error


class RandomWeights:
    """Memory of random numbers from which the weights of every model are taken, each from its start."""

    def __init__(self, place: Any, size: int) -> None:
        import torch

        dtype = torch.float32 if place.type == "cpu" else torch.bfloat16
        self.numbers = torch.empty(int(size * 1.01) + 2**20, dtype=dtype, device=place).normal_(std=0.02)

    def matrix(self, start: int, rows: int, width: int) -> Any:
        """Numbers from a place on, as a matrix."""
        return self.numbers[start : start + rows * width].view(rows, width)

    def fill(self, model: Any) -> Any:
        """Give a model on the meta device its weights; those that are one stay one."""
        import torch

        taken: dict[int, Any] = {}
        start = 0
        for module in model.modules():
            for name, weight in module._parameters.items():
                if weight is None:
                    continue
                if id(weight) not in taken:
                    numbers = self.numbers[start : start + weight.numel()].view(weight.shape)
                    taken[id(weight)] = torch.nn.Parameter(numbers, requires_grad=False)
                    start += -(-weight.numel() // 64) * 64  # so that every matrix starts at a cache line
                module._parameters[name] = taken[id(weight)]
        return model.to(device=self.numbers.device, dtype=self.numbers.dtype).eval()


def model_of(config: Mapping[str, Any], name: str, random_weights: RandomWeights) -> Any:
    """The language model of a config, with random weights."""
    from accelerate import init_empty_weights
    from transformers import AutoModelForCausalLM

    from nil_audit.shape.hf_config import transformers_config

    try:
        with quiet_libraries(), init_empty_weights(include_buffers=False):
            model = AutoModelForCausalLM.from_config(transformers_config(config, name).text)
        model.tie_weights()  # which creating on the meta device undid
        return random_weights.fill(model)
    except NilAuditError:
        raise
    except Exception as error:  # a model class raises whatever its first impossible shape raises
        raise MeasurementError(
            f"transformers cannot build {name} to time it ({first_line(error)}); leave --measure out."
        ) from error


def place_of(device: str) -> Any:
    """The device that is meant."""
    import torch

    from nil_audit.weights import check_device

    if device != "auto":
        check_device(device)
        return torch.device(device)
    from accelerate import PartialState

    return PartialState().device


def free_memory(place: Any) -> int:
    """Bytes of memory that are free on a device."""
    import torch

    from nil_audit.weights.host_memory import host_memory

    if place.type in ("cpu", "mps"):
        return host_memory().free
    return int(getattr(torch, place.type).mem_get_info(place)[0])


def _require_memory(shapes: Sequence[Shape], context: int, place: Any) -> None:
    """Refuse shapes whose weights, caches and one prompt do not fit.

    Raises:
        MeasurementError: They do not.
    """
    number_bytes = 4 if place.type == "cpu" else 2
    largest = max(shapes, key=_parameters)
    caches = [2 * one.depth * (one.kv_heads or 0) * (one.head_size or 0) * context for one in shapes]
    activations = max(context * (8 * one.width + 4 * (one.mlp_width or 4 * one.width)) for one in shapes)
    needed = number_bytes * (1.01 * _parameters(largest) + sum(caches) + 2 * max(caches) + activations)
    free = free_memory(place)
    if needed > free:
        raise MeasurementError(
            f"Timing {largest.name} takes about {needed / 1e9:.1f} GB of memory, but {free / 1e9:.1f} GB are free;"
            " leave --measure out, or give a shorter --context."
        )


def _parameters(shape: Shape) -> int:
    return shape.parameters.total if shape.parameters else 0

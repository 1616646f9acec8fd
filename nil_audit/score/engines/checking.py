"""Whether another way of asking gives the plain way's answers: how far rounding may move them, and how to leave it out.

Measured on SmolLM2-135M (30 blocks, prompts of 820 to 1,240 tokens), the largest difference of a letter's
log-probability between the plain way one by one and in batches of 8 is 0.14 in bfloat16 and 0.028 in float16. After a
shared prefix it is 0.22 in bfloat16, and with positions off by one 0.25, which cannot be told apart. Of the same
weights as float32 it is 1.1e-5 and 0.086: so weights of half precision are also checked as float32.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from nil_audit.score.questions import Response

HALF = (torch.float16, torch.bfloat16)
_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3, torch.float16: 0.2, torch.bfloat16: 1.0}


def tolerance(dtype: torch.dtype) -> float:
    """Largest difference of a log-probability, in nats, that rounding explains: some five times what was measured."""
    return _TOLERANCE.get(dtype, 1e-3)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Between two ways of asking the same questions.

    Attributes:
        largest: Of a log-probability, in nats.
        letters: Questions whose likeliest option is another.
    """

    largest: float
    letters: int


def difference(one: Sequence[Sequence[Response]], other: Sequence[Sequence[Response]]) -> Difference:
    """Compare the log-likelihoods of the same questions' options."""
    first, second = ([[float(response[0]) for response in question] for question in way] for way in (one, other))
    moved = [abs(a - b) for each, its in zip(first, second, strict=True) for a, b in zip(each, its, strict=True)]
    letters = sum(each.index(max(each)) != its.index(max(its)) for each, its in zip(first, second, strict=True))
    return Difference(largest=max(moved), letters=letters)


@contextmanager
def as_float32(model: Any) -> Iterator[None]:
    """Have a model compute in float32, with the weights that it has.

    Each module gets a copy of its own parameters in float32 when it is called and drops it afterwards, so that memory
    holds one module's at a time.
    """
    held: list[list[tuple[torch.nn.Parameter, torch.Tensor]]] = []

    def widen(module: torch.nn.Module, _inputs: Any) -> None:
        own = [one for one in module.parameters(recurse=False) if one.dtype in HALF]
        held.append([(one, one.data) for one in own])
        for one in own:
            one.data = one.data.float()

    def restore(_module: torch.nn.Module, _inputs: Any, _output: Any) -> None:
        for one, data in held.pop():
            one.data = data

    handles = []
    for module in model.modules():
        if any(one.dtype in HALF for one in module.parameters(recurse=False)):
            handles.append(module.register_forward_pre_hook(widen))
            handles.append(module.register_forward_hook(restore, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for left in held:  # of modules whose call was cut off
            for one, data in left:
                one.data = data

"""Machines that serve language models: the figures that a roofline needs, with their sources."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nil_audit.errors import UsageError

_FILE = Path(__file__).with_name("accelerators.json")


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """One machine, as a roofline with a fixed cost a block sees it.

    Attributes:
        name: What it is asked for by ("h200"); "this machine" where calibrated here.
        title: What it is called.
        peak_flops: FLOPs a second of dense matrix products in its type, without sparsity.
        attention_flops: FLOPs a second of attention in a prompt; the peak unless calibrated.
        bandwidth: Bytes a second at which weights are read from memory.
        cache_bandwidth: Bytes a second at which the key-value cache is read; that of the memory unless calibrated.
        memory: Bytes of it.
        block_seconds: What one block costs in each pass, however small it is.
        pass_seconds: What one pass costs outside its blocks; zero unless calibrated.
        number_bytes: Of one weight and one entry of the cache; 2 in bfloat16 and float16.
        source: Where the figures come from.
    """

    name: str
    title: str
    peak_flops: float
    attention_flops: float
    bandwidth: float
    cache_bandwidth: float
    memory: float
    block_seconds: float
    pass_seconds: float = 0.0
    number_bytes: int = 2
    source: str


@cache
def accelerators() -> tuple[Accelerator, ...]:
    """The machines that come with nil-audit, by their makers' figures for dense bfloat16 (float16 where it has none).

    The fixed cost of a block is an assumption, one number for all: see docs/inference.md.
    """
    file = json.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(
        Accelerator(
            **row,
            attention_flops=row["peak_flops"],
            cache_bandwidth=row["bandwidth"],
            block_seconds=file["block_seconds"],
        )
        for row in file["accelerators"]
    )


def accelerator(name: str) -> Accelerator:
    """The machine of a name, in any case.

    Raises:
        UsageError: There is none; the sentence names those there are.
    """
    known = {one.name: one for one in accelerators()}
    if (found := known.get(name.strip().lower())) is None:
        raise UsageError(f"There are no figures of an accelerator {name!r}; choose {', '.join(known)}.")
    return found

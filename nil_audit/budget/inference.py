"""What a shape takes to serve: bytes, arithmetic intensity, and time by a roofline with a fixed cost a block.

    time of one forward pass = max(FLOPs / peak, bytes / bandwidth) + blocks x fixed cost of a block

The roofline is Williams, Waterman, Patterson 2009 (Communications of the ACM 52(4)); the fixed cost (launching
kernels, synchronising, layers too small to fill the machine) is what makes a deep and narrow shape decode slower than
a wide one of the same weights.
"""

from dataclasses import dataclass
from typing import Literal

from nil_audit.budget.accelerators import Accelerator
from nil_audit.budget.counts import BlockCounts
from nil_audit.shape.architecture import Shape

Bound = Literal["memory", "compute", "blocks"]


@dataclass(frozen=True, kw_only=True)
class ServingTime:
    """How long one shape takes on one machine, one sequence at a time.

    Attributes:
        device: Name of the accelerator; "this machine" where measured or calibrated here.
        decode_seconds: Of one decoded token behind a full context.
        prompt_seconds: Of one token of a prompt of the full context, read at once.
        decode_bound: What takes most of a decoded token: reading weights and cache, arithmetic, or the fixed cost of
            the blocks; "" where measured.
        intensity: FLOPs for each byte that a decoded token moves.
    """

    device: str
    decode_seconds: float
    prompt_seconds: float
    decode_bound: Bound | Literal[""]
    intensity: float


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one forward pass of one sequence moves and computes, in a type of so many bytes a number.

    Attributes:
        flops: Multiplications and additions in products with weights.
        attention_flops: In attention's scores and sums of values.
        weight_bytes: Of the weights, each read once; of the input embedding the rows of the tokens.
        cache_bytes: Of the keys and values that are read.
    """

    flops: float
    attention_flops: float
    weight_bytes: float
    cache_bytes: float

    @property
    def intensity(self) -> float:
        """FLOPs for each byte moved."""
        return (self.flops + self.attention_flops) / (self.weight_bytes + self.cache_bytes)


def decode_work(shape: Shape, counts: BlockCounts, *, context: int, number_bytes: int = 2) -> Work:
    """One decoded token behind a full context of n tokens.

    FLOPs are 2 for each weight of a matrix and 4 L n x heads x head size for scores and the sum of values; read are
    the weights of every block, the output matrix, one row of the input embedding, and the keys and values of n tokens:
    2 L n x key-value heads x head size numbers. Norms outside the blocks, activations and logits are left out, and
    attention is counted in full where some blocks see only a window.

    Args:
        shape: With its heads known.
        counts: Of its architecture.
        context: n, in tokens.
        number_bytes: Bytes of a weight and of an entry of the cache.
    """
    assert shape.heads and shape.kv_heads and shape.head_size
    attention = shape.depth * context * shape.head_size
    return Work(
        flops=2.0 * (counts.matmul_outside + shape.depth * counts.matmul_block),
        attention_flops=4.0 * attention * shape.heads,
        weight_bytes=float(number_bytes * (counts.matmul_outside + shape.depth * counts.block + shape.width)),
        cache_bytes=2.0 * attention * shape.kv_heads * number_bytes,
    )


def prompt_work(shape: Shape, counts: BlockCounts, *, context: int, number_bytes: int = 2) -> Work:
    """A prompt of a full context of n tokens, read at once.

    A token sees (n + 1) / 2 positions of a causal window on average. Every weight is read once, keys and values are
    written once; what lies outside the blocks, the output matrix above all, is computed for the last token alone.

    Args:
        shape: With its heads known.
        counts: Of its architecture.
        context: n, in tokens.
        number_bytes: Bytes of a weight and of an entry of the cache.
    """
    one = decode_work(shape, counts, context=context, number_bytes=number_bytes)
    return Work(
        flops=2.0 * (counts.matmul_outside + context * shape.depth * counts.matmul_block),
        attention_flops=one.attention_flops * (context + 1) / 2,
        weight_bytes=one.weight_bytes + number_bytes * (context - 1) * shape.width,
        cache_bytes=one.cache_bytes,
    )


def serving_time(shape: Shape, counts: BlockCounts, accelerator: Accelerator, *, context: int) -> ServingTime:
    """How long a decoded token and a token of a prompt take on a machine, one sequence at a time.

    Both are a pass of `decode_work` or `prompt_work`: max(FLOPs / peak, bytes / bandwidth) + L x fixed cost of a block
    + fixed cost of a pass, where attention and the cache have rates of their own on a machine that is calibrated; a
    prompt's is divided by its tokens. Peak and bandwidth are what a machine has at most, so that the times are what
    good software comes near to, not a promise; between shapes of one budget their ratio is what counts.

    Args:
        shape: With its heads known.
        counts: Of its architecture.
        accelerator: The machine.
        context: Tokens of the prompt, and behind the decoded token.
    """
    one = decode_work(shape, counts, context=context, number_bytes=accelerator.number_bytes)
    prompt = prompt_work(shape, counts, context=context, number_bytes=accelerator.number_bytes)
    parts: tuple[tuple[float, Bound], ...] = (
        (shape.depth * accelerator.block_seconds, "blocks"),
        (_compute_seconds(one, accelerator), "compute"),
        (_memory_seconds(one, accelerator), "memory"),
    )
    return ServingTime(
        device=accelerator.name,
        decode_seconds=_pass_seconds(one, accelerator, shape.depth),
        prompt_seconds=_pass_seconds(prompt, accelerator, shape.depth) / context,
        decode_bound=max(parts)[1],
        intensity=one.intensity,
    )


def _compute_seconds(work: Work, machine: Accelerator) -> float:
    return work.flops / machine.peak_flops + work.attention_flops / machine.attention_flops


def _memory_seconds(work: Work, machine: Accelerator) -> float:
    return work.weight_bytes / machine.bandwidth + work.cache_bytes / machine.cache_bandwidth


def _pass_seconds(work: Work, machine: Accelerator, blocks: int) -> float:
    """Of one forward pass."""
    fixed = blocks * machine.block_seconds + machine.pass_seconds
    return max(_compute_seconds(work, machine), _memory_seconds(work, machine)) + fixed

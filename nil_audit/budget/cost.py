"""What training and serving a shape takes: floating-point operations, memory, key-value cache."""

from dataclasses import dataclass

from nil_audit.budget.counts import BlockCounts
from nil_audit.shape.architecture import Shape

BYTES_BF16 = 2
BYTES_ADAM = 12  # float32 master weight and two moments, mixed-precision training with bf16 weights and gradients


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What training and serving a shape takes.

    Attributes:
        context: Window length that the FLOPs are counted at, in tokens.
        tokens: Training tokens.
        forward_flops: Of one token.
        training_flops_per_token: Three times the forward pass (backward costs two).
        training_flops: For all tokens.
        weight_bytes: In bfloat16.
        gradient_bytes: In bfloat16.
        optimizer_bytes: AdamW: float32 master weights and two moments.
        kv_bytes_per_token: Keys and values of one token in bfloat16, all blocks.
        sequential_blocks: Blocks that must run one after the other for each decoded token.
    """

    context: int
    tokens: float
    forward_flops: float
    training_flops_per_token: float
    training_flops: float
    weight_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    kv_bytes_per_token: int
    sequential_blocks: int


def cost(shape: Shape, counts: BlockCounts, *, tokens: float, context: int) -> Cost:
    """What a shape costs at a number of training tokens and a window length.

    Args:
        shape: With its parameters counted.
        counts: Of its architecture.
        tokens: Training tokens.
        context: Window length in tokens.
    """
    assert shape.parameters is not None and shape.heads and shape.kv_heads and shape.head_size
    forward = counts.forward_flops(shape.depth, shape.heads * shape.head_size, context)
    total = shape.parameters.total
    return Cost(
        context=context,
        tokens=tokens,
        forward_flops=forward,
        training_flops_per_token=3 * forward,
        training_flops=3 * forward * tokens,
        weight_bytes=BYTES_BF16 * total,
        gradient_bytes=BYTES_BF16 * total,
        optimizer_bytes=BYTES_ADAM * total,
        kv_bytes_per_token=2 * shape.depth * shape.kv_heads * shape.head_size * BYTES_BF16,
        sequential_blocks=shape.depth,
    )

"""What a shape costs: parameters as a function of depth, floating-point operations, memory, key-value cache.

Counts come from models of depth 1 and 2 on the meta device: every block of a dense decoder is alike, so both
parameters and matrix multiplications are a constant plus depth times a block.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nil_audit.budget.template import Template
from nil_audit.shape.architecture import Parameters, Shape

BYTES_BF16 = 2
BYTES_ADAM = 12  # float32 master weight and two moments, mixed-precision training with bf16 weights and gradients
DEFAULT_CONTEXT = 4096


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """Parameters and matrix weights of an architecture: a constant, and what a block adds.

    Attributes:
        embedding: Parameters of the embeddings (as `Parameters.embedding`).
        outside: Other parameters outside the blocks: final norm, projections.
        block: Parameters of one block.
        matmul_outside: Weights outside the blocks that each token is multiplied with, the output matrix included,
            tied or not.
        matmul_block: Weights of one block that each token is multiplied with.
    """

    embedding: int
    outside: int
    block: int
    matmul_outside: int
    matmul_block: int

    def parameters(self, depth: int) -> Parameters:
        """Exact counts at a depth."""
        body = self.outside + depth * self.block
        return Parameters(total=self.embedding + body, embedding=self.embedding, body=body)

    def forward_flops(self, depth: int, attention_width: int, context: int) -> float:
        """Multiplications and additions of one token's forward pass through all matrix products.

        Each weight costs 2; attention scores and the weighted sum of values cost 4 x heads x head size for each of
        the (context + 1) / 2 positions that a token of a causal window sees on average. Norms, activations and the
        softmax are left out (under 1%).

        Args:
            depth: Blocks.
            attention_width: Heads times head size.
            context: Window length in tokens.
        """
        weights = self.matmul_outside + depth * self.matmul_block
        return 2.0 * weights + 4.0 * depth * attention_width * (context + 1) / 2


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


def anatomy(template: Template, **numbers: int) -> Anatomy:
    """Take an architecture apart by building it at depth 1 and 2 on the meta device.

    Args:
        template: The config.
        **numbers: Other numbers for it than its own, as for `Template.with_numbers`.

    Raises:
        ConfigError: transformers cannot build it at these numbers.
    """
    name = template.shape.name
    one, two = (_counted(template.with_numbers(depth=depth, **numbers), name) for depth in (1, 2))
    block = two[0].total - one[0].total
    matmul_block = two[1] - one[1]
    return Anatomy(
        embedding=one[0].embedding,
        outside=one[0].body - block,
        block=block,
        matmul_outside=one[1] - matmul_block,
        matmul_block=matmul_block,
    )


def with_mlp_width(template: Template, parts: Anatomy, mlp_width: int, **numbers: int) -> Anatomy:
    """The anatomy at another MLP width, from a model of one block: nothing outside the blocks depends on it.

    Args:
        template: The config.
        parts: The anatomy at the same numbers and some other MLP width.
        mlp_width: Hidden width of the feed-forward part.
        **numbers: The other numbers, as for `anatomy`.

    Raises:
        ConfigError: transformers cannot build it at these numbers.
    """
    counts, matmul = _counted(template.with_numbers(depth=1, mlp_width=mlp_width, **numbers), template.shape.name)
    return replace(parts, block=counts.body - parts.outside, matmul_block=matmul - parts.matmul_outside)


def _counted(config: Mapping[str, Any], name: str) -> tuple[Parameters, int]:
    """Parameters, and the weights that a token is multiplied with."""
    from torch.nn import Embedding

    from nil_audit.shape.hf_config import transformers_config
    from nil_audit.shape.meta_model import build_meta_model
    from nil_audit.shape.parameters import count

    model = build_meta_model(transformers_config(config, name), name)
    output = model.model.get_output_embeddings()
    decoder = model.model if model.text_only else model.decoder
    tables = {id(p) for module in decoder.modules() if isinstance(module, Embedding) for p in module.parameters()}
    tables |= {id(p) for p in output.parameters()}
    weights = {id(p): p.numel() for p in decoder.parameters() if p.dim() >= 2 and id(p) not in tables}
    return count(model), sum(weights.values()) + output.weight.numel()


def cost(shape: Shape, parts: Anatomy, *, tokens: float, context: int) -> Cost:
    """What a shape costs at a number of training tokens and a window length.

    Args:
        shape: With its parameters counted.
        parts: Its anatomy.
        tokens: Training tokens.
        context: Window length in tokens.
    """
    assert shape.parameters is not None and shape.heads and shape.kv_heads and shape.head_size
    forward = parts.forward_flops(shape.depth, shape.heads * shape.head_size, context)
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

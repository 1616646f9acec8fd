"""Parameters and matrix weights of an architecture as functions of its depth, counted on the meta device.

Every block of a dense decoder is alike, so models of depth 1 and 2 give both as a constant plus depth times a block.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from nil_audit.budget.template import Template
from nil_audit.shape.architecture import Parameters

Match = Literal["body", "total", "flops"]


@dataclass(frozen=True, kw_only=True)
class BlockCounts:
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

    def budget(self, match: Match, depth: int, attention_width: int, context: int) -> float:
        """What alternatives hold equal: "body" parameters, "total" parameters, or forward "flops" a token."""
        if match == "flops":
            return self.forward_flops(depth, attention_width, context)
        return getattr(self.parameters(depth), match)

    def stretched(self, wider: "BlockCounts", steps: int) -> "BlockCounts":
        """The counts as many steps of MLP width away as given, from those one step away: all are linear in it."""
        names = [field.name for field in fields(self)]
        return BlockCounts(
            **{name: getattr(self, name) + steps * (getattr(wider, name) - getattr(self, name)) for name in names}
        )


def count_blocks(template: Template, **numbers: int) -> BlockCounts:
    """Count an architecture by building it at depth 1 and 2 on the meta device.

    Args:
        template: The config.
        **numbers: Other numbers for it than its own, as for `Template.with_numbers`.

    Raises:
        ConfigError: transformers cannot build it at these numbers.
    """
    (one, matmul_one), (two, matmul_two) = (_counted(template, {"depth": depth, **numbers}) for depth in (1, 2))
    block, matmul_block = two.total - one.total, matmul_two - matmul_one
    return BlockCounts(
        embedding=one.embedding,
        outside=one.body - block,
        block=block,
        matmul_outside=matmul_one - matmul_block,
        matmul_block=matmul_block,
    )


def with_mlp_width(template: Template, counts: BlockCounts, mlp_width: int, **numbers: int) -> BlockCounts:
    """The counts at another MLP width, from a model of one block: nothing outside the blocks depends on it.

    Args:
        template: The config.
        counts: Those at the same numbers and some other MLP width.
        mlp_width: Hidden width of the feed-forward part.
        **numbers: The other numbers, as for `count_blocks`.

    Raises:
        ConfigError: transformers cannot build it at these numbers.
    """
    one, matmul = _counted(template, {"depth": 1, "mlp_width": mlp_width, **numbers})
    return replace(counts, block=one.body - counts.outside, matmul_block=matmul - counts.matmul_outside)


def _counted(template: Template, numbers: Mapping[str, Any]) -> tuple[Parameters, int]:
    """Parameters, and the weights that a token is multiplied with."""
    from torch.nn import Embedding

    from nil_audit.shape.hf_config import transformers_config
    from nil_audit.shape.meta_model import build_meta_model
    from nil_audit.shape.parameters import count

    name = template.shape.name
    model = build_meta_model(transformers_config(template.with_numbers(**numbers), name), name)
    output = model.model.get_output_embeddings()
    decoder = model.model if model.text_only else model.decoder
    tables = {id(p) for module in decoder.modules() if isinstance(module, Embedding) for p in module.parameters()}
    tables |= {id(p) for p in output.parameters()}
    weights = {id(p): p.numel() for p in decoder.parameters() if p.dim() >= 2 and id(p) not in tables}
    return count(model), sum(weights.values()) + output.weight.numel()

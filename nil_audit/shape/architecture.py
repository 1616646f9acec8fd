"""What a model's configuration says about its architecture: depth, width and the numbers around them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Exact parameter counts of an architecture.

    Attributes:
        total: Every parameter, a tied matrix counted once.
        embedding: Input embedding, position embeddings and the output matrix where it is not tied.
        body: total - embedding: the decoder blocks and the norms between and after them.
    """

    total: int
    embedding: int
    body: int


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The shape of a dense decoder-only language model, as its configuration gives it.

    Attributes:
        name: The name asked for: a Hub id, or a folder's or file's path.
        source: "hub", "local" or "config" (built from a mapping or from flags).
        revision: The commit hash on the Hub, or None for a local source.
        model_type: transformers' model type of the language model ("llama").
        text_tower_of: The model type of the multimodal checkpoint that this is the text tower of, or None.
        depth: L, decoder blocks that a token passes through.
        width: d, dimension of the residual stream, in channels.
        heads: Query heads a block; None where the configuration names none.
        kv_heads: Key and value heads a block.
        head_size: Channels a head.
        mlp_width: Hidden width of the feed-forward part.
        vocab_size: Rows of the input embedding.
        tied: Whether input and output embedding are one matrix.
        context: Longest sequence that the positions allow, in tokens; None where there is no limit.
        parameters: Exact counts from the meta device; None where counting would need remote code.
        notes: Sentences for people: text tower, remote code, approximations.
    """

    name: str
    source: str
    revision: str | None
    model_type: str
    text_tower_of: str | None
    depth: int
    width: int
    heads: int | None
    kv_heads: int | None
    head_size: int | None
    mlp_width: int | None
    vocab_size: int
    tied: bool
    context: int | None
    parameters: Parameters | None
    notes: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """R_D/W = depth / width, in blocks per channel (arXiv 2605.27989)."""
        return self.depth / self.width

"""Exact parameter counts from a config: the model is built on the meta device, so no weight is ever made."""

from dataclasses import dataclass
from typing import Any

from nil_audit.shape.meta_model import MetaModel, towers


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Exact parameter counts of a language model; of a multimodal checkpoint, of its text tower alone.

    Attributes:
        total: Every parameter, a tied matrix counted once.
        embedding: Input embedding, learned position embeddings and other tables outside the blocks, and the output
            matrix (with its bias) where it is not tied.
        body: total - embedding: the decoder blocks, the norms between and after them, and the projections between
            an embedding of another width and the blocks (OPT-350m).
    """

    total: int
    embedding: int
    body: int


def count(model: MetaModel) -> Parameters:
    """Count the language model's parameters in a model on any device; each tensor once, however often it is used."""
    from torch.nn import Embedding

    output = model.model.get_output_embeddings()
    left_out = set() if model.text_only else {id(p) for tower in towers(model.decoder) for p in tower.parameters()}
    source = model.model if model.text_only else model.decoder
    everything = {id(p): p for p in source.parameters() if id(p) not in left_out}
    if output is not None:
        everything |= {id(p): p for p in output.parameters()}
    in_blocks = {id(p) for block in model.blocks for p in block.parameters()}
    tables = [m for m in source.modules() if isinstance(m, Embedding)] + ([output] if output is not None else [])
    embedding = {id(p): p for table in tables for p in table.parameters()}
    embedding = {key: p for key, p in embedding.items() if key in everything and key not in in_blocks}
    total = sum(p.numel() for p in everything.values())
    outside = sum(p.numel() for p in embedding.values())
    return Parameters(total=total, embedding=outside, body=total - outside)


def tied(model: MetaModel) -> bool:
    """Whether input and output embedding are one matrix in the model as built."""
    output = model.model.get_output_embeddings()
    table = model.model.get_input_embeddings()
    return output is not None and getattr(output, "weight", None) is getattr(table, "weight", False)


def mlp_width(block: Any, width: int) -> int | None:
    """Hidden width of a block's feed-forward part: the input size of its widest map back onto the residual stream.

    Configs give it under many names, for one half of a gated pair or for both (Moshi), or leave it to a convention
    (four times the width in GPT-2, Bloom, Falcon, MPT); the module itself is plain.
    """
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    named, others = [0], [0]
    for path, module in block.named_modules():
        if "att" in path:
            continue
        sizes = named if any(word in path for word in ("mlp", "ff", "feed")) else others
        if isinstance(module, Linear) and module.out_features == width:
            sizes.append(module.in_features)
        elif isinstance(module, Conv1D) and module.nf == width:
            sizes.append(module.nx)
    return max(named) or max(others) or None

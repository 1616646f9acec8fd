"""Models of a list: their shapes from the list itself where a configuration cannot be reached."""

import math
from collections.abc import Mapping
from typing import Any

from nil_audit.shape.architecture import Parameters, Shape


def listed_shape(row: Mapping[str, Any]) -> Shape | None:
    """A shape from one row of a model list, unchecked; None where the row lacks depth or width.

    Args:
        row: A row of ``nil_audit.catalog.lists.read_model_list``.
    """
    depth, width = _whole(row, "depth"), _whole(row, "width")
    if depth is None or width is None:
        return None
    vocabulary, tied = _whole(row, "vocab_size"), str(row.get("tied", "")).lower() == "true"
    return Shape(
        name=str(row["model"]),
        source="list",
        revision=None,
        model_type=str(row.get("model_type", "")),
        text_tower_of=None,
        depth=depth,
        width=width,
        heads=_whole(row, "heads"),
        kv_heads=_whole(row, "kv_heads"),
        head_size=_whole(row, "head_size"),
        mlp_width=_whole(row, "mlp_width"),
        vocab_size=vocabulary or 0,
        tied=tied,
        context=None,
        parameters=_parameters(row, vocabulary, width, tied),
        notes=(),
    )


def _whole(row: Mapping[str, Any], column: str) -> int | None:
    value = row.get(column, math.nan)
    return None if value is None or math.isnan(value) else int(value)


def _parameters(row: Mapping[str, Any], vocabulary: int | None, width: int, tied: bool) -> Parameters | None:
    """The listed total, split by the size of the embeddings where the vocabulary is known."""
    total = _whole(row, "parameters")
    if total is None or vocabulary is None:
        return None
    embedding = vocabulary * width * (1 if tied else 2)
    return Parameters(total=total, embedding=embedding, body=total - embedding)

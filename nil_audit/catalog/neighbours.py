"""The real models nearest to a candidate by budget and shape, with the scores that others have published for them."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from nil_audit.shape.architecture import Shape

NEIGHBOURS = 24
PROTOCOL = "leaderboard"


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """One real model of the shipped list.

    Attributes:
        model: Hub id.
        depth: Decoder blocks.
        width: Channels.
        parameters: Total.
        tokens: Training tokens, where published.
        nearness: Euclidean distance in (ln parameters, ln ratio).
        accuracy: MMLU-Pro under ``protocol``, raw, 0 to 1, as published; None where nobody has.
        stderr: Its binomial standard error.
        protocol: Of the score.
        source: Who published the score.
        uncertain: What in the list's row is not certain; empty where nothing is.
    """

    model: str
    depth: int
    width: int
    parameters: float
    tokens: float | None
    nearness: float
    accuracy: float | None
    stderr: float | None
    protocol: str
    source: str
    uncertain: str

    @property
    def ratio(self) -> float:
        """Depth / width."""
        return self.depth / self.width


def nearest(shape: Shape, count: int = NEIGHBOURS) -> tuple[Neighbour, ...]:
    """The models of the shipped list that are nearest in ln parameters and ln ratio, nearest first.

    Args:
        shape: With its parameters counted.
        count: How many.
    """
    from nil_audit.catalog.lists import shipped_list
    from nil_audit.catalog.scores import published_scores

    assert shape.parameters is not None
    total = shape.parameters.total
    table = published_scores(protocol=PROTOCOL, kind="base", one_per_model=True)
    scores = {str(row["model"]).lower(): row for row in table.to_dict("records")}

    def nearness(row: Mapping[Hashable, Any]) -> float:
        return math.hypot(math.log(row["parameters"] / total), math.log(row["depth"] / row["width"] / shape.ratio))

    rows = shipped_list().dropna(subset=["depth", "width", "parameters"]).to_dict("records")
    found = []
    for row in sorted(rows, key=nearness)[:count]:
        score = scores.get(row["model"].lower())
        found.append(
            Neighbour(
                model=row["model"],
                depth=int(row["depth"]),
                width=int(row["width"]),
                parameters=float(row["parameters"]),
                tokens=_number(row.get("tokens")),
                nearness=nearness(row),
                accuracy=_number(score["accuracy"]) if score else None,
                stderr=_number(score["stderr"]) if score else None,
                protocol=PROTOCOL,
                source=str(score["source"]) if score else "",
                uncertain=str(row.get("uncertain") or ""),
            )
        )
    return tuple(found)


def _number(value: Any) -> float | None:
    """A float, or None for a missing value."""
    return None if value is None or math.isnan(value) else float(value)

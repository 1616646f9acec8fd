"""The real models nearest to a candidate by budget and shape, with the scores that others have published for them."""

import math
from dataclasses import dataclass

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
    from nil_audit.score.published import published_for
    from nil_audit.study.model_list import shipped_list

    assert shape.parameters is not None
    total = shape.parameters.total
    rows = shipped_list().dropna(subset=["depth", "width", "parameters"]).to_dict("records")
    ranked = sorted(
        rows,
        key=lambda row: math.hypot(
            math.log(row["parameters"] / total), math.log(row["depth"] / row["width"] / shape.ratio)
        ),
    )
    found = []
    for row in ranked[:count]:
        scores = [score for score in published_for(row["model"]) if score["protocol"] == PROTOCOL]
        found.append(
            Neighbour(
                model=row["model"],
                depth=int(row["depth"]),
                width=int(row["width"]),
                parameters=float(row["parameters"]),
                tokens=_number(row.get("tokens")),
                nearness=math.hypot(
                    math.log(row["parameters"] / total), math.log(row["depth"] / row["width"] / shape.ratio)
                ),
                accuracy=scores[0]["accuracy"] if scores else None,
                stderr=scores[0]["stderr"] if scores else None,
                protocol=PROTOCOL,
                source=scores[0]["source"] if scores else "",
                uncertain=str(row.get("uncertain") or ""),
            )
        )
    return tuple(found)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None

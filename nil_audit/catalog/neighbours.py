"""The real models nearest to a candidate by budget and shape, with the scores that others have published for them."""

import math
from dataclasses import dataclass

from nil_audit.shape.architecture import Shape

NEIGHBOURS = 24
"""How many are named."""
PROTOCOL = "leaderboard"
"""The protocol with published scores for most of the list."""


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


def nearest(shape: Shape) -> tuple[Neighbour, ...]:
    """The models of the shipped list that are nearest in ln parameters and ln ratio, nearest first.

    Args:
        shape: With its parameters counted.

    Returns:
        `NEIGHBOURS` of them.
    """
    import numpy as np

    from nil_audit.catalog.lists import shipped_list
    from nil_audit.catalog.scores import published_scores

    assert shape.parameters is not None
    models = shipped_list().dropna(subset=["depth", "width", "parameters"])
    size = np.log(models["parameters"] / shape.parameters.total)
    ratio = np.log(models["depth"] / models["width"] / shape.ratio)
    models = models.assign(nearness=np.hypot(size, ratio), key=models["model"].str.lower())
    models = models.sort_values("nearness", kind="stable").head(NEIGHBOURS)
    scores = published_scores(protocol=PROTOCOL, kind="base", one_per_model=True)
    scores = scores.assign(key=scores["model"].str.lower())[["key", "accuracy", "stderr", "source"]]
    rows = models.merge(scores, on="key", how="left").fillna({"source": ""})
    return tuple(
        Neighbour(
            model=row["model"],
            depth=int(row["depth"]),
            width=int(row["width"]),
            parameters=row["parameters"],
            tokens=_known(row["tokens"]),
            nearness=row["nearness"],
            accuracy=_known(row["accuracy"]),
            stderr=_known(row["stderr"]),
            protocol=PROTOCOL,
            source=row["source"],
            uncertain=row["uncertain"],
        )
        for row in rows.to_dict("records")
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value

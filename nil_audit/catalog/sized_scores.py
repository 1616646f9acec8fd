"""Published scores beside the sizes of their models: what models of a size score under one protocol."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median

from nil_audit.catalog.lists import hub_key, shipped_list
from nil_audit.catalog.scores import PROTOCOL_TITLES, published_scores

NEAR = 1.5
"""Models of a size are those with this many times the parameters at most, and as many times fewer."""


@dataclass(frozen=True, kw_only=True)
class SizedScore:
    """One published score of a base model whose size is known.

    Attributes:
        model: Hub id.
        parameters: Total.
        accuracy: MMLU-Pro, raw, 0 to 1.
    """

    model: str
    parameters: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class NearSize:
    """What base models of about one size score, as published.

    Attributes:
        protocol: Of all their scores.
        scores: Of the models within a factor of `NEAR`, at least one, highest first.
    """

    protocol: str
    scores: tuple[SizedScore, ...]

    @property
    def median(self) -> float:
        """The middle accuracy."""
        return median(one.accuracy for one in self.scores)

    @property
    def low(self) -> float:
        """The lowest accuracy."""
        return self.scores[-1].accuracy

    @property
    def high(self) -> float:
        """The highest accuracy."""
        return self.scores[0].accuracy


@cache
def sized_scores(protocol: str) -> tuple[SizedScore, ...]:
    """The published scores of base models of the shipped list under one protocol, smallest model first.

    A protocol that nobody has published under has none.
    """
    if protocol not in PROTOCOL_TITLES:
        return ()
    sizes = shipped_list().dropna(subset=["parameters"])
    parameters = dict(zip(sizes["model"].map(hub_key), sizes["parameters"], strict=True))
    scores = published_scores(protocol=protocol, kind="base", one_per_model=True)
    found = [
        SizedScore(model=model, parameters=float(parameters[key]), accuracy=float(accuracy))
        for model, accuracy in zip(scores["model"], scores["accuracy"], strict=True)
        if (key := hub_key(model)) in parameters
    ]
    return tuple(sorted(found, key=lambda one: one.parameters))


def scores_near(parameters: float, protocol: str, *, without: Sequence[str] = ()) -> NearSize | None:
    """The published scores of base models within a factor of `NEAR` of a size; None where there are none.

    Args:
        parameters: Total parameters of the model that is to be placed.
        protocol: Of its score; scores of other protocols are never mixed in.
        without: Hub ids that are left out: the model itself.
    """
    own = {hub_key(name) for name in without}
    near = [
        one
        for one in sized_scores(protocol)
        if abs(math.log(one.parameters / parameters)) <= math.log(NEAR) and hub_key(one.model) not in own
    ]
    if not near:
        return None
    return NearSize(protocol=protocol, scores=tuple(sorted(near, key=lambda one: one.accuracy, reverse=True)))

"""What a depth profile's numbers do from a model's first blocks to its last, with paired errors.

The highest and the lowest of thirty blocks are chosen by their noise, so the contrasts here are fixed beforehand: the
first block, whose input is the embedding itself, the means over the first, the middle and the last third of the others,
and the differences of these. The gradients at all depths are of the same text, so each block of text is left out of all
of them at once, and what the parts share cancels.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nil_audit.auditing.measured import block_products
from nil_audit.interaction.metrics import unbiased_metrics
from nil_audit.stats.estimate import Estimate
from nil_audit.stats.jackknife import over_blocks

FOLLOWED = ("typical_efficiency", "rank_part", "sensitivity_part", "tail", "excess")
"""What is followed over the depth, in nats, the excess without a unit. The rank part ½ ln r(U) and the sensitivity part
-ln(typical sensitivity) add up to the typical efficiency, and so do their contrasts."""

Part = Literal["start", "first", "middle", "last"]
"""The first block, and thirds of the others."""


@dataclass(frozen=True, kw_only=True)
class Trend:
    """One number over the depth.

    Attributes:
        means: By part, from the first block on; a model of few blocks lacks some.
        changes: By two parts the later one's mean minus the earlier one's, paired.
    """

    means: Mapping[Part, Estimate]
    changes: Mapping[tuple[Part, Part], Estimate]

    @property
    def lowest(self) -> Part | None:
        """The part that lies below every other one, each time by a 95% interval that excludes zero; None: none does."""
        higher: Counter[Part] = Counter()
        for (early, late), change in self.changes.items():
            if change.excludes_zero:
                higher[early if change.value > 0 else late] += 1
        found = [part for part, count in higher.items() if count == len(self.means) - 1]
        return found[0] if found else None


def outer(others: int) -> int:
    """Blocks in the first and in the last part of those after the first block: a third, rounded, and one at least."""
    return max(1, round(others / 3))


def depth_trends(profile: Mapping[str, Any]) -> dict[str, Trend]:
    """What is followed over the depth, unbiased, with jackknife errors over the blocks of text.

    Args:
        profile: The section of a record. Of a profile of some blocks alone the parts are thirds of those.

    Returns:
        A trend for each of `FOLLOWED`, NaN where noise leaves a number undefined at some depth; empty of a profile of
        one depth.
    """
    products = [block_products(row["products"]) for row in profile["rows"]]
    if len(products) < 2:
        return {}
    parts = parts_of([row["depth"] for row in profile["rows"]])
    pairs = list(combinations(parts, 2))

    def compute(keep: NDArray[np.bool_]) -> dict[str, float]:
        values = np.array([_followed(unbiased_metrics(one.keep(keep))) for one in products])
        means = {part: values[rows].mean(axis=0) for part, rows in parts.items()}
        numbers = {(part,): mean for part, mean in means.items()} | {
            (early, late): means[late] - means[early] for early, late in pairs
        }
        return {
            " ".join((name, *which)): float(value)
            for which, found in numbers.items()
            for name, value in zip(FOLLOWED, found, strict=True)
        }

    found = over_blocks(compute, products[0].blocks)
    return {
        name: Trend(
            means={part: found[f"{name} {part}"] for part in parts},
            changes={(early, late): found[f"{name} {early} {late}"] for early, late in pairs},
        )
        for name in FOLLOWED
    }


def parts_of(depths: Sequence[int]) -> dict[Part, slice]:
    """The places of each part among the depths of a profile; the first block is a part where it was measured."""
    start = int(depths[0] == 0)
    others = len(depths) - start
    size = outer(others)
    ends: dict[Part, tuple[int, int]] = {
        "start": (0, start),
        "first": (start, start + size),
        "middle": (start + size, len(depths) - size),
        "last": (max(start + size, len(depths) - size), len(depths)),
    }
    return {part: slice(*place) for part, place in ends.items() if place[0] < place[1]}


def _followed(metrics: Mapping[str, float]) -> tuple[float, ...]:
    """The numbers of `FOLLOWED` at one depth."""
    efficiency = metrics["typical_efficiency"]
    rank_part = 0.5 * float(np.log(metrics["typical_rank"]))
    return efficiency, rank_part, efficiency - rank_part, metrics["tail"], metrics["excess"]

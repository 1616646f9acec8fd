"""What a depth profile's numbers do from a model's first blocks to its last, with paired errors.

The highest and the lowest of thirty blocks are chosen by their noise, so the contrasts here are fixed beforehand: the
means over the first, the middle and the last third of the blocks, and their differences. The gradients at all depths
are of the same text, so each block of text is left out of all of them at once, and what the parts share cancels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
_NUMBERS = ("first", "middle", "last", "first_to_middle", "middle_to_last", "first_to_last")

Part = Literal["first", "middle", "last"]


@dataclass(frozen=True, kw_only=True)
class Trend:
    """One number over the depth: its means over three parts of the blocks, and how these differ.

    Attributes:
        first: Over the first part.
        last: Over the last part.
        first_to_last: Last minus first, paired.
        middle: Over the blocks between; None where there are none.
        first_to_middle: Middle minus first, paired.
        middle_to_last: Last minus middle, paired.
    """

    first: Estimate
    last: Estimate
    first_to_last: Estimate
    middle: Estimate | None = None
    first_to_middle: Estimate | None = None
    middle_to_last: Estimate | None = None

    @property
    def lowest(self) -> Part | None:
        """The part that lies below every other one, each time by a 95% interval that excludes zero; None: none does."""
        early, late, whole = map(_direction, (self.first_to_middle, self.middle_to_last, self.first_to_last))
        if self.middle is None:
            early = late = whole
        if early > 0 and whole > 0:
            return "first"
        if late < 0 and whole < 0:
            return "last"
        return "middle" if early < 0 < late else None


def _direction(change: Estimate | None) -> int:
    if change is None or not change.excludes_zero:
        return 0
    return 1 if change.value > 0 else -1


def outer(depths: int) -> int:
    """Blocks in the first and in the last part: a third of them, rounded, and one at least."""
    return max(1, round(depths / 3))


def depth_trends(profile: Mapping[str, Any]) -> dict[str, Trend]:
    """What is followed over the depth, unbiased, with jackknife errors over the blocks of text.

    Args:
        profile: The section of a record. Of a profile of some blocks alone the parts are thirds of those.

    Returns:
        A trend for each of `FOLLOWED`, NaN where noise leaves a number undefined at some depth; empty of a profile of
        one depth, or without its products.
    """
    products = [block_products(row["products"]) for row in profile["rows"] if "products" in row]
    if len(products) < 2:
        return {}
    size = outer(len(products))
    between = len(products) - 2 * size

    def compute(keep: NDArray[np.bool_]) -> dict[str, float]:
        values = np.array([_followed(unbiased_metrics(one.keep(keep))) for one in products])
        first, last = values[:size].mean(axis=0), values[-size:].mean(axis=0)
        middle = values[size:-size].mean(axis=0) if between else np.full_like(first, np.nan)
        numbers = (first, middle, last, middle - first, last - middle, last - first)
        return {
            f"{part} {name}": float(value)
            for part, found in zip(_NUMBERS, numbers, strict=True)
            for name, value in zip(FOLLOWED, found, strict=True)
        }

    found = over_blocks(compute, products[0].blocks)
    parts = [part for part in _NUMBERS if between or "middle" not in part]
    return {name: Trend(**{part: found[f"{part} {name}"] for part in parts}) for name in FOLLOWED}


def _followed(metrics: Mapping[str, float]) -> tuple[float, ...]:
    """The numbers of `FOLLOWED` at one depth."""
    efficiency = metrics["typical_efficiency"]
    rank_part = 0.5 * float(np.log(metrics["typical_rank"]))
    return efficiency, rank_part, efficiency - rank_part, metrics["tail"], metrics["excess"]

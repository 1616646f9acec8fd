"""The interaction section of a record: from a measurement to a document, and from a document to its numbers again."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nil_audit.files import plain
from nil_audit.interaction.metrics import (
    ESTIMATOR_VERSION,
    BlockProducts,
    estimate,
    estimate_loss,
    unbiased_metrics,
)
from nil_audit.stats.estimate import Estimate
from nil_audit.stats.jackknife import independent, over_blocks

if TYPE_CHECKING:
    from nil_audit.interaction.measure import Interaction
    from nil_audit.interaction.output import OutputAgop
    from nil_audit.interaction.profile import Depth
    from nil_audit.interaction.totals import Round


def interaction_document(found: "Interaction", asked: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, block products, every estimate, the heaviest tokens and the cost of a measurement (docs/record.md).

    Args:
        found: The measurement.
        asked: What was asked for: tokens, precision, prefix.
    """
    last = found.result
    return plain(
        {
            "probe": {"name": found.probe, "sha256": found.probe_sha256},
            "window": found.window,
            "windows": last.windows,
            "context": found.context,
            "prefix": found.prefix,
            "asked": asked,
            "ended_by": found.ended_by,
            "estimator": ESTIMATOR_VERSION,
            **_round(last),
            "estimates": estimates(last.products),
            "loss": estimate_loss(last.products, last.block_loss, last.block_bytes),
            "heaviest": found.heaviest,
            "zero_share": found.zero_share,
            "rounds": [{"windows": one.windows, **_round(one)} for one in found.rounds[:-1]],
            "cost": {
                "seconds": found.seconds,
                "tokens_per_second": last.windows * found.window / found.seconds,
                "peak_memory_bytes": found.peak_memory,
                "batch_size": found.batch_size,
                "processes": found.processes,
            },
        }
    )


def profile_document(found: Sequence["Depth"], *, blocks: int) -> dict[str, Any]:
    """Block products and estimates at every measured depth (docs/record.md).

    Args:
        found: What the inputs of decoder blocks gave.
        blocks: L, decoder blocks of the model.
    """
    return plain(
        {
            "blocks": blocks,
            "depths": [one.depth for one in found],
            "memory_bytes": sum(one.memory for one in found),
            "rows": [
                {
                    "depth": one.depth,
                    "relative": one.depth / blocks,
                    "estimates": estimates(one.products),
                    "products": one.products,
                }
                for one in found
            ],
        }
    )


def output_document(found: "OutputAgop", asked: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, block products, estimates and the cost of an output AGOP (docs/record.md).

    Args:
        found: The measurement.
        asked: What was asked for: tokens, precision, prefix.
    """
    from nil_audit.interaction.jacobian import SEED

    return plain(
        {
            "outputs": found.products.width,
            "seed": SEED,
            "window": found.window,
            "windows": found.windows,
            "prefix": found.prefix,
            "asked": asked,
            "ended_by": found.ended_by,
            "estimates": estimates(found.products),
            "products": found.products,
            "cost": {
                "seconds": found.seconds,
                "peak_memory_bytes": found.peak_memory,
                "batch_size": found.batch_size,
                "processes": found.processes,
            },
        }
    )


def _round(one: "Round") -> dict[str, Any]:
    return {
        "tokens": one.tokens,
        "products": one.products,
        "block_loss": one.block_loss,
        "block_bytes": one.block_bytes,
    }


def estimates(products: BlockProducts) -> dict[str, dict[str, Estimate]]:
    """Every metric of block products in both estimates.

    Raises:
        MeasurementError: Fewer than 3 blocks.
    """
    return {"plugin": estimate(products, "plugin"), "unbiased": estimate(products, "unbiased")}


def block_products(document: Mapping[str, Any]) -> BlockProducts:
    """The block products of a record, or of one of its rounds, from their document."""
    given = {key: values for key, values in document.items() if key != "width" and values is not None}
    arrays = {key: np.asarray(values, dtype=float) for key, values in given.items()}
    return BlockProducts(width=int(document["width"]), **arrays)


def all_estimates(interaction: Mapping[str, Any]) -> dict[str, dict[str, Estimate]]:
    """Every estimate anew from the block products of an interaction, or of one of its rounds.

    Returns:
        "plugin" and "unbiased" by metric, and "loss".
    """
    products = block_products(interaction["products"])
    loss, size = np.asarray(interaction["block_loss"]), np.asarray(interaction["block_bytes"])
    return {**estimates(products), "loss": estimate_loss(products, loss, size)}


Setting = tuple[tuple[str, Hashable], ...]
"""Names and values of what two measurements have to share."""


def setting_of(interaction: Mapping[str, Any]) -> Setting:
    """What has to be the same of two interactions for their numbers to be held against each other, by name.

    How much text was read is not among it: unbiased numbers do not depend on it. Of the first estimator's records,
    which read bare windows, the context is 0.
    """
    return (
        ("estimator", str(interaction.get("estimator"))),
        ("probe", str((interaction.get("probe") or {}).get("sha256"))),
        ("window", str(interaction.get("window"))),
        ("context", str(interaction.get("context", 0))),
        ("document start", "yes" if interaction.get("prefix") else "no"),
    )


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A metric of one model minus that of another.

    Attributes:
        estimate: With its 95% interval.
        paired: Whether both were read on the same windows, so that what these share cancels.
        windows: On how many, where they are paired.
    """

    estimate: Estimate
    paired: bool
    windows: int | None


def difference(one: Mapping[str, Any], other: Mapping[str, Any], metric: str) -> Difference | None:
    """A metric of one interaction minus that of another, unbiased.

    Where both read the same windows (so their tokenizers agree), blocks of text are left out of both at once, at the
    largest round that both have. Else, or where noise leaves that undefined, their standard errors are added in
    quadrature.

    Returns:
        None where the two are not comparable, or one lacks the metric.
    """
    values = [document["estimates"]["unbiased"].get(metric) for document in (one, other)]
    if setting_of(one) != setting_of(other) or any(found is None or found["value"] is None for found in values):
        return None
    if common := _common_rounds(one, other):
        windows, (here, there) = max(common.items(), key=lambda item: item[0])
        found = paired(block_products(here["products"]), block_products(there["products"]), [metric])[metric]
        if math.isfinite(found.value) and found.se is not None and math.isfinite(found.se):
            return Difference(estimate=found, paired=True, windows=windows)
    first, second = (Estimate.from_dict(found) for found in values if found is not None)
    return Difference(estimate=independent(first, second, len(one["block_bytes"])), paired=False, windows=None)


def _common_rounds(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[int, tuple[Any, Any]]:
    """Rounds over the same windows, by their number: the text of every block is as long for both."""
    here, there = (
        # a reference has estimates alone
        {found["windows"]: found for found in (*document.get("rounds", ()), document) if "products" in found}
        for document in (one, other)
    )
    return {
        windows: (here[windows], there[windows])
        for windows in here.keys() & there.keys()
        if list(here[windows]["block_bytes"]) == list(there[windows]["block_bytes"])
        and {"products"} <= here[windows].keys() & there[windows].keys()  # a reference may go without them
    }


def paired(one: BlockProducts, other: BlockProducts, metrics: Sequence[str]) -> dict[str, Estimate]:
    """Metrics of one measurement minus those of another, unbiased, each block of text left out of both at once."""

    def compute(keep: NDArray[np.bool_]) -> dict[str, float]:
        here, there = unbiased_metrics(one.keep(keep)), unbiased_metrics(other.keep(keep))
        return {metric: here[metric] - there[metric] for metric in metrics}

    return over_blocks(compute, one.blocks)

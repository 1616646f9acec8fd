"""Sections of a record that are measured on request, simulated: documents as `nil_audit.auditing` writes them.

``record_with(record_of(), profile=profile_section(), ...)`` is a record that holds them.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from nil_audit.auditing.measured import all_estimates, block_products, estimates
from nil_audit.auditing.record import Record
from nil_audit.files import plain
from nil_audit.interaction.metrics import (
    MEAN_METRICS,
    METRICS,
    BlockProducts,
    against_null,
    mean_is_covered,
    moments_to_metrics,
    unbiased_metrics,
)
from nil_audit.stats.estimate import Array, Estimate
from nil_audit.stats.jackknife import independent, over_blocks
from tests.report.records import BLOCKS, CHANNELS, sums

ROLES = ("query", "key", "value", "mlp_in", "mlp_gate")
OUTPUTS = 64
NULL_SD = (2 / ((CHANNELS - 1) * (CHANNELS + 2))) ** 0.5
COMPARED = ("typical_efficiency", "typical_spread", "typical_sensitivity", "aofe_ratio", "excess", "tail")
"""Metrics of which a variant's difference to the baseline is given."""


def record_with(record: Record, **sections: Mapping[str, Any] | None) -> Record:
    """The record with other sections."""
    return replace(record, **sections)  # type: ignore[arg-type]


def profile_section(seed: int = 0, blocks: int = 6, *, left_out: int = 0) -> dict[str, Any]:
    """The profile of a model: directions widen and gradients shorten with depth, residuals grow.

    Args:
        seed: Of the gradients; row 0 is that of `record_of(seed=seed)`.
        blocks: Of the model.
        left_out: Every so many-th block alone was measured; 0: all.
    """
    depths = list(range(0, blocks, left_out or 1))
    rows = []
    for depth in depths:
        place = depth / blocks
        found = dict(_numbers(seed, 0.7 - 0.2 * place, 0.2 + 0.6 * place)["products"])
        found["embedding_square"] = [0.01 * (1 + 40 * depth)] * BLOCKS
        for name, power in (("gram", 4), ("diagonal_gram", 4), ("trace", 2)):
            found[name] = (np.array(found[name]) * (1 - 0.8 * place) ** power).tolist()
        found["log_norm"] = (np.array(found["log_norm"]) + 2 * np.log(1 - 0.8 * place)).tolist()
        rows.append(
            {"depth": depth, "relative": place, "estimates": estimates(block_products(found)), "products": found}
        )
    return _plain(
        {"blocks": blocks, "depths": depths, "memory_bytes": 32 * len(depths) * CHANNELS**2 * 4, "rows": rows}
    )


def output_section(seed: int = 0, *, windows: int = 64, tilt: float = 0.0, **fields: Any) -> dict[str, Any]:
    """The output AGOP of a model.

    Args:
        seed: Of its Jacobians.
        windows: Their number.
        tilt: How much more some outputs move than others: 0 leaves the random basis that a projection makes.
        **fields: What is different.
    """
    rng = np.random.default_rng([seed, windows])
    scales = np.geomspace(1.0, 0.02, OUTPUTS)
    basis = np.linalg.qr(rng.normal(size=(OUTPUTS, OUTPUTS)))[0]
    size = np.exp(rng.normal(0, 0.5, size=(windows, 1, 1)))
    jacobians = rng.normal(size=(windows, OUTPUTS, 96)) * size
    jacobians = np.einsum("ij,wjk->wik", basis * scales, jacobians) * np.exp(-tilt * np.arange(OUTPUTS))[:, None]
    means = np.einsum("wik,wjk->wij", jacobians, jacobians).reshape(BLOCKS, -1, OUTPUTS, OUTPUTS).mean(1)
    diagonal = np.einsum("bii->bi", means)
    products = {
        "width": OUTPUTS,
        "tokens": [windows // BLOCKS] * BLOCKS,
        "gram": np.einsum("aij,bij->ab", means, means),
        "diagonal_gram": diagonal @ diagonal.T,
        "trace": diagonal.sum(1),
        "embedding_square": [0.01] * BLOCKS,
    }
    found = estimates(block_products(plain(products)))
    assert all(tuple(found[kind]) == MEAN_METRICS for kind in ("plugin", "unbiased"))
    return _plain(
        {
            "outputs": OUTPUTS,
            "seed": 0,
            "window": 128,
            "windows": windows,
            "prefix": "<|endoftext|>",
            "asked": {"tokens": 131_072, "precision": 0.01},
            "ended_by": "precision",
            "estimates": found,
            "products": products,
            "cost": {"seconds": 41.5, "peak_memory_bytes": 1_500_000_000},
            **fields,
        }
    )


def ansatz_section(seed: int = 0, blocks: int = 6, *, holds: float = 0.4) -> dict[str, Any]:
    """The ansatz check of a model: W'ᵀW' is this share the AGOP of its input, the rest another matrix.

    Args:
        seed: Of all matrices.
        blocks: Of the model.
        holds: 0: in a random basis; 1: proportional.
    """
    rng = np.random.default_rng([seed, blocks])
    maps = []
    for depth in range(blocks):
        inputs = _block_matrices(rng)
        for role in ROLES:
            other = _turned(np.diag(np.geomspace(1, 0.1, CHANNELS)), rng)
            agop = inputs.mean(0)
            weight = holds * (1 - depth / blocks) * agop / np.trace(agop) + (1 - holds) * other / np.trace(other)
            typical, mean = alignment(weight, inputs), alignment(weight, _block_matrices(rng, like=inputs, noise=0.3))
            maps.append(
                {
                    "depth": depth,
                    "role": role,
                    "path": f"model.layers.{depth}.{role}_proj",
                    "rows": 3 * CHANNELS,
                    "norm": "rms",
                    "typical": typical,
                    "mean": mean,
                    "null_sd": NULL_SD,
                    "beats_null": bool(typical.low > 1.96 * NULL_SD),
                    "other_blocks": {"typical": 0.6 * typical.value, "mean": 0.6 * mean.value},
                    "through_map": {"typical": 0.5, "mean": 0.4},
                    "beats_through_map": bool(typical.low > 0.5),
                }
            )
    shares = {role: _share([one for one in maps if one["role"] == role]) for role in ROLES}
    return _plain(
        {
            "blocks": blocks,
            "depths": list(range(blocks)),
            "memory_bytes": 32 * blocks * CHANNELS**2 * 4,
            "maps": maps,
            "shares": {**shares, "all": _share(maps)},
            "left_out": [],
        }
    )


def _share(maps: list[dict[str, Any]]) -> dict[str, Any]:
    over = [one["typical"].value > one["other_blocks"]["typical"] for one in maps]
    beats = [one["beats_null"] for one in maps]
    return {
        "maps": len(maps),
        "beats_null": float(np.mean(beats)),
        "beats_other_blocks": float(np.mean(over)),
        "beats_through_map": float(np.mean([one["beats_through_map"] for one in maps])),
    }


def superposition_section(seed: int = 0, *, tied: bool = False, aligned: float = 0.5) -> dict[str, Any]:
    """Parameter space beside gradient space.

    Args:
        seed: Of all matrices.
        tied: Whether the unembedding is the embedding.
        aligned: Share of the embedding's WᵀW that is the gradients' own matrix.
    """
    rng = np.random.default_rng([seed, 3])
    gradients = _block_matrices(rng)
    agop = gradients.mean(0)

    def table() -> Array:
        return aligned * agop / np.trace(agop) + (1 - aligned) * _turned(
            np.diag(np.geomspace(0.3, 0.01, CHANNELS)), rng
        )

    def both(gram: Array) -> dict[str, Estimate]:
        return {"typical": alignment(gram, gradients), "mean": alignment(gram, 0.5 * gradients + gradients[::-1])}

    here, there = table(), table()
    return _plain(
        {
            "embedding": _weight_metrics(here),
            "unembedding": None if tied else _weight_metrics(there),
            "alignment": {
                "embedding": both(here),
                "unembedding": None if tied else both(there),
                "null_sd": NULL_SD,
            },
        }
    )


def _weight_metrics(gram: Array) -> dict[str, float]:
    trace = float(np.trace(gram))
    found = moments_to_metrics(
        frobenius=float((gram**2).sum()),
        diagonal=float((np.diag(gram) ** 2).sum()),
        trace=trace,
        trace_squared=trace**2,
        scale=1.0,
        width=CHANNELS,
    )
    return {name: value for name, value in found.items() if name not in ("sensitivity", "interaction_efficiency")}


def sensitivity_section(
    seed: int = 0, *, moves: Mapping[str, float] | None = None, without: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What moves the answer.

    Args:
        seed: Of the gradients; the baseline is `record_of(seed=seed)`.
        moves: Nats by which the typical efficiency of a variant differs; half the window by -0.4 unless said otherwise.
        without: Variants that were not measured, each with why.
    """
    moves, without = {"half_window": -0.4} if moves is None else moves, without or {}
    baseline = _variant("baseline", seed, 0.0, {})
    names = (
        *("half_window", "double_window", "no_context", "other_text"),
        *("random_rotation", "hadamard_rotation"),
    )
    variants = [baseline, *(_variant(one, seed, moves.get(one, 0.0), baseline) for one in names if one not in without)]
    kept = [{name: value for name, value in one.items() if name != "products"} for one in variants]
    return _plain({"variants": kept, "left_out": [{"name": name, "why": why} for name, why in without.items()]})


def _variant(name: str, seed: int, shift: float, baseline: Mapping[str, Any]) -> dict[str, Any]:
    rotated = name.endswith("rotation")
    other = {"half_window": 101, "double_window": 102, "other_text": 103}.get(name, 0)
    numbers = dict(_numbers(seed + other, 0.7, turned=name if rotated else ""))
    products = dict(numbers["products"])
    products["embedding_square"] = [0.01 * np.exp(-shift)] * BLOCKS
    numbers["products"] = products
    all_ = all_estimates(numbers)
    found = {metric: all_["unbiased"][metric] for metric in METRICS}
    whole = block_products(products)
    differences: dict[str, Estimate] = {}
    if baseline:
        paired = _paired(whole, baseline["products"])
        differences = {
            metric: paired[metric]
            if rotated or name == "no_context"
            else independent(found[metric], baseline["estimates"][metric], BLOCKS)
            for metric in COMPARED
        }
    moved = differences.get("typical_efficiency")
    says = {
        "one_token": False,
        "excess": against_null(found["excess"], found["effective_rank"], CHANNELS),
        "tail_covered": mean_is_covered(found["tail"].value, numbers["tokens"]),
        "efficiency": "moved" if moved and moved.excludes_zero and abs(moved.value) > 1e-9 else "same",
    }
    window = {"half_window": 256, "double_window": 1024}.get(name, 512)
    return {
        "name": name,
        "probe": "builtin" if name == "other_text" else "wikitext",
        "window": window,
        "windows": 64 * 512 // window,
        "tokens": numbers["tokens"],
        "context": 0 if name == "no_context" else 16,
        "prefix": None if name == "no_context" else "<|endoftext|>",
        "estimates": found,
        "loss_per_token": all_["loss"]["loss_per_token"],
        "difference": differences,
        "paired": bool(baseline) and (rotated or name == "no_context"),
        "says": says,
        "changed": [fact for fact, value in says.items() if baseline and value != baseline["says"][fact]],
        "products": whole,
    }


def _paired(one: BlockProducts, other: BlockProducts) -> dict[str, Estimate]:
    def compute(keep: Any) -> dict[str, float]:
        here, there = unbiased_metrics(one.keep(keep)), unbiased_metrics(other.keep(keep))
        return {name: here[name] - there[name] for name in COMPARED}

    return over_blocks(compute, BLOCKS)


def alignment(fixed: Array, blocks: Array) -> Estimate:
    """Pearson's correlation of a matrix with the mean of block matrices, both without their isotropic part."""

    def centred(matrix: Array) -> Array:
        return matrix - np.trace(matrix) / len(matrix) * np.eye(len(matrix))

    def compute(keep: Any) -> dict[str, float]:
        here, there = centred(fixed), centred(blocks[keep].mean(0))
        return {"rho": float((here * there).sum() / np.linalg.norm(here) / np.linalg.norm(there))}

    return over_blocks(compute, BLOCKS)["rho"]


def _block_matrices(rng: np.random.Generator, like: Array | None = None, noise: float = 0.15) -> Array:
    """Symmetric matrices, shape (K, d, d), that share one matrix but for noise."""
    common = _turned(np.diag(np.geomspace(1, 0.05, CHANNELS)), rng) if like is None else like.mean(0)
    rough = rng.normal(scale=noise / CHANNELS, size=(BLOCKS, CHANNELS, CHANNELS))
    return common + (rough + rough.swapaxes(1, 2)) / 2


def _turned(matrix: Array, rng: np.random.Generator) -> Array:
    basis = np.linalg.qr(rng.normal(size=matrix.shape))[0]
    return np.asarray(basis @ matrix @ basis.T)


@cache
def _numbers(seed: int, heaviness: float, decay: float = 0.2, turned: str = "") -> Mapping[str, Any]:
    return sums(seed, 64, heaviness, decay, turned)


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = plain(document)
    return found


SECTIONS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "profile": profile_section,
    "output": output_section,
    "ansatz": ansatz_section,
    "sensitivity": sensitivity_section,
}
"""What makes each section that is measured on request."""

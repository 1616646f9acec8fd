"""The Neural Feature Ansatz, map by map: is WᵀW of what reads the residual stream like the AGOP of its input?

Of a map with weight W behind a norm x = γ ⊙ n + a constant, A = W'ᵀW' with W' = W diag(γ), and M is the AGOP of the
loss with respect to n, or its direction AGOP, so that no number knows how a scale is shared out between γ and W;
centred both where the norm takes the mean away (the ansatz: Radhakrishnan et al., Science 383, 2024). Gradients go
through W itself, which alone makes ρ positive: an untrained network beats the null of a random basis, and other blocks'
maps of the same role too. So beside these stands what ρ is where the gradient comes back to the map's output in a
random basis, which untrained networks do not beat.

Shape legend: d channels, L decoder blocks.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nil_audit.interaction.alignment import Moments, inner_products, moments, null_sd, squared, through_map, traceless
from nil_audit.interaction.gradients import exact_matmul
from nil_audit.interaction.maps import StreamMap, find_maps
from nil_audit.interaction.place_totals import PlaceTotals
from nil_audit.interaction.places import Place, block_inputs, decoder_blocks, widths
from nil_audit.stats.estimate import Estimate
from nil_audit.weights.checkpoint import Checkpoint

_NULL_SDS = 1.96


@dataclass(frozen=True, kw_only=True)
class MapAlignment:
    """How like the AGOP of its input one map is.

    Attributes:
        depth: Its decoder block, from 0.
        role: See `nil_audit.interaction.maps.StreamMap`.
        path: Of its module within the block.
        rows: R.
        norm: "rms", "layer" or "none".
        typical: ρ with the direction AGOP, of ĝ = g/|g|.
        mean: ρ with the AGOP.
        null_sd: Standard deviation of ρ for the same spectrum in a random basis, whose mean is 0.
        other_typical: Median ρ of other blocks' maps with this block's direction AGOP; None: there are none.
        other_mean: The same with this block's AGOP.
        through_typical: ρ where the gradient at the map's output is in a random basis, of M of this effective rank
            (`nil_audit.interaction.alignment.through_map`), for the direction AGOP.
        through_mean: The same for the AGOP.
    """

    depth: int
    role: str
    path: str
    rows: int
    norm: str
    typical: Estimate
    mean: Estimate
    null_sd: float
    other_typical: float | None
    other_mean: float | None
    through_typical: float
    through_mean: float

    @property
    def beats_null(self) -> bool:
        """Whether the lower end of the 95% interval of the typical ρ is above 1.96 standard deviations of the null."""
        return self.typical.low is not None and self.typical.low > _NULL_SDS * self.null_sd

    @property
    def beats_other_blocks(self) -> bool | None:
        """Whether the typical ρ is above that of other blocks' maps; None where there are none."""
        return None if self.other_typical is None else self.typical.value > self.other_typical

    @property
    def beats_through_map(self) -> bool:
        """Whether the lower end of the interval is above ρ of a gradient that is random at the map's output."""
        return self.typical.low is not None and self.typical.low > self.through_typical


@dataclass(frozen=True, kw_only=True)
class AnsatzReading:
    """What an ansatz check found.

    Attributes:
        depths: The decoder blocks that were looked at.
        maps: Their maps, block by block.
        memory: Bytes of the sums that it took.
        left_out: A sentence for whatever reads the stream and was not checked.
    """

    depths: tuple[int, ...]
    maps: tuple[MapAlignment, ...]
    memory: int
    left_out: tuple[str, ...]


class Ansatz:
    """Reads the ansatz off a measurement; a `nil_audit.interaction.measure.Watcher`.

    What is held beside the sums of the places: a matrix of d x d a map, and two a place, in float32 on the host.
    """

    def __init__(self, checkpoint: Checkpoint, depths: Sequence[int]) -> None:
        """Find the maps of some decoder blocks of a loaded model; their inputs are the places that it watches.

        Raises:
            MeasurementError: A block runs other than once in a forward pass.
        """
        widths(checkpoint.model, block_inputs(checkpoint, depths))
        self._depths = tuple(depths)
        self._maps, self._left_out = find_maps(checkpoint.model, decoder_blocks(checkpoint), depths)
        self.places: tuple[Place, ...] = tuple(dict.fromkeys(one.place for one in self._maps))

    def read(self, embedding: PlaceTotals, places: Sequence[PlaceTotals]) -> AnsatzReading:
        """ρ of every map with the typical and the mean AGOP of its input, and of other blocks' maps with the same."""
        with exact_matmul():
            fixed, sizes = [], []
            for one in self._maps:
                whole = squared(one.weight, one.norm)
                fixed.append(traceless(whole, one.norm))
                sizes.append((float(whole.trace()), float(torch.linalg.matrix_norm(whole)) ** 2))
        found: list[tuple[Estimate, Estimate]] = [None] * len(fixed)  # type: ignore[list-item]
        at: dict[Place, tuple[Moments, Moments]] = {}
        for place, totals in zip(self.places, places, strict=True):
            mine = [index for index, one in enumerate(self._maps) if one.place is place]
            norm, here = self._maps[mine[0]].norm, [fixed[index] for index in mine]
            at[place] = (
                moments(totals.direction, totals.directions, norm, here),
                moments(totals.mean, totals.tokens, norm, here),
            )
            for index, pair in zip(mine, zip(*(one.correlations() for one in at[place]), strict=True), strict=True):
                found[index] = pair
        others = self._others(fixed, at)
        maps = tuple(
            MapAlignment(
                depth=one.depth,
                role=one.role,
                path=one.path,
                rows=one.count,
                norm=one.norm.kind,
                typical=typical,
                mean=mean,
                null_sd=null_sd(one.norm.dimensions),
                other_typical=other_typical,
                other_mean=other_mean,
                through_typical=_through(one, size, at[one.place][0]),
                through_mean=_through(one, size, at[one.place][1]),
            )
            for one, size, (typical, mean), (other_typical, other_mean) in zip(
                self._maps, sizes, found, others, strict=True
            )
        )
        memory = sum(one.memory for one in places)
        return AnsatzReading(depths=self._depths, maps=maps, memory=memory, left_out=self._left_out)

    def _others(
        self, fixed: Sequence[torch.Tensor], at: dict[Place, tuple[Moments, Moments]]
    ) -> list[tuple[float | None, float | None]]:
        """For each map the median ρ of other blocks' maps of its role with its own block's AGOP, typical and mean."""
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index, one in enumerate(self._maps):
            groups[one.role, one.path].append(index)
        result: list[tuple[float | None, float | None]] = [(None, None)] * len(fixed)
        for members in groups.values():
            if len(members) < 2:
                continue
            pairs = []
            for kind in range(2):
                totals = [at[self._maps[index].place][kind] for index in members]
                products = inner_products([one.total for one in totals], [fixed[index] for index in members])
                products /= np.array([one.size for one in totals])[:, None]
                away = products[~np.eye(len(members), dtype=bool)].reshape(len(members), -1)
                pairs.append(np.median(away, axis=1).tolist())
            for index, pair in zip(members, zip(*pairs, strict=True), strict=True):
                result[index] = pair
        return result


def _through(one: StreamMap, size: tuple[float, float], found: Moments) -> float:
    trace, square = size
    return through_map(trace=trace, square=square, rows=one.count, dimensions=one.norm.dimensions, rank=found.rank)


def ansatz_document(reading: AnsatzReading, *, blocks: int) -> dict[str, Any]:
    """The ansatz section of a record (docs/record.md).

    Args:
        reading: What was found.
        blocks: L.
    """
    roles = dict.fromkeys(one.role for one in reading.maps)
    return {
        "blocks": blocks,
        "depths": list(reading.depths),
        "memory_bytes": reading.memory,
        "maps": [_map_document(one) for one in reading.maps],
        "shares": {
            **{role: _shares([one for one in reading.maps if one.role == role]) for role in roles},
            "all": _shares(reading.maps),
        },
        "left_out": list(reading.left_out),
    }


def _map_document(one: MapAlignment) -> dict[str, Any]:
    return {
        "depth": one.depth,
        "role": one.role,
        "path": one.path,
        "rows": one.rows,
        "norm": one.norm,
        "typical": one.typical.to_dict(),
        "mean": one.mean.to_dict(),
        "null_sd": one.null_sd,
        "beats_null": one.beats_null,
        "other_blocks": {"typical": one.other_typical, "mean": one.other_mean},
        "through_map": {"typical": one.through_typical, "mean": one.through_mean},
        "beats_through_map": one.beats_through_map,
    }


def _shares(maps: Sequence[MapAlignment]) -> dict[str, Any]:
    """How many maps, and the shares of them that beat each control."""
    beats = [own for one in maps if (own := one.beats_other_blocks) is not None]
    return {
        "maps": len(maps),
        "beats_null": _share([one.beats_null for one in maps]),
        "beats_other_blocks": _share(beats),
        "beats_through_map": _share([one.beats_through_map for one in maps]),
    }


def _share(facts: Sequence[bool]) -> float | None:
    return sum(facts) / len(facts) if facts else None

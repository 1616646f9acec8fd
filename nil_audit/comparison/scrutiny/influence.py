"""What the answer hangs on: the fewest models, or organisations, whose removal changes it.

The search is greedy: the removal that moves the target most is made, and again from there. What it finds is therefore
an upper bound on the fewest (Broderick, Giordano and Meager 2020), but for the sign of the effect, where every single
one and every pair are tried first. Candidates are ranked by refits on second moments, the jackknife included, that are
exact but for the columns of the size control, which stay as they are with the models that are left; what a removal
comes to is then estimated from scratch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.effect.dose import dose_terms
from nil_audit.comparison.effect.estimate import design, effect, from_moments, regressors
from nil_audit.comparison.effect.sample import Sample, coded
from nil_audit.comparison.findings import Effect, Influence, Removal
from nil_audit.stats.estimate import Array
from nil_audit.stats.jackknife import quantile
from nil_audit.stats.least_squares import Codes, group_moments

MOST_REMOVED = {"model": 12, "organisation": 5}
"""Removals after which a search is given up, or after a quarter of all."""

SHOWN = 10
"""Models, and organisations, that are named for moving the effect most."""

TARGETS = {
    "cannot_tell": ("sign", "interval", "contradicted"),
    "supported": ("sign", "cannot_tell", "contradicted"),
    "contradicted": ("sign", "cannot_tell", "supported"),
}
"""What is searched for, by the answer with all models: see `nil_audit.comparison.findings.Removal`."""

_AMONG = 200
"""Every pair is tried of so many models, those whose own removal moves the effect most where there are more."""

_FROM_SCRATCH = 5
"""Of the single ones, and of the pairs, so many that go farthest by their moments are estimated from scratch."""

_REFITS = 20_000
"""Refits in one step of a search; where there are more, only the candidates that move the effect most are tried."""


def influence(sample: Sample, *, study: str, control: str) -> Influence | None:
    """The fewest models and organisations that the answer hangs on, and those that move the effect most.

    Args:
        sample: The models.
        study: Whose dose.
        control: How size is held fixed.

    Returns:
        None where there is no interval with all models. Organisations that are not known are not removed, and none is
        where there is only one.
    """
    search = _Search(sample, study, control)
    first = search.effect(sample)
    if first is None or first.verdict not in TARGETS:
        return None
    units = [unit for unit in MOST_REMOVED if len(search.names(sample, unit)) > 2]
    return Influence(
        removals=tuple(search.removal(first, unit, target) for unit in units for target in TARGETS[first.verdict]),
        models=search.changes(first, "model"),
        organisations=search.changes(first, "organisation") if "organisation" in units else {},
    )


@dataclass(frozen=True)
class _Search:
    whole: Sample
    study: str
    control: str

    def effect(self, sample: Sample) -> Effect | None:
        """From scratch."""
        return effect(sample, row="primary", study=self.study, control=self.control)

    def without(self, names: Sequence[str], unit: str) -> Sample:
        """The models that are left when these are removed."""
        return self.whole.part(~self.whole.table[unit].isin(names).to_numpy())

    def names(self, sample: Sample, unit: str) -> tuple[str, ...]:
        """The candidates for removal."""
        return tuple(name for name in coded(sample.table[unit])[1] if name)

    def changes(self, first: Effect, unit: str) -> dict[str, float]:
        """How the effect changes without each one, the largest changes first."""
        moments = _Moments(self.whole, self.study, self.control, unit)
        moved = np.abs(moments.values(np.arange(len(moments.names))[:, None]) - first.estimate.value)
        largest = [moments.names[one] for one in np.argsort(-np.nan_to_num(moved), kind="stable")[: 2 * SHOWN]]
        found = {name: self.effect(self.without([name], unit)) for name in largest if name}
        changed = {name: one.estimate.value - first.estimate.value for name, one in found.items() if one is not None}
        return dict(sorted(changed.items(), key=lambda change: (-abs(change[1]), change[0]))[:SHOWN])

    def most(self, unit: str) -> int:
        """Removals that are tried."""
        return min(MOST_REMOVED[unit], max(1, len(self.names(self.whole, unit)) // 4))

    def removal(self, first: Effect, unit: str, target: str) -> Removal:
        """The smallest set that is found to reach a target."""
        for removed in chain(self._small(first, unit, target), self._greedy(first, unit, target)):
            found = self.effect(self.without(removed, unit))
            if found is not None and _reached(first, found, target):
                return Removal(unit=unit, target=target, removed=removed, tried=self.most(unit), effect=found)
        return Removal(unit=unit, target=target, removed=(), tried=self.most(unit), effect=None)

    def _small(self, first: Effect, unit: str, target: str) -> Iterator[tuple[str, ...]]:
        """The single ones and the pairs that turn the effect farthest towards the other sign."""
        if target != "sign":
            return
        moments = _Moments(self.whole, self.study, self.control, unit)
        single = moments.candidates()[:, None]
        left = _margin(target, first, moments.values(single))
        order = np.argsort(-left, kind="stable")
        among = single[order[:_AMONG], 0] if self.most(unit) > 1 else single[:0, 0]
        pairs = np.array(list(combinations(among, 2)), dtype=np.int64).reshape(-1, 2)
        for sets, margins in ((single, left), (pairs, _margin(target, first, moments.values(pairs)))):
            for one in np.argsort(-margins, kind="stable")[:_FROM_SCRATCH]:
                yield tuple(moments.names[code] for code in sets[one])

    def _greedy(self, first: Effect, unit: str, target: str) -> Iterator[tuple[str, ...]]:
        """One removal more each time, the one that moves the target most."""
        removed: tuple[str, ...] = ()
        while len(removed) < self.most(unit):
            sample = self.without(removed, unit) if removed else self.whole
            if self.effect(sample) is None or len(self.names(sample, unit)) < 2:
                return
            moments = _Moments(sample, self.study, self.control, unit)
            candidates = moments.candidates()
            values = moments.values(candidates[:, None])
            if target == "sign":
                margins = _margin(target, first, values)
            else:
                fewer = max(1, _REFITS // sample.groups)
                moved = np.nan_to_num(np.abs(values - moments.values(np.zeros((1, 0), dtype=np.int64))))
                kept = np.sort(np.argsort(-moved, kind="stable")[:fewer])
                candidates = candidates[kept]
                error, groups = moments.errors(candidates, values[kept])
                margins = _margin(target, first, values[kept], error, groups)
            removed = (*removed, moments.names[candidates[int(np.argmax(margins))]])
            yield removed


class _Moments:
    """Second moments of one sample: in total, and of what each unit and each group adds to them."""

    def __init__(self, sample: Sample, study: str, control: str, unit: str) -> None:
        self.unit, self.names = coded(sample.table[unit])
        self.group: Codes = sample.group
        made_of = regressors(sample, dose_terms(sample, sample.excess(study)), design(sample, control))
        self._columns, self._width = (made_of.curve, made_of.numbers), made_of.width
        self._of_unit = [group_moments(columns, self.unit) for columns in self._columns]
        self._total = [moments.sum(axis=0) for moments in self._of_unit]

    def candidates(self) -> NDArray[np.int64]:
        """Codes of the units that have a name."""
        return np.array([code for code, name in enumerate(self.names) if name], dtype=np.int64)

    def values(self, sets: NDArray[np.int64]) -> Array:
        """The effect without each of some sets of units.

        Args:
            sets: Codes of their m members, shape (S, m).

        Returns:
            Shape (S,).
        """
        found = []
        for start in range(0, len(sets), _REFITS):
            part = sets[start : start + _REFITS]
            left = [
                total - sum((of_unit[one] for one in part.T), np.zeros((len(part), *total.shape)))
                for total, of_unit in zip(self._total, self._of_unit, strict=True)
            ]
            found.append(from_moments(left[0], left[1], self._width))
        return np.concatenate(found) if found else np.zeros(0)

    def errors(self, units: NDArray[np.int64], values: Array) -> tuple[Array, Codes]:
        """The jackknife's standard error without each of some units, and the number of groups then, shape (K,) each.

        Args:
            units: Codes, shape (K,).
            values: The effect without each.
        """
        groups = int(self.group.max()) + 1
        of_group = [group_moments(columns, self.group) for columns in self._columns]
        # what a unit and a group both hold is taken out once
        cells, cell = np.unique(self.unit * groups + self.group, return_inverse=True)
        of_cell = [group_moments(columns, cell.reshape(-1)) for columns in self._columns]
        place = {int(code): row for row, code in enumerate(units)}
        shared = [(number, place[unit], group) for number, unit, group in self._cells(cells, groups) if unit in place]
        number, row, group = np.array(shared, dtype=np.int64).T
        left = []
        for total, unit, grouped, celled in zip(self._total, self._of_unit, of_group, of_cell, strict=True):
            one = total - unit[units][:, None] - grouped[None]
            one[row, group] += celled[number]
            left.append(one.reshape(-1, *total.shape))
        replicates = from_moments(left[0], left[1], self._width).reshape(len(units), groups)
        members = np.bincount(self.group)
        inside = np.zeros((len(units), groups))
        inside[row, group] = np.bincount(cell.reshape(-1))[number]
        remaining = (inside < members).sum(axis=1)
        squares = ((replicates - values[:, None]) ** 2).sum(axis=1)  # a group that is gone moves nothing
        return np.sqrt((remaining - 1) / remaining * squares), np.asarray(remaining, dtype=np.int64)

    @staticmethod
    def _cells(cells: NDArray[np.int64], groups: int) -> Iterator[tuple[int, int, int]]:
        for number, cell in enumerate(cells):
            yield number, int(cell) // groups, int(cell) % groups


def _reached(first: Effect, found: Effect, target: str) -> bool:
    if target == "sign":
        return first.estimate.value * found.estimate.value < 0
    return found.estimate.excludes_zero if target == "interval" else found.verdict == target


def _margin(
    target: str, first: Effect, value: Array, error: Array | None = None, groups: NDArray[np.int64] | None = None
) -> Array:
    """How far beyond a target effects are (below zero: short of it), in errors but for the sign, shape (K,)."""
    if error is None or groups is None:
        return np.nan_to_num(-np.sign(first.estimate.value) * value, nan=-np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        wide, narrow = (np.array([quantile(int(one), share) for one in groups]) for share in (0.975, 0.95))
        zero, one = value / error, (1 - value) / error
        supported = np.minimum(zero - wide, np.minimum(one + wide, wide - one))
        contradicted = np.maximum(one - narrow, -zero - wide)
        margins = {
            "interval": np.abs(zero) - wide,
            "supported": supported,
            "contradicted": contradicted,
            "cannot_tell": -np.maximum(supported, contradicted),
        }
    return np.nan_to_num(margins[target], nan=-np.inf)

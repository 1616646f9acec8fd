"""Which runs of a sweep may be compared: one a shape and budget, in one unit of loss, with one thing held equal."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from nil_audit.calibration.quadratic import (
    FEWEST_SCATTERED,
    FEWEST_SHAPES,
    PARAMETER_SPREAD,
    repeated,
    scattered,
    valley,
)
from nil_audit.calibration.regression import Regression
from nil_audit.calibration.sweep import Sweep
from nil_audit.errors import DataError
from nil_audit.law.loss_curves import FEWEST_BLOCKS
from nil_audit.stats.estimate import Array

if TYPE_CHECKING:
    import pandas as pd

Match = Literal["body", "total", "flops"]
MATCHES: tuple[Match, ...] = ("body", "total", "flops")
CONTEXT = 2048
"""Tokens of a window that FLOPs are counted at where nothing is said."""

_GAP = 0.25  # nats of ln loss between neighbouring runs of a budget: depths of 3 and more differ by half of it at most
_FACTOR = 2.5
_BITS = -math.log(math.log(2))  # ln of bits over nats
_LABELLED, _UNLABELLED = 0.5, 0.8  # share of the runs that must lie in budgets for these to be what is compared


@dataclass(frozen=True, kw_only=True)
class Comparable:
    """The runs of one fit.

    Attributes:
        runs: Every run of this choice, those that are not used too: ``depth``, ``width``, ``loss``, ``parameters``,
            ``held_equal``, ``used``, and where they have them ``tokens``, ``rate``, ``budget``.
        match: What is held equal.
        repeated: Whether budgets repeat: then ``budget`` names each run's.
    """

    runs: "pd.DataFrame"
    match: Match
    repeated: bool

    @property
    def used(self) -> "pd.DataFrame":
        """The runs of the fit."""
        return self.runs[self.runs["used"]]

    def regression(self, columns: "Callable[[pd.DataFrame], Array]" = valley) -> Regression:
        """What is fitted to the runs used, on two columns of shape: those of the valley, if nothing else is said."""
        return (repeated if self.repeated else scattered)(self.used, columns(self.used))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One run a shape and budget, and what else the sweep holds.

    Attributes:
        runs: The last checkpoint of each, at its best learning rate.
        every: All runs, other checkpoints and rates included.
        checkpoints: Whether runs have several.
        rates: The learning rates, where there are several of one shape and budget.
    """

    runs: "pd.DataFrame"
    every: "pd.DataFrame"
    checkpoints: bool
    rates: tuple[str, ...]


def choose(sweep: Sweep) -> Choice:
    """One run a shape and budget: the last checkpoint of the learning rate with the smallest loss.

    Raises:
        DataError: Rows are twice there, or losses are in different units.
    """
    runs = sweep.runs.assign(label=sweep.runs.get("label", ""))
    runs = runs.assign(rate=runs.get("rate", ""))
    key = ["depth", "width", "label"] if (runs["label"] != "").any() else ["depth", "width", "parameters"]
    tokens = ["tokens"] if "tokens" in runs else []
    _refuse_duplicates(sweep, runs, [*key, *tokens, "rate"])
    last = runs
    checkpoints = False
    if tokens and runs.duplicated([*key, "rate"]).any():
        ends = runs.groupby([*key, "rate"])["tokens"].transform("max")
        same = ends.groupby([runs["label"], runs["rate"]]).agg(lambda one: one.max() / one.min())
        if (same <= 1 + PARAMETER_SPREAD).all():
            last, checkpoints = runs[runs["tokens"] == ends], True
    rates: tuple[str, ...] = ()
    best = last
    at = key if checkpoints else [*key, *tokens]
    if last.duplicated(at).any():
        rates = tuple(dict.fromkeys(last["rate"]))
        best = last.loc[last.groupby(at)["loss"].idxmin()].sort_index()
    _refuse_units(best)
    return Choice(runs=best, every=runs, checkpoints=checkpoints, rates=rates)


def held_equal(runs: "pd.DataFrame", match: Match, *, context: int, vocabulary: int | None) -> "pd.Series | None":
    """What two shapes must have in common to be compared; None where the sweep does not say it.

    "total" is every parameter; "body" leaves out the vocabulary's matrices; "flops" is of a forward pass a token: two a
    weight that multiplies, and causal attention over half the context. Where the vocabulary is not given, the
    parameters outside the body are taken for two matrices, one of which multiplies.
    """
    if match == "total":
        return runs["parameters"]
    if "body" not in runs:
        return None
    if match == "body":
        return runs["body"]
    output = (runs["parameters"] - runs["body"]) / 2 if vocabulary is None else vocabulary * runs["width"]
    return 2 * (runs["body"] + output) + 2 * runs["depth"] * context * runs["width"]


def comparable(runs: "pd.DataFrame", match: Match, held: "pd.Series", *, shallow: bool = False) -> Comparable:
    """Sort runs into budgets, where they repeat, and say which are used.

    A budget is a label's runs where they agree within 15% in what is held equal; else, and without labels, those
    neighbours in size (and tokens) that do. Budgets of fewer than four shapes are left out. Where they would leave out
    most runs, no two are held to share a budget.

    Args:
        runs: As `choose` gives them.
        match: What is held equal.
        held: Of each run.
        shallow: Use depths under three as well.

    Raises:
        DataError: No budget has four shapes, and there are too few runs for a curve through their sizes.
    """
    runs = runs.assign(held_equal=held)
    deep = runs["depth"] >= (1 if shallow else FEWEST_BLOCKS)
    labelled = (runs["label"] != "").any()
    runs = runs.assign(budget=_budgets(runs))
    size = runs[deep].groupby("budget")["depth"].transform("size").reindex(runs.index)
    used = deep & (size >= FEWEST_SHAPES)
    if used.sum() >= (_LABELLED if labelled else _UNLABELLED) * max(int(deep.sum()), 1):
        return Comparable(runs=runs.assign(used=used), match=match, repeated=True)
    most = int(size.max()) if deep.any() else 0
    if deep.sum() < FEWEST_SCATTERED or (labelled and most < FEWEST_SHAPES and match != "flops"):
        if used.any():
            return Comparable(runs=runs.assign(used=used), match=match, repeated=True)
        raise DataError(
            f"The largest budget of the sweep has {most} shapes of depth {FEWEST_BLOCKS} or more that agree within"
            f" {PARAMETER_SPREAD:.0%}, and {FEWEST_SHAPES} are needed; add shapes to a budget."
        )
    return Comparable(runs=runs.assign(used=deep).drop(columns="budget"), match=match, repeated=False)


def without(one: Comparable, left_out: "pd.Series") -> Comparable:
    """The same with some runs not used; a budget that is left with fewer than four shapes goes too."""
    used = one.runs["used"] & ~left_out
    if one.repeated:
        size = one.runs[used].groupby("budget")["depth"].transform("size").reindex(one.runs.index)
        used &= size >= FEWEST_SHAPES
    return replace(one, runs=one.runs.assign(used=used))


def _budgets(runs: "pd.DataFrame") -> "list[str]":
    """The budget of each run."""
    named = [""] * len(runs)
    places = {line: place for place, line in enumerate(runs.index)}
    for label, group in runs.groupby(runs["label"].astype(str), sort=False):
        alike = all(_spread(group[one]) <= PARAMETER_SPREAD for one in ("held_equal", "tokens") if one in group)
        parts = [group] if label and alike else _clusters(group)
        for part in parts:
            size = f"{math.exp(np.log(part['held_equal']).mean()):.3g}"
            name = (label if len(parts) == 1 else f"{label} ({size})") if label else size
            if not label and "tokens" in part and runs["tokens"].nunique() > 1:
                name += f" at {part['tokens'].mean():.2g} tokens"
            for line in part.index:
                named[places[line]] = name
    return named


def _clusters(group: "pd.DataFrame") -> "list[pd.DataFrame]":
    """Runs that agree within 15% in what is held equal, and in tokens, from the smallest on."""
    columns = ["held_equal", *(["tokens"] if "tokens" in group else [])]
    parts = [group]
    for column in columns:
        parts = [piece for part in parts for piece in _split(part, column)]
    return parts


def _split(group: "pd.DataFrame", column: str) -> "list[pd.DataFrame]":
    ordered = group.sort_values(column, kind="stable")
    values = ordered[column].to_numpy(float)
    starts = [0]
    for place, value in enumerate(values):
        if value > (1 + PARAMETER_SPREAD) * values[starts[-1]]:
            starts.append(place)
    return [ordered.iloc[begin:end] for begin, end in zip(starts, [*starts[1:], len(values)], strict=True)]


def _spread(values: "pd.Series") -> float:
    return float(values.max() / values.min() - 1)


def _refuse_duplicates(sweep: Sweep, runs: "pd.DataFrame", key: list[str]) -> None:
    twice = runs[runs.duplicated(key, keep=False)]
    if twice.empty:
        return
    first = twice[(twice[key] == twice[key].iloc[0]).all(axis=1)]
    shape = f"{first['depth'].iloc[0]:g} x {first['width'].iloc[0]:g}"
    losses = " and ".join(f"{loss:g}" for loss in first["loss"].iloc[:2])
    raise DataError(
        f"Lines {first.index[0]} and {first.index[1]} of the sweep are the same shape ({shape}) and budget twice, with"
        f" losses {losses}; {_apart(sweep, first)}."
    )


def _apart(sweep: Sweep, twice: "pd.DataFrame") -> str:
    """What to do about rows of one shape and budget: name the column that sets them apart, if there is one."""
    for column in sweep.others:
        values = sweep.others[column].loc[twice.index[:2]].tolist()
        if values[0] != values[1] and values[0] == values[0] and sweep.others[column].nunique() <= 12:
            return (
                f'they differ in {column}: select with --where "{column} == {values[0]!r}", or name it with --budget'
                " or --rate"
            )
    return "keep one of them, or their mean"


def _refuse_units(runs: "pd.DataFrame") -> None:
    """Refuse losses of one budget that shape alone cannot set so far apart."""
    deep = runs[runs["depth"] >= FEWEST_BLOCKS]
    if deep.empty:
        return
    for _, group in deep.groupby("label") if (deep["label"] != "").any() else [("", deep)]:
        logs = np.log(group["loss"].to_numpy(float))
        rest = logs - _trend(group, logs)
        away = np.abs(rest - np.median(rest))
        if away.max(initial=0.0) > math.log(_FACTOR):
            worst = group.iloc[int(away.argmax())]
            raise DataError(
                f"Line {worst.name} of the sweep has a loss of {worst['loss']:g}, {math.exp(away.max()):.1f} times away"
                " from what runs of its budget have; give every loss in one unit, nats or bits a token or a byte."
            )
        order = np.argsort(rest)
        gaps = np.diff(rest[order])
        if len(gaps) and gaps.max() > _GAP:
            below, above = (group.index[order[int(gaps.argmax()) + step]] for step in (0, 1))
            bits = ", which is what bits are of nats (1.44 times)" if abs(gaps.max() - _BITS) < 0.1 else ""
            raise DataError(
                f"The losses of one budget fall in two groups {math.exp(gaps.max()):.2f} times apart{bits}, as lines"
                f" {below} and {above}; shape does not do that, so give every loss in one unit."
            )


def _trend(group: "pd.DataFrame", logs: Array) -> Array:
    """What size and tokens make of the loss where a group holds several budgets: a line in their logarithms."""
    columns = [np.ones(len(group))]
    columns += [
        np.log(group[name].to_numpy(float))
        for name in ("parameters", "tokens")
        if name in group and _spread(group[name]) > 2 * PARAMETER_SPREAD
    ]
    if len(columns) == 1 or len(group) < len(columns) + 2:
        return np.zeros(len(group))
    design = np.column_stack(columns)
    return np.asarray(design @ np.linalg.lstsq(design, logs, rcond=None)[0])

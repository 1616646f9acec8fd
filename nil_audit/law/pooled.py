"""What all studies say together of a shape: the regret that it is expected to cost, with its predictive interval.

The regret of a shape is the excess of ln loss over the best shape of its budget, in a training run of which nothing
else is known: c (ln R - ln R*)², where ln R* and ln c are drawn from a hierarchical model of every budget of every
study (`nil_audit.calibration.pooling`), with an effect of the study, one of the budget, and a drift with ln N. The
shipped pool is one file beside those of the studies; a pool of one's own has the same format.
"""

import json
import math
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nil_audit.errors import DataError
from nil_audit.law.interval_file import FEWEST_DRAWS
from nil_audit.law.loss_curves import UNKNOWN_BUDGET, Draws
from nil_audit.law.studies import (
    DEFAULT,
    Extrapolation,
    Interval,
    Study,
    distance,
    factor_outside,
    studies,
    study,
)
from nil_audit.stats.estimate import Array, Estimate

NAME = "pooled"
TOLERANCE = 0.01
"""The regret within which a shape counts as good, in nats of ln loss."""
INSIDE, OUTSIDE = 0.8, 0.2
"""P(regret <= `TOLERANCE`) from which a shape is inside, and up to which it is outside."""
LOSS_PER_SIZE = 0.039
"""What ln loss falls by per e-fold of parameters: 1% of loss is worth 0.26 e-folds (Hoffmann et al. 2022)."""

_LARGEST_DRAW = 50.0  # of a logarithm, and of what an e-fold of parameters adds to it

Label = Literal["inside", "disputed", "outside"]
LABELS: tuple[Label, ...] = ("inside", "disputed", "outside")


@dataclass(frozen=True, kw_only=True)
class Regret:
    """What a shape is predicted to cost over the best shape of its budget, in nats of ln loss (0.01: 1% of the loss).

    Attributes:
        expected: Its mean under the predictive distribution.
        low: Lower end of the 95% predictive interval.
        high: Upper end.
        within: P(regret <= 1%).
    """

    expected: float
    low: float
    high: float
    within: float

    @property
    def label(self) -> Label:
        """Inside where P(regret <= 1%) is 0.8 or more, outside where it is 0.2 or less, disputed between."""
        return "inside" if self.within >= INSIDE else "outside" if self.within <= OUTSIDE else "disputed"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of a shape in a word and two numbers.

    Attributes:
        label: From the pooled regret; see `Regret.label`.
        distance: To the law's interval, or that of the study named, in nats; see `nil_audit.law.studies.distance`.
        regret: The pooled regret.
    """

    label: Label
    distance: float
    regret: Regret


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The predictive distribution of (ln R*, ln c) for a training run of which only the budget is known.

    Attributes:
        name: "pooled", or what a pool of one's own is called.
        title: What it is, in a line.
        studies: Names of the studies in it.
        reference: The budget that the draws are given at, in parameters.
        parameters_range: Smallest and largest budget of the studies, in parameters.
        ratio_range: Smallest and largest ratio of them.
        reach: Both ranges of each study, (smallest and largest budget, smallest and largest ratio).
        residual: The smallest standard deviation of ln loss about a study's fit: what two runs of one shape differ by.
        draws: (ln R*, ln c) at ``reference``, and what an e-fold of parameters adds to each; one tuple a draw.
    """

    name: str
    title: str
    studies: tuple[str, ...]
    reference: float
    parameters_range: tuple[float, float]
    ratio_range: tuple[float, float]
    reach: tuple[tuple[float, float, float, float], ...]
    residual: float
    draws: Draws

    def __hash__(self) -> int:
        """By what it is called: to hash the draws takes longer than what is kept by them."""
        return hash((self.name, self.title, self.reference))

    @cached_property
    def _columns(self) -> Array:
        """The draws, shape (4, draws)."""
        return np.array(self.draws).T

    def valleys(self, parameters: float | None = None) -> tuple[Array, Array]:
        """The optimum, as ln R*, and the curvature c at a budget (1B where not known), each of shape (draws,)."""
        ln_optimum, ln_curvature, optimum_drift, curvature_drift = self._columns
        away = math.log((parameters or UNKNOWN_BUDGET) / self.reference)
        return ln_optimum + optimum_drift * away, np.exp(ln_curvature + curvature_drift * away)

    def regret_draws(self, ratio: float, parameters: float | None = None) -> Array:
        """The regret of a ratio under every draw, in nats of ln loss, shape (draws,).

        Raises:
            ValueError: The ratio is not above zero.
        """
        if not ratio > 0:
            raise ValueError(f"a depth-width ratio is above zero, not {ratio}")
        ln_optimum, curvature = self.valleys(parameters)
        return np.asarray(curvature * (math.log(ratio) - ln_optimum) ** 2)

    def regret(self, ratio: float, parameters: float | None = None) -> Regret:
        """The predictive distribution of the regret of a ratio at a budget, in four numbers."""
        return _regret(self, ratio, parameters)

    def gain(self, ratio: float, other: float, parameters: float | None = None, *, growth: float = 0.0) -> Estimate:
        """What ln loss is expected to fall by from going to the ratio ``other``: above zero is better.

        Both ratios are read on the same draw, so the 95% interval is that of the difference. Its p is twice the
        smaller of the shares of draws on either side of zero.

        Args:
            ratio: The one to leave.
            other: The one to go to.
            parameters: The budget of both.
            growth: ln of the body parameters of ``other`` over those of ``ratio``, where the two are not quite alike;
                an e-fold is worth `LOSS_PER_SIZE`.
        """
        change = self.regret_draws(ratio, parameters) - self.regret_draws(other, parameters) + LOSS_PER_SIZE * growth
        low, high = np.percentile(change, [2.5, 97.5])
        side = min(float(np.mean(change > 0)), float(np.mean(change < 0)))
        return Estimate(value=float(change.mean()), low=float(low), high=float(high), p=min(2 * side, 1.0))

    def best(self, parameters: float | None = None) -> float:
        """The ratio of the smallest expected regret: exp(E[c ln R*] / E[c])."""
        ln_optimum, curvature = self.valleys(parameters)
        return float(np.exp(np.sum(curvature * ln_optimum) / np.sum(curvature)))

    def interval(self, parameters: float | None = None) -> Interval:
        """The ratios whose P(regret <= 1%) is 0.8 or more, and the ratio of the smallest expected regret.

        Where none is, both ends are that ratio.
        """
        return _interval(self, parameters)

    def excess(self, ratio: float, parameters: float | None = None) -> float:
        """Expected regret beyond that of the best ratio: what a comparison takes as the predicted cost of a shape."""
        curvature, best = self.valleys(parameters)[1], math.log(self.best(parameters))
        return float(curvature.mean() * (math.log(ratio) - best) ** 2)

    def extrapolation(self, ratio: float, parameters: float | None = None) -> Extrapolation:
        """By which factors a budget and a ratio lie outside the runs of the study that comes nearest to both."""
        size = parameters or UNKNOWN_BUDGET
        factors = [
            (factor_outside(size, (least, most)), factor_outside(ratio, (low, high)))
            for least, most, low, high in self.reach
        ]
        budget, shape = min(factors, key=lambda two: max(max(one, 1 / one) for one in two))
        return Extrapolation(parameters=parameters and budget, ratio=shape, under_three_blocks=False)


@lru_cache(maxsize=4096)
def _regret(pool: Pool, ratio: float, parameters: float | None) -> Regret:
    draws = pool.regret_draws(ratio, parameters)
    low, high = np.percentile(draws, [2.5, 97.5])
    return Regret(
        expected=float(draws.mean()), low=float(low), high=float(high), within=float(np.mean(draws <= TOLERANCE))
    )


@lru_cache(maxsize=4096)
def _interval(pool: Pool, parameters: float | None) -> Interval:
    best = pool.best(parameters)
    grid = np.geomspace(best / 300, best * 300, 2001)
    ln_optimum, curvature = pool.valleys(parameters)
    half = np.sqrt(TOLERANCE / curvature)
    begun, ended = (np.sort(end).searchsorted(np.log(grid)) for end in (ln_optimum - half, ln_optimum + half))
    good = grid[(begun - ended) / len(half) >= INSIDE]
    if len(good) == 0:
        return Interval(low=best, high=best, optimum=best)
    return Interval(low=float(min(good[0], best)), high=float(max(good[-1], best)), optimum=best)


def pool(path: str | Path | None = None) -> Pool:
    """The shipped pool, or one of one's own from a file of the same format.

    Args:
        path: Of a file that ``nil-audit calibrate --add`` wrote; None for the shipped one.

    Raises:
        DataError: There is no such file, or it does not hold a pool.
    """
    return _shipped() if path is None else _read(Path(path))


@lru_cache(maxsize=1)
def _shipped() -> Pool:
    """Read once: everything asks for it. A file of one's own may have been written again."""
    with resources.as_file(resources.files("nil_audit.law") / "intervals" / f"{NAME}.json") as path:
        return _read(path)


def _read(path: Path) -> Pool:
    again = "write it again with 'nil-audit calibrate SWEEP.csv --add --out DIR'"
    try:
        document = json.loads(path.read_bytes())
        made = Pool(**{one.name: _frozen(document[one.name]) for one in fields(Pool)})
        sound = _sound(made)
    except OSError:
        raise DataError(f"The pool {str(path)!r} cannot be read; {again}.") from None
    except (KeyError, TypeError, ValueError, RecursionError):
        sound = False
    if not sound:
        raise DataError(f"{str(path)!r} does not hold a pool of studies; {again}.")
    return made


def _sound(made: Pool) -> bool:
    """Whether a pool's numbers are ones that a predictive distribution can be made of."""
    draws = np.array(made.draws, dtype=float)
    ends = np.array([*made.parameters_range, *made.ratio_range, made.reference, made.residual], dtype=float)
    reach = np.array(made.reach, dtype=float)
    return bool(
        draws.ndim == 2
        and draws.shape[1] == 4
        and len(draws) >= FEWEST_DRAWS
        and np.all(np.abs(draws) < _LARGEST_DRAW)
        and ends.shape == (6,)
        and reach.shape == (len(made.studies), 4)
        and np.all((reach > 0) & np.isfinite(reach))
        and np.all((ends > 0) & np.isfinite(ends))
        and all(isinstance(one, str) and one.isprintable() and one for one in (made.name, made.title, *made.studies))
    )


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What shapes are held against.

    Attributes:
        study: Whose interval distances are taken to.
        pool: Whose regret the verdict follows.
    """

    study: Study
    pool: Pool

    @property
    def studies(self) -> tuple[Study, ...]:
        """Every study whose own prediction is shown: the shipped ones, and the reference where it is another."""
        return (*studies(), *(one for one in (self.study,) if one not in studies()))

    def verdict(self, ratio: float, parameters: float | None = None) -> Verdict:
        """What the pool says of a ratio, and its distance to the study's interval.

        Args:
            ratio: Depth / width, in blocks per channel.
            parameters: Total parameters; None reads them at 1B.
        """
        regret = self.pool.regret(ratio, parameters)
        away = distance(ratio, self.study.interval(parameters))
        return Verdict(label=regret.label, distance=away, regret=regret)


def reference(name_or_path: str | Path = DEFAULT) -> Reference:
    """What shapes are held against: the law's interval and the shipped pool, or what ``--interval`` names instead.

    Args:
        name_or_path: A study by its name, an interval file, or the file of a pool (then distances stay to the law).

    Raises:
        DataError: There is no such study or file, or a field of it is missing or not what it should be.
    """
    if str(name_or_path) == NAME or holds_pool(Path(name_or_path)):
        path = None if str(name_or_path) == NAME else name_or_path
        return Reference(study=study(DEFAULT), pool=pool(path))
    return Reference(study=study(name_or_path), pool=pool())


def verdict(ratio: float, parameters: float | None = None) -> Verdict:
    """What the shipped pool says of a ratio, and its distance to the law's interval; see `Reference.verdict`."""
    return reference().verdict(ratio, parameters)


def holds_pool(path: Path) -> bool:
    """Whether a name is that of a pool's file, and not of one study; a shipped study's name is never a file's."""
    if str(path) in {one.name for one in studies()}:
        return False
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "studies" in document


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value

"""What a comparison puts to the test: one study, or all of them pooled, and which others stand beside it."""

import math
from pathlib import Path
from typing import TypeAlias

from nil_audit.law.loss_curves import UNKNOWN_BUDGET
from nil_audit.law.pooled import NAME, Pool, holds_pool, pool, reference
from nil_audit.law.studies import Study, studies, study

Tested: TypeAlias = Study | Pool
"""What predicts a cost of shape: it has a name, an interval at a budget, and `predicted_excess`."""

CONTRASTED = ("law", "morph", "chinchilla")
"""The studies whose intervals and optima models are held against, besides the one that is tested.

A fixed set, since a p value is corrected for the number of them; the fourth, of the Gemstones, predicts too little of
public models for an interval of its own to be tested on them.
"""


def find_tested(name_or_path: str | Path) -> Tested:
    """What an ``--interval`` names: a shipped study, "pooled", or the file of a study or of a pool.

    Raises:
        DataError: There is no such study or file, or it does not hold one.
    """
    if str(name_or_path) == NAME or holds_pool(Path(name_or_path)):
        return reference(name_or_path).pool
    return study(name_or_path)


def predicting(one: Tested) -> tuple[Tested, ...]:
    """Everything whose predicted cost is shown: each shipped study, all of them pooled, and the one that is tested."""
    return _with((*studies(), pool()), one)


def contrasted(one: Tested) -> tuple[Tested, ...]:
    """Those whose intervals models are held against: `CONTRASTED`, and the one that is tested."""
    return _with(tuple(map(study, CONTRASTED)), one)


def predicted_excess(one: Tested, ratio: float, parameters: float | None) -> float:
    """Relative excess loss of a ratio over the best shape of its budget (at 1B where that is not known)."""
    if isinstance(one, Pool):
        return math.expm1(one.excess(ratio, parameters))
    return one.curve.excess(ratio, parameters or UNKNOWN_BUDGET)


def _with(shown: tuple[Tested, ...], one: Tested) -> tuple[Tested, ...]:
    """Those shown and the one that is tested, which takes the place of another of its name (a pool of one's own)."""
    return tuple({other.name: other for other in (*shown, one)}.values())

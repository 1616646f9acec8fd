"""Models that go against the law, by name and by how much."""

from collections.abc import Sequence

import numpy as np

from nil_audit.comparison.findings import Counterexample
from nil_audit.comparison.result import ModelRow

MOST = 100
"""Of each kind, the farthest off."""


def counterexamples(models: Sequence[ModelRow]) -> tuple[Counterexample, ...]:
    """Models inside the law's interval that score below what their size predicts, and outside it above.

    A model counts when its score differs from the expected one by more than 1.96 of its own standard errors.

    Args:
        models: Every model of the study; flagged ones and those without an expected score are passed over.

    Returns:
        First those inside and below, then those outside and above, the farthest off first.
    """
    usable = [row for row in models if row.flag is None and row.residual is not None]
    if len(usable) < 3:
        return ()
    spread = float(np.std([row.residual for row in usable if row.residual is not None], ddof=1)) or 1.0
    found: dict[str, list[Counterexample]] = {"inside_below": [], "outside_above": []}
    for row in usable:
        inside = row.distance["law"] == 0
        residual = row.residual
        if residual is None or row.expected is None or row.parameters is None:
            continue
        if abs(residual) <= 1.96 * (row.stderr or 0.0) or (residual < 0) != inside:
            continue
        kind = "inside_below" if inside else "outside_above"
        found[kind].append(
            Counterexample(
                model=row.model,
                family=row.family,
                kind=kind,
                score=row.score,
                expected=row.expected,
                residual=residual,
                distance=row.distance["law"],
                ratio=row.ratio,
                parameters=row.parameters,
                standardised=residual / spread,
            )
        )
    return tuple(
        one for kind in found for one in sorted(found[kind], key=lambda one: (-abs(one.residual), one.model))[:MOST]
    )

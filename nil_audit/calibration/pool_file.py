"""The file of a pool: what each study says, from which it is made again with a sweep of one's own among them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from nil_audit.calibration.evidence import Evidence, StudyEvidence, study_evidence
from nil_audit.calibration.pooling import PRIOR, predictive_pool
from nil_audit.errors import DataError
from nil_audit.law.pooled import NAME, Pool

if TYPE_CHECKING:
    import pandas as pd

RULE = (
    "ln loss of a budget = a + c (ln R - m)^2; m and ln c = mean + drift x ln(N / reference) + study + budget;"
    " predictive draws of a new budget of a new study (nil_audit.calibration.pooling)"
)


def pool_document(found: Sequence[StudyEvidence], *, name: str = NAME, seed: int = 0) -> dict[str, Any]:
    """The file of the pool of some studies.

    Args:
        found: What each says.
        name: What the pool is called.
        seed: Of the sampler.

    Raises:
        DataError: There are fewer than two studies.
    """
    pool = asdict(predictive_pool(found, name=name, seed=seed))
    draws = pool.pop("draws")
    return {
        **_without_digits(pool),
        "rule": RULE,
        "prior": asdict(PRIOR),
        "evidence": [_without_digits(asdict(one)) for one in found],
        "draws": draws,
    }


def with_sweep(name: str, runs: "pd.DataFrame", *, seed: int = 0) -> tuple[dict[str, Any], Pool]:
    """The shipped pool with one more study.

    Args:
        name: What the study is called.
        runs: One row a run; see `nil_audit.calibration.evidence.study_evidence`.
        seed: Of the sampler.

    Returns:
        The file of the pool, and the pool itself.

    Raises:
        DataError: The runs are too few, or the study or one of its budgets is in the pool already.
    """
    shipped = shipped_evidence()
    if name in {one.study for one in shipped}:
        raise DataError(f"The pool has a study {name!r} already; give the sweep another name with --name.")
    added, _ = study_evidence(name, runs)
    known = np.array([one.coefficients for study in shipped for one in study.evidence])
    for one in added.evidence:
        if np.isclose(known, one.coefficients, rtol=1e-3, atol=0).all(axis=1).any():
            raise DataError(
                f"The budget {one.budget!r} of the sweep is in the pool already; add only runs that are not."
            )
    # what two runs differ by is not read off a small sweep
    noise = min(one.residual for one in shipped)
    document = pool_document([*shipped, added], name=f"{NAME}-{name}"[:40], seed=seed) | {"residual": noise}
    shown = {one: document[one] for one in Pool.__dataclass_fields__}
    return document, Pool(
        **{
            **shown,
            "studies": tuple(shown["studies"]),
            "reach": tuple(map(tuple, shown["reach"])),
            "draws": tuple(map(tuple, shown["draws"])),
        }
    )


def shipped_evidence() -> tuple[StudyEvidence, ...]:
    """What each shipped study says, from the shipped pool's file."""
    text = (resources.files("nil_audit.law") / "intervals" / f"{NAME}.json").read_text(encoding="utf-8")
    return tuple(_study(one) for one in json.loads(text)["evidence"])


def _study(document: Mapping[str, Any]) -> StudyEvidence:
    budgets = [
        Evidence(
            **{
                **one,
                "coefficients": tuple(one["coefficients"]),
                "covariance": tuple(tuple(row) for row in one["covariance"]),
            }
        )
        for one in document["evidence"]
    ]
    ranges = {name: tuple(document[name]) for name in ("parameters_range", "ratio_range")}
    return StudyEvidence(study=document["study"], evidence=tuple(budgets), residual=document["residual"], **ranges)


def _without_digits(value: Any) -> Any:
    """Six significant digits of every number: more say nothing, and differ between machines."""
    if isinstance(value, dict):
        return {key: _without_digits(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_digits(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value

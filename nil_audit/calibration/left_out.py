"""Is pooling worth it? Each study left out in turn, and predicted: by the pool of the others, and by each alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nil_audit.calibration.evidence import RunRegrets, StudyEvidence
from nil_audit.calibration.pooling import PRIOR, Prior, predictive_pool
from nil_audit.law.pooled import NAME, Pool
from nil_audit.law.studies import Study, studies
from nil_audit.stats.estimate import Array


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """How well the runs of one study are predicted without it.

    Attributes:
        study: The one that is left out.
        by: Who predicts: "pooled", or the name of a single study.
        shapes: Runs that are predicted.
        coverage: Share of them whose measured regret lies in the 95% predictive interval, the noise of a run included.
        error: Root mean square error of the expected regret, in nats of ln loss.
        bias: Mean of predicted minus measured regret.
        measured: Mean measured regret.
    """

    study: str
    by: str
    shapes: int
    coverage: float
    error: float
    bias: float
    measured: float


def leave_one_out(
    found: Sequence[tuple[StudyEvidence, RunRegrets]], *, prior: Prior = PRIOR, seed: int = 0
) -> tuple[LeftOut, ...]:
    """Predict each study's runs by the pool of the others, and by each of the others alone.

    Args:
        found: Every study, named as the shipped ones are, with the regret of its runs.
        prior: Scales of the pool's priors.
        seed: Of the sampler and the noise.
    """
    alone = {one.name: one for one in studies()}
    rows = []
    for out, runs in found:
        others = [one for one, _ in found if one is not out]
        rows.append(_row(out, runs, NAME, predictive_pool(others, prior=prior, seed=seed), seed))
        rows += [_row(out, runs, one.study, alone[one.study], seed) for one in others if one.study in alone]
    return tuple(rows)


def _row(out: StudyEvidence, runs: RunRegrets, by: str, judge: Pool | Study, seed: int) -> LeftOut:
    random = np.random.default_rng(seed)
    expected, inside = [], []
    for ratio, parameters, measured in zip(runs.ratio, runs.parameters, runs.regret, strict=True):
        draws = _regrets(judge, float(ratio), float(parameters))
        low, high = np.percentile(draws + out.residual * random.standard_normal(len(draws)), [2.5, 97.5])
        inside.append(low <= measured <= high)
        expected.append(draws.mean() if isinstance(judge, Pool) else np.log1p(judge.curve.excess(ratio, parameters)))
    away = np.array(expected) - runs.regret
    return LeftOut(
        study=out.study,
        by=by,
        shapes=len(away),
        coverage=float(np.mean(inside)),
        error=float(np.sqrt(np.mean(away**2))),
        bias=float(away.mean()),
        measured=float(runs.regret.mean()),
    )


def _regrets(judge: Pool | Study, ratio: float, parameters: float) -> Array:
    """Draws of the regret, in nats of ln loss: of a single study the bootstrap's, ten of each for the noise."""
    if isinstance(judge, Pool):
        return judge.regret_draws(ratio, parameters)
    return np.repeat(np.log1p(judge.excess_draws(ratio, parameters)), 10)

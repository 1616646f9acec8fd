"""How often do the study's rules claim an effect that is not there, and find one that is?

Simulated studies keep everything of the real one but the scores: which models there are, their sizes, shapes,
families and release months, so that size, family and ratio are confounded as they really are. Scores are drawn:

    ability = ln(parameters / 3e9) + family + model + released + shape
    score   = 0.114 + 0.32 / (1 + exp(2 - 3 ability)) + sampling error of 12,032 questions

with family effects t-distributed on 5 degrees of freedom (standard deviation 0.9) and model effects normal (0.6):
about as many models at the floor, as many high ones and as strong a correlation with size as in the real scores.

    python scripts/simulate_claims.py --studies 1000 --out docs/simulation.md
"""

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nil_audit.comparison.clean import checked
from nil_audit.comparison.correlation import Resamples, correlate
from nil_audit.comparison.derive import as_sample, derive
from nil_audit.comparison.evidence import Effort, gather
from nil_audit.comparison.floor import at_floor
from nil_audit.comparison.join import study_frame
from nil_audit.comparison.predictors import PRIMARY
from nil_audit.comparison.rules import strength
from nil_audit.comparison.sample import Array, Sample
from nil_audit.law.studies import studies

EXPONENT = 0.039
"""-d ln loss / d ln parameters at 3B parameters and 1T tokens by Hoffmann et al. 2022 (0.34 · 406 N^-0.34 / loss):
what a relative excess loss is worth in parameters."""

QUESTIONS = 12_032


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One way in which scores come about.

    Attributes:
        name: For the table.
        family: Standard deviation of family effects.
        model: Standard deviation of model effects.
        released: Ability gained a year: newer models are better, whatever their shape.
        between: Ability gained an e-fold of a family's mean size, beyond that of the model's own size.
        shape: Times the law's own predicted effect of shape; 0 is no effect.
        opposite: The effect has the other sign.
    """

    name: str
    family: float = 0.9
    model: float = 0.6
    released: float = 0.0
    between: float = 0.0
    shape: float = 0.0
    opposite: bool = False


NULL = (
    Scenario(name="no effect of shape"),
    Scenario(name="no effect; newer models are better", released=0.5),
    Scenario(name="no effect; families of large models are better", between=0.7),
    Scenario(name="no effect; families hardly differ", family=0.2, model=0.9),
    Scenario(name="no effect; models of a family hardly differ", family=1.2, model=0.2),
    Scenario(name="only size: weak noise", family=0.2, model=0.2),
    Scenario(name="only size: score is nearly a function of size", family=0.0, model=0.05),
)
EFFECT = (
    Scenario(name="the law's own effect", shape=1.0),
    Scenario(name="twice the law's effect", shape=2.0),
    Scenario(name="four times the law's effect", shape=4.0),
    Scenario(name="twice the law's effect, the other way round", shape=2.0, opposite=True),
)


def real_models() -> Sample:
    """The models of the study that ships: 113 with a usable leaderboard score."""
    table = checked(study_frame()[0])[0]
    return as_sample(derive(table[(table["protocol"] == "leaderboard") & (table["flag"] == "")], None))


def excess_loss(sample: Sample) -> Array:
    """The law's predicted relative excess loss of each model's shape, shape (n,)."""
    law = studies()[0]
    ratios, sizes = np.exp(sample.predictors["ratio"]), np.exp(sample.size)
    return np.array([law.curve.excess(ratio, size) for ratio, size in zip(ratios, sizes, strict=True)])


def draw(sample: Sample, scenario: Scenario, excess: Array, rng: np.random.Generator) -> Sample:
    """The same models with scores drawn by a scenario."""
    families = int(sample.family.max()) + 1
    count = np.bincount(sample.family)
    mean_size = np.bincount(sample.family, weights=sample.size) / count
    family = scenario.family * rng.standard_t(5, families) / np.sqrt(5 / 3) + scenario.between * (
        mean_size - mean_size.mean()
    )
    months = np.where(np.isfinite(sample.release), sample.release, np.nanmean(sample.release))
    ability = (
        sample.size
        - np.log(3e9)
        + family[sample.family]
        + scenario.model * rng.standard_normal(len(sample))
        + scenario.released * (months - months.mean()) / 12
        - (-1 if scenario.opposite else 1) * scenario.shape * (excess - excess.mean()) / EXPONENT
    )
    accuracy = 0.114 + 0.32 / (1 + np.exp(2 - 3 * ability))
    error = np.sqrt(accuracy * (1 - accuracy) / QUESTIONS)
    return replace(sample, score=accuracy + error * rng.standard_normal(len(sample)))


def some_families(sample: Sample, models: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Families drawn at random until they hold at least so many models."""
    keep = np.zeros(len(sample), dtype=np.bool_)
    for family in rng.permutation(int(sample.family.max()) + 1):
        if keep.sum() >= models:
            break
        keep |= sample.family == family
    return keep


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one simulated study found: strength, the estimates and whether their intervals exclude zero."""

    strength: str
    estimate: float
    interval: tuple[float, float]
    bootstrap: tuple[float, float]
    by_rank: tuple[float, float]


def simulate(
    scenario: Scenario, models: int, number: int, *, seed: int = 0, effort: Effort | None = None
) -> list[Outcome]:
    """Simulate studies of about so many models, each with families and scores of its own."""
    sample = real_models()
    excess = excess_loss(sample)
    effort = effort or Effort(permutations=999, splits=40)
    outcomes = []
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        keep = some_families(sample, models, rng)
        study = draw(sample.take(keep), scenario, excess[keep], rng)
        stderr = np.sqrt(study.score * (1 - study.score) / QUESTIONS)
        evidence = gather(study, at_floor(study.score, stderr), replace(effort, seed=index))
        if evidence.primary is None or evidence.primary.low is None or evidence.primary.high is None:
            continue
        extra = {
            one.given: one
            for one in correlate(
                study,
                [PRIMARY],
                method="spearman",
                given=("size", "size_curve"),
                subset="all",
                resamples=Resamples(seed=index, bootstrap=400),
            )
        }
        curve, rank = extra["size_curve"], extra["size"]
        outcomes.append(
            Outcome(
                strength=strength(evidence)[0],
                estimate=evidence.primary.estimate,
                interval=(evidence.primary.low, evidence.primary.high),
                bootstrap=(_or_nan(curve.bootstrap_low), _or_nan(curve.bootstrap_high)),
                by_rank=(_or_nan(rank.low), _or_nan(rank.high)),
            )
        )
    return outcomes


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _share(found: Iterable[bool]) -> str:
    values = list(found)
    return f"{100 * sum(values) / len(values):.1f}%"


def summary(scenario: Scenario, models: int, outcomes: list[Outcome]) -> str:
    """One row of the table."""
    centre = float(np.mean([one.estimate for one in outcomes]))
    claims = ("weak", "moderate", "strong")
    cells = (
        scenario.name,
        f"{models}",
        f"{centre:+.2f}",
        _share(one.strength in claims for one in outcomes),
        _share(one.strength in claims[1:] for one in outcomes),
        _share(one.strength == "contradicts" for one in outcomes),
        _share(one.interval[0] <= centre <= one.interval[1] for one in outcomes),
        _share(one.bootstrap[0] <= centre <= one.bootstrap[1] for one in outcomes),
        _share(one.by_rank[0] > 0 or one.by_rank[1] < 0 for one in outcomes),
    )
    return "| " + " | ".join(cells) + " |"


HEADER = (
    "| scores come about by | models | mean figure | supports the law | of that, moderate or strong | contradicts it"
    " | interval covers | percentile bootstrap covers | rank of size alone: interval excludes 0 |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def main() -> int:
    """Simulate every scenario at 20, 60 and 113 models and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies a row")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    start = time.monotonic()
    rows = []
    for scenario in (*NULL, *EFFECT):
        for models in (20, 60, 113):
            rows.append(summary(scenario, models, simulate(scenario, models, options.studies)))
            print(rows[-1], f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    table = "\n".join([HEADER, *rows]) + "\n"
    if options.out:
        options.out.write_text(table, encoding="utf-8")
    else:
        print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

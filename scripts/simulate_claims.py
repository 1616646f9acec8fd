"""How often do the rules of a comparison claim an effect that is not there, and find one that is?

Simulated comparisons keep everything of the real one but the scores: which models there are, their sizes, shapes,
families and release months, so that size, family and ratio are confounded as they really are. Scores are drawn:

    ability = ln(parameters / 3e9) + family + model + released + shape
    score   = 0.114 + 0.32 / (1 + exp(2 - 3 ability)) + sampling error of 12,032 questions

with family effects t-distributed on 5 degrees of freedom (standard deviation 0.9) and model effects normal (0.6):
about as many models at the floor, as many high ones and as strong a correlation with size as in the real scores.

    python scripts/simulate_claims.py --comparisons 600 --out simulation.md
"""

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.comparison.find import find
from nil_audit.comparison.predictors import PRIMARY, predictor_values
from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.reading.join import read_frame
from nil_audit.comparison.result import Options
from nil_audit.comparison.rules import answer
from nil_audit.comparison.table import at_floor, derive
from nil_audit.law.studies import studies
from nil_audit.stats.estimate import Array, Estimate

EXPONENT = 0.039
"""-d ln loss / d ln parameters at 3B parameters and 1T tokens by Hoffmann et al. 2022 (0.34 · 406 N^-0.34 / loss):
what a relative excess loss is worth in parameters."""


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


def real_models() -> pd.DataFrame:
    """The models of the shipped list: 113 with a usable leaderboard score."""
    clean = checked(read_frame()[0])[0]
    return derive(clean[(clean["protocol"] == "leaderboard") & (clean["flag"] == "")])


def excess_loss(table: pd.DataFrame) -> Array:
    """The law's predicted relative excess loss of each model's shape, shape (n,)."""
    law, shapes = studies()[0], zip(table["ratio"], table["parameters"], strict=True)
    return np.array([law.curve.excess(ratio, parameters) for ratio, parameters in shapes])


def draw(table: pd.DataFrame, scenario: Scenario, excess: Array, rng: np.random.Generator) -> pd.DataFrame:
    """The same models with scores drawn by a scenario."""
    code = np.unique(table["family"].to_numpy(dtype=str), return_inverse=True)[1]
    size, release = predictor_values(table, "parameters"), predictor_values(table, "release")
    mean_size = np.bincount(code, weights=size) / np.bincount(code)
    family = scenario.family * rng.standard_t(5, len(mean_size)) / np.sqrt(5 / 3)
    family += scenario.between * (mean_size - mean_size.mean())
    months = np.where(np.isfinite(release), release, np.nanmean(release))
    ability = (
        size
        - np.log(3e9)
        + family[code]
        + scenario.model * rng.standard_normal(len(table))
        + scenario.released * (months - months.mean()) / 12
        - (-1 if scenario.opposite else 1) * scenario.shape * (excess - excess.mean()) / EXPONENT
    )
    accuracy = 0.114 + 0.32 / (1 + np.exp(2 - 3 * ability))
    error = np.sqrt(accuracy * (1 - accuracy) / MMLU_PRO_QUESTIONS)
    score = accuracy + error * rng.standard_normal(len(table))
    stderr = np.sqrt(score * (1 - score) / MMLU_PRO_QUESTIONS)
    return table.assign(score=score, stderr=stderr, at_floor=at_floor(score, stderr))


def some_families(table: pd.DataFrame, models: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Rows of families drawn at random until they hold at least so many models, shape (n,)."""
    names = np.unique(table["family"].to_numpy(dtype=str))
    keep = np.zeros(len(table), dtype=np.bool_)
    for family in rng.permutation(len(names)):
        if keep.sum() >= models:
            break
        keep |= (table["family"] == names[family]).to_numpy()
    return keep


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one simulated comparison found: strength, and the primary number given the size curve or size alone."""

    strength: str
    primary: Estimate
    by_rank: Estimate


def simulate(scenario: Scenario, models: int, number: int, *, seed: int = 0) -> list[Outcome]:
    """Simulate comparisons of about so many models, each with families and scores of its own."""
    real = real_models()
    excess = excess_loss(real)
    outcomes = []
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        keep = some_families(real, models, rng)
        table = draw(real[keep], scenario, excess[keep], rng)
        findings = find(table, Options(seed=index, permutations=999, splits=40))
        primary, by_rank = findings.association(PRIMARY), findings.association(PRIMARY, given="size")
        if primary is not None and by_rank is not None and primary.estimate.interval is not None:
            strength = answer(table, findings, "simulated").strength
            outcomes.append(Outcome(strength=strength, primary=primary.estimate, by_rank=by_rank.estimate))
    return outcomes


def covered(outcomes: list[Outcome]) -> tuple[float, float]:
    """The mean of the primary number, and the share of intervals that hold it."""
    centre = float(np.mean([one.primary.value for one in outcomes]))
    intervals = [one.primary.interval for one in outcomes]
    return centre, float(np.mean([ends is not None and ends[0] <= centre <= ends[1] for ends in intervals]))


def _share(found: Iterable[bool]) -> str:
    values = list(found)
    return f"{100 * sum(values) / len(values):.1f}%"


def summary(scenario: Scenario, models: int, outcomes: list[Outcome]) -> str:
    """One row of the table."""
    centre, share = covered(outcomes)
    claims = ("weak", "moderate", "strong")
    cells = (
        scenario.name,
        f"{models}",
        f"{centre:+.2f}",
        _share(one.strength in claims for one in outcomes),
        _share(one.strength in claims[1:] for one in outcomes),
        _share(one.strength == "contradicts" for one in outcomes),
        f"{100 * share:.1f}%",
        _share(one.by_rank.excludes_zero for one in outcomes),
    )
    return "| " + " | ".join(cells) + " |"


HEADER = (
    "| scores come about by | models | mean correlation | supports the law | moderately or strongly"
    " | contradicts it | interval covers | rank of size alone: interval excludes 0 |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def main() -> int:
    """Simulate every scenario at 20, 60 and 113 models and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=1000, help="simulated comparisons a row")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    start = time.monotonic()
    rows = []
    for scenario in (*NULL, *EFFECT):
        for models in (20, 60, 113):
            rows.append(summary(scenario, models, simulate(scenario, models, options.comparisons)))
            print(rows[-1], f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    table = "\n".join([HEADER, *rows]) + "\n"
    if options.out:
        options.out.write_text(table, encoding="utf-8")
    else:
        print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

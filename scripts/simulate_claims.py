"""How often does a comparison answer rightly where the truth is known? Writes docs/simulation.md.

Simulated comparisons keep everything of the real one but the scores: which models there are, their sizes, shapes,
families and release months, so that size, family and ratio are confounded as they really are. `draw` says how scores
come about, and `PAGE` puts it into words.

    python scripts/simulate_claims.py --out docs/simulation.md
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.comparison.effect.dose import dose_terms, predicted_terms
from nil_audit.comparison.effect.estimate import POWER, coefficients, design, made
from nil_audit.comparison.effect.sample import Sample, sample
from nil_audit.comparison.effect.size import MODELS_A_COLUMN, flexible_choices, size_columns
from nil_audit.comparison.effect.size_fit import ELIGIBLE
from nil_audit.comparison.findings import Effect
from nil_audit.comparison.outcome import Outcome
from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.reading.join import read_frame
from nil_audit.comparison.rules import answer
from nil_audit.comparison.table import derive
from nil_audit.law.pooled import LOSS_PER_SIZE
from nil_audit.law.studies import study
from nil_audit.stats.estimate import Array, Estimate
from nil_audit.stats.least_squares import left_out_moments, orthogonal, solve_each

STUDY = "law"
CHOSEN = "chosen"
FIXED = ("quadratic", *ELIGIBLE)
"""Size controls that are tried by themselves beside the one that is chosen."""

MODELS = (20, 60, 113)
SMALL, SMALL_MODELS = "olmes", 15
"""A protocol of the shipped list with few models of few shapes."""

DRAWS_A_SUBSET = 10
"""Comparisons that share the same families, where not all are in."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One way in which scores come about.

    Attributes:
        name: For the table.
        family: Standard deviation of family effects.
        model: Standard deviation of model effects.
        released: Ability gained a year: newer models are better, whatever their shape.
        between: Ability gained an e-fold of a family's mean size, beyond that of the model's own size.
        times: True effect of shape, in units of what the law predicts.
        world: "points" or "parameters": what a shape costs; or "fitted": parameters, on a curve fitted to the scores.
    """

    name: str
    family: float = 0.9
    model: float = 0.6
    released: float = 0.0
    between: float = 0.0
    times: float = 0.0
    world: str = "points"


CONFOUNDED = (
    Scenario(name="no effect; newer models are better", released=0.5),
    Scenario(name="no effect; families of large models are better", between=0.7),
    Scenario(name="no effect; families hardly differ", family=0.2, model=0.9),
    Scenario(name="no effect; models of a family hardly differ", family=1.2, model=0.2),
    Scenario(name="only size: weak noise", family=0.2, model=0.2),
    Scenario(name="only size: score is nearly a function of size", family=0.0, model=0.05),
)
TIMES = {
    0.0: "no effect of shape",
    1.0: "the law's own effect",
    2.0: "twice the law's effect",
    4.0: "four times the law's effect",
    -1.0: "the law's effect, the other way round",
}
WORLDS = {"parameters": "in parameters", "points": "in points", "fitted": "on the fitted curve"}


def scenario(times: float, world: str) -> Scenario:
    """The scenario of an effect of so many times what the law predicts, in a world, with the default noise."""
    name = TIMES.get(times, f"{times:g} times the law's effect")
    if world == "fitted":
        return Scenario(name=f"{name}, {WORLDS[world]}", times=times, world=world, family=5.3, model=4.4)
    if times == 0:  # the same in either world
        return Scenario(name=name)
    return Scenario(name=f"{name}, {WORLDS[world]}", times=times, world=world)


COMPARED = (scenario(0.0, "parameters"), *(scenario(1.0, world) for world in WORLDS))
"""Scenarios in which the size controls are compared."""


@lru_cache(maxsize=8)
def real_models(copies: int = 1, protocol: str = "leaderboard") -> Sample:
    """The models of the shipped list that have a usable score (leaderboard: 113), in so many copies of every family."""
    clean = checked(read_frame()[0])[0]
    usable = clean[(clean["protocol"] == protocol) & (clean["flag"] == "")]
    every = [
        usable.assign(model=usable["model"] + f" {copy}", family=usable["family"] + f" {copy}")
        for copy in range(copies)
    ]
    return sample(derive(pd.concat(every), Outcome(), study(STUDY), (study(STUDY),)), Outcome())


def _score(ability: Array) -> Array:
    return np.asarray(0.114 + 0.32 / (1 + np.exp(2 - 3 * ability)))


@lru_cache(maxsize=64)
def _mean_slope(family: float, model: float) -> tuple[Array, Array]:
    """Ability on a grid, and the slope there of the mean score of models of that size: score an e-fold."""
    rng = np.random.default_rng(0)
    noise = family * rng.standard_t(5, 20_000) / np.sqrt(5 / 3) + model * rng.standard_normal(20_000)
    grid = np.linspace(-6, 6, 121)
    share = (_score(grid[:, None] + noise) - 0.114) / 0.32
    return grid, (0.32 * 3 * share * (1 - share)).mean(axis=1)


def draw(models: Sample, scenario: Scenario, rng: np.random.Generator) -> Array:
    """Scores of models by a scenario, shape (n,).

    ability = ln(parameters / 3e9) + family + model + released + between, and score = 0.114 + 0.32 / (1 + exp(2 - 3
    ability)) + the sampling error of 12,032 questions. Family effects are t-distributed on 5 degrees of freedom, model
    effects normal: with the default spreads there are about as many models at the floor, as many high ones and as
    strong a correlation with size as in the real scores. A shape costs e-folds of parameters, ``times`` excess / 0.039,
    which come off the ability ("parameters"); or points: ``times`` excess / 0.039 times the slope, at its size, of the
    mean score of models whose shape costs nothing, which come off the score, be it below the floor ("points").

    In the world "fitted" the score is a logistic curve of the parameters less that cost, fitted to the real scores, and
    normal family and model effects (standard deviations in points) are added to the score itself, be it below the
    floor.
    """
    if scenario.world == "fitted":
        return _fitted(models, scenario, rng)
    code, size = models.family, models.size - np.log(3e9)
    mean_size = np.bincount(code, weights=size) / np.bincount(code)
    family = scenario.family * rng.standard_t(5, len(mean_size)) / np.sqrt(5 / 3)
    family += scenario.between * (mean_size - mean_size.mean())
    month = models.table["month"].to_numpy(dtype=float)
    month = np.where(np.isfinite(month), month, np.nanmean(month))
    ability = (
        size
        + family[code]
        + scenario.model * rng.standard_normal(models.models)
        + scenario.released * (month - month.mean()) / 12
    )
    worth = models.excess(STUDY) / LOSS_PER_SIZE
    if scenario.world == "parameters":
        accuracy = _score(ability - scenario.times * (worth - worth.mean()))
    else:
        cost = worth * np.interp(size, *_mean_slope(scenario.family, scenario.model))
        accuracy = _score(ability) - scenario.times * (cost - cost.mean())
    likely = np.clip(accuracy, 0.05, 0.95)
    error = np.sqrt(likely * (1 - likely) / MMLU_PRO_QUESTIONS)
    return np.asarray(accuracy + error * rng.standard_normal(models.models))


def _fitted(models: Sample, scenario: Scenario, rng: np.random.Generator) -> Array:
    size = models.size - np.log(3.05e9) - scenario.times * models.excess(STUDY) / LOSS_PER_SIZE
    family = scenario.family * rng.standard_normal(models.family.max() + 1)
    points = 12.9 + 27.8 / (1 + np.exp(-size / 0.40)) + family[models.family]
    return np.asarray((points + scenario.model * rng.standard_normal(models.models)) / 100)


def some_families(models: Sample, number: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Models of families drawn at random until they hold at least so many, shape (n,)."""
    keep = np.zeros(models.models, dtype=np.bool_)
    for family in rng.permutation(models.groups):
        if keep.sum() >= number:
            break
        keep |= models.group == family
    return keep


def chosen_controls(models: Sample, responses: Array) -> list[str]:
    """What `nil_audit.comparison.effect.size_fit.fit_sizes` chooses for each of some responses, shape (n, B).

    Everything that does not depend on the response is made once.
    """
    found = {}
    for control in ELIGIBLE:
        flexible = flexible_choices(models.models) if control == "flexible" else [0]
        columns = [size_columns(models.size, control, flexible=one) for one in flexible]
        columns = [one for one in columns if 0 < one.shape[1] * MODELS_A_COLUMN <= models.models]
        if columns:
            errors, criteria = map(np.stack, zip(*(_held_out(models, one, responses) for one in columns), strict=True))
            best = criteria.argmin(axis=0)[models.group]  # (n, B): the columns chosen without the model's group
            found[control] = (np.take_along_axis(errors, best[None], axis=0)[0] ** 2).mean(axis=0)
    order = list(found)
    return [order[one] for one in np.argmin([found[control] for control in order], axis=0)]


def _held_out(models: Sample, columns: Array, responses: Array) -> tuple[Array, Array]:
    """Errors of predicting each model without its group, (n, B); Akaike's criterion of the fit without each, (G, B)."""
    design = orthogonal(np.column_stack([np.ones(models.models), columns]))
    width = design.shape[1]
    moments = left_out_moments(np.column_stack([design, responses]), models.group)[1:]
    inner, shared = moments[:, :width, :width], moments[:, :width, width:]
    fits = np.stack([solve_each(inner, one) for one in np.moveaxis(shared, 2, 0)], axis=2)
    squares = np.einsum("gbb->gb", moments[:, width:, width:]) - np.einsum("gib,gib->gb", fits, shared)
    count = (models.models - np.bincount(models.group))[:, None]
    criterion = count * np.log(np.maximum(squares, 1e-300) / count) + 2 * width
    return responses - np.einsum("ni,nib->nb", design, fits[models.group]), criterion


class Effects:
    """`nil_audit.comparison.effect.estimate.effect` of many responses of the same models, made once but for these."""

    def __init__(self, models: Sample) -> None:
        """Take the models."""
        self._models = models
        excess = models.excess(STUDY)
        self._terms, self._predicted = dose_terms(models, excess), predicted_terms(models, excess)
        self._held: dict[str, Array] = {}

    def of(self, response: Array, control: str) -> Effect:
        """The primary effect in one response, shape (n,), with one size control."""
        models = replace(self._models, response=response)
        if control not in self._held or control == "flexible":
            self._held[control] = design(models, control)
        held = self._held[control]
        return made(
            row="primary",
            study=STUDY,
            control=control,
            release="none",
            estimator="least_squares",
            subset="all",
            models=models.models,
            found=coefficients(models, self._terms, held),
            predicted=coefficients(models, self._predicted, held),
        )


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the simulated comparisons of one row found under one size control.

    Attributes:
        verdicts: How many gave each answer.
        answers: The effect that the answer rests on: value, lower and upper end of its 95% interval, shape (B, 3); NaN
            where there is none.
        own_world: Likewise with the dose of a world in which the prediction holds.
    """

    verdicts: Counter[str]
    answers: Array
    own_world: Array

    def share(self, verdict: str) -> float:
        """Share of the comparisons that gave an answer."""
        return self.verdicts[verdict] / max(sum(self.verdicts.values()), 1)


def _estimated(one: Estimate | None) -> tuple[float, float, float]:
    if one is None or one.interval is None:
        return (np.nan, np.nan, np.nan)
    return (one.value, *one.interval)


def holds(effects: Array, value: float) -> float:
    """Share of the intervals that hold a value."""
    made_of = effects[np.isfinite(effects[:, 1])]
    return float(np.mean((made_of[:, 1] <= value) & (made_of[:, 2] >= value)))


def above_zero(effects: Array) -> float:
    """Share of the comparisons whose interval lies above zero."""
    return float(np.mean(effects[:, 1] > 0))


def middle(effects: Array) -> tuple[float, float]:
    """Median of the estimates, and half of what their middle 68% span: a standard deviation without tails."""
    low, median, high = np.nanquantile(effects[:, 0], [0.16, 0.5, 0.84])
    return float(median), float(high - low) / 2


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is simulated for one row.

    Attributes:
        scenario: How scores come about.
        models: About how many; all where there are no more.
        copies: Of the real models, to draw more than there are.
        protocol: Of the shipped list, whose models these are.
        fixed: Size controls to try beside the chosen one.
    """

    scenario: Scenario
    models: int = MODELS[-1]
    copies: int = 1
    protocol: str = "leaderboard"
    fixed: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was found for a job, by size control ("chosen" among them), and which control was chosen how often."""

    job: Job
    found: dict[str, Found]
    chosen: Counter[str]

    @property
    def answered(self) -> Found:
        """What was found with the chosen control."""
        return self.found[CHOSEN]


def simulate(job: Job, number: int, *, seed: int = 0) -> Row:
    """Simulate comparisons, each with scores of its own, every ten with families of their own.

    Args:
        job: Of which models, with which scores.
        number: Of comparisons.
        seed: Of the draws.
    """
    real = real_models(job.copies, job.protocol)
    names = (CHOSEN, *job.fixed)
    verdicts: dict[str, Counter[str]] = {name: Counter() for name in names}
    answers: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    own_world: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    chosen: Counter[str] = Counter()
    for start in range(0, number, DRAWS_A_SUBSET):
        rng = np.random.default_rng([seed, start])
        part = real if job.models >= real.models else real.part(some_families(real, job.models, rng))
        count = min(DRAWS_A_SUBSET, number - start)
        effects_of = Effects(part)
        counts = {"models": part.models, "sized": part.models, "groups": part.groups, "sized_groups": part.groups}
        responses = 100 * np.column_stack([draw(part, job.scenario, rng) for _ in range(count)])
        with threadpool_limits(limits=1, user_api="blas"):  # as `nil_audit.comparison.compare` does
            for response, best in zip(responses.T, chosen_controls(part, responses), strict=True):
                chosen[best] += 1
                found_by = {control: effects_of.of(response, control) for control in {best, *job.fixed}}
                for name in names:
                    one = found_by[best if name == CHOSEN else name]
                    verdicts[name][answer("simulated", one, **counts).verdict] += 1
                    answers[name].append(_estimated(one.estimate))
                    own_world[name].append(_estimated(one.as_predicted))
    found = {
        name: Found(verdicts=verdicts[name], answers=np.array(answers[name]), own_world=np.array(own_world[name]))
        for name in names
    }
    return Row(job=job, found=found, chosen=chosen)


def without_noise(times: float = 1.0) -> dict[str, float]:
    """The coefficient on the fitted curve if models did not differ but by size and shape.

    Returns:
        By what is known exactly: "nothing" (the spline holds size fixed, the dose is that of the world in which the
        prediction holds), "control" (the true curve of score on size), "dose" (the true step down it), "both".
    """
    models = real_models()
    quiet = replace(scenario(times, "fitted"), family=0.0, model=0.0)
    rng = np.random.default_rng(0)
    score, at_best = (100 * draw(models, replace(quiet, times=one), rng) for one in (times, 0.0))
    step = at_best - 100 * draw(models, replace(quiet, times=1.0), rng)
    spline = design(models, "spline")
    exact = np.column_stack([np.ones(models.models), at_best])
    dose = predicted_terms(models, models.excess(STUDY)).dose(score)
    ways = {"nothing": (spline, dose), "control": (exact, dose), "dose": (spline, step), "both": (exact, step)}
    return {name: -_coefficient(score, one, held) for name, (held, one) in ways.items()}


def _coefficient(score: Array, dose: Array, held: Array) -> float:
    return float(np.linalg.lstsq(np.column_stack([held, dose]), score, rcond=None)[0][-1])


def _job(times: float, world: str, models: int = MODELS[-1]) -> Job:
    one = scenario(times, world)
    return Job(scenario=one, models=models, fixed=FIXED if models == MODELS[-1] and one in COMPARED else ())


def jobs() -> tuple[list[Job], list[Job], list[Job]]:
    """Rows of the page's tables of answers, of power, and of more models than there are; some are in two of them.

    Controls are held fixed only where the page shows them, and few models are drawn only where they tell something that
    all of them do not.
    """
    every = MODELS[-1]
    few = [("parameters", 0.0), ("parameters", 1.0), ("points", 1.0)]
    answers = [
        *(_job(0.0, "parameters", models) for models in MODELS),
        *(Job(scenario=one) for one in CONFOUNDED),
        *(_job(1.0, "parameters", models) for models in MODELS),
        *(_job(times, "parameters") for times in (2.0, 4.0, -1.0)),
        *(_job(1.0, "points", models) for models in MODELS),
        *(_job(times, "points") for times in (2.0, -1.0)),
        *(_job(times, "fitted") for times in (0.0, 1.0, 2.0)),
        *(Job(scenario=scenario(times, world), protocol=SMALL, models=SMALL_MODELS) for world, times in few),
    ]
    rising = [
        _job(times, world)
        for world in WORLDS
        for times in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
        if times or world != "points"  # no effect is the same in parameters and in points
    ]
    larger = [
        Job(scenario=scenario(times, "parameters"), models=copies * every, copies=copies)
        if copies > 1
        else _job(times, "parameters")
        for times in (0.0, 1.0)
        for copies in (1, 2, 4, 8)
    ]
    return answers, rising, larger


def rows(comparisons: int, processes: int) -> tuple[list[Row], ...]:
    """The rows of `jobs`, each job done once."""
    start = time.monotonic()
    found: dict[Job, Row] = {}
    with ProcessPoolExecutor(processes) as pool:
        every = dict.fromkeys(job for some in jobs() for job in some)
        running = {job: pool.submit(simulate, job, comparisons) for job in every}
        for job, one in running.items():
            found[job] = one.result()
            print(f"{len(found)} of {len(running)} rows, {time.monotonic() - start:.0f} s", file=sys.stderr)
    return tuple([found[job] for job in some] for some in jobs())


TEXTS = ("scores come about by", "size control", "cost of shape", "what", "where", "met")
HEAD = ("supported", "contradicted", "cannot tell", "truth held", "above 0", "estimate")

PAGE = """# How often the answer is right

`python scripts/simulate_claims.py --out docs/simulation.md` writes this page: {comparisons:,} simulated comparisons a
row, so that a share of 5% has a standard error of {error:.1f} points, one of 50% {error_half:.1f}.

## What was simulated

The {models} models of the shipped list with their sizes, shapes, families and release months, so that size, family and
ratio are confounded as they really are; families of them drawn at random until they hold 20 or 60 models; and the
{small} models of protocol {protocol}, few and of few shapes. Only the scores are drawn:

    ability = ln(parameters / 3e9) + family + model
    score   = 0.114 + 0.32 / (1 + exp(2 - 3 ability)) + sampling error of 12,032 questions

Family effects are t-distributed on 5 degrees of freedom (standard deviation 0.9), model effects normal (0.6). That
makes about as many models at the floor, as many high ones and as strong a correlation with size as the real scores
have. What else there is in some rows: *newer models are better*, by 0.5 of ability a year; *families of large models
are better*, by 0.7 an e-fold of their mean size; families *hardly differ* (0.2, and models 0.9), or models of a family
do not (0.2, and families 1.2); *weak noise* (0.2 and 0.2); score *nearly a function of size* (0 and 0.05).

A shape costs what the law predicts, times the multiple of a row, -1 being the other way round:

- **in parameters**: excess / 0.039 e-folds of them come off the ability. What that costs in score depends on how able
  the model is; at the floor it is nothing. This is how it may well be.
- **in points**: the dose itself comes off the score, with the slope that the mean score of models of its size has where
  shape costs nothing. The true effect is then the multiple exactly. Scores fall below the floor, which real ones
  cannot.
- **on the fitted curve**: in parameters too, on the logistic curve that fits the real scores best if the law holds:

      points = 12.9 + 27.8 / (1 + exp(-(ln(parameters / 3.05e9) - multiple x excess / 0.039) / 0.40)) + family + model

  Family effects are normal (standard deviation 5.3 points), and so are model effects (4.4 points). The curve is steep:
  from a tenth to nine tenths of its rise within a factor of 6 in size. Without an effect of shape the real scores are
  fitted best by one half as steep.

Each comparison chooses its size control, estimates the effect and answers as `nil-audit compare` does.

## The answers

*Truth held*: how often the 95% interval holds the multiple that was put in (0 without an effect). *Above 0*: how often
it lies above 0, which is power where there is an effect, and error where there is none. *Estimate*: median, and half of
what the middle 68% of the estimates span. Each of these twice: **of the effect that the answer rests on / of the effect
in the prediction's own world**, the row *cost as if the prediction held* of a report
(`nil_audit.comparison.effect.dose.predicted_terms`). The second decides only whether 1 is rejected.

{answers}

What is met (*found* as above, the answer's / the own world's; *too wide* is an interval that holds the truth too often,
which costs power, but makes no error):

{criteria}

How to read it:

- **"Supported" can be trusted**: without an effect it is said in at most {support} of the comparisons in any row
  ({support_row}).
- **"Contradicted" is less sure than the 5% that are aimed at** where there are many models. With {models} the
  law's own effect is called contradicted in {wrong};
  twice the law's effect in {wrong_twice}. Without an
  effect it is said in {right} (first row, and on the fitted curve). So it is evidence against the law, but not at
  5%, and this matters to whoever reads it of a wide list of models like this one: the fitted curve is what the real
  scores look like if the law holds. With 20 or 60 models it is wrong in {wrong_few}, and seldom said at all.
- **The answer's interval is one for 0 and, less exactly, for 1.** The slope that turns loss into score comes from the
  curve of score on size, which has the cost of shape in it already: large models have low ratios, so the curve is too
  flat and the dose too small, the more so the larger the effect. In its own world the prediction is held against a dose
  with less of that fault, and the estimate spreads less. Neither can be relied on for 2 or more: an estimate does not
  say how large an effect beyond the predicted one is.
- **On the fitted curve both are too low.** If models did not differ but by size and shape, the spline as size control
  and the own world's dose would give {nothing:.2f} for 1. With the true curve of score on size as control it would be
  {control:.2f}, with the true cost as dose {dose:.2f}, with both {both:.2f}. A spline of three columns follows a curve
  that steep neither as control of the nominal size nor, above all, as what the dose is read from; a finer control is of
  little use beside a dose so coarse. Beside that the choice of the control takes some of the effect: with noise the
  medians are {fitted}.
- **With the {small} models of protocol {protocol} nothing can be told**, and the answer says so in at least {untold} of
  the comparisons. Most share one ratio, so that the own world's estimate has its median at {small_null} without an
  effect and at {small_one} with the law's: about 1, whatever is true. Only its width keeps it from misleading.
- **Mostly the data cannot tell**, and that is right where an interval holds both 0 and 1.

## What the choice of the size control costs

All {models} models. *Chosen* is what predicts held-out families best; the others are held fixed throughout. Without an
effect it is {chosen}.
The choice follows the scores, which have the effect in them, and takes some of it: the spline, held fixed, finds the
law's own effect more often and contradicts it less often than what is chosen.

{controls}

## Power

By the multiple of the law's effect, with all {models} models. How often the 95% interval lies above 0:

{power}

The answer's interval shows an effect with less than 80% power at every multiple. The one of the prediction's own world
shows it where shape costs parameters, from {seen}.
Below that these data mostly cannot show one. No answer rests on it, since its dose assumes what is asked; without an
effect it lies above 0 in at most {false_own} of the comparisons in any row, where 2.5% are aimed at.

{powers}

The smallest effect with 80% power that a report gives is 2.8 standard errors of its own interval, as if the dose stayed
what it is. Where shape costs that much the dose shrinks and scores fall to the floor, so it is a lower bound.

With more models of the same kind (each family copied, with effects of its own; shape costs parameters):
{enough}.

{larger}
"""


def page(answers: Sequence[Row], rising: Sequence[Row], larger: Sequence[Row], *, comparisons: int) -> str:
    """docs/simulation.md from the rows of `rows`."""
    models = MODELS[-1]
    wide = [row for row in answers if row.job.protocol != SMALL]
    small = [row for row in answers if row.job.protocol == SMALL]
    null = [row for row in answers if row.job.scenario.times == 0]
    whole = {row.job.scenario: row for row in wide if row.job.models == models}
    shown = [whole[one] for one in COMPARED]
    law = [whole[scenario(1.0, world)] for world in WORLDS]
    twice = [whole[scenario(2.0, world)] for world in WORLDS]
    few = [row for row in wide if row.job.scenario.times == 1 and row.job.models < models]
    supported = max(null, key=lambda row: row.answered.share("supported"))
    own_null = [row.answered.own_world for row in null]
    return PAGE.format(
        comparisons=comparisons,
        error=100 * np.sqrt(0.05 * 0.95 / comparisons),
        error_half=50 / np.sqrt(comparisons),
        models=models,
        small=SMALL_MODELS,
        protocol=SMALL,
        answers=_table(
            ["scores come about by", "models", *HEAD],
            [[row.job.scenario.name, str(row.job.models), *_cells(row, CHOSEN)] for row in answers],
        ),
        criteria=_criteria(answers),
        support=_percent(supported.answered.share("supported")),
        support_row=f"{supported.job.scenario.name}, {supported.job.models} models",
        wrong=_by_world(law),
        wrong_few=_range([row.answered.share("contradicted") for row in few]),
        wrong_twice=_by_world(twice),
        right=_range([whole[scenario(0.0, one)].answered.share("contradicted") for one in ("parameters", "fitted")]),
        **without_noise(),
        fitted=" and ".join(f"{middle(one)[0]:.2f}" for one in (law[-1].answered.answers, law[-1].answered.own_world)),
        untold=_percent(min(row.answered.share("cannot_tell") for row in small)),
        small_null=f"{middle(small[0].answered.own_world)[0]:.2f}",
        small_one=f"{middle(small[1].answered.own_world)[0]:.2f}",
        chosen=_counted(shown[0].chosen),
        controls=_table(
            ["scores come about by", "size control", *HEAD],
            [[row.job.scenario.name, name, *_cells(row, name)] for row in shown for name in row.found],
        ),
        power=_power(rising),
        seen=" and ".join(f"{_able(rising, world)} {WORLDS[world]}" for world in ("parameters", "fitted")),
        false_own=_percent(max(above_zero(one) for one in own_null)),
        powers=_table(
            ["multiple", "cost of shape", *HEAD],
            [[f"{row.job.scenario.times:g}", _cost(row.job.scenario), *_cells(row, CHOSEN)] for row in rising],
        ),
        enough=_enough(larger),
        larger=_table(
            ["multiple", "models", *HEAD],
            [[f"{row.job.scenario.times:g}", f"{row.job.models:,}", *_cells(row, CHOSEN)] for row in larger],
        ),
    )


def _cost(one: Scenario) -> str:
    return "in parameters or points" if one.times == 0 and one.world != "fitted" else WORLDS[one.world]


def _by_world(some: Sequence[Row]) -> str:
    shares = [f"{_percent(row.answered.share('contradicted'))} {WORLDS[row.job.scenario.world]}" for row in some]
    return ", ".join(shares[:-1]) + f" and {shares[-1]}"


def _criteria(answers: Sequence[Row]) -> str:
    """A line for each thing that is asked of an answer: the shares found, and whether they are as aimed at."""
    models = MODELS[-1]
    wide = [row for row in answers if row.job.protocol != SMALL]
    null = [row for row in wide if row.job.scenario.times == 0]
    few = [row for row in wide if row.job.scenario.times == 1 and row.job.models < models]
    at_all = {(row.job.scenario.times, row.job.scenario.world): row for row in wide if row.job.models == models}
    lines = []

    def line(what: str, where: str, aim: tuple[float, float], *found: Sequence[float]) -> None:
        too_high = "too wide" if aim[0] else "**no**"
        met = " / ".join("**no**" if min(one) < aim[0] else too_high if max(one) > aim[1] else "yes" for one in found)
        named = f"{100 * aim[0]:.0f} to {100 * aim[1]:.0f}%" if aim[0] else f"at most {100 * aim[1]:g}%"
        lines.append([what, where, named, " / ".join(map(_range, found)), met])

    line("supported", "no effect, all rows", (0, 0.025), [row.answered.share("supported") for row in null])
    line(
        "contradicted", "the law's own effect, 20 or 60", (0, 0.05), [row.answered.share("contradicted") for row in few]
    )
    for world, where in WORLDS.items():
        share = at_all[1.0, world].answered.share("contradicted")
        line("contradicted", f"the law's own effect, {where}, {models}", (0, 0.05), [share])
    for what, some in (
        ("no effect, 20 or 60", [row for row in null if row.job.models < models]),
        (f"no effect, {models}", [row for row in null if row.job.models == models]),
        *(
            (f"{TIMES[times]}, {where}, {models}", [at_all[times, world]])
            for times in (1.0, 2.0)
            for world, where in WORLDS.items()
        ),
    ):
        times = some[0].job.scenario.times
        found = [[holds(one, times) for one in (row.answered.answers, row.answered.own_world)] for row in some]
        line(f"interval holds {times:g}", what, (0.93, 0.97), *zip(*found, strict=True))
    return _table(["what", "where", "aimed at", "found", "met"], lines)


def _rising(rising: Sequence[Row], world: str) -> list[Row]:
    return [row for row in rising if row.job.scenario.world == world and row.job.scenario.times > 0]


def _able(rising: Sequence[Row], world: str, which: str = "own_world") -> str:
    able = [row.job.scenario.times for row in _rising(rising, world) if _finds(row, which) >= POWER]
    return f"{min(able):g} times the law's" if able else "none"


def _finds(row: Row, which: str) -> float:
    return above_zero(getattr(row.answered, which))


def _power(rising: Sequence[Row]) -> str:
    lines = []
    for which, name in (("answers", "the answer's"), ("own_world", "the own world's")):
        for world, where in WORLDS.items():
            most = max(_rising(rising, world), key=lambda row: _finds(row, which))
            at_most = f"{_percent(_finds(most, which))} at {most.job.scenario.times:g} times"
            lines.append([f"{name}, {where}", _able(rising, world, which), at_most])
    return _table(["what", "80% from", "at most"], lines)


def _enough(larger: Sequence[Row]) -> str:
    own = [row for row in larger if row.job.scenario.times == 1]
    able = [row.job.models for row in own if row.answered.share("supported") >= POWER]
    if able:
        return f"with {min(able):,} the law's own effect is supported in 80% of comparisons"
    most = own[-1]
    share = _percent(most.answered.share("supported"))
    return f"even with {most.job.models:,} the law's own effect is supported in {share}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _range(shares: Sequence[float]) -> str:
    if len(set(shares)) == 1:
        return _percent(shares[0])
    return f"{100 * min(shares):.1f} to {_percent(max(shares))}"


def _counted(chosen: Counter[str]) -> str:
    total = sum(chosen.values())
    return ", ".join(f"{name} in {_percent(count / total)}" for name, count in chosen.most_common())


def _table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---" if one in TEXTS else "---:" for one in head], *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cells(row: Row, control: str) -> list[str]:
    found, times = row.found[control], row.job.scenario.times
    both = (found.answers, found.own_world)
    return [
        *(_percent(found.share(verdict)) for verdict in ("supported", "contradicted", "cannot_tell")),
        " / ".join(_percent(holds(one, times)) for one in both),
        " / ".join(_percent(above_zero(one)) for one in both),
        " / ".join("{:.2f} ± {:.2f}".format(*middle(one)) for one in both),
    ]


def main() -> int:
    """Simulate every row and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=1000, help="simulated comparisons a row")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    text = page(*rows(options.comparisons, options.processes), comparisons=options.comparisons)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

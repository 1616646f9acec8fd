"""How often does a comparison answer rightly where the truth is known? Writes docs/simulation.md.

Simulated comparisons keep everything of the real one but the scores: which models there are, their sizes, shapes,
families and release months, so that size, family and ratio are confounded as they really are. `draw` says how scores
come about, and `PAGE` puts it into words.

    python scripts/simulate_claims.py --comparisons 1000 --out docs/simulation.md
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

from nil_audit.catalog.scores import MMLU_PRO_QUESTIONS
from nil_audit.comparison.effect.dose import LOSS_PER_SIZE, dose_terms, predicted_terms
from nil_audit.comparison.effect.estimate import POWER, coefficients, design, made
from nil_audit.comparison.effect.sample import Sample, sample
from nil_audit.comparison.effect.size import MODELS_A_COLUMN, flexible_choices, size_columns
from nil_audit.comparison.effect.size_fit import ELIGIBLE
from nil_audit.comparison.findings import Effect
from nil_audit.comparison.outcome import Outcome
from nil_audit.comparison.reading.clean import checked
from nil_audit.comparison.reading.join import read_frame
from nil_audit.comparison.rules import VERDICTS, answer
from nil_audit.comparison.table import derive
from nil_audit.law.studies import study
from nil_audit.stats.estimate import Array
from nil_audit.stats.least_squares import left_out_moments, orthogonal, solve_each

STUDY = "law"
CHOSEN = "chosen"
FIXED = ("quadratic", "spline", "spline_rank", "bands")
"""Size controls that are tried by themselves beside the one that is chosen."""

MODELS = (20, 60, 113)
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
        world: "points" or "parameters": what a shape costs.
    """

    name: str
    family: float = 0.9
    model: float = 0.6
    released: float = 0.0
    between: float = 0.0
    times: float = 0.0
    world: str = "points"


NULL = (
    Scenario(name="no effect of shape"),
    Scenario(name="no effect; newer models are better", released=0.5),
    Scenario(name="no effect; families of large models are better", between=0.7),
    Scenario(name="no effect; families hardly differ", family=0.2, model=0.9),
    Scenario(name="no effect; models of a family hardly differ", family=1.2, model=0.2),
    Scenario(name="only size: weak noise", family=0.2, model=0.2),
    Scenario(name="only size: score is nearly a function of size", family=0.0, model=0.05),
)
TIMES = {
    "the law's own effect": 1.0,
    "twice the law's effect": 2.0,
    "four times the law's effect": 4.0,
    "the law's effect, the other way round": -1.0,
}
EFFECT = tuple(
    Scenario(name=f"{name}, in {world}", times=times, world=world)
    for world in ("parameters", "points")
    for name, times in TIMES.items()
)
COMPARED = (NULL[0], *(scenario for scenario in EFFECT if scenario.times in (1.0, 2.0)))
"""Scenarios in which the size controls are compared."""


@lru_cache(maxsize=8)
def real_models(copies: int = 1) -> Sample:
    """The models of the shipped list that have a usable leaderboard score (113), in so many copies of every family."""
    clean = checked(read_frame()[0])[0]
    usable = clean[(clean["protocol"] == "leaderboard") & (clean["flag"] == "")]
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
    """
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
        effects: Value, lower and upper end of the 95% interval of each that has one, shape (B, 3).
    """

    verdicts: Counter[str]
    effects: Array

    def share(self, verdict: str) -> float:
        """Share of the comparisons that gave an answer."""
        return self.verdicts[verdict] / max(sum(self.verdicts.values()), 1)

    def excludes(self, value: float) -> float:
        """Share of the intervals that leave a value out."""
        return float(np.mean((self.effects[:, 1] > value) | (self.effects[:, 2] < value)))

    def finds(self) -> float:
        """Share of the intervals that lie above zero."""
        return float(np.mean(self.effects[:, 1] > 0))

    def middle(self) -> tuple[float, float]:
        """Median of the estimates, and half of what their middle 68% span: a standard deviation without tails."""
        low, middle, high = np.quantile(self.effects[:, 0], [0.16, 0.5, 0.84])
        return float(middle), float(high - low) / 2


@dataclass(frozen=True, kw_only=True)
class Row:
    """A scenario at a number of models: what was found by size control ("chosen" among them), and what was chosen."""

    scenario: Scenario
    models: int
    found: dict[str, Found]
    chosen: Counter[str]

    def chosen_share(self, verdict: str) -> float:
        """Share of the comparisons that gave an answer, with the chosen control."""
        return self.found[CHOSEN].share(verdict)


def simulate(
    scenario: Scenario, models: int, number: int, *, copies: int = 1, fixed: Sequence[str] = FIXED, seed: int = 0
) -> Row:
    """Simulate comparisons of about so many models, each with scores of its own, every ten with families of their own.

    Args:
        scenario: How scores come about.
        models: About how many; all where there are no more.
        number: Of comparisons.
        copies: Of the real models, to draw more than there are.
        fixed: Size controls to try beside the chosen one.
        seed: Of the draws.
    """
    real = real_models(copies)
    verdicts: dict[str, Counter[str]] = {name: Counter() for name in (CHOSEN, *fixed)}
    effects: dict[str, list[tuple[float, ...]]] = {name: [] for name in verdicts}
    chosen: Counter[str] = Counter()
    for start in range(0, number, DRAWS_A_SUBSET):
        rng = np.random.default_rng([seed, start])
        part = real if models >= real.models else real.part(some_families(real, models, rng))
        count = min(DRAWS_A_SUBSET, number - start)
        effects_of = Effects(part)
        counts = {"models": part.models, "sized": part.models, "groups": part.groups, "sized_groups": part.groups}
        responses = 100 * np.column_stack([draw(part, scenario, rng) for _ in range(count)])
        for response, best in zip(responses.T, chosen_controls(part, responses), strict=True):
            chosen[best] += 1
            found_by = {control: effects_of.of(response, control) for control in {best, *fixed}}
            for name in verdicts:
                one = found_by[best if name == CHOSEN else name]
                verdicts[name][answer("simulated", one, **counts).verdict] += 1
                if one.estimate.interval is not None:
                    effects[name].append((one.estimate.value, *one.estimate.interval))
    found = {name: Found(verdicts=verdicts[name], effects=np.array(effects[name]).reshape(-1, 3)) for name in verdicts}
    return Row(scenario=scenario, models=models, found=found, chosen=chosen)


Job = tuple[Scenario, int, int, Sequence[str]]
"""What `simulate` is told beside the number of comparisons: scenario, models, copies, fixed controls."""


def jobs() -> tuple[list[Job], list[Job], list[Job]]:
    """Every scenario at every number of models; the law's effect times 0.5 to 3; and more models than there are.

    The controls are held fixed only where the page shows them.
    """
    every = MODELS[-1]
    scenarios: list[Job] = [
        (scenario, models, 1, FIXED if models == every and scenario in COMPARED else ())
        for scenario in (*NULL, *EFFECT)
        for models in MODELS
    ]
    rising: list[Job] = [
        (Scenario(name="rising", times=times, world=world), every, 1, ())
        for world in ("parameters", "points")
        for times in (0.5, 1.0, 1.5, 2.0, 3.0)
    ]
    larger: list[Job] = [
        (Scenario(name="larger", times=times, world="parameters"), copies * every, copies, ())
        for times in (0.0, 1.0)
        for copies in (1, 2, 4, 8)
    ]
    return scenarios, rising, larger


def rows(comparisons: int, processes: int) -> tuple[list[Row], ...]:
    """The rows of `jobs`."""
    start = time.monotonic()
    found: list[list[Row]] = []
    with ProcessPoolExecutor(processes) as pool:
        for some in jobs():
            running = [
                pool.submit(simulate, scenario, models, comparisons, copies=copies, fixed=fixed)
                for scenario, models, copies, fixed in some
            ]
            found.append([])
            for one in running:
                found[-1].append(one.result())
                print(f"{sum(map(len, found))} rows, {time.monotonic() - start:.0f} s", file=sys.stderr)
    return tuple(found)


TEXTS = ("scores come about by", "size control", "cost of shape")
HEAD = ("supported", "contradicted", "cannot tell", "insufficient", "truth outside", "estimate")

PAGE = """# How often the answer is right

`python scripts/simulate_claims.py --comparisons {comparisons} --out docs/simulation.md` writes this page:
{comparisons:,} simulated comparisons a row, so that a share of 5% has a standard error of {error:.1f} points.

## What was simulated

The {models} models of the shipped list with their sizes, shapes, families and release months, so that size, family and
ratio are confounded as they really are; or families of them drawn at random until they hold 20 or 60 models. Only the
scores are drawn:

    ability = ln(parameters / 3e9) + family + model
    score   = 0.114 + 0.32 / (1 + exp(2 - 3 ability)) + sampling error of 12,032 questions

Family effects are t-distributed on 5 degrees of freedom (standard deviation 0.9), model effects normal (0.6). That
makes about as many models at the floor, as many high ones and as strong a correlation with size as the real scores
have. What else there is in some rows: *newer models are better*, by 0.5 of ability a year; *families of large models
are better*, by 0.7 an e-fold of their mean size; families *hardly differ* (0.2, and models 0.9), or models of a family
do not (0.2, and families 1.2); *weak noise* (0.2 and 0.2); score *nearly a function of size* (0 and 0.05).

A shape costs what the law predicts, times 1, 2, 4 or -1 (the other way round), in one of two ways:

- **in parameters**: excess / 0.039 e-folds of them come off the ability. What that costs in score depends on how able
  the model is; at the floor it is nothing. This is how it may well be.
- **in points**: the dose itself comes off the score, with the slope that the mean score of models of its size has where
  shape costs nothing. The true effect is then the multiple exactly. Scores fall below the floor, which real ones
  cannot; at four times, below zero.

Each comparison chooses its size control, estimates the effect and answers as `nil-audit compare` does.

## The answers

*Truth outside*: how often the 95% interval leaves out the multiple that was put in (0 without an effect). *Estimate*:
median, and half of what the middle 68% of the estimates span.

{answers}

How to read it:

- **Without an effect, support is rare**: at most {support} of the comparisons in any row
  ({support_row}). Without confounding (the first three rows) the interval holds 0 in {covered} of them.
- **The law's own effect, or twice it, is rarely called contradicted**: at most {contradiction}, where 5% are aimed at
  ({contradiction_row}).
- **Mostly the data cannot tell**, and that is right where an interval holds both 0 and 1.
- **Large effects are underestimated.** The slope that turns loss into score comes from the curve of score on size,
  which has the cost of shape in it already: large models have low ratios, so the curve is too flat and the dose too
  small, the more so the larger the effect. The interval is one for 0 and, less exactly, for 1 (outside in
  {outside_one} with {models} models); it is none for 2 or 4, above all in points, where four times the law's effect
  looks like none. Without an effect nothing is wrong, so support is safe. Contradiction is asked of a second dose too,
  that of a world in which the law is right (`nil_audit.comparison.rules`).

## What the choice of the size control costs

All {models} models. *Chosen* is what predicts held-out families best; the others are held fixed throughout. Without an
effect it is {chosen}.

{controls}

## Power

How often the 95% interval lies above 0, and which answer is given, by the multiple of the law's effect, with all
{models} models: {power}.

{powers}

The smallest effect with 80% power that a report gives is 2.8 standard errors of its own interval, as if the dose stayed
what it is. Where shape costs that much the dose shrinks and scores fall to the floor, so it is a lower bound.

With more models of the same kind (each family copied, with effects of its own; shape costs parameters):
{enough}.

{larger}
"""


def page(main_rows: Sequence[Row], rising: Sequence[Row], larger: Sequence[Row], *, comparisons: int) -> str:
    """docs/simulation.md from the rows of `rows`."""
    models = MODELS[-1]
    null = [row for row in main_rows if row.scenario.times == 0]
    plain = [row for row in null if row.scenario.name == NULL[0].name]
    claimed = [row for row in main_rows if row.scenario in COMPARED[1:]]
    supported = max(null, key=lambda row: row.chosen_share("supported"))
    contradicted = max(claimed, key=lambda row: row.chosen_share("contradicted"))
    shown = [row for row in (*plain, *claimed) if row.models == models]
    return PAGE.format(
        comparisons=comparisons,
        error=100 * np.sqrt(0.05 * 0.95 / comparisons),
        models=models,
        answers=_table(
            ["scores come about by", "models", *HEAD],
            [[row.scenario.name, str(row.models), *_cells(row, CHOSEN)] for row in main_rows],
        ),
        support=_percent(supported.chosen_share("supported")),
        support_row=f"{supported.scenario.name}, {supported.models} models",
        covered=_range([1 - row.found[CHOSEN].excludes(0) for row in plain]),
        contradiction=_percent(contradicted.chosen_share("contradicted")),
        contradiction_row=f"{contradicted.scenario.name}, {contradicted.models} models",
        outside_one=_range([row.found[CHOSEN].excludes(1) for row in shown if row.scenario.times == 1]),
        chosen=_counted(next(row.chosen for row in plain if row.models == models)),
        controls=_table(
            ["scores come about by", "size control", *HEAD],
            [[row.scenario.name, name, *_cells(row, name)] for row in shown for name in row.found],
        ),
        power=_power(rising),
        powers=_table(
            ["multiple", "cost of shape", "interval above 0", *HEAD],
            [
                [
                    f"{row.scenario.times:g}",
                    f"in {row.scenario.world}",
                    _percent(row.found[CHOSEN].finds()),
                    *_cells(row, CHOSEN),
                ]
                for row in rising
            ],
        ),
        enough=_enough(larger),
        larger=_table(
            ["multiple", "models", *HEAD],
            [[f"{row.scenario.times:g}", f"{row.models:,}", *_cells(row, CHOSEN)] for row in larger],
        ),
    )


def _power(rising: Sequence[Row]) -> str:
    shares = {(row.scenario.times, row.scenario.world): row.found[CHOSEN].finds() for row in rising}
    found = [times for (times, _), share in shares.items() if share >= POWER]
    if found:
        return f"an effect of {min(found):g} times the law's is found in 80% of comparisons"
    (times, world), most = max(shares.items(), key=lambda one: one[1])
    return f"none is found in 80% of comparisons; the most is {_percent(most)}, at {times:g} times the law's in {world}"


def _enough(larger: Sequence[Row]) -> str:
    own = [row for row in larger if row.scenario.times == 1]
    able = [row.models for row in own if row.chosen_share("supported") >= POWER]
    if able:
        return f"with {min(able):,} the law's own effect is supported in 80% of comparisons"
    most = own[-1]
    return f"even with {most.models:,} the law's own effect is supported in {_percent(most.chosen_share('supported'))}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _range(shares: Sequence[float]) -> str:
    return f"{100 * min(shares):.1f} to {_percent(max(shares))}"


def _counted(chosen: Counter[str]) -> str:
    total = sum(chosen.values())
    return ", ".join(f"{name} in {_percent(count / total)}" for name, count in chosen.most_common())


def _table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---" if one in TEXTS else "---:" for one in head], *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cells(row: Row, control: str) -> list[str]:
    found = row.found[control]
    middle, spread = found.middle()
    return [
        *(_percent(found.share(verdict)) for verdict in VERDICTS),
        _percent(found.excludes(row.scenario.times)),
        f"{middle:.2f} ± {spread:.2f}",
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

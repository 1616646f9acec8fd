"""Does ``score --precision`` keep what it says? Simulated models, asked until the rule stops, against their full set.

A model is a set of 12,032 right and wrong answers: each category has an accuracy of its own around the model's (normal
on the scale of log odds), each answer is drawn, and the mean of all of them is what its full set would give. Every
run asks the questions in an order of its own, stops where ``next_size`` says, and is judged by the full set of the
model it asked. Prints the table of docs/mmlu_pro.md:

    python scripts/simulate_precision.py [--models 50] [--runs 50] [--seed 1]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nil_audit.score.plan import FIRST_ROUND
from nil_audit.score.protocols import CATEGORIES
from nil_audit.score.sample import next_size, shares_of
from nil_audit.stats.proportion import wilson
from nil_audit.stats.stratified import SHARES, effective_size, error_of_mean, share_variances

Array = NDArray[np.float64]

SIZES = dict(zip(CATEGORIES, (717, 789, 1132, 410, 844, 969, 818, 381, 1101, 1351, 924, 499, 1299, 798), strict=True))
"""Questions of MMLU-Pro by category."""
ACCURACIES = (0.02, 0.11, 0.3, 0.5, 0.75)
PRECISIONS = (0.01, 0.02, 0.03, 0.05)
SPREAD = 0.5
"""Standard deviation of the categories' log odds around the model's."""


@dataclass(frozen=True)
class Runs:
    """What became of many runs of one kind of model.

    Attributes:
        asked: Questions asked.
        error: Accuracy less that of the full set.
        se: Standard error that the run ended with.
        covered: Whether the 95% interval held the full set's accuracy.
    """

    asked: Array
    error: Array
    se: Array
    covered: Array


def answers(accuracy: float, source: np.random.Generator) -> list[NDArray[np.bool_]]:
    """A model's answers by category."""
    centre = np.log(accuracy / (1 - accuracy))
    return [source.random(size) < 1 / (1 + np.exp(-source.normal(centre, SPREAD))) for size in SIZES.values()]


def orders(model: list[NDArray[np.bool_]], runs: int, source: np.random.Generator) -> list[NDArray[np.int64]]:
    """For each category the right answers among the first k, k = 0 to all, in ``runs`` random orders."""
    found = []
    for part in model:
        shuffled = source.permuted(np.tile(part, (runs, 1)), axis=1)
        found.append(np.pad(np.cumsum(shuffled, axis=1), ((0, 0), (1, 0))))
    return found


def stopped(
    right: list[NDArray[np.int64]], precision: float, shares: dict[int, list[int]]
) -> Iterator[list[list[int]]]:
    """Of each run the right answers and the questions, by category, with which the rule stops."""
    there = list(SIZES.values())
    for run in range(len(right[0])):
        size: int | None = FIRST_ROUND
        counts: list[int] = []
        found: list[int] = []
        while size is not None:
            if size not in shares:
                by_name = shares_of(SIZES, size)
                shares[size] = [by_name[name] for name in SIZES]
            counts = shares[size]
            found = [int(part[run, count]) for part, count in zip(right, counts, strict=True)]
            size = next_size(found, counts, there, precision)
        yield [found, counts]


def simulate(accuracy: float, precision: float, models: int, runs: int, seed: int) -> Runs:
    """Many runs on several models of one accuracy."""
    source = np.random.default_rng([seed, round(1000 * accuracy)])
    there, shares = np.array(list(SIZES.values())), dict[int, list[int]]()
    parts = []
    for _ in range(models):
        model = answers(accuracy, source)
        truth = np.concatenate(model).mean()
        right, counts = np.swapaxes(list(stopped(orders(model, runs, source), precision, shares)), 0, 1)
        n = counts.sum(axis=1)
        share, se = right.sum(axis=1) / n, error_of_mean(share_variances(right, counts), counts, there)
        ends = map(wilson, share, effective_size(right, right, counts, there, assumed=SHARES))
        covered = [low <= truth <= high for low, high in ends]
        parts.append(np.array([n, share - truth, se, covered], dtype=float))
    return Runs(*np.concatenate(parts, axis=1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=50, help="models of each accuracy")
    parser.add_argument("--runs", type=int, default=50, help="runs on each")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"{given.models * given.runs} runs a row, seed {given.seed}\n")
    print("| `--precision` | accuracy | questions | SD of the error | bias | error above 2 x precision | coverage |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for precision in PRECISIONS:
        for accuracy in ACCURACIES:
            found = simulate(accuracy, precision, given.models, given.runs, given.seed)
            far = np.mean(abs(found.error) > 2 * precision)
            print(
                f"| {precision:.0%} | {accuracy:.0%} | {found.asked.mean():,.0f} | {100 * found.error.std():.2f} "
                f"| {100 * found.error.mean():+.2f} | {far:.1%} | {found.covered.mean():.1%} |"
            )


if __name__ == "__main__":
    main()

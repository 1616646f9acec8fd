"""How often the 95% intervals of a calibration hold the truth: sweeps with a known optimum, written to a table.

    python scripts/simulate_sweeps.py SWEEPS_FOLDER [--simulations 1000]

The shapes are those of three published sweeps (the folder holds byte_lm_shape_sweep.csv, open_lm_morph_runs.csv and
gemstones.csv); their losses are replaced by a valley of known optimum and curvature, with the noise that each sweep
has about its own fit, and in some rows an optimum of its own for each budget.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nil_audit.calibration.comparable import CONTEXT, Comparable, choose, comparable, held_equal
from nil_audit.calibration.quadratic import CENTRE
from nil_audit.calibration.sweep import read_sweep
from nil_audit.files import write_atomically

TARGET = Path(__file__).resolve().parent.parent / "docs" / "sweep_simulation.md"
TOLERANCE = 0.01
QUANTITIES = ("optimum", "curvature", "lower end", "upper end")


@dataclass(frozen=True)
class Kind:
    """A kind of sweep: whose shapes, the truth, the noise, and how far budgets differ.

    Attributes:
        name: In the table.
        file: Whose shapes.
        where: Which of them.
        optimum: R* of the truth.
        curvature: c of the truth.
        noise: Standard deviation of ln loss.
        between: Standard deviation of ln R* between budgets.
        budgets: How many budgets, the smallest first; None for all.
    """

    name: str
    file: str
    where: tuple[str, ...]
    optimum: float
    curvature: float
    noise: float
    between: float = 0.0
    budgets: int | None = None


_LAW = Kind("law", "byte_lm_shape_sweep.csv", ("1e6 <= target_n <= 3e6",), 0.039, 0.0147, 0.008)
_MORPH = Kind("morph", "open_lm_morph_runs.csv", (), 0.028, 0.0068, 0.003)
KINDS = (
    _LAW,
    replace(_LAW, noise=0.006),
    replace(_LAW, between=0.1),
    replace(_LAW, between=0.2),
    replace(_LAW, budgets=4),
    replace(_LAW, budgets=2),
    replace(_LAW, budgets=1),
    replace(_LAW, budgets=4, between=0.14),
    replace(_LAW, budgets=2, between=0.14),
    _MORPH,
    replace(_MORPH, between=0.1),
    Kind("gemstones", "gemstones.csv", ("run == 'main'",), 0.0218, 0.0041, 0.002),
)


def shapes(folder: Path, kind: Kind) -> Comparable:
    """The runs whose shapes a kind of sweep has."""
    runs = choose(read_sweep(folder / kind.file, where=kind.where)).runs
    held = held_equal(runs, "body", context=CONTEXT, vocabulary=None)
    one = comparable(runs, "total", runs["parameters"]) if held is None else comparable(runs, "body", held)
    if kind.budgets is None:
        return one
    first = list(dict.fromkeys(one.used["budget"]))[: kind.budgets]
    return replace(one, runs=one.used[one.used["budget"].isin(first)])


def coverage(one: Comparable, kind: Kind, simulations: int, draws: int, seed: int) -> tuple[float, ...]:
    """Share of simulated sweeps whose interval holds the truth, for each of `QUANTITIES`."""
    random = np.random.default_rng(seed)
    regression = one.regression()
    x = regression.shape[:, 0] + CENTRE
    optimum, half = np.log(kind.optimum), np.sqrt(np.log1p(TOLERANCE) / kind.curvature)
    truth = (optimum, kind.curvature, optimum - half, optimum + half)
    held = np.zeros(len(truth))
    for _ in range(simulations):
        own = np.full(len(x), optimum)
        if regression.budgets is not None:
            own += kind.between * random.standard_normal(regression.budgets.max() + 1)[regression.budgets]
        target = kind.curvature * (x - own) ** 2 + kind.noise * random.standard_normal(len(x))
        drawn = replace(regression, target=target).bootstrap(draws, random)
        slope, curvature = drawn[drawn[:, 1] > 0].T
        at, away = CENTRE - slope / (2 * curvature), np.sqrt(np.log1p(TOLERANCE) / curvature)
        ends = np.quantile([at, curvature, at - away, at + away], [0.025, 0.975], axis=1)
        held += (ends[0] <= truth) & (truth <= ends[1])
    return tuple((held / simulations).tolist())


def table(folder: Path, simulations: int, draws: int, kinds: Sequence[Kind] = KINDS) -> str:
    """The table as Markdown."""
    lines = [
        "# How often the intervals of a calibration hold the truth",
        "",
        f"{simulations:,} simulated sweeps a row: the shapes of a published sweep, losses of a known valley with"
        f" Gaussian noise in ln loss, {draws} bootstrap refits each. A 95% interval holds the truth 95% of the time;"
        f" {simulations:,} sweeps tell that to within {196 * np.sqrt(0.95 * 0.05 / simulations):.1f} points. 'Between'"
        " is the standard deviation of ln R* between budgets; the truth is then their mean.",
        "",
        "| shapes of | budgets | runs | noise | between | " + " | ".join(QUANTITIES) + " |",
        "| --- | --- | --- | --- | --- | " + " | ".join("---" for _ in QUANTITIES) + " |",
    ]
    for seed, kind in enumerate(kinds):
        one = shapes(folder, kind)
        budgets = one.used["budget"].nunique() if one.repeated else "do not repeat"
        found = " | ".join(f"{100 * share:.1f}%" for share in coverage(one, kind, simulations, draws, seed))
        lines.append(
            f"| {kind.name} | {budgets} | {len(one.used)} | {100 * kind.noise:.1f}% | {kind.between:g} | {found} |"
        )
    lines += ["", "Made by `python scripts/simulate_sweeps.py SWEEPS_FOLDER`; do not edit."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the published sweeps")
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=400)
    options = parser.parse_args()
    write_atomically(TARGET, table(options.folder, options.simulations, options.draws))


if __name__ == "__main__":
    main()

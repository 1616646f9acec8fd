"""Print the tables of docs/pooling.md: each study left out in turn, and what the priors decide.

    python scripts/judge_pool.py byte_lm_shape_sweep.csv open_lm_morph_runs.csv chinchilla_runs.csv gemstones.csv

The files are those of `fit_intervals.py`. Takes about two minutes.
"""

import argparse
from pathlib import Path

import numpy as np
from fit_intervals import pool_runs

from nil_audit.calibration.evidence import StudyEvidence, study_evidence
from nil_audit.calibration.left_out import LeftOut, leave_one_out
from nil_audit.calibration.pooling import PRIOR, Prior, predictive_pool, sample

PRIORS = {
    "as shipped": PRIOR,
    "studies alike (scales 0.25)": Prior(studies=(0.25, 0.25)),
    "studies apart (scales 1)": Prior(studies=(1.0, 1.0)),
    "hardly a drift (0.02, 0.02)": Prior(drift=(0.02, 0.02)),
    "any drift (0.1, 0.2)": Prior(drift=(0.1, 0.2)),
}


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("law", "morph", "chinchilla", "gemstones"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    pairs = [study_evidence(name, runs) for name, runs in pool_runs(vars(options)).items()]
    found = [one for one, _ in pairs]
    print_posterior(found)
    print("\n| left out | predicted by | runs | 95% interval holds | error, % of loss | bias | mean measured |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for row in leave_one_out(pairs):
        print(
            f"| {row.study} | {row.by} | {row.shapes} | {row.coverage:.0%} | {100 * row.error:.2f} | "
            f"{100 * row.bias:+.2f} | {100 * row.measured:.2f} |"
        )
    print("\n| priors | best R at 1B | within 1% at 1B | 7 x 1792 | at 70B, R = 0.1 | errors when left out |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for name, prior in PRIORS.items():
        made = predictive_pool(found, prior=prior)
        interval = made.interval(1e9)
        small, large = made.regret(7 / 1792, 5e8), made.regret(0.1, 7e10)
        rows = [row for row in leave_one_out(pairs, prior=prior) if row.by == "pooled"]
        print(
            f"| {name} | {made.best(1e9):.4f} | {interval.low:.4f} to {interval.high:.3f} | {percent(small)} |"
            f" {percent(large)} | {errors(rows)} |"
        )


def print_posterior(found: list[StudyEvidence]) -> None:
    """What the studies have in common, with 95% intervals."""
    posterior = sample([one for study in found for one in study.evidence])
    print(f"largest split R-hat {posterior.convergence:.3f}\n")
    print("| | ln R* | ln c |\n| --- | ---: | ---: |")
    for name in ("mean", "drift", "studies", "budgets"):
        cells = [np.percentile(column, [50, 2.5, 97.5]) for column in getattr(posterior, name).T]
        print(f"| {name} | " + " | ".join(f"{mid:.2f} [{low:.2f}, {high:.2f}]" for mid, low, high in cells) + " |")


def percent(regret: object) -> str:
    """Expected regret with its interval, in per cent of loss."""
    expected, low, high = (100 * getattr(regret, name) for name in ("expected", "low", "high"))
    return f"{expected:.1f} [{low:.1f}, {high:.1f}]"


def errors(rows: list[LeftOut]) -> str:
    """The error of each left-out study, in per cent of loss."""
    return ", ".join(f"{row.study} {100 * row.error:.2f}" for row in rows)


if __name__ == "__main__":
    main()

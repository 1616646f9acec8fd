"""What a comparison costs: the shipped list with and without --quick, and thousands of models like them.

The many models are drawn with replacement from the shipped list and jittered in size and score, in families of the mean
size asked for; shapes, months, lineages and domains stay theirs.

    python benchmarks/comparison_cost.py             # the shipped list, then 5,000 models of 1,250 families
    python benchmarks/comparison_cost.py --profile   # and where the time goes
"""

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

import nil_audit
from nil_audit.comparison.reading.join import read_frame

if TYPE_CHECKING:
    import pandas as pd


def many_models(models: int, families: int, seed: int = 0) -> "pd.DataFrame":
    """A frame of so many models in so many families, drawn around the shipped ones.

    Args:
        models: Rows.
        families: Families, of about equal size; each is of one organisation.
        seed: Of the draws.
    """
    import pandas as pd

    shipped = read_frame()[0]
    shipped = shipped[(shipped["protocol"] == "leaderboard") & shipped["parameters"].notna()]
    rng = np.random.default_rng(seed)
    drawn = shipped.iloc[rng.integers(len(shipped), size=models)].reset_index(drop=True)
    number = np.arange(models) % families
    names = pd.Series([f"family-{one}" for one in number])
    ability = rng.normal(0, 0.02, families)[number] + rng.normal(0, 0.01, models)
    return drawn.assign(
        model=[f"maker-{one}/model-{row}" for row, one in enumerate(number)],
        family=names,
        organisation=names,
        parameters=drawn["parameters"] * np.exp(rng.normal(0, 0.1, models)),
        score=np.clip(drawn["score"] + ability, 0.05, 0.95),
    )


def timed(run: Callable[[], object], *, profile: bool) -> tuple[float, float]:
    """Seconds by the clock and of the processor; with the twenty costliest functions printed."""
    profiler = cProfile.Profile()
    clock, processor = time.perf_counter(), time.process_time()
    if profile:
        profiler.runcall(run)
    else:
        run()
    spent = time.perf_counter() - clock, time.process_time() - processor
    if profile:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats("nil_audit", 20)
    return spent


def main() -> None:
    """Time each comparison once, after one that loads what a comparison imports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=5000)
    parser.add_argument("--families", type=int, default=1250)
    parser.add_argument("--profile", action="store_true", help="print where the time goes; slower")
    options = parser.parse_args()
    frame = many_models(options.models, options.families)
    runs: dict[str, Callable[[], object]] = {
        "the shipped list": lambda: nil_audit.compare(),
        "the shipped list, quick": lambda: nil_audit.compare(quick=True),
        f"{options.models:,} models of {options.families:,} families": lambda: nil_audit.compare(frame),
        f"{options.models:,} models of {options.families:,} families, quick": lambda: nil_audit.compare(
            frame, quick=True
        ),
    }
    nil_audit.compare(quick=True)
    print("| comparison | seconds | of the processor |\n| --- | ---: | ---: |")
    for name, run in runs.items():
        clock, processor = timed(run, profile=options.profile)
        print(f"| {name} | {clock:.1f} | {processor:.1f} |", flush=True)


if __name__ == "__main__":
    main()

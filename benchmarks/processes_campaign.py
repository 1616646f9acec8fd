"""Teams of two and three processes in which one fails at random: which rank, model, step and error.

    python -m benchmarks.processes_campaign [--runs 100] [--seed 1]

Every run must end as one that nobody disturbed, but for the model that failed (``tests.launched.differences``); a team
that hangs is killed after ``--timeout`` seconds. Prints a line for what went wrong, and counts.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.launched import ERRORS, FIRST_ALONE, OF_SCORE, STEPS, Fault, Run, differences, launch
from tests.mmlu import answering_checkpoint, mmlu_rows, write_mmlu
from tests.tiny import checkpoint_folder, english


def random_run(folder: Path, name: str, size: int, source: random.Random) -> Run:
    """Two or three models in some order, of which one meets a fault on one process, or on two."""
    scored = source.random() < 0.15
    models = [str(folder / one) for one in ("cd" if scored else "abcd")]
    models = source.sample(models, min(len(models), source.choice((2, 3))))
    caches = tuple(str(folder / f"{name}-{rank}") for rank in range(size))
    if source.random() < 0.5:
        caches = caches[:1] * size
    struck = source.choice(models)
    faults: list[Fault] = []
    for rank in source.sample(range(size), 1 if source.random() < 0.8 else 2):
        steps = [step for step in STEPS if (rank == 0 or step not in FIRST_ALONE) and step not in OF_SCORE]
        steps = [*OF_SCORE[1:]] if scored else steps
        step = source.choice([*steps, "gradients"] if not scored else steps)
        # of 32 windows in batches of 4 each process has its share
        last = 32 // 4 // size if step == "gradients" else 1
        kinds = [kind for kind in ERRORS if kind != "interrupt" or not faults]
        faults.append(
            Fault(rank=rank, model=struck, step=step, error=source.choice(kinds), time=source.randint(1, last))
        )
    if len(faults) > 1:  # either may come first, so that both must end the run in the same way
        faults = [Fault(rank=one.rank, model=struck, step=one.step, time=one.time) for one in faults]
    mmlu_pro = str(folder / "mmlu_pro") if scored else None
    return Run(models=tuple(models), caches=caches, faults=tuple(faults), mmlu_pro=mmlu_pro)


def main() -> None:
    """Run the campaign; exit code 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="Runs of each team.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=3600, help="Seconds for all.")
    options = parser.parse_args()
    source = random.Random(options.seed)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint_folder(folder / "a", "llama")
        checkpoint_folder(folder / "b", "gpt2", seed=1)
        answering_checkpoint(folder / "c")
        answering_checkpoint(folder / "d", seed=1)
        (folder / "probe.txt").write_text(english(2000))
        write_mmlu(folder / "mmlu_pro", *mmlu_rows(1))
        alone = (str(folder / "alone"),)
        scored = tuple(str(folder / one) for one in "cd")
        teams = {
            "one": [
                Run(models=(str(folder / "a"), str(folder / "b")), caches=alone),
                Run(models=scored, caches=alone, mmlu_pro=str(folder / "mmlu_pro")),
            ],
            "two": [random_run(folder, f"two-{number}", 2, source) for number in range(options.runs)],
            "three": [random_run(folder, f"three-{number}", 3, source) for number in range(options.runs)],
        }
        settings = {
            "probe": str(folder / "probe.txt"),
            "window": 16,
            "context": 4,
            "tokens": 512,
            "device": "cpu",
            "batch_size": 4,
        }
        found = launch(teams, settings, folder / "results", timeout=options.timeout)
        records: dict[str, Any] = found["one"][0][0]["results"] | found["one"][1][0]["results"]
        wrong = 0
        for team in ("two", "three"):
            counts: Counter[str] = Counter()
            for run, each in zip(teams[team], found[team], strict=True):
                counts.update(fault.step for fault in run.faults)
                if said := differences(run, each, records):
                    wrong += 1
                    print(f"{team}: {run.faults}: {said}")
            steps = ", ".join(f"{step} {counts[step]}" for step in STEPS if counts[step])
            print(f"{team} processes: {options.runs} runs; faults at {steps}")
    seconds = time.perf_counter() - start
    print(f"Seed {options.seed}: {2 * options.runs} runs in {seconds:.0f} s, {wrong} of them wrong.")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()

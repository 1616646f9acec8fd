"""Tokens a second of an audit's pass, with threads that spin while they wait and with threads that sleep.

On a machine that has nothing else to do the two should be alike; where another process wants the same cores, a thread
that spins keeps them from whoever it waits for. Every run is a process of its own, since the choice
(``OMP_WAIT_POLICY``) is read when torch is imported; runs alternate, and what counts is the ratio of the medians.

    python benchmarks/busy_cpu.py                 # 5 runs each of idle and busy, spinning and sleeping
    python benchmarks/busy_cpu.py --rounds 3 --threads 4
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
NEIGHBOUR = "import torch; a = torch.randn(1500, 1500)\nwhile True: a @ a"


def parse() -> argparse.Namespace:
    """The options; the defaults are those of the committed numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """One pass of gradients and their sums over random windows; prints tokens a second."""
    import numpy as np
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from nil_audit.interaction.probe import Windows
    from nil_audit.interaction.totals import WindowTotals
    from nil_audit.processes import Team
    from nil_audit.weights.checkpoint import freeze

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=4096, hidden_size=256, intermediate_size=1024, num_hidden_layers=6, num_attention_heads=4
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    freeze(model)
    count, length = options.windows, 128
    windows = Windows(
        tokens=np.random.default_rng(0).integers(0, 4096, (count, length + 1)),
        context=16,
        bytes=np.ones(count, dtype=np.int64),
    )
    totals = WindowTotals(windows, model)
    totals.enlarge(count, Team.join())
    totals.add(np.arange(1), model)  # the first pass also sets up the libraries
    begun = time.perf_counter()
    for row in range(count):
        totals.add(np.arange(row, row + 1), model)
    print(count * length / (time.perf_counter() - begun))


def main() -> None:
    """Alternate the four kinds of run; print the medians and the ratios."""
    options = parse()
    if options.run:
        run(options)
        return
    plain = {name: value for name, value in os.environ.items() if name not in CHOICES}
    ways = {"spinning": plain, "sleeping": plain | {"OMP_WAIT_POLICY": "PASSIVE"}}
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(options.rounds):
        for load in ("idle", "busy"):
            neighbour = subprocess.Popen([sys.executable, "-c", NEIGHBOUR], env=plain) if load == "busy" else None
            try:
                for way, environment in ways.items():
                    arguments = [sys.executable, __file__, "--run", "--threads", str(options.threads)]
                    arguments += ["--windows", str(options.windows)]
                    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
                    found.setdefault((load, way), []).append(float(done.stdout))
            finally:
                if neighbour is not None:
                    neighbour.kill()
                    neighbour.wait()
    print("| machine | spinning, tokens/s | sleeping, tokens/s | ratio |\n| --- | --- | --- | --- |")
    for load in ("idle", "busy"):
        spinning, sleeping = (statistics.median(found[load, way]) for way in ways)
        print(f"| {load} | {spinning:.0f} | {sleeping:.0f} | {sleeping / spinning:.2f} |")


if __name__ == "__main__":
    main()

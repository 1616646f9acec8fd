"""Measured against predicted times of a decoded token and of a prompt token: shapes of one budget, this machine.

The shapes are those that `nil-audit candidate` proposes for a Llama of 30 x 576 (the shape of SmolLM2-135M), from deep
to wide. Measured is `nil_audit.budget.stopwatch.measure_all` (whole models, random weights), predicted
`serving_time` with the roofline of `nil_audit.budget.this_machine`, whose constants come from matrix products and from
models of 2 and 6 narrow blocks alone. With one thread the seconds are the processor's, so that other processes count
little; with more they are the clock's, and the machine should have nothing else to do.

    python -m benchmarks.decode_time [--context 1024] [--threads 1] [--shapes 6]
"""

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from nil_audit.budget.alternatives import build, propose
from nil_audit.budget.counts import count_blocks
from nil_audit.budget.inference import serving_time
from nil_audit.budget.stopwatch import measure_all
from nil_audit.budget.template import Template, config_from_flags
from nil_audit.budget.this_machine import this_machine
from nil_audit.shape.architecture import shape_from_config

START = {"depth": 30, "width": 576, "heads": 9, "kv_heads": 3, "mlp_width": 1536, "vocab_size": 49_152, "context": 2048}


def parse() -> argparse.Namespace:
    """The options; the defaults are those of the committed table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shapes", type=int, default=6)
    return parser.parse_args()


def shapes_of_one_budget(number: int) -> list[dict[str, Any]]:
    """Raw configs of so many shapes, spread evenly over those that are proposed, deepest first."""
    config = config_from_flags("llama", tied=True, **START)
    template = Template(config, shape_from_config(config))
    proposals = propose(template, count_blocks(template))
    chosen = [proposals[round(place)] for place in np.linspace(0, len(proposals) - 1, number)]
    return [found[1] for one in chosen if (found := build(template, one, whole=True))]


def main() -> None:
    """Print the table, the errors and the rank correlations."""
    options = parse()
    torch.set_num_threads(options.threads)
    configs = shapes_of_one_budget(options.shapes)
    measured = measure_all(configs, context=options.context)
    rows = []
    print(
        "| shape | parameters | bandwidth, GB/s | fixed cost, µs a block | decode, measured ms | predicted | error"
        " | without fixed cost | prompt, measured ms | predicted | error |"
    )
    for config, real in zip(configs, measured, strict=True):
        shape = shape_from_config(config)
        assert shape.parameters
        machine = this_machine(config, context=options.context)
        counts = count_blocks(Template(config, shape))
        found, bare = (
            serving_time(shape, counts, one, context=options.context)
            for one in (machine, replace(machine, block_seconds=0.0, pass_seconds=0.0))
        )
        row = (
            real.decode_seconds,
            found.decode_seconds,
            bare.decode_seconds,
            real.prompt_seconds,
            found.prompt_seconds,
        )
        rows.append(row)
        decode, predicted, without, prompt, of_prompt = (1e3 * value for value in row)
        print(
            f"| {shape.depth} x {shape.width} | {shape.parameters.total / 1e6:.0f}M | {machine.bandwidth / 1e9:.1f}"
            f" | {1e6 * machine.block_seconds:.0f} | {decode:.1f} | {predicted:.1f}"
            f" | {predicted / decode - 1:+.1%} | {without / decode - 1:+.1%} | {prompt:.2f} | {of_prompt:.2f}"
            f" | {of_prompt / prompt - 1:+.1%} |",
            flush=True,
        )
    table = np.array(rows)
    for name, found, real in (("decode", 1, 0), ("decode without fixed cost", 2, 0), ("prompt", 4, 3)):
        errors = table[:, found] / table[:, real] - 1
        rank = spearmanr(table[:, found], table[:, real]).statistic
        print(f"{name}: Spearman {rank:.2f}, errors {errors.min():+.1%} to {errors.max():+.1%}")


if __name__ == "__main__":
    main()

"""The audit's time and memory against the least that could do it: one bare forward and activation-only backward.

Both run over the same windows, on the same randomly initialised model, in one process, in turn; what counts is the
ratio of each pair. The bare pass takes the same gradients and throws them away; the audit sums them and their
directions in doubling rounds, and takes every number with its error after each. On a CPU the seconds are the
processor's, so that another process on the machine does not count. With ``--profile`` the audit itself is what the
audit with a depth profile is held against.

    python benchmarks/audit_cost.py                       # 152M parameters (12 x 768)
    python benchmarks/audit_cost.py --depth 24 --width 1024 --device cuda
    python benchmarks/audit_cost.py --profile --depth 30 --width 576
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import psutil
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from nil_audit.interaction.gradients import window_gradients
from nil_audit.interaction.metrics import estimate
from nil_audit.interaction.places import Place
from nil_audit.interaction.probe import BLOCKS, Windows
from nil_audit.interaction.totals import WindowTotals
from nil_audit.processes import Team
from nil_audit.weights.checkpoint import freeze
from nil_audit.weights.memory import peak_memory


def parse() -> argparse.Namespace:
    """The options, with the model that the committed numbers were measured on as default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--vocabulary", type=int, default=50_304)
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--context", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="an audit against one with a depth profile")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def build(options: argparse.Namespace) -> torch.nn.Module:
    """A randomly initialised Llama of the asked size, frozen."""
    config = LlamaConfig(
        vocab_size=options.vocabulary,
        hidden_size=options.width,
        intermediate_size=4 * options.width,
        num_hidden_layers=options.depth,
        num_attention_heads=options.width // 64,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, options.dtype)).to(options.device)
    freeze(model)
    return model


def main() -> None:
    """Run the pairs and print the medians and the ratio."""
    options = parse()
    torch.set_num_threads(options.threads)
    model = build(options)
    source = np.random.default_rng(0)
    tokens = source.integers(0, options.vocabulary, (options.windows, options.window + 1))
    windows = Windows(tokens=tokens, context=options.context, bytes=np.ones(options.windows, dtype=np.int64))
    team, size = Team.join(), options.batch_size
    cuda = options.device.startswith("cuda")
    clock = time.perf_counter if cuda else time.process_time

    def bare() -> None:
        for start in range(0, options.windows, size):
            window_gradients(model, torch.from_numpy(tokens[start : start + size]), context=options.context)

    def audit(places: Sequence[Place] = ()) -> None:
        totals = WindowTotals(windows, model, places=places)
        for count in totals.schedule.rounds:
            rows = totals.enlarge(count, team)
            for start in range(0, len(rows), size):
                totals.add(rows[start : start + size], model)
            estimate(totals.round().products, "unbiased")
        for one in totals.inside:
            estimate(one.products(), "unbiased")

    inputs = [Place(module=block, depth=depth) for depth, block in enumerate(model.model.layers)]
    names = ("audit", "profile") if options.profile else ("bare pass", "audit")
    places = len(inputs) if options.profile else 1
    less, more = (audit, partial(audit, inputs)) if options.profile else (bare, audit)

    def timed(work: Callable[[], None]) -> tuple[float, int]:
        gc.collect()
        with peak_memory(options.device) as peak:
            begun = clock()
            work()
            if cuda:
                torch.cuda.synchronize()
            return clock() - begun, peak()

    timed(less)
    pairs = [(timed(less), timed(more)) for _ in range(options.pairs)]
    count = sum(parameter.numel() for parameter in model.parameters())
    matrix = 4 * options.width**2
    extra = [(there[1] - here[1]) / matrix for here, there in pairs]
    ratios = [there[0] / here[0] for here, there in pairs]
    print(
        f"{count / 1e6:.0f}M parameters, {options.windows} windows of {options.window}, {options.dtype}, "
        f"{options.device}, {torch.get_num_threads()} threads, {psutil.virtual_memory().total >> 30} GiB"
    )
    print(f"{names[0]:12}{statistics.median(here[0] for here, _ in pairs):8.2f} s")
    print(f"{names[1]:12}{statistics.median(there[0] for _, there in pairs):8.2f} s")
    print(f"time ratio  {statistics.median(ratios):8.3f}   (each pair: {', '.join(f'{one:.3f}' for one in ratios)})")
    print(
        f"memory beyond the {names[0]}: {statistics.median(extra):.1f} matrices of d x d "
        f"(each pair: {', '.join(f'{one:.1f}' for one in extra)}); 2 K a place: {2 * BLOCKS * places}"
    )


if __name__ == "__main__":
    main()

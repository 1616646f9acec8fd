"""What a second of work tells: the typical efficiency beside the number of the published check on open models.

The published check (arXiv 2605.27989) takes the AOFE-ratio of an output AGOP: for each window the Jacobian of the last
position's logits, projected to 64 dimensions by a fixed random matrix, with respect to the window's embeddings, by 8
random Jacobian-vector products of ``torch.autograd.functional.jvp``; it reads the plug-in ratio. Both ways take the
same windows in one process, in turn. Precision is 1 / (se² x seconds), se the jackknife's error over the same 16 blocks
of the number's logarithm, in nats (the typical efficiency is one). What counts are ratios; seconds are of the
processor, so that another process on the machine does not count.

    python -m benchmarks.standard_error CHECKPOINT ... [--windows 64] [--window 128]

Of three checkpoints or more also each error is held against how far the number moves between them.
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from nil_audit.interaction.metrics import estimate
from nil_audit.interaction.probe import Windows, block_of, document_start, load_probe, make_windows
from nil_audit.interaction.totals import WindowTotals
from nil_audit.processes import Team
from nil_audit.shape.architecture import read_shape
from nil_audit.source import resolve
from nil_audit.stats.estimate import Estimate
from nil_audit.stats.jackknife import over_blocks
from nil_audit.weights.checkpoint import embedding_weight, load_checkpoint

PROBES, OUTPUTS = 8, 64
_ENOUGH = 3


def parse() -> argparse.Namespace:
    """The options; the defaults are those of the committed numbers for small checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--context", type=int, default=16)
    parser.add_argument("--probe", default="builtin")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def jvp_agops(model: Any, ids_1T: torch.Tensor, projection: torch.Tensor, source: torch.Generator) -> torch.Tensor:
    """Mean over 8 random directions v of (P J v)(P J v)ᵀ, J of the last logits with respect to all embeddings."""
    embeddings = model.get_input_embeddings()(ids_1T)

    def outputs(given: torch.Tensor) -> torch.Tensor:
        logits = model(inputs_embeds=given, use_cache=False, logits_to_keep=1).logits[0, -1]
        return torch.as_tensor(logits @ projection)

    total = torch.zeros(OUTPUTS, OUTPUTS)
    # the fused kernels have no second derivative, which this function needs
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        for _ in range(PROBES):
            v = torch.randn(embeddings.shape, generator=source)
            _, y = torch.autograd.functional.jvp(outputs, embeddings, v)
            total += torch.outer(y, y)
    return total / PROBES


def published(agops_Woo: torch.Tensor) -> dict[str, Estimate]:
    """The plug-in AOFE-ratio of an output AGOP and -½ ln of its squared norm, with jackknife errors over blocks."""
    blocks = block_of(len(agops_Woo))

    def numbers(keep: Any) -> dict[str, float]:
        mean = agops_Woo[torch.from_numpy(keep[blocks])].double().mean(0)
        square = float(mean.square().sum())
        ratio = 1 - float(mean.diagonal().square().sum()) / square
        return {"ratio": ratio, "ln ratio": math.log(ratio), "efficiency": -0.5 * math.log(square)}

    return over_blocks(numbers, int(blocks.max()) + 1)


@dataclass(frozen=True)
class Both:
    """The numbers and the seconds of both ways on one checkpoint."""

    name: str
    check: dict[str, Estimate]
    check_seconds: float
    audit: dict[str, Estimate]
    audit_seconds: float


def measure(name: str, options: argparse.Namespace) -> Both:
    """Both ways over the same windows of one checkpoint, window by window."""
    source = resolve(name)
    checkpoint = load_checkpoint(source, read_shape(source), device="cpu")
    model, prefix = checkpoint.model, document_start(checkpoint.tokenizer)
    windows: Windows = make_windows(
        load_probe(options.probe),
        checkpoint.tokenizer,
        tokens=options.windows * options.window,
        window=options.window,
        context=options.context,
    )
    random = torch.Generator().manual_seed(0)
    weight = embedding_weight(model)
    projection = torch.randn(len(weight), OUTPUTS, generator=random) / math.sqrt(OUTPUTS)
    totals = WindowTotals(windows, model, prefix=prefix)
    agops, seconds = [], {"check": 0.0, "audit": 0.0}

    def timed(way: str, work: Callable[[], Any]) -> Any:
        begun = time.process_time()
        result = work()
        seconds[way] += time.process_time() - begun
        return result

    start = torch.tensor([] if prefix is None else [prefix], dtype=torch.int64)
    for row in totals.enlarge(windows.count, Team.join()):
        ids = torch.cat([start, torch.from_numpy(windows.tokens[row, :-1])])[None]
        if row == 0:  # the first pass also sets up the libraries
            jvp_agops(model, ids, projection, torch.Generator().manual_seed(1))
        timed("audit", lambda row=row: totals.add(np.array([row]), model))
        agops.append(timed("check", lambda ids=ids: jvp_agops(model, ids, projection, random)))
    audit = timed("audit", lambda: estimate(totals.round().products, "unbiased"))
    check = timed("check", lambda: published(torch.stack(agops)))
    return Both(checkpoint.source.name.rstrip("/").split("/")[-1], check, seconds["check"], audit, seconds["audit"])


def line(found: Both) -> str:
    """One checkpoint as a row."""
    ours, ratio, size = found.audit["typical_efficiency"], found.check["ratio"], found.check["efficiency"]
    cost = found.check_seconds / found.audit_seconds
    gains = [(found.check[key].se / ours.se) ** 2 * cost for key in ("ln ratio", "efficiency")]
    return (
        f"| {found.name} | {ours.value:.2f} ± {ours.se:.3f} | {ratio.value:.3f} ± {ratio.se:.3f} "
        f"(bias {ratio.bias:+.3f}) | {size.value:.2f} ± {size.se:.3f} (bias {size.bias:+.3f}) | {cost:.1f} | "
        f"{gains[0]:.2g} | {gains[1]:.2g} |"
    )


def main() -> None:
    """Print a row a checkpoint."""
    options = parse()
    torch.set_num_threads(options.threads)
    print(f"{options.windows} windows of {options.window} tokens of {options.probe}")
    print(
        "| checkpoint | typical efficiency | check's AOFE-ratio | check's -½ ln norm² | seconds, check over audit |"
        " precision a second: over ln ratio | over -½ ln norm² |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    every = []
    for name in options.checkpoints:
        every.append(measure(name, options))
        print(line(every[-1]), flush=True)
    if len(every) < _ENOUGH:
        return
    rows = {
        "typical efficiency": (
            [one.audit["typical_efficiency"] for one in every],
            [one.audit_seconds for one in every],
        ),
        "check's AOFE-ratio": ([one.check["ratio"] for one in every], [one.check_seconds for one in every]),
        "check's -½ ln norm²": ([one.check["efficiency"] for one in every], [one.check_seconds for one in every]),
    }
    print(
        "\n| number | standard deviation between checkpoints | error as a share of that | seconds for a tenth of it |"
    )
    print("| --- | --- | --- | --- |")
    for name, (each, seconds) in rows.items():
        spread = float(np.std([one.value for one in each], ddof=1))
        share = math.sqrt(float(np.mean([(one.se or 0) ** 2 for one in each]))) / spread
        print(f"| {name} | {spread:.3f} | {share:.3f} | {float(np.mean(seconds)) * (share / 0.1) ** 2:.2g} |")


if __name__ == "__main__":
    main()

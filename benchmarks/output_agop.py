"""What a second tells of the output AGOP: exact Jacobians in several ways, random JVPs, and a few random outputs.

All on the same windows of one model in one process. Measured are the exact J_P J_Pᵀ of every window, and the seconds
of the processor that each way takes on a few windows. What the random ways would give is then drawn, not run: with v
standard normal J v is normal with covariance J Jᵀ, and n random directions Q of the outputs show QᵀJ JᵀQ, so that a
draw has the distribution of a run on these windows. (One run of the JVPs is made all the same, and held against it.)

The published check on open models (arXiv 2605.27989) takes 16 windows of 128 tokens, 8 JVPs each by
``torch.autograd.functional.jvp``, and reads the plug-in ratio. Here it takes the logits of the last position alone, and
in a second row its JVPs in the fastest of three ways. An error is the jackknife's over 16 blocks of windows, and what a
second is worth 1 / (se² x seconds). Of draws the table holds the mean number, the root mean square of that error, and
how far draws scatter on the same windows, which is what randomness alone adds.

    python -m benchmarks.output_agop CHECKPOINT [--windows 64] [--window 128] [--timed 2] [--draws 200]
"""

import argparse
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel

from nil_audit.interaction.gradients import embedding_leaf, exact_matmul
from nil_audit.interaction.jacobian import OUTPUTS, agop_products, projection, window_agops
from nil_audit.interaction.metrics import Kind, estimate
from nil_audit.interaction.probe import document_start, load_probe, make_windows
from nil_audit.shape.architecture import read_shape
from nil_audit.source import resolve
from nil_audit.stats.estimate import Estimate
from nil_audit.weights.checkpoint import embedding_weight, load_checkpoint
from nil_audit.weights.logits import last_logits

Agops = NDArray[np.float64]
WINDOWS, PROBES = 16, 8
"""Of the published check: 4 batches of 4 windows, and JVPs a window."""
CHUNK = 16
FEWER = (1, 2, 4)
JVPS = {
    "backward": "torch.autograd.functional.jvp",
    "forward": "torch.func.jvp",
    "mapped": "torch.func.jvp mapped by vmap",
}


def parse() -> argparse.Namespace:
    """The options; the defaults are those of the committed numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--windows", type=int, default=64, help="a multiple of 16")
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--timed", type=int, default=2, help="windows on which the other ways are timed")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--probe", default="builtin")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


class Ways:
    """Ways to take a window's output Jacobian, or something of it; each reads (B, 1 + T), document start first."""

    def __init__(self, model: Any, project: torch.Tensor) -> None:
        self.model, self.project = model, project

    def graph(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The projected outputs (B, o) with their graph, and the embeddings (B, 1 + T, d)."""
        with embedding_leaf(self.model) as leaf:
            outputs = last_logits(self.model, ids) @ self.project.T
        return outputs, leaf()

    def batched(self, ids: torch.Tensor) -> torch.Tensor:
        """``is_grads_batched``: some rows of the Jacobian in one backward pass that is mapped over them."""
        outputs, embeddings = self.graph(ids)
        one_hot = torch.eye(OUTPUTS)[:, None].expand(-1, len(ids), -1).split(CHUNK)
        rows = [
            torch.autograd.grad(outputs, embeddings, some, retain_graph=True, is_grads_batched=True)[0]
            for some in one_hot
        ]
        return _agops(torch.cat(rows).transpose(0, 1))

    def repeated(self, ids: torch.Tensor) -> torch.Tensor:
        """Each window many times in a batch, with another row for each copy."""
        found = []
        for one in ids:
            rows = []
            for start in range(0, OUTPUTS, CHUNK):
                outputs, embeddings = self.graph(one.repeat(CHUNK, 1))
                rows.append(torch.autograd.grad(outputs.diagonal(start).sum(), embeddings)[0])
            found.append(torch.cat(rows))
        return _agops(torch.stack(found))

    def forward(self, ids: torch.Tensor) -> None:
        """What all rows share."""
        self.graph(ids)

    def jvps(self, ids: torch.Tensor, probes: int, way: str) -> torch.Tensor:
        """P J v for random v over the embeddings behind the document start, shape (B, probes, o)."""
        embeddings = self.model.get_input_embeddings()(ids)
        directions = torch.randn(probes, *embeddings.shape)
        directions[:, :, 0] = 0

        def outputs(given: torch.Tensor) -> torch.Tensor:
            logits = self.model(inputs_embeds=given, use_cache=False, logits_to_keep=1).logits[:, -1]
            return torch.as_tensor(logits @ self.project.T)

        def push(v: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(torch.func.jvp(outputs, (embeddings,), (v,))[1])

        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have neither forward mode nor a second derivative
            if way == "mapped":
                return torch.func.vmap(push)(directions).transpose(0, 1)
            if way == "forward":
                return torch.stack([push(v) for v in directions], dim=1)
            return torch.stack([torch.autograd.functional.jvp(outputs, embeddings, v)[1] for v in directions], dim=1)


def _agops(rows_BoTd: torch.Tensor) -> torch.Tensor:
    flat = rows_BoTd[:, :, 1:].flatten(2)
    return flat @ flat.mT


@dataclass(frozen=True)
class Row:
    """One way: what it costs and what it tells.

    Attributes:
        name: Of the way.
        windows: That it reads.
        seconds: That these take it.
        estimates: Of each part of the text that is so long, the draws; one where nothing is random.
    """

    name: str
    windows: int
    seconds: float
    estimates: list[list[dict[str, Estimate]]]

    def value(self, number: str) -> float:
        """Mean over parts and draws."""
        return float(np.nanmean([[one[number].value for one in part] for part in self.estimates]))

    def error(self, number: str) -> float:
        """Root mean square of the jackknife's error over parts and draws."""
        return math.sqrt(float(np.nanmean([[(one[number].se or math.nan) ** 2 for one in p] for p in self.estimates])))

    def scatter(self, number: str) -> float:
        """Standard deviation over draws on the same windows."""
        if len(self.estimates[0]) == 1:
            return 0.0
        spread = [np.nanvar([one[number].value for one in part], ddof=1) for part in self.estimates]
        return math.sqrt(float(np.mean(spread)))

    def worth(self, number: str) -> float:
        """Precision a second."""
        return 1 / (self.error(number) ** 2 * self.seconds)


def numbers(agops: Agops, squares: Agops, kind: Kind) -> dict[str, Estimate]:
    """The AOFE-ratio, and half the log of the effective rank with its error by the delta method."""
    found = estimate(agop_products(agops, squares), kind)
    rank = found["effective_rank"]
    positive = rank.value > 0 and rank.se is not None
    half = (
        Estimate(value=0.5 * math.log(rank.value), se=rank.se / rank.value / 2)
        if positive
        else Estimate(value=math.nan)
    )
    return {"ratio": found["aofe_ratio"], "half": half}


def drawn_jvps(roots: Agops, probes: int, source: np.random.Generator) -> Agops:
    """Mean of y yᵀ over some y = J v of each window."""
    y = source.standard_normal((len(roots), probes, OUTPUTS)) @ roots.transpose(0, 2, 1)
    return np.asarray(y.transpose(0, 2, 1) @ y / probes)


def drawn_outputs(agops: Agops, directions: int, source: np.random.Generator) -> Agops:
    """An unbiased estimate of each window's J Jᵀ from what a few random orthonormal directions of the outputs show.

    With Π the projection onto n of N dimensions at random: E Π A Π = a A + b tr(A) I, a = n (n N + N - 2) / c,
    b = n (N - n) / c, c = N (N - 1) (N + 2), and E tr(Π A Π) = n tr(A) / N.
    """
    n, size = directions, OUTPUTS
    q, _ = np.linalg.qr(source.standard_normal((len(agops), size, n)))
    seen = q @ (q.transpose(0, 2, 1) @ agops @ q) @ q.transpose(0, 2, 1)
    c = size * (size - 1) * (size + 2)
    a, b = n * (n * size + size - 2) / c, n * (size - n) / c
    trace = np.trace(seen, axis1=1, axis2=2) * size / n
    return np.asarray((seen - b * trace[:, None, None] * np.eye(size)) / a)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of some work, and its result."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def main() -> None:
    """Measure, draw, and print the tables."""
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    source = resolve(options.checkpoint)
    checkpoint = load_checkpoint(source, read_shape(source), device="cpu")
    model, prefix = checkpoint.model, document_start(checkpoint.tokenizer)
    assert prefix is not None, "this benchmark reads a document-start token"
    tokens = options.windows * options.window
    windows = make_windows(
        load_probe(options.probe), checkpoint.tokenizer, tokens=tokens, window=options.window, context=0
    )
    ids = torch.from_numpy(windows.tokens[:, :-1])
    with torch.no_grad():
        vocabulary = last_logits(model, ids[:1]).shape[1]
    project = projection(vocabulary, device=embedding_weight(model).device)
    ways = Ways(model, project)
    read = torch.cat([torch.full_like(ids[:, :1], prefix), ids], dim=1)
    some = read[: options.timed]

    with exact_matmul():
        pairs, seconds = [], 0.0
        for part in ids.split(options.batch_size):
            spent, found = timed(lambda part=part: window_agops(model, part, project, prefix=prefix))
            seconds += spent
            pairs.append(found)
        agops, squares = (torch.cat(each).double().numpy() for each in zip(*pairs, strict=True))
        exact = seconds / len(ids)
        costs = {f"a backward pass a row, {options.batch_size} windows a batch": exact}
        others: dict[str, Callable[[], Any]] = {
            "a backward pass a row, 1 window a batch": lambda: torch.cat(
                [window_agops(model, one[None], project, prefix=prefix)[0] for one in ids[: options.timed]]
            ),
            f"rows mapped by vmap, {CHUNK} at a time": lambda: torch.cat([ways.batched(one[None]) for one in some]),
            f"the window repeated, {CHUNK} rows at a time": lambda: ways.repeated(some),
        }
        for name, work in others.items():
            spent, found = timed(work)
            costs[name] = spent / len(some)
            np.testing.assert_allclose(found.numpy(), agops[: len(some)], rtol=1e-2, atol=1e-4 * agops.max())
        forward = timed(lambda: [ways.forward(one[None]) for one in some])[0] / len(some)
        pushes = {
            way: timed(lambda way=way: [ways.jvps(one[None], PROBES, way) for one in some])[0] / len(some)
            for way in JVPS
        }
        fastest = min(pushes, key=lambda way: pushes[way])
        push = {PROBES: pushes[fastest]}
        for probes in FEWER:
            push[probes] = timed(lambda probes=probes: [ways.jvps(one[None], probes, fastest) for one in some])[0]
            push[probes] /= len(some)
        real = torch.cat([ways.jvps(one[None], PROBES, fastest) for one in read[:WINDOWS]]).double()

    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{checkpoint.source.name}, {count / 1e6:.0f}M parameters; {len(ids)} windows of {options.window} tokens")
    print(f"a forward pass: {forward:.2f} processor seconds a window\n")
    print("| way | seconds a window | forward passes |\n| --- | --- | --- |")
    for name, cost in costs.items():
        print(f"| {OUTPUTS} rows, {name} | {cost:.2f} | {cost / forward:.0f} |")
    for way, cost in pushes.items():
        print(f"| {PROBES} JVPs, {JVPS[way]} | {cost:.2f} | {cost / forward:.0f} |")

    rows = table(agops, squares, options.draws, exact=exact, forward=forward, push=push, published=pushes["backward"])
    published, truth = rows[1:3]
    once = numbers((real.mT @ real / PROBES).numpy(), squares[:WINDOWS], "plugin")
    print(
        f"\nThe published check, run once on the first {WINDOWS} windows: ratio {once['ratio'].value:.4f}; drawn there:"
        f" {published.value('ratio'):.4f} ± {published.scatter('ratio'):.4f} (all windows)\n"
    )
    print(
        "| way | windows | seconds | AOFE-ratio | bias | error, jackknife | scatter of draws | error of ½ ln r | "
        "worth of a second, over the second row's: ratio | ½ ln r |"
    )
    print("|" + " --- |" * 10)
    for row in rows:
        gains = [row.worth(number) / published.worth(number) for number in ("ratio", "half")]
        print(
            f"| {row.name} | {row.windows} | {row.seconds:.0f} | {row.value('ratio'):.4f} |"
            f" {row.value('ratio') - truth.value('ratio'):+.4f} | {row.error('ratio'):.4f} |"
            f" {row.scatter('ratio'):.4f} | {row.error('half'):.3f} | {gains[0]:.2f} | {gains[1]:.2f} |"
        )


def table(
    agops: Agops,
    squares: Agops,
    count: int,
    *,
    exact: float,
    forward: float,
    push: Mapping[int, float],
    published: float,
) -> list[Row]:
    """A row a way: the check in its own and in the fastest way, the exact number on all windows, and the others.

    Args:
        agops: Exact J Jᵀ of every window.
        squares: Mean square of its embeddings' entries.
        count: Draws.
        exact: Seconds of all rows of a window's Jacobian.
        forward: Of its forward pass.
        push: Of so many JVPs of a window, in the fastest way.
        published: Of as many as the check takes, in its own way.
    """
    source = np.random.default_rng(0)
    values, vectors = np.linalg.eigh(agops)
    roots = vectors * np.sqrt(values.clip(min=0))[:, None, :]
    everything = [slice(0, len(agops))]
    parts = [slice(start, start + WINDOWS) for start in range(0, len(agops), WINDOWS)]

    def row(name: str, cost: float, places: list[slice], kind: Kind, draw: Callable[[slice], Agops] | None) -> Row:
        find = draw or agops.__getitem__
        repeats = 1 if draw is None else count
        found = [[numbers(find(one), squares[one], kind) for _ in range(repeats)] for one in places]
        read = places[0].stop
        return Row(name, read, cost * read, found)

    def pushed(probes: int) -> Callable[[slice], Agops]:
        return lambda place: drawn_jvps(roots[place], probes, source)

    def shown(directions: int) -> Callable[[slice], Agops]:
        return lambda place: drawn_outputs(agops[place], directions, source)

    backward = (exact - forward) / OUTPUTS
    check = pushed(PROBES)
    return [
        row(f"the check: {PROBES} JVPs by double backward, plug-in", published, parts, "plugin", check),
        row(f"the check with fastest JVPs, {PROBES}, plug-in", push[PROBES], parts, "plugin", check),
        row("exact, unbiased", exact, everything, "unbiased", None),
        row("exact, unbiased", exact, parts, "unbiased", None),
        row("exact, plug-in", exact, parts, "plugin", None),
        row(f"fastest JVPs, {PROBES}, unbiased", push[PROBES], parts, "unbiased", check),
        *(row(f"fastest JVPs, {n}, unbiased", push[n], everything, "unbiased", pushed(n)) for n in sorted(push)),
        *(
            row(f"{n} random outputs, unbiased", forward + n * backward, everything, "unbiased", shown(n))
            for n in (16, 32)
        ),
    ]


if __name__ == "__main__":
    main()

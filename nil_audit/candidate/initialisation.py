"""Interaction at initialisation: the loss AGOP of a candidate before any training, beside shapes of its budget.

It costs minutes and no data, and says how a shape passes gradients on at the start; what that means for the trained
model is an open question. Weights are drawn as transformers draws them for the type, once for each seed; the text is
cut by the tokenizer of the demo model, since a candidate has none: at initialisation an id is a label.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from nil_audit.errors import UsageError
from nil_audit.shape.architecture import Shape

if TYPE_CHECKING:
    from nil_audit.candidate.check import CandidateReport
    from nil_audit.weights.checkpoint import Checkpoint

WINDOW = 128
METRICS = ("interaction_efficiency", "spread", "sensitivity", "aofe_ratio", "kappa")


@dataclass(frozen=True, kw_only=True)
class OverSeeds:
    """One number over the seeds.

    Attributes:
        mean: Mean over the seeds.
        se: Standard error of the mean: between seeds, sampling of the probe included.
        low: Lower end of the 95% interval (Student's t with seeds - 1 degrees of freedom).
        high: Upper end.
    """

    mean: float
    se: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Start:
    """One shape at initialisation.

    Attributes:
        depth: Blocks.
        width: Channels.
        candidate: Whether it is the candidate.
        metrics: Each of `METRICS` (unbiased estimate) over the seeds.
        loss: Probe loss over the seeds, in nats per token.
        difference: Each metric minus the candidate's, seed by seed with the same seed; empty for the candidate.
    """

    depth: int
    width: int
    candidate: bool
    metrics: Mapping[str, OverSeeds]
    loss: OverSeeds
    difference: Mapping[str, OverSeeds]


@dataclass(frozen=True, kw_only=True)
class Initialisation:
    """The candidate and alternatives at initialisation.

    Attributes:
        probe: Name of the text.
        probe_sha256: Of the text.
        tokenizer: Whose tokenizer cut it.
        tokens: Gradient tokens a seed.
        window: Tokens a window.
        seeds: Seeds used.
        starts: The candidate first.
        seconds: Wall time.
        words: Whether the candidate's interaction efficiency differs from the alternatives'.
    """

    probe: str
    probe_sha256: str
    tokenizer: str
    tokens: int
    window: int
    seeds: tuple[int, ...]
    starts: tuple[Start, ...]
    seconds: float
    words: str


def initialise(
    report: "CandidateReport",
    config: Mapping[str, Any],
    *,
    probe: str = "builtin",
    seeds: int = 3,
    tokens: int = 2048,
    window: int | None = None,
    alternatives: int = 2,
    device: str = "auto",
    advance: Callable[[int], object] = lambda _windows: None,
) -> Initialisation:
    """Measure the candidate and the alternatives nearest to it at several random initialisations.

    Args:
        report: What `check_candidate` said.
        config: The candidate's raw config.
        probe: As `nil_audit.interaction.probe.load_probe` takes it.
        seeds: Random initialisations of each shape, at least 2.
        tokens: Gradient tokens a seed.
        window: Tokens a window; 128, or the model's context where that is shorter.
        alternatives: How many of the alternatives: the recommended one, then those nearest in ratio.
        device: A torch device, or "auto".
        advance: Called with the number of windows done.

    Raises:
        UsageError: Fewer than 2 seeds, or a vocabulary smaller than the tokenizer's.
        ProbeError, MeasurementError: As `nil_audit.interaction.measure.measure`.
    """
    from nil_audit.interaction.measure import measure
    from nil_audit.interaction.metrics import estimate
    from nil_audit.interaction.probe import load_probe

    if seeds < 2:
        raise UsageError(f"{seeds} seed gives no error bar; use --init-seeds 2 or more.")
    begun = time.perf_counter()
    text, tokenizer = load_probe(probe), _tokenizer(report.shape)
    window = window or min(WINDOW, report.shape.context or WINDOW)
    subjects = [(report.shape, config), *((option.shape, option.config) for option in _nearest(report, alternatives))]
    values: list[list[dict[str, float]]] = []
    used = 0
    for shape, raw in subjects:
        values.append([])
        for seed in range(seeds):
            checkpoint = random_checkpoint(shape, raw, tokenizer, seed=seed, device=device)
            found = measure(checkpoint, text, tokens=tokens, window=window, progress=lambda *_: nullcontext(advance))
            numbers = {name: one.value for name, one in estimate(found.products["all"], "unbiased").items()}
            values[-1].append({name: numbers[name] for name in METRICS} | {"loss": float(found.block_loss.mean())})
            used = found.tokens
    starts = tuple(_start(shape, own, values[0]) for (shape, _), own in zip(subjects, values, strict=True))
    return Initialisation(
        probe=text.name,
        probe_sha256=text.sha256,
        tokenizer=f"demo model ({len(tokenizer):,} tokens)",
        tokens=used,
        window=window,
        seeds=tuple(range(seeds)),
        starts=starts,
        seconds=time.perf_counter() - begun,
        words=_words(starts),
    )


def work(report: "CandidateReport", *, seeds: int, tokens: int, window: int | None, alternatives: int) -> int:
    """How many windows `initialise` will go through: the total of its progress."""
    length = window or min(WINDOW, report.shape.context or WINDOW)
    return (1 + len(_nearest(report, alternatives))) * seeds * (tokens // length)


def random_checkpoint(
    shape: Shape, config: Mapping[str, Any], tokenizer: Any, *, seed: int, device: str
) -> "Checkpoint":
    """A frozen model of a config in float32 with the weights that transformers draws for this seed."""
    import torch
    from accelerate import PartialState

    from nil_audit.shape.hf_config import quiet, transformers_config
    from nil_audit.weights.checkpoint import Checkpoint, Identity, freeze

    place = str(PartialState().device) if device == "auto" else device
    read = transformers_config(config, shape.name)
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_config(read.text, dtype=torch.float32).to(place)
    freeze(model)
    name = f"{shape.depth} x {shape.width}, seed {seed}"
    return Checkpoint(
        identity=Identity(name=name, source="config", reference=name, revision=None, digest=f"seed:{seed}"),
        shape=shape,
        model=model,
        tokenizer=tokenizer,
        dtype="float32",
        device=place,
    )


def _tokenizer(shape: Shape) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(files("nil_audit") / "data" / "demo_model"))
    if len(tokenizer) > shape.vocab_size:
        raise UsageError(
            f"--init cuts the probe with a tokenizer of {len(tokenizer):,} tokens, but the candidate's vocabulary has"
            f" {shape.vocab_size:,}; leave --init out, or raise the vocabulary."
        )
    return tokenizer


def _nearest(report: "CandidateReport", count: int) -> list[Any]:
    """The recommended alternative, then those nearest in ln ratio."""
    recommended = report.recommended
    ranked = sorted(
        report.options,
        key=lambda option: (option is not recommended, abs(math.log(option.shape.ratio / report.shape.ratio))),
    )
    return ranked[:count]


def _start(shape: Shape, own: Sequence[Mapping[str, float]], first: Sequence[Mapping[str, float]]) -> Start:
    pairs = list(zip(own, first, strict=True))
    return Start(
        depth=shape.depth,
        width=shape.width,
        candidate=own is first,
        metrics={name: over_seeds([one[name] for one in own]) for name in METRICS},
        loss=over_seeds([one["loss"] for one in own]),
        difference={}
        if own is first
        else {name: over_seeds([one[name] - base[name] for one, base in pairs]) for name in METRICS},
    )


def over_seeds(values: Sequence[float]) -> OverSeeds:
    """Mean, standard error and 95% t interval of independent values, at least two."""
    from scipy.stats import t

    mean, se = float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values)))
    half = float(t.ppf(0.975, len(values) - 1)) * se
    return OverSeeds(mean=mean, se=se, low=mean - half, high=mean + half)


def _words(starts: Sequence[Start]) -> str:
    parts = []
    for start in starts[1:]:
        found = start.difference["interaction_efficiency"]
        size = f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
        verdict = "not distinguishable" if found.low <= 0 <= found.high else "higher" if found.mean > 0 else "lower"
        parts.append(f"{start.depth} x {start.width}: {verdict}, {size}")
    if not parts:
        return "There is no alternative to compare the candidate with."
    return "Interaction efficiency against the candidate's, in nats: " + "; ".join(parts) + "."

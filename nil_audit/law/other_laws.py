"""Other published statements about depth and width, and what each says of a candidate.

They disagree; none is averaged with another. A law with an optimum is read at the candidate's body parameters
through 12 L d² = N; it agrees where the candidate's ratio is within a factor of 1.5 of that optimum (of the Gemstones,
within the 1% that they can tell).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from nil_audit.law.studies import study

Direction = Literal["deeper", "wider", "agrees", "silent"]

AGREEMENT = 1.5
MOBILE_LLM = {1.25e8: (30, 576), 3.5e8: (32, 960), 6e8: (40, 1152), 1e9: (54, 1280)}
"""The models of MobileLLM as released: parameters, and depth and width."""

_Said = tuple[float | None, Direction, str]  # optimum, direction, words


@dataclass(frozen=True, kw_only=True)
class Law:
    """A published statement about depth and width.

    Attributes:
        name: What it is called here.
        formula: As published, or in words where it is qualitative.
        source: Authors, year, arXiv number.
        validity: What it was shown on.
        confidence: nil-audit's own, that it would hold for a model like the candidate: "high", "medium" or "low".
        grounds: Of that confidence, in a few words.
        parameters: The smallest and largest budget that it was shown on.
    """

    name: str
    formula: str
    source: str
    validity: str
    confidence: Literal["high", "medium", "low"]
    grounds: str
    parameters: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Reading(Law):
    """What a law says of one shape.

    Attributes:
        in_range: Whether the budget lies within what the law was shown on.
        optimum: Its best ratio at this budget; None where it names none.
        direction: Which way it would change the shape at the same budget.
        words: What it says of this shape, in its own terms.
    """

    in_range: bool
    optimum: float | None
    direction: Direction
    words: str


def readings(depth: int, width: int, parameters: float) -> tuple[Reading, ...]:
    """Read every law at a shape.

    Args:
        depth: L, blocks.
        width: d, channels.
        parameters: N, parameters without embeddings.
    """
    found = []
    for law, says in LAWS.items():
        optimum, direction, words = says(depth, width, parameters)
        low, high = law.parameters
        inside = low <= parameters <= high
        found.append(Reading(**vars(law), in_range=inside, optimum=optimum, direction=direction, words=words))
    return tuple(found)


def _shape_at(parameters: float, width_of_depth: Callable[[float], float]) -> tuple[float, float]:
    """Depth and width on a law's curve d(L) with 12 L d² = N, by bisection in depth (d grows with L or falls)."""
    low, high = 1e-3, 1e5
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if 12 * middle * width_of_depth(middle) ** 2 < parameters else (low, middle)
    return low, width_of_depth(low)


def _against(depth: int, width: int, best_depth: float, best_width: float) -> tuple[float, Direction, str]:
    """Compare a shape with a law's best one at its budget."""
    optimum = best_depth / best_width
    direction = _side(depth / width, optimum / AGREEMENT, optimum * AGREEMENT)
    return optimum, direction, f"best at this budget: about {best_depth:.0f} x {best_width:.0f}"


def _side(ratio: float, low: float, high: float) -> Direction:
    """Which way leads a ratio into an interval."""
    return "wider" if ratio > high else "deeper" if ratio < low else "agrees"


def _levine_threshold(depth: int, width: int, _: float) -> _Said:
    threshold = math.log(width, 3)
    if depth < threshold:
        return None, "deeper", f"depth {depth} is below log3({width}) = {threshold:.1f}: depth still pays double"
    return None, "wider", f"depth {depth} is past log3({width}) = {threshold:.1f}: depth pays no more than width does"


def _levine_fit(depth: int, width: int, parameters: float) -> _Said:
    return _against(depth, width, *_shape_at(parameters, lambda blocks: math.exp(min(5.039 + 0.0555 * blocks, 300))))


def _kaplan(depth: int, width: int, _: float) -> _Said:
    return None, "silent", f"aspect ratio d/L = {width / depth:.0f}: a 40-fold change of it costs a few per cent"


def _delusion(depth: int, width: int, parameters: float) -> _Said:
    # L = k d^0.44 with k from the paper's U-shaped curve at width 512, whose minimum is at 16 blocks
    scale = 16 / 512**0.44
    critical = scale * width**0.44
    best = _shape_at(parameters, lambda blocks: (blocks / scale) ** (1 / 0.44))
    optimum, direction, words = _against(depth, width, *best)
    past = "past" if depth > critical else "below"
    return optimum, direction, f"critical depth at this width about {critical:.0f}, {depth} is {past} it; {words}"


def _morph(depth: int, width: int, _: float) -> _Said:
    return None, "deeper", f"loss grows with d/L = {width / depth:.0f} at any size, so it never calls a shape too deep"


def _tay(depth: int, _: int, __: float) -> _Said:
    if depth < 32:
        return None, "deeper", f"raise depth first: {depth} is under the 32 to 36 layers where returns flatten"
    if depth <= 36:
        return None, "agrees", f"{depth} layers is where returns of depth flatten"
    return None, "wider", f"{depth} layers is beyond the 32 to 36 where returns of depth flatten"


def _mobile(depth: int, _: int, parameters: float) -> _Said:
    if parameters > 1e9:
        return None, "silent", "speaks of models below 1B only"
    if depth < 30:
        return None, "deeper", f"below 1B depth beats width: it uses 30 layers and more, this has {depth}"
    return None, "agrees", f"{depth} layers is in keeping with the 30 and more that it uses below 1B"


def _superposition(_: int, width: int, __: float) -> _Said:
    return None, "wider", f"the share of the loss that superposition makes falls as 1/{width} with width; mute on depth"


def _inverse_depth(depth: int, width: int, parameters: float) -> _Said:
    optimum = 2 * (414 / 100) / 301
    best_width = (parameters / (12 * optimum)) ** (1 / 3)
    return _against(depth, width, optimum * best_width, best_width)


def _gemstones(depth: int, width: int, parameters: float) -> _Said:
    within = study("gemstones").interval(parameters)
    words = f"R {depth / width:.4f} against a best of {within.optimum:.4f}; within 1% on {within.low:.4f} to"
    return within.optimum, _side(depth / width, within.low, within.high), f"{words} {within.high:.3f}"


def _minitron(depth: int, width: int, _: float) -> _Said:
    direction: Direction = "deeper" if depth / width < 32 / 3072 else "silent"
    beyond = "" if direction == "deeper" else "; this is no wider for its depth than the better one"
    return None, direction, f"32 x 3072 (R 0.0104) scores 1.8 points of MMLU above 16 x 4096 (R 0.0039){beyond}"


def _mobile_shapes(depth: int, width: int, parameters: float) -> _Said:
    size = min(MOBILE_LLM, key=lambda one: abs(math.log(parameters / one)))
    blocks, channels = MOBILE_LLM[size]
    optimum = blocks / channels
    words = f"its {size / 1e6:.0f}M model is {blocks} x {channels} (R {optimum:.4f})"
    return optimum, _side(depth / width, optimum / AGREEMENT, optimum * AGREEMENT), words


def _step_law(_: int, __: int, ___: float) -> _Said:
    words = "twice the best rate costs 1.05% of loss on average, half of it 0.35%: as much as many a change of shape"
    return None, "silent", f"{words}, so tune the rate before the shape"


LAWS: dict[Law, Callable[[int, int, float], _Said]] = {
    Law(
        name="Levine threshold",
        formula="depth stops paying above L = log3 d",
        source="Levine et al. 2020, arXiv 2006.12467",
        validity="theory of self-attention; runs of 6 to 48 layers, up to 1B parameters",
        confidence="high",
        grounds="a theorem, and runs of several widths that follow it",
        parameters=(1e6, 1e9),
    ): _levine_threshold,
    Law(
        name="Levine fit",
        formula="ln d = 5.039 + 0.0555 L at the optimum",
        source="Levine et al. 2020, arXiv 2006.12467",
        validity="fitted on 6 to 48 layers, up to 1B parameters",
        confidence="medium",
        grounds="a fit of two numbers to one lab's runs",
        parameters=(1e6, 1e9),
    ): _levine_fit,
    Law(
        name="Kaplan",
        formula="loss depends weakly on shape at fixed N",
        source="Kaplan et al. 2020, arXiv 2001.08361",
        validity="50M to 1.5B parameters without embeddings",
        confidence="medium",
        grounds="a figure of one lab's runs, without errors",
        parameters=(5e7, 1.5e9),
    ): _kaplan,
    Law(
        name="Depth Delusion",
        formula="L ~ C^0.12, d ~ C^0.34; critical depth ~ d^0.44, set to 16 at d = 512",
        source="arXiv 2601.20994",
        validity="30 models of 17M to 7B parameters; not reproduced elsewhere",
        confidence="low",
        grounds="one set of runs, not repeated by others",
        parameters=(1.7e7, 7e9),
    ): _delusion,
    Law(
        name="Morph",
        formula="loss = (E + A/N^a + B/D^b)(1 + g (d/L)^h)",
        source="Bian et al. 2025, arXiv 2501.18107",
        validity="80M to 1B parameters, 3 to 24 layers",
        confidence="high",
        grounds="63 runs of one recipe",
        parameters=(2e7, 1.4e9),
    ): _morph,
    Law(
        name="Tay",
        formula="raise depth before width, up to 32 to 36 layers",
        source="Tay et al. 2021, arXiv 2109.10686",
        validity="encoder-decoder models (T5) of 16M to 3B parameters",
        confidence="medium",
        grounds="over a hundred runs, but of encoder-decoders",
        parameters=(1.6e7, 3e9),
    ): _tay,
    Law(
        name="MobileLLM",
        formula="below 1B depth beats width",
        source="Liu et al. 2024, arXiv 2402.14905",
        validity="125M and 350M parameters, qualitative",
        confidence="medium",
        grounds="shapes compared at two sizes, one run each",
        parameters=(8e7, 1e9),
    ): _mobile,
    Law(
        name="Superposition",
        formula="loss ~ 1/d under strong superposition",
        source="Liu et al. 2025, arXiv 2505.10465",
        validity="toy models, and four families of language models",
        confidence="high",
        grounds="a theory of toy models, checked on four families",
        parameters=(1e8, 7e10),
    ): _superposition,
    Law(
        name="Inverse depth",
        formula="loss = L0 + 301 d^-0.96 + 414 (100 (L-2))^-1.07 + ...; powers near 1 imply R* = 2 x 4.14/301",
        source="Liu et al. 2026, arXiv 2602.05970; the implication is ours",
        validity="the Chinchilla runs, 57M to 16B parameters",
        confidence="medium",
        grounds="a refit of public runs; the step to an optimum is ours",
        parameters=(5.7e7, 1.6e10),
    ): _inverse_depth,
    Law(
        name="Gemstones",
        formula="ln loss = smooth curve of ln N + c (ln R - ln R*)²",
        source="McLeish et al. 2025, arXiv 2502.06857; the curve is fitted here (docs/gemstones.md)",
        validity="22 shapes of 50M to 2B parameters, trained to 350B tokens",
        confidence="high",
        grounds="the only large sweep of shapes that is public; one recipe, one run a shape",
        parameters=(2e7, 2e9),
    ): _gemstones,
    Law(
        name="Minitron",
        formula="of one size, a model pruned in width beats one pruned in depth",
        source="Sreenivas et al. 2024, arXiv 2408.11796",
        validity="two models of 4.5B parameters pruned from Llama 3.1 8B, 94B tokens of distillation",
        confidence="low",
        grounds="one pair, pruned and not trained from scratch",
        parameters=(3e9, 5e9),
    ): _minitron,
    Law(
        name="MobileLLM shapes",
        formula="30 x 576 at 125M, 32 x 960 at 350M, 40 x 1152 at 600M, 54 x 1280 at 1B",
        source="Liu et al. 2024, arXiv 2402.14905, and the models released with it",
        validity="four models that were released, 125M to 1B parameters",
        confidence="low",
        grounds="choices of the authors, searched at the two smaller sizes alone",
        parameters=(8e7, 1.2e9),
    ): _mobile_shapes,
    Law(
        name="Step Law",
        formula="the best learning rate is a power of parameters and tokens; shape is not in it",
        source="Li et al. 2025, arXiv 2503.04715",
        validity="3,700 runs of 60M to 1B parameters, dense and sparse",
        confidence="high",
        grounds="thousands of runs over a grid of rates and batch sizes",
        parameters=(6e7, 1.1e9),
    ): _step_law,
}

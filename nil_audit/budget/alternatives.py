"""Shapes of one budget: the same architecture at other depths and widths, with the same number of parameters."""

import math
from dataclasses import dataclass, replace
from typing import Any

from nil_audit.budget import DEFAULT_CONTEXT
from nil_audit.budget.counts import BlockCounts, Match, count_blocks, with_mlp_width
from nil_audit.budget.template import Template
from nil_audit.errors import ConfigError, UnsupportedArchitectureError
from nil_audit.law.loss_curves import FEWEST_BLOCKS
from nil_audit.shape.architecture import Shape, shape_from_config

RATIOS = (0.005, 0.15)  # somewhat beyond what any of the studies puts within 1% of the best
MOST_WIDTHS = 16
MLP_SLACK = 0.125  # how far the MLP ratio may move to hit the budget
HEADS_SLACK = 1.2  # how far heads may drift from the width where a type keeps the two apart
GROUP_SLACK = 1.5  # how far the key-value group size may move where the candidate's does not divide the heads


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A shape of the candidate's budget, before its model is built.

    Attributes:
        depth: Blocks.
        width: Channels of the residual stream.
        heads: Query heads.
        kv_heads: Key and value heads.
        mlp_width: Hidden width of the feed-forward part; None where the type derives it.
        deviation: Its budget over the candidate's, minus 1.
        counts: Of its architecture.
    """

    depth: int
    width: int
    heads: int
    kv_heads: int
    mlp_width: int | None
    deviation: float
    counts: BlockCounts

    @property
    def ratio(self) -> float:
        """Depth / width."""
        return self.depth / self.width


def propose(
    template: Template,
    counts: BlockCounts,
    *,
    match: Match = "body",
    tolerance: float = 0.02,
    context: int = DEFAULT_CONTEXT,
) -> tuple[Proposal, ...]:
    """At most one shape of the candidate's budget for each of a range of widths, widest last.

    Head size and vocabulary stay; the key-value group size stays where it divides the heads, else the nearest that
    does is taken. The MLP width is the multiple of `multiple` nearest to what hits the budget, its ratio to the width
    within 12.5% of the candidate's; where the type derives it from the width, depth alone has to hit the budget.

    Args:
        template: The candidate's config.
        counts: Of the candidate's architecture.
        match: What is held equal.
        tolerance: How far the budget may differ, as a share.
        context: Window length in tokens, for "flops".
    """
    shape = template.shape
    assert shape.heads and shape.head_size
    search = _Search(
        template=template,
        match=match,
        wanted=counts.budget(match, shape.depth, shape.heads * shape.head_size, context),
        tolerance=tolerance,
        context=context,
    )
    proposals = (search.at(width, heads, kv_heads) for width, heads, kv_heads in _widths(shape))
    return tuple(p for p in proposals if p is not None and (p.depth, p.width) != (shape.depth, shape.width))


@dataclass(frozen=True, kw_only=True)
class _Search:
    """One budget, and the depth and MLP width that meet it at a given width."""

    template: Template
    match: Match
    wanted: float
    tolerance: float
    context: int

    def at(self, width: int, heads: int, kv_heads: int) -> Proposal | None:
        """The shape of this width whose MLP ratio is nearest to the candidate's; None where none meets the budget."""
        shape = self.template.shape
        attention = heads * (shape.head_size or 0)
        free_mlp = shape.mlp_width is not None and self.template.takes("intermediate_size")
        target = (shape.mlp_width or 0) / shape.width * width
        step = multiple(round(target)) if free_mlp else 0
        first = max(step, round(target / step) * step) if free_mlp else 0
        numbers = {"width": width, "heads": heads, "kv_heads": kv_heads}
        try:
            counts = count_blocks(self.template, **numbers, **({"mlp_width": first} if free_mlp else {}))
            wider = with_mlp_width(self.template, counts, first + step, **numbers) if free_mlp else counts
        except ConfigError:  # a rule of the type's own that these numbers break
            return None
        best: Proposal | None = None
        for depth in range(FEWEST_BLOCKS, self._deepest(counts, attention) + 1):
            base = counts.budget(self.match, depth, attention, self.context)
            slope = wider.budget(self.match, depth, attention, self.context) - base
            steps = round((self.wanted - base) / slope) if slope > 0 else 0
            mlp = first + steps * step
            if free_mlp and (mlp < step or abs(mlp / target - 1) > MLP_SLACK):
                continue
            deviation = (base + steps * slope) / self.wanted - 1
            if abs(deviation) > self.tolerance:
                continue
            proposal = Proposal(
                depth=depth,
                width=width,
                heads=heads,
                kv_heads=kv_heads,
                mlp_width=mlp if free_mlp else None,
                deviation=deviation,
                counts=counts.stretched(wider, steps),
            )
            if best is None or _drift(proposal, target) < _drift(best, target):
                best = proposal
        return best

    def _deepest(self, counts: BlockCounts, attention_width: int) -> int:
        """The largest depth worth trying: the MLP at its narrowest saves less than twice the slack of a block."""
        base, one = (counts.budget(self.match, depth, attention_width, self.context) for depth in (0, 1))
        return math.ceil((self.wanted - base) / (one - base) * (1 + 2 * MLP_SLACK) * (1 + self.tolerance))


def _drift(proposal: Proposal, target: float) -> float:
    """How far a proposal is from keeping the MLP ratio; from the budget, where the ratio is the type's own."""
    return abs(math.log(proposal.mlp_width / target)) if proposal.mlp_width else abs(proposal.deviation)


def build(template: Template, proposal: Proposal, *, whole: bool) -> tuple[Shape, dict[str, Any]] | None:
    """Build a proposal's model on the meta device and read its shape back.

    Args:
        template: The candidate's config.
        proposal: What to build.
        whole: Build every block; two blocks otherwise, which is exact where the blocks of a type are alike.

    Returns:
        The shape and the raw config, ready to be saved as config.json; None where the architecture does not come out
        as proposed (a type that ties these numbers to others).
    """
    numbers = {"width": proposal.width, "heads": proposal.heads, "kv_heads": proposal.kv_heads}
    if proposal.mlp_width is not None:
        numbers["mlp_width"] = proposal.mlp_width
    depth = proposal.depth if whole else 2
    try:
        built = shape_from_config(template.with_numbers(depth=depth, **numbers), f"{proposal.depth} x {proposal.width}")
    except (ConfigError, UnsupportedArchitectureError):
        return None
    asked = (depth, proposal.width, proposal.heads, proposal.kv_heads, template.shape.head_size)
    found = (built.depth, built.width, built.heads, built.kv_heads, built.head_size)
    if found != asked or built.parameters != proposal.counts.parameters(depth):
        return None
    shape = replace(built, depth=proposal.depth, parameters=proposal.counts.parameters(proposal.depth))
    return shape, template.with_numbers(depth=proposal.depth, **numbers)


def multiple(width: int) -> int:
    """The multiple that widths near this one should have for matrix units: 128, 64, 16 or 8."""
    return 128 if width >= 2048 else 64 if width >= 512 else 16 if width >= 128 else 8


def _widths(shape: Shape) -> list[tuple[int, int, int]]:
    """Widths with heads and key-value heads, evenly spread in ln width, at most `MOST_WIDTHS`.

    Of neighbours, the one is taken that keeps the key-value group size, then the one with more factors of two.
    """
    assert shape.heads and shape.kv_heads
    # at a fixed budget of 12 L d² the ratio goes with the third power of the width
    low, high = (shape.width * (shape.ratio / ratio) ** (1 / 3) for ratio in reversed(RATIOS))
    step = math.log(high / low) / MOST_WIDTHS
    best: dict[int, tuple[tuple[bool, bool, int], tuple[int, int, int]]] = {}
    for width in range(8, math.floor(high) + 1, 8):
        if width < low or width % multiple(width):
            continue
        heads, kv_heads = _heads(shape, width)
        if kv_heads:
            regrouped = heads * shape.kv_heads != kv_heads * shape.heads
            rank = (regrouped, width % (2 * multiple(width)) != 0, width)
            bin_ = int(math.log(width / low) / step)
            choice = (rank, (width, heads, kv_heads))
            best[bin_] = min(best.get(bin_, choice), choice)
    return sorted(numbers for _, numbers in best.values())


def _heads(shape: Shape, width: int) -> tuple[int, int]:
    """Query and key-value heads at a width, the head size as it was; 0 key-value heads where none fit.

    Where heads and width are coupled (heads x head size = width) the width decides; where they are not, the number
    of heads that divides the width and comes nearest to growing with it is taken.
    """
    assert shape.heads and shape.kv_heads and shape.head_size
    if shape.heads * shape.head_size == shape.width:
        heads = width // shape.head_size
        return heads, 0 if width % shape.head_size else _kv_heads(heads, shape)
    wanted = shape.heads * width / shape.width
    for heads in sorted((h for h in range(1, width + 1) if width % h == 0), key=lambda h: abs(math.log(h / wanted))):
        if abs(math.log(heads / wanted)) > math.log(HEADS_SLACK):
            break
        if kv_heads := _kv_heads(heads, shape):
            return heads, kv_heads
    return 0, 0


def _kv_heads(heads: int, shape: Shape) -> int:
    """Key-value heads that keep the group size, exactly or as nearly as the number of heads allows; 0 where not."""
    assert shape.heads and shape.kv_heads
    if shape.kv_heads == 1:
        return 1
    group = shape.heads / shape.kv_heads
    best = min((k for k in range(1, heads + 1) if heads % k == 0), key=lambda k: abs(math.log(heads / k / group)))
    off = abs(math.log(heads / best / group))
    return best if off <= (math.log(GROUP_SLACK) if group > 1 else 0.0) + 1e-9 else 0

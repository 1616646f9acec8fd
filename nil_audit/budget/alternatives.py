"""Shapes of one budget: the same architecture at other depths and widths, with the same number of parameters."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from nil_audit.budget.cost import Anatomy, anatomy, with_mlp_width
from nil_audit.budget.template import Template
from nil_audit.errors import ConfigError, UnsupportedArchitectureError
from nil_audit.shape.architecture import Shape, shape_from_config

Match = Literal["body", "total", "flops"]

FEWEST_BLOCKS = 3  # depths 1 and 2 are another regime: no study speaks of them
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
        deviation: Predicted budget over the candidate's, minus 1.
        parts: Its anatomy.
    """

    depth: int
    width: int
    heads: int
    kv_heads: int
    mlp_width: int | None
    deviation: float
    parts: Anatomy

    @property
    def ratio(self) -> float:
        """Depth / width."""
        return self.depth / self.width


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """A shape of the candidate's budget whose model was built on the meta device.

    Attributes:
        shape: Read back from ``config``.
        parts: Its anatomy.
        config: The raw config, ready to be saved as config.json.
        deviation: Its exact budget over the candidate's, minus 1.
    """

    shape: Shape
    parts: Anatomy
    config: dict[str, Any]
    deviation: float


def budget(match: Match, shape: Shape, parts: Anatomy, depth: int, context: int) -> float:
    """What is held equal: body parameters, all parameters, or forward FLOPs a token."""
    if match == "flops":
        assert shape.heads and shape.head_size
        return parts.forward_flops(depth, shape.heads * shape.head_size, context)
    counts = parts.parameters(depth)
    return counts.body if match == "body" else counts.total


def propose(
    template: Template,
    parts: Anatomy,
    *,
    match: Match = "body",
    tolerance: float = 0.02,
    context: int = 4096,
) -> tuple[Proposal, ...]:
    """At most one shape of the candidate's budget for each of a range of widths, widest last.

    Head size and vocabulary stay; the key-value group size stays where it divides the heads, else the nearest that
    does is taken. The MLP width is the multiple of `multiple` nearest to what hits the budget, its ratio to the width
    within 12.5% of the candidate's; where the type derives it from the width, depth alone has to hit the budget.

    Args:
        template: The candidate's config.
        parts: Its anatomy.
        match: What is held equal.
        tolerance: How far the budget may differ, as a share.
        context: Window length in tokens, for "flops".
    """
    shape = template.shape
    search = _Search(
        template=template,
        shape=shape,
        match=match,
        wanted=budget(match, shape, parts, shape.depth, context),
        tolerance=tolerance,
        context=context,
        free_mlp=shape.mlp_width is not None and template.takes("intermediate_size"),
    )
    proposals = (search.at(width, heads, kv_heads) for width, heads, kv_heads in _widths(shape))
    return tuple(p for p in proposals if p is not None and (p.depth, p.width) != (shape.depth, shape.width))


@dataclass(frozen=True, kw_only=True)
class _Search:
    """One budget, and the depth and MLP width that meet it at a given width."""

    template: Template
    shape: Shape
    match: Match
    wanted: float
    tolerance: float
    context: int
    free_mlp: bool

    def at(self, width: int, heads: int, kv_heads: int) -> Proposal | None:
        """The shape of this width whose MLP ratio is nearest to the candidate's; None where none meets the budget."""
        attention = heads * (self.shape.head_size or 0)
        old_mlp = self.shape.mlp_width or 0
        target = old_mlp / self.shape.width * width
        step = multiple(round(target)) if self.free_mlp else 0
        first = max(step, round(target / step) * step) if self.free_mlp else 0
        try:
            numbers = {"width": width, "heads": heads, "kv_heads": kv_heads}
            parts = anatomy(self.template, **numbers, **({"mlp_width": first} if self.free_mlp else {}))
            wider = with_mlp_width(self.template, parts, first + step, **numbers) if self.free_mlp else parts
        except ConfigError:  # a rule of the type's own that these numbers break
            return None
        best: Proposal | None = None
        for depth in range(FEWEST_BLOCKS, self._deepest(parts, attention) + 1):
            base, slope = self._cost(parts, depth, attention), self._cost(wider, depth, attention)
            slope -= base
            steps = round((self.wanted - base) / slope) if slope > 0 else 0
            mlp = first + steps * step
            if self.free_mlp and (mlp < step or abs(mlp / target - 1) > MLP_SLACK):
                continue
            deviation = (base + steps * slope) / self.wanted - 1
            if abs(deviation) > self.tolerance:
                continue
            proposal = Proposal(
                depth=depth,
                width=width,
                heads=heads,
                kv_heads=kv_heads,
                mlp_width=mlp if self.free_mlp else None,
                deviation=deviation,
                parts=_stretched(parts, wider, steps),
            )
            if best is None or self._drift(proposal, target) < self._drift(best, target):
                best = proposal
        return best

    def _cost(self, parts: Anatomy, depth: int, attention_width: int) -> float:
        if self.match == "flops":
            return parts.forward_flops(depth, attention_width, self.context)
        counts = parts.parameters(depth)
        return counts.body if self.match == "body" else counts.total

    def _deepest(self, parts: Anatomy, attention_width: int) -> int:
        """The largest depth worth trying: the MLP at its narrowest saves less than twice the slack of a block."""
        base = self._cost(parts, 0, attention_width)
        block = self._cost(parts, 1, attention_width) - base
        return math.ceil((self.wanted - base) / block * (1 + 2 * MLP_SLACK) * (1 + self.tolerance))

    def _drift(self, proposal: Proposal, target: float) -> float:
        """How far a proposal is from keeping the MLP ratio; from the budget, where the ratio is the type's own."""
        return abs(math.log(proposal.mlp_width / target)) if proposal.mlp_width else abs(proposal.deviation)


def _stretched(parts: Anatomy, wider: Anatomy, steps: int) -> Anatomy:
    """The anatomy at another MLP width: every count is linear in it."""
    return Anatomy(
        **{
            field.name: getattr(parts, field.name) + steps * (getattr(wider, field.name) - getattr(parts, field.name))
            for field in fields(Anatomy)
        }
    )


def build(
    template: Template, parts: Anatomy, proposal: Proposal, *, match: Match, context: int, whole: bool
) -> Alternative | None:
    """Build a proposal's model on the meta device and read its shape and exact budget back.

    Args:
        template: The candidate's config.
        parts: The candidate's anatomy.
        proposal: What to build.
        match: What is held equal.
        context: Window length in tokens, for "flops".
        whole: Build every block; two blocks otherwise, which is exact where the blocks of a type are alike.

    Returns:
        The alternative, or None where the architecture does not come out as proposed (a type that ties these numbers
        to others).
    """
    shape = template.shape
    numbers = {"width": proposal.width, "heads": proposal.heads, "kv_heads": proposal.kv_heads}
    if proposal.mlp_width is not None:
        numbers["mlp_width"] = proposal.mlp_width
    depth = proposal.depth if whole else 2
    try:
        built = shape_from_config(template.with_numbers(depth=depth, **numbers), f"{proposal.depth} x {proposal.width}")
    except (ConfigError, UnsupportedArchitectureError):
        return None
    asked = (depth, proposal.width, proposal.heads, proposal.kv_heads, shape.head_size)
    if (built.depth, built.width, built.heads, built.kv_heads, built.head_size) != asked:
        return None
    if built.parameters != proposal.parts.parameters(depth):
        return None
    built = replace(built, depth=proposal.depth, parameters=proposal.parts.parameters(proposal.depth))
    exact = budget(match, built, proposal.parts, built.depth, context)
    wanted = budget(match, shape, parts, shape.depth, context)
    return Alternative(
        shape=built,
        parts=proposal.parts,
        config=template.with_numbers(depth=proposal.depth, **numbers),
        deviation=exact / wanted - 1,
    )


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
            best[bin_] = min(best.get(bin_, (rank, (width, heads, kv_heads))), (rank, (width, heads, kv_heads)))
    return sorted(choice for _, choice in best.values())


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

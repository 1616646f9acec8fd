"""What a shape takes to serve: bytes, arithmetic intensity, and time by a roofline with a fixed cost a block.

    time of one forward pass = max(FLOPs / peak, bytes / bandwidth) + blocks x fixed cost of a block

The roofline is Williams, Waterman, Patterson 2009; the fixed cost (launching kernels, synchronising, layers too small
to fill the machine) is what makes a deep and narrow shape decode slower than a wide one of the same weights.
"""

from dataclasses import dataclass
from typing import Literal

Bound = Literal["memory", "compute", "blocks"]


@dataclass(frozen=True, kw_only=True)
class ServingTime:
    """How long one shape takes on one machine, one sequence at a time.

    Attributes:
        device: Name of the accelerator; "this machine" where measured or calibrated here.
        decode_seconds: Of one decoded token behind a full context.
        prompt_seconds: Of one token of a prompt of the full context, read at once.
        decode_bound: What takes most of a decoded token: reading weights and cache, arithmetic, or the fixed cost of
            the blocks; "" where measured.
        intensity: FLOPs for each byte that a decoded token moves.
    """

    device: str
    decode_seconds: float
    prompt_seconds: float
    decode_bound: Bound | Literal[""]
    intensity: float

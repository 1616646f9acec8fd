"""One model under audit, and what is measured of it and how."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from nil_audit.errors import UsageError
from nil_audit.runner import resolve_together
from nil_audit.shape.architecture import Shape, read_shape
from nil_audit.source import Source
from nil_audit.weights import DTYPES, Dtype

if TYPE_CHECKING:
    from nil_audit.weights.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an audit measures and how.

    Attributes:
        probe: A probe's name (see ``nil_audit.interaction.probe.load_probe``).
        tokens: Input tokens to use at most.
        precision: Standard error of the typical efficiency, in nats, at which there is enough text; 0: all tokens.
        window: T, tokens; None: 512, or what the model can read where that is shorter.
        prefix: Read every window after the tokenizer's document-start token.
        context: C, positions at the start of a window that are read and not counted.
        dtype: Of the weights in memory.
        device: "auto" or a torch device.
        batch_size: Windows a batch; None: as many as memory holds.
        allow_pickle: Load pickled weights where there are no safetensors.
        trust_remote_code: Run model code from the repository.
        fresh: Measure again even where a record with the same key is kept.
        profile: Also the loss AGOP of the input of every decoder block.
        ansatz: Also the correlation of WᵀW with the AGOP of its input, of every map that reads the residual stream.
        output: Also the output AGOP.
        sensitivity: Also what window, context, text and basis change.
    """

    probe: str = "wikitext"
    tokens: int = 131_072
    precision: float = 0.05
    window: int | None = None
    prefix: bool = True
    context: int = 16
    dtype: Dtype = "float32"
    device: str = "auto"
    batch_size: int | None = None
    allow_pickle: bool = False
    trust_remote_code: bool = False
    fresh: bool = False
    profile: bool = False
    ansatz: bool = False
    output: bool = False
    sensitivity: bool = False

    def __post_init__(self) -> None:
        """Refuse what no measurement can be asked for.

        Raises:
            UsageError: A number is out of its range, or there is no such type of weights.
        """
        if self.dtype not in DTYPES:
            raise UsageError(f"There is no dtype {self.dtype!r}; use {', '.join(DTYPES)}.")
        if not 0 <= self.precision < math.inf:
            raise UsageError(
                f"--precision is {self.precision:g}, but is a standard error in nats; give one such as 0.05, or 0 to"
                " use all tokens."
            )
        for name, least in (("tokens", 1), ("window", 1), ("context", 0), ("batch_size", 1)):
            found = getattr(self, name)
            if found is not None and found < least:
                raise UsageError(
                    f"--{name.replace('_', '-')} is {found}, but must be at least {least}; give another number."
                )
        if self.window is not None and self.context >= self.window:
            raise UsageError(
                f"--context {self.context} leaves nothing of a window of {self.window} to count; give a smaller one, or"
                " a larger --window."
            )


class Subject:
    """One model under audit: each of its parts is fetched once, when first needed, and all from one source."""

    def __init__(self, name: str, settings: Settings) -> None:
        """Name the model; nothing is read yet."""
        self.name, self.settings = name, settings

    @cached_property
    def source(self) -> Source:
        """The place and the commit that the name leads to, the same on every process."""
        return resolve_together(self.name)

    @cached_property
    def shape(self) -> Shape:
        """Its architecture."""
        return read_shape(self.source, trust_remote_code=self.settings.trust_remote_code)

    @cached_property
    def checkpoint(self) -> "Checkpoint":
        """Its loaded model and tokenizer."""
        from nil_audit.weights.checkpoint import load_checkpoint

        return load_checkpoint(
            self.source,
            self.shape,
            dtype=self.settings.dtype,
            device=self.settings.device,
            allow_pickle=self.settings.allow_pickle,
            trust_remote_code=self.settings.trust_remote_code,
        )

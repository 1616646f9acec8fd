"""The tokens that hold most of tr G, in their text: where the mean's numbers are theirs, a reader has to see it."""

from dataclasses import dataclass
from typing import Any

import torch

from nil_audit.interaction.totals import WindowTotals

SHOWN = 10
_BEFORE, _AFTER = 12, 6


@dataclass(frozen=True, kw_only=True)
class Token:
    """One token of a probe.

    Attributes:
        window: Its window, from 0.
        position: Its position in the window, from 0, context counted.
        token: Its text.
        before: The text of the window in front of it, a few tokens of it.
        after: The text behind it.
        share: Of tr G.
        norm: |g|, nats per unit of the embedding.
    """

    window: int
    position: int
    token: str
    before: str
    after: str
    share: float
    norm: float


@dataclass(frozen=True, kw_only=True)
class Heaviest:
    """How much of tr G few tokens hold.

    Attributes:
        token_share: The share of the heaviest token.
        permille_share: The share of the heaviest 0.1% of tokens, at least of one.
        tokens: The heaviest ones, heaviest first.
    """

    token_share: float
    permille_share: float
    tokens: tuple[Token, ...]


def heaviest(totals: WindowTotals, tokenizer: Any) -> Heaviest:
    """The shares and the tokens of a measurement.

    Args:
        totals: After the last round.
        tokenizer: The model's own.
    """
    windows = totals.windows
    logs = totals.embedding.log_squares[: totals.schedule.count].flatten()
    shares = (logs - logs.logsumexp(0)).exp()
    top = shares.topk(max(SHOWN, round(len(shares) / 1000)))

    def text(window: int, start: int, end: int) -> str:
        ids = windows.tokens[window, max(0, start) : end]
        return str(tokenizer.decode(ids.tolist(), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    tokens = []
    for share, place in zip(top.values[:SHOWN].tolist(), top.indices[:SHOWN].tolist(), strict=True):
        window, position = place // windows.counted, place % windows.counted + windows.context
        tokens.append(
            Token(
                window=window,
                position=position,
                token=text(window, position, position + 1),
                before=text(window, position - _BEFORE, position),
                after=text(window, position + 1, position + 1 + _AFTER),
                share=share,
                norm=float(torch.exp(logs[place] / 2)),
            )
        )
    most = max(1, round(len(shares) / 1000))
    return Heaviest(
        token_share=float(top.values[0]), permille_share=float(top.values[:most].sum()), tokens=tuple(tokens)
    )

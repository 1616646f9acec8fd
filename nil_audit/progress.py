"""How long work tells the outside how far it is, and how libraries are kept silent.

A module of its own, so that nothing below the command knows who shows progress.
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr
from typing import Protocol


class Task(Protocol):
    """One piece of work whose progress is shown."""

    def advance(self, steps: int, said: str = "") -> None:
        """So many more steps are done; ``said`` is the estimate so far in words, which holds until the next."""

    def skip(self, steps: int) -> None:
        """So many steps were done before: they say nothing of how fast the work goes."""

    def tell(self, sentence: str) -> None:
        """Say something that stays: what the work will cost."""


Progress = Callable[..., AbstractContextManager[Task]]
"""Opens a display of work: ``progress(description, total, unit="tokens")``, the total in steps of that unit."""


class _Silent:
    def advance(self, steps: int, said: str = "") -> None:
        """Show nothing."""

    def skip(self, steps: int) -> None:
        """Show nothing."""

    def tell(self, sentence: str) -> None:
        """Say nothing."""


def silent(_description: str, _total: int, unit: str = "tokens") -> AbstractContextManager[Task]:
    """Show nothing."""
    return nullcontext(_Silent())


_TALKATIVE = ("transformers", "datasets", "huggingface_hub", "lm_eval")


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the logging, warnings and progress bars of the libraries underneath off stderr, and restore them after.

    Imports none of them, and also silences those that are imported while it lasts. What matters in what they say
    becomes an error of nil-audit.
    """
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

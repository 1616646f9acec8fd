"""How long work tells the outside how far it is, and how libraries are kept silent.

A module of its own, so that nothing below the command knows who shows progress.
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]
"""Opens a progress display from a description and a number of steps; yields what advances it."""

_TALKATIVE = ("transformers", "datasets", "huggingface_hub", "lm_eval")


def silent(_description: str, _total: int) -> AbstractContextManager[Callable[[int], object]]:
    """Show nothing."""
    return nullcontext(lambda _steps: None)


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

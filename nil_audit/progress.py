"""How long work tells the outside how far it is, without knowing who shows it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]
"""Opens a progress display from a description and a number of steps; yields what advances it."""


def silent(_description: str, _total: int) -> AbstractContextManager[Callable[[int], object]]:
    """Show nothing."""
    return nullcontext(lambda _steps: None)

"""One task for each of many models, where the failure of one does not stop the others.

A module of its own, because the audit, the demo and the score share it.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from nil_audit.errors import NilAuditError, UsageError

Result = TypeVar("Result")


def run_each(
    names: Iterable[str], task: Callable[[str], Result], *, on_failure: Callable[[str], object], debug: bool = False
) -> tuple[dict[str, Result], dict[str, str]]:
    """Run a task on one model after another.

    Args:
        names: The models.
        task: What is done with each.
        on_failure: Told the sentence of a failure as soon as it happens.
        debug: Let the first error through.

    Returns:
        What the task gave for each model, and the error sentence of every model that failed.

    Raises:
        UsageError: The command was wrong, which would fail for every model.
    """
    results: dict[str, Result] = {}
    failures: dict[str, str] = {}
    for name in names:
        try:
            results[name] = task(name)
        except UsageError:
            raise
        except NilAuditError as error:
            if debug:
                raise
            failures[name] = str(error)
            on_failure(str(error))
    return results, failures

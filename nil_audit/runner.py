"""One task for each of many models, where the failure of one does not stop the others; on one process or several.

A module of its own, because the audit, the demo and the score share it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nil_audit.errors import DefectError, NilAuditError, TeamError, UsageError
from nil_audit.processes import Team, shared_fate
from nil_audit.source import Source, resolve

Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What became of a run of many models.

    Attributes:
        results: What the task gave for each model, in the order asked for.
        failures: The sentence of every model that failed, which names it; it may have a result all the same
            (see ``PartlyFailed``).
        interrupted: The user ended the run before every model had its turn.
        asked: Models in all; after one where another process was lost none has a turn.
    """

    results: dict[str, Result]
    failures: dict[str, str]
    interrupted: bool
    asked: int


class PartlyFailed(NilAuditError):  # noqa: N818 - the first part did not fail
    """A task's first part is done and its second failed: what is done is kept, and the failure listed.

    For another process of a launch it is the error alone: that one has a result of its own.
    """

    def __init__(self, result: Any, error: Exception) -> None:
        """Keep a result with the error of what came after it."""
        self.result = result
        self.error = error if isinstance(error, NilAuditError) else DefectError.of(error)
        super().__init__(str(self.error))
        self.exit_code = self.error.exit_code

    def __reduce__(self) -> tuple[type[NilAuditError], tuple[str]]:
        return type(self.error), (str(self.error),)


def run_each(
    names: Iterable[str], task: Callable[[str], Result], *, on_failure: Callable[[str], object], debug: bool = False
) -> Outcome[Result]:
    """Run a task on one model after another; under several processes all are at the same model.

    Args:
        names: The models.
        task: What is done with each.
        on_failure: Told the sentence of a failure as soon as it happens.
        debug: Let the first error through.

    Raises:
        UsageError: The command was wrong, which would fail for every model; later than that it is one model's.
    """
    asked = list(names)
    results: dict[str, Result] = {}
    failures: dict[str, str] = {}
    interrupted = False
    for name in asked:
        try:
            with shared_fate():
                result = task(name)
        except KeyboardInterrupt:
            interrupted = True
            break
        except Exception as error:
            if debug or (isinstance(error, UsageError) and not results):
                raise
            if isinstance(error, PartlyFailed):
                results[name] = error.result
            failures[name] = _sentence(name, error)
            on_failure(failures[name])
            if isinstance(error.error if isinstance(error, PartlyFailed) else error, TeamError):
                break
        else:
            results[name] = result
    return Outcome(results, failures, interrupted, len(asked))


def _sentence(name: str, error: Exception) -> str:
    """An error in a sentence that names the model."""
    said = str(error if isinstance(error, NilAuditError) else DefectError.of(error))
    named = re.search(rf"(?<![\w/.-]){re.escape(name)}(?![\w/-])", said)
    return said if named else f"{name}: {said}"


def resolve_together(name: str) -> Source:
    """The source of a model, as ``nil_audit.source.resolve`` finds it, for all processes of a launch.

    Of a Hub id it is the commit that the first of them finds. A folder is read by each where it runs; whether the
    weights are the same too, their digests tell.

    Raises:
        NilAuditError: See ``resolve``.
        SourceError: A machine of the launch has no such folder, or one with another configuration.
    """
    team = Team.join()
    source: Source = team.broadcast(lambda: resolve(name))
    if source.kind == "local" and team.size > 1:
        mine: Source | None = source
        try:
            mine = source if team.rank == 0 else resolve(name)
        except NilAuditError:
            mine = None
        team.agree(mine and mine.config, name)
        return mine or source
    return source

"""Several processes under ``accelerate launch`` or ``torchrun``: who this one is, and how results come together.

Everything that the processes tell each other goes through one exchange, in which each says where it is: in the middle
of its work on a model, or done with that model, well or with an error. A process in the middle that hears of an error
raises it; one that is done goes on exchanging until all are. So each process takes part in the same exchanges whichever
of them fails, and wherever: none waits for one that has gone on, and no sum holds two models.
"""

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nil_audit.errors import DefectError, NilAuditError, SourceError, TeamError

if TYPE_CHECKING:
    import torch

_WORKING, _DONE = "working", "done"


def is_first() -> bool:
    """Whether this is the process of a launch that prints and writes."""
    return int(os.environ.get("RANK", "0")) == 0


class Team:
    """The processes of one run; a run without a launcher is a team of one.

    Attributes:
        rank: This process, from 0.
        size: Number of processes.
    """

    _joined: "Team | None" = None

    def __init__(self, *, rank: int = 0, size: int = 1) -> None:
        """A team as it is; ``join`` gives the one of this process."""
        self.rank, self.size = rank, size
        self._model = 0  # which of the models this is, so that an error is not taken for one of another
        self._within = False
        self._lost = False

    @classmethod
    def join(cls) -> "Team":
        """The team of this process, the same object at each call; waits for the others where there are any.

        A category of the full benchmark can take a process an hour more than another, so the group's time-out
        is set to a week; that only holds where nothing has started the group before.
        """
        if Team._joined is not None:
            return Team._joined
        if "LOCAL_RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) < 2:
            return cls()
        import torch
        from accelerate import PartialState

        on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true" or not torch.accelerator.is_available()
        state = PartialState(cpu=on_cpu, timeout=timedelta(weeks=1))
        Team._joined = Team(rank=state.process_index, size=state.num_processes)
        return Team._joined

    def gather(self, mine: Any) -> list[Any]:
        """Every process's object, in the order of ranks, on every process.

        Raises:
            NilAuditError: What any process failed with at this model; all raise the same.
            TeamError: Another process is gone.
        """
        return [mine] if self.size == 1 else self._gather(mine, None)

    def broadcast(self, make: Callable[[], Any]) -> Any:
        """What ``make`` returns on the first process, on every process; it is called on no other.

        Raises:
            NilAuditError: What ``make`` raised, on every process.
        """
        if self.size == 1:
            return make()
        made, error = None, None
        if self.rank == 0:
            try:
                made = make()
            except Exception as raised:
                error = raised
        return self._gather(made, error)[0]

    def agree(self, mine: Any, what: str) -> None:
        """Make sure that something is the same on every process.

        Args:
            mine: This process's.
            what: Its name, for people.

        Raises:
            SourceError: It is not.
        """
        everyone = self.gather(mine)
        if any(one != everyone[0] for one in everyone):
            raise SourceError(f"{what} is not the same on all machines of this launch; copy the same files to each.")

    def all_reduce(self, tensors: Sequence["torch.Tensor"]) -> None:
        """Turn each tensor into the sum over processes, in place, once every process has come this far.

        Raises:
            NilAuditError: What any process failed with at this model; nothing is added up then.
        """
        if self.size == 1:
            return
        self.gather(None)
        import torch.distributed

        with self._together():
            for tensor in tensors:
                torch.distributed.all_reduce(tensor)

    def check(self) -> None:
        """Between two steps of long work: end it where another process has failed at this model.

        Costs one question to the launcher's store, about 0.1 ms.

        Raises:
            NilAuditError: What the other failed with.
        """
        if self.size == 1 or not self._within:
            return
        with self._together():
            failed = self._flags().check([self._flag])
        if failed:
            self.gather(None)

    def leave(self) -> None:
        """Wait until every process has come to its end, and take the team apart.

        A launcher ends all processes as soon as one ends with a failure, when the first may still be writing. Nothing
        to do for a team of one, or for one that is lost.
        """
        if self.size > 1 and not self._lost:
            from accelerate import PartialState

            with suppress(TeamError):
                self._exchange(_DONE, None, None)
                PartialState().destroy_process_group()
        Team._joined = None

    @property
    def _flag(self) -> str:
        return f"nil-audit/failed/{self._model}"

    def _flags(self) -> Any:
        """The store that the launcher keeps for all processes, where a word can be left without anyone waiting."""
        from torch.distributed.distributed_c10d import _get_default_store

        return _get_default_store()

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Around what all processes do at once: where it breaks, they can no longer be in step.

        Raises:
            TeamError: It broke.
        """
        lost, self._lost = self._lost, True
        if lost:
            raise TeamError(_LOST)
        try:
            yield
        except Exception as error:
            raise TeamError(_LOST) from error
        self._lost = False

    def _exchange(self, state: str, value: Any, error: BaseException | None) -> list[tuple[str, Any, Any]]:
        """Tell every process the state, value and error of this one, and hear theirs."""
        import torch.distributed

        mine = pickle.dumps((state, value, error and _portable(error)))
        everyone: list[Any] = [None] * self.size
        with self._together():
            torch.distributed.all_gather_object(everyone, (self._model, mine))
        if any(model != self._model for model, _ in everyone):
            self._lost = True
            raise TeamError("The processes of this run are at different models; start the same command on each.")
        return [pickle.loads(said) for _, said in everyone]

    def _gather(self, mine: Any, error: BaseException | None) -> list[Any]:
        """One exchange in the middle of the work."""
        heard = self._exchange(_WORKING, mine, error)
        if (first := _first_error(heard, error)) is not None:
            try:
                raise first
            finally:
                del first, error, heard  # an error that its own trace leads to would hold the model in memory
        if any(state == _DONE for state, _, _ in heard):
            raise DefectError("nil-audit has a defect: its processes went different ways; run it with one process.")
        return [value for _, value, _ in heard]

    def _finish(self, error: BaseException | None) -> BaseException | None:
        """Exchange until every process is done with this model.

        Args:
            error: What this process failed with, of itself or because it heard of another's.

        Returns:
            What all of them leave it with.
        """
        if error is not None:
            with self._together():
                self._flags().set(self._flag, "")
        while True:
            heard = self._exchange(_DONE, None, error)
            if all(state == _DONE for state, _, _ in heard):
                return _first_error(heard, error)


_LOST = "Another process of this run is gone; start the command again, which goes on from what is kept."


def _portable(error: BaseException) -> BaseException:
    """An error as another process can raise it: of its own class where that is ours, else named as a defect."""
    return error if isinstance(error, NilAuditError | KeyboardInterrupt) else DefectError.of(error)


def _first_error(heard: Sequence[tuple[str, Any, Any]], mine: BaseException | None) -> BaseException | None:
    """The error of the lowest rank that has one; this process's own, with its trace, where it says the same."""
    first = next((error for _, _, error in heard if error is not None), None)
    return mine if mine is not None and str(_portable(mine)) == str(first) else first


@contextmanager
def shared_fate() -> Iterator[None]:
    """Around everything done for one model: it ends on every process at once, and with the same outcome.

    An error of one process is told to the others, which raise it in their next ``gather`` or ``check``; none goes on
    to the next model before all are done with this one. Within another ``shared_fate`` it changes nothing.

    Raises:
        NilAuditError: What any process failed with.
        TeamError: Another process is gone, so that none can go on.
    """
    team = Team.join()
    if team.size == 1 or team._within:
        yield
        return
    team._model += 1
    team._within = True
    failed: BaseException | None = None
    try:
        try:
            yield
        except BaseException as error:
            if team._lost:
                raise
            failed = error
        failed = team._finish(failed)
        if failed is not None:
            raise failed
    finally:
        team._within = False
        del failed

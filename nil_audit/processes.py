"""Several processes under ``accelerate launch`` or ``torchrun``: who this one is, and how results come together."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def is_first() -> bool:
    """Whether this is the process of a launch that prints and writes."""
    return int(os.environ.get("RANK", "0")) == 0


@dataclass(frozen=True, kw_only=True)
class Team:
    """The processes of one run; a run without a launcher is a team of one.

    Attributes:
        rank: This process, from 0.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls) -> "Team":
        """The team of this process; waits for the others where there are any.

        A category of the full benchmark can take a process an hour more than another, so the group's time-out
        is set to a week; that only holds where nothing has started the group before.
        """
        if "LOCAL_RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) < 2:
            return cls()
        import torch
        from accelerate import PartialState

        on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true" or not torch.accelerator.is_available()
        state = PartialState(cpu=on_cpu, timeout=timedelta(weeks=1))
        return cls(rank=state.process_index, size=state.num_processes)

    def all_reduce(self, tensor: "torch.Tensor") -> "torch.Tensor":
        """The sum of every process's tensor, on every process."""
        if self.size == 1:
            return tensor
        from accelerate.utils import reduce

        return reduce(tensor, "sum")

    def gather(self, mine: Any) -> list[Any]:
        """Every process's object, in the order of ranks, on every process."""
        if self.size == 1:
            return [mine]
        import torch.distributed

        everyone: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(everyone, mine)
        return everyone

    def broadcast(self, make: Callable[[], Any]) -> Any:
        """What ``make`` returns on the first process, on every process."""
        return self.gather(make() if self.rank == 0 else None)[0]

    def leave(self) -> None:
        """Take the team apart at the end of a run; nothing to do for a team of one."""
        if self.size > 1:
            from accelerate import PartialState

            PartialState().destroy_process_group()

"""How much memory this process may still take: what the machine has free, and what its control groups allow.

A container that goes over the limit of its control group is killed without a word, however much the machine has free.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_LIMITS = (
    ("memory.max", "memory.current", ("inactive_file", "active_file")),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
)
"""Files of a group with its limit and its use, and the lines of memory.stat that can be given back; v2, then v1."""


class HostMemory(NamedTuple):
    """Memory in bytes.

    Attributes:
        free: What can still be taken.
        limit: What there would be if nothing else were running.
    """

    free: int
    limit: int


def host_memory(root: Path = Path("/")) -> HostMemory:
    """The least of what the machine has and what each control group around this process allows.

    Args:
        root: Where ``proc`` and the mounted control groups are found.
    """
    import psutil

    machine = psutil.virtual_memory()
    rooms = [HostMemory(machine.available, machine.total), *_group_rooms(root)]
    return HostMemory(min(room.free for room in rooms), min(room.limit for room in rooms))


def _group_rooms(root: Path) -> Iterator[HostMemory]:
    """What each group allows, from that of the process up to the outermost one that can be seen."""
    for mount, group in _hierarchies(root):
        folder = mount / group if (mount / group).is_dir() else mount
        while True:
            if (room := _room(folder)) is not None:
                yield room
            if folder == mount:
                break
            folder = folder.parent


def _hierarchies(root: Path) -> Iterator[tuple[Path, Path]]:
    """Where the hierarchies that may limit memory are mounted, and this process's group in each, from there."""
    groups = {}
    for line in _lines(root / "proc" / "self" / "cgroup"):
        _, controllers, group = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            groups["cgroup" if controllers else "cgroup2"] = group
    for line in _lines(root / "proc" / "self" / "mountinfo"):
        before, _, after = line.partition(" - ")
        kind, *_, options = after.split(" ")
        if kind not in groups or (kind == "cgroup" and "memory" not in options.split(",")):
            continue
        origin, mount = (_unescaped(field) for field in before.split(" ")[3:5])
        # a container without a namespace of its own sees the whole path, but only its own part is mounted
        seen = Path(groups[kind])
        yield root / mount.lstrip("/"), seen.relative_to(origin) if seen.is_relative_to(origin) else Path()


def _room(folder: Path) -> HostMemory | None:
    """What one group allows; None where it has no limit."""
    for limit_file, used_file, reclaimable in _LIMITS:
        limit, used = (next(iter(_lines(folder / name)), "") for name in (limit_file, used_file))
        if limit.isdecimal() and used.isdecimal():
            stat = dict(line.split(" ", 1) for line in _lines(folder / "memory.stat") if " " in line)
            cached = sum(int(stat.get(name, 0)) for name in reclaimable)
            return HostMemory(max(0, int(limit) - max(0, int(used) - cached)), int(limit))
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux, or not ours to read
        return []


def _unescaped(field: str) -> str:
    """A path of mountinfo, which writes spaces as octal numbers."""
    return field.replace("\\040", " ")

"""A checkpoint's folder: its JSON, the files that decide what it computes, and whether they have changed."""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nil_audit.errors import CheckpointError, ConfigError

CONFIG_NAME = "config.json"
ADAPTER_NAME = "adapter_config.json"

PICKLED = (".bin", ".pt", ".pth", ".ckpt")
"""Suffixes of weights that can run code when loaded."""

INDEX_SUFFIX = ".index.json"

_NO_MODEL = ("training_args", "optimizer", "adapter")

_CONTENT = {".safetensors", ".json", ".model", ".txt", ".tiktoken", ".py", *PICKLED}
_RECENT = 2.0
"""Seconds within which two writes can carry one time stamp on a coarse file system."""

_JSON_NAMES = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def read_object(file: Path, what: str, remedy: str = "download or save it again") -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        file: Its path.
        what: How a sentence about it begins, "The config of NAME".
        remedy: What to do where it holds something else than an object.

    Raises:
        ConfigError: It cannot be read, is not JSON, or is not a JSON object.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{what} cannot be read ({error.strerror}); check {file} and its permissions.") from error
    except json.JSONDecodeError as error:
        where = f" (line {error.lineno}: {error.msg})"
        raise ConfigError(f"{what} is not valid JSON{where}; download or save it again.") from error
    except (ValueError, RecursionError) as error:
        reasons = {UnicodeDecodeError: "it is not text", RecursionError: "it is nested too deep"}
        reason = reasons.get(type(error), "a number has thousands of digits")
        raise ConfigError(f"{what} is not valid JSON ({reason}); download or save it again.") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{what} is a JSON {_JSON_NAMES[type(found)]}, not an object; {remedy}.")
    return found


def indexed_files(index: Mapping[str, Any]) -> list[str]:
    """Names of the files that a checkpoint's index spreads its tensors over, in order.

    Raises:
        ValueError: The index does not map tensors to files, or names one outside its folder; the message is a clause
            about the index.
    """
    where = index.get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(name, str) and name for name in where.values()):
        raise ValueError("has no weight_map from tensors to files")
    names = sorted(set(where.values()))
    for name in names:
        if not is_inside(name):
            raise ValueError(f"names a file outside its folder ({name!a})")
    return names


def is_weights(name: str) -> bool:
    """Whether a file holds a model's weights by its name, as safetensors or pickled."""
    return name.endswith(".safetensors") or is_pickled(name)


def is_pickled(name: str) -> bool:
    """Whether a file holds a model's weights by its name, pickled; adapters and the state of a training are none."""
    return name.endswith(PICKLED) and not name.startswith(_NO_MODEL)


def is_adapter(name: str, file: Path) -> ConfigError:
    """The error for an adapter without the weights that it adapts."""
    base = read_object(file, f"The {ADAPTER_NAME} of {name}").get("base_model_name_or_path")
    known = isinstance(base, str) and base
    return ConfigError(
        f"{name} is a PEFT adapter{f' of {base}' if known else ''}, which has no weights of its own; merge it into its"
        f" base (merge_and_unload, then save_pretrained) and name that folder, or name {base if known else 'its base'}."
    )


def listed(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are, for a sentence: "a, b, c and 2 more"."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def is_inside(name: str) -> bool:
    """Whether a relative name stays in the folder that it is read from."""
    path = PurePosixPath(name.replace("\\", "/"))
    return not (path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name) and bool(path.parts)


@dataclass(frozen=True, kw_only=True)
class FolderState:
    """A checkpoint's folder at one moment, or one file of it.

    Attributes:
        name: The model's name, for people.
        folder: Where it is.
        only: Name of the one file that decides what the checkpoint computes, or None.
        sha256: Over names and contents of the files that decide what the checkpoint computes; of one file, over its
            content alone.
        stamps: Of each of these: size, times of change in nanoseconds, inode and device, from before they were read.
        began: When reading began, in seconds since the epoch.
    """

    name: str
    folder: Path
    only: str | None
    sha256: str
    stamps: Mapping[str, tuple[int, ...]]
    began: float

    @classmethod
    def read(cls, name: str, folder: Path, only: str | None = None) -> "FolderState":
        """Read every file of a folder that decides what its checkpoint computes, or the only one.

        Raises:
            CheckpointError: One of them cannot be read.
        """
        began, stamps = time.time(), _stamps(name, folder, only)
        sha256 = _digest(name, folder, only)
        return cls(name=name, folder=folder, only=only, sha256=sha256, stamps=stamps, began=began)

    def has_changed(self) -> bool:
        """Whether the digest is another now; files whose stamps are as they were are not read again.

        Raises:
            CheckpointError: A file cannot be read.
        """
        stamps = _stamps(self.name, self.folder, self.only)
        newest = max((time_ns for stamp in stamps.values() for time_ns in stamp[1:3]), default=0)
        if stamps == self.stamps and newest / 1e9 < self.began - _RECENT:
            return False
        return _digest(self.name, self.folder, self.only) != self.sha256


def _deciding_files(folder: Path, only: str | None) -> dict[str, Path]:
    """The files that decide what a checkpoint computes, by name: weights, configurations, tokenizer and code.

    Those in subfolders count where an index names them, and where they are code. Links are followed: what counts is
    what is read.
    """
    if only is not None:
        return {only: folder / only}
    files = {path.name: path for path in folder.iterdir() if path.is_file() and path.suffix in _CONTENT}
    for index in [path for name, path in files.items() if name.endswith(INDEX_SUFFIX)]:
        try:
            names = indexed_files(read_object(index, index.name))
        except (ConfigError, ValueError):  # told where it is loaded, which this index may never be
            continue
        files |= {name: folder / name for name in names if (folder / name).is_file()}
    if any(path.suffix == ".py" for path in files.values()):
        files |= {str(path.relative_to(folder)): path for path in folder.rglob("*.py") if path.is_file()}
    return dict(sorted(files.items()))


def _stamps(name: str, folder: Path, only: str | None) -> dict[str, tuple[int, ...]]:
    try:
        found = {key: path.stat() for key, path in _deciding_files(folder, only).items()}
    except OSError as error:
        raise _unreadable(name, error) from error
    return {key: (one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino, one.st_dev) for key, one in found.items()}


def _digest(name: str, folder: Path, only: str | None) -> str:
    total = hashlib.sha256()
    try:
        for key, path in _deciding_files(folder, only).items():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            if only is not None:
                return content
            total.update(os.fsencode(key) + f"\0{content}\n".encode())
    except OSError as error:
        raise _unreadable(name, error) from error
    return total.hexdigest()


def _unreadable(name: str, error: OSError) -> CheckpointError:
    return CheckpointError(f"The files of {name} cannot be read ({error.strerror}); check them and their permissions.")

"""One GGUF file: what its header says, checked here, and the configuration that transformers makes of it.

A module of its own, because the header decides what is loaded, and it is read without any of the weights.
"""

import hashlib
import mmap
import re
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from nil_audit.errors import CheckpointError, ConfigError, first_line
from nil_audit.progress import quiet_libraries

SUFFIX = ".gguf"
LINK_NAME = f"model{SUFFIX}"
"""What the file is called where it is alone: transformers goes by the suffix, which a cache may leave out."""

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4
_PART = re.compile(r"-(\d{5})-of-(\d{5})$")
_LEFT_TO_DEFAULTS = {
    "gpt2": {"context_length": "n_positions", "feed_forward_length": "n_inner"},
    "qwen3": {"attention.key_length": "head_dim"},
}
"""What headers say that transformers leaves to the defaults of an architecture, and its name in the configuration."""

_PLAIN = ("F64", "F32", "F16", "BF16")


class Tensor(NamedTuple):
    """One tensor of the file: its name, its shape in torch's order, and what it is stored as ("Q4_K")."""

    name: str
    shape: tuple[int, ...]
    type: str


@dataclass(frozen=True, kw_only=True)
class GgufFile:
    """The header of a GGUF file.

    Attributes:
        path: Where it is.
        architecture: What llama.cpp calls the type of the model ("llama", "qwen2").
        metadata: What it says in single numbers and words, by key; its lists (the vocabulary) are left out.
        tensors: Those that it holds.
        sha256: Over the header, lists included.
    """

    path: Path
    architecture: str
    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]
    sha256: str

    @classmethod
    def read(cls, name: str, path: Path) -> "GgufFile":
        """Read the header, and check that the file is a whole model.

        Args:
            name: The model's name, for people.
            path: The file.

        Raises:
            CheckpointError: The package gguf is missing; the file cannot be read, is no GGUF file, is damaged or cut
                short, or holds a part of a model, an adapter or something else that is no language model.
        """
        try:
            import gguf
        except ImportError as error:
            raise CheckpointError(
                f"{name} is a GGUF file, which needs the package gguf to be read; pip install 'nil-audit[gguf]'."
            ) from error
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                if data[:4] != _MAGIC:
                    raise CheckpointError(f"{name} is not a GGUF file, whatever it is called; download it again.")
                header = _Header(data, gguf)
                header.parse()
        except OSError as error:
            raise CheckpointError(f"{name} cannot be read ({error.strerror}); check the file.") from error
        except (ValueError, struct.error) as error:  # also an empty file, which cannot be mapped
            reason = "its header ends early" if isinstance(error, struct.error) else first_line(error)
            raise CheckpointError(f"{name} is damaged or cut short ({reason}); download it again.") from error
        architecture = header.metadata.get("general.architecture")
        if not isinstance(architecture, str):
            raise CheckpointError(f"{name} does not say its general.architecture; download it again.")
        found = cls(
            path=path,
            architecture=architecture,
            metadata=header.metadata,
            tensors=tuple(header.tensors),
            sha256=header.sha256,
        )
        found._require_whole_model(name)
        return found

    def _require_whole_model(self, name: str) -> None:
        kind, parts = self.metadata.get("general.type", "model"), self.metadata.get("split.count", 1)
        if part_of(self.path) or (isinstance(parts, int) and parts > 1):
            raise is_part(name, self.path)
        if kind != "model":
            raise CheckpointError(
                f"{name} is a GGUF file of the type {kind!a:.50}, not a model; name the model's file."
            )

    @property
    def types(self) -> tuple[str, ...]:
        """What its tensors are stored as, the type of most numbers first: ("Q4_1", "Q8_0", "F32")."""
        sizes: dict[str, int] = {}
        for tensor in self.tensors:
            sizes[tensor.type] = sizes.get(tensor.type, 0) + prod(tensor.shape)
        return tuple(sorted(sizes, key=lambda one: -sizes[one]))

    @property
    def quantised(self) -> bool:
        """Whether any of its tensors is stored in less than plain floating-point numbers."""
        return any(one not in _PLAIN for one in self.types)

    @contextmanager
    def alone(self) -> Iterator[Path]:
        """A folder with a link to the file (`LINK_NAME`) and nothing else.

        transformers reads a tokenizer.json, a generation_config.json and an adapter that lie beside a file it is given;
        what lies beside a GGUF file in a folder of downloads is another model's.
        """
        with tempfile.TemporaryDirectory(prefix="nil-audit-") as folder:
            (Path(folder) / LINK_NAME).symlink_to(self.path.resolve())
            yield Path(folder)

    def config(self, name: str) -> dict[str, Any]:
        """The configuration that transformers makes of the header, as a config.json would hold it.

        Raises:
            ConfigError: transformers cannot read this architecture, or not this header.
        """
        from transformers import PretrainedConfig

        try:
            with quiet_libraries(), self.alone() as folder:
                made, _ = PretrainedConfig.get_config_dict(folder, gguf_file=LINK_NAME)
        except Exception as error:  # whatever its reader raises on a key that is missing or of another type
            if "is not supported yet" in str(error):
                raise ConfigError(
                    f"{name} is a GGUF file of the architecture {self.architecture!a:.50}, which the installed"
                    " transformers cannot read; update transformers, or audit the model that the file was made from."
                ) from error
            raise ConfigError(
                f"transformers cannot read the header of {name} ({first_line(error)}); audit the model that the file"
                " was made from."
            ) from error
        config = {key: value for key, value in made.items() if not key.startswith("_")}
        for said, key in _LEFT_TO_DEFAULTS.get(self.architecture, {}).items():
            if (value := self.says(said)) is not None:
                config.setdefault(key, value)
        return config

    def says(self, key: str) -> Any:
        """What the header says of its own architecture under a key ("rope.freq_base"); None where it says nothing."""
        return self.metadata.get(f"{self.architecture}.{key}")


def is_gguf(path: Path) -> bool:
    """Whether a file is in the format GGUF, or says so in its name; one that cannot be read is not."""
    if path.suffix.lower() == SUFFIX:
        return True
    try:
        with path.open("rb") as file:
            return file.read(4) == _MAGIC
    except OSError:
        return False


def part_of(path: Path) -> str | None:
    """What the parts of a model in several files share in their names; None where the file is no such part."""
    found = _PART.search(path.stem)
    return path.stem[: found.start()] if found and int(found[2]) > 1 else None


def is_part(name: str, path: Path) -> CheckpointError:
    """The error for a part of a model that is spread over several GGUF files."""
    first = _PART.sub(r"-00001-of-\2", path.stem) + path.suffix
    return CheckpointError(
        f"{name} is one of several GGUF files that hold a model together, which transformers does not read; merge them"
        f" (llama-gguf-split --merge {first} whole{SUFFIX}), and name the whole."
    )


class _Header:
    """Walks through a mapped file; everything that is not what it should be is a ValueError or a struct.error."""

    def __init__(self, data: mmap.mmap, gguf: Any) -> None:
        self._data, self._gguf, self._at = data, gguf, len(_MAGIC)
        self.metadata: dict[str, Any] = {}
        self.tensors: list[Tensor] = []
        self.sha256 = ""

    def parse(self) -> None:
        """Read the header, and check that the file is as long as it says."""
        version, tensors, keys = self._take("IQQ")
        if version not in _VERSIONS:
            reads = " and ".join(map(str, _VERSIONS))
            swapped = " in the byte order of other machines" if version & 0xFFFF == 0 else ""
            raise ValueError(f"it is of version {version:#x}{swapped}, and {reads} can be read")
        for _ in range(keys):
            key = self._string()
            (kind,) = self._take("I")
            value = self._value(kind)
            if value is not None:
                self.metadata[key] = value
        ends = [self._tensor() for _ in range(tensors)]
        alignment = self.metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise ValueError(f"its general.alignment is {alignment!r}")
        self.sha256 = hashlib.sha256(self._data[: self._at]).hexdigest()
        needed = -(-self._at // alignment) * alignment + max(ends, default=0)
        if needed > len(self._data):
            raise ValueError(f"it has {len(self._data):,} of {needed:,} bytes")

    def _take(self, layout: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{layout}", self._data, self._at)
        self._at += struct.calcsize(f"<{layout}")
        return found

    def _skip(self, size: int) -> None:
        if size > len(self._data) - self._at:
            raise ValueError("its header ends early")
        self._at += size

    def _string(self) -> str:
        (size,) = self._take("Q")
        start = self._at
        self._skip(size)
        return self._data[start : self._at].decode()

    def _value(self, kind: int) -> Any:
        """A number, a truth or a text; None for a list, which is passed over."""
        if kind == _STRING:
            return self._string()
        if kind in _SCALARS:
            return self._take(_SCALARS[kind])[0]
        if kind != _ARRAY:
            raise ValueError(f"a value is of type {kind}")
        kind, count = self._take("IQ")
        if kind in _SCALARS:
            self._skip(count * struct.calcsize(f"<{_SCALARS[kind]}"))
        elif kind == _STRING:
            for _ in range(count):
                self._skip(self._take("Q")[0])
        else:
            raise ValueError(f"a list is of type {kind}")
        return None

    def _tensor(self) -> int:
        """Read one entry of the table of tensors; where the tensor ends, in bytes from the first."""
        name = self._string()
        (dimensions,) = self._take("I")
        if dimensions > _MOST_DIMENSIONS:
            raise ValueError(f"{name!a:.100} has {dimensions} dimensions")
        shape = tuple(reversed(self._take(f"{dimensions}Q")))
        code, offset = self._take("IQ")
        try:
            kind = self._gguf.GGMLQuantizationType(code)
        except ValueError as error:
            raise ValueError(f"{name!a:.100} is stored as type {code}, which gguf does not know") from error
        block, size = self._gguf.GGML_QUANT_SIZES[kind]
        self.tensors.append(Tensor(name, shape, kind.name))
        return int(offset + prod(shape) * size // block)

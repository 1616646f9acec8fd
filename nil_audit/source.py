"""Which model a name means: a Hub id, ``id@revision``, a local folder, a GGUF or a config file, resolved once.

Everything that is read of a model (shape, tokenizer, weights) comes from one `Source`: one place and, on the Hub, one
commit. ``HF_ENDPOINT``, ``HF_HOME``, ``HF_HUB_OFFLINE`` and the user's stored token are huggingface_hub's own business,
which is asked for everything that concerns the Hub.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from nil_audit.errors import CheckpointError, ConfigError, SourceError
from nil_audit.folder import ADAPTER_NAME, CONFIG_NAME, FolderState, is_adapter, is_weights, listed, read_object
from nil_audit.gguf_file import SUFFIX, GgufFile, is_gguf, is_part, part_of
from nil_audit.hub import fetch_config

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][\w./-]*")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One place and one commit that a model's name led to, with the configuration found there.

    Attributes:
        name: The name asked for, as the user wrote it.
        kind: "hub" or "local".
        reference: The repository id or the folder, as transformers takes it; of a lone config file or a GGUF file,
            its path.
        revision: Commit hash that the Hub resolved the name to, or None for a local source.
        folder: Local folder that holds the config and may hold weights; None for the Hub and for a config file
            that is not named ``config.json``.
        config: The parsed configuration; of a GGUF file, what transformers makes of its header.
        gguf: The GGUF file that holds the model, or None; nothing that lies beside it is read.
    """

    name: str
    kind: Literal["hub", "local"]
    reference: str
    revision: str | None
    folder: Path | None
    config: dict[str, Any]
    gguf: GgufFile | None = None

    @cached_property
    def digest(self) -> str:
        """What equal weights share: "git:COMMIT" on the Hub, "sha256:..." over the files of a folder or a GGUF file.

        Raises:
            CheckpointError: The source is a configuration file, which has no weights; the folder cannot be read, or its
                configuration is no longer the one that was resolved.
        """
        self.require_weights()
        return f"git:{self.revision}" if self.folder is None else f"sha256:{self._folder_state.sha256}"

    def check_unchanged(self) -> None:
        """Refuse a folder that has been written to since `digest` was taken: what was read of it may be of two models.

        Files whose size, times and inode are as they were are not read again.

        Raises:
            CheckpointError: The folder's digest is another now.
        """
        if self.folder is not None and self._folder_state.has_changed():
            raise self._changed()

    @cached_property
    def _folder_state(self) -> FolderState:
        assert self.folder is not None
        if self.gguf is not None:
            state = FolderState.read(self.name, self.folder, only=self.gguf.path.name)
            if GgufFile.read(self.name, self.gguf.path).sha256 != self.gguf.sha256:
                raise self._changed()
            return state
        state = FolderState.read(self.name, self.folder)
        # as text, because NaN is not equal to itself
        if json.dumps(_parse(self.name, self.folder / CONFIG_NAME)) != json.dumps(self.config):
            raise self._changed()
        return state

    def _changed(self) -> CheckpointError:
        return CheckpointError(
            f"The files of {self.name} changed while they were read, so the numbers could be of two models; wait until"
            " nothing writes to the folder, and start again."
        )

    def require_weights(self) -> None:
        """Refuse a source that can have no weights.

        Raises:
            CheckpointError: It is a configuration file.
        """
        if self.kind == "local" and self.folder is None:
            raise CheckpointError(
                f"{self.name} is a configuration without weights; name its folder, or ask 'nil-audit candidate"
                f" {self.name}'."
            )


def resolve(name: str) -> Source:
    """Find out which model a name means, and parse its configuration.

    Whatever exists on disk is local; the rest is a Hub id. No weights and no code are fetched.

    Args:
        name: Hub id ("Qwen/Qwen2.5-0.5B"), "id@revision", a folder with a ``config.json``, a GGUF file or a folder
            whose only weights it is, or a config file.

    Raises:
        SourceError: There is no such folder, id or revision; the repository is gated; there is no network.
        ConfigError: The folder has no config.json, or it is not a JSON object; it has several GGUF files;
            transformers does not know the architecture of a GGUF file.
        CheckpointError: A GGUF file is damaged, or no whole model; the package gguf is missing.
    """
    path, kind = _on_disk(name)
    gguf = path if kind == "file" and is_gguf(path) else _only_gguf(name, path) if kind == "folder" else None
    if gguf is not None:
        header = GgufFile.read(name, gguf)
        return Source(
            name=name,
            kind="local",
            reference=str(gguf),
            revision=None,
            folder=gguf.parent,
            config=header.config(name),
            gguf=header,
        )
    if kind == "folder" and not (path / CONFIG_NAME).is_file():
        if (path / ADAPTER_NAME).is_file():
            raise is_adapter(name, path / ADAPTER_NAME)
        raise ConfigError(
            f"The folder {name} has no {CONFIG_NAME}; name a folder that a model was saved to with save_pretrained."
        )
    if kind is not None:
        file = path / CONFIG_NAME if kind == "folder" else path
        folder = file.parent if file.name == CONFIG_NAME else None
        config = _parse(name, file)
        return Source(
            name=name, kind="local", reference=str(folder or file), revision=None, folder=folder, config=config
        )
    repo_id, _, revision = name.partition("@")
    if (
        _HUB_ID.fullmatch(repo_id) is None
        or name.endswith((".json", SUFFIX))
        or (revision and not _REVISION.fullmatch(revision))
    ):
        raise SourceError(
            f"{name!r} is neither an existing folder or file nor a Hub id such as Qwen/Qwen2.5-0.5B; check the"
            " spelling."
        )
    if name.endswith("@"):
        raise SourceError(f"{name!r} names no revision after '@'; add a branch, tag or commit, or leave out the '@'.")
    file = fetch_config(repo_id, revision or None)
    # the Hub's cache keeps each commit in a folder of its own, named by its hash: snapshots/<commit>/config.json
    return Source(
        name=name,
        kind="hub",
        reference=repo_id,
        revision=file.parent.name,
        folder=None,
        config=_parse(name, file),
    )


def existing_path(name: str) -> Path | None:
    """What a name means on disk; None where nothing is there, or nothing can be: no such user, too long a name."""
    try:
        path, kind = _on_disk(name)
    except SourceError:
        return None
    return path if kind is not None else None


def _on_disk(name: str) -> tuple[Path, Literal["folder", "file"] | None]:
    """The path that a name is, and what lies there.

    Raises:
        SourceError: The name is empty, or no path can be called so.
    """
    if not name.strip():
        raise SourceError("The model's name is empty; give a Hub id, a local folder or a config file.")
    if "\0" in name or name.encode("utf-8", "replace").decode() != name:
        raise SourceError(f"The name {name!a} is not valid text (UTF-8); rename the folder, and give its new name.")
    try:
        path = Path(name).expanduser()
        return path, "folder" if path.is_dir() else "file" if path.is_file() else None
    except RuntimeError as error:
        raise SourceError(f"{name} begins in the home folder of a user who is not known here; write it out.") from error
    except OSError as error:
        raise SourceError(f"Cannot look for {name} ({error.strerror}); check the name and its permissions.") from error


def _only_gguf(name: str, folder: Path) -> Path | None:
    """The GGUF file that holds the only weights of a folder; None where there are others, or none.

    Raises:
        SourceError: The folder cannot be read.
        ConfigError: There are several, and no config.json either.
        CheckpointError: They are parts of one model.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise SourceError(f"The folder {name} cannot be read ({error.strerror}); check its permissions.") from error
    found = [path for path in files if path.suffix.lower() == SUFFIX]
    if len(found) == 1 and not any(is_weights(path.name) for path in files):
        return found[0]
    if len(found) < 2 or any(is_weights(path.name) or path.name == CONFIG_NAME for path in files):
        return None
    if len({part_of(path) for path in found}) == 1 and part_of(found[0]):
        raise is_part(f"{name} holds {found[0].name}, which", found[0])
    names = listed([path.name for path in found])
    raise ConfigError(f"The folder {name} holds {len(found)} GGUF files ({names}); name one of them.")


def _parse(name: str, file: Path) -> dict[str, Any]:
    """Parse a configuration file.

    Raises:
        ConfigError: It cannot be read, is not JSON, or is not a JSON object.
    """
    return read_object(file, f"The config of {name}", f"name a model's {CONFIG_NAME}")

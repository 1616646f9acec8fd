"""Which model a name means: a Hub id, ``id@revision``, a local folder or a config file, resolved once.

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

from nil_audit.errors import CheckpointError, ConfigError, SourceError, first_line
from nil_audit.folder import FolderState, read_object

CONFIG_NAME = "config.json"
ADAPTER_NAME = "adapter_config.json"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][\w./-]*")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One place and one commit that a model's name led to, with the configuration found there.

    Attributes:
        name: The name asked for, as the user wrote it.
        kind: "hub" or "local".
        reference: The repository id or the folder, as transformers takes it; of a lone config file, its path.
        revision: Commit hash that the Hub resolved the name to, or None for a local source.
        folder: Local folder that holds the config and may hold weights; None for the Hub and for a config file
            that is not named ``config.json``.
        config: The parsed configuration.
    """

    name: str
    kind: Literal["hub", "local"]
    reference: str
    revision: str | None
    folder: Path | None
    config: dict[str, Any]

    @cached_property
    def digest(self) -> str:
        """What equal weights share: "git:COMMIT" on the Hub, "sha256:..." over the files of a folder.

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
        name: Hub id ("Qwen/Qwen2.5-0.5B"), "id@revision", a folder with a ``config.json``, or a config file.

    Raises:
        SourceError: There is no such folder, id or revision; the repository is gated; there is no network.
        ConfigError: The folder has no config.json, or it is not a JSON object.
    """
    path, kind = _on_disk(name)
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
    if _HUB_ID.fullmatch(repo_id) is None or name.endswith(".json") or (revision and not _REVISION.fullmatch(revision)):
        raise SourceError(
            f"{name!r} is neither an existing folder or file nor a Hub id such as Qwen/Qwen2.5-0.5B; check the"
            " spelling."
        )
    if name.endswith("@"):
        raise SourceError(f"{name!r} names no revision after '@'; add a branch, tag or commit, or leave out the '@'.")
    file = _fetch_config(repo_id, revision or None)
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


def is_adapter(name: str, file: Path) -> ConfigError:
    """The error for an adapter without the weights that it adapts."""
    base = read_object(file, f"The {ADAPTER_NAME} of {name}").get("base_model_name_or_path")
    known = isinstance(base, str) and base
    return ConfigError(
        f"{name} is a PEFT adapter{f' of {base}' if known else ''}, which has no weights of its own; merge it into its"
        f" base (merge_and_unload, then save_pretrained) and name that folder, or name {base if known else 'its base'}."
    )


def _fetch_config(repo_id: str, revision: str | None) -> Path:
    """Download the configuration of a Hub model, or find it in the local cache.

    Returns:
        The file's path, ``.../snapshots/<commit>/config.json``.

    Raises:
        SourceError: One sentence for each way in which the Hub refuses or cannot be reached.
        ConfigError: The repository has no such file.
    """
    from huggingface_hub import (
        constants,
        errors,
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
        try_to_load_from_cache,
    )

    asked = f"{repo_id}@{revision}" if revision else repo_id
    cached: Any = None
    try:
        cached = try_to_load_from_cache(repo_id, CONFIG_NAME, revision=revision)
        if isinstance(cached, str) and (constants.is_offline_mode() or _COMMIT.fullmatch(revision or "")):
            return Path(cached)
        # asked once before the download, which would try an unreachable Hub six times
        get_hf_file_metadata(hf_hub_url(repo_id, CONFIG_NAME, revision=revision))
        return Path(hf_hub_download(repo_id, CONFIG_NAME, revision=revision))
    except errors.HFValidationError as error:
        raise SourceError(f"{repo_id!r} is not a valid Hub id; it should look like Qwen/Qwen2.5-0.5B.") from error
    except errors.GatedRepoError as error:
        raise SourceError(
            f"{repo_id} is gated and the stored token has no access to it; accept its terms at"
            f" {constants.ENDPOINT}/{repo_id} and sign in with 'hf auth login'."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise SourceError(
            f"There is no model {repo_id} on the Hub, or it is private; check the spelling, or sign in with"
            " 'hf auth login'."
        ) from error
    except errors.DisabledRepoError as error:
        raise SourceError(f"{repo_id} has been disabled on the Hub; choose another model.") from error
    except errors.RevisionNotFoundError as error:
        raise SourceError(
            f"{repo_id} has no revision {revision!r}; see {constants.ENDPOINT}/{repo_id}/commits/main for those it has."
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        if (adapter := _adapter_config(repo_id, revision)) is not None:
            raise is_adapter(asked, adapter) from error
        raise ConfigError(
            f"The Hub model {asked} has no {CONFIG_NAME}; choose a model in Hugging Face format."
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise SourceError(
            f"{asked} is not in the local cache ({constants.HF_HUB_CACHE}) and HF_HUB_OFFLINE forbids the network;"
            " unset HF_HUB_OFFLINE, or name a local folder."
        ) from error
    except errors.HfHubHTTPError as error:
        if error.response.status_code >= 500 and isinstance(cached, str):
            return Path(cached)
        raise SourceError(
            f"The Hub answered with status {error.response.status_code} for {asked}; check your token and access, or"
            " try again later."
        ) from error
    except (errors.HTTPError, errors.LocalEntryNotFoundError) as error:
        if isinstance(cached, str):
            return Path(cached)
        raise SourceError(
            f"No network connection to {constants.ENDPOINT}, and {asked} is not in the local cache; check the"
            " connection and HF_ENDPOINT, or name a local folder."
        ) from error
    except OSError as error:  # a cache that cannot be written, a server that is not a Hub
        raise SourceError(
            f"Could not fetch {CONFIG_NAME} of {asked} ({first_line(error)}); check HF_ENDPOINT and HF_HOME."
        ) from error


def _adapter_config(repo_id: str, revision: str | None) -> Path | None:
    """The adapter's configuration in a repository that has no other; None where there is none."""
    from huggingface_hub import errors, hf_hub_download

    try:
        return Path(hf_hub_download(repo_id, ADAPTER_NAME, revision=revision))
    except (errors.HfHubHTTPError, errors.HTTPError, errors.LocalEntryNotFoundError, OSError):
        return None


def _parse(name: str, file: Path) -> dict[str, Any]:
    """Parse a configuration file.

    Raises:
        ConfigError: It cannot be read, is not JSON, or is not a JSON object.
    """
    return read_object(file, f"The config of {name}", f"name a model's {CONFIG_NAME}")

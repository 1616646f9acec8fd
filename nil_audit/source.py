"""Which model a name means: a Hub id, ``id@revision``, a local folder or a config file, resolved once.

Everything that is read of a model (shape, tokenizer, weights) comes from one `Source`: one place and, on the Hub, one
commit. ``HF_ENDPOINT``, ``HF_HOME``, ``HF_HUB_OFFLINE`` and the user's stored token are huggingface_hub's own business,
which is asked for everything that concerns the Hub.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from nil_audit.errors import CheckpointError, ConfigError, SourceError, first_line

CONFIG_NAME = "config.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt")
"""Suffixes of weights that can run code when loaded."""

_CONTENT = {".safetensors", ".json", ".model", ".txt", ".tiktoken", ".py", *PICKLED}
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
            CheckpointError: The source is a configuration file, which has no weights.
        """
        self.require_weights()
        return f"git:{self.revision}" if self.folder is None else f"sha256:{_folder_digest(self.folder)}"

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
    if not name.strip():
        raise SourceError("The model's name is empty; give a Hub id, a local folder or a config file.")
    path = Path(name).expanduser()
    if path.is_dir() and not (path / CONFIG_NAME).is_file():
        raise ConfigError(
            f"The folder {name} has no {CONFIG_NAME}; name a folder that a model was saved to with save_pretrained."
        )
    if path.is_dir() or path.is_file():
        file = path / CONFIG_NAME if path.is_dir() else path
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


def _folder_digest(folder: Path) -> str:
    """Sha256 over names and contents of the files that decide what a checkpoint computes."""
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _CONTENT:
            with path.open("rb") as file:
                total.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


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


def _parse(name: str, file: Path) -> dict[str, Any]:
    """Parse a configuration file.

    Raises:
        ConfigError: It cannot be read, is not JSON, or is not a JSON object.
    """
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read {file} ({error.strerror}); check its permissions.") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        where = f" (line {error.lineno}: {error.msg})" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(f"The config of {name} is not valid JSON{where}; download or save it again.") from error
    if not isinstance(config, dict):
        raise ConfigError(
            f"The config of {name} is a JSON {_JSON_NAMES[type(config)]}, not an object; name a model's {CONFIG_NAME}."
        )
    return config


_JSON_NAMES = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}

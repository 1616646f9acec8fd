"""Where a model's configuration comes from: a Hub id, ``id@revision``, a local folder or a config file.

Only ``config.json`` is ever fetched. ``HF_ENDPOINT``, ``HF_HOME``, ``HF_HUB_OFFLINE`` and the user's stored token
are huggingface_hub's own business, which is asked for everything that concerns the Hub.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nil_audit.errors import ConfigError, SourceError

CONFIG_NAME = "config.json"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][\w./-]*")


@dataclass(frozen=True, kw_only=True)
class ConfigSource:
    """A configuration and where it came from.

    Attributes:
        name: The name asked for, as the user wrote it.
        kind: "hub" or "local".
        repo_id: Hub id, or None for a local source.
        revision: Commit hash that the Hub resolved the revision to, or None for a local source.
        folder: Local folder that holds the config and may hold weights; None for the Hub and for a config file
            that is not named ``config.json``.
        config: The parsed configuration.
    """

    name: str
    kind: Literal["hub", "local"]
    repo_id: str | None
    revision: str | None
    folder: Path | None
    config: dict[str, Any]


def locate(source: str) -> ConfigSource:
    """Find and parse a model's configuration.

    Whatever exists on disk is local; the rest is a Hub id. No weights and no code are fetched.

    Args:
        source: Hub id ("Qwen/Qwen2.5-0.5B"), "id@revision", a folder with a ``config.json``, or a config file.

    Raises:
        SourceError: There is no such folder, id or revision; the repository is gated; there is no network.
        ConfigError: The folder has no config.json, or it is not a JSON object.
    """
    if not source.strip():
        raise SourceError("The model's name is empty; give a Hub id, a local folder or a config file.")
    path = Path(source).expanduser()
    if path.is_dir():
        if not (path / CONFIG_NAME).is_file():
            raise ConfigError(
                f"The folder {source} has no {CONFIG_NAME}; name a folder that a model was saved to with"
                " save_pretrained."
            )
        return _local(source, path / CONFIG_NAME, folder=path)
    if path.is_file():
        return _local(source, path, folder=path.parent if path.name == CONFIG_NAME else None)
    repo_id, _, revision = source.partition("@")
    if (
        _HUB_ID.fullmatch(repo_id) is None
        or source.endswith(".json")
        or (revision and not _REVISION.fullmatch(revision))
    ):
        raise SourceError(
            f"{source!r} is neither an existing folder or file nor a Hub id such as Qwen/Qwen2.5-0.5B; check the"
            " spelling."
        )
    if source.endswith("@"):
        raise SourceError(f"{source!r} names no revision after '@'; add a branch, tag or commit, or leave out the '@'.")
    return _from_hub(source, repo_id, revision or None)


def _local(name: str, file: Path, *, folder: Path | None) -> ConfigSource:
    config = parse_config(name, file)
    return ConfigSource(name=name, kind="local", repo_id=None, revision=None, folder=folder, config=config)


def _from_hub(name: str, repo_id: str, revision: str | None) -> ConfigSource:
    file = fetch(repo_id, CONFIG_NAME, revision)
    # the Hub's cache keeps each commit in a folder of its own, named by its hash: snapshots/<commit>/config.json
    commit = file.parent.name
    config = parse_config(name, file)
    return ConfigSource(name=name, kind="hub", repo_id=repo_id, revision=commit, folder=None, config=config)


def fetch(repo_id: str, filename: str, revision: str | None) -> Path:
    """Download one file of a Hub model, or find it in the local cache.

    Returns:
        The file's path, ``.../snapshots/<commit>/<filename>``.

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
        cached = try_to_load_from_cache(repo_id, filename, revision=revision)
        if isinstance(cached, str) and (constants.is_offline_mode() or _COMMIT.fullmatch(revision or "")):
            return Path(cached)
        # asked once before the download, which would try an unreachable Hub six times
        get_hf_file_metadata(hf_hub_url(repo_id, filename, revision=revision))
        return Path(hf_hub_download(repo_id, filename, revision=revision))
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
        raise ConfigError(f"The Hub model {asked} has no {filename}; choose a model in Hugging Face format.") from error
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
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise SourceError(
            f"Could not fetch {filename} of {asked} ({reason[0].rstrip('.')}); check HF_ENDPOINT and HF_HOME."
        ) from error


def parse_config(name: str, file: Path) -> dict[str, Any]:
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

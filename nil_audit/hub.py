"""The configuration of a model on the Hub, and a sentence for each way in which the Hub refuses it.

huggingface_hub is imported inside functions alone: it reads its environment once.
"""

import re
from pathlib import Path
from typing import Any

from nil_audit.errors import ConfigError, SourceError, first_line
from nil_audit.folder import ADAPTER_NAME, CONFIG_NAME, is_adapter, listed
from nil_audit.gguf_file import SUFFIX

_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch_config(repo_id: str, revision: str | None) -> Path:
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
        if files := _gguf_on_hub(repo_id, revision):
            raise only_gguf_on_hub(repo_id, revision, files) from error
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


def _gguf_on_hub(repo_id: str, revision: str | None) -> list[str]:
    """Names of the GGUF files of a repository; none where it cannot be asked."""
    from huggingface_hub import HfApi, errors

    try:
        names = HfApi().list_repo_files(repo_id, revision=revision)
    except (errors.HfHubHTTPError, errors.HTTPError, errors.OfflineModeIsEnabled, OSError):
        return []
    return sorted(name for name in names if name.lower().endswith(SUFFIX))


def only_gguf_on_hub(repo_id: str, revision: str | None, files: list[str]) -> ConfigError:
    """The error for a repository whose only weights are GGUF files, of which nobody knows which is meant."""
    at = f" --revision {revision}" if revision else ""
    return ConfigError(
        f"The Hub model {repo_id} has its weights as GGUF alone ({listed(files)}); download one"
        f" (hf download {repo_id} {files[0]}{at} --local-dir .), and name the file."
    )

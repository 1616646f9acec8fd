"""Which checkpoint a name means: a commit on the Hub or the content of a folder, found without loading it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from nil_audit.errors import UsageError
from nil_audit.source import locate

PICKLED = (".bin", ".pt", ".pth", ".ckpt")
"""Suffixes of weights that can run code when loaded."""

_CONTENT = {".safetensors", ".json", ".model", ".txt", ".tiktoken", ".py", *PICKLED}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which checkpoint a name means, without loading it.

    Attributes:
        name: As asked for.
        source: "hub" or "local".
        reference: The repository id or the folder, as transformers takes it.
        revision: Commit hash on the Hub, None for a folder.
        digest: "git:COMMIT" for a Hub commit, "sha256:..." over the files of a folder: equal digests, equal weights.
    """

    name: str
    source: str
    reference: str
    revision: str | None
    digest: str


def identify(name: str) -> Identity:
    """Find out which checkpoint a name means: the Hub's commit hash, or a hash of a folder's files.

    Raises:
        SourceError, ConfigError: The name leads nowhere (see ``nil_audit.source.locate``).
        UsageError: The name is a configuration file, which has no weights.
    """
    found = locate(name)
    if found.kind == "hub":
        return Identity(
            name=name,
            source="hub",
            reference=str(found.repo_id),
            revision=found.revision,
            digest=f"git:{found.revision}",
        )
    if found.folder is None:
        raise UsageError(
            f"{name} is a configuration without weights; name its folder, or ask 'nil-audit candidate {name}'."
        )
    return Identity(
        name=name,
        source="local",
        reference=str(found.folder),
        revision=None,
        digest=f"sha256:{_folder_digest(Path(found.folder))}",
    )


def _folder_digest(folder: Path) -> str:
    """Sha256 over names and contents of the files that decide what a checkpoint computes."""
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _CONTENT:
            with path.open("rb") as file:
                total.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()

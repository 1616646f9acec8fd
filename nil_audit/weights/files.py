"""Which files hold a checkpoint's weights: those that transformers opens, named and checked before it does.

On the Hub they are fetched here, so that a checkpoint is loaded from one folder wherever it came from.
"""

import glob
import pickle
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nil_audit.errors import CheckpointError, ConfigError, SourceError, first_line
from nil_audit.folder import (
    ADAPTER_NAME,
    CONFIG_NAME,
    INDEX_SUFFIX,
    indexed_files,
    is_adapter,
    is_inside,
    is_pickled,
    read_object,
)
from nil_audit.gguf_file import SUFFIX
from nil_audit.hub import only_gguf_on_hub
from nil_audit.source import Source

GENERATION_NAME = "generation_config.json"
_SAFE = ("model.safetensors", f"model.safetensors{INDEX_SUFFIX}")
_PICKLED = ("pytorch_model.bin", f"pytorch_model.bin{INDEX_SUFFIX}")
_DISTRIBUTED = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors")
_DTYPES = {"F": "float", "BF": "bfloat", "I": "int", "U": "uint"}
_CODE = re.compile(r"(BF|F|I|U)(\d+)(_E\dM\d)?")


@dataclass(frozen=True, kw_only=True)
class WeightFiles:
    """The files that hold a checkpoint's weights.

    Attributes:
        folder: Where they lie, with the configuration.
        files: Their names, relative to the folder.
        notes: Sentences for people.
    """

    folder: Path
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def dtypes(self, name: str) -> dict[str, str]:
        """The type that each tensor is stored in, by torch's name for it ("float32", "int8"); no weights are read.

        Args:
            name: The model's name, for people.

        Raises:
            CheckpointError: A file is damaged.
        """
        found: dict[str, str] = {}
        for file in self.files:
            try:
                found |= dict(_stored(self.folder / file))
            except Exception as error:  # whatever safetensors and pickle raise on damage
                raise CheckpointError(
                    f"The weights of {name} are damaged or cut short ({file}: {first_line(error)}); fetch the file"
                    " again."
                ) from error
        return found


def find_weights(source: Source, *, allow_pickle: bool, trust_remote_code: bool) -> WeightFiles:
    """Find the files that hold a checkpoint's weights, fetch those on the Hub, and check that they may be read.

    Args:
        source: From `nil_audit.source.resolve`.
        allow_pickle: Also take pickled weights, where there are no others.
        trust_remote_code: Also fetch the repository's code.

    Raises:
        CheckpointError: There are none, only pickled ones, or the index is not one or names what lies outside.
        ConfigError: It is an adapter alone; its generation config is not a JSON object.
        SourceError: They cannot be fetched.
    """
    source.require_weights()
    names, folder, complete = _names(source)
    main = _main_file(source, names, allow_pickle)
    if main is None and not complete:
        raise _unreachable(source, "they are not in the local cache")
    if main is None:
        raise _no_weights(source, names, folder)
    _fetch(source, folder, [main])
    files = [main]
    if main.endswith(INDEX_SUFFIX):
        what = f"The index of {source.name} ({main})"
        index = read_object(folder / main, what)
        try:
            files = indexed_files(index)
        except ValueError as error:
            raise CheckpointError(f"{what} {error}; fetch the checkpoint again.") from error
        if not isinstance(index.get("metadata", {}), dict):
            raise CheckpointError(f"{what} has metadata that are not an object; fetch the checkpoint again.")
    pickled = [file for file in files if not file.endswith(".safetensors")]
    if pickled and not allow_pickle:
        raise CheckpointError(
            f"{main} of {source.name} names {pickled[0]}, which is not safetensors and can run code when loaded; use a"
            " safetensors version, or --allow-pickle if you trust where it comes from."
        )
    extra = [GENERATION_NAME] if GENERATION_NAME in names else []
    code = [name for name in names if name.endswith(".py")] if trust_remote_code else []
    _fetch(source, folder, [*files, *extra, *code])
    if missing := [file for file in files if not (folder / file).is_file()]:
        raise CheckpointError(f"{source.name} lacks {missing[0]}, which {main} names; fetch the checkpoint again.")
    if extra:
        read_object(folder / GENERATION_NAME, f"The {GENERATION_NAME} of {source.name}")
    return WeightFiles(folder=folder, files=tuple(files), notes=_adapter_note(source, names))


def _names(source: Source) -> tuple[list[str], Path, bool]:
    """Names of the files in a checkpoint's folder or repository, the folder where they lie or will lie, whether all.

    Where the Hub cannot be asked, they are those in the local cache.
    """
    if source.folder is not None:
        return sorted(path.name for path in source.folder.iterdir() if path.is_file()), source.folder, True
    from huggingface_hub import HfApi, try_to_load_from_cache

    config = try_to_load_from_cache(source.reference, CONFIG_NAME, revision=source.revision)
    if not isinstance(config, str):
        raise _unreachable(source, "its config is no longer in the local cache")
    folder = Path(config).parent
    try:
        return sorted(HfApi().list_repo_files(source.reference, revision=source.revision)), folder, True
    except Exception:  # offline, gated in between, a server that is no Hub: what is here is all there is
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()), folder, False


def _main_file(source: Source, names: Iterable[str], allow_pickle: bool) -> str | None:
    """The file that transformers opens first: the weights, or the index of those that are in several files."""
    if any(_DISTRIBUTED.match(name) for name in names):
        raise CheckpointError(
            f"The weights of {source.name} are sharded as they lay on the machines of its training; gather them into"
            " one checkpoint with save_pretrained."
        )
    if (chosen := source.config.get("transformers_weights")) is not None:
        suffixes = (".safetensors", f".safetensors{INDEX_SUFFIX}")
        if not isinstance(chosen, str) or not chosen.endswith(suffixes) or not is_inside(chosen):
            raise CheckpointError(
                f"The config of {source.name} has transformers_weights ="
                f" {source.config['transformers_weights']!r:.100}, which names no safetensors file of its folder;"
                " correct or remove it."
            )
        return chosen
    present = set(names)
    return next((name for name in (*_SAFE, *(_PICKLED if allow_pickle else ())) if name in present), None)


def _fetch(source: Source, folder: Path, names: list[str]) -> None:
    """Bring files of a Hub repository into the local cache, where they are not there already.

    Raises:
        SourceError: They cannot be fetched.
    """
    if source.folder is not None or all((folder / name).is_file() for name in names):
        return
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(
            source.reference, revision=source.revision, allow_patterns=[glob.escape(name) for name in names]
        )
    except Exception as error:  # no network, a full disk, a server that is no Hub
        raise _unreachable(source, first_line(error)) from error


def _stored(path: Path) -> Iterable[tuple[str, str]]:
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            return [(key, _dtype(file.get_slice(key).get_dtype())) for key in file.keys()]  # noqa: SIM118
    import torch

    tensors = torch.load(path, map_location="meta", weights_only=True)
    if not isinstance(tensors, dict):
        raise pickle.UnpicklingError("it holds no tensors by name")
    return [(key, str(one.dtype).removeprefix("torch.")) for key, one in tensors.items() if hasattr(one, "dtype")]


def _dtype(code: str) -> str:
    """Torch's name for a type that safetensors calls "F32", "BF16", "F8_E4M3", "U8" or "BOOL"."""
    if (parts := _CODE.fullmatch(code)) is None:
        return code.lower()
    return _DTYPES[parts[1]] + parts[2] + (parts[3] or "").lower()


def _unreachable(source: Source, reason: str) -> SourceError:
    return SourceError(
        f"The weights of {source.name} cannot be fetched ({reason}); check the network, or use a local folder."
    )


def _no_weights(source: Source, names: list[str], folder: Path) -> CheckpointError | ConfigError:
    """Tell pickled weights, an adapter and GGUF files from none."""
    if any(is_pickled(name) for name in names):
        return CheckpointError(
            f"{source.name} has only pickled weights, which can run code when loaded; use a safetensors version, or "
            "--allow-pickle if you trust where they come from."
        )
    if ADAPTER_NAME in names:
        _fetch(source, folder, [ADAPTER_NAME])
        return is_adapter(source.name, folder / ADAPTER_NAME)
    if files := [name for name in names if name.lower().endswith(SUFFIX)]:
        if source.folder is None:
            return only_gguf_on_hub(source.reference, source.revision, files)
        return CheckpointError(
            f"{source.name} has its weights as GGUF alone; name the file, {source.folder / files[0]}."
        )
    return CheckpointError(
        f"{source.name} has no weights (no model.safetensors, and no index of several); name a folder or repository "
        "with weights."
    )


def _adapter_note(source: Source, names: list[str]) -> tuple[str, ...]:
    if ADAPTER_NAME not in names:
        return ()
    return (
        f"A PEFT adapter lies beside the weights of {source.name} ({ADAPTER_NAME}): the weights alone are measured; "
        "merge it (merge_and_unload, then save_pretrained) to measure both.",
    )

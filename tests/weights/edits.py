"""Checkpoints with something wrong in them: a tiny one whose files a test rewrites."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from nil_audit.shape.architecture import read_shape
from nil_audit.source import resolve
from nil_audit.weights.checkpoint import Checkpoint, load_checkpoint


def load(name: Path | str, **options: Any) -> Checkpoint:
    """Load a checkpoint on the CPU, as an audit does."""
    source = resolve(str(name))
    return load_checkpoint(
        source,
        read_shape(source, trust_remote_code=options.get("trust_remote_code", False)),
        **{"device": "cpu", **options},
    )


def edit_json(folder: Path, name: str = "config.json", /, **changes: Any) -> None:
    """Change keys of a JSON file of a checkpoint; None removes one."""
    file = folder / name
    document = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))


def edit_weights(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the tensors of a checkpoint in place."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def shard(folder: Path, names: tuple[str, str]) -> None:
    """Spread a checkpoint's tensors over two safetensors files, with an index; names may lead into subfolders."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    file.unlink()
    where = {key: names[i % 2] for i, key in enumerate(sorted(tensors))}
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_file({key: tensors[key] for key in where if where[key] == name}, folder / name, metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))

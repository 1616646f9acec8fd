"""The ansatz check of checkpoints and of the same architectures with their initial weights: what training adds to ρ.

The gradient passes through the map that is held against it, so a random map has a ρ above zero with its own block's
AGOP already, and none with that of another block. Printed is the median ρ of each role, of the trained and of the
untrained network, each with the median ρ of other blocks' maps of the role.

    python -m benchmarks.ansatz_untrained CHECKPOINT ... [--tokens 8192] [--seed 0]
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

import nil_audit


def parse() -> argparse.Namespace:
    """The options; the defaults are those of the committed numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--probe", default="builtin")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def untrained(checkpoint: Path, folder: Path, seed: int) -> Path:
    """A copy of a checkpoint with its architecture's initial weights, in float32."""
    copy = folder / checkpoint.name
    shutil.copytree(checkpoint, copy, ignore=shutil.ignore_patterns("*.safetensors", "*.bin", "*.index.json"))
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(checkpoint)).float().save_pretrained(copy)
    return copy


def measured(checkpoint: Path, options: argparse.Namespace) -> Mapping[str, Any]:
    """The ansatz check of one checkpoint."""
    found = nil_audit.audit(
        str(checkpoint), probe=options.probe, tokens=options.tokens, dtype="float32", ansatz=True
    ).ansatz
    assert found is not None
    return found


def row(found: Mapping[str, Any], role: str) -> str:
    """Median ρ of a role and of other blocks' maps, and the shares above the null and above those maps."""
    maps = [one for one in found["maps"] if role in ("all", one["role"])]
    own = median(one["typical"]["value"] for one in maps)
    others = [one["other_blocks"]["typical"] for one in maps if one["other_blocks"]["typical"] is not None]
    shares = found["shares"][role]
    above = [shares["beats_null"], shares["beats_other_blocks"]]
    return (
        f"{own:.2f}, {median(others):.2f} ({', '.join('-' if one is None else f'{100 * one:.0f}%' for one in above)})"
    )


def main() -> None:
    """Measure and print."""
    options = parse()
    print("median ρ of a block's own and of other blocks' maps (share of maps above a random basis, above the others)")
    print("\n| checkpoint | map | trained | untrained |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for checkpoint in options.checkpoints:
            pair = [measured(one, options) for one in (checkpoint, untrained(checkpoint, Path(folder), options.seed))]
            for role in pair[0]["shares"]:
                print(f"| {checkpoint.name} | {role} | {' | '.join(row(one, role) for one in pair)} |", flush=True)


if __name__ == "__main__":
    main()

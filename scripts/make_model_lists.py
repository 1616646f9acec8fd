"""Write the smaller model lists from ``model_lists/small_dense_llms.csv``; ``--check`` only says which are stale.

python scripts/make_model_lists.py
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).resolve().parent.parent / "model_lists"
WHOLE = FOLDER / "small_dense_llms.csv"
OWN = ("gemstones.csv",)
"""Lists of models that the whole does not hold; scripts/make_gemstones_list.py writes this one."""

Rows = Callable[[pd.DataFrame], "pd.Series[bool]"]


def _family(*prefixes: str) -> Rows:
    return lambda table: table["family"].str.startswith(prefixes)


def _size(low: float, high: float) -> Rows:
    return lambda table: table["parameters_b"].astype(float).between(low, high, inclusive="left")


REFERENCES = (
    *(f"EleutherAI/pythia-{size}" for size in ("70m", "160m", "410m", "1b", "1.4b")),
    *(f"HuggingFaceTB/SmolLM2-{size}" for size in ("135M", "360M", "1.7B")),
    *("Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-1.5B", "Qwen/Qwen3-0.6B-Base", "Qwen/Qwen3-1.7B-Base"),
    *("allenai/OLMo-1B-hf", "meta-llama/Llama-3.2-1B", "google/gemma-2-2b", "google/gemma-3-1b-pt"),
    *("openai-community/gpt2", "openai-community/gpt2-xl", "TinyLlama/TinyLlama_v1.1"),
    "ibm-granite/granite-3.1-2b-base",
)
"""Whose records are to ship as references: known, below 3B, of many families, from few blocks to many."""

LISTS: dict[str, Rows] = {
    "reference": lambda table: table["model"].isin(REFERENCES),
    "qwen": _family("Qwen"),
    "llama": _family("Llama-"),
    "gemma": _family("Gemma"),
    "pythia": _family("Pythia"),
    "gpt": _family("GPT-"),
    "smollm": _family("SmolLM"),
    "olmo": _family("OLMo"),
    "falcon": _family("Falcon"),
    "granite": _family("Granite"),
    "under_1b": _size(0, 1),
    "under_2b": _size(0, 2),
    "2b_to_5b": _size(2, 5),
    "7b_class": _size(5, 9.5),
    "over_9b": _size(9.5, float("inf")),
    "from_scratch": lambda table: table["lineage"] == "from_scratch",
    "open_data": _family(
        "Pythia", "OLMo", "SmolLM", "DCLM", "Amber", "MAP-Neo", "GPT-Neo", "GPT-J", "RedPajama", "BLOOM"
    ),
}
"""Name of a list and which rows of the whole are in it; post-trained models are in none."""


def smaller_lists() -> dict[str, str]:
    """The text of every smaller list, by file name."""
    table = pd.read_csv(WHOLE, dtype=str, keep_default_na=False)
    base = table[table["kind"] == "base"]
    return {
        f"{name}.csv": base[wanted(base)].to_csv(index=False, lineterminator="\n") for name, wanted in LISTS.items()
    }


def stale() -> list[str]:
    """File names of lists that differ from what the whole gives, or are not wanted any more."""
    made = smaller_lists()
    there = {path.name for path in FOLDER.glob("*.csv")} - {WHOLE.name, *OWN}
    changed = [
        name for name, text in made.items() if name not in there or (FOLDER / name).read_text(encoding="utf-8") != text
    ]
    return sorted([*changed, *(there - made.keys())])


def main() -> int:
    """Write the lists, or with ``--check`` name the stale ones and return 1 when there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a list is stale")
    if parser.parse_args().check:
        behind = stale()
        print("\n".join(f"stale: {name}" for name in behind) or "all lists are in step")
        return 1 if behind else 0
    for name, text in smaller_lists().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"{name}: {text.count(chr(10)) - 1} models")
    return 0


if __name__ == "__main__":
    sys.exit(main())

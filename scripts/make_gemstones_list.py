"""Write ``model_lists/gemstones.csv``, the 22 Gemstones (arXiv 2502.06857) with their losses and accuracies.

python scripts/make_gemstones_list.py SWEEP.csv ACCURACY.csv

SWEEP.csv has a row a run and checkpoint (model as WIDTHxDEPTH, run, width, depth, heads, kv_heads, mlp_width,
parameters, body_parameters, tokens, train_loss, fineweb_edu_loss); of each model the last checkpoint of the run "main"
is taken. ACCURACY.csv has a row a model and a column a benchmark. Both are facts of the suite's own published tables
(https://github.com/mcleish7/gemstone-scaling-laws, MIT). Training FLOPs are those of `nil_audit.budget.cost.cost`:
three times the forward pass through every weight matrix, the output matrix and causal attention included, at the
suite's context of 2,048 tokens.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from nil_audit.budget.cost import cost
from nil_audit.budget.counts import BlockCounts
from nil_audit.shape.architecture import Parameters, Shape

TARGET = Path(__file__).resolve().parent.parent / "model_lists" / "gemstones.csv"
VOCABULARY, HEAD_SIZE, CONTEXT = 50_304, 128, 2048
BENCHMARKS = (
    *("arc_challenge", "arc_easy", "commonsense_qa", "hellaswag", "mmlu", "openbookqa", "piqa", "siqa", "winogrande"),
)
SAME: dict[str, Any] = {
    "family": "Gemstones",
    "organisation": "tomg-group-umd",
    "head_size": HEAD_SIZE,
    "vocab_size": VOCABULARY,
    "tied": "false",
    "release": "2025-02",
    "lineage": "from_scratch",
    "domain": "general",
    "kind": "base",
    "shape_source": "arXiv 2502.06857; heads, key-value heads and MLP width inferred from exact parameter counts",
    "tokens_source": "arXiv 2502.06857, last checkpoint of the main run",
    "release_source": "arXiv 2502.06857",
}
"""What all 22 share."""

COLUMNS = (
    *("model", "family", "organisation", "depth", "width", "mlp_width", "heads", "kv_heads", "head_size", "vocab_size"),
    *("tied", "parameters", "body_parameters", "flops", "tokens", "release", "lineage", "domain", "kind"),
    *("fineweb_edu_loss", "train_loss", "accuracy", *BENCHMARKS, "shape_source", "tokens_source", "release_source"),
)


def training_flops(row: "pd.Series") -> float:
    """Training FLOPs of one shape, from the matrices of a Gemma block, whose count is checked.

    Raises:
        ValueError: The matrices and norms do not add up to the body that the row gives.
    """
    width, depth = int(row["width"]), int(row["depth"])
    attention = 2 * width * HEAD_SIZE * int(row["heads"] + row["kv_heads"])
    matrices, norms = attention + 3 * width * int(row["mlp_width"]), 2 * width
    counts = BlockCounts(
        embedding=2 * VOCABULARY * width,
        outside=width,
        block=matrices + norms,
        matmul_outside=VOCABULARY * width,
        matmul_block=matrices,
    )
    counted = counts.parameters(depth)
    if (counted.body, counted.total) != (row["body_parameters"], row["parameters"]):
        raise ValueError(f"{row['model']}: the shape gives {counted}, the sweep {row['body_parameters']}")
    return cost(_shape(row, counted), counts, tokens=float(row["tokens"]), context=CONTEXT).training_flops


def _shape(row: "pd.Series", parameters: Parameters) -> Shape:
    return Shape(
        name=str(row["model"]),
        source="list",
        revision=None,
        model_type="gemma",
        text_tower_of=None,
        depth=int(row["depth"]),
        width=int(row["width"]),
        heads=int(row["heads"]),
        kv_heads=int(row["kv_heads"]),
        head_size=HEAD_SIZE,
        mlp_width=int(row["mlp_width"]),
        vocab_size=VOCABULARY,
        tied=False,
        context=CONTEXT,
        parameters=parameters,
    )


def gemstones(sweep: Path, accuracy: Path) -> str:
    """The text of the list."""
    runs, scores = pd.read_csv(sweep), pd.read_csv(accuracy).set_index("model")
    last = runs[runs["run"] == "main"].sort_values(["width", "depth", "tokens"]).groupby("model", sort=False).tail(1)
    table = last.join(scores[[*BENCHMARKS]], on="model").assign(**SAME)
    table["flops"] = [f"{training_flops(row):.6g}" for _, row in table.iterrows()]
    table["accuracy"] = scores.loc[table["model"], [*BENCHMARKS]].mean(axis=1).round(5).to_numpy()
    table["model"] = "tomg-group-umd/Gemstone-" + table["model"]
    return str(table[[*COLUMNS]].to_csv(index=False, lineterminator="\n"))


def main() -> int:
    """Write the list, or with ``--check`` say whether it is in step and return 1 where it is not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path)
    parser.add_argument("accuracy", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the list is stale")
    asked = parser.parse_args()
    made = gemstones(asked.sweep, asked.accuracy)
    if asked.check:
        stale = not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != made
        print("stale: gemstones.csv" if stale else "the list is in step")
        return int(stale)
    TARGET.write_text(made, encoding="utf-8")
    print(f"{TARGET.name}: {made.count(chr(10)) - 1} models")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The Gemstones as a list of their own: shapes that give their counts, a cost that a closed form gives, in step."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nil_audit.catalog.lists import listed_shape, shipped_list

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = [
    "arc_challenge", "arc_easy", "commonsense_qa", "hellaswag", "mmlu", "openbookqa", "piqa", "siqa", "winogrande",
]  # fmt: skip


def test_the_twenty_two_shapes_of_one_recipe_are_there() -> None:
    table = shipped_list("gemstones")
    assert len(table) == 22
    named = table["model"].str.extract(r"^tomg-group-umd/Gemstone-(\d+)x(\d+)$").astype(float)
    assert (named[0] == table["width"]).all() and (named[1] == table["depth"]).all()
    assert table["family"].unique().tolist() == ["Gemstones"]
    assert table["tokens"].nunique() == 1 and table["tokens"][0] == pytest.approx(350e9, rel=0.001)
    accuracies = table[BENCHMARKS].astype(float)
    assert accuracies.stack().between(0.2, 0.8).all()
    assert np.allclose(accuracies.mean(axis=1), table["accuracy"].astype(float), atol=1e-5)
    assert table[["fineweb_edu_loss", "train_loss"]].astype(float).stack().between(2.4, 3.5).all()


def test_parameters_and_flops_follow_from_the_shape() -> None:
    table = shipped_list("gemstones").astype({"body_parameters": float, "flops": float})
    heads = (table["heads"] + table["kv_heads"]) * 2 * table["head_size"]
    matrices = table["depth"] * table["width"] * (heads + 3 * table["mlp_width"])
    norms = table["width"] * (2 * table["depth"] + 1)
    vocabulary = table["vocab_size"] * table["width"]
    assert (table["body_parameters"] == matrices + norms).all()
    assert (table["parameters"] == matrices + norms + 2 * vocabulary).all()
    scores_and_values = 2 * table["depth"] * table["heads"] * table["head_size"] * 2049  # a causal window of 2,048
    flops = 6 * table["tokens"] * (matrices + vocabulary + scores_and_values / 2)
    assert np.allclose(table["flops"], flops, rtol=1e-5)
    for row in table.to_dict("records"):
        shape = listed_shape(row)
        assert shape is not None and shape.parameters is not None
        assert shape.parameters.body == row["body_parameters"]


def test_the_list_is_what_the_published_tables_give(shared: Path) -> None:
    script = ROOT / "scripts" / "make_gemstones_list.py"
    data = shared / "data"
    sources = [data / "sweeps" / "gemstones.csv", data / "scores" / "gemstones_accuracy.csv"]
    command = [sys.executable, str(script), *map(str, sources), "--check"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (found.returncode, found.stdout.strip()) == (0, "the list is in step"), found.stderr

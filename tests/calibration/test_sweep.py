"""Reading a sweep: its columns, and a sentence for everything that cannot be used."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from nil_audit.calibration.comparable import choose, comparable, held_equal
from nil_audit.calibration.sweep import read_sweep
from nil_audit.errors import DataError, UsageError
from tests.calibration.sweeps import sweep

Change = Callable[[pd.DataFrame], pd.DataFrame]


def cell(column: str, value: object, row: int = 4) -> Change:
    """A change of one cell, which is in line row + 2 of a file."""

    def change(runs: pd.DataFrame) -> pd.DataFrame:
        changed = runs.astype(object)
        changed.loc[row, column] = value
        return changed

    return change


def scaled(rows: slice, factor: float) -> Change:
    def change(runs: pd.DataFrame) -> pd.DataFrame:
        changed = runs.copy()
        changed.loc[changed.index[rows], "loss"] *= factor
        return changed

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (cell("loss", "diverged"), "Line 6 of the sweep: loss is 'diverged', which is not a number"),
        (cell("width", "1,024"), "Line 6 of the sweep: width is '1,024', which is not a number"),
        (cell("depth", -3), "Line 6 of the sweep: depth is -3, which is not above zero"),
        (cell("parameters", None), "Line 6 of the sweep: parameters is empty"),
        (cell("loss", float("inf")), "Line 6 of the sweep: loss is inf"),
        (lambda runs: runs.iloc[:0], "has no runs"),
        (lambda runs: runs.drop(columns="loss"), "Loss is not among the columns"),
        (lambda runs: runs[["width", "loss", "budget"]], "Depth, parameters are not among the columns of the sweep"),
        (lambda runs: pd.concat([runs, runs[3:4]]), "Lines 5 and 44 of the sweep are the same shape"),
        (lambda runs: pd.concat([runs.assign(seed=1), runs.assign(seed=2)]), 'select with --where "seed == 1"'),
        (scaled(slice(0, None, 3), 1 / np.log(2)), "which is what bits are of nats"),
        (scaled(slice(0, None, 2), 2.0), "fall in two groups"),
        (scaled(slice(4, 5), 12.0), "Line 6 of the sweep has a loss of"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(change: Change, sentence: str) -> None:
    with pytest.raises(DataError, match=re.escape(sentence)):
        choose(read_sweep(change(sweep())))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"where": ["depth > 99"]}, "No run of 'the frame' meets"),
        ({"where": ["foo > 3"]}, "cannot be read"),
        ({"where": ["@x > 3"]}, "cannot be read"),
        ({"where": ["depth"]}, "is no condition"),
        ({"columns": {"width": "foo"}}, "--width 'foo' is no column"),
    ],
)
def test_options_that_name_nothing_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises((DataError, UsageError), match=sentence):
        read_sweep(sweep(), **settings)  # type: ignore[arg-type]


def test_usual_names_are_found_and_a_test_loss_comes_first() -> None:
    runs = sweep().rename(
        columns={"depth": "num_hidden_layers", "width": "d_model", "loss": "test_ce", "budget": "size"}
    )
    found = read_sweep(runs.assign(train_ce=1.0, val_ce=2.0, AOFE=0.5, lr=1e-3))
    assert found.columns == {
        "depth": ("num_hidden_layers",),
        "width": ("d_model",),
        "parameters": ("parameters",),
        "rate": ("lr",),
        "budget": ("size",),
        "loss": ("test_ce",),
    }
    assert found.metrics == ("AOFE",) and "val_ce" in found.notes[0]
    with pytest.raises(UsageError, match=r"several losses \(c4_loss, pile_loss\)"):
        read_sweep(sweep().assign(c4_loss=1.0, pile_loss=2.0).drop(columns="loss"))


def test_budgets_are_found_without_labels_and_split_where_they_do_not_agree() -> None:
    runs = choose(read_sweep(sweep().drop(columns="budget"))).runs
    one = comparable(runs, "total", runs["parameters"])
    assert one.repeated and one.used["budget"].nunique() == 6 and len(one.used) == 42
    merged = choose(read_sweep(sweep().assign(budget=lambda runs: runs["budget"] // 2))).runs
    assert comparable(merged, "total", merged["parameters"]).used["budget"].nunique() == 6


def test_two_shapes_a_budget_are_refused_and_the_size_of_the_largest_is_said() -> None:
    runs = choose(read_sweep(sweep(), where=["depth in (6, 12)"])).runs
    with pytest.raises(DataError, match="has 2 shapes of depth 3 or more"):
        comparable(runs, "total", runs["parameters"])


def test_flops_are_two_a_weight_and_causal_attention() -> None:
    runs = pd.DataFrame({"depth": [4.0], "width": [64.0], "parameters": [3e5], "body": [1e5]})
    held = held_equal(runs, "flops", context=128, vocabulary=1000)
    assert held is not None and held[0] == 2 * (1e5 + 1000 * 64) + 2 * 4 * 128 * 64
    halved = held_equal(runs, "flops", context=128, vocabulary=None)
    assert halved is not None and halved[0] == 2 * (1e5 + 1e5) + 2 * 4 * 128 * 64
    assert held_equal(runs.drop(columns="body"), "flops", context=128, vocabulary=None) is None

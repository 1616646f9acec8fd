"""What is said of a comparison that lacks something is true of its models: what there is, and what it needs."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.compare import compare
from nil_audit.comparison.result import Comparison
from nil_audit.report.comparison.answer import headline

BANDS = (0, 1e9, 5e9, 9.5e9, 2e10, 8e10, np.inf)


def thin(seed: int) -> pd.DataFrame:
    """A table that lacks something: few models or families, unknown sizes, tokens or months, or nothing that varies."""
    rng = np.random.default_rng(seed)
    models = int(rng.choice([1, 3, 5, 7, 9, 12, 14, 16, 25, 40]))
    families = int(rng.integers(1, models + 1))
    family = np.concatenate([np.arange(families), rng.integers(families, size=models - families)])
    table = pd.DataFrame(
        {
            "model": [f"org{code}/m{index}" for index, code in enumerate(family)],
            "family": [f"f{code}" for code in family],
            "depth": rng.integers(6, 60, models),
            "width": 64 * rng.integers(8, 80, models),
            "parameters": np.exp(rng.uniform(18, 24, models)),
            "tokens": np.exp(rng.uniform(24, 29, models)),
            "release": [f"20{20 + code % 5}-{1 + code % 12:02d}" for code in family],
            "score": rng.uniform(0.12, 0.6, models).round(3),
        }
    )
    for column in ("parameters", "tokens", "release"):
        if rng.random() < 0.5:
            table.loc[rng.random(models) < rng.random(), column] = None
    if rng.random() < 0.15:
        table["score"] = 0.3
    if rng.random() < 0.15:
        table[["depth", "width"]] = 24, 1024
    if rng.random() < 0.15:
        table["parameters"] = 1e9
    return table


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"(?<![\w.-])\d+(?![\w.-]*\d)", text)]


def alike(rows: pd.DataFrame, *fixed: str) -> bool:
    """Whether deviation or score is a function of what is fixed: ranks of it, and a curve of size for many models."""
    ranks = [rows[name].rank() for name in fixed]
    size = np.log(rows["parameters"].to_numpy())
    columns = np.column_stack([np.ones(len(rows)), *ranks, *([size, size**2] if len(rows) >= 15 else [])])
    for values in (np.log(rows["depth"] / rows["width"] / 0.0389217).abs().round(9).rank(), rows["score"].rank()):
        left = values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
        if (left**2).sum() < 1e-6 * len(rows) ** 3:
            return True
    return False


def check(table: pd.DataFrame, found: Comparison) -> None:
    """Every reason against the table itself."""
    sized = table[table["parameters"].notna()]
    families, months = sized["family"].nunique(), table["release"].fillna("").ne("")
    with_band = sized.assign(band=pd.cut(sized["parameters"], BANDS, right=False))
    cells = with_band.groupby("band", observed=True)["family"].nunique()
    for one in found.unavailable:
        said, told = one.reason, numbers(one.reason)
        if "known of" in said and "famil" not in said:
            fixed = {"training tokens held fixed": "tokens", "release held fixed": "release"}.get(one.what)
            columns = ["parameters", *([fixed] if fixed else [])]
            there = int(table[columns].notna().all(axis=1).sum())
            assert told == [there, len(table), told[2]], said
            assert told[0] < told[2] <= 4 + len(columns) + 3
        elif "not vary once size is held" in said:
            assert alike(sized, "parameters"), said
        elif one.what == "the permutation test" and told:
            assert told == [int(cells[cells > 1].sum()), 5] and told[0] < told[1], said
        elif "models of known size, and at least" in said:
            assert told[0] == families < told[1], said
        elif one.what == "out of sample by random halves" and "in each half" in said:
            assert told == [families, 8, 4] and families < 8
        elif one.what == "out of sample by random halves" and "A fit needs" in said:
            assert told[1] == len(sized) and families >= 8
            assert len(sized) < 2 * told[0], said
        elif one.what == "out of sample by release" and "no month" in said:
            dated = table[months]
            first = dated.groupby("family")["release"].min()
            assert told[0] == len(first)
            assert all(min((first < month).sum(), (first >= month).sum()) < 4 for month in first)
        elif one.what.startswith("inside against outside") and told:
            assert sum(told[:2]) == len(sized) and min(told[:2]) < told[2] == 3, said
        elif one.what == "size-adjusted results for every model":
            assert len(sized) < len(table)
    line = headline(found.answer)
    if "are needed" in line:
        assert len(sized) < 10 or families < 5, line
    elif "do not vary" in line:
        assert alike(sized, "parameters"), line


@pytest.mark.parametrize("start", range(0, 36, 12))
def test_every_reason_is_true_of_the_models_it_is_said_of(start: int) -> None:
    for seed in range(start, start + 12):
        table = thin(seed)
        check(table, compare(table, permutations=99, splits=10))


def reasons(frame: pd.DataFrame) -> dict[str, str]:
    return {one.what: one.reason for one in compare(frame, permutations=99, splits=10).unavailable}


def shaped(models: int, families: int, **changes: Any) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    columns = {
        "model": [f"m{index}" for index in range(models)],
        "family": [f"f{index % families}" for index in range(models)],
        "depth": rng.integers(6, 60, models),
        "width": 64 * rng.integers(8, 80, models),
        "parameters": np.exp(rng.uniform(18, 24, models)),
        "score": rng.uniform(0.12, 0.6, models),
    }
    return pd.DataFrame(columns | changes)


def test_fourteen_models_of_six_families_are_not_told_to_be_ten_of_five() -> None:
    alike = shaped(14, 6, depth=24, width=1024)
    found = compare(alike, permutations=99, splits=10)
    assert headline(found.answer) == (
        "Nothing can be said about the law: 14 models of 6 families have a usable score, but shapes or scores do not"
        " vary once size is held fixed."
    )
    told = reasons(alike)
    assert told["the correlation with size held fixed"] == "Shapes or scores do not vary once size is held fixed."
    assert told["out of sample by random halves"] == (
        "6 families have models of known size, and 8 are needed: 4 in each half."
    )
    assert told["training tokens held fixed"] == (
        "Size and training tokens are known of 0 of 14 models, and at least 6 are needed."
    )


def test_twelve_models_of_three_families_lack_families_not_models() -> None:
    told = reasons(shaped(12, 3))
    assert "the correlation with size held fixed" not in told
    assert told["intervals and p-values with size held fixed"] == (
        "3 families have models of known size, and at least 5 are needed."
    )


def test_few_models_of_known_size_are_no_answer_beside_many_of_unknown() -> None:
    parameters = [1e9 * (1 + index) if index < 8 else None for index in range(16)]
    found = compare(shaped(16, 8, parameters=parameters), permutations=99, splits=10)
    assert found.answer.strength == "insufficient"
    assert headline(found.answer) == (
        "Nothing can be said about the law: 16 models of 8 families with a usable score (8 of 8 families with known"
        " size), and at least 10 models of 5 families with known size are needed."
    )

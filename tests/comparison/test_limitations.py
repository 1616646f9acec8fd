"""What is said of a comparison that lacks something is true of its models: what there is, and what it needs."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nil_audit.comparison.compare import compare
from nil_audit.comparison.result import Comparison
from nil_audit.comparison.studies_tested import CONTRASTED

FAST: dict[str, Any] = {"permutations": 19, "splits": 10}


def thin(seed: int) -> pd.DataFrame:
    """A table that lacks something: few models or families, unknown sizes, tokens or months, or nothing that varies."""
    rng = np.random.default_rng(seed)
    models = int(rng.choice([1, 3, 5, 6, 7, 9, 12, 16, 25, 40]))
    families = int(rng.integers(1, models + 1))
    family = np.concatenate([np.arange(families), rng.integers(families, size=models - families)])
    table = pd.DataFrame(
        {
            "model": [f"org{code % 7}/m{index}" for index, code in enumerate(family)],
            "family": [f"f{code}" for code in family],
            "depth": rng.integers(6, 60, models),
            "width": 64 * rng.integers(8, 80, models),
            "parameters": np.exp(rng.uniform(18, 24, models)),
            "tokens": np.exp(rng.uniform(24, 29, models)),
            "release": [f"20{20 + code % 5}-{1 + code % 12:02d}" for code in family],
            "score": rng.uniform(0.1, 0.6, models).round(3),
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


def check(table: pd.DataFrame, found: Comparison) -> None:
    """Every reason against the table itself, and everything that is missing against what is said."""
    sized = table[table["parameters"].notna()]
    families = sized["family"].nunique()
    said = {one.what: one.reason for one in found.unavailable}
    assert len(said) == len(found.unavailable)
    primary = found.findings.effect("primary")
    assert ("the effect of shape, and everything made of it" in said) == (primary is None)
    if primary is None:
        reason = said["the effect of shape, and everything made of it"]
        if "at least 6" in reason:
            assert numbers(reason) == [len(sized), len(table), 6] and len(sized) < 6
        elif "one depth-width ratio" in reason:
            assert (sized["depth"] / sized["width"]).nunique() == 1
        elif "scores are alike" in reason:
            assert sized["score"].nunique() == 1
        else:
            assert "of one size" in reason and sized["parameters"].nunique() == 1
        # It is said once, and not again of everything that follows from it.
        known = {"results at a fixed size, for every model", "measured interaction metrics"}
        assert set(said) - known == {"the effect of shape, and everything made of it"}
        return
    interval = said.get("an interval of the effect, and so an answer")
    assert (interval is not None) == (primary.estimate.interval is None)
    if interval and "at least 5" in interval:
        assert numbers(interval) == [families, 5] and 1 < families < 5
    assert (found.answer.verdict == "insufficient") == (interval is not None or "an answer" in said)
    if "an answer" in said:
        assert numbers(said["an answer"]) == [len(sized), 10] and len(sized) < 10
    assert ("what lies between families" in said) == (families == 1)
    assert "an intercept a family" not in said or families > 1
    splits = {one.split for one in found.findings.skills}
    for split in ("release", "halves"):
        told = said.get(f"out of sample by {'random halves' if split == 'halves' else split}")
        alone = families == 1 and sized["release"].replace("", None).dropna().nunique() < 2
        assert (told is None) == (split in splits or (split == "release" and alone)), (split, told)
        if told and "in each half" in told:
            units = len(sized) if families == 1 else families
            assert numbers(told) == [units, 8, 4] and units < 8
    for what, column in (("release held fixed", "release"), ("training tokens held fixed", "tokens")):
        if what in said:
            here = sized["parameters"].notna() & sized[column].notna()
            assert numbers(said[what])[:2] == [int(here.sum()), len(sized)]
    for study in CONTRASTED:
        what = f"inside against outside the interval of {study}"
        made = [one.study for one in found.findings.contrasts]
        assert (what in said) == (study not in made)
        if what in said and "on each side" in said[what]:
            sides = numbers(said[what])
            inside = (found.usable.dropna(subset="size")[f"distance_{study}"] == 0).sum()
            assert sides == [inside, len(sized) - inside, 3] and min(sides[:2]) < 3
    assert ("scores at the floor as censored" in said) <= bool(found.usable["at_floor"].any())
    if "results at a fixed size, for every model" in said:
        assert len(sized) < len(table)


@pytest.mark.parametrize("start", range(0, 30, 10))
def test_every_reason_is_true_of_the_models_it_is_said_of(start: int) -> None:
    for seed in range(start, start + 10):
        table = thin(seed)
        check(table, compare(table, **FAST))


def reasons(frame: pd.DataFrame, **choices: Any) -> dict[str, str]:
    return {one.what: one.reason for one in compare(frame, **FAST, **choices).unavailable}


def shaped(models: int, families: int, **changes: Any) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    columns = {
        "model": [f"m{index}" for index in range(models)],
        "family": [f"f{index % families}" for index in range(models)],
        "depth": rng.integers(6, 60, models),
        "width": 64 * rng.integers(8, 80, models),
        "parameters": np.exp(rng.uniform(18, 24, models)),
        "score": rng.uniform(0.2, 0.6, models),
    }
    return pd.DataFrame(columns | changes)


def test_fourteen_models_of_one_shape_are_told_what_they_lack_and_nothing_else() -> None:
    told = reasons(shaped(14, 6, depth=24, width=1024))
    assert list(told) == ["the effect of shape, and everything made of it", "measured interaction metrics"]
    assert told["the effect of shape, and everything made of it"] == (
        "All models have one depth-width ratio; models of other shapes are needed."
    )


def test_models_of_one_size_have_an_effect_on_a_loss_alone() -> None:
    alike = shaped(14, 6, parameters=1e9).assign(loss=lambda table: 3 - table["score"])
    assert "All models are of one size" in reasons(alike)["the effect of shape, and everything made of it"]
    assert "the effect of shape, and everything made of it" not in reasons(alike, outcome="loss", lower_is_better=True)


def test_twelve_models_of_three_families_lack_families_not_models() -> None:
    told = reasons(shaped(12, 3))
    assert told["an interval of the effect, and so an answer"] == (
        "Models of known size are of 3 families, and at least 5 are needed; give more families, or name families more"
        " finely in a model list."
    )


def test_one_recipe_is_told_in_one_line_that_families_do_not_apply() -> None:
    told = reasons(shaped(30, 1))
    assert told["what lies between families"] == (
        "All models are of one family, so models are left out one by one, as if their errors had nothing in common."
    )
    # No release, no tokens, no floor, no organisation is missed where there is one recipe.
    assert {what for what in told if not what.startswith("a predicted cost of ")} <= {
        "what lies between families",
        "measured interaction metrics",
        *(f"inside against outside the interval of {one}" for one in CONTRASTED),
    }


def test_a_quick_run_says_what_it_left_out() -> None:
    told = reasons(shaped(30, 12), quick=True)
    assert "--quick" in told["the specification curve, and what the answer hangs on"]
    assert "the specification curve, and what the answer hangs on" not in reasons(shaped(30, 12))


def test_a_floor_without_errors_lacks_reliability() -> None:
    frame = shaped(40, 12).assign(acc=lambda table: table["score"])
    told = reasons(frame, outcome="acc", floor=0.35, quick=True)
    assert "OUTCOME_stderr" in told["the reliability of scores above the floor"]
    assert "the reliability of scores at the floor" in told
    measured = reasons(frame.assign(acc_stderr=0.01), outcome="acc", floor=0.35, quick=True)
    assert not any("reliability" in what for what in measured)


def test_a_full_table_lacks_nothing_but_metrics() -> None:
    rng = np.random.default_rng(3)
    frame = shaped(90, 30).assign(
        organisation=lambda table: table["family"].str.replace("f", "o"),
        tokens=np.exp(rng.uniform(26, 29, 90)),
        release=[f"20{20 + index % 30 % 5}-{1 + index % 12:02d}" for index in range(90)],
        score=lambda table: 0.2 + 0.03 * np.log(table["parameters"] / 1e8) + 0.05 * table["score"],
    )
    assert list(reasons(frame)) == ["measured interaction metrics"]


def test_a_cost_below_zero_is_told_with_the_models_that_it_is_of() -> None:
    falling = shaped(90, 30).assign(score=lambda table: 0.7 - 0.02 * np.log(table["parameters"] / 1e8))
    assert any(what.startswith("a predicted cost of m0, m1") for what in reasons(falling, quick=True))


def test_a_study_is_no_test_of_itself() -> None:
    frame = shaped(30, 10).assign(family=lambda table: table["family"].where(table.index > 9, "Gemstones"))
    told = reasons(frame, interval="gemstones", quick=True)
    assert told["a test of the gemstones study by the models that it was fitted to"].startswith("10 models are of the")
    assert not any("was fitted to" in what for what in reasons(frame, quick=True))


def test_another_size_is_worth_what_all_parameters_are() -> None:
    frame = shaped(40, 12).assign(flops=lambda table: table["parameters"] ** 2)
    assert "what a predicted loss is worth in flops" in reasons(frame, size="flops", quick=True)
    losses = frame.assign(loss=lambda table: 3 - table["score"])
    told = reasons(losses, size="flops", outcome="loss", lower_is_better=True, quick=True)
    assert not any("worth in" in what for what in told)

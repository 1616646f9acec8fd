"""The whole comparison on made-up models: an effect, none, one that is only size; thin data; speed."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nil_audit
from nil_audit.auditing.record import read_record
from nil_audit.comparison.compare import compare
from nil_audit.comparison.result import Comparison
from nil_audit.errors import DataError
from tests.comparison.files import record as record_document

FAST: dict[str, Any] = {"permutations": 499, "splits": 30}


def models(
    number: int = 90, families: int = 30, *, size: float = 0.06, shape: float = 0.0, seed: int = 0, noise: float = 0.02
) -> pd.DataFrame:
    """Models whose score rises by ``size`` an e-fold of parameters and falls by ``shape`` a nat from the optimum."""
    rng = np.random.default_rng(seed)
    family = np.concatenate([np.arange(families), rng.integers(families, size=number - families)])
    parameters = rng.choice([1.3e8, 4e8, 1.2e9, 3e9, 7e9, 1.3e10], number) * np.exp(rng.normal(0, 0.15, number))
    # Larger models are shallower for their width, as the real ones are.
    ratio = np.exp(np.log(0.02) - 0.25 * np.log(parameters / 1e9) + rng.normal(0, 0.45, number))
    width = np.round((parameters / 12 / ratio) ** (1 / 3) / 64) * 64 + 64
    depth = np.maximum(2, np.round(ratio * width))
    deviation = np.abs(np.log(depth / width / 0.0389))
    score = 0.35 + size * np.log(parameters / 3e9) - shape * (deviation - deviation.mean())
    score += noise * rng.normal(size=families)[family] + noise * rng.normal(size=number)
    return pd.DataFrame(
        {
            "model": [f"org{code}/model-{index}" for index, code in enumerate(family)],
            "family": [f"family {code}" for code in family],
            "depth": depth,
            "width": width,
            "parameters": parameters,
            "tokens": parameters * rng.choice([20, 200, 1000], number),
            "release": [f"20{20 + code % 5}-{1 + code % 12:02d}" for code in family],
            "score": score.clip(0.13, 0.95),
            "stderr": 0.004,
        }
    )


def test_an_effect_as_the_law_says_is_found_and_called_strong() -> None:
    found = compare(models(shape=0.08), **FAST)
    assert found.answer.strength in ("moderate", "strong")
    assert all(rule.outcome == "holds" for rule in found.answer.rules[:6])
    law, skill = found.findings.contrast("law"), found.findings.skill("deviation_law", "halves")
    assert law is not None and law.estimate.low is not None and law.estimate.low > 0
    assert skill is not None and skill.estimate.low is not None and skill.estimate.low > 0
    assert found.trend is not None and found.trend["y"].is_monotonic_decreasing


def test_an_effect_the_other_way_contradicts_the_law() -> None:
    found = compare(models(shape=-0.08), **FAST)
    assert found.answer.strength == "contradicts"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [0.0, 0.06])
def test_no_effect_and_one_that_is_only_size_are_not_claimed(size: float, seed: int) -> None:
    found = compare(models(size=size, seed=seed), **FAST)
    assert found.answer.strength == "none"
    if size:
        raw = found.findings.association("deviation_law", given="nothing")
        assert raw is not None and raw.estimate.p is not None and raw.estimate.p < 0.01


def test_every_number_is_there_and_none_is_missing_from_the_document() -> None:
    frame = models()
    for index, key in enumerate(("interaction_efficiency", "spread", "sensitivity", "aofe", "aofe_ratio", "excess")):
        frame[key] = np.random.default_rng(index).uniform(0.1, 0.9, len(frame))
    frame.loc[:40, "spread"] = None
    found = compare(frame, **FAST)
    keys = [predictor.key for predictor in found.predictors]
    assert keys[0] == "deviation_law"
    assert {"distance_chinchilla", "ratio", "depth", "width", "spread", "excess"} <= set(keys)
    for key in keys:
        for method, given in (("spearman", "size_curve_tokens"), ("pearson", "size_tokens")):
            assert found.findings.association(key, method=method, given=given) is not None, (key, method)
        assert found.findings.permutation(key) is not None
        assert found.findings.without_families(key) is not None
        assert {one.split for one in found.findings.skills if one.predictor == key} == {"release", "halves"}
    for key in ("parameters", "tokens", "release"):
        for outcome in ("score", "ratio"):
            assert found.findings.association(key, outcome=outcome, given="nothing") is not None
    assert next(one.models for one in found.predictors if one.key == "spread") == len(frame) - 41
    assert found.unavailable == ()
    tested = [one for one in found.findings.associations if one.p_adjusted is not None]
    assert len(tested) == len(keys) * 6
    assert all(one.p_adjusted >= one.estimate.p for one in tested if one.p_adjusted and one.estimate.p)
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (document["schema"], document["kind"]) == (2, "comparison")
    assert document["options"] == {"protocol": "table", "floor": None, "seed": 0, "permutations": 499, "splits": 30}
    assert len(document["models"]) == 90
    # What is missing is null, text and numbers alike.
    assert {model["flag"] for model in document["models"]} == {None}
    assert sum(model["spread"] is None for model in document["models"]) == 41
    assert len(document["trend"]["x"]) == 60


def test_the_python_api_is_the_public_name() -> None:
    assert nil_audit.compare is compare


def test_one_protocol_is_compared_and_the_others_stand_beside_it() -> None:
    both = pd.concat([models(60).assign(protocol="mc"), models(40, 20, seed=1).assign(protocol="cot")])
    found = compare(both, **FAST)
    assert (found.options.protocol, len(found.models)) == ("mc", 60)
    assert (found.answer.protocol, found.answer.models) == ("mc", 60)
    assert [(one.protocol, one.models) for one in found.others] == [("cot", 40)]
    other = compare(both, protocol="cot", **FAST)
    assert other.answer == found.others[0]
    assert other.others == (found.answer,)
    with pytest.raises(DataError, match=r"no score|No model has a score of protocol 'leaderboard'; there are mc, cot"):
        compare(both, protocol="leaderboard", **FAST)


def test_flagged_rows_are_in_one_subset_alone() -> None:
    frame = models(60)
    frame["flag"] = np.where(np.arange(60) < 4, "broken run", "")
    found = compare(frame, **FAST)
    counts = {one.subset: one.estimate.n for one in found.findings.associations if one.given == "nothing"}
    assert (counts["all"], counts["with_flagged"]) == (56, 60)
    assert (len(found.models), len(found.usable)) == (60, 56)
    assert found.models["expected"].isna().equals(found.models["flag"] != "")


def test_a_floor_of_ones_own() -> None:
    frame = models(60)
    threshold = float(frame["score"].median())
    found = compare(frame, floor=threshold, **FAST)
    assert found.models["at_floor"].sum() == (frame["score"] <= threshold).sum()
    assert found.options.floor == threshold


def reasons(found: Comparison) -> dict[str, str]:
    return {one.what: one.reason for one in found.unavailable}


def test_three_models_say_what_they_can() -> None:
    found = compare(models(3, 3), **FAST)
    assert (found.answer.strength, found.answer.models, found.answer.families) == ("insufficient", 3, 3)
    assert len(found.models) == 3
    assert found.findings.associations == ()
    told = reasons(found)
    assert told["the correlation with size held fixed"] == "Size is known of 3 of 3 models, and at least 5 are needed."
    assert "the permutation test" in told and "out of sample by random halves" in told
    json.dumps(found.to_dict(), allow_nan=False)


def test_halves_that_are_too_small_say_what_they_need() -> None:
    told = reasons(compare(models(12, 6), **FAST))
    assert "8 are needed: 4 in each half" in told["out of sample by random halves"]
    assert "the correlation with size held fixed" not in told


def test_one_model_is_no_crash() -> None:
    found = compare(models(3, 3).iloc[:1], **FAST)
    assert (len(found.models), found.answer.strength) == (1, "insufficient")


def test_one_family_has_estimates_and_no_intervals() -> None:
    found = compare(models(30, 1), **FAST)
    assert found.answer.strength == "insufficient"
    one = found.findings.association("deviation_law")
    assert one is not None and one.estimate.interval is None
    assert "1 family has" in reasons(found)["intervals and p-values with size held fixed"]


def test_without_parameters_only_what_needs_no_size_is_said() -> None:
    found = compare(models().drop(columns="parameters"), **FAST)
    assert found.answer.strength == "insufficient"
    assert found.findings.association("ratio", given="nothing") is not None
    assert found.findings.association("ratio", given="size") is None
    assert (found.bands, found.findings.contrasts, found.trend) == ((), (), None)
    assert "87 more" in reasons(found)["size-adjusted results for every model"]
    assert "Size is known of 0 of 90 models" in reasons(found)["the correlation with size held fixed"]
    assert set(found.models["band"]) == {""}


def test_some_parameters_missing_leave_out_those_models_where_size_counts() -> None:
    frame = models()
    frame.loc[:9, "parameters"] = None
    found = compare(frame, **FAST)
    raw, given = (found.findings.association("ratio", given=name) for name in ("nothing", "size"))
    assert raw is not None and given is not None
    assert (raw.estimate.n, given.estimate.n) == (90, 80)


def test_one_shape_only_has_no_correlation() -> None:
    found = compare(models().assign(depth=24, width=1024), **FAST)
    assert found.answer.strength == "insufficient"
    assert found.findings.association("depth", given="nothing") is None
    assert "do not vary" in reasons(found)["the correlation with size held fixed"]


def test_the_numbers_of_a_protocol_with_flagged_rows_alone_are_absent() -> None:
    broken = models(20, seed=1, families=10).assign(protocol="cot", flag="broken run")
    found = compare(pd.concat([models(60).assign(protocol="mc"), broken]), **FAST)
    (other,) = found.others
    assert (other.protocol, other.models, other.strength) == ("cot", 0, "insufficient")
    assert compare(broken, **FAST).answer == other


def test_another_protocol_can_be_strong() -> None:
    strong = models(90, shape=0.08).assign(protocol="cot")
    found = compare(pd.concat([models(95, seed=1).assign(protocol="mc"), strong]), **FAST)
    assert found.options.protocol == "mc"
    assert [one.strength for one in found.others] == ["strong"]


def test_counterexamples_come_the_farthest_off_first() -> None:
    found = compare(models(60), **FAST)
    for kind, sign in (("inside_below", -1), ("outside_above", +1)):
        rows = list(found.counterexamples(kind))
        residuals = [sign * row["residual"] for row in rows]
        assert residuals == sorted(residuals, reverse=True)
        assert min(residuals) > 0
        assert len(rows) == (found.models["counterexample"] == kind).sum() > 0


def test_names_from_outside_stay_as_they_are() -> None:
    frame = models(40)
    frame.loc[0, "model"] = "<script>alert(1)</script>|x"
    found = compare(frame, **FAST)
    assert "<script>alert(1)</script>|x" in set(found.models["model"])


def test_hundreds_of_models_take_seconds() -> None:
    start = time.process_time()
    found = compare(models(600, 250))
    assert len(found.models) == 600
    assert time.process_time() - start < 10


def _own(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"model": ["mine"], "depth": [12], "width": [640], "score": [0.2], **columns})


def test_frames_records_and_paths_are_compared_together(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    record.write_text(json.dumps(record_document("org/measured", score=0.25)))
    own = _own(protocol="leaderboard", parameters=1e9)
    found = compare(own, "model_lists/pythia.csv", [record], permutations=99, splits=5)
    alone = compare("model_lists/pythia.csv", permutations=99, splits=5)
    assert len(found.models) == len(alone.models) + 1
    assert found.models.set_index("model").loc["mine", "score"] == 0.2
    assert found.inputs == ("a data frame, 1 row", "model_lists/pythia.csv", str(record))
    kept = compare(own, read_record(record), protocol="mc")
    assert kept.models["model"].tolist() == ["org/measured"]
    assert kept.inputs == ("a data frame, 1 row", "the record of org/measured")


def test_own_rows_count_before_published_ones() -> None:
    published = compare("model_lists/pythia.csv", permutations=99, splits=5).models
    name = published["model"][0]
    own = _own(protocol="leaderboard").assign(model=name, score=0.5)
    models = compare("model_lists/pythia.csv", own, permutations=99, splits=5).models.set_index("model")
    assert (models.loc[name, "score"], len(models)) == (0.5, len(published))


@pytest.mark.parametrize(("given", "words"), [([], "An empty list"), ([3], "A int"), ({"model": []}, "A dict")])
def test_what_cannot_be_compared_is_refused(given: object, words: str) -> None:
    with pytest.raises(DataError, match=f"{words} cannot be compared; give data frames"):
        compare(given)

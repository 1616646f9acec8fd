"""The whole comparison on made-up models: an effect, none, the opposite; thin data; what goes in and what comes out."""

import json
import math
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nil_audit
from nil_audit.auditing.record import read_record
from nil_audit.comparison.compare import compare
from nil_audit.comparison.effect.size import CONTROLS
from nil_audit.comparison.find import primary_effect
from nil_audit.comparison.findings import Effect
from nil_audit.comparison.predictors import METRICS
from nil_audit.comparison.result import Comparison
from nil_audit.comparison.studies_tested import CONTRASTED
from nil_audit.errors import DataError
from nil_audit.law.pooled import pool
from nil_audit.law.studies import studies
from tests.comparison.files import record as record_document
from tests.comparison.models import derived, made_frame, real_table

QUICK: dict[str, Any] = {"quick": True, "splits": 20}


@cache
def told(effect: float, seed: int = 0) -> Comparison:
    """The comparison of 90 made-up models of 30 families; not to be changed."""
    return compare(made_frame(90, 30, effect=effect, seed=seed), **QUICK)


def primary(found: Comparison) -> Effect:
    one = found.answer.primary
    assert one is not None and one == found.findings.effect("primary") and one.estimate.interval is not None
    return one


@pytest.mark.parametrize("seed", range(3))
def test_an_effect_as_the_law_says_is_found_and_the_law_supported(seed: int) -> None:
    found = told(1.0, seed)
    low, high = primary(found).estimate.interval or (np.nan, np.nan)
    assert found.answer.verdict == "supported"
    assert 0 < low < 1 < high
    rank, law, skill = (
        found.findings.association("deviation_law"),
        found.findings.contrast("law"),
        found.findings.skill("halves"),
    )
    assert rank is not None and rank.estimate.high is not None and rank.estimate.high < 0
    assert law is not None and law.estimate.low is not None and law.estimate.low > 0
    assert skill is not None and skill.estimate.low is not None and skill.estimate.low > 0
    assert skill.error_predicted < skill.error_size
    assert found.trend is not None and found.trend["y"].is_monotonic_decreasing


@pytest.mark.parametrize(("effect", "seed"), [(0.0, 0), (0.0, 1), (0.0, 2), (-1.0, 0), (-1.0, 1)])
def test_no_effect_and_the_opposite_one_contradict_the_law(effect: float, seed: int) -> None:
    found = told(effect, seed)
    low, high = primary(found).estimate.interval or (np.nan, np.nan)
    assert found.answer.verdict == "contradicted"
    assert low < effect + 0.3 and high < (0.5 if effect == 0 else 0)


def scored(times: float, seed: int) -> pd.DataFrame:
    """The shipped models with scores of a logistic curve of ln parameters, less ``times`` what the law says."""
    rng = np.random.default_rng(seed)
    frame = real_table()[0][["model", "family", "organisation", "depth", "width", "parameters", "release"]]
    family = frame["family"].factorize()[0]
    cost = 0.014744 * (np.log(frame["depth"] / frame["width"]) + 3.2462) ** 2 / 0.039
    ability = np.log(frame["parameters"] / 6.7e9) - times * (cost - cost.mean())
    ability += 0.5 * rng.normal(size=family.max() + 1)[family] + 0.4 * rng.normal(size=len(frame))
    score = 0.11 + 0.55 / (1 + np.exp(-ability)) + 0.004 * rng.normal(size=len(frame))
    return frame.assign(score=score.clip(0.1, 0.9), stderr=0.004)


@pytest.mark.parametrize(
    ("times", "never", "often", "sign"),
    [(0, "supported", "contradicted", 0), (1, "contradicted", "supported", 1), (4, "contradicted", "cannot_tell", 1)],
)
def test_real_shapes_with_scores_of_a_known_effect(times: float, never: str, often: str, sign: int) -> None:
    """Of 8 draws none says the opposite of the truth, and most say what such models can."""
    effects = [primary_effect(*derived(scored(times, seed)), "law") for seed in range(8)]
    values = [one.estimate.value for one in effects if one is not None]
    verdicts = [one.verdict for one in effects if one is not None]
    assert len(values) == 8
    assert never not in verdicts
    assert verdicts.count(often) >= 4
    assert abs(np.mean(values)) < 0.3 if sign == 0 else min(values) > 0


def test_an_effect_of_size_alone_goes_with_raw_ratio_and_not_at_fixed_size() -> None:
    found = compare(scored(0, 0), **QUICK)
    raw, size = (found.findings.association("deviation_law", given=given) for given in ("nothing", "size"))
    assert raw is not None and raw.estimate.p is not None and raw.estimate.p < 0.001
    assert size is not None and size.estimate.p is not None and size.estimate.p > 0.05
    assert found.answer.verdict == "contradicted"


def test_a_cost_far_above_the_predicted_one_shows_in_ranks_and_contrasts() -> None:
    """It bends the curve that the dose takes its slope from, so the effect alone would not tell it."""
    found = compare(scored(4, 0), **QUICK)
    rank, law = found.findings.association("deviation_law"), found.findings.contrast("law")
    assert found.answer.verdict == "cannot_tell"
    assert rank is not None and rank.estimate.high is not None and rank.estimate.high < -0.4
    assert law is not None and law.estimate.low is not None and law.estimate.low > 5 * law.predicted > 0


@pytest.fixture(scope="module")
def everything() -> Comparison:
    """Models that nothing is missing of."""
    frame = made_frame(90, 30).assign(stderr=0.004, parent_tokens=0.0)
    frame["domain"] = np.where(np.arange(90) % 9, "general", "code")
    frame["uncertain"] = np.where(np.arange(90) % 11, "", "guessed")
    frame["flag"] = np.where(np.arange(90) == 89, "broken run", "")
    for index, key in enumerate(METRICS):
        frame[key] = np.random.default_rng(index).uniform(0.1, 0.9, len(frame))
    frame.loc[:40, "spread"] = None
    return compare(frame, floor=0.25, permutations=19, splits=20)


def test_every_number_is_there(everything: Comparison) -> None:
    found = everything.findings
    assert everything.unavailable == ()
    assert {one.row for one in found.effects} == {
        "primary", "own_world", "control", "release", "covariates", "subset", "censored", "random_intercept",
        "within_family", "organisations", "tokens", "tokens_baseline",
    }  # fmt: skip
    assert found.effects[0].row == "primary"
    assert all(one.estimate.interval is not None and one.study == "law" for one in found.effects)
    assert {one.subset for one in found.effects} == {
        "all", "above_floor", "from_scratch", "certain_shape", "general", "with_flagged",
    }  # fmt: skip
    assert [one.control for one in found.size_fits] == list(CONTROLS)
    assert [one.study for one in found.predictions] == [*(one.name for one in studies()), "pooled"]
    assert {(one.what, one.label) for one in found.mappings} == {
        ("curvature", "low"), ("curvature", "high"), ("loss_per_size", "low"), ("loss_per_size", "high"),
        ("slope", "quadratic"), ("slope", "step"),
    }  # fmt: skip
    assert [one.study for one in found.contrasts] == list(CONTRASTED)
    assert [one.split for one in found.skills] == ["release", "halves"]
    assert found.families is not None and found.floor is not None
    assert found.specifications is not None and found.specifications.p is not None
    assert sum(one.primary for one in found.specifications.specifications) == 1
    assert found.influence is not None and {one.unit for one in found.influence.removals} == {"model", "organisation"}


def test_one_size_control_is_held_fixed_everywhere(everything: Comparison) -> None:
    found, control = everything.findings, everything.control
    assert [one.control for one in found.size_fits if one.chosen] == [control]
    assert {one.control for one in found.effects if one.row != "control"} == {control}
    assert {one.control for one in found.effects if one.row == "control"} == set(CONTROLS) - {control}
    assert all(one.effect is not None and one.effect.control == control for one in found.predictions)
    for contrast in found.contrasts:
        assert contrast.controls[control] == contrast.estimate
        assert set(contrast.controls) == set(CONTROLS)
    law = next(one.effect for one in found.predictions if one.study == "law")
    assert law == found.effect("primary") == everything.answer.primary


def test_measured_metrics_are_correlated_at_fixed_size_and_ratio(everything: Comparison) -> None:
    keys = [one.key for one in everything.predictors]
    assert keys[0] == "deviation_law"
    assert set(keys) == {*(f"deviation_{one}" for one in CONTRASTED), "ratio", "depth", "width", *METRICS}
    assert next(one.models for one in everything.predictors if one.key == "spread") == 90 - 41 - 1
    for key in keys:
        for given in ("nothing", "size", "size_tokens", "size_release"):
            assert everything.findings.association(key, given=given) is not None, (key, given)
        assert (everything.findings.association(key, given="size_ratio") is not None) == (key in METRICS)
    for key in ("parameters", "tokens", "release"):
        for outcome in ("response", "ratio"):
            one = everything.findings.association(key, outcome=outcome, given="nothing")
            assert one is not None and one.p_adjusted is None
    tested = [one for one in everything.findings.associations if one.p_adjusted is not None]
    assert len(tested) == 4 * len(keys) + len(METRICS)
    assert all(one.p_adjusted >= one.estimate.p for one in tested if one.p_adjusted and one.estimate.p)


def test_the_document_is_plain_json(everything: Comparison) -> None:
    document = json.loads(json.dumps(everything.to_dict(), allow_nan=False))
    assert (document["schema"], document["kind"]) == (3, "comparison")
    assert document["options"] == {
        "protocol": "table", "outcome": None, "lower_is_better": False, "size": "parameters", "interval": "law",
        "floor": 0.25, "quick": False, "seed": 0, "permutations": 19, "splits": 20,
    }  # fmt: skip
    assert document["answer"]["verdict"] == everything.answer.verdict
    assert len(document["findings"]["effects"]) == len(everything.findings.effects)
    assert len(document["models"]) == 90
    # What is missing is null, text and numbers alike.
    assert {model["flag"] for model in document["models"]} == {None, "broken run"}
    assert sum(model["spread"] is None for model in document["models"]) == 41
    assert len(document["trend"]["x"]) == 60
    assert everything.table()["value"].iloc[0] == everything.findings.effects[0].estimate.value


def test_the_python_api_is_the_public_name() -> None:
    assert nil_audit.compare is compare


def test_quick_leaves_out_what_takes_long_and_changes_nothing_else() -> None:
    frame = made_frame(40, 12)
    quick, full = (compare(frame, quick=quick, permutations=19, splits=20) for quick in (True, False))
    assert quick.findings.specifications is quick.findings.influence is None
    assert full.findings.specifications is not None and full.findings.influence is not None
    assert quick.findings.effects == full.findings.effects and quick.answer == full.answer
    assert "quick" in reasons(quick)["the specification curve, and what the answer hangs on"]


def test_the_same_seed_gives_the_same_and_another_seed_other_draws() -> None:
    frame = made_frame(40, 12)
    first, again, other = (compare(frame, seed=seed, permutations=49, splits=10) for seed in (0, 0, 1))
    assert json.dumps(first.to_dict(), allow_nan=False) == json.dumps(again.to_dict(), allow_nan=False)
    assert first.findings.effects == other.findings.effects
    assert first.findings.associations == other.findings.associations
    assert first.findings.skill("halves") != other.findings.skill("halves")


def test_the_order_of_the_rows_does_not_matter() -> None:
    frame = made_frame(40, 12)
    first, again = compare(frame, **QUICK), compare(frame.sample(frac=1, random_state=1), **QUICK)
    assert json.dumps(first.to_dict()) == json.dumps(again.to_dict())


def test_another_study_can_be_tested() -> None:
    found = compare(made_frame(90, 30), interval="morph", **QUICK)
    assert found.study == primary(found).study == "morph"
    beside = next(one.effect for one in told(0.0).findings.predictions if one.study == "morph")
    assert primary(found) == beside
    with pytest.raises(DataError, match="nonsense"):
        compare(made_frame(90, 30), interval="nonsense", **QUICK)


def test_one_protocol_is_compared_and_the_others_stand_beside_it() -> None:
    both = pd.concat(
        [made_frame(95, 30).assign(protocol="mc"), made_frame(90, 30, effect=1.0, seed=2).assign(protocol="cot")]
    )
    found = compare(both, **QUICK)
    assert (found.options.protocol, len(found.models)) == ("mc", 95)
    assert (found.answer.protocol, found.answer.models) == ("mc", 95)
    assert [(one.protocol, one.models) for one in found.others] == [("cot", 90)]
    other = compare(both, protocol="cot", **QUICK)
    assert other.answer == found.others[0]
    assert other.others == (found.answer,)
    assert found.answer.verdict == "contradicted" and other.answer.verdict == "supported"
    assert {one.what for one in other.excluded} == set(found.models["model"]) - set(other.models["model"])
    with pytest.raises(DataError, match="No model has a score of protocol 'leaderboard'; there are mc, cot"):
        compare(both, protocol="leaderboard", **QUICK)


def test_the_numbers_of_a_protocol_with_flagged_rows_alone_are_absent() -> None:
    broken = made_frame(20, 10, seed=1).assign(protocol="cot", flag="broken run")
    found = compare(pd.concat([made_frame(60).assign(protocol="mc"), broken]), **QUICK)
    (other,) = found.others
    assert (other.protocol, other.models, other.verdict, other.primary) == ("cot", 0, "insufficient", None)
    assert compare(broken, **QUICK).answer == other


def test_flagged_rows_are_in_one_subset_alone() -> None:
    frame = made_frame(60)
    frame["flag"] = np.where(np.arange(60) < 4, "broken run", "")
    found = compare(frame, **QUICK)
    flagged = found.findings.effect("subset", subset="with_flagged")
    assert flagged is not None and (primary(found).estimate.n, flagged.estimate.n) == (56, 60)
    assert {one.estimate.n for one in found.findings.effects if one.subset == "all" and "tok" not in one.row} == {56}
    assert max(one.estimate.n or 0 for one in found.findings.associations) == 56
    assert (len(found.models), len(found.usable)) == (60, 56)
    assert found.models["expected"].isna().equals(found.models["flag"] != "")
    alone = compare(frame[frame["flag"] == ""], **QUICK)
    assert alone.answer == found.answer


def test_a_floor_of_ones_own() -> None:
    frame = made_frame(60)
    threshold = float(frame["score"].median())
    found = compare(frame, floor=threshold, **QUICK)
    assert found.models["at_floor"].sum() == (frame["score"] <= threshold).sum()
    assert found.options.floor == threshold
    assert found.findings.floor is not None and found.findings.floor.level == threshold
    above = found.findings.effect("subset", subset="above_floor")
    assert above is not None and above.estimate.n == found.findings.floor.above


def reasons(found: Comparison) -> dict[str, str]:
    return {one.what: one.reason for one in found.unavailable}


def test_three_models_say_what_they_can() -> None:
    found = compare(made_frame(3, 3), **QUICK)
    assert (found.answer.verdict, found.answer.models, found.answer.groups) == ("insufficient", 3, 3)
    assert len(found.models) == 3
    assert (found.answer.primary, found.findings.effects, found.findings.associations) == (None, (), ())
    told = reasons(found)["the effect of shape, and everything made of it"]
    assert told.startswith("parameters is known of 3 of 3 models, and at least 6 are needed")
    json.dumps(found.to_dict(), allow_nan=False)


def test_nine_models_have_an_effect_and_no_answer() -> None:
    found = compare(made_frame(9, 9), **QUICK)
    assert primary(found).verdict != found.answer.verdict == "insufficient"
    assert "9 models are of known size, and at least 10 are needed" in reasons(found)["an answer"]


def test_halves_that_are_too_small_say_what_they_need() -> None:
    told = reasons(compare(made_frame(12, 6), **QUICK))
    assert "8 are needed: 4 in each half" in told["out of sample by random halves"]
    assert "the effect of shape, and everything made of it" not in told


def test_one_model_is_no_crash() -> None:
    found = compare(made_frame(3, 3).iloc[:1], **QUICK)
    assert (len(found.models), found.answer.verdict) == (1, "insufficient")


def test_models_of_one_family_are_left_out_one_by_one() -> None:
    found = compare(made_frame(40, 1, effect=1.0), **QUICK)
    assert (found.grouped, found.answer.groups) == ("model", 40)
    assert primary(found).groups == 40
    assert found.answer.verdict == "supported"
    assert found.findings.effect("within_family") is None
    assert "models are left out one by one" in reasons(found)["what lies between families"]
    assert told(0.0).grouped == "family" and primary(told(0.0)).groups == 30


def test_four_families_have_an_effect_and_no_interval() -> None:
    found = compare(made_frame(30, 4), **QUICK)
    one = found.answer.primary
    assert one is not None and np.isfinite(one.estimate.value) and one.estimate.interval is None
    assert (one.verdict, found.answer.verdict) == ("insufficient", "insufficient")
    assert "4 families, and at least 5 are needed" in reasons(found)["an interval of the effect, and so an answer"]


def test_without_parameters_only_what_needs_no_size_is_said() -> None:
    found = compare(made_frame(90, 30).drop(columns="parameters"), **QUICK)
    assert (found.answer.verdict, found.answer.models, found.answer.sized) == ("insufficient", 90, 0)
    assert (found.bands, found.findings.effects, found.findings.contrasts, found.trend) == ((), (), (), None)
    told = reasons(found)
    assert "87 more" in told["results at a fixed size, for every model"]
    assert "parameters is known of 0 of 90 models" in told["the effect of shape, and everything made of it"]
    assert set(found.models["band"]) == {""}
    assert found.models["expected"].isna().all() and found.models["verdict"].ne("").all()


def test_some_parameters_missing_leave_out_those_models() -> None:
    frame = made_frame(90, 30)
    frame.loc[:9, "parameters"] = None
    found = compare(frame, **QUICK)
    assert (found.answer.models, found.answer.sized, primary(found).estimate.n) == (90, 80, 80)
    given = found.findings.association("ratio", given="size")
    assert given is not None and given.estimate.n == 80
    assert compare(frame[10:], **QUICK).findings.effects == found.findings.effects


def test_one_shape_only_has_no_effect() -> None:
    found = compare(made_frame(90, 30).assign(depth=24, width=1024), permutations=19, splits=20)
    assert (found.answer.verdict, found.answer.primary) == ("insufficient", None)
    assert (found.findings.effects, found.findings.skills, found.findings.contrasts, found.trend) == ((), (), (), None)
    assert found.findings.specifications is found.findings.influence is None
    assert found.findings.association("depth", given="nothing") is None
    assert "one depth-width ratio" in reasons(found)["the effect of shape, and everything made of it"]


def test_counterexamples_come_the_farthest_off_first() -> None:
    found = told(0.0)
    for kind, sign in (("inside_below", -1), ("outside_above", +1)):
        rows = list(found.counterexamples(kind))
        residuals = [sign * row["residual"] for row in rows]
        assert residuals == sorted(residuals, reverse=True)
        assert min(residuals) > 0
        assert len(rows) == (found.models["counterexample"] == kind).sum() > 0


def test_names_from_outside_stay_as_they_are() -> None:
    frame = made_frame(40)
    frame.loc[0, "model"] = "<script>alert(1)</script>|x"
    found = compare(frame, **QUICK)
    assert "<script>alert(1)</script>|x" in set(found.models["model"])


def test_hundreds_of_models_take_seconds() -> None:
    start = time.process_time()
    found = compare(made_frame(600, 250), **QUICK)
    assert len(found.models) == 600
    assert time.process_time() - start < 10


def _own(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"model": ["mine"], "depth": [12], "width": [640], "score": [0.2], **columns})


@cache
def pythia() -> Comparison:
    return compare("model_lists/pythia.csv", **QUICK)


def test_frames_records_and_paths_are_compared_together(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    record.write_text(json.dumps(record_document("org/measured", score=0.25)))
    own = _own(protocol="leaderboard", parameters=1e9)
    found = compare(own, "model_lists/pythia.csv", [record], **QUICK)
    assert len(found.models) == len(pythia().models) + 1
    assert found.models.set_index("model").loc["mine", "score"] == 0.2
    assert found.inputs == ("a data frame, 1 row", "model_lists/pythia.csv", str(record))
    assert any(note.startswith("Not compared") and "org/measured" in note for note in found.notes)
    kept = compare(own, read_record(record), protocol="mc", **QUICK)
    assert kept.models["model"].tolist() == ["org/measured"]
    assert kept.inputs == ("a data frame, 1 row", "the record of org/measured")
    assert not any(note.startswith("Not compared") for note in kept.notes)


def test_own_rows_count_before_published_ones() -> None:
    name = pythia().models["model"][0]
    own = _own(protocol="leaderboard").assign(model=name, score=0.5)
    models = compare("model_lists/pythia.csv", own, **QUICK).models.set_index("model")
    assert (models.loc[name, "score"], len(models)) == (0.5, len(pythia().models))


@pytest.mark.parametrize(("given", "words"), [([], "An empty list"), ([3], "A int"), ({"model": []}, "A dict")])
def test_what_cannot_be_compared_is_refused(given: Any, words: str) -> None:
    with pytest.raises(DataError, match=f"{words} cannot be compared; give data frames"):
        compare(given)


def test_the_pool_of_studies_can_be_tested_and_gives_the_verdicts() -> None:
    by_law = told(1.0)
    found = compare(made_frame(90, 30, effect=1.0), interval="pooled", **QUICK)
    assert found.study == primary(found).study == "pooled"
    shapes = list(zip(found.models["ratio"], found.models["parameters"], strict=True))
    assert found.models["excess_pooled"].tolist() == pytest.approx(
        [math.expm1(pool().excess(*shape)) for shape in shapes]
    )
    assert found.models["verdict"].tolist() == [pool().regret(*shape).label for shape in shapes]
    assert found.models["verdict"].tolist() == by_law.models["verdict"].tolist()
    beside = {one.study: one.effect for one in found.findings.predictions if one.effect}
    assert beside == {one.study: one.effect for one in by_law.findings.predictions}
    assert beside["pooled"].estimate == primary(found).estimate
    assert {one.study for one in found.findings.contrasts} <= {*CONTRASTED, "pooled"}
    assert "curvature" not in {one.what for one in found.findings.mappings}

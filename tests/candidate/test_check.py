"""A candidate's report: published counts, alternatives that are better by its own prediction, real models beside it."""

import json
from pathlib import Path
from typing import Any

import pytest

from nil_audit import check_candidate
from nil_audit.budget.template import config_from_flags
from nil_audit.catalog.neighbours import nearest
from nil_audit.errors import UnsupportedArchitectureError, UsageError
from nil_audit.law.studies import studies

TEAM = config_from_flags(
    "llama", depth=24, width=1024, heads=16, kv_heads=4, mlp_width=4928, vocab_size=100278, tied=True
)
TINY = config_from_flags(
    "llama", depth=4, width=128, heads=4, kv_heads=2, mlp_width=256, vocab_size=2048, context=128, tied=True
)


@pytest.mark.parametrize(
    ("name", "total", "label"),
    [
        ("mlc_qwen2_0_5b", 494_032_768, "inside"),
        ("mlc_smollm_135m", 134_515_008, "disputed"),
        ("mlc_llama3_2_1b", 1_235_814_400, "disputed"),
        ("mlc_gemma2_9b", 9_241_705_984, "disputed"),
    ],
)
def test_real_configs_have_their_published_parameters(shared: Path, name: str, total: int, label: str) -> None:
    report = check_candidate(shared / "data/configs" / name, neighbours=False)
    assert report.shape.parameters is not None
    assert report.shape.parameters.total == total
    assert report.verdict.label == label
    assert report.cost is not None
    assert report.cost.tokens == 20 * total
    assert not report.tokens_stated


def test_alternatives_are_compared_under_every_study() -> None:
    report = check_candidate(TEAM, name="team")
    assert report.shape.parameters is not None
    assert report.shape.parameters.total == 528_980_992
    assert report.verdict.label == "inside"
    assert len(report.options) > 4
    assert [option.shape.ratio for option in report.options] == sorted(
        (option.shape.ratio for option in report.options), reverse=True
    )
    for option in report.options:
        assert abs(option.deviation) <= 0.02
        assert set(option.change) == {study.name for study in studies()}
        assert option.depth_change == pytest.approx(option.shape.depth / 24 - 1)
        kept = option.shape.depth * option.shape.kv_heads / (24 * 4)  # type: ignore[operator]
        assert option.kv_change == pytest.approx(kept - 1)
    # by its own prediction no alternative is better in the worst case
    assert report.recommendation.action == "keep"
    assert report.recommended is None
    own = max(prediction.excess.value for prediction in report.predictions)
    assert min(option.worst for option in report.options if option.verdict.label == "inside") > own


def test_a_shallow_shape_gets_a_recommendation_that_all_studies_like() -> None:
    config = config_from_flags(
        "llama", depth=16, width=2048, heads=32, kv_heads=8, mlp_width=8192, vocab_size=32000, tied=True
    )
    report = check_candidate(config, name="wide", neighbours=False)
    assert report.recommendation.action == "change"
    best = report.recommended
    assert best is not None
    assert best.verdict.label == "inside"
    assert all(change.value < 0 for change in best.change.values())
    assert report.recommendation.gain is not None and report.recommendation.gain.excludes_zero
    assert report.recommendation.gain.value > 0


def test_the_report_is_json_and_names_its_recommendation() -> None:
    document = json.loads(json.dumps(check_candidate(TEAM).to_dict(), allow_nan=False))
    assert (document["kind"], document["schema"]) == ("candidate", 2)
    assert document["shape"]["ratio"] == pytest.approx(24 / 1024)
    assert [option["recommended"] for option in document["options"]] == [False] * len(document["options"])
    assert document["options"][0]["config"]["model_type"] == "llama"
    assert document["recommendation"]["reason"] == "none_better"
    assert document["predictions"][0]["extrapolation"]["ratio"] == 1
    assert document["predictions"][0]["optimum"]["value"] == document["predictions"][0]["interval"]["optimum"]
    assert {reading["name"] for reading in document["laws"]} >= {"Kaplan", "MobileLLM", "Morph"}


def test_tokens_context_and_match_are_taken() -> None:
    report = check_candidate(TINY, tokens=1e9, context=64, match="total", tolerance=0.05, neighbours=False)
    assert report.cost is not None and report.tokens_stated
    assert (report.cost.tokens, report.cost.context) == (1e9, 64)
    total = report.shape.parameters.total  # type: ignore[union-attr]
    assert report.options
    for option in report.options:
        assert abs(option.shape.parameters.total / total - 1) <= 0.05  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tokens": -1.0}, "above zero"),
        ({"tokens": 0.0}, "above zero"),
        ({"tolerance": 0.0}, "between 0 and 0.5"),
        ({"tolerance": 2.0}, "between 0 and 0.5"),
        ({"context": 0}, "at least 1 token"),
        ({"match": "depth"}, "body, total, flops"),
    ],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        check_candidate(TINY, **settings)


def test_mixture_of_experts_is_refused() -> None:
    with pytest.raises(UnsupportedArchitectureError, match="mixture of experts"):
        check_candidate({"model_type": "mixtral", "num_hidden_layers": 2, "hidden_size": 64, "num_local_experts": 8})


def test_a_type_that_cannot_be_built_still_has_a_verdict() -> None:
    raw = {
        "model_type": "own",
        "n_layer": 32,
        "n_embd": 2560,
        "n_head": 32,
        "vocab_size": 51200,
        "architectures": ["OwnForCausalLM"],
    }
    report = check_candidate(raw)
    assert report.cost is None
    assert report.options == ()
    assert report.verdict.label == "disputed"
    assert all(prediction.extrapolation.parameters is None for prediction in report.predictions)
    assert report.recommendation.reason == "uncounted"
    assert any("read at 1B" in note for note in report.notes)
    json.dumps(report.to_dict(), allow_nan=False)


def test_the_source_of_a_config_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY), encoding="utf-8")
    report = check_candidate(tmp_path, neighbours=False, notes=("One more.",))
    assert (report.shape.name, report.shape.source, report.shape.revision) == (str(tmp_path), "local", None)
    assert report.notes[-1] == "One more."
    assert check_candidate(TINY, name="tiny", neighbours=False).shape.name == "tiny"


def test_a_budget_without_alternatives_is_said_to_be_so() -> None:
    config = config_from_flags("llama", depth=1, width=16, heads=2, mlp_width=32, vocab_size=100)
    report = check_candidate(config, neighbours=False)
    assert report.options == ()
    assert (report.recommendation.action, report.recommendation.reason) == ("none", "no_alternative")
    assert any("another regime" in note for note in report.notes)


def test_neighbours_are_nearest_first_and_has_published_scores() -> None:
    shape = check_candidate(TEAM, neighbours=False).shape
    found = nearest(shape)
    assert [one.nearness for one in found] == sorted(one.nearness for one in found)
    assert {"Qwen/Qwen2-0.5B", "bigscience/bloom-560m"} <= {one.model for one in found[:6]}
    qwen = next(one for one in found if one.model == "Qwen/Qwen2-0.5B")
    assert (qwen.depth, qwen.width) == (24, 896)
    assert qwen.accuracy == pytest.approx(0.172, abs=5e-4)
    assert qwen.source

"""The interaction of a record: enough to compute every number again, and to hold two models against each other."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_audit.auditing.audit import audit
from nil_audit.auditing.record import Record, difference, read_record, recompute, record_from, rounds, setting
from nil_audit.errors import DataError, UsageError
from nil_audit.interaction.metrics import METRICS
from tests.auditing.test_record import SCHEMA_1
from tests.tiny import NUL, SOH, byte_tokenizer, checkpoint_folder, english

T, C = 24, 4


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Record]]:
    """Two models of one tokenizer, and the first again over less text and in other settings."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "probe.txt").write_text(english(T * 35 + 1))
    one, other = (str(checkpoint_folder(folder / name, "llama", seed=seed)) for name, seed in (("a", 0), ("b", 1)))
    settings: dict[str, Any] = {
        "probe": str(folder / "probe.txt"), "window": T, "context": C, "precision": 0, "device": "cpu"
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIL_AUDIT_CACHE", str(folder / "cache"))
        yield {
            "a": audit(one, **settings),
            "b": audit(other, **settings),
            "short": audit(other, **settings | {"tokens": 17 * T}),
            "bare": audit(other, **settings | {"prefix": False}),
            "loose": audit(other, **settings | {"precision": 100.0}),
        }


def test_every_number_follows_from_the_products_in_the_document(measured: dict[str, Record]) -> None:
    document = json.loads(json.dumps(measured["a"].to_dict()))
    record = record_from(document)
    assert record.interaction is not None
    found = recompute(record)
    for kind in ("plugin", "unbiased"):
        assert set(found[kind]) == set(METRICS)
        for name, kept in record.interaction["estimates"][kind].items():
            assert found[kind][name].to_dict() == pytest.approx(kept, rel=1e-9, abs=1e-12), name
    for name, kept in record.interaction["loss"].items():
        assert found["loss"][name].to_dict() == pytest.approx(kept, rel=1e-9, abs=1e-12), name


def test_the_settings_and_how_it_ended_are_in_the_document(measured: dict[str, Record]) -> None:
    found = measured["a"].to_dict()["interaction"]
    assert (found["window"], found["context"], found["windows"], found["tokens"]) == (T, C, 35, 35 * (T - C))
    assert found["prefix"] == "Ā"
    assert found["asked"] == {"tokens": 131_072, "precision": 0, "prefix": True}
    assert found["ended_by"] == "text"
    assert [one["windows"] for one in found["rounds"]] == [17]
    assert len(found["heaviest"]["tokens"]) == 10
    assert 0 < found["heaviest"]["token_share"] <= found["heaviest"]["permille_share"] < 1
    assert found["zero_share"] == 0
    assert measured["bare"].to_dict()["interaction"]["prefix"] is None
    assert measured["loose"].to_dict()["interaction"]["ended_by"] == "precision"
    assert measured["short"].to_dict()["interaction"]["ended_by"] == "tokens"


def test_a_round_is_a_run_over_so_much_text(measured: dict[str, Record]) -> None:
    (first, early), (last, late) = rounds(measured["b"])
    assert (first["windows"], last["windows"]) == (17, 35)
    assert late == recompute(measured["b"])
    short = recompute(measured["short"])
    for name in METRICS:
        assert early["unbiased"][name].to_dict() == pytest.approx(short["unbiased"][name].to_dict(), rel=1e-4), name


def test_a_difference_leaves_blocks_out_of_both_at_once(measured: dict[str, Record]) -> None:
    one, other = measured["a"], measured["b"]
    found = difference(one, other)
    assert found is not None
    assert (found.paired, found.windows) == (True, 35)
    here, there = (record.metric("typical_efficiency") for record in (one, other))
    assert here is not None and there is not None
    assert found.estimate.value == pytest.approx(here.value - there.value)

    # the jackknife by hand
    products = [record.interaction["products"] for record in (one, other)]  # type: ignore[index]

    def efficiency(given: dict[str, Any], keep: list[int]) -> float:
        n = np.array(given["directions"])[keep]
        pairs = np.outer(n, n) * (1 - np.eye(len(keep)))
        squared = (pairs * np.array(given["direction_gram"])[np.ix_(keep, keep)]).sum() / pairs.sum()
        tokens = np.array(given["tokens"])[keep]
        scale = tokens @ np.array(given["embedding_square"])[keep] / tokens.sum()
        return float(-0.5 * np.log(squared) - np.log(scale) - n @ np.array(given["log_norm"])[keep] / n.sum())

    left_out = []
    for block in range(16):
        keep = [other for other in range(16) if other != block]
        left_out.append(efficiency(products[0], keep) - efficiency(products[1], keep))
    se = np.sqrt(15 / 16 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum())
    assert found.estimate.se == pytest.approx(se)
    back = difference(other, one)
    assert back is not None and back.estimate.value == -found.estimate.value
    assert back.estimate.se == pytest.approx(se)


def test_models_that_read_more_and_less_are_paired_where_both_read(measured: dict[str, Record]) -> None:
    found = difference(measured["a"], measured["loose"])
    assert found is not None
    assert (found.paired, found.windows) == (True, 17)
    assert found.estimate.value == pytest.approx(
        rounds(measured["a"])[0][1]["unbiased"]["typical_efficiency"].value
        - recompute(measured["loose"])["unbiased"]["typical_efficiency"].value
    )


def test_other_windows_are_not_paired_and_their_errors_add_in_quadrature(measured: dict[str, Record]) -> None:
    one, other = measured["a"], measured["b"]
    assert other.interaction is not None
    moved = [size + 1 for size in other.interaction["block_bytes"]]  # another tokenizer's windows
    elsewhere = replace(other, interaction={**other.interaction, "block_bytes": moved, "rounds": []})
    found = difference(one, elsewhere)
    here, there = (record.metric("typical_efficiency") for record in (one, other))
    assert found is not None and here is not None and there is not None
    assert (found.paired, found.windows) == (False, None)
    assert found.estimate.value == pytest.approx(here.value - there.value)
    assert found.estimate.se == pytest.approx(np.hypot(here.se, there.se))
    assert found.estimate.low == pytest.approx(found.estimate.value - 2.131450 * found.estimate.se)  # t of 15


def test_a_paired_difference_that_noise_leaves_undefined_is_not_one(measured: dict[str, Record]) -> None:
    one, other = measured["a"], measured["b"]
    assert other.interaction is not None
    products = dict(other.interaction["products"])
    products["direction_gram"] = (np.array(products["direction_gram"]) * -1).tolist()
    noisy = replace(other, interaction={**other.interaction, "products": products, "rounds": []})
    found = difference(one, noisy)
    assert found is not None and not found.paired
    assert np.isfinite(found.estimate.value)


def test_a_reference_without_products_has_no_rounds_and_is_not_computed_again(measured: dict[str, Record]) -> None:
    one = measured["a"]
    assert one.interaction is not None
    bare = replace(one, interaction={key: one.interaction[key] for key in one.interaction if key != "products"})
    assert [found["windows"] for found, _ in rounds(bare)] == [17]
    with pytest.raises(DataError, match="goes without block products"):
        recompute(bare)
    found = difference(bare, measured["b"])
    assert found is not None and (found.paired, found.windows) == (True, 17)


def test_a_kept_record_goes_by_the_names_that_it_is_asked_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    checkpoint_folder(tmp_path / "model")
    Path("text.txt").write_text(english(T * 20 + 1))
    settings: dict[str, Any] = {"window": T, "context": C, "device": "cpu"}
    first = audit("model", probe="text.txt", **settings)
    assert any("The probe text.txt ended after 480 tokens of model" in note for note in first.notes)
    Path("model").rename("renamed")
    Path("text.txt").rename("other.txt")
    again = audit("renamed", probe="other.txt", **settings)
    assert again.kept and again.interaction is not None
    assert again.interaction["probe"]["name"] == "other.txt"
    assert any("The probe other.txt ended after 480 tokens of renamed" in note for note in again.notes)
    assert again.interaction["estimates"] == first.to_dict()["interaction"]["estimates"]


@pytest.mark.parametrize(("special", "start"), [({"bos_token": SOH, "eos_token": NUL}, SOH), ({}, None)])
def test_the_document_start_of_a_tokenizer_is_read_and_its_lack_is_told(
    special: dict[str, str], start: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))
    checkpoint_folder(tmp_path / "model")
    byte_tokenizer(**special).save_pretrained(tmp_path / "model")
    (tmp_path / "probe.txt").write_text(english(T * 20 + 1))
    settings: dict[str, Any] = {"probe": str(tmp_path / "probe.txt"), "window": T, "context": C, "device": "cpu"}
    found = audit(str(tmp_path / "model"), **settings)
    bare = audit(str(tmp_path / "model"), **settings, prefix=False)
    assert found.interaction is not None and bare.interaction is not None
    assert (found.interaction["prefix"], bare.interaction["prefix"]) == (start, None)
    same = found.interaction["products"] == bare.interaction["products"]
    assert same == (start is None)
    assert any("has neither a bos nor an eos token" in note for note in found.notes) == (start is None)
    assert not any("neither a bos" in note for note in bare.notes)
    assert (setting(found) == setting(bare)) == (start is None)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"precision": -1.0}, "--precision is -1, but is a standard error"),
        ({"precision": float("nan")}, "--precision is nan"),
        ({"tokens": 0}, "--tokens is 0, but must be at least 1"),
        ({"batch_size": -3}, "--batch-size is -3, but must be at least 1"),
        ({"window": 8}, "--context 16 leaves nothing of a window of 8"),
        ({"context": -1}, "--context is -1"),
        ({"dtype": "int8"}, "There is no dtype 'int8'"),
    ],
)
def test_settings_that_mean_nothing_are_refused_before_anything_is_read(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        audit("nowhere/at-all", **wrong)


def test_what_was_measured_otherwise_is_not_compared(measured: dict[str, Record]) -> None:
    assert difference(measured["a"], measured["bare"]) is None
    assert difference(measured["a"], read_record(SCHEMA_1)) is None
    wider = replace(measured["b"], model={**measured["b"].model, "dtype": "float64"})
    assert difference(measured["a"], wider) is None
    assert setting(measured["a"]) == setting(measured["b"]) == setting(measured["loose"]) != setting(wider)
    assert setting(replace(measured["a"], interaction=None)) is None
    assert rounds(replace(measured["a"], interaction=None)) == []
    with pytest.raises(DataError, match="holds no interaction; measure it with"):
        recompute(replace(measured["a"], interaction=None))
    old = read_record(SCHEMA_1)
    assert difference(old, old) is None
    same = difference(old, old, "interaction_efficiency")
    assert same is not None and same.estimate.value == 0

"""What moves the answer: each variant is the audit that its settings name, and a rotation moves no property."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_audit.auditing.audit import audit
from nil_audit.auditing.record import Record
from nil_audit.auditing.sensitivity import COMPARED, sensitivity
from nil_audit.auditing.subject import Settings, Subject
from nil_audit.errors import MeasurementError, ProbeError, RotationError
from nil_audit.interaction.metrics import METRICS, against_null, mean_is_covered
from nil_audit.stats.estimate import Estimate
from tests.tiny import checkpoint_folder, english

ASKED: dict[str, Any] = {
    "probe": "probe.txt",
    "window": 16,
    "context": 4,
    "tokens": 512,
    "precision": 0.0,
    "device": "cpu",
}
OF_THE_BASIS = ("aofe", "aofe_ratio", "mean_cos2", "normalised_aofe", "excess", "kappa")
ALIKE = {
    "half_window": {"window": 8},
    "double_window": {"window": 32},
    "no_context": {"context": 0, "prefix": False},
    "other_text": {"probe": "builtin"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the checkpoint ``m`` and a text of 700 tokens."""
    found = tmp_path_factory.mktemp("sensitivity")
    checkpoint_folder(found / "m")
    (found / "probe.txt").write_text(english(700))
    return found


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(folder / "cache"))


@pytest.fixture(scope="module")
def record(folder: Path) -> Record:
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("NIL_AUDIT_CACHE", str(folder / "cache"))
        return audit("m", **ASKED, sensitivity=True)


def variant(record: Record, name: str) -> Any:
    assert record.sensitivity is not None
    return next(one for one in record.sensitivity["variants"] if one["name"] == name)


def value(variant: Any, metric: str) -> float:
    return float(variant["estimates"][metric]["value"])


def test_a_rotation_moves_what_is_of_the_basis_and_nothing_else(record: Record) -> None:
    baseline = variant(record, "baseline")
    for name in ("random_rotation", "hadamard_rotation"):
        turned = variant(record, name)
        for metric in set(METRICS) - set(OF_THE_BASIS):
            for key in ("value", "se"):
                here, moved = baseline["estimates"][metric][key], turned["estimates"][metric][key]
                assert moved == pytest.approx(here, rel=1e-3), (name, metric, key)
        assert turned["loss_per_token"]["value"] == pytest.approx(baseline["loss_per_token"]["value"], rel=1e-6)
        for metric in ("aofe", "aofe_ratio", "kappa"):
            assert abs(value(turned, metric) / value(baseline, metric) - 1) > 0.005, (name, metric)
        assert turned["paired"]
        assert turned["says"]["efficiency"] == "same"
        assert turned["difference"]["typical_efficiency"]["se"] < 1e-4
        assert turned["difference"]["aofe_ratio"]["value"] == pytest.approx(
            value(turned, "aofe_ratio") - value(baseline, "aofe_ratio")
        )
        assert (turned["windows"], turned["tokens"]) == (baseline["windows"], baseline["tokens"])
    assert value(variant(record, "random_rotation"), "aofe") != value(variant(record, "hadamard_rotation"), "aofe")


def test_the_baseline_is_the_audit_itself(record: Record) -> None:
    asked, baseline = record.interaction, variant(record, "baseline")
    assert asked is not None and record.sensitivity is not None
    assert record.sensitivity["variants"][0] is baseline
    assert baseline["estimates"] == {name: asked["estimates"]["unbiased"][name] for name in METRICS}
    assert (baseline["difference"], baseline["changed"], baseline["paired"]) == ({}, [], False)
    assert baseline["says"]["efficiency"] == "same"
    assert record.sensitivity["left_out"] == []
    assert [one["name"] for one in record.sensitivity["variants"]] == [
        *("baseline", "half_window", "double_window", "no_context", "other_text"),
        *("random_rotation", "hadamard_rotation"),
    ]


@pytest.mark.parametrize("name", ALIKE)
def test_a_variant_is_the_audit_with_these_settings(record: Record, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, settings = variant(record, name), ASKED | ALIKE[name]
    kept = audit("m", **settings)
    assert kept.kept  # it was kept as one
    apart = audit("m", **settings, fresh=True)
    assert apart.interaction is not None and record.interaction is not None
    assert {one: apart.interaction[one] for one in ("window", "windows", "tokens", "context", "prefix")} == {
        one: found[one] for one in ("window", "windows", "tokens", "context", "prefix")
    }
    assert found["probe"] == apart.interaction["probe"]["name"]
    here, there = apart.interaction["estimates"]["unbiased"], record.interaction["estimates"]["unbiased"]
    for metric in METRICS:
        assert value(found, metric) == pytest.approx(here[metric]["value"], rel=1e-6), metric
    for metric in COMPARED:
        gap = found["difference"][metric]
        assert gap["value"] == pytest.approx(here[metric]["value"] - there[metric]["value"], rel=1e-5, abs=1e-9)
        quadrature = np.hypot(here[metric]["se"], there[metric]["se"])
        if name == "other_text":
            assert gap["se"] == pytest.approx(quadrature, rel=1e-5)
    assert found["paired"] == (name != "other_text")
    if found["paired"]:  # the text is the same, so that much of its noise cancels
        gap, errors = found["difference"]["typical_efficiency"], (here, there)
        assert gap["se"] < 0.9 * np.hypot(*(one["typical_efficiency"]["se"] for one in errors))


def test_what_is_said_follows_from_the_numbers_of_a_variant(record: Record) -> None:
    assert record.sensitivity is not None
    baseline = variant(record, "baseline")["says"]
    for one in record.sensitivity["variants"]:
        excess, rank = (Estimate.from_dict(one["estimates"][name]) for name in ("excess", "effective_rank"))
        assert one["says"]["excess"] == against_null(excess, rank, 24)
        assert one["says"]["tail_covered"] == mean_is_covered(value(one, "tail"), one["tokens"])
        if one["difference"]:
            gap = one["difference"]["typical_efficiency"]
            stated = variant(record, "baseline")["estimates"]["typical_efficiency"]
            outside = not stated["low"] <= value(one, "typical_efficiency") <= stated["high"]
            moved = (gap["low"] > 0 or gap["high"] < 0) and outside
            assert one["says"]["efficiency"] == ("moved" if moved else "same")
        assert one["changed"] == [fact for fact, said in one["says"].items() if said != baseline[fact]]
    assert "efficiency" in variant(record, "half_window")["changed"]
    assert record.interaction is not None
    ruled = record.interaction["heaviest"]["token_share"] > 0.05
    for name in ("baseline", "random_rotation", "hadamard_rotation"):
        assert variant(record, name)["says"]["one_token"] == ruled


def test_the_second_time_nothing_is_measured(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured_again(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("nil_audit.interaction.measure.measure", measured_again)
    again = audit("m", **ASKED, sensitivity=True)
    assert again.kept
    assert again.sensitivity == record.sensitivity
    assert audit("m", **ASKED).sensitivity is None


def left_out(record: Record) -> dict[str, str]:
    assert record.sensitivity is not None
    measured = {one["name"] for one in record.sensitivity["variants"]}
    found = {one["name"]: one["why"] for one in record.sensitivity["left_out"]}
    assert len(measured) + len(found) == 7 and not measured & found.keys()
    return found


def test_what_cannot_be_measured_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise RotationError("It does not turn.")

    def unreachable(*_: object) -> None:
        raise ProbeError("No network.")

    monkeypatch.setattr("nil_audit.interaction.probe._dataset_text", unreachable)
    monkeypatch.setattr("nil_audit.weights.rotation.rotated", refused)
    why = left_out(
        audit("m", **ASKED | {"window": 40, "context": 24, "tokens": 640, "probe": "builtin"}, sensitivity=True)
    )
    assert why == {
        "half_window": "A window of 20 leaves nothing to count behind 24 positions of context.",
        "double_window": "m reads 64 tokens at most, fewer than a window of 80 takes.",
        "other_text": "wikitext cannot be reached from here.",
        "random_rotation": "It does not turn.",
        "hadamard_rotation": "It does not turn.",
    }
    bare = ASKED | {"prefix": False, "context": 0, "tokens": 300}
    why = left_out(audit("m", **bare, sensitivity=True))
    assert why == {
        "double_window": "--tokens 300 is less than the 16 windows of 32 that errors take.",
        "no_context": "It was asked without context and document start.",
        "random_rotation": "It does not turn.",
        "hadamard_rotation": "It does not turn.",
    }


@pytest.mark.parametrize("together", [False, True])
def test_a_measurement_that_fails_is_left_out_unless_others_wait_for_it(
    record: Record, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    """A window that does not fit into one process's memory is that process's alone; too little text is all's."""
    from nil_audit.auditing import sensitivity as module

    errors = iter([ProbeError("Too little text."), MeasurementError("No room.")])

    class Fails:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def record(self) -> Record:
            raise next(errors, MeasurementError("No room either."))

    class Two:
        size = 2

        @staticmethod
        def gather(mine: object) -> list[object]:
            return [mine, RotationError("No room for a copy on the other.")]

    subject = Subject("m", Settings(**ASKED))
    assert subject.shape.depth == 2
    monkeypatch.setattr(module, "Passes", Fails)
    if together:
        monkeypatch.setattr(module.Team, "join", Two)
        with pytest.raises(MeasurementError, match=r"No room\."):
            sensitivity(subject, record)
        return
    found = sensitivity(subject, record)
    assert [one["name"] for one in found["variants"]] == ["baseline", "random_rotation", "hadamard_rotation"]
    assert [one["why"] for one in found["left_out"]] == [
        *("Too little text.", "No room.", "No room either.", "No room either."),
    ]


def test_what_one_process_cannot_make_none_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    from nil_audit.auditing import sensitivity as module

    class Two:
        size = 2

        @staticmethod
        def gather(mine: object) -> list[object]:
            return [mine, RotationError("No room on the other.")]

    monkeypatch.setattr(module.Team, "join", Two)
    with pytest.raises(RotationError, match="No room on the other"):
        module._alike(lambda: 1)
    monkeypatch.setattr(Two, "gather", staticmethod(lambda mine: [mine, None]))
    assert module._alike(lambda: 1) == 1

"""What is asked for beside an audit is measured once, added to the kept record, and shown where it is asked for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nil_audit.auditing.audit import audit
from nil_audit.auditing.record import SECTIONS, Record, read_record, record_from
from nil_audit.auditing.several import read_records
from nil_audit.errors import ProbeError
from tests.tiny import checkpoint_folder, english

MEASURING = ("interaction.measure.measure", "interaction.output.measure_output")


SETTINGS = {"probe": "probe.txt", "window": 16, "context": 4, "tokens": 1040, "precision": 0.0, "device": "cpu"}


def laid_out(folder: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A model, a probe text and an empty cache in the folder where the process then is; what is asked there."""
    patch.chdir(folder)
    patch.setenv("NIL_AUDIT_CACHE", str(folder / "cache"))
    checkpoint_folder(folder / "m")
    (folder / "probe.txt").write_text(english(2000))
    return dict(SETTINGS)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return laid_out(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A record with all that one process measures on request."""
    with pytest.MonkeyPatch.context() as patch:
        asked = laid_out(tmp_path_factory.mktemp("every"), patch)
        return audit("m", **asked, profile=True, ansatz=True, output=True)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passes that are made, in their order."""
    from importlib import import_module

    made: list[str] = []
    for place in MEASURING:
        module, name = f"nil_audit.{place}".rsplit(".", 1)
        genuine: Callable[..., Any] = getattr(import_module(module), name)

        def counted(*given: Any, _genuine: Callable[..., Any] = genuine, _name: str = name, **how: Any) -> Any:
            made.append(_name)
            return _genuine(*given, **how)

        monkeypatch.setattr(f"{module}.{name}", counted)
    return made


def sections(record: Any) -> list[str]:
    return [name for name in SECTIONS if getattr(record, name) is not None]


def test_each_section_is_measured_once_and_shown_where_it_is_asked_for(
    settings: dict[str, Any], passes: list[str]
) -> None:
    plain = audit("m", **settings)
    assert sections(plain) == [] and passes == ["measure"]

    output = audit("m", **settings, output=True)
    assert sections(output) == ["output"] and passes == ["measure", "measure_output"]
    assert (output.created, output.interaction, output.kept) == (plain.created, plain.interaction, False)

    both = audit("m", **settings, profile=True, ansatz=True)
    assert sections(both) == ["profile", "ansatz"] and passes[2:] == ["measure"]
    assert both.interaction is not None and plain.interaction is not None
    for part in ("products", "estimates", "loss", "block_loss"):
        assert json.dumps(both.interaction[part]) == json.dumps(plain.interaction[part]), part

    every = audit("m", **settings, profile=True, ansatz=True, output=True)
    assert sections(every) == ["profile", "ansatz", "output"] and every.kept
    assert (every.output, every.profile) == (output.output, both.profile)
    assert sections(audit("m", **settings)) == []
    assert len(passes) == 3
    (file,) = (Path("cache") / "records").iterdir()
    assert sections(read_record(file)) == ["profile", "ansatz", "output"]
    audit("m", **settings, output=True, fresh=True)
    assert passes[3:] == ["measure", "measure_output"]


def test_what_was_measured_before_an_interrupt_is_kept(
    settings: dict[str, Any], passes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as at:
        at.setattr("nil_audit.interaction.output.measure_output", interrupted)
        with pytest.raises(KeyboardInterrupt):
            audit("m", **settings, profile=True, output=True)
    assert passes == ["measure"]
    found = audit("m", **settings, profile=True, output=True)
    assert sections(found) == ["profile", "output"] and passes == ["measure", "measure_output"]


def test_a_record_survives_its_file_with_every_section(every: Record) -> None:
    document = json.loads(every.to_json())
    again = record_from(document)
    assert again.to_dict() == document
    assert sections(again) == ["profile", "ansatz", "output"]


def test_records_of_one_measurement_are_read_as_one_with_the_sections_of_all(settings: dict[str, Any]) -> None:
    plain, output = audit("m", **settings), audit("m", **settings, output=True)
    for number, record in enumerate((plain, output, plain)):
        Path(f"{number}.json").write_text(record.to_json())
    for files in (("0.json", "1.json"), ("1.json", "2.json")):
        (read,) = read_records(*files)
        assert read.output == json.loads(output.to_json())["output"]


def test_estimates_of_profile_and_output_follow_from_their_products(every: Record) -> None:
    from nil_audit.auditing.measured import block_products, estimates

    assert every.profile is not None and every.output is not None
    assert every.profile["depths"] == [0, 1] and every.profile["blocks"] == 2
    assert [row["relative"] for row in every.profile["rows"]] == [0, 0.5]
    for part in (*every.profile["rows"], every.output):
        again = estimates(block_products(part["products"]))
        for kind, table in part["estimates"].items():
            for name, found in table.items():
                assert again[kind][name].to_dict() == pytest.approx(found, rel=1e-9, abs=1e-9), name


def test_thinned_blocks_are_said(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nil_audit.interaction.places.depths_that_fit", lambda *_: (1,))
    record = audit("m", **settings, profile=True)
    assert record.profile is not None and record.profile["depths"] == [1]
    for one in (record, audit("m", **settings, profile=True)):
        (note,) = (note for note in one.notes if "Gradients inside m were taken at 1 of 2 blocks" in note)
        assert note.endswith("--fresh takes all.")
    assert not any("Gradients inside" in note for note in audit("m", **settings).notes)


def test_a_failure_of_one_section_loses_no_other(settings: dict[str, Any], passes: list[str]) -> None:
    short = settings | {"probe": "short.txt"}
    Path("short.txt").write_text(english(16 * 16 + 8))  # enough for windows of 16, not for longer ones
    with pytest.raises(ProbeError, match="use a longer text"):
        audit("m", **short, output=True)
    assert audit("m", **short).kept
    assert passes == ["measure", "measure_output"]

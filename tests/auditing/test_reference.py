"""References: shipped and kept records of other models in the same setting, one a model, cheap to find."""

import copy
import importlib.util
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nil_audit.auditing import reference
from nil_audit.auditing.audit import audit
from nil_audit.auditing.record import Record, difference, read_record, record_from, setting
from nil_audit.auditing.reference import compact, compact_text, reference_records
from nil_audit.files import json_text, safe_name
from tests.tiny import checkpoint_folder, english

Keep = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "nil_audit" / "data" / "reference"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The record of a measured model, its typical efficiency set to 2.0 ± 0.1."""
    folder = tmp_path_factory.mktemp("measured")
    probe = folder / "probe.txt"
    probe.write_text(english(2000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIL_AUDIT_CACHE", str(folder / "cache"))
        model = checkpoint_folder(folder / "model")
        record = audit(str(model), probe=str(probe), window=16, context=4, tokens=2048, precision=0, device="cpu")
    assert record.interaction is not None and len(record.interaction["rounds"]) >= 2
    return variant(record.to_dict(), "org/given")


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped records, empty, and a cache of the test's own."""
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(reference, "files", lambda _package: tmp_path / "package")
    folder = tmp_path / "package" / "data" / "reference"
    folder.mkdir(parents=True)
    (tmp_path / "cache" / "records").mkdir(parents=True)
    return folder


def variant(
    document: dict[str, Any],
    name: str,
    *,
    value: float = 2.0,
    se: float = 0.1,
    digest: str | None = None,
    created: str = "2026-11-01T00:00:00+00:00",
    source: str = "hub",
    **interaction: Any,
) -> dict[str, Any]:
    """The document as that of another model."""
    other = copy.deepcopy(document)
    other["created"] = created
    other["model"] |= {"name": name, "source": source, "digest": digest or f"git:{name}"}
    other["interaction"] |= interaction
    ends = {"low": value - 2 * se, "high": value + 2 * se}
    other["interaction"]["estimates"]["unbiased"]["typical_efficiency"] |= {"value": value, "se": se, **ends}
    return other


@pytest.fixture
def keep(tmp_path: Path, document: dict[str, Any]) -> Keep:
    """Keeps the record of another model in the cache."""

    def write(name: str, file: str = "", **changes: Any) -> Path:
        path = tmp_path / "cache" / "records" / f"{file or name.replace('/', '-')}.json"
        path.write_text(json_text(variant(document, name, **changes)))
        return path

    return write


def names(found: tuple[Record, ...]) -> list[str]:
    return sorted(record.name for record in found)


def test_other_models_of_the_same_setting_are_references(keep: Keep, shipped: Path, document: dict[str, Any]) -> None:
    given = record_from(document)
    assert reference_records([given]) == ()
    (shipped / "s.json").write_text(compact_text(compact(variant(document, "org/shipped"), products=True)))
    keep("org/kept")
    keep("org/other-window", window=32)
    keep("org/other-context", context=5)
    keep("org/other-estimator", estimator=1)
    keep("org/other-text", probe={"name": "wikitext", "sha256": "0" * 64})
    keep("org/bare", prefix=None)
    keep("org/fewer-tokens", asked={**document["interaction"]["asked"], "tokens": 512}, windows=32)
    assert names(reference_records([given])) == ["org/fewer-tokens", "org/kept", "org/shipped"]
    wide = record_from(variant(document, "org/wide", window=32))
    assert names(reference_records([wide])) == ["org/other-window"]
    assert len(reference_records([given, wide])) == 4
    assert reference_records([record_from({**document, "interaction": None})]) == ()


def test_a_given_model_is_no_reference_of_itself_by_whatever_name(keep: Keep, document: dict[str, Any]) -> None:
    keep("./a-folder", source="local", digest="git:org/given")  # the same weights under another name
    keep("Org/Given", file="later-commit", digest="git:another")  # the same name at another commit
    keep("org/given@step1000", file="step")
    found = reference_records([record_from(document)])
    assert names(found) == ["org/given@step1000"]


def test_a_model_is_there_once_with_its_most_precise_then_newest_record(keep: Keep, document: dict[str, Any]) -> None:
    keep("org/a", file="1", se=0.2, created="2026-11-03T00:00:00+00:00")
    keep("org/a", file="2", se=0.05, created="2026-11-01T00:00:00+00:00", digest="git:second")
    keep("Org/A@main", file="3", se=0.05, created="2026-11-02T00:00:00+00:00")
    keep("m", file="4", source="local", digest="sha256:1", se=0.3)
    keep("m", file="5", source="local", digest="sha256:2", se=0.2)
    keep("renamed", file="6", source="local", digest="sha256:2", se=0.1)
    found = {(record.name, record.created[:10]) for record in reference_records([record_from(document)])}
    assert found == {("Org/A@main", "2026-11-02"), ("m", "2026-11-01"), ("renamed", "2026-11-01")}


def test_an_error_that_noise_made_undefined_makes_no_record_the_most_precise(
    keep: Keep, document: dict[str, Any]
) -> None:
    keep("org/a", file="1", value=1.0, se=0.2)
    path = keep("org/a", file="0", value=1.5, created="2026-12-01T00:00:00+00:00")
    damaged = json.loads(path.read_text())
    damaged["interaction"]["estimates"]["unbiased"]["typical_efficiency"] |= dict.fromkeys(
        ("se", "low", "high", "bias")
    )
    for number, se in enumerate((None, math.nan, math.inf)):
        damaged["interaction"]["estimates"]["unbiased"]["typical_efficiency"]["se"] = se
        path.write_text(json.dumps(damaged) + " " * number)  # another size, so that it is read again
        (found,) = reference_records([record_from(document)])
        assert (value := found.metric("typical_efficiency")) and value.value == 1.0
    damaged["interaction"]["estimates"]["unbiased"]["typical_efficiency"]["value"] = math.nan
    path.write_text(json.dumps(damaged))
    keep("org/a", file="1").unlink()
    assert reference_records([record_from(document)]) == ()


def test_of_several_settings_each_has_its_references(keep: Keep, document: dict[str, Any]) -> None:
    given, bare = record_from(document), record_from(variant(document, "org/bare", prefix=None))
    keep("org/x", file="1", value=2.5)
    keep("org/x", file="2", value=2.25, se=0.01, prefix=None)  # the more precise one
    keep("org/y", value=2.75)
    found = reference_records([given, bare])
    values = {(one.name, setting(one)): one.metric("typical_efficiency") for one in found}
    assert {key: one and one.value for key, one in values.items()} == {
        ("org/x", setting(given)): 2.5,
        ("org/x", setting(bare)): 2.25,
        ("org/y", setting(given)): 2.75,
    }
    # the next above one of its own setting is whole, whatever stands between them in another
    whole = [(one.name, setting(one)) for one in found if "products" in (one.interaction or {})]
    assert sorted(whole, key=str) == sorted([("org/x", setting(given)), ("org/x", setting(bare))], key=str)


def test_what_is_damaged_or_has_no_number_is_passed_over(
    keep: Keep, shipped: Path, tmp_path: Path, document: dict[str, Any]
) -> None:
    given = record_from(document)
    keep("org/good")
    for number, text in enumerate(
        ("", "{", "[]", '"text"', "null", '{"schema": 3, "model": {}, "shape": {}}', "[" * 9999)
    ):
        (tmp_path / "cache" / "records" / f"broken{number}.json").write_text(text)
        (shipped / f"broken{number}.json").write_text(text)
    undefined = {"plugin": {}, "unbiased": {"typical_efficiency": {"value": None, "se": None}}}
    for number, estimates in enumerate((undefined, None, [], {"unbiased": {}})):
        path = keep(f"org/without-{number}")
        damaged = json.loads(path.read_text())
        damaged["interaction"]["estimates"] = estimates
        path.write_text(json_text(damaged))
    (tmp_path / "cache" / "records" / "folder.json").mkdir()
    assert names(reference_records([given])) == ["org/good"]
    for index in ("", "[]", '{"version": 1}', '{"records": 3, "version": "x"}'):
        (tmp_path / "cache" / "references.json").write_text(index)
        assert names(reference_records([given])) == ["org/good"]


def test_a_cache_that_is_not_there_or_cannot_be_written_gives_what_it_can(
    keep: Keep, tmp_path: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep("org/kept")
    (tmp_path / "cache" / "references.json").mkdir()
    assert names(reference_records([record_from(document)])) == ["org/kept"]
    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "nowhere"))
    assert reference_records([record_from(document)]) == ()
    assert not (tmp_path / "nowhere" / "records").exists()


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(
    keep: Keep, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given, read = record_from(document), list[str]()
    real = reference._compact_file

    def counted(file: Path) -> Any:
        read.append(file.stem)
        return real(file)

    monkeypatch.setattr(reference, "_compact_file", counted)
    for number in range(3):
        keep(f"org/{number}", file=str(number), value=number)
    assert len(reference_records([given])) == len(read) == 3
    assert len(reference_records([given])) == len(read) == 3
    keep("org/1", file="1", value=7.25)
    found = {record.name: record.metric("typical_efficiency") for record in reference_records([given])}
    assert sorted(read[3:]) == ["1"] and found["org/1"] is not None and found["org/1"].value == 7.25
    keep("org/2", file="2").unlink()
    assert names(reference_records([given])) == ["org/0", "org/1"]


def test_the_next_above_and_below_are_whole_so_that_differences_to_them_are_paired(
    keep: Keep, document: dict[str, Any]
) -> None:
    for value in (0.5, 1.0, 1.5, 2.5, 3.0):
        keep(f"org/{value}", value=value)
    given = record_from(document)
    found = {record.name: record for record in reference_records([given])}
    whole = {name for name, record in found.items() if "products" in (record.interaction or {})}
    assert whole == {"org/1.5", "org/2.5"}
    differences = {name: difference(given, record) for name, record in found.items()}
    assert {name for name, one in differences.items() if one and one.paired} == whole
    # their blocks are the same ones, so that paired they do not differ at all; else the errors add up
    assert (found_alike := differences["org/1.5"]) and found_alike.estimate.value == pytest.approx(0)
    assert (apart := differences["org/0.5"]) and apart.estimate.value == pytest.approx(1.5)
    assert apart.estimate.se == pytest.approx(0.1 * 2**0.5)


def test_a_compact_record_says_the_same_and_is_a_quarter_as_large(document: dict[str, Any]) -> None:
    whole = record_from(document)
    for products in (False, True):
        small = record_from(json.loads(compact_text(compact(document, products=products))))
        for metric in ("typical_efficiency", "spread", "loss_per_byte"):
            assert small.metric(metric) == whole.metric(metric)
        assert (small.shape, small.verdict, small.scores) == (whole.shape, whole.verdict, whole.scores)
        assert small.metric("spread", "plugin") is None
    assert len(compact_text(compact(document, products=False))) < 0.25 * len(compact_text(document))
    assert "heaviest" in compact(document, products=False)["interaction"]
    assert "before" not in compact_text(compact(document, products=True))


def test_every_shipped_reference_is_a_sound_record_of_a_model_that_is_named() -> None:
    readme = (SHIPPED.parent / "README.md").read_text()
    for file in SHIPPED.iterdir():
        record = read_record(file)
        assert record.metric("typical_efficiency") is not None and setting(record) is not None
        assert file.stem == safe_name(record.name) and "/" not in record.name * (record.model["source"] == "local")
        assert f"`{file.name}`" in readme and file.stat().st_size < 40_000


def test_the_script_writes_references_from_what_a_run_wrote(
    document: dict[str, Any], shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("script", ROOT / "scripts" / "make_reference_records.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "FOLDER", shipped)
    (tmp_path / "out" / "records").mkdir(parents=True)
    for number, (name, source) in enumerate((("org/name", "hub"), (str(tmp_path / "folder" / "m"), "local"))):
        text = json_text(variant(document, name, source=source, digest=f"sha256:{number}"))
        (tmp_path / "out" / "records" / f"{number}.json").write_text(text)
    monkeypatch.setattr(sys, "argv", ["make_reference_records.py", str(tmp_path / "out")])
    assert script.main() == 0
    assert sorted(path.name for path in shipped.iterdir()) == ["m.json", "org--name.json"]
    assert str(tmp_path) not in (shipped / "m.json").read_text()
    assert names(reference_records([record_from(document)])) == ["m", "org/name"]
    monkeypatch.setattr(sys, "argv", ["make_reference_records.py", str(tmp_path / "nowhere")])
    assert script.main() == 1


def test_a_cache_of_many_records_costs_little(tmp_path: Path, keep: Keep, document: dict[str, Any]) -> None:
    text = keep("org/one").read_text()
    for number in range(150):
        path = tmp_path / "cache" / "records" / f"{number}.json"
        path.write_text(text.replace("org/one", f"org/{number}"))
    given = record_from(document)
    assert len(reference_records([given])) == 151
    begun = time.process_time()
    assert len(reference_records([given])) == 151
    assert time.process_time() - begun < 0.3  # 0.2 ms a record

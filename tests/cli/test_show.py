"""``nil-audit show``: kept records printed again without a model, and every way to ask for what is none."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nil_audit.auditing.audit import audit
from nil_audit.auditing.reference import compact, compact_text
from nil_audit.files import json_text
from tests.tiny import checkpoint_folder, english

Here = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the records of two models, one of them in two settings, beside other results."""
    folder = tmp_path_factory.mktemp("measured")
    probe = folder / "probe.txt"
    probe.write_text(english(2000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIL_AUDIT_CACHE", str(folder / "cache"))
        for name, context in (("one", 4), ("one", 0), ("two", 4)):
            model = checkpoint_folder(folder / name, seed=("one", "two").index(name))
            audit(str(model), probe=str(probe), window=16, context=context, tokens=512, precision=0, device="cpu")
    (folder / "cache" / "scores").mkdir()
    (folder / "cache" / "scores" / "score.json").write_text('{"benchmark": "mmlu_pro"}')
    return folder / "cache"


@pytest.fixture
def record(measured: Path) -> dict[str, Any]:
    """One of the records."""
    documents = [json.loads(path.read_text()) for path in sorted((measured / "records").iterdir())]
    return next(one for one in documents if one["model"]["name"].endswith("two"))


def test_a_record_prints_as_when_it_was_measured_and_no_model_is_read(
    run_here: Here, record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.json").write_text(json_text(record))
    monkeypatch.setattr("nil_audit.interaction.measure.measure", None)
    done = run_here("show", tmp_path / "r.json")
    assert done.returncode == 0, done.stderr
    assert "two (2 x 24" in done.stdout and "typical efficiency" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    quiet, details = (
        run_here("show", tmp_path / "r.json", "--quiet"),
        run_here("show", tmp_path / "r.json", "--details"),
    )
    assert done.stdout.startswith(quiet.stdout) and len(quiet.stdout.splitlines()) < len(done.stdout.splitlines())
    assert "Plug-in" in details.stdout and "Plug-in" not in done.stdout and len(details.stdout) > len(done.stdout)
    document = json.loads(run_here("show", tmp_path / "r.json", "--json").stdout)
    assert document == {"records": [record]}


def test_torch_is_not_imported(measured: Path, tmp_path: Path) -> None:
    arguments = ["nil-audit", "show", str(measured)]
    code = (
        f"import sys; sys.argv = {arguments!r}\n"
        "from nil_audit.cli.app import main\n"
        "try: main()\n"
        "finally: sys.stderr.write(repr([name for name in ('torch', 'transformers') if name in sys.modules]))"
    )
    environment = os.environ | {"NIL_AUDIT_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stderr.endswith("[]"), done.stderr
    assert "typical efficiency" in done.stdout


def test_the_cache_a_report_and_a_document_are_shown_and_written_again(
    run_here: Here, measured: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run_here("show", measured, "--out", out)
    assert done.returncode == 0, done.stderr
    written = {path.name: json.loads(path.read_text()) for path in (out / "records").iterdir()}
    kept = [json.loads(path.read_text()) for path in (measured / "records").iterdir()]
    assert len(written) == len(kept) == 3
    assert sorted(written.values(), key=str) == sorted(kept, key=str)
    assert {path.name for path in out.iterdir()} >= {"audit.csv", "audit.html", "audit.md", "records"}
    again = json.loads(run_here("show", out, "--json").stdout)
    assert sorted(again["records"], key=str) == sorted(kept, key=str)
    (tmp_path / "printed").write_text(json_text(again))
    one_alone = run_here("show", tmp_path / "printed", out, measured, measured / "records", "--json")
    assert json.loads(one_alone.stdout) == again  # each measurement once, wherever it lies


def test_of_one_checkpoint_in_one_setting_the_most_precise_record_is_shown(
    run_here: Here, record: dict[str, Any], tmp_path: Path
) -> None:
    rough = json.loads(json.dumps(record)) | {"created": "2026-01-01T00:00:00+00:00"}
    rough["interaction"]["estimates"]["unbiased"]["typical_efficiency"]["se"] *= 3
    for name, one in (("a", rough), ("b", record)):
        (tmp_path / f"{name}.json").write_text(json_text(one))
    done = run_here("show", tmp_path, "--json")
    assert [one["created"] for one in json.loads(done.stdout)["records"]] == [record["created"]]
    assert "1 record is passed over: of one checkpoint in one setting the most precise is shown" in done.stderr
    both = run_here("show", tmp_path / "a.json", tmp_path / "b.json", "--json")
    assert len(json.loads(both.stdout)["records"]) == 2
    assert "passed over" not in both.stderr


def test_an_old_record_is_shown(run_here: Here) -> None:
    done = run_here("show", ROOT / "tests" / "auditing" / "schema_1.json")
    assert done.returncode == 0, done.stderr
    assert "older estimator" in done.stdout


def test_a_reference_without_block_products_is_shown(run_here: Here, record: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(compact_text(compact(record, products=False)))
    done = run_here("show", tmp_path / "r.json", "--details", "--out", tmp_path / "out")
    assert done.returncode == 0 and "damaged" not in done.stderr, done.stderr
    value = record["interaction"]["estimates"]["unbiased"]["typical_efficiency"]["value"]
    assert f"Its typical efficiency is {value:.2f} [" in " ".join(done.stdout.replace("−", "-").split())
    assert "every number" in done.stdout and "round by round" not in done.stdout
    assert (tmp_path / "out" / "audit.html").exists()


def test_records_are_held_against_what_else_is_kept(run_here: Here, record: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json_text(record))
    cache = tmp_path / "cache" / "records"
    cache.mkdir(parents=True)
    for number in range(5):
        other = json.loads(json_text(record))
        other["model"] |= {"name": f"org/other-{number}", "digest": f"git:{number}", "source": "hub"}
        other["interaction"]["estimates"]["unbiased"]["typical_efficiency"]["value"] += 1 + number
        (cache / f"{number}.json").write_text(json_text(other))
    done = run_here("show", tmp_path / "r.json", "--details")
    assert "sixth of 6 models at hand" in " ".join(done.stdout.split()) and "org/other-0" in done.stdout
    assert "org/other-4" in done.stdout


def test_what_is_damaged_is_passed_over_with_a_sentence_in_a_folder(
    run_here: Here, record: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "good.json").write_text(json_text(record))
    (folder / "half.json").write_text(json_text(record)[:500])
    (folder / "hollow.json").write_text(json_text({**record, "interaction": {"estimator": 2}}))
    (folder / "newer.json").write_text(json_text({**record, "schema": 99}))
    (folder / "scores.json").write_text('{"scores": []}')
    (folder / "list.json").write_text("[1]")
    (folder / "many.json").write_text(json_text({"records": [{**record, "shape": None}, 3]}))
    done = run_here("show", folder, "--json")
    assert done.returncode == 0
    assert [one["model"]["name"] for one in json.loads(done.stdout)["records"]] == [record["model"]["name"]]
    said = done.stderr.splitlines()
    for file, words in (
        ("half.json", "is not JSON"),
        ("hollow.json", "is a damaged record"),
        ("newer.json", "has record schema 99"),
        ("many.json, record 1", "is a damaged record"),
        ("many.json, record 2", "is not a nil-audit record"),
    ):
        assert any(file in line and words in line and line.startswith("Passed over: ") for line in said), (file, said)
    assert len(said) == 5


def test_every_way_to_be_wrong_gets_a_sentence(run_here: Here, record: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "model").mkdir()
    shutil.copy(ROOT / "nil_audit" / "data" / "demo_model" / "config.json", tmp_path / "model")
    (tmp_path / "notes.txt").write_text("no record")
    (tmp_path / "scores.json").write_text('{"scores": [{"model": "m"}]}')
    (tmp_path / "half.json").write_text("{")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "hollow.json").write_text(json_text({**record, "verdict": {}}))
    (tmp_path / "none.json").write_text('{"records": []}')
    for arguments, code, words in (
        ((tmp_path / "nowhere",), 1, "There is no file or folder"),
        (("Qwen/Qwen2.5-0.5B",), 1, "of a model of the Hub 'nil-audit Qwen/Qwen2.5-0.5B' prints what is kept"),
        (("x" * 5000,), 1, "There is no file or folder xxx"),
        ((tmp_path / "empty",), 1, "holds no record; give one with records that"),
        ((tmp_path / "model",), 1, "is a model, not a record; 'nil-audit "),
        ((tmp_path / "notes.txt",), 1, "notes.txt is no record"),
        ((tmp_path / "scores.json",), 1, "scores.json holds no record"),
        ((tmp_path / "none.json",), 1, "none.json holds no record"),
        ((tmp_path / "half.json",), 1, "half.json is not JSON"),
        ((tmp_path / "deep.json",), 1, "nested too deeply"),
        ((tmp_path / "hollow.json",), 1, "There is nothing to show. Passed over: "),
        ((tmp_path / "empty", "--out", tmp_path / "notes.txt" / "x"), 2, "Cannot write to"),
        ((tmp_path / "empty", "--details", "--quiet"), 2, "--details shows more, so --quiet cannot go with it"),
        ((), 2, "Missing argument"),
    ):
        done = run_here("show", *arguments)
        assert (done.returncode, done.stdout) == (code, ""), (arguments, done.stderr)
        said = " ".join(done.stderr.split())
        assert words in said and "Traceback" not in said, (words, said)
        assert code == 2 or done.stderr.splitlines()[-1].startswith("Error: ")

"""``nil-audit MODEL`` as a user runs it: tables, JSON, files, cache, and every bad input."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.forks import Forks
from tests.mmlu import answering_checkpoint, mmlu_rows, write_mmlu
from tests.tiny import byte_tokenizer, checkpoint_folder, english

Run = Callable[..., subprocess.CompletedProcess[str]]
Here = Callable[..., Any]
SMALL = ("--window", "16", "--context", "4", "--tokens", "512", "--precision", "0")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint_folder(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("probe") / "probe.txt"
    file.write_text(english(2000))
    return file


def test_the_answer_comes_first_in_30_lines_of_80_columns_and_files_hold_the_rest(
    run_command: Run, model: Path, probe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "audit"
    done = run_command(model, "--probe", probe, *SMALL, "--out", out)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) <= 30
    assert lines[0].startswith("tiny-llama (2 x 24, R 0.0833")
    said = " ".join(done.stdout.split())
    for earlier, later in (
        ("expected to cost", "Its typical efficiency is"),
        ("Its typical efficiency is", "No MMLU-Pro score of it is known"),
        ("No MMLU-Pro score of it is known", "Typical spread"),
    ):
        assert said.index(earlier) < said.index(later)
    assert "Excess" not in said and "Typical sensitivity" in said and "Probe loss" in said
    record = json.loads((out / "records" / "tiny-llama.json").read_text())
    assert record["schema"] == 5
    assert len(record["interaction"]["products"]["gram"]) == 16
    header, row = (out / "audit.csv").read_text().splitlines()
    assert header.startswith("model,revision,model_type,depth,width,ratio") and "typical_efficiency_se" in header
    assert ",24," in row
    for name in ("audit.md", "audit.html"):
        page = (out / name).read_text()
        assert "nil-audit" in page and "--window 16" in page and "AOFE-ratio" in page


def test_what_is_asked_for_beside_an_audit_is_answered_in_a_sentence_each(
    run_here: Here, model: Path, probe: Path, tmp_path: Path
) -> None:
    asked = ("--profile", "--ansatz", "--probe-output", "--sensitivity")
    small = (*SMALL[:4], "--tokens", "1040", *SMALL[6:])
    done = run_here(model, "--probe", probe, *small, *asked, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    said = " ".join(done.stdout.split())
    for words in (
        "From the embedding (block 0)",
        "The gradients of its last logits",
        "Neural Feature Ansatz",
        "that is said of it changes",
        "Random basis, Hadamard:",
    ):
        assert words in said, words
    assert "gradients at 6 places inside it take" in done.stderr
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"audit.csv", "profile.csv", "ansatz.csv", "audit.html", "audit.md", "records"} <= names

    again = run_here(model, "--probe", probe, *small, *asked, "--json")
    (record,) = json.loads(again.stdout)["records"]
    (kept,) = (json.loads(file.read_text()) for file in (tmp_path / "out" / "records").iterdir())
    for section in ("profile", "ansatz", "output", "sensitivity"):
        assert record[section] == kept[section] and record[section], section


def test_an_audit_is_shown_where_what_was_asked_for_beside_it_fails(run_here: Here, model: Path, probe: Path) -> None:
    done = run_here(model, "--probe", probe, *SMALL, "--probe-output", "--json")
    assert done.returncode == 1
    assert "The output AGOP needs 16 windows of 63 tokens" in " ".join(done.stderr.split())
    document = json.loads(done.stdout)
    assert len(document["records"]) == len(document["failed"]) == 1
    assert document["records"][0]["interaction"] and document["records"][0]["output"] is None


@pytest.mark.parametrize("option", ["--profile", "--ansatz", "--probe-output", "--sensitivity"])
def test_what_needs_weights_is_refused_beside_shapes_alone(run_here: Here, model: Path, option: str) -> None:
    done = run_here(model, "--shape-only", option)
    assert done.returncode == 2 and done.stdout == ""
    assert option in done.stderr and "--shape-only reads no weights" in " ".join(done.stderr.split())


def test_json_is_one_document_and_nothing_else(run_here: Here, model: Path, probe: Path) -> None:
    from nil_audit.auditing.record import recompute, record_from

    done = run_here(model, "--probe", probe, *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    record = record_from(document["records"][0])
    assert record.to_dict() == document["records"][0]
    again = recompute(record)
    for kind in ("plugin", "unbiased"):
        for name, kept in record.interaction["estimates"][kind].items():
            assert again[kind][name].value == pytest.approx(kept["value"], rel=1e-12)
            assert again[kind][name].se == pytest.approx(kept["se"], rel=1e-9)
    assert again["loss"]["loss_per_byte"].value == pytest.approx(record.interaction["loss"]["loss_per_byte"]["value"])


def test_precision_prefix_and_context_are_what_is_measured(run_here: Here, model: Path, probe: Path) -> None:
    def interaction(*options: str) -> dict[str, Any]:
        asked = ("--probe", probe, "--window", "16", "--tokens", "1920", "--json")
        done = run_here(model, *asked, *options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["records"][0]["interaction"]

    whole = interaction("--precision", "0", "--context", "3")
    assert (whole["ended_by"], whole["windows"], whole["tokens"]) == ("tokens", 120, 120 * 13)
    assert whole["asked"] == {"tokens": 1920, "precision": 0, "prefix": True}
    rough = interaction("--precision", "3", "--context", "3")
    assert (rough["ended_by"], rough["windows"]) == ("precision", whole["rounds"][0]["windows"])
    bare = interaction("--precision", "0", "--context", "0", "--no-prefix")
    assert (whole["prefix"] is not None, bare["prefix"]) == (True, None)
    assert (bare["context"], bare["tokens"]) == (0, 1920)


def test_kept_record_is_used_again_until_something_that_matters_changes(
    model: Path, probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nil_audit

    monkeypatch.setenv("NIL_AUDIT_CACHE", str(tmp_path / "cache"))

    def seconds(**settings: object) -> float:
        options = {"probe": str(probe), "window": 16, "context": 4, "tokens": 512, "precision": 0.0, **settings}
        record = nil_audit.audit(str(copy), **options)
        assert record.interaction is not None
        return record.interaction["cost"]["seconds"]

    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    first = seconds()
    assert seconds() == first
    assert seconds(window=8) != first
    assert seconds(tokens=400) != first
    assert seconds(dtype="float64") != first
    assert seconds(precision=0.01) != first
    assert seconds(prefix=False) != first
    assert seconds(context=3) != first
    assert seconds() == first
    assert seconds(fresh=True) != first
    second = seconds()
    weights = load_file(copy / "model.safetensors")
    weights["model.norm.weight"] *= 1.5
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert seconds() != second


def test_damaged_kept_record_is_measured_again(run_here: Here, model: Path, probe: Path, tmp_path: Path) -> None:
    assert run_here(model, "--probe", probe, *SMALL).returncode == 0
    (kept,) = (tmp_path / "cache" / "records").iterdir()
    kept.write_text('{"schema": 3, "model"')
    done = run_here(model, "--probe", probe, *SMALL)
    assert done.returncode == 0, done.stderr
    json.loads(kept.read_text())


def test_shape_only_reads_no_weights(run_here: Here, model: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(model / "config.json", bare)
    done = run_here(bare, "--shape-only")
    assert done.returncode == 0, done.stderr
    assert "2 x 24" in done.stdout
    assert "Typical efficiency" not in done.stdout
    # held against another study, which is no matter of weights
    assert "the law's interval" in done.stdout
    other = run_here(bare, "--shape-only", "--interval", "morph", "--json")
    said = json.loads(other.stdout)["records"][0]["verdict"]
    assert (said["interval"], said["pool"]) == ("morph", "pooled")
    assert "morph's interval" in run_here(bare, "--shape-only", "--interval", "morph").stdout
    refused = run_here(bare, "--shape-only", "--interval", "none.json")
    assert refused.returncode != 0 and "There is no study or file 'none.json'" in refused.stderr


def broken(model: Path, folder: Path) -> dict[str, tuple[Path, str]]:
    """Checkpoints that cannot be audited, each with words that its one sentence must hold."""

    def variant(name: str) -> Path:
        shutil.copytree(model, folder / name)
        return folder / name

    def config(name: str, **changes: object) -> Path:
        copy = variant(name)
        values = json.loads((copy / "config.json").read_text())
        values |= changes
        (copy / "config.json").write_text(json.dumps({k: v for k, v in values.items() if v != "delete"}))
        return copy

    cases = {
        "no depth": (config("no-depth", num_hidden_layers="delete"), "num_hidden_layers"),
        "zero depth": (config("zero-depth", num_hidden_layers=0), "num_hidden_layers"),
        "negative width": (config("negative-width", hidden_size=-24), "hidden_size"),
        "absurd width": (config("absurd-width", hidden_size=10**9), "hidden_size"),
        "half a layer": (config("half-layer", num_hidden_layers=2.5), "num_hidden_layers"),
    }
    copy = variant("no-config")
    (copy / "config.json").unlink()
    cases["no config"] = (copy, "config.json")
    copy = variant("not-json")
    (copy / "config.json").write_text("{depth: 2")
    cases["not json"] = (copy, "JSON")

    copy = variant("truncated")
    data = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(data[: len(data) // 2])
    cases["truncated"] = (copy, "damaged or cut short")
    weights = load_file(model / "model.safetensors")
    copy = variant("missing-tensor")
    part = {key: value for key, value in weights.items() if "layers.1.mlp.up_proj" not in key}
    save_file(part, copy / "model.safetensors", metadata={"format": "pt"})
    cases["missing tensor"] = (copy, "layers.1.mlp.up_proj")
    copy = variant("wrong-size")
    wrong = {key: value[:3].contiguous() if "up_proj" in key else value for key, value in weights.items()}
    save_file(wrong, copy / "model.safetensors", metadata={"format": "pt"})
    cases["wrong size"] = (copy, "other sizes")
    copy = variant("nan")
    bad = {key: value.clone() for key, value in weights.items()}
    bad["model.layers.0.mlp.down_proj.weight"][0, 0] = float("nan")
    save_file(bad, copy / "model.safetensors", metadata={"format": "pt"})
    cases["nan"] = (copy, "NaN or infinity in model.layers.0.mlp.down_proj.weight")
    copy = variant("zeros")
    save_file(
        {k: torch.zeros_like(v) for k, v in weights.items()}, copy / "model.safetensors", metadata={"format": "pt"}
    )
    cases["zeros"] = (copy, "are zero")
    copy = variant("pickled")
    (copy / "model.safetensors").unlink()
    torch.save(weights, copy / "pytorch_model.bin")
    cases["pickled"] = (copy, "--allow-pickle")
    copy = variant("no-weights")
    (copy / "model.safetensors").unlink()
    cases["no weights"] = (copy, "no weights")

    copy = variant("no-tokenizer")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (copy / name).unlink()
    cases["no tokenizer"] = (copy, "no tokenizer")
    copy = variant("bad-tokenizer")
    (copy / "tokenizer.json").write_text("{}")
    cases["damaged tokenizer"] = (copy, "tokenizer")
    copy = config("small-vocabulary", vocab_size=60)
    small = {key: value[:60].contiguous() if len(value) == 256 else value for key, value in weights.items()}
    save_file(small, copy / "model.safetensors", metadata={"format": "pt"})
    cases["tokenizer too large"] = (copy, "do not belong together")
    return cases


def test_every_broken_checkpoint_gets_one_sentence_and_the_good_one_is_still_reported(
    run_here: Here, model: Path, probe: Path, tmp_path: Path
) -> None:
    cases = broken(model, tmp_path)
    folders = [str(folder) for folder, _ in cases.values()]
    done = run_here(*folders, model, "--probe", probe, *SMALL, "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert [Path(record["model"]["name"]).name for record in document["records"]] == ["tiny-llama"]
    assert "Traceback" not in done.stderr
    said = {failure["model"]: failure["error"] for failure in document["failed"]}
    assert list(said) == folders
    for name, (folder, words) in cases.items():
        sentence = said[str(folder)]
        assert words in sentence, (name, sentence)
        assert "\n" not in sentence, name
        assert f"Error: {sentence}" in done.stderr, name
    assert f"{len(cases)} of {len(cases) + 1} models failed" in done.stderr


def test_pickled_weights_load_where_they_are_allowed(run_here: Here, model: Path, probe: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "pickled")
    weights = load_file(tmp_path / "pickled" / "model.safetensors")
    (tmp_path / "pickled" / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pickled" / "pytorch_model.bin")
    done = run_here(tmp_path / "pickled", "--probe", probe, *SMALL, "--allow-pickle")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no text"),
        (b"too short", "windows of 16 need"),
        (b"\xff\xfe\x00binary", "not UTF-8"),
        (b"nul\x00bytes " * 200, "binary"),
        (None, "no probe file"),
    ],
)
def test_bad_probe_files(model: Path, tmp_path: Path, content: bytes | None, words: str) -> None:
    from nil_audit.errors import ProbeError
    from nil_audit.interaction.probe import load_probe, make_windows

    file = tmp_path / "probe.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ProbeError, match=words):
        make_windows(load_probe(str(file)), byte_tokenizer(), tokens=512, window=16, context=4)


def test_bad_probe_ends_the_command_with_one_sentence(run_here: Here, model: Path, tmp_path: Path) -> None:
    done = run_here(model, "--probe", tmp_path / "nowhere.txt")
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"Error: .*There is no probe file .*--probe builtin .*\n", done.stderr)


def test_unreachable_data_set_names_the_alternatives_and_nothing_takes_its_place(run_here: Here, model: Path) -> None:
    done = run_here(model)
    assert done.returncode == 1
    assert "The probe wikitext cannot be reached" in done.stderr
    assert "--probe builtin" in done.stderr
    assert done.stdout == ""


def test_a_window_longer_than_one_models_context_fails_that_model_alone(run_here: Here, model: Path) -> None:
    done = run_here(model, "--window", "4096", "--probe", "builtin")
    assert (done.returncode, done.stdout) == (1, "")
    assert "context of 64" in done.stderr


def test_what_one_model_lacks_never_ends_the_run_for_all(
    run_here: Here, model: Path, probe: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("This file is no checkpoint.")
    short = answering_checkpoint(tmp_path / "short", context=8)
    lone = tmp_path / "shape.json"
    shutil.copy(model / "config.json", lone)
    asked = (short, notes, lone, model)
    done = run_here(*asked, "--probe", probe, *SMALL, "--json")
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert [record["model"]["name"] for record in document["records"]] == [str(model)]
    said = {one["model"]: one["error"] for one in document["failed"]}
    assert list(said) == [str(name) for name in asked[:3]]
    assert all(name in sentence and f"Error: {sentence}" in done.stderr for name, sentence in said.items())
    assert "context of 8" in said[str(short)]


def test_an_audit_is_kept_and_shown_where_mmlu_pro_fails(
    run_here: Here, probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_mmlu(tmp_path / "data", *mmlu_rows())
    bad, good = (answering_checkpoint(tmp_path / name, context=256) for name in ("bad", "good"))
    shutil.rmtree(bad)
    answering_checkpoint(bad, context=17)  # a document start and one window
    asked = (bad, good, "--probe", probe, *SMALL, "--mmlu-pro", "--data", data, "--questions", "14")
    done = run_here(*asked, "--out", tmp_path / "out")
    assert done.returncode == 1, done.stderr
    assert re.search(r"Error: .*bad.* shorter than one question", done.stderr.replace("\n", " "))
    assert "1 of 2 models failed." in done.stderr
    rows = (tmp_path / "out" / "audit.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["model", "bad", "good"]
    records = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "out" / "records").iterdir()}
    assert records["bad"]["interaction"] and records["bad"]["scores"] == []
    (score,) = records["good"]["scores"]
    assert score["protocol"] == "leaderboard"
    document = json.loads(run_here(*asked, "--json").stdout)
    assert [record["model"]["name"] for record in document["records"]] == [str(bad), str(good)]
    assert [one["model"] for one in document["failed"]] == [str(bad)]


def test_a_defect_in_mmlu_pro_leaves_the_audit_too(
    run_here: Here, model: Path, probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nil_audit.auditing import audit

    def fail(*_arguments: object, **_options: object) -> None:
        raise IndexError("list index out of range")

    data = write_mmlu(tmp_path / "data", *mmlu_rows())
    monkeypatch.setattr(audit, "score_subject", fail)
    done = run_here(model, "--probe", probe, *SMALL, "--mmlu-pro", "--data", data)
    assert done.returncode == 1
    assert "tiny-llama" in done.stdout and "Typical efficiency" in done.stdout
    assert "IndexError" in done.stderr and "--debug" in done.stderr and "Traceback" not in done.stderr


def test_wrong_options_are_exit_code_2(run_here: Here, model: Path, tmp_path: Path) -> None:
    wall = tmp_path / "wall"
    wall.write_text("a file, not a folder")
    for arguments, words in (
        (("--dtype", "int3"), "int3"),
        (("--out", str(wall / "folder")), "Cannot write to"),
        (("--device", "toaster", "--probe", "builtin", *SMALL), "toaster"),
        (("--mmlu-pro", "--shape-only"), "--shape-only reads no weights"),
        (("--window", "0"), "greater than or equal to 1"),
        (("--no-such-option",), "No such option"),
    ):
        done = run_here(model, *arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert words in done.stderr, arguments
        assert done.stdout == ""
        assert "Traceback" not in done.stderr


def test_interrupt_ends_at_once_and_leaves_nothing_half_written(forks: Forks, model: Path, tmp_path: Path) -> None:
    text = tmp_path / "long.txt"
    text.write_text(english(400_000))
    out, cache = tmp_path / "out", tmp_path / "cache"
    command = (model, "--probe", text, "--window", "17", "--tokens", "400000", "--precision", "0", "--batch-size", "1")
    running = forks.start([*map(str, command), "--out", str(out)], tmp_path, NIL_AUDIT_CACHE=str(cache))
    while not running.stderr:  # of its 23,000 windows, one by one, the first is done
        assert not running.has_ended()
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGINT)
    assert running.wait() == 130, running.stderr
    assert "at most 399,9" in running.stderr and running.stdout == ""
    assert "Interrupted" in running.stderr and "Traceback" not in running.stderr
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    assert [path for path in out.rglob("*") if path.is_file()] == []

"""``nil-audit candidate`` as a user runs it."""

import json
import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import AutoConfig

from nil_audit.budget.template import config_from_flags
from nil_audit.shape.architecture import shape_from_config
from tests.conftest import ROOT

Here = Callable[..., Any]
SMALL = ("--type", "llama", "--depth", "6", "--width", "256", "--heads", "4", "--kv-heads", "2", "--mlp", "704")
SMALL = (*SMALL, "--vocab", "4096", "--tied")


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A config.json of a shape that is too shallow and wide, of which an alternative is better."""
    config = config_from_flags(
        "qwen2", depth=8, width=1024, heads=16, kv_heads=4, mlp_width=2816, vocab_size=8192, tied=True
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def test_prints_the_answer_and_one_table_and_the_rest_behind_details(run_here: Here, wide: Path) -> None:
    done = run_here("candidate", wide)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 30 and max(map(len, lines)) <= 80
    # no cell is folded: every shape is one line, the candidate's and at most seven others
    table = lines[next(place for place, line in enumerate(lines) if line.startswith("L x d")) :]
    rows = [line for line in table if re.match(r"\d+ x \d+ ", line)]
    assert 2 < len(rows) <= 8
    assert all("%" in row for row in rows)
    assert rows[0].startswith("8 x 1024 *")
    for words in (
        "Consider 14 x 768 instead of",
        "which excludes zero",
        "is expected to lower the loss by",
        "blocks in sequence",
        "key-value cache",
    ):
        assert words in " ".join(done.stdout.split()), words
    full = run_here("candidate", wide, "--details").stdout
    *lines, command = full.splitlines()
    assert max(map(len, lines)) <= 80 and command.startswith("nil-audit candidate ")
    for words in (
        "Each study alone",
        "Other published laws",
        "They disagree:",
        "Nearest real models",
        "20 a parameter",
    ):
        assert words in full and words not in done.stdout, words


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("mlc_smollm_135m", "Consider 24 x 640 instead of"),
        ("mlc_llama3_2_1b", "Consider 22 x 1728 instead of"),
        ("mlc_qwen2_0_5b", "Keep "),
    ],
)
def test_real_models_get_an_answer_that_fits_a_screen(run_here: Here, shared: Path, name: str, first: str) -> None:
    done = run_here("candidate", shared / "data/configs" / name)
    assert done.returncode == 0
    assert done.stdout.startswith(first)
    lines = done.stdout.splitlines()
    assert len(lines) <= 30 and max(map(len, lines)) <= 80


def test_quiet_prints_the_sentences_of_the_answer_alone(run_here: Here, wide: Path) -> None:
    done = run_here("candidate", wide, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    sentences = re.split(r"(?<=\.)\s+(?=[A-Z0-9])", done.stdout.strip())
    assert len(sentences) == 3
    assert run_here("candidate", wide).stdout.startswith(done.stdout.strip())


@pytest.mark.usefixtures("whole_figures")
def test_writes_a_report_and_a_config_that_transformers_loads_with_the_exact_count(
    run_here: Here, wide: Path, tmp_path: Path
) -> None:
    folder, best_folder, report = tmp_path / "my configs (new)", tmp_path / "best", tmp_path / "report"
    folder.mkdir()
    wide.rename(folder / "config.json")
    done = run_here("candidate", folder, "--json", "--write", best_folder, "--out", report)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["kind"], document["schema"]) == ("candidate", 3)
    best = document["options"][document["recommendation"]["best"]]
    written = json.loads((best_folder / "config.json").read_text(encoding="utf-8"))
    assert written == best["config"]
    loaded = AutoConfig.from_pretrained(best_folder)
    assert (loaded.num_hidden_layers, loaded.hidden_size) == (best["shape"]["depth"], best["shape"]["width"])
    parameters = shape_from_config(written).parameters
    assert parameters is not None
    assert parameters.total == best["shape"]["parameters"]["total"]
    assert {path.name for path in report.iterdir()} == {"candidate.html", "candidate.md", "candidate.json", "plots"}
    # the command is printed so that a shell takes it again
    again = json.loads((report / "candidate.json").read_text(encoding="utf-8"))["command"]
    flags = ["--json", "--write", str(best_folder), "--out", str(report)]
    assert shlex.split(again) == ["nil-audit", "candidate", str(folder), *flags]
    assert again in (report / "candidate.md").read_text(encoding="utf-8")
    refused = run_here("candidate", folder, "--write", folder)
    assert f"--write '{folder}' would replace" in refused.stderr


def test_never_replaces_the_config_that_it_checks(run_here: Here, wide: Path) -> None:
    before = wide.read_bytes()
    for source in (wide, wide.parent):
        done = run_here("candidate", source, "--write", wide.parent)
        assert done.returncode == 2
        assert "would replace the candidate's own config.json" in done.stderr
    assert wide.read_bytes() == before


def test_a_type_that_needs_remote_code_gets_a_verdict_and_a_report(run_here: Here, tmp_path: Path) -> None:
    raw = {"model_type": "own", "n_layer": 32, "n_embd": 2560, "n_head": 32, "vocab_size": 51200}
    raw["architectures"] = ["OwnForCausalLM"]  # type: ignore[assignment]
    (tmp_path / "config.json").write_text(json.dumps(raw), encoding="utf-8")
    done = run_here("candidate", tmp_path, "--out", tmp_path / "report")
    assert done.returncode == 0
    assert "the parameters of this type cannot be counted" in " ".join(done.stdout.split())
    assert (tmp_path / "report" / "candidate.html").is_file()


def test_flags_give_the_shape_and_fail_outside_gives_the_exit_code(run_here: Here) -> None:
    shape = ("--type", "llama", "--heads", "4", "--mlp", "704", "--vocab", "4096")
    for depth, width in (("100", "256"), ("3", "1024")):  # either side
        far = run_here("candidate", *shape, "--depth", depth, "--width", width, "--fail-outside")
        assert far.returncode == 1
        assert f"llama {depth} x {width}" in far.stdout and "outside:" in far.stdout
        assert far.stderr == "The verdict is outside, and --fail-outside asks for exit code 1.\n"
    deep = (*shape, "--depth", "100", "--width", "256")
    assert run_here("candidate", *deep, "--quiet").returncode == 0
    assert run_here("candidate", *shape, "--depth", "10", "--width", "256", "--fail-outside").returncode == 0


def test_the_largest_regret_gives_the_exit_code(run_here: Here) -> None:
    regret = json.loads(run_here("candidate", *SMALL, "--json").stdout)["verdict"]["regret"]["expected"]
    assert 0.0005 < regret < 0.01
    for limit, code in (("1%", 0), ("0.01", 0), (f"{regret * 101}%", 0), (f"{regret * 99}%", 1), (".0005", 1)):
        assert run_here("candidate", *SMALL, "--max-regret", limit, "--quiet").returncode == code, limit
    done = run_here("candidate", *SMALL, "--max-regret", "0.05%", "--fail-outside")
    assert done.returncode == 1
    assert done.stderr == "The expected regret is above 0.05%, and --max-regret asks for exit code 1.\n"


def test_devices_are_named_one_by_one_or_in_a_list(run_here: Here, wide: Path) -> None:
    apart = run_here("candidate", wide, "--device", "l4", "--device", "H200", "--json")
    assert apart.returncode == 0
    found = json.loads(apart.stdout)
    for option in (found["itself"], *found["options"]):
        assert [time["device"] for time in option["serving"]] == ["l4", "h200"]
        assert option["measured"] is None
    listed = run_here("candidate", wide, "--device", "l4,h200,l4")
    assert "l4, ms" in listed.stdout and "predicted for l4" in " ".join(listed.stdout.split())


def test_times_on_this_machine_stand_beside_the_predicted(run_here: Here) -> None:
    shape = ("--type", "llama", "--depth", "4", "--width", "128", "--heads", "4", "--mlp", "256", "--vocab", "512")
    done = run_here("candidate", *shape, "--context", "16", "--measure", "--tokens", "1B")
    assert done.returncode == 0, done.stderr
    assert "measured on this machine" in done.stdout.replace("\n", " ").replace("  ", " ")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_it_is_held_against_the_study_or_file_that_is_named(run_here: Here) -> None:
    found = {
        name: json.loads(run_here("candidate", *SMALL, "--interval", name, "--json").stdout)
        for name in ("law", "gemstones", "pooled")
    }
    assert [found[name]["reference"]["study"] for name in found] == ["law", "gemstones", "law"]
    assert found["law"]["verdict"] == found["pooled"]["verdict"]
    assert found["law"]["verdict"]["regret"] == found["gemstones"]["verdict"]["regret"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((), 2, "Name a config.json"),
        (("--type", "llama"), 2, "also needs --depth, --width, --heads, --vocab"),
        (("config.json", "--depth", "3"), 2, "not both"),
        ((*SMALL, "--heads", "7"), 2, "7 heads do not divide the width of 256"),
        ((*SMALL, "--kv-heads", "3"), 2, "3 key-value heads do not divide 4 heads"),
        ((*SMALL, "--type", "lama"), 2, "no model type 'lama'"),
        ((*SMALL, "--type", "mixtral"), 1, "mixture of experts"),
        ((*SMALL, "--tokens", "-5"), 2, "must be above zero"),
        ((*SMALL, "--tolerance", "3"), 2, "--tolerance 3 is 3 of the whole, but must be above 0 and at most 0.5; 0.01"),
        ((*SMALL, "--match", "layers"), 2, "choose body, total, flops"),
        ((*SMALL, "--out", "/dev/null/x"), 2, "name a folder that can be written to"),
        ((*SMALL, "--tokens", "2x"), 2, "--tokens '2x' is not a number; write it as 131072, 131k"),
        ((*SMALL, "--context", "0"), 2, "The context is 0"),
        (("",), 2, "What follows 'candidate' is empty"),
        (("a/config.json,b/config.json",), 2, "apart by spaces, not by commas; write a/config.json b/config.json."),
        (("one", "two", "--write", "best"), 2, "--write takes the best alternative of one config, and 2 are given"),
        (("one", "two", "--depth", "3"), 2, "not both"),
        (("one", "two", "--tolerance", "60%"), 2, "--tolerance 60% is 0.6 of the whole"),
        ((*SMALL, "--max-regret", "much"), 2, "--max-regret 'much' is not a share; write it as 1% or 0.01."),
        ((*SMALL, "--max-regret", "1"), 2, "--max-regret 1 is 1 of the whole, but must be above 0 and at most 0.5"),
        ((*SMALL, "--device", "l4,h900"), 2, "no figures of an accelerator 'h900'; choose h200, h100"),
        ((*SMALL, "--interval", "hoffmann"), 1, "There is no study or file 'hoffmann'; give law, morph"),
        ((*SMALL, "--details", "--json"), 2, "--details shows more, so --json cannot go with it"),
        ((*SMALL, "--details", "--quiet"), 2, "--details shows more, so --quiet cannot go with it"),
        (("one", "two", "--measure"), 2, "--measure times the shapes of one config, and 2 are given"),
        (("no/such/config.json",), 1, "neither an existing folder or file nor a Hub id"),
    ],
)
def test_bad_input_is_one_sentence_and_the_right_exit_code(
    run_here: Here, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = run_here("candidate", *arguments)
    assert done.returncode == code
    assert done.stdout == ""
    assert sentence in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_a_budget_without_alternatives_cannot_be_written(run_here: Here, tmp_path: Path) -> None:
    shape = ("--type", "llama", "--depth", "1", "--width", "16", "--heads", "2", "--mlp", "32", "--vocab", "100")
    done = run_here("candidate", *shape)
    assert done.returncode == 0
    assert "No alternative:" in done.stdout
    refused = run_here("candidate", *shape, "--write", tmp_path / "best")
    assert refused.returncode == 2
    assert "no alternative of this budget to write" in refused.stderr
    assert not (tmp_path / "best" / "config.json").exists()


@pytest.fixture
def several(tmp_path: Path) -> dict[str, Path]:
    """Configs by their verdicts, and a file that is none."""
    found = {}
    for label, depth in (("inside", 10), ("outside", 100)):
        path = tmp_path / "configs" / label / "config.json"
        path.parent.mkdir(parents=True)
        config = config_from_flags("llama", depth=depth, width=256, heads=4, mlp_width=704, vocab_size=4096)
        path.write_text(json.dumps(config), encoding="utf-8")
        found[label] = path
    found["none"] = tmp_path / "configs" / "notes.json"
    found["none"].write_text("[]", encoding="utf-8")
    return found


def test_several_configs_are_rows_of_one_table_and_a_bad_one_fails_alone(
    run_here: Here, several: dict[str, Path], tmp_path: Path
) -> None:
    done = run_here("candidate", *several.values(), "--out", tmp_path / "report")
    assert done.returncode == 1
    assert done.stdout.startswith("2 configs: 1 inside, 1 outside.")
    assert "Outside: outside." in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    rows = [line.split() for line in done.stdout.splitlines() if " x 256" in line]
    assert [(row[0], row[2], row[5]) for row in rows] == [("inside", "10", "inside"), ("outside", "100", "outside")]
    assert str(several["none"]) in done.stderr
    document = json.loads((tmp_path / "report" / "candidate.json").read_text(encoding="utf-8"))
    assert [one["verdict"]["label"] for one in document["candidates"]] == ["inside", "outside"]
    assert [one["model"] for one in document["failed"]] == [str(several["none"])]


def test_several_configs_as_json_hold_what_each_alone_says(run_here: Here, several: dict[str, Path]) -> None:
    both = [str(several[label]) for label in ("inside", "outside")]
    found = json.loads(run_here("candidate", *both, "--json").stdout)
    assert found["failed"] == []
    for path, one in zip(both, found["candidates"], strict=True):
        assert one.pop("config") == path
        assert one == json.loads(run_here("candidate", path, "--json").stdout)


def test_several_configs_fail_where_one_is_outside_and_that_is_asked_for(
    run_here: Here, several: dict[str, Path]
) -> None:
    good, bad = several["inside"], several["outside"]
    assert run_here("candidate", good, bad, "--quiet").returncode == 0
    done = run_here("candidate", good, bad, "--fail-outside", "--quiet")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "2 configs: 1 inside, 1 outside.\nOutside: outside.\n"
    above = run_here("candidate", good, bad, "--max-regret", "1%")
    assert above.returncode == 1
    assert above.stderr == "Of 1 of 2 configs the expected regret is above 1%, and --max-regret asks for exit code 1.\n"
    assert run_here("candidate", good, good, "--max-regret", "1%").returncode == 0


def test_the_hook_of_pre_commit_is_a_command_that_works(run_here: Here, several: dict[str, Path]) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    program, *arguments = shlex.split(hook["entry"])
    assert program == "nil-audit"
    changed = [path for path in several.values() if re.search(hook["files"], path.as_posix())]
    assert changed == [several["inside"], several["outside"]]
    assert run_here(*arguments, *changed).returncode == 1
    assert run_here(*arguments, changed[0]).returncode == 0


def test_layers_and_tokens_as_people_write_them(run_here: Here) -> None:
    flags = ["--layers" if flag == "--depth" else flag for flag in SMALL]
    spelt = run_here("candidate", *flags, "--tokens", "2B", "--json")
    assert spelt.returncode == 0, spelt.stderr
    assert spelt.stdout == run_here("candidate", *SMALL, "--tokens", "2e9", "--json").stdout


def test_a_7b_config_takes_seconds_and_json_is_one_document(run_here: Here, tmp_path: Path) -> None:
    config = config_from_flags("llama", depth=32, width=4096, heads=32, kv_heads=8, mlp_width=14336, vocab_size=128256)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    begun = time.process_time()  # other tests run beside this one
    done = run_here("candidate", tmp_path, "--json", "--tokens", "3e11", "--match", "total", "--quiet")
    assert time.process_time() - begun < 10
    assert done.returncode == 0
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert document["shape"]["parameters"]["total"] == 8_030_261_248
    assert document["itself"]["cost"]["tokens"] == 3e11
    assert document["match"] == "total"

"""``nil-audit candidate`` as a user runs it."""

import json
import re
import resource
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import AutoConfig

from nil_audit.budget.template import config_from_flags
from nil_audit.shape.architecture import shape_from_config
from tests.conftest import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]
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


def test_prints_the_answer_and_every_section_within_80_columns(run_command: Run, wide: Path) -> None:
    done = run_command("candidate", wide)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in (
        "disputed",
        "Change it:",
        "Predicted excess loss against the best shape",
        "Alternatives: body parameters within 2%",
        "Other published laws",
        "They disagree:",
        "Nearest real models",
        "20 a parameter",
        "in sequence",
    ):
        assert words in done.stdout, words
    # no cell is folded: every row of the tables of alternatives is one line
    rows = [line for line in done.stdout.splitlines() if "disputed  " in line]
    assert rows and all(line.rstrip().endswith("%") for line in rows)


def test_writes_a_config_that_transformers_loads_with_the_exact_count(
    run_here: Here, wide: Path, tmp_path: Path
) -> None:
    done = run_here("candidate", wide, "--json", "--write", tmp_path / "best", "--out", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    best = next(option for option in json.loads(done.stdout)["options"] if option["recommended"])
    written = json.loads((tmp_path / "best" / "config.json").read_text(encoding="utf-8"))
    assert written == best["config"]
    loaded = AutoConfig.from_pretrained(tmp_path / "best")
    assert (loaded.num_hidden_layers, loaded.hidden_size) == (best["shape"]["depth"], best["shape"]["width"])
    parameters = shape_from_config(written).parameters
    assert parameters is not None
    assert parameters.total == best["shape"]["parameters"]["total"]
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "candidate.html",
        "candidate.md",
        "candidate.json",
        "plots",
    }
    assert json.loads((tmp_path / "report" / "candidate.json").read_text())["command"].startswith("nil-audit candidate")


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
    assert "No alternatives: this type's parameters cannot be counted." in done.stdout
    assert (tmp_path / "report" / "candidate.html").is_file()


def test_flags_give_the_shape_and_fail_outside_gives_the_exit_code(run_here: Here) -> None:
    shape = ("--type", "llama", "--width", "256", "--heads", "4", "--mlp", "704", "--vocab", "4096")
    deep = run_here("candidate", *shape, "--depth", "100", "--fail-outside")
    assert deep.returncode == 1
    assert "llama 100 x 256: outside" in deep.stdout
    assert "--fail-outside" in deep.stderr
    assert run_here("candidate", *shape, "--depth", "100", "--quiet").returncode == 0
    assert run_here("candidate", *shape, "--depth", "10", "--fail-outside").returncode == 0


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
        ((*SMALL, "--tolerance", "3"), 2, "between 0 and 0.5"),
        ((*SMALL, "--match", "layers"), 2, "choose body, total, flops"),
        ((*SMALL, "--out", "/dev/null/x"), 2, "name a folder that can be written to"),
        ((*SMALL, "--tokens", "2x"), 2, "--tokens '2x' is not a number; write it as 131072, 131k"),
        ((*SMALL, "--context", "0"), 2, "The context is 0"),
        (("",), 2, "What follows 'candidate' is empty"),
        (("a/config.json,b/config.json",), 2, "apart by spaces, not by commas; write a/config.json b/config.json."),
        (("one", "two", "--write", "best"), 2, "--write takes the best alternative of one config, and 2 are given"),
        (("one", "two", "--depth", "3"), 2, "not both"),
        (("one", "two", "--tolerance", "3"), 2, "between 0 and 0.5"),
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
    assert [(row[0], row[2], row[6]) for row in rows] == [("inside", "10", "inside"), ("outside", "100", "outside")]
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


def test_the_command_is_printed_so_that_a_shell_takes_it_again(run_here: Here, wide: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my configs (new)"
    folder.mkdir()
    wide.rename(folder / "config.json")
    done = run_here("candidate", folder, "--out", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    again = json.loads((tmp_path / "report" / "candidate.json").read_text(encoding="utf-8"))["command"]
    assert shlex.split(again) == ["nil-audit", "candidate", str(folder), "--out", str(tmp_path / "report")]
    assert again in (tmp_path / "report" / "candidate.md").read_text(encoding="utf-8")
    refused = run_here("candidate", folder, "--write", folder)
    assert f"--write '{folder}' would replace" in refused.stderr


def test_a_7b_config_takes_seconds_and_json_is_one_document(run_command: Run, tmp_path: Path) -> None:
    config = config_from_flags("llama", depth=32, width=4096, heads=32, kv_heads=8, mlp_width=14336, vocab_size=128256)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run_command("candidate", tmp_path, "--json", "--tokens", "3e11", "--match", "total", "--quiet")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert document["shape"]["parameters"]["total"] == 8_030_261_248
    assert document["cost"]["tokens"] == 3e11
    assert document["match"] == "total"
    # processor time, since other tests run beside this one: 4 to 5 s alone, nearly all of it imports
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 15

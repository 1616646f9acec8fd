"""Options: how they are spelt, which mean nothing together, devices, names that no model has, help, completion."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nil_audit.cli.options import check_count, check_dtype, check_precision, check_share
from nil_audit.cli.output import arriving
from nil_audit.errors import NilAuditError, UsageError

Here = Callable[..., Any]
HEAVY = ("torch", "transformers", "pandas", "scipy")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("131072", 131_072),
        ("131_072", 131_072),
        ("131,072", 131_072),
        ("131k", 131_000),
        ("1M", 1_000_000),
        ("0.5k", 500),
        (".5K", 500),
        ("2B", 2_000_000_000),
        ("2g", 2_000_000_000),
        ("1.5T", 1_500_000_000_000),
        ("3e11", 300_000_000_000),
        ("3E+11", 300_000_000_000),
        (" 7 ", 7),
    ],
)
def test_numbers_of_tokens(text: str, number: int) -> None:
    assert check_count(text) == number


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a number"),
        ("many", "is not a number"),
        ("1kk", "is not a number"),
        ("1e", "is not a number"),
        ("inf", "is not a number"),
        ("nan", "is not a number"),
        ("1.5.0", "is not a number"),
        ("0", "above zero"),
        ("-5", "above zero"),
        ("1.5", "not a whole number"),
        ("1e-3", "not a whole number"),
        ("1e18", "more than there can be"),
        ("1e999", "more than there can be"),
        ("9" * 5000, "more than there can be"),
    ],
)
def test_what_is_no_number_of_tokens(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_count(text)


@pytest.mark.parametrize(
    ("text", "share"), [("1%", 0.01), ("0.5 %", 0.005), (".02", 0.02), ("0.01", 0.01), ("50%", 0.5), (" 2% ", 0.02)]
)
def test_shares(text: str, share: float) -> None:
    assert check_share(text, "--within") == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a share"),
        ("much", "is not a share"),
        ("-1%", "is not a share"),
        ("1%%", "is not a share"),
        ("nan", "is not a share"),
        ("0", "0 of the whole"),
        ("1", "1 of the whole"),
        ("51%", "0.51 of the whole"),
    ],
)
def test_what_is_no_share(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=f"--within .*{words}"):
        check_share(text, "--within")


def test_types_have_the_names_that_people_use() -> None:
    names = ("bf16", "BF16", "fp16", "half", "fp32", "float", "fp64", "float64")
    types = ["bfloat16", "bfloat16", "float16", "float16", "float32", "float32", "float64", "float64"]
    assert [check_dtype(name) for name in names] == types
    with pytest.raises(UsageError, match="There is no dtype 'int8'; use float32, bfloat16, float16, float64"):
        check_dtype("int8")


TOGETHER = [
    (("m", "--questions", "20"), "--questions does nothing without --mmlu-pro"),
    (("m", "--protocol", "mc", "--data", "d"), "--protocol and --data do nothing without --mmlu-pro"),
    (("m", "--data-revision", "main"), "--data-revision does nothing without --mmlu-pro"),
    (("m", "--mmlu-pro", "--data", "d", "--data-revision", "r"), "--data reads a folder, so --data-revision cannot"),
    (("m", "--mmlu-pro", "--questions", "13"), "ask for 14 or more"),
    *(
        (("m", "--shape-only", *option), f"--shape-only reads no weights, so {option[0]} cannot go with it")
        for option in (
            ("--tokens", "131072"),
            ("--window", "512"),
            ("--probe", "wikitext"),
            ("--dtype", "float32"),
            ("--device", "auto"),
            ("--batch-size", "1"),
            ("--precision", "0.05"),
            ("--context", "16"),
            ("--no-prefix",),
            ("--fresh",),
            ("--allow-pickle",),
            ("--details",),
            ("--mmlu-pro",),
        )
    ),
    (("m", "--details", "--json"), "--details shows more, so --json cannot go with it"),
    (("m", "--details", "--quiet"), "--details shows more, so --quiet cannot go with it"),
]


@pytest.mark.parametrize(("arguments", "sentence"), TOGETHER)
def test_options_that_mean_nothing_together(arguments: tuple[str, ...], sentence: str, run_here: Here) -> None:
    done = run_here(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ") and sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("Qwen/A,Qwen/B",), "apart by spaces, not by commas; write Qwen/A Qwen/B."),
        (("Qwen/A, Qwen/B",), "apart by spaces, not by commas; write Qwen/A Qwen/B."),
        (("",), "What follows 'nil-audit' is empty"),
        (("m", "--out", ""), "What follows '--out' is empty"),
        (("m", "--out="), "What follows '--out' is empty"),
        (("--quiet", "compare", "x"), "'compare' is a command, and comes first: nil-audit compare"),
        (("help",), "did you mean 'nil-audit --help'?"),
        (("Candidat", "config.json"), "did you mean 'nil-audit candidate'?"),
        (("m", "--tokens", "many"), "--tokens 'many' is not a number"),
        (("m", "--dtype", "int8"), "There is no dtype 'int8'"),
        (("m", "--precision", "-0.1"), "--precision is -0.1, but is a standard error in nats; give one such as 0.05"),
        (("m", "--precision", "nan"), "--precision is nan, but is a standard error in nats"),
        (("m", "--precision", "inf"), "--precision is inf, but is a standard error in nats"),
        (("m", "--window", "16", "--context", "16"), "--context 16 leaves nothing of a window of 16 to count"),
        (("m", "--window", "8"), "--context 16 leaves nothing of a window of 8 to count; give a smaller one"),
    ],
)
def test_names_that_no_model_has_and_words_that_are_none(
    arguments: tuple[str, ...], sentence: str, run_here: Here
) -> None:
    done = run_here(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_name_that_no_path_can_have_is_looked_for_on_the_hub(run_here: Here) -> None:
    done = run_here("x" * 5000, "--shape-only")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ") and "Traceback" not in done.stderr


def test_a_list_that_is_not_there_is_told_from_those_that_ship(run_here: Here) -> None:
    done = run_here("model_lists/nothing.csv")
    assert done.stdout == ""
    assert done.returncode == 1
    assert "There is no model list model_lists/nothing.csv" in done.stderr and "small_dense_llms" in done.stderr


def test_a_list_that_ships_is_found_from_any_folder(run_here: Here) -> None:
    done = run_here("model_lists/smollm.csv", "--shape-only", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["records"]) > 1


@pytest.mark.parametrize("command", ["audit", "score"])
@pytest.mark.parametrize("device", ["cuda", "cuda:9", "xpu", "mps", "meta", "tpu", "cuda:", "CPU:0"])
def test_a_device_that_is_not_there_is_refused_before_a_model_is_looked_for(
    command: str, device: str, run_here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    done = run_here(command, "no/such-model", "--device", device)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"There is no device {device!r} here" in done.stderr and "finds cpu; use it" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_devices_that_are_there_are_taken_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from nil_audit.cli.options import check_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device in ("auto", "cpu", "cuda", "cuda:0", "cuda:1"):
        check_device(device)
    with pytest.raises(UsageError, match=r"no device 'cuda:2' here: .* finds cpu, cuda:0, cuda:1; use one of these"):
        check_device("cuda:2")


def test_a_kept_record_does_not_make_a_device_exist(run_here: Here, tmp_path: Path) -> None:
    from tests.tiny import checkpoint_folder, english

    model = checkpoint_folder(tmp_path / "model")
    (tmp_path / "probe.txt").write_text(english(2000))
    arguments = (
        model,
        "--probe",
        tmp_path / "probe.txt",
        "--window",
        "16",
        "--context",
        "4",
        "--tokens",
        "512",
        "--quiet",
    )
    assert run_here(*arguments).returncode == 0
    assert run_here(*arguments, "--device", "cpu").returncode == 0
    assert run_here(*arguments, "--device", "tpu").returncode == 2


@pytest.mark.parametrize("command", [(), ("audit",), ("score",), ("compare",), ("show",), ("candidate",), ("demo",)])
def test_help_is_short_for_h_and_fits_80_columns(command: tuple[str, ...], run_here: Here) -> None:
    short, long = run_here(*command, "-h"), run_here(*command, "--help")
    assert (short.returncode, short.stdout) == (0, long.stdout)
    assert max(map(len, short.stdout.splitlines())) <= 80
    assert "…" not in short.stdout


def test_help_is_grouped_and_begins_with_examples(run_here: Here) -> None:
    top = run_here("--help").stdout
    assert [line.strip() for line in top.splitlines() if line.strip().startswith("nil-audit ")] == [
        "nil-audit demo",
        "nil-audit Qwen/Qwen2.5-0.5B --probe builtin",
        "nil-audit candidate config.json",
    ]
    for command, panels in (
        ("audit", ("What is measured", "MMLU-Pro", "Loading", "Results")),
        ("score", ("MMLU-Pro", "What is measured", "Loading", "Results")),
        ("candidate", ("Shape from flags", "Budget and alternatives", "Results")),
    ):
        shown = run_here(command, "--help").stdout
        for panel in panels:
            assert f"─ {panel} ─" in shown, (command, panel)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("nil-audit cand", ["candidate"]),
        ("nil-audit candidate --lay", ["--layers"]),
        ("nil-audit Qwen/Qwen2.5-0.5B --dty", ["--dtype"]),
        ("nil-audit audit some-model --dtype b", ["bfloat16"]),
        ("nil-audit compar --pr", []),
    ],
)
def test_the_shell_completes_without_loading_anything_heavy(words: str, found: list[str]) -> None:
    code = (
        "import sys; sys.argv = ['nil-audit']\n"
        "from nil_audit.cli.app import main\n"
        "try: main()\n"
        f"finally: sys.stderr.write(repr([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    position = str(len(words.split()) - 1)
    environment = os.environ | {"_NIL_AUDIT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": position}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.stdout.split(), done.stderr) == (found, "[]")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_shown_and_installed(
    shell: str, run_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    environment = os.environ | {"HOME": str(tmp_path)}
    for option in ("--show-completion", "--install-completion"):
        done = subprocess.run(
            [sys.executable, "-m", "nil_audit", option, shell], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
    assert any("_NIL_AUDIT_COMPLETE" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_an_argument_that_is_not_utf_8_is_an_error_in_words() -> None:
    wrong = b"no-\xff\x1b[31mmodel"
    for arguments in ([wrong], [b"demo", b"--out", b"/dev/null/" + wrong], [b"m", b"--tokens", wrong], [b"--" + wrong]):
        done = subprocess.run(
            [sys.executable.encode(), b"-m", b"nil_audit", *arguments], capture_output=True, env=os.environ
        )
        assert done.returncode in (1, 2), done.stderr
        assert b"Traceback" not in done.stderr and b"\x1b" not in done.stderr
        assert b"model" in done.stderr


def test_what_is_said_of_a_wrong_command_commands_no_terminal(run_here: Here) -> None:
    hostile = "x\u202e\x1b]0;title\x07\x9b2J\u200b\ud83d"
    for arguments in (("m", f"--{hostile}"), ("demo", hostile), (f"--{hostile}",), ("compare", "--seed", hostile)):
        done = run_here(*arguments)
        assert done.returncode == 2, done.stderr
        assert done.stdout.isprintable() and done.stderr.replace("\n", "").isprintable(), done.stderr
        assert "─ Error ─" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [("--help",), ("audit", "--help"), ("--version",)])
def test_a_full_device_costs_help_and_version_one_sentence(
    arguments: tuple[str, ...], run_here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        done = run_here(*arguments)
    assert (done.returncode, done.stderr) == (
        1,
        "Error: Standard output cannot be written (No space left on device); free some space or send it somewhere"
        " else.\n",
    )


def test_an_error_of_a_file_is_not_taken_for_one_of_a_stream() -> None:
    for error in (
        FileNotFoundError(2, "No such file", "model.json"),
        OSError(28, "No space left", "/tmp/x"),
        OSError("odd"),
    ):
        with pytest.raises(OSError, match=re.escape(str(error))), arriving():
            raise error
    with pytest.raises(NilAuditError, match="Standard output cannot be written"), arriving():
        raise OSError(5, "Input/output error")


def test_the_package_says_that_it_is_typed_and_its_public_names_are() -> None:
    import nil_audit

    file = Path(nil_audit.__file__)
    assert (file.parent / "py.typed").is_file()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    typed = {node.names[0].asname: node.module for node in block.body if isinstance(node, ast.ImportFrom)}
    assert typed == nil_audit._PUBLIC


def test_json_of_an_audit_of_many_lists_every_failure(run_here: Here, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no checkpoint")
    done = run_here("no/such-model", tmp_path / "notes.txt", "--shape-only", "--json")
    assert done.returncode == 1
    failed = json.loads(done.stdout)["failed"]
    assert [one["model"] for one in failed] == ["no/such-model", str(tmp_path / "notes.txt")]
    assert all(one["model"] in one["error"] for one in failed)


@pytest.mark.parametrize(
    ("text", "error"), [("1%", 0.01), ("2.5 %", 0.025), ("0.01", 0.01), (".3", 0.3), ("49%", 0.49)]
)
def test_a_precision_is_a_standard_error(text: str, error: float) -> None:
    assert check_precision(text) == pytest.approx(error)


@pytest.mark.parametrize("text", ["1", "0%", "0", "-1%", "50%", "0.5", "100%", "one", "", "1%%", "1e-2", "nan"])
def test_what_is_no_precision_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=r"such as 1% or 0\.01") as refused:
        check_precision(text)
    assert repr(text) in str(refused.value)

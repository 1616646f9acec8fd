"""``nil-audit score`` as a user runs it: tables, JSON, files, published scores, and every bad input."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mmlu import Rows, answering_checkpoint, mmlu_rows, write_mmlu

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mmlu(tmp_path_factory.mktemp("data") / "mmlu_pro", *mmlu_rows())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return answering_checkpoint(tmp_path_factory.mktemp("models") / "tiny-one", context=256)


def test_tables_files_and_a_second_call_that_asks_nothing(
    run_command: Run, model: Path, data: Path, tmp_path: Path
) -> None:
    arguments = ("score", model, "--data", data, "--protocol", "leaderboard", "--questions", "42")
    done = run_command(*arguments, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    words = ("tiny-one, by category", "computer science", "42/56", "Normalised", "the 95% interval of its accuracy")
    for word in (*words, "42 of 42 prompts were longer than the context of 256 tokens", "lm-eval 0.4", "batch size 8"):
        assert word in " ".join(done.stdout.split()), word
    assert done.stderr.strip() == f"Written: {tmp_path / 'out' / 'scores.html'} and 4 more files."

    again = run_command(*arguments, "--json")
    document = json.loads(again.stdout)
    kept = json.loads((tmp_path / "out" / "scores.json").read_text())
    (score,) = document["scores"]
    assert score["categories_reused"] == 14
    score["categories_reused"] = 0
    assert document == kept
    assert again.stderr == ""

    rows = list(csv.DictReader((tmp_path / "out" / "scores.csv").read_text().splitlines()))
    assert [row["category"] for row in rows] == ["all", *(row["category"] for row in score["categories"])]
    assert float(rows[0]["accuracy"]) == score["accuracy"]
    (answers,) = (tmp_path / "out" / "answers").iterdir()
    given = list(csv.DictReader(answers.read_text().splitlines()))
    assert sum(row["correct"] == "True" for row in given) == score["correct"]
    assert rows[0]["against_chance"] == score["against_chance"]
    assert "tiny-one, by category" in (tmp_path / "out" / "scores.html").read_text()
    markdown = (tmp_path / "out" / "scores.md").read_text()
    assert "nil-audit score" in markdown
    assert "leaderboard\\_mmlu\\_pro 0.1" in markdown or "leaderboard_mmlu_pro 0.1" in markdown


def test_one_model_that_fails_does_not_stop_the_others_and_nothing_goes_over_the_network(
    model: Path, data: Path, tmp_path: Path
) -> None:
    short = answering_checkpoint(tmp_path / "short", context=16)
    program = (
        "import socket, sys\n"
        "def refuse(*a, **k): sys.stderr.write('NETWORK\\n'); raise OSError('no network in this test')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "from nil_audit.cli.app import main\n"
        "main()\n"
    )
    environment = os.environ | {"NIL_AUDIT_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hf")}
    arguments = ["score", str(short), str(model), "--data", str(data), "--questions", "14", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        timeout=240,
    )
    assert done.returncode == 1
    assert "NETWORK" not in done.stderr
    assert "shorter than one question of MMLU-Pro" in done.stderr
    assert "Traceback" not in done.stderr
    document = json.loads(done.stdout)
    assert [row["model"] for row in document["scores"]] == [str(model)]
    assert [row["model"] for row in document["failed"]] == [str(short)]


def _without_options(test: Rows) -> Rows:
    return [{key: value for key, value in row.items() if key != "options"} for row in test]


def _answer_out_of_range(test: Rows) -> Rows:
    return [{**test[0], "answer": "J", "options": ["1", "2"]}, *test[1:]]


def _without_law(test: Rows) -> Rows:
    return [row for row in test if row["category"] != "law"]


BAD_DATA: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "missing column": (_without_options, "lacks the column options"),
    "answer out of range": (_answer_out_of_range, "out of the range of its 2 options"),
    "duplicate ids": (lambda test: [*test, test[0]], "question ids more than once"),
    "empty category": (_without_law, "no question of the category 'law'"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_are_one_sentence(name: str, run_command: Run, model: Path, tmp_path: Path) -> None:
    spoil, sentence = BAD_DATA[name]
    test, validation = mmlu_rows()
    folder = write_mmlu(tmp_path / "data", spoil(test), validation)
    done = run_command("score", model, "--data", folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((), 2, "Name a model to score"),
        (("--protocol", "exam"), 2, "choose one of mc, leaderboard, cot"),
        (("--backend", "vllm"), 2, "pip install 'nil-audit[vllm]'"),
        (("--questions", "3"), 2, "ask for 14 or more"),
        (("--dtype", "int8"), 2, "There is no dtype 'int8'"),
        (("--data", "nowhere"), 1, "There is no folder nowhere"),
    ],
)
def test_wrong_commands_are_one_sentence(
    arguments: tuple[str, ...], code: int, sentence: str, run_command: Run, data: Path
) -> None:
    named = () if not arguments else ("some-model",)
    local = () if "--data" in arguments else ("--data", data)
    done = run_command("score", *named, *local, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_data_the_error_names_the_alternative(run_command: Run, model: Path) -> None:
    done = run_command("score", model)
    assert (done.returncode, done.stdout) == (1, "")
    assert "name a local copy with --data DIR" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_published_scores_of_a_model(run_command: Run) -> None:
    done = run_command("score", "--published", "Qwen/Qwen2.5-7B", "allenai/OLMo-7B-0424-hf", "nobody/nothing")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in (
        "43.7 ± 0.5",
        "olmes",
        "2024-09-19",
        "Open LLM Leaderboard v2",
        "! not used, allenai/OLMo-7B-0424-hf",
    ):
        assert words in done.stdout
    assert "No published score of nobody/nothing is known" in done.stderr


def test_all_published_scores_as_a_document(run_command: Run) -> None:
    done = run_command("score", "--published", "--json")
    rows = json.loads(done.stdout)["published"]
    assert len(rows) == 282
    assert {row["origin"] for row in rows} == {"published"}
    assert sum(row["flag"] is not None for row in rows) == 6
    assert all(row["source"] and row["protocol"] for row in rows)

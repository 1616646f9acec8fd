"""``nil-audit compare`` as a user runs it: exit code, stdout, stderr, files."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.comparison.files import put, score_row

Run = Callable[..., subprocess.CompletedProcess[str]]
Here = Callable[..., Any]
LISTS = Path(__file__).resolve().parents[2] / "model_lists"
FAST = ("--permutations", "199")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_without_paths_the_first_lines_answer_in_words(run_command: Run) -> None:
    done = run_command("compare", *FAST)
    assert done.returncode == 0, done.stderr
    first = " ".join(done.stdout.split())
    assert first.startswith("The data do not support the law")
    assert "113 models of 54 families" in first
    assert "|ln R/R*| (law)" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "models are left out" in done.stderr


def test_json_is_one_document_and_a_report_folder_is_written(run_here: Here, tmp_path: Path) -> None:
    out = tmp_path / "report"
    done = run_here("compare", LISTS / "under_2b.csv", *FAST, "--json", "--out", out, "--seed", "3")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["options"]["seed"] == 3
    assert document["answer"]["protocol"] == document["options"]["protocol"] == "leaderboard"
    assert all(row["parameters"] < 2e9 for row in document["models"])
    assert {"report.md", "report.html", "table.csv", "comparison.json"} <= {path.name for path in out.iterdir()}
    kept = json.loads((out / "comparison.json").read_text())
    assert kept["answer"] == document["answer"]
    assert "nil-audit compare" in (out / "report.md").read_text()


def test_a_table_of_ones_own_with_another_protocol(run_here: Here, tmp_path: Path) -> None:
    rows = [f"my/m{i},family{i % 6},{12 + i},{512 + 64 * i},{0.1 + 0.1 * i},{0.15 + 0.01 * i},mine" for i in range(24)]
    mine = write(tmp_path / "mine.csv", "\n".join(["model,family,depth,width,parameters_b,score,protocol", *rows]))
    done = run_here("compare", mine, "--protocol", "mine", *FAST, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["answer"]["protocol"], len(document["models"])) == ("mine", 24)
    assert document["models"][0]["origin"] == "table"
    assert done.stderr == ""


def test_three_models_are_told_what_cannot_be_said(run_here: Here, tmp_path: Path) -> None:
    ids = write(tmp_path / "ids.csv", "model\nQwen/Qwen2-0.5B\nQwen/Qwen2-1.5B\nQwen/Qwen2-7B\n")
    done = run_here("compare", ids, *FAST)
    assert done.returncode == 0, done.stderr
    assert " ".join(done.stdout.split()).startswith("Nothing can be said about the law: 3 models of 1 family")
    assert "Not said: intervals and p-values" in done.stderr


@pytest.mark.parametrize(
    ("text", "arguments", "words", "code"),
    [
        (None, ("none.csv",), "There is no file or folder none.csv; check the path.", 1),
        ("model,depth,width,score\na,12,768,31\nb,24,1024,42\n", (), "look like per cent", 1),
        ("model,depth,width,score\na,12,768,0.3\na,24,1024,0.4\n", (), "more than once", 1),
        ("model\nQwen/Qwen2-7B\n", ("--protocol", "mine"), "No model has a score of protocol 'mine'", 1),
        ("model\nQwen/Qwen2-7B\n", ("--floor", "12"), "--floor is a fraction of 1", 2),
        ("model\nQwen/Qwen2-7B\n", ("--out", "/proc/report"), "/proc/report", 2),
    ],
)
def test_bad_input_is_one_sentence(
    run_here: Here, tmp_path: Path, text: str | None, arguments: tuple[str, ...], words: str, code: int
) -> None:
    paths = [] if text is None else [write(tmp_path / "list.csv", text)]
    done = run_here("compare", *paths, *arguments)
    assert done.returncode == code
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_one_percent_among_fractions_is_left_out_by_name(run_here: Here, tmp_path: Path) -> None:
    rows = [f"my/m{i},f{i % 6},{12 + i},{512 + 64 * i},{0.1 + 0.1 * i},{0.2 + 0.01 * i}" for i in range(12)]
    rows[3] = "my/m3,f3,15,704,0.4,23.0"
    mine = write(tmp_path / "mine.csv", "\n".join(["model,family,depth,width,parameters_b,score", *rows]))
    done = run_here("compare", mine, *FAST, "--json")
    assert done.returncode == 0, done.stderr
    excluded = {one["what"]: one["reason"] for one in json.loads(done.stdout)["excluded"]}
    assert "23 is above 1 and looks like per cent" in excluded["my/m3"]


def test_scores_and_a_shipped_list_are_compared_together(run_here: Here, tmp_path: Path) -> None:
    rows = [score_row("runs/a", 0.13), score_row("runs/b", 0.12)]
    put(tmp_path / "sc" / "scores.json", {"scores": rows, "published": {}, "failed": []})
    done = run_here("compare", tmp_path / "sc", LISTS / "small_dense_llms.csv", *FAST, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["answer"]["models"] == 115
    measured = [row for row in document["models"] if row["origin"] == "measured"]
    assert [(row["model"], row["depth"], row["family"]) for row in measured] == [
        ("runs/a", 6, "runs/"),
        ("runs/b", 6, "runs/"),
    ]
    assert "Not known: training tokens of runs/a and runs/b" in done.stderr
    alone = run_here("compare", tmp_path / "sc" / "scores.json", *FAST)
    assert alone.returncode == 0, alone.stderr
    assert "2 models of 1 family with a usable score" in " ".join(alone.stdout.split())


def test_what_is_no_result_is_one_sentence(run_here: Here, tmp_path: Path) -> None:
    text = write(tmp_path / "text.txt", "hello")
    done = run_here("compare", text)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is neither JSON nor a model list (.csv)" in done.stderr and "delete" not in done.stderr
    done = run_here("compare", "Qwen/A", "Qwen/B")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'nil-audit Qwen/A Qwen/B --out audit/' audits models of the Hub" in done.stderr


def test_help_shows_examples(run_here: Here) -> None:
    done = run_here("compare", "--help")
    assert done.returncode == 0
    assert "nil-audit compare model_lists/under_2b.csv --out report/" in " ".join(done.stdout.split())

"""``nil-audit compare`` as a user runs it: exit code, stdout, stderr, files."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nil_audit.law.studies import study
from tests.comparison.files import put, record, score_row
from tests.forks import Forks

Run = Callable[..., subprocess.CompletedProcess[str]]
Here = Callable[..., Any]
LISTS = Path(__file__).resolve().parents[2] / "model_lists"
GEMSTONES = (LISTS / "gemstones.csv", "--size", "body_parameters")
FAST = ("--permutations", "99")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def own_list(folder: Path, *, models: int = 24, families: int = 6, head: str = "gsm8k", cell: str = "{:.3f}") -> Path:
    """A list of one's own, with a column of one's own."""
    rng = np.random.default_rng(0)
    rows = [
        f"my/m{i},family{i % families},{12 + i},{512 + 64 * (i * 7 % 24)},{0.1 + 0.1 * i:.2f},"
        + cell.format(0.15 + 0.01 * i + 0.01 * rng.normal())
        for i in range(models)
    ]
    return write(folder / "mine.csv", "\n".join([f"model,family,depth,width,parameters_b,{head}", *rows]))


def sweep(folder: Path) -> Path:
    """Records of a sweep of one's own, twelve shapes at each of two budgets, whose losses follow the law's curve."""
    rng, curve = np.random.default_rng(1), study("law").curve
    for number in range(24):
        body, width = (2e7, 8e7)[number // 12], 128 * (2 + number % 12)
        depth = max(2, round(body / 12 / width**2))
        loss = 3 * body**-0.05 * (1 + curve.excess(depth / width, body)) * np.exp(0.002 * rng.normal())
        one = {"value": loss, "se": 0.01, "low": loss - 0.02, "high": loss + 0.02, "bias": 0.0}
        document = record(
            f"runs/{number}", depth=depth, width=width, digest=f"sha256:{number}", loss={"loss_per_byte": one}
        )
        document["shape"]["parameters"] = {"total": int(1.3 * body), "embedding": int(0.3 * body), "body": int(body)}
        put(folder / f"{number}.json", document)
    return folder


def test_without_paths_the_first_lines_answer_in_words(run_command: Run) -> None:
    done = run_command("compare", "--quick")
    assert done.returncode == 0, done.stderr
    first = " ".join(done.stdout.split())
    assert first.startswith("The law says: of models of one size those do best")
    assert "The data cannot tell" in first and "113 models of 54 families" in first
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "models are left out" in done.stderr and "--quick" in done.stderr


def test_json_is_one_document_and_a_report_folder_is_written(run_here: Here, tmp_path: Path) -> None:
    out = tmp_path / "report"
    done = run_here("compare", LISTS / "under_2b.csv", *FAST, "--json", "--out", out, "--seed", "3")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["options"]["seed"] == 3 and document["options"]["permutations"] == 99
    assert document["answer"]["protocol"] == document["options"]["protocol"] == "leaderboard"
    assert all(row["parameters"] < 2e9 for row in document["models"])
    names = {path.name for path in out.iterdir()}
    assert {"report.md", "report.html", "table.csv"} <= names
    (kept,) = (name for name in names if name.endswith(".json"))
    assert json.loads((out / kept).read_text())["answer"] == document["answer"]
    assert "nil-audit compare" in (out / "report.md").read_text()


def test_a_table_of_ones_own_with_another_protocol(run_here: Here, tmp_path: Path) -> None:
    mine = own_list(tmp_path, head="score,protocol", cell="{:.3f},mine")
    done = run_here("compare", mine, "--protocol", "mine", *FAST, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["answer"]["protocol"], len(document["models"])) == ("mine", 24)
    assert document["models"][0]["origin"] == "table"
    assert done.stderr == ""


def test_a_column_of_ones_own_in_the_place_of_mmlu_pro(run_here: Here, tmp_path: Path) -> None:
    done = run_here("compare", own_list(tmp_path), "--outcome", "gsm8k", "--floor", "0.2", "--json", "--quick")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["outcome"] == {
        "name": "gsm8k", "column": "gsm8k", "lower_is_better": False, "unit": "points", "floor": 0.2,
        "size": "parameters",
    }  # fmt: skip
    assert sum(row["at_floor"] for row in document["models"]) == sum(row["score"] <= 0.2 for row in document["models"])
    assert {row["chance"] for row in document["models"]} == {None}
    per_cent = write(tmp_path / "percent.csv", own_list(tmp_path, cell="{:.1%}").read_text().replace("%", ""))
    done = run_here("compare", per_cent, "--outcome", "gsm8k", "--floor", "20", "--quick")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the numbers are taken as per cent") == 1


def test_the_losses_of_ones_own_sweep_need_nothing_but_its_records(run_here: Here, tmp_path: Path) -> None:
    out = tmp_path / "report"
    arguments = ("--outcome", "loss_per_byte", "--lower-is-better", "--size", "body_parameters", *FAST)
    done = run_here("compare", sweep(tmp_path / "audit"), *arguments, "--out", out)
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "support" in words and "24 models" in words
    assert "Not said: what lies between families." in done.stderr
    assert "Not said: training tokens" not in done.stderr
    assert (out / "report.html").stat().st_size > 10_000


def test_the_gemstones_by_accuracy_and_another_studys_curve(run_here: Here) -> None:
    done = run_here("compare", *GEMSTONES, "--outcome", "accuracy", "--interval", "gemstones", "--json", "--quick")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["study"], document["grouped"], document["outcome"]["size"]) == (
        "gemstones", "model", "body_parameters",
    )  # fmt: skip
    effect = document["answer"]["primary"]
    assert effect["study"] == "gemstones" and effect["groups"] == 22
    assert 0 < effect["estimate"]["low"] < effect["estimate"]["high"] < 1


def test_an_interval_file_of_ones_own(run_here: Here, tmp_path: Path) -> None:
    folder = Path(__file__).resolve().parents[2] / "nil_audit" / "law" / "intervals"
    document = json.loads((folder / "law.json").read_text(encoding="utf-8"))
    mine = put(tmp_path / "mine.json", {**document, "name": "mine", "title": "a sweep of mine"})
    done = run_here("compare", *GEMSTONES, "--outcome", "accuracy", "--interval", mine, "--json", "--quick")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    usual = json.loads(run_here("compare", *GEMSTONES, "--outcome", "accuracy", "--json", "--quick").stdout)
    assert found["study"] == "mine"
    assert found["answer"]["primary"]["estimate"] == usual["answer"]["primary"]["estimate"]


def test_the_same_command_gives_the_same_numbers(run_here: Here) -> None:
    arguments = ("compare", *GEMSTONES, "--outcome", "train_loss", "--lower-is-better", *FAST, "--json")
    assert run_here(*arguments).stdout == run_here(*arguments).stdout


def test_details_are_printed_when_asked_for(run_here: Here) -> None:
    usual = run_here("compare", *GEMSTONES, "--outcome", "accuracy", *FAST)
    every = run_here("compare", *GEMSTONES, "--outcome", "accuracy", *FAST, "--details")
    assert usual.returncode == every.returncode == 0
    assert len(every.stdout) > 3 * len(usual.stdout)
    assert "What the answer hangs on" in every.stdout
    assert max(len(line) for line in every.stdout.splitlines() if not line.startswith("nil-audit ")) <= 80


def test_three_models_are_told_what_cannot_be_said(run_here: Here, tmp_path: Path) -> None:
    ids = write(tmp_path / "ids.csv", "model\nQwen/Qwen2-0.5B\nQwen/Qwen2-1.5B\nQwen/Qwen2-7B\n")
    done = run_here("compare", ids, *FAST)
    assert done.returncode == 0, done.stderr
    assert "3 models" in done.stdout
    assert "Not said: the effect of shape, and everything made of it. " in done.stderr
    assert "known of 3 of 3 models, and at least 6 are needed" in done.stderr
    # Said once: what follows from it is not missed again.
    assert done.stderr.count("Not said:") == 2


@pytest.mark.parametrize(
    ("text", "arguments", "words", "code"),
    [
        (None, ("none.csv",), "There is no file or folder none.csv; check the path.", 1),
        ("model,depth,width,score\na,12,768,31\nb,24,1024,42\n", (), "look like per cent", 1),
        ("model,depth,width,score\na,12,768,0.3\na,24,1024,0.4\n", (), "more than once", 1),
        ("model\nQwen/Qwen2-7B\n", ("--protocol", "mine"), "No model has a score of protocol 'mine'", 1),
        ("model\nQwen/Qwen2-7B\n", ("--floor", "12"), "--floor is a fraction of 1", 2),
        ("model\nQwen/Qwen2-7B\n", ("--out", "/proc/report"), "/proc/report", 2),
        (None, ("--lower-is-better",), "--lower-is-better does nothing without --outcome; add --outcome", 2),
        (None, ("--outcome", "x", "--protocol", "mc"), "--outcome takes the place of MMLU-Pro's scores", 2),
        (None, ("--quick", "--permutations", "99"), "--quick leaves the specification curve out", 2),
        (None, ("--details", "--json"), "--details shows more, so --json cannot go with it", 2),
        (None, ("--outcome", "x", "--lower-is-better", "--floor", "2"), "A loss has no chance floor", 2),
        (None, ("--permutations", "3"), "--permutations", 2),
        (None, ("--outcome", "x"), "No model has a number 'x'; the columns of numbers are body_parameters", 1),
        (None, ("--outcome", "width"), "'width' says what a model is", 1),
        (None, ("--size", "flops"), "No model has a size 'flops'; the columns of numbers are body_parameters", 1),
        (None, ("--interval", "mamba"), "There is no study or file 'mamba'; give law, morph, chinchilla, gemstones", 1),
        ("model,depth,width,x\na,12,768,0.3\nb,24,1024,31\n", ("--outcome", "x"), "mixes fractions of 1", 1),
        ("model,depth,width,x\na,12,768,0.3\nb,24,1024,high\n", ("--outcome", "x"), "b: x is 'high', which is not", 1),
        ("model,depth,width,x\na,12,768,-1\n", ("--outcome", "x", "--lower-is-better"), "x -1 is not above zero", 1),
        ("model,depth,width,loss_per_byte\na,12,768,1\n", ("--outcome", "loss_per_byte"), "add --lower-is-better", 1),
    ],
)
def test_bad_input_is_one_sentence(
    run_here: Here, tmp_path: Path, text: str | None, arguments: tuple[str, ...], words: str, code: int
) -> None:
    paths = [] if text is None else [write(tmp_path / "list.csv", text)]
    done = run_here("compare", *paths, *arguments)
    assert done.returncode == code
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_gemstones_without_an_outcome_are_told_which_they_have(run_here: Here) -> None:
    done = run_here("compare", LISTS / "gemstones.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert "or compare another column by --outcome (" in done.stderr and "fineweb_edu_loss" in done.stderr


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
    done = run_here("compare", tmp_path / "sc", LISTS / "small_dense_llms.csv", "--quick", "--json")
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
    assert "2 models" in alone.stdout


def test_what_is_no_result_is_one_sentence(run_here: Here, tmp_path: Path) -> None:
    text = write(tmp_path / "text.txt", "hello")
    done = run_here("compare", text)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is neither JSON nor a model list (.csv)" in done.stderr and "delete" not in done.stderr
    done = run_here("compare", "Qwen/A", "Qwen/B")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'nil-audit Qwen/A Qwen/B --out audit/' audits models of the Hub" in done.stderr


def test_help_shows_an_example_of_each_use(run_here: Here) -> None:
    done = run_here("compare", "--help")
    assert done.returncode == 0
    words = " ".join(done.stdout.split())
    for example in (
        "nil-audit compare model_lists/under_2b.csv scores/ --out report/",
        "nil-audit compare audit/ --outcome loss_per_byte --lower-is-better --size body_parameters --out report/",
        "nil-audit compare model_lists/gemstones.csv --outcome accuracy --size body_parameters --interval gemstones",
    ):
        assert example in words


def test_a_run_that_is_interrupted_says_so_and_leaves_nothing(forks: Forks, tmp_path: Path) -> None:
    out = tmp_path / "report"
    running = forks.start(["compare", "--permutations", "100000", "--out", str(out)], tmp_path, COLUMNS="80")
    time.sleep(1)
    os.kill(running.pid, signal.SIGINT)
    assert (running.wait(), running.stdout) == (130, ""), running.stderr
    assert "Interrupted: nothing half-written is left" in running.stderr and "Traceback" not in running.stderr
    assert not out.exists() or list(out.iterdir()) == []

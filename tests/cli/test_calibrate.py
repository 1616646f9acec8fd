"""``nil-audit calibrate`` as a user runs it: exit code, stdout, stderr, files, and what other commands take of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nil_audit.law.studies import study
from tests.calibration.sweeps import sweep

Here = Callable[..., Any]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my sweep.csv"
    sweep(noise=0.003).to_csv(path, index=False)
    return path


def test_the_answer_fits_a_screen_and_its_file_is_taken_by_the_others(
    run_here: Here, file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run_here("calibrate", file, "--out", out, "--within", "2%")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 80
    assert lines[0].startswith("Loss is lowest at a depth-width ratio R of 0.0") and "at most 2% of loss" in done.stdout
    assert f"--interval {out / 'my-sweep.json'}" in done.stderr
    names = {path.name for path in out.iterdir()}
    assert {"calibration.html", "calibration.md", "calibration.json", "my-sweep.json", "runs.csv"} <= names
    made = study(out / "my-sweep.json")
    assert made.tolerance == 0.02 and made.interval().optimum == pytest.approx(0.04, rel=0.1)
    taken = run_here("compare", "--quick", "--json", "--interval", out / "my-sweep.json")
    assert taken.returncode == 0, taken.stderr
    assert json.loads(taken.stdout)["options"]["interval"] == str(out / "my-sweep.json")


def test_json_is_one_document_of_every_number(run_here: Here, file: Path) -> None:
    done = run_here("calibrate", file, "--json", "--quiet")
    assert done.returncode == 0 and done.stderr == ""
    document = json.loads(done.stdout)
    assert document["optimum"]["low"] < 0.04 < document["optimum"]["high"]
    assert document["match"] == "total" and document["held_out"]["fitted"] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--where", "depth > 99"), 1, "meets every --where"),
        (("--within", "80%"), 2, "--within 80%"),
        (("--match", "bits"), 2, "nothing called 'bits'"),
        (("--match", "flops"), 2, "FLOPs need the parameters"),
        (("--form", "cubic"), 2, "no form 'cubic'"),
        (("--form", "depth-width"), 1, "needs the tokens"),
        (("--name", "law"), 2, "ships with nil-audit"),
        (("--name", "a/b"), 2, "cannot name a study"),
        (("--add",), 2, "--add writes pooled.json"),
        (("--loss", "foo"), 2, "--loss 'foo' is no column"),
        (("--details", "--quiet"), 2, "--details shows more"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    run_here: Here, file: Path, options: tuple[str, ...], code: int, sentence: str
) -> None:
    done = run_here("calibrate", file, *options)
    assert done.returncode == code and done.stdout == ""
    assert done.stderr.startswith("Error: ") and sentence in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"", "is empty"), (bytes(range(256)), "is not UTF-8 text; save it as CSV in UTF-8")]
)
def test_a_file_that_is_no_table_is_refused(run_here: Here, tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(content)
    for name, said in ((path, sentence), (tmp_path / "none.csv", "There is no file")):
        done = run_here("calibrate", name)
        assert done.returncode == 1 and said in done.stderr and done.stdout == ""

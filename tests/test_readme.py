"""What the README and the documents say is true: their commands are taken, and their numbers are the report's."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

import nil_audit
from nil_audit.cli.app import app, route

ROOT = Path(__file__).resolve().parent.parent
COMMAND = re.compile(r"^(?: {4}|\$ |.*\brun: |.*\bentry: )nil-audit (.+)$", re.MULTILINE)
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_is_shown_is_taken(document: Path) -> None:
    group = typer.main.get_command(app)
    for line in COMMAND.findall(document.read_text(encoding="utf-8")):
        if "[" in line or "MODEL" in line:  # the grammar of a command, not a command
            continue
        name, *arguments = route(shlex.split(line, comments=True))
        if name in group.commands:
            group.commands[name].make_context(name, arguments)
        else:
            assert name.startswith("--"), line


def test_the_readme_gives_the_numbers_of_the_report() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    report = (ROOT / "reports" / "small_dense_llms" / "report.md").read_text(encoding="utf-8").replace("−", "-")
    section = readme[readme.index("## What do public models say?") : readme.index("## For whom is which command?")]
    intervals = re.findall(r"[+-]?\d+\.\d+ \[[^]]+\]", section)
    assert len(intervals) >= 3
    for number in intervals:
        assert number in report, number
    for words in (
        r"near (0\.\d+) blocks per channel \(95% interval (0\.\d+) to (0\.\d+)\); R from (0\.\d+) to (0\.\d+)",
        r"For (\d+) public base models of (\d+) families that comes to (\d+\.\d) points of MMLU-Pro on average, and to"
        r" (\d+\.\d)",
        r"no effect below (\d\.\d) times",
        r"call (\d+ )of these \d+ shapes (inside, \d+ disputed and \d+ outside)",
    ):
        (found,) = re.findall(words, section)
        for number in (found,) if isinstance(found, str) else found:
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", report), number


def test_the_readme_states_the_answer_of_the_report() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    report = (ROOT / "reports" / "small_dense_llms" / "report.md").read_text(encoding="utf-8")
    answer = re.search(r"\*\*(The data [^:*]+):", report)
    assert answer and f"**{answer[1]}.**" in readme


def test_the_citation_names_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {nil_audit.__version__}\n" in text and "arXiv:2605.27989" in text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_linked_is_there(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target

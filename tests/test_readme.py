"""What the README and the documents say is true: their commands are taken, and their numbers are the report's."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

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
    section = readme[readme.index("## What do public models say?") : readme.index("## Audit a checkpoint")]
    assert section.count("113") >= 1
    for number in re.findall(r"[+-]\d+\.\d+%? \[[^]]+\]|\d+ base models of \d+ families", section):
        value, interval = (
            re.findall(r"[+-]?\d+(?:\.\d+)?", part) for part in re.split(r"\[| base ", number, maxsplit=1)
        )
        for one in (*value, *interval):
            assert one in report, (number, one)

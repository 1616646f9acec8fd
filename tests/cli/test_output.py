"""Where commands print: results or one JSON document on stdout, never both."""

import json
import math

import pytest

from nil_audit.cli.output import Output
from nil_audit.report.render.page import Listing, Page, Prose, Section

COMMAND = "nil-audit " + "model " * 40
PAGE = Page(
    title="T",
    kicker="K",
    answer=("The answer [b].",),
    sections=(
        Section(name="s", title="Shown", blocks=(Listing(text=COMMAND),)),
        Section(name="d", title="Detail", blocks=(Prose(text="Only with details."),), detail=True),
    ),
)


def test_a_page_is_shown_whole_and_its_details_when_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    Output().show(PAGE)
    shown = capsys.readouterr().out
    assert "The answer [b]." in shown and COMMAND.rstrip() in shown and "Only with details." not in shown
    Output().show(PAGE, details=True)
    assert "Only with details." in capsys.readouterr().out


def test_json_is_the_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.show(PAGE)
    output.document({"value": math.nan, "name": "ä"})
    output.note("A note.")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"value": None, "name": "ä"}
    assert printed.err == "A note.\n"
    Output().document({"value": 1})
    assert capsys.readouterr().out == ""

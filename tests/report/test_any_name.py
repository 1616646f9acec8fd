"""Any text as a model's name, through a page to terminal, Markdown, HTML and files: seen, told apart, harmless."""

import csv
import html
import io
import json
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.console import Console

from nil_audit.auditing.record import Record, verdict_document
from nil_audit.files import csv_text, from_csv, json_text
from nil_audit.report.audit.page import audit_files, audit_page
from nil_audit.report.render.characters import clean, fitted
from nil_audit.report.render.html import render_html
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.page import Listing, Page, Section
from nil_audit.report.render.terminal import render_terminal
from nil_audit.report.render.text import display_names, short_names
from nil_audit.shape.architecture import Parameters, Shape

ESCAPES = (
    "a\x1b[31mred",
    "b\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\",
    "c\x9b2J\x9d0;title\x07",
    "d\u202egnp.exe\u2066",
    "e\r\x08\x7f",
    "=HYPERLINK(0)",
    "+1+cmd",
    "-1+1",
    "@sum",
    "\t=1",
    "'=1",
    "x" * 120,
    "x" * 121,
    "\udcff",
    "\udcfe",
    "\x00",
    "",
    "[bold]n[/bold]",
    "<b>|`*",
)
NAMES = st.lists(st.text(max_size=30) | st.sampled_from(ESCAPES), min_size=1, max_size=6, unique=True)


def _records(names: list[str]) -> list[Record]:
    shape = Shape(
        name="shape",
        source="list",
        model_type="llama",
        depth=6,
        width=144,
        heads=4,
        kv_heads=4,
        head_size=36,
        mlp_width=384,
        vocab_size=2048,
        tied=True,
        context=512,
        parameters=Parameters(total=10**6, embedding=10**5, body=9 * 10**5),
    )
    return [
        Record(
            created="2026-01-01T00:00:00+00:00",
            nil_audit="0",
            model={"name": name, "source": "local", "revision": None},
            shape=shape,
            verdict=verdict_document(shape),
            notes=(f"A note on {name}.",),
        )
        for name in names
    ]


def _page(names: list[str]) -> Page:
    return audit_page(_records(names), command=f"nil-audit {' '.join(names)}", draw=False)


def _controls(text: str) -> list[str]:
    """Characters that command something or cannot be seen; a command line may hold a tab."""
    return [one for one in text if one not in "\n\t" and unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Cn")]


def _terminal(page: Page, width: int, encoding: str) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(render_terminal(page, width, details=True, encoding=encoding), crop=False)
    return console.file.getvalue()


@given(NAMES)
@settings(max_examples=40, deadline=None)
def test_names_stay_apart_and_command_nothing(names: list[str]) -> None:
    shown = display_names(names)
    assert len(set(shown.values())) == len(names) == len(set(short_names(names).values()))
    assert all(name and clean(name) == name for name in shown.values())
    page = _page(names)
    for encoding in ("utf-8", "cp1252", "ascii"):
        text = _terminal(page, 400, encoding)
        assert text.encode(encoding).decode(encoding) == text and not _controls(text)
        for name in shown.values():
            assert fitted(name, encoding) in text
    markdown, document = render_markdown(page), render_html(page)
    assert not _controls(markdown) and not _controls(document)
    # One model is named in the heading, several in the first cells of tables.
    rendered = MarkdownIt("commonmark").enable("table").render(markdown)
    rows = re.findall(r"<tr>\s*<td>(.*?)</td>|<h1>(.*?)</h1>", rendered, re.DOTALL)
    cells = [html.unescape(re.sub("<[^>]+>", "", cell + heading)).strip() for cell, heading in rows]
    assert set(shown.values()) <= set(cells)
    found = re.findall(r"<(?:t[hd]|h1)[^>]*>\s*(.*?)\s*</(?:t[hd]|h1)>", document, flags=re.DOTALL)
    assert set(shown.values()) <= {clean(html.unescape(re.sub("<[^>]+>", "", cell))) for cell in found}


@given(NAMES)
@settings(max_examples=40, deadline=None)
def test_files_keep_names_apart_and_are_read_back(names: list[str]) -> None:
    shown, files = display_names(names), audit_files(_records(names))
    assert len({path.lower() for path in files}) == len(names) + 1
    text = csv_text(files["audit.csv"])
    assert not _controls(text)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [from_csv(row["model"]) for row in rows] == list(shown.values())
    assert not [row["model"] for row in rows if re.match(r"[=+@\t\r]|-(?![\d.]+$)", row["model"])]
    for path, document in files.items():
        if path.endswith(".json"):
            kept = json_text(document)
            assert not _controls(kept) and kept.encode()
            assert json.loads(kept)["model"]["name"] in names


@given(NAMES, st.integers(20, 100))
@example(["\n\U00011150", "\xa0\u0100"], 20)
@settings(max_examples=30, deadline=None)
def test_no_name_makes_a_line_longer_than_the_terminal(names: list[str], width: int) -> None:
    page = _page(names)
    # A listing, the command and what goes into a model card, is there to be copied, and no line of it is broken.
    wrapped = tuple(one for one in page.sections if not any(isinstance(block, Listing) for block in one.blocks))
    assert [one.name for one in page.sections if one not in wrapped] == ["command", "card"]
    for encoding in ("utf-8", "ascii"):
        lines = _terminal(replace(page, sections=wrapped), width, encoding).splitlines()
        assert all(cell_len(line) <= width for line in lines)


def test_a_listing_is_printed_as_it_stands_however_wide() -> None:
    command = "nil-audit \n\U00011150 \xa0\u0100 " + "long/" * 20
    page = replace(_page(["a"]), sections=(Section(name="c", title="C", blocks=(Listing(text=command),)),))
    for encoding, shown in (("utf-8", command), ("ascii", fitted(command, "ascii"))):
        assert shown in _terminal(page, 20, encoding)


def test_folders_of_one_name_are_told_apart_everywhere(tmp_path: Path) -> None:
    for folder in ("one/model", "two/model"):
        (tmp_path / folder).mkdir(parents=True)
    names = [str(tmp_path / "one/model"), str(tmp_path / "two/model")]
    page, files = _page(names), audit_files(_records(names))
    assert list(files) == ["records/one--model.json", "records/two--model.json", "audit.csv"]
    assert list(files["audit.csv"]["model"]) == ["one/model", "two/model"]
    assert all(f"{name} inside, " in page.answer[0] for name in ("one/model", "two/model"))
    assert str(tmp_path) not in csv_text(files["audit.csv"]) + "".join(page.answer)
    assert files["records/one--model.json"]["model"]["name"] == names[0]


@pytest.mark.parametrize(("rest", "ending"), [("", ""), ("/sub", "/sub"), ("/config.json", "")])
def test_a_snapshot_of_the_hubs_cache_is_called_by_its_id_and_commit(tmp_path: Path, rest: str, ending: str) -> None:
    folder = tmp_path / "models--org--a-name" / "snapshots" / ("abcdef1" + "0" * 33)
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").touch()
    name = f"{folder}{rest}"
    other = tmp_path / "models--gpt2" / "snapshots" / ("1" * 40)
    other.mkdir(parents=True)
    assert display_names([name, str(other)]) == {name: f"org/a-name@abcdef1{ending}", str(other): "gpt2@1111111"}

"""Markdown that says what was meant whatever a name holds: read back by a Markdown parser."""

import html
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nil_audit.report.render.characters import clean
from nil_audit.report.render.markdown import EXCERPT, LONGEST, escaped, linked, render_markdown
from nil_audit.report.render.page import (
    Aside,
    Bullets,
    Cell,
    Column,
    Figure,
    KeyNumber,
    Listing,
    Page,
    Prose,
    Section,
    Table,
)

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b||c",
    "`code` ``two``",
    "line\nbreak\r\n| x | y |",
    "[click](javascript:alert(1))",
    "![x](http://example.org/x.png)",
    "**bold** _under_ ~~gone~~ $x$",
    "# heading",
    "- item",
    "1. item",
    "&lt;b&gt; &amp;",
    "back\\slash\\|",
    "<img src=x onerror=alert(1)>",
    "--- ***",
]


def _parse(text: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


def _page(*blocks) -> Page:
    return Page(title="T", kicker="K", answer=("A.",), sections=(Section(name="s", title="S", blocks=blocks),))


def _shown(fragment: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", fragment))


def _cells(text: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", _parse(text), flags=re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL) for row in rows]


@pytest.mark.parametrize("text", HOSTILE)
def test_prose_shows_hostile_text_as_it_stands(text):
    parsed = _parse(escaped(text))
    assert re.fullmatch(r"<p>[^<]*</p>\n", parsed), parsed
    assert _shown(parsed).strip() == clean(text)


@given(st.text(max_size=60))
@settings(max_examples=250, deadline=None)
def test_any_text_in_a_table_stays_in_its_cell(text):
    table = Table(
        caption="C",
        columns=(Column(label="Name"), Column(label="n", numeric=True)),
        rows=((Cell(text=text), Cell(text="1")), (Cell(text="next"), Cell(text="2"))),
    )
    cells = _cells(render_markdown(_page(table)))
    assert [len(row) for row in cells] == [2, 2, 2]
    assert _shown(cells[1][0]).strip() == clean(text)
    assert "<" not in cells[1][0]


def test_papers_are_linked_and_nothing_else_is():
    text = linked("See arXiv 2605.27989 and http://example.org/<x>.")
    assert "[arXiv 2605.27989](https://arxiv.org/abs/2605.27989)" in text
    assert text.count("](") == 1


def test_intervals_keep_their_brackets_and_no_link_can_be_made():
    assert escaped("+0.1 [−0.3, +0.5], n") == "+0.1 [−0.3, +0.5], n"
    for text in ("[a](b)", "[a][b]", "[a]: b", "![a](b)"):
        assert "](" not in escaped(text).replace("\\]", "") and _shown(_parse(escaped(text))).strip() == text


def test_every_kind_of_block_is_printed():
    page = Page(
        title="A <title>",
        kicker="about",
        answer=("First.", "Second."),
        numbers=(KeyNumber(label="effect", value="+0.19", detail="95% −0.03 to +0.36"),),
        sections=(
            Section(
                name="s",
                title="Section",
                blocks=(
                    Prose(text="Prose."),
                    Bullets(items=("one", "two")),
                    Aside(title="Beware", items=("this",)),
                    Listing(text="nil-audit ```x```"),
                    Figure(
                        name="plot", caption="Caption.", description="What it shows.", svg="<svg/>", png=b"", pdf=b""
                    ),
                ),
            ),
        ),
        footer=("The end.",),
    )
    text = render_markdown(page)
    assert text.startswith("*about*\n\n# A &lt;title&gt;\n\n**First.**\n\nSecond.\n")
    assert "- effect: **+0.19** (95% −0.03 to +0.36)" in text
    assert "![What it shows.](plots/plot.png)\n\n*Caption.*" in text
    assert "````text\nnil-audit ```x```\n````" in text
    assert "> **Beware**" in text
    assert text.endswith("The end.\n")
    parsed = _parse(text)
    assert parsed.count("<h2>") == 1 and parsed.count("<li>") == 4 and "<svg" not in parsed


def test_every_headline_is_set_apart():
    text = render_markdown(replace(_page(), answer=("One.", "Two.", "More."), headlines=2))
    assert "**One.**\n\n**Two.**\n\nMore.\n" in text


def test_claim_answer_and_figure_come_in_this_order():
    figure = Figure(name="plot", caption="Caption.", description="D", svg="<svg/>", png=b"", pdf=b"")
    text = render_markdown(replace(_page(), claim="A | claim.", answer=("One.", "Two."), figure=figure))
    assert "# T\n\nA \\| claim.\n\n**One.**\n\n![D](plots/plot.png)\n\n*Caption.*\n\nTwo.\n" in text


def test_a_listing_holds_no_character_that_commands_a_terminal():
    assert "```text\na[31m b\n```" in render_markdown(_page(Listing(text="a\x1b[31m b")))


def test_a_long_table_shows_its_beginning_and_says_where_the_rest_is():
    rows = tuple((Cell(text=f"m{number}"),) for number in range(LONGEST + 1))
    text = render_markdown(_page(Table(caption="C", columns=(Column(label="Model"),), rows=rows, file="table.csv")))
    assert len(_cells(text)) == EXCERPT + 1
    assert f"The first {EXCERPT} of {LONGEST + 1} rows; all are in table.csv." in text

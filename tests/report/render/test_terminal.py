"""Pages in a terminal: nothing is cut off, split within a word, lost or taken for markup at any width."""

import io
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from nil_audit.report.render.cells import verdict_cell
from nil_audit.report.render.characters import clean, fitted
from nil_audit.report.render.page import (
    Aside,
    Block,
    Bullets,
    Cell,
    Column,
    Figure,
    Listing,
    Page,
    Prose,
    Section,
    Table,
    table,
)
from nil_audit.report.render.terminal import render_terminal

WIDTHS = [60, 80, 118, 168]
HOSTILE = ["[bold]evil[/bold]", "[/]", "a\x1b[31mred", "two\nlines", "模型/反\u202e", "\\[x]", ":smile: [link=x]"]
WIDE = table(
    "Twelve numbers of each model",
    ("Model", *(f"Metric {number}" for number in range(12))),
    [
        (f"organisation/model-{row}-with-a-long-name", *(f"{row}{number:02d}.5 ± 0.1" for number in range(12)))
        for row in range(4)
    ],
    note="A note.",
)


def _page(*blocks: Block, detail: bool = False) -> Page:
    section = Section(name="s", title="The section", blocks=blocks, detail=detail)
    return Page(title="Title", kicker="Kicker", answer=("The answer.", "More."), sections=(section,), footer=("End.",))


def _lines(page: Page, width: int, *, details: bool = False, colour: bool = False) -> list[str]:
    console = Console(
        width=width,
        file=io.StringIO(),
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
    )
    console.print(render_terminal(page, width, details=details), crop=False)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_wide_table_is_cut_into_parts_that_share_the_first_column(width):
    lines = _lines(_page(WIDE), width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for row in range(4):
        for number in range(12):
            assert text.count(f"{row}{number:02d}.5 ± 0.1") == 1
    heads = [line for line in lines if line.startswith("Model ")]
    assert text.count("Twelve numbers") == 1 and text.count("A note.") == 1
    assert [int(one) for head in heads for one in re.findall(r"Metric (\d+)", head)] == list(range(12))
    # Every part names every model, and all but the last hold as many columns as fit beside the name, broken in two.
    assert text.count("model-2-with-a-long-name") == len(heads)
    most = (width - len("model-2-with-a-long-name")) // (len("000.5 ± 0.1") + 2)
    assert all(head.count("Metric") == min(most, 11) for head in heads[:-1])


def test_a_hub_id_breaks_after_its_organisation_only_where_the_terminal_is_narrow():
    narrow = table("C", ("Model", "n", "m"), [("organisation/model-with-a-long-name", "1" * 12, "2" * 12)])
    assert any(line.startswith("organisation/model-with-a-long-name ") for line in _lines(_page(narrow), 80))
    lines = _lines(_page(narrow), 56)
    assert any(line.startswith("organisation/ ") for line in lines)
    assert any(line.startswith("model-with-a-long-name") for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_words_wrap_between_words_and_numbers_not_at_all(width):
    sentence = "Score and ratio go together when size is held fixed, with an interval that excludes zero"
    rules = table(
        "Rules",
        (*(Column(label=label) for label in ("Rule", "Holds", "Found")), "Correlation"),
        [(sentence, "yes", sentence, "+0.19 [−0.03, +0.36]")],
    )
    lines = _lines(_page(rules), width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert text.count("+0.19 [−0.03, +0.36]") == 1
    for word in sentence.split():
        assert text.count(word) >= 2
    assert sum("yes" in line for line in lines) == 1


def test_a_word_wider_than_the_terminal_is_folded_and_whole():
    long = "x" * 150
    lines = _lines(_page(table("C", ("Model", "n"), [(long, "12345"), ("a", long)])), 60)
    assert max(map(len, lines)) <= 60
    assert "".join(lines).count("x") == 300 and any("12345" in line for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_texts_are_shown_as_they_stand_and_on_one_line(width):
    rows = [(Cell(text=name, tone="bad", strong=True), Cell(text="1")) for name in HOSTILE]
    blocks = (
        table("C [/]", ("Model [b]", "n"), rows, note="[/] note"),
        Prose(text="[bold]p[/bold]"),
        Bullets(items=tuple(HOSTILE)),
        Aside(title="[/]", items=("[/]",)),
        Listing(text="a [b]\x1b c"),
    )
    text = "\n".join(_lines(_page(*blocks), width))
    assert "\x1b" not in text and "\u202e" not in text
    for name in HOSTILE:
        assert text.count(clean(name)) >= 2
    for words in ("C [/]", "Model [b]", "[/] note", "[bold]p[/bold]", "a [b] c"):
        assert words in text


@given(
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40)), max_size=4),
    st.integers(30, 90),
)
@settings(max_examples=80, deadline=None)
def test_no_text_makes_a_line_longer_than_the_terminal(rows, width):
    for left in (1, 3):
        lines = _lines(_page(table("C", ("Model", "A", "B"), rows, left=left)), width)
        assert max(map(cell_len, lines)) <= width


@given(
    st.lists(st.sampled_from(["Model", "R = L/d", "Above chance [95%]", "Sensitivity", ""]), min_size=2, max_size=9),
    st.lists(st.sampled_from(["−0.5 [−10.99, −1.33]", "0.039", "58,231 ± 19,012", "12", "–"]), max_size=4),
    st.sampled_from(["m", "organisation/model-with-a-long-name", "x" * 45, "a name of many words, all of them short"]),
    st.integers(32, 120),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_no_number_and_no_word_of_a_heading_is_broken(heads, numbers, name, width, plain):
    rows = [(name, *(number for _ in heads[1:])) for number in numbers] or [(name, *("1" for _ in heads[1:]))]
    console = Console(width=width, file=io.StringIO())
    encoding = "ascii" if plain else "utf-8"
    console.print(render_terminal(_page(table("C", heads, rows)), width, encoding=encoding), crop=False)
    text = console.file.getvalue()
    assert max(map(cell_len, text.splitlines())) <= width
    for row in rows:
        for number in row[1:]:
            assert text.count(fitted(number, encoding)) >= 1
    shown = {word for line in text.splitlines() for word in line.split()}
    by_row = not any(line.startswith(heads[0] or "!") for line in text.splitlines()[3:])
    assert {word for head in heads[by_row:] for word in head.split()} <= shown


def test_a_narrow_terminal_is_told_a_table_row_by_row():
    metrics = table(
        "The paper's numbers",
        ("Model", "AOFE", "AOFE-ratio", "Excess"),
        [("org/one", "1,336 ± 332", "0.841 ± 0.016", "−0.0212 ± 0.0029"), ("two", "", "–", Cell(text="0.1"))],
    )
    lines = [line.rstrip() for line in _lines(_page(metrics), 34)]
    assert lines[lines.index("org/one") :] == [
        "org/one",
        "  AOFE        1,336 ± 332",
        "  AOFE-ratio  0.841 ± 0.016",
        "  Excess      −0.0212 ± 0.0029",
        "",
        "two",
        "  AOFE-ratio  –",
        "  Excess      0.1",
    ]
    lines = [line.rstrip() for line in _lines(_page(metrics), 22)]
    assert lines[lines.index("org/one") + 1 :][:6] == [
        "  AOFE",
        "  1,336 ± 332",
        "  AOFE-ratio",
        "  0.841 ± 0.016",
        "  Excess",
        "  −0.0212 ± 0.0029",
    ]


def test_sentences_are_not_repeated_in_every_part_of_a_table():
    sentence = "The interval of the partial correlation, families left out whole, excludes zero."
    rules = table(
        "Rules", ("Rule", "Outcome", "On what"), [(sentence, "fails", "−0.11 [−0.30, +0.09], 113 models")], left=3
    )
    text = " ".join("\n".join(_lines(_page(rules), 40)).split())
    assert text.count(sentence) == 1 and "Outcome fails On what −0.11 [−0.30, +0.09], 113 models" in text


def test_the_answer_comes_first_and_figures_titles_and_footers_do_not_come():
    figure = Figure(name="f", caption="A caption.", description="D", svg="<svg/>", png=b"", pdf=b"")
    lines = [line.rstrip() for line in _lines(_page(figure, Prose(text="Prose."), Bullets(items=("one",))), 80)]
    assert lines == ["The answer.", "More.", "", "The section", "Prose.", "", "- one"]
    alone = [line.rstrip() for line in _lines(_page(figure, table("The caption", ("A", "B"), [("a", "b")])), 80)]
    assert alone[:4] == ["The answer.", "More.", "", "The caption"]
    assert _lines(_page(figure), 80) == ["The answer.", "More."]


def test_every_headline_is_set_apart():
    lines = _lines(replace(_page(), answer=("One.", "Two.", "More."), headlines=2), 80, colour=True)
    assert [line.startswith("\x1b[1m") for line in lines] == [True, True, False]


def test_the_claim_comes_before_the_answer_and_the_first_figure_does_not_come():
    figure = Figure(name="f", caption="A caption.", description="D", svg="<svg/>", png=b"", pdf=b"")
    assert _lines(replace(_page(), claim="A claim.", figure=figure), 80) == ["A claim.", "The answer.", "More."]


def test_details_are_shown_when_they_are_asked_for():
    page = _page(Prose(text="Only on request."), detail=True)
    assert "Only on request." not in _lines(page, 80)
    assert "Only on request." in _lines(page, 80, details=True)


def test_a_listing_is_not_wrapped():
    command = "nil-audit " + " ".join(f"--option-{number}" for number in range(20))
    assert command in _lines(_page(Listing(text=command)), 60)


def test_a_table_without_headings_has_none():
    facts = Table(
        caption="Facts", columns=(Column(label=""), Column(label="")), rows=((Cell(text="a"), Cell(text="b")),)
    )
    assert [line.rstrip() for line in _lines(_page(facts), 80)][-2:] == ["Facts", "a  b"]


def test_a_tone_is_a_colour_and_strong_is_bold():
    rows = [
        ("m", verdict_cell("inside")),
        ("n", verdict_cell("disputed")),
        (Cell(text="o", strong=True), verdict_cell("outside")),
    ]
    lines = "\n".join(_lines(_page(table("C", ("Model", "Verdict"), rows)), 80, colour=True))
    for code, words in (("32", "inside"), ("33", "disputed"), ("31", "outside"), ("1", "o"), ("1", "The answer.")):
        assert re.search(rf"\x1b\[{code}m *{re.escape(words)}", lines), words
    assert not re.search(r"\x1b", "\n".join(_lines(_page(table("C", ("Model", "Verdict"), rows)), 80)))

"""What a page of results is made of: prose, plots and tables, before anyone chooses terminal, HTML or Markdown.

Strings here are plain text, and may come from outside (a model's name); each renderer escapes them for its
own format. A renderer links ``arXiv 2605.27989`` to the paper by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        label: Its heading.
        numeric: Aligned right, set in tabular figures, sorted by value and not by spelling.
        help: What it holds, in a few words; shown below the table.
    """

    label: str
    numeric: bool = False
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What is shown.
        value: What the table sorts by, where it is not ``text``; None sorts last in either direction.
        href: An address that the text links to.
        strong: Whether the text is set apart.
        tone: "good", "doubtful" or "bad": a colour beside the words, which say the same.
    """

    text: str
    value: float | None = None
    href: str | None = None
    strong: bool = False
    tone: str | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a caption.

    Attributes:
        caption: What the table shows, in a sentence.
        columns: Its columns, from left to right.
        rows: Its rows, each as long as ``columns``.
        name: An identifier on the page, where the table can be sorted and filtered; None for a plain table.
        choices: Positions of columns that a reader can choose one value of ("family"), in a sortable table.
        note: A remark below it.
        file: The file beside the page that holds all rows, named where a format shows only some of them.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    name: str | None = None
    choices: tuple[int, ...] = ()
    note: str = ""
    file: str | None = None


def table(
    caption: str, columns: Sequence[Column | str], rows: Iterable[Sequence[Cell | str]], *, left: int = 1, **rest: Any
) -> Table:
    """A table from plain strings where nothing more is to be said of a column or a cell.

    Args:
        caption: What it shows, in a sentence.
        columns: Columns, or labels: the first ``left`` of words, the others of numbers.
        rows: Cells, or their texts.
        left: See ``columns``.
        **rest: The other fields of `Table`.
    """
    heads = tuple(
        one if isinstance(one, Column) else Column(label=one, numeric=place >= left)
        for place, one in enumerate(columns)
    )
    cells = tuple(tuple(one if isinstance(one, Cell) else Cell(text=one) for one in row) for row in rows)
    return Table(caption=caption, columns=heads, rows=cells, **rest)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A plot with its caption, drawn once.

    Attributes:
        name: The plot's file name without suffix; also prefixes every identifier inside the drawing.
        caption: What it shows, in sentences.
        description: What a reader who cannot see it should know, in a sentence.
        svg: The drawing as an SVG document.
        png: The same as PNG bytes.
        pdf: The same as PDF bytes, for a paper.
        narrow: The same for a screen as narrow as a phone's, as an SVG document; None where the wide one is scrolled.
    """

    name: str
    caption: str
    description: str
    svg: str
    png: bytes
    pdf: bytes
    narrow: str | None = None


@dataclass(frozen=True, kw_only=True)
class Prose:
    """One paragraph."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Text to be copied as it stands: a command, a formula, a configuration."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Aside:
    """Sentences set apart because a reader must not miss them."""

    title: str
    items: tuple[str, ...]


Block = Prose | Bullets | Listing | Aside | Table | Figure


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled part of a page.

    Attributes:
        name: Its anchor: lower-case letters, digits and hyphens.
        title: Its heading.
        blocks: What it holds, in order.
        detail: Whether a terminal shows it only when details are asked for; files always hold it.
        folded: Whether an HTML page shows its heading alone until a reader opens it.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]
    detail: bool = False
    folded: bool = False


@dataclass(frozen=True, kw_only=True)
class KeyNumber:
    """A number that the first screen shows.

    Attributes:
        label: What it is.
        value: The number as it is shown.
        detail: Its interval or what stands behind it.
        span: (low, value, high) between -1 and 1, drawn as an interval against zero; None draws nothing.
    """

    label: str
    value: str
    detail: str = ""
    span: tuple[float, float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole page of results.

    Attributes:
        title: The question it answers.
        kicker: What it is about, in a few words above the title.
        claim: What is put to the test, in a sentence before the answer; empty where nothing is.
        answer: The answer in words, one string a paragraph.
        headlines: How many of its paragraphs, from the first, say all of it in short; they are set apart.
        figure: The figure of the first screen, after the paragraphs that are set apart.
        numbers: The key numbers of the first screen.
        sections: Everything else.
        footer: Where it comes from: program, version, what it was made of.
        closing: What a terminal says last where it leaves details out: where more is to be found.
    """

    title: str
    kicker: str
    claim: str = ""
    answer: tuple[str, ...]
    headlines: int = 1
    figure: Figure | None = None
    numbers: tuple[KeyNumber, ...] = ()
    sections: tuple[Section, ...] = ()
    footer: tuple[str, ...] = ()
    closing: str = ""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure, from top to bottom."""
        blocks = (self.figure, *(block for section in self.sections for block in section.blocks))
        return tuple(block for block in blocks if isinstance(block, Figure))

"""A page as a terminal shows it: the answer, prose and tables of one look, cut to the terminal's width."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from nil_audit.report.render.characters import clean, fitted, printable
from nil_audit.report.render.page import Aside, Block, Bullets, Figure, Listing, Page, Prose, Table
from nil_audit.report.render.terminal_table import TerminalTable


def render_terminal(page: Page, width: int, *, details: bool = False, encoding: str = "utf-8") -> RenderableType:
    """Render a ``Page`` for a terminal: its answer and the blocks of its sections, figures left out.

    A table that is too wide is cut into several that share the first column, or told row by row. A listing is not
    wrapped, since it is there to be copied: print with ``crop=False``.

    Args:
        page: The page. Every text is printed as it stands, on one line where it is not a listing.
        width: Columns of the terminal; no line but a listing's is longer.
        details: Show the sections that hold details too.
        encoding: Of the terminal; characters that it lacks are written in ASCII.
    """
    look = _Look(width=width, encoding=encoding)
    parts: list[RenderableType] = [look.text(page.claim)] if page.claim else []
    parts += [
        look.text(paragraph, "bold" if place < page.headlines else "") for place, paragraph in enumerate(page.answer)
    ]
    for section in page.sections:
        blocks = [block for block in section.blocks if not isinstance(block, Figure)]
        if not blocks or (section.detail and not details):
            continue
        if len(blocks) > 1 or not isinstance(blocks[0], Table):
            parts += [Text(), look.text(section.title, "bold underline")]
        for place, block in enumerate(blocks):
            if place or isinstance(block, Table):
                parts.append(Text())
            parts += look.block(block)
    if page.closing and page.sections and not details:
        parts.append(look.text(page.closing, "dim"))
    return Group(*parts)


@dataclass(frozen=True, kw_only=True)
class _Look:
    """A terminal: its width in columns, and the characters it has."""

    width: int
    encoding: str

    def words(self, text: str) -> str:
        """A text on one line, in the terminal's characters."""
        return fitted(clean(text), self.encoding)

    def text(self, text: str, style: str = "") -> Text:
        return Text(self.words(text), style=style)

    def block(self, block: Block) -> Iterator[RenderableType]:
        match block:
            case Prose():
                yield self.text(block.text)
            case Bullets():
                yield from map(self._item, block.items)
            case Aside():
                yield self.text(block.title, "bold yellow")
                yield from map(self._item, block.items)
            case Listing():
                yield Text(fitted(printable(block.text), self.encoding), no_wrap=True, overflow="ignore")
            case Table():
                yield self.text(block.caption, "bold")
                yield from TerminalTable(block, self.words).fitted(self.width, lines=self.encoding.startswith("utf"))
                if block.note:
                    yield self.text(block.note, "dim")

    def _item(self, text: str) -> RenderableType:
        row = RichTable.grid(padding=(0, 1, 0, 0))
        row.add_row("-", self.text(text))
        return row

"""A page as a terminal shows it: the answer, prose and tables of one look, cut to the terminal's width."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table as RichTable
from rich.text import Text

from nil_audit.report.render.page import Aside, Block, Bullets, Cell, Figure, Listing, Page, Prose, Table
from nil_audit.report.render.text import clean, printable

_COLOURS = {"good": "green", "doubtful": "yellow", "bad": "red"}
_GAP = 2
"""Blank columns between two columns of a table."""
_PROSE = 24
"""Columns that a cell of words is left at least where it is longer: the first of a row, and half of any other."""


def render_terminal(page: Page, width: int, *, details: bool = False) -> RenderableType:
    """Render a ``Page`` for a terminal: its answer and the blocks of its sections, figures left out.

    A table that is too wide is cut into several that share the first column. A listing is not wrapped, since it is
    there to be copied: print with ``crop=False``.

    Args:
        page: The page. Every text is printed as it stands, on one line where it is not a listing.
        width: Columns of the terminal; no line but a listing's is longer.
        details: Show the sections that hold details too.
    """
    parts: list[RenderableType] = [
        Text(clean(paragraph), style="" if place else "bold") for place, paragraph in enumerate(page.answer)
    ]
    for section in page.sections:
        blocks = [block for block in section.blocks if not isinstance(block, Figure)]
        if not blocks or (section.detail and not details):
            continue
        if len(blocks) > 1 or not isinstance(blocks[0], Table):
            parts += [Text(), Text(clean(section.title), style="bold underline")]
        for place, block in enumerate(blocks):
            if place or isinstance(block, Table):
                parts.append(Text())
            parts += _block(block, width)
    return Group(*parts)


def _block(block: Block, width: int) -> Iterator[RenderableType]:
    match block:
        case Prose():
            yield Text(clean(block.text))
        case Bullets():
            yield from map(_item, block.items)
        case Aside():
            yield Text(clean(block.title), style="bold yellow")
            yield from map(_item, block.items)
        case Listing():
            yield Text(printable(block.text), no_wrap=True, overflow="ignore")
        case Table():
            yield from _table(block, width)


def _item(text: str) -> RenderableType:
    row = RichTable.grid(padding=(0, 1, 0, 0))
    row.add_row("-", Text(clean(text)))
    return row


def _table(table: Table, width: int) -> Iterator[RenderableType]:
    yield Text(clean(table.caption), style="bold")
    for place, widths in enumerate(_cut(table, width)):
        if place:
            yield Text()
        yield _part(table, widths)
    if table.note:
        yield Text(clean(table.note), style="dim")


def _part(table: Table, widths: dict[int, int]) -> RichTable:
    """The columns at these positions, each this wide."""
    part = RichTable(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),
        show_header=any(column.label for column in table.columns),
    )
    for position, size in widths.items():
        column = table.columns[position]
        part.add_column(
            Text(clean(column.label)), justify="right" if column.numeric else "left", width=size, overflow="fold"
        )
    for row in table.rows:
        part.add_row(*(_text(row[position], size) for position, size in widths.items()))
    return part


def _text(cell: Cell, width: int) -> Text:
    text = clean(cell.text)
    if cell_len(text) > width and _is_path(text):
        text = text.replace("/", "/\n", 1)
    return Text(text, style=Style(bold=cell.strong, color=_COLOURS[cell.tone] if cell.tone else None))


def _cut(table: Table, width: int) -> list[dict[int, int]]:
    """The tables that one is cut into: positions of columns with their widths, the first column in each.

    Each holds as many columns as fit, in order. A column is folded within words only where it is too wide even alone
    beside the first.
    """
    texts = [[clean(column.label)] for column in table.columns]
    for row in table.rows:
        for column, cell in zip(texts, row, strict=True):
            column.append(clean(cell.text))
    most = [max(map(cell_len, column)) for column in texts]
    least = [_least(column, table.columns[position].numeric, not position) for position, column in enumerate(texts)]
    room = width - _GAP - max(least[1:], default=-_GAP)
    least[0] = min(least[0], max(room, width // 2))
    parts: list[list[int]] = [[0]]
    for position in range(1, len(least)):
        least[position] = min(least[position], width - _GAP - least[0])
        if sum(least[one] + _GAP for one in parts[-1]) + least[position] > width:
            parts.append([0])
        parts[-1].append(position)
    return [_widened({one: (least[one], most[one]) for one in part}, width) for part in parts]


def _least(texts: Sequence[str], numeric: bool, first: bool) -> int:
    """How narrow a column may become: its heading and its words wrap between words, its numbers not at all."""
    head, *cells = texts
    least = [cell_len(word) for word in head.split()]
    for text in cells:
        path = _is_path(text)
        words = [text] if numeric else text.replace("/", "/ ", path).split()
        least += [cell_len(word) for word in words]
        if not path:
            least.append(min(_PROSE, cell_len(text) if first else (cell_len(text) + 1) // 2))
    return max(least, default=0)


def _is_path(text: str) -> bool:
    """Whether it is long, and may break after its first slash: a Hub id after the organisation."""
    return len(text) > _PROSE and "/" in text and " " not in text


def _widened(extents: dict[int, tuple[int, int]], width: int) -> dict[int, int]:
    """Columns from (least, most) to their widths: what is left of the terminal goes where it is wanted."""
    left = width - sum(least for least, _ in extents.values()) - _GAP * (len(extents) - 1)
    widths = {}
    for waiting, (one, (least, most)) in zip(
        range(len(extents), 0, -1), sorted(extents.items(), key=lambda item: item[1][1] - item[1][0]), strict=True
    ):
        more = max(0, min(most - least, left // waiting))
        widths[one], left = least + more, left - more
    return dict(sorted(widths.items()))

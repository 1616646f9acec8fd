"""A table in a terminal: whole where it fits, else in parts that share the first column, else row by row.

Neither a number nor a word of a heading is ever broken where the terminal has room for it alone.
"""

from collections.abc import Callable, Iterator

from rich import box
from rich.cells import cell_len
from rich.console import RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Table as RichTable
from rich.text import Text

from nil_audit.report.render.page import Cell, Table

_COLOURS = {"good": "green", "doubtful": "yellow", "bad": "red"}
_GAP = 2
"""Blank columns between two columns of a table."""
_INDENT = 2
"""Blank columns before what a row holds, where it is told line by line."""
_PROSE = 24
"""Columns that a cell of words is left at least where it is longer: the first of a row, and half of any other."""
_RULE_IN_ASCII = box.Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)


class TerminalTable:
    """A table of a page with its texts as the terminal can show them."""

    def __init__(self, table: Table, words: Callable[[str], str]) -> None:
        """Take a table.

        Args:
            table: As the page describes it.
            words: Makes a text one line in the terminal's characters.
        """
        self.heads = [words(column.label) for column in table.columns]
        self.numeric = [column.numeric for column in table.columns]
        self.rows = [[(words(cell.text), _style(cell)) for cell in row] for row in table.rows]
        texts = [[self.heads[place], *(row[place][0] for row in self.rows)] for place in range(len(self.heads))]
        self.most = [max(map(cell_len, column)) for column in texts]
        self.whole = [self._whole(place, column) for place, column in enumerate(texts)]
        self.least = [max(whole, self._least(*one)) for whole, one in zip(self.whole, enumerate(texts), strict=True)]

    def fitted(self, width: int, *, lines: bool = True) -> Iterator[RenderableType]:
        """What is printed of it, no line of it wider than this many columns.

        Args:
            width: Columns of the terminal.
            lines: Whether the terminal has characters to draw lines with.
        """
        parts = self._parts(width)
        if parts is None:
            yield from self._row_by_row(width)
            return
        for place, widths in enumerate(parts):
            if place:
                yield Text()
            yield self._part(widths, lines)

    def _whole(self, place: int, texts: list[str]) -> int:
        """How wide a column must be for no number and no word of its heading, or of a short cell, to break."""
        head, *cells = texts
        pieces = head.split()
        for text in cells:
            if self.numeric[place]:
                pieces.append(text)
            else:
                pieces += (text.replace("/", "/ ") if _is_path(text) else text).split()
        return max(map(cell_len, pieces), default=0)

    def _least(self, place: int, texts: list[str]) -> int:
        """How narrow a column may become to be read with ease: a cell of words is left some of them on a line."""
        _, *cells = texts
        lengths = [
            min(_PROSE, cell_len(text) if not place else (cell_len(text) + 1) // 2)
            for text in cells
            if not _is_path(text)
        ]
        return max(lengths, default=0)

    def _parts(self, width: int) -> list[dict[int, int]] | None:
        """The tables that it is cut into: positions of columns with their widths, the first column in each.

        Each holds as many columns as fit, in order. None where a column would break a number or a word even alone
        beside the first, where there would be many parts of a single number, and where each would repeat sentences.
        """
        first, others = self.least[0], range(1, len(self.heads))
        widest = max((self.least[one] for one in others), default=-_GAP)
        # The first column gives way, to half the terminal.
        first = max(self.whole[0], min(first, max(width - _GAP - widest, width // 2)))
        least = [first, *(max(self.whole[one], min(self.least[one], width - _GAP - first)) for one in others)]
        if any(first + _GAP + least[one] > width for one in others) or first > width:
            return None
        parts: list[list[int]] = [[0]]
        for one in others:
            if sum(least[other] + _GAP for other in parts[-1]) + least[one] > width:
                parts.append([0])
            parts[-1].append(one)
        wraps = any(cell_len(row[0][0]) > first and not _is_path(row[0][0]) for row in self.rows)
        if (len(parts) > 1 and wraps) or 2 < len(parts) == len(others):
            return None
        return [_widened({one: (least[one], self.most[one]) for one in part}, width) for part in parts]

    def _part(self, widths: dict[int, int], lines: bool) -> RichTable:
        """The columns at these positions, each this wide."""
        part = RichTable(
            box=box.SIMPLE_HEAD if lines else _RULE_IN_ASCII,
            show_edge=False,
            pad_edge=False,
            padding=(0, _GAP - 1, 0, 0),
            show_header=any(self.heads),
        )
        for place, size in widths.items():
            part.add_column(
                Text(self.heads[place]),
                justify="right" if self.numeric[place] else "left",
                width=size,
                overflow="fold",
            )
        for row in self.rows:
            part.add_row(*(_text(*row[place], size) for place, size in widths.items()))
        return part

    def _row_by_row(self, width: int) -> Iterator[RenderableType]:
        """Each row as lines: its first cell, then every other that is not empty behind its heading."""
        label = max(map(cell_len, self.heads[1:]), default=0)
        room = width - _INDENT - label - (_GAP if label else 0)
        apart = max(self.whole[1:], default=0) > room
        for place, row in enumerate(self.rows):
            if place:
                yield Text()
            yield Text(row[0][0], style=row[0][1] + Style(bold=True), overflow="fold")
            grid = RichTable.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
            for size in (width - _INDENT,) if apart else (label, room):
                grid.add_column(width=size, overflow="fold")
            for head, (text, style) in zip(self.heads[1:], row[1:], strict=True):
                if not text:
                    continue
                if apart:
                    for line in (Text(head, style="dim"),) if head else ():
                        grid.add_row(line)
                    grid.add_row(Text(text, style=style))
                else:
                    grid.add_row(Text(head, style="dim"), _text(text, style, room))
            yield Padding(grid, (0, 0, 0, _INDENT))


def _style(cell: Cell) -> Style:
    return Style(bold=cell.strong, color=_COLOURS[cell.tone] if cell.tone else None)


def _text(text: str, style: Style, width: int) -> Text:
    if cell_len(text) > width and _is_path(text):
        text = text.replace("/", "/\n", 1)
    return Text(text, style=style)


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

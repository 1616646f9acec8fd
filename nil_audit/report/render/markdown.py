"""A page as Markdown: the same blocks as the HTML, for repositories and chats."""

import re
from collections.abc import Iterator

from nil_audit.report.render.characters import clean, printable
from nil_audit.report.render.page import Aside, Block, Bullets, Cell, Figure, KeyNumber, Listing, Page, Prose, Table
from nil_audit.report.render.text import ARXIV

LONGEST = 100
"""Rows of the longest table that is printed whole."""
EXCERPT = 20
"""Rows that are printed of a longer one."""

_SPECIAL = re.compile(r"[\\`*|~$]|\](?=[(\[:])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_OPENING = re.compile(r"^(#{1,6}(?=\s|$)|[-+=](?=\s|$|[-=])|\d{1,9}[.)](?=\s))")


def render_markdown(page: Page) -> str:
    """Render a ``Page`` as GitHub-flavoured Markdown; its figures are files in ``plots/`` beside it."""
    parts = [f"*{escaped(page.kicker)}*", f"# {escaped(page.title)}"]
    parts += [linked(page.claim)] if page.claim else []
    parts += [f"**{linked(text)}**" for text in page.answer[: page.headlines]]
    parts += _block(page.figure) if page.figure else []
    parts += map(linked, page.answer[page.headlines :])
    if page.numbers:
        parts.append("\n".join(map(_number, page.numbers)))
    for section in page.sections:
        parts.append(f"## {escaped(section.title)}")
        parts += [part for block in section.blocks for part in _block(block)]
    if page.footer:
        parts += ["---", *map(linked, page.footer)]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """A text on one line that Markdown shows as it stands: no markup, no HTML, no end of a table cell.

    Brackets stay where they cannot make a link, since every interval here has them.
    """
    line = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _SPECIAL.sub(lambda found: f"\\{found.group()}", line)
    return _OPENING.sub(lambda found: f"{found.group()[:-1]}\\{found.group()[-1]}", line)


def linked(text: str) -> str:
    """An escaped text in which every ``arXiv 2605.27989`` links to its paper."""
    return ARXIV.sub(r"[arXiv \1](https://arxiv.org/abs/\1)", escaped(text))


def _number(number: KeyNumber) -> str:
    detail = f" ({escaped(number.detail)})" if number.detail else ""
    return f"- {escaped(number.label)}: **{escaped(number.value)}**{detail}"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Prose():
            yield linked(block.text)
        case Bullets():
            yield "\n".join(f"- {linked(item)}" for item in block.items)
        case Aside():
            yield "\n".join([f"> **{escaped(block.title)}**", ">", *(f"> - {linked(item)}" for item in block.items)])
        case Listing():
            text = printable(block.text)
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
            yield f"{fence}text\n{text}\n{fence}"
        case Figure():
            words = re.sub(r"\\?([\[\]])", r"\\\1", escaped(block.description))
            yield f"![{words}](plots/{block.name}.png)"
            yield f"*{linked(block.caption)}*"
        case Table():
            yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    rows = table.rows if len(table.rows) <= LONGEST else table.rows[:EXCERPT]
    yield linked(table.caption)
    heads = " | ".join(escaped(column.label) for column in table.columns)
    rules = " | ".join("---:" if column.numeric else "---" for column in table.columns)
    yield "\n".join([f"| {heads} |", f"| {rules} |", *(f"| {' | '.join(map(_cell, row))} |" for row in rows)])
    if len(rows) < len(table.rows):
        where = f"; all are in {escaped(table.file)}" if table.file else ""
        yield f"The first {len(rows)} of {len(table.rows)} rows{where}."
    if table.note:
        yield linked(table.note)
    if helps := [f"- {escaped(column.label)}: {escaped(column.help)}" for column in table.columns if column.help]:
        yield "\n".join(helps)


def _cell(cell: Cell) -> str:
    text = escaped(cell.text)
    if cell.href:
        text = f"[{text}]({cell.href})"
    return f"**{text}**" if cell.strong and text else text

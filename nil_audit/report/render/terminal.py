"""Tables as the terminal shows them: one look for every command."""

from rich import box
from rich.table import Table

VERDICT_COLOURS = {"inside": "green", "disputed": "yellow", "outside": "red"}


def terminal_table(title: str, *columns: str, left: int = 1) -> Table:
    """An empty table with a title; the first ``left`` columns are text, the others are set to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < left else "right", overflow="fold")
    return table

"""A report as a folder of files: the page in two formats, its plots, and whatever data belongs to it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nil_audit.files import csv_text, json_text, write_atomically
from nil_audit.report.render.html import render_html
from nil_audit.report.render.markdown import render_markdown
from nil_audit.report.render.page import Page


def write_report(folder: Path, name: str, page: Page, files: Mapping[str, Any]) -> list[Path]:
    """Write ``NAME.html``, ``NAME.md``, each figure as SVG, PNG and PDF in ``plots/``, and further files, atomically.

    The same page and files give the same bytes.

    Args:
        folder: Where they go; made where it is absent.
        name: The page's file name without suffix.
        page: The report.
        files: Content by path relative to the folder: a data frame becomes CSV without its index, text and bytes stay
            as they are, anything else becomes JSON.

    Returns:
        The files written, the page first.

    Raises:
        UsageError: The folder cannot be written to.
    """
    contents: dict[str, str | bytes] = {f"{name}.html": render_html(page), f"{name}.md": render_markdown(page)}
    for figure in page.figures:
        forms: dict[str, str | bytes] = {"svg": figure.svg, "png": figure.png, "pdf": figure.pdf}
        contents |= {f"plots/{figure.name}.{form}": content for form, content in forms.items()}
    contents |= {path: _content(data) for path, data in files.items()}
    return [write_atomically(folder / path, content) for path, content in contents.items()]


def _content(data: Any) -> str | bytes:
    if isinstance(data, str | bytes):
        return data
    return csv_text(data) if hasattr(data, "to_csv") else json_text(data)

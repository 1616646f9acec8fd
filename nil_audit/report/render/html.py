"""One self-contained HTML file: our own layout, style and script, and nothing loaded from anywhere.

Everything that a template prints is escaped. A content security policy forbids the page to load anything and
lets no script run but the one it was written with, so that a hostile model name that got past the escaping would
still do nothing.
"""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from nil_audit import __version__
from nil_audit.report.plots.palette import THEMED
from nil_audit.report.render.characters import printable
from nil_audit.report.render.page import Page
from nil_audit.report.render.text import ARXIV

TEMPLATES = Path(__file__).parent / "templates"


def render_html(page: Page) -> str:
    """Render a ``Page`` as UTF-8 text of one HTML file that loads nothing."""
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            style=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            version=__version__,
        )
    )


def inline_svg(svg: str, name: str, description: str) -> Markup:
    """Prepare a drawing for the inside of a page.

    Identifiers get a prefix, so that two drawings on one page do not share clip paths or markers; the colours
    of ``palette.THEMED`` become custom properties, so that the drawing follows the page's light and dark colours.

    Args:
        svg: A whole SVG document, as ``style.figure_files`` makes it.
        name: The prefix: letters, digits and hyphens.
        description: The drawing's text for readers who cannot see it.

    Returns:
        An ``<svg>`` element, safe to print in a template: matplotlib has escaped its text.
    """
    body = svg[svg.index("<svg") :]
    # A style element would rule the whole page; the page's own style sheet says the same of drawings.
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    for colour, variable in THEMED.items():
        body = re.sub(rf"(?<=: ){colour}\b", f"var(--{variable}, {colour})", body, flags=re.IGNORECASE)
    # The page sets the size; the view box keeps the proportions.
    head, rest = body.split(">", 1)
    head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)
    return Markup(f'{head} role="img" aria-label="{escape(description)}">{rest}')


def linked(text: str) -> Markup:
    """Escape a text and link every ``arXiv 2605.27989`` in it to its paper."""
    return Markup(ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">arXiv&nbsp;\1</a>', str(escape(printable(text)))))


@cache
def environment() -> jinja2.Environment:
    """The templates: every string is escaped, and a name that they lack is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    environment.filters["linked"] = linked
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.globals["inline_svg"] = inline_svg
    return environment

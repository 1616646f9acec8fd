"""How every plot looks: type, lines, sizes, and how a drawing becomes SVG, PNG and PDF bytes and a block of a page.

Text stays text in SVG and PDF, a PDF holds its font, and the same figure gives the same bytes on every run.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter
from PIL import Image

from nil_audit.report.plots.palette import GRID, INK, INTERVAL, MUTED, PAPER, RAMP
from nil_audit.report.render import page
from nil_audit.report.render.text import MINUS

WIDTH = 7.0
"""Of every figure, in inches: across a paper's two columns."""
PHONE = 3.7
"""Width of a drawing for a phone, in inches: shown over the whole screen, its letters are as large as small print."""
HALO = "_rim"
"""Label (no legend shows it) of a text that gets a rim of the paper's colour, to be read across lines."""

PREDICTED = (0, (4, 2.5))
"""Dashes of every line of the predicted effect; that of no effect is solid."""

SIGNED = FuncFormatter(lambda value, _: f"{value:+g}".replace("-", MINUS) if value else "0")
"""Tick labels with their sign."""

_RIM = f"text{{paint-order:stroke;stroke:{PAPER};stroke-width:1.6px;stroke-linejoin:round}}"

_SETTINGS: dict[Any, Any] = {
    # DejaVu Sans ships with matplotlib, so a figure is laid out alike on every machine.
    "font.family": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.borderaxespad": 0.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "nil-audit",
    # The font itself, in the part that is used: what print shops and journals ask for, and text that can be searched.
    "pdf.fonttype": 42,
    "axes.unicode_minus": True,
    "text.parse_math": False,
}


@contextmanager
def plot_style() -> Iterator[None]:
    """Draw under the settings of this module; what was set before comes back afterwards."""
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        # A model's name may be in a script that the font lacks: SVG shows it by the reader's fonts, PNG as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


class Drawing(Figure):
    """A figure that a notebook shows whether or not pyplot was imported there."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """PNG bytes, twice as fine as they are shown, and the size in pixels that they are shown at."""
        width, height = (round(96 * inches) for inches in self.get_size_inches())
        return png_bytes(self, 192), {"width": width, "height": height}


def new_figure(height: float, width: float = WIDTH) -> Drawing:
    """A figure of this many inches that no global state knows of (nothing to close, safe in threads)."""
    figure = Drawing(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def steps(count: int) -> tuple[str, ...]:
    """This many colours of the ramp, small to large, spread over all of it (at most six)."""
    if count <= 1:
        return (RAMP[2],)[:count]
    last = len(RAMP) - 1
    return tuple(RAMP[round(step * last / (count - 1))] for step in range(count))


def row_text(
    axes: Axes,
    x: float,
    y: float,
    words: str,
    side: str,
    *,
    shift: float = 0.0,
    size: float = 7.0,
    color: str = INK,
    weight: str = "normal",
    halo: bool = False,
) -> None:
    """Write in the row of a plot: x in the axes' width, which it may leave, y on its scale; words end or begin there.

    Args:
        axes: Where.
        x: 0 is the left edge, 1 the right one.
        y: The row.
        words: What; never read as mathematics.
        side: "left" where they begin at x, "right" where they end there.
        shift: Points further to the right.
        size: Of the type.
        color: Of the words.
        weight: "normal" or "bold".
        halo: Whether it stands across lines.
    """
    axes.annotate(
        words,
        (x, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(shift, 0.0),
        textcoords="offset points",
        ha=side,
        va="center",
        fontsize=size,
        fontweight=weight,
        color=color,
        annotation_clip=False,
        parse_math=False,
        label=HALO if halo else "",
        zorder=6,
    )


def note(axes: Axes, words: str, *, at: float, left: bool = False) -> None:
    """Write what an interval or a line at a horizontal place is, at the upper edge, right or left of the place."""
    axes.annotate(
        words,
        (at, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if left else 4, -3),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        fontsize=6.8,
        color=INTERVAL,
    )


def chance_line(axes: Axes, chance: float, words: str = "chance", *, named: bool = True) -> None:
    """A dotted line at the score that guessing has, named at its right end, or else by the legend."""
    axes.axhline(chance, color=MUTED, lw=0.8, ls=(0, (1, 2)), zorder=1, label="_" if named else words)
    if not named:
        return
    axes.annotate(
        words,
        (1.0, chance),
        xycoords=("axes fraction", "data"),
        xytext=(-1, -2),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=6.8,
        color=MUTED,
    )


def page_figure(
    name: str, figure: Figure, *, caption: str, description: str, narrow: Figure | None = None
) -> page.Figure:
    """A drawing as a block of a page, in every form that a file of it has; the arguments are those of `page.Figure`.

    Args:
        name: The file name without suffix.
        figure: The drawing.
        caption: What it shows, in sentences.
        description: The same for a reader who cannot see it.
        narrow: The drawing for a phone; None where the wide one is scrolled there.
    """
    return page.Figure(
        name=name,
        caption=caption,
        description=description,
        svg=svg_text(figure),
        png=png_bytes(figure),
        pdf=pdf_bytes(figure),
        narrow=None if narrow is None else svg_text(narrow),
    )


def svg_text(figure: Figure) -> str:
    """The figure as an SVG document: the same text for the same figure, with no date in it."""
    buffer = io.StringIO()
    with plot_style():
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    text = re.sub(r"<!DOCTYPE.*?>\s*", "", text, flags=re.DOTALL)
    # A hundredth of a point is finer than any screen or press, and six digits of it would be half of the file.
    text = re.sub(r'\bd="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), text)
    # matplotlib would turn text with a rim into outlines; a style rule keeps it text.
    text = text.replace('<style type="text/css">', f'<style type="text/css">{_RIM}', 1)
    return text.replace("'DejaVu Sans'", "'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif")


def png_bytes(figure: Figure, dots: int = 200) -> bytes:
    """The figure as PNG at this many dots per inch."""
    buffer = io.BytesIO()
    rim: list[patheffects.AbstractPathEffect] = [patheffects.withStroke(linewidth=1.6, foreground=PAPER)]
    haloed = [text for text in figure.findobj(Text) if text.get_label() == HALO]
    with plot_style():
        for text in haloed:
            text.set_path_effects(rim)
        figure.savefig(buffer, format="png", dpi=dots)
        for text in haloed:
            text.set_path_effects([])
    # Flat colours and their edges fit in 256: a third of the size, with no difference to see.
    flat = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small = io.BytesIO()
    flat.save(small, format="png", optimize=True, dpi=(dots, dots))
    return small.getvalue()


def pdf_bytes(figure: Figure) -> bytes:
    """The figure as PDF for a paper, its font inside: the same bytes for the same figure, with no date in them."""
    buffer = io.BytesIO()
    haloed = [text for text in figure.findobj(Text) if text.get_label() == HALO and text.get_text()]
    with plot_style():
        # A rim would turn the text into outlines; a pale box behind it lets it be read across lines as well.
        for text in haloed:
            text.set_bbox({"facecolor": PAPER, "alpha": 0.7, "edgecolor": "none", "pad": 0.4})
        figure.savefig(buffer, format="pdf", metadata=dict.fromkeys(("CreationDate", "Creator", "Producer")))
        for text in haloed:
            text.set_bbox(None)
    return buffer.getvalue()

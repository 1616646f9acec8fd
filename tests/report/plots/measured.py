"""What a drawn figure measures: where its writing is, in dots."""

from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text


def writing(figure: Figure) -> dict[Text, tuple[float, float, float, float]]:
    """Left, lower, right and upper end of every text that is shown: labels, ticks, legends, notes."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    found = {}
    for axes in figure.axes:
        texts = [*axes.texts, *(axes.get_legend().get_texts() if axes.get_legend() else ())]
        for axis in (axes.xaxis, axes.yaxis):
            if axes.axison and axis.get_visible():
                low, high = sorted(axis.get_view_interval())
                shown = (tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)
                texts += [axis.label, *(tick.label1 for tick in shown)]
        found.update({text: text.get_window_extent(renderer).extents for text in texts if text.get_text().strip()})
    return found


def assert_readable(figure: Figure) -> None:
    """Nothing written leaves the figure, and no text lies on another one."""
    width, height = figure.get_size_inches() * figure.dpi
    found = writing(figure)
    for text, (left, lower, right, upper) in found.items():
        assert left >= -0.5 and lower >= -0.5 and right <= width + 0.5 and upper <= height + 0.5, text.get_text()
    for (one, a), (other, b) in combinations(found.items(), 2):
        across, up = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        # The extent of a line of text has empty room above and below its letters.
        assert across <= 1 or up <= 3, (one.get_text(), other.get_text())

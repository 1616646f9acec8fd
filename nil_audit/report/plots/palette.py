"""The colours of plots and pages, apart from style.py because a page needs them without matplotlib.

They are told apart by readers with any common colour blindness: sizes run along one ramp from light orange to dark
violet whose lightness falls steadily, and no meaning rests on red against green.
"""

INK = "#1c1f24"
MUTED = "#6b7079"
GRID = "#e4e1db"
PAPER = "#ffffff"
INTERVAL = "#2a8c82"
LINE = "#0b5a73"
ALERT = "#b3431f"
RAMP = ("#e8952f", "#d9654b", "#b8346f", "#7e2a8e", "#46268a", "#1b1552")

THEMED = {
    INK: "plot-ink",
    MUTED: "plot-muted",
    GRID: "plot-grid",
    PAPER: "plot-paper",
    INTERVAL: "plot-interval",
    LINE: "plot-line",
    ALERT: "plot-alert",
    **{colour: f"size-{step}" for step, colour in enumerate(RAMP, 1)},
}
"""Colour in a drawing -> the custom property that replaces it on a page, which follows light and dark."""

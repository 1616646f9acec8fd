"""Numbers and names as they are printed: one place, so that HTML, Markdown and plots agree."""

import re
import unicodedata

MISSING = "–"
MINUS = "−"
ARXIV = re.compile(r"\barXiv[: ](\d{4}\.\d{4,5})\b")
"""A paper's number: renderers link it."""


def printable(text: str) -> str:
    """A text from outside without control and invisible formatting characters; white space stays.

    Such characters are not allowed in XML, or turn the direction of what follows.
    """
    return "".join(
        character
        for character in text
        if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )


def clean(text: str) -> str:
    """A text from outside on one line: printable, runs of white space made one space."""
    return " ".join(printable(" ".join(text.split())).split())


def short_name(name: str, most: int = 26) -> str:
    """A model's name for a plot: without its organisation, at most ``most`` characters."""
    text = clean(name).rstrip("/").rpartition("/")[2] or clean(name)
    return text if len(text) <= most else text[: most - 1] + "…"


def signed(value: float | None, digits: int = 2) -> str:
    """A number with its sign: "+0.19", "−0.03"; a dash where there is none."""
    if value is None:
        return MISSING
    text = f"{abs(value):.{digits}f}"
    return f"{MINUS if value < 0 and float(text) else '+' if float(text) else ''}{text}"


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """An interval of signed numbers: "−0.03 to +0.36"; a dash where there is none."""
    if low is None or high is None:
        return MISSING
    return f"{signed(low, digits)} to {signed(high, digits)}"


def bracketed(value: float | None, low: float | None, high: float | None, digits: int = 2) -> str:
    """An estimate with its interval: "−0.11 [−0.30, +0.09]"; alone where it has none."""
    if low is None or high is None:
        return signed(value, digits)
    return f"{signed(value, digits)} [{signed(low, digits)}, {signed(high, digits)}]"


def typeset(text: str) -> str:
    """A sentence with minus signs where it has hyphens before numbers and between spaces."""
    return re.sub(r"(?<![^\s\[(])-(?=\d)|(?<= )-(?= )", MINUS, text)


def percent(fraction: float | None, digits: int = 1) -> str:
    """A fraction of 1 as percent: "31.4%"."""
    return MISSING if fraction is None else f"{signed(100 * fraction, digits).removeprefix('+')}%"


def points(fraction: float | None, digits: int = 1) -> str:
    """A difference of two fractions in percentage points, with its sign: "+2.1"."""
    return signed(None if fraction is None else 100 * fraction, digits)


def count(number: float | None) -> str:
    """Parameters or tokens in three figures: "494M", "1.24B", "18.0T"."""
    if number is None:
        return MISSING
    for unit, factor in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        # 999.6M rounds to 1.00B
        if number >= 0.9995 * factor:
            scaled = number / factor
            return f"{scaled:.{0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2}f}{unit}"
    return f"{number:.0f}"


def p_value(value: float | None) -> str:
    """A p-value in two figures: "0.031", "under 0.001"."""
    if value is None:
        return MISSING
    return "under 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"

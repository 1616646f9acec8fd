"""Numbers and names as they are printed: one place, so that terminal, HTML, Markdown and plots agree.

A number that is None or NaN is printed as `MISSING` by every function.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard

from nil_audit.report.render.characters import clean
from nil_audit.source import existing_path
from nil_audit.stats.estimate import Estimate

MISSING = "–"
MINUS = "−"
ARXIV = re.compile(r"\barXiv[: ](\d{4}\.\d{4,5})\b")
"""A paper's number: renderers link it."""


_SNAPSHOT = re.compile(r"(?:.*/)?models--([^/]+)/snapshots/([0-9a-f]{40})(/.*)?")


def display_name(name: str, parts: int = 1) -> str:
    """A model's name in a report that shows no other: of a path that exists its last ``parts``, else the name."""
    return _endings(name, parts)[0]


def display_names(names: Iterable[str]) -> dict[str, str]:
    """The names of several models in a report: each its shortest ending that no other has.

    A Hub id stays as it is, a folder is called by as many of its last parts as tell it from the others, and a
    snapshot in the Hub's cache by its id and commit: "org/name@abcdef1".
    """
    return _distinct({name: _endings(name) for name in names})


def short_names(names: Iterable[str], most: int = 26) -> dict[str, str]:
    """The names of several models in a plot: without organisation where that is enough, at most ``most`` characters."""
    endings = {}
    for name, shown in display_names(names).items():
        parts = shown.rstrip("/").split("/")
        endings[name] = [_cut("/".join(parts[-count:]), most, most - 1) for count in range(1, len(parts) + 1)]
        endings[name].append(_cut(shown, most, most // 2))
    return _distinct(endings)


def _cut(text: str, most: int, kept: int) -> str:
    """A text of at most ``most`` characters: of a longer one the first ``kept``, and as much of its end."""
    return text if len(text) <= most else f"{text[:kept]}…{text[len(text) - (most - kept - 1) :]}"


def _endings(name: str, parts: int = 1) -> list[str]:
    """What a model may be called, from the shortest: from the last ``parts`` of a path that exists upwards."""
    found = [name]
    if path := existing_path(name):
        # A folder may be given as ".."; a file of the Hub's cache is a link to one whose name is a number.
        whole = path.resolve() if path.is_dir() else path.absolute()
        found = ["/".join(whole.parts[-count:]) for count in range(min(parts, len(whole.parts)), len(whole.parts))]
        if snapshot := _SNAPSHOT.fullmatch(whole.as_posix()):
            repository, commit, rest = snapshot[1].replace("--", "/", 1), snapshot[2], snapshot[3] or ""
            rest = rest.removesuffix("/config.json")
            found = [f"{repository}@{commit[:7]}{rest}", f"{repository}@{commit}{rest}"]
        found += [whole.as_posix(), name]
    # At the end names that differ in nothing that can be seen.
    found.append("".join(one if one.isprintable() else ascii(one)[1:-1] for one in name))
    return [shown for one in found if (shown := clean(one))] or ["model"]


def _distinct(endings: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """For each name the first of its endings that no other name has; names that share all are numbered."""
    place = dict.fromkeys(endings, 0)
    while True:
        shown = {name: endings[name][place[name]] for name in endings}
        counts = Counter(shown.values())
        longer = [name for name in endings if counts[shown[name]] > 1 and place[name] + 1 < len(endings[name])]
        if not longer:
            break
        for name in longer:
            place[name] += 1
    taken = set(shown.values())
    seen: set[str] = set()
    for name, text in shown.items():
        number = 1
        while shown[name] in seen:
            number += 1
            numbered = f"{text} ({number})"
            shown[name] = numbered if numbered not in taken else text
        seen.add(shown[name])
    return shown


def with_minus_signs(text: str) -> str:
    """A sentence with minus signs where it has hyphens before numbers and between spaces."""
    return re.sub(r"(?<![^\s\[(])-(?=\d)|(?<= )-(?= )", MINUS, text)


def signed(value: float | None, digits: int = 2) -> str:
    """A number with its sign: "+0.19", "−0.03"."""
    return _number(value, digits, "+")


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """An interval of signed numbers: "−0.03 to +0.36"."""
    return f"{signed(low, digits)} to {signed(high, digits)}" if _known(low) and _known(high) else MISSING


def estimate_text(estimate: Estimate | None, digits: int = 2, *, factor: float = 1.0) -> str:
    """An estimate with its interval, times a factor: "−0.11 [−0.30, +0.09]"; alone where it has none."""
    if estimate is None or not _known(estimate.value):
        return MISSING
    value = signed(estimate.value * factor, digits)
    if estimate.interval is None:
        return value
    low, high = (signed(end * factor, digits) for end in estimate.interval)
    return f"{value} [{low}, {high}]"


def interval_text(estimate: Estimate | None, digits: int = 2) -> str:
    """A number with its interval, without plus signs: "−4.21 [−4.30, −4.12]"; alone where it has none."""
    if estimate is None or not _known(estimate.value):
        return MISSING
    value = _number(estimate.value, digits)
    if estimate.interval is None:
        return value
    return f"{value} [{', '.join(_number(end, digits) for end in estimate.interval)}]"


def error_text(estimate: Estimate | None, digits: int = 2) -> str:
    """A number and its standard error to the error's leading digits: "1.946 ± 0.013"; in four where it has none."""
    if estimate is None or not _known(estimate.value):
        return MISSING
    sign, value, error = MINUS if estimate.value < 0 else "", abs(estimate.value), estimate.se
    if error is None or not math.isfinite(error) or error <= 0 or error < 1e-12 * value:
        return f"{sign}{value:.4g}"
    if value >= 1e5 or 0 < value < 1e-3:
        power = math.floor(math.log10(abs(value)))
        scale = 10.0**power
        places = max(0, digits - 1 - math.floor(math.log10(error / scale)))
        return f"({sign}{value / scale:.{places}f} ± {error / scale:.{places}f})e{power}"
    places = max(0, digits - 1 - math.floor(math.log10(error)))
    return f"{sign}{value:,.{places}f} ± {error:,.{places}f}"


def percent(fraction: float | None, digits: int = 1) -> str:
    """A fraction of 1 as percent: "31.4%"."""
    return f"{_number(100 * fraction, digits)}%" if _known(fraction) else MISSING


def points(fraction: float | None, digits: int = 1) -> str:
    """A difference of two fractions in percentage points, with its sign: "+2.1"."""
    return signed(100 * fraction, digits) if _known(fraction) else MISSING


def listing(words: Sequence[str]) -> str:
    """Words as a sentence lists them: "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def count(number: float | None) -> str:
    """Parameters, tokens or operations in three figures: "494M", "1.24B", "18.0T", and beyond those "4.21e21"."""
    if not _known(number):
        return MISSING
    if number >= 0.9995e15:
        return f"{number:.2e}".replace("e+", "e")
    for unit, factor in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        # 999.6M rounds to 1.00B
        if number >= 0.9995 * factor:
            scaled = number / factor
            return f"{scaled:.{0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2}f}{unit.strip()}"
    return f"{number:.0f}"


def short_count(number: float) -> str:
    """The same without zeros at its end, for axes and names: "1.5M", "600k", "1B"."""
    return re.sub(r"(\.\d*?)0+(?=\D|$)", lambda zeros: zeros[1].rstrip("."), count(number))


def p_value(value: float | None) -> str:
    """A p-value in two figures: "0.031", "under 0.001"."""
    if not _known(value):
        return MISSING
    return "under 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number: neither None nor NaN."""
    return value is not None and not math.isnan(value)


def _number(value: float | None, digits: int, plus: str = "") -> str:
    """A number to this many decimals with a minus sign, or with ``plus``; no sign on what rounds to zero."""
    if not _known(value):
        return MISSING
    text = f"{abs(value):.{digits}f}"
    return f"{MINUS if value < 0 and float(text) else plus if float(text) else ''}{text}"

"""What an interval file must hold, for those that a user brings: the fields of `nil_audit.law.studies.Study`."""

import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from nil_audit.law.loss_curves import FORMS

FEWEST_DRAWS = 20
"""Bootstrap refits that a study needs: fewer give no 95% interval."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_LARGEST = 1e15  # of any number: budgets, coefficients
_LIMITS = {"ln_optimum": (-20.0, 20.0), "curvature": (0.0, 1.0)}  # the other coefficients are scales and powers


def trouble(document: object) -> str | None:
    """What is wrong with a parsed interval file, as the rest of a sentence about it; None where nothing is."""
    if not isinstance(document, dict):
        return "is not a JSON object"
    for field, (holds, meaning) in _FIELDS.items():
        if field not in document:
            return f"lacks {field!r}"
        if not holds(document[field]):
            return f"needs {field!r} to be {meaning}"
    coefficients = [field.name for field in fields(FORMS[document["form"]])]
    if not _curve(document["coefficients"], coefficients):
        return f"has other 'coefficients' than its form has: {', '.join(coefficients)}"
    if not all(_curve(draw, coefficients) for draw in document["draws"]):
        return "has 'draws' that are not coefficients of its form"
    return None


def _line(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_number, value)) and 0 < value[0] <= value[1]


def _curve(values: Any, names: list[str]) -> bool:
    """Whether values are coefficients of these names, of a curve that has a smallest loss."""
    return (
        isinstance(values, list)
        and len(values) == len(names)
        and all(
            _number(value) and _between(value, *_LIMITS.get(name, (0.0, _LARGEST)))
            for value, name in zip(values, names, strict=True)
        )
    )


def _between(value: float, low: float, high: float) -> bool:
    return low < value < high


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (
        lambda value: isinstance(value, str) and bool(_NAME.fullmatch(value)),
        "a name of at most 40 letters, digits, hyphens and underscores",
    ),
    "title": (_line, "a line of text"),
    "source": (_line, "a line of text"),
    "tolerance": (lambda value: _number(value) and 0 < value < 1, "a number between 0 and 1"),
    "form": (lambda value: isinstance(value, str) and value in FORMS, " or ".join(FORMS)),
    "coefficients": (lambda value: isinstance(value, list), "a list"),
    "parameters_range": (_range, "two numbers above 0, the smaller first"),
    "ratio_range": (_range, "two numbers above 0, the smaller first"),
    "residual": (lambda value: _number(value) and value > 0, "a number above 0"),
    "draws": (
        lambda value: isinstance(value, list) and len(value) >= FEWEST_DRAWS,
        f"a list of {FEWEST_DRAWS} or more bootstrap refits",
    ),
}

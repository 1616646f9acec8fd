"""What is told of a library's error."""

import pytest

from nil_audit.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("  a sentence with a full stop.\nand more"), "a sentence with a full stop"),
        (KeyError("hidden_act"), "KeyError: 'hidden_act'"),
        (TypeError("unsupported operand"), "TypeError: unsupported operand"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (RuntimeError("shape '[4]' is invalid"), "shape '[4]' is invalid"),
        (MemoryError(), "MemoryError"),
        (OSError("\n"), "OSError"),
        (Exception("Field error for field 'x':\n    ValueError: must be positive.\n"), "must be positive"),
        (ValueError("instantiate from one of: \n(1) a file"), "instantiate from one of"),
        (ValueError("x" * 300), "x" * 200 + " ..."),
    ],
)
def test_first_line(error: Exception, line: str) -> None:
    assert first_line(error) == line
    assert "\n" not in first_line(error)


def test_a_shorter_limit() -> None:
    assert first_line(ValueError("abcdef"), limit=3) == "abc ..."

"""One task a model: what fails, fails alone."""

import pytest

from nil_audit.errors import ConfigError, UsageError
from nil_audit.runner import run_each


def length(name: str) -> int:
    if name == "bad":
        raise ConfigError("It is bad; choose another.")
    if name == "wrong":
        raise UsageError("The command is wrong; correct it.")
    if name == "defect":
        raise ZeroDivisionError
    return len(name)


def test_a_failure_is_said_at_once_and_stops_no_other() -> None:
    said: list[str] = []
    results, failures = run_each(["a", "bad", "abc"], length, on_failure=said.append)
    assert results == {"a": 1, "abc": 3}
    assert failures == {"bad": "It is bad; choose another."}
    assert said == ["It is bad; choose another."]


@pytest.mark.parametrize("debug", [False, True])
def test_a_wrong_command_and_a_defect_end_the_run(debug: bool) -> None:
    with pytest.raises(UsageError):
        run_each(["wrong", "a"], length, on_failure=print, debug=debug)
    with pytest.raises(ZeroDivisionError):
        run_each(["defect", "a"], length, on_failure=print, debug=debug)


def test_the_first_error_comes_through_where_it_is_looked_for() -> None:
    with pytest.raises(ConfigError):
        run_each(["bad", "a"], length, on_failure=print, debug=True)

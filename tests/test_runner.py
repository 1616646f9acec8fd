"""One task a model: what fails, fails alone, in a sentence that names its model."""

import pytest

from nil_audit.errors import ConfigError, MeasurementError, NilAuditError, TeamError, UsageError
from nil_audit.runner import Outcome, PartlyFailed, run_each


def length(name: str) -> int:
    match name:
        case "bad":
            raise ConfigError("It is not good; choose another.")
        case "wrong":
            raise UsageError("The command cannot be; correct it.")
        case "crash":
            return {"a": 1}["key"]
        case "half":
            raise PartlyFailed(4, MeasurementError("half of it cannot be measured; leave it out."))
        case "stop":
            raise KeyboardInterrupt
        case "alone":
            raise TeamError("The others are gone; start again.")
    return len(name)


def run(*names: str, debug: bool = False) -> tuple[Outcome[int], list[str]]:
    said: list[str] = []
    return run_each(names, length, on_failure=said.append, debug=debug), said


def test_a_failure_is_said_at_once_names_its_model_and_stops_no_other() -> None:
    outcome, said = run("a", "bad", "abc")
    assert outcome == Outcome({"a": 1, "abc": 3}, {"bad": "bad: It is not good; choose another."}, False, 3)
    assert said == ["bad: It is not good; choose another."]


def test_a_sentence_that_names_its_model_does_so_once() -> None:
    for name, said in (("a/b", "a/b is damaged."), ("./b", "Weights of ./b: none.")):
        error = ConfigError(said)

        def fail(_: str, error: Exception = error) -> None:
            raise error

        assert run_each([name], fail, on_failure=print).failures == {name: said}
        assert run_each(["b"], fail, on_failure=print).failures == {"b": f"b: {said}"}


def test_a_defect_is_the_failure_of_its_model_alone() -> None:
    outcome, said = run("a", "crash", "abc")
    assert outcome.results == {"a": 1, "abc": 3}
    assert said == [outcome.failures["crash"]]
    assert said == ["crash: nil-audit has a defect (KeyError: 'key'); --debug shows where, please report it."]


def test_what_is_done_of_a_model_is_kept_where_the_rest_fails() -> None:
    outcome, said = run("a", "half", "abc")
    assert outcome.results == {"a": 1, "half": 4, "abc": 3}
    assert list(outcome.failures.values()) == said == ["half of it cannot be measured; leave it out."]
    assert PartlyFailed(4, UsageError("wrong")).exit_code == UsageError.exit_code


def test_an_interrupted_run_keeps_what_is_finished() -> None:
    outcome, said = run("a", "bad", "stop", "abc")
    assert outcome == Outcome({"a": 1}, {"bad": "bad: It is not good; choose another."}, True, 4)
    assert len(said) == 1


def test_a_lost_process_ends_the_run_with_what_is_finished() -> None:
    outcome, _ = run("a", "alone", "abc")
    assert outcome == Outcome({"a": 1}, {"alone": "alone: The others are gone; start again."}, False, 3)


@pytest.mark.parametrize("debug", [False, True])
def test_a_wrong_command_ends_the_run(debug: bool) -> None:
    with pytest.raises(UsageError):
        run("wrong", "a", debug=debug)


def test_a_wrong_command_that_is_found_late_loses_nothing() -> None:
    outcome, _ = run("a", "wrong")
    assert outcome.results == {"a": 1}
    assert outcome.failures == {"wrong": "wrong: The command cannot be; correct it."}


@pytest.mark.parametrize(("name", "error"), [("bad", ConfigError), ("crash", KeyError), ("half", NilAuditError)])
def test_the_first_error_comes_through_where_it_is_looked_for(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run(name, "a", debug=True)
